//! Checking a file: from its bytes to the index, on all cores. What a row costs is the time a row.

use std::hint::black_box;
use std::io;
use std::path::Path;

use clap::Parser as _;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tray_import::cli::args::Cli;
use tray_import::cli::load::{Listener, load};
use tray_import::issue::Issue;

mod support;

struct Nobody;

impl Listener for Nobody {
    fn issue(&mut self, issue: &Issue) -> io::Result<()> {
        black_box(issue);
        Ok(())
    }
}

fn validation(criterion: &mut Criterion) {
    const ROWS: usize = 20_000;
    let files = support::files(ROWS);
    let catalog = files.path().join("catalog");
    let typed = ["tray-import", "validate", "rows", "--catalog"].map(Path::new);
    let typed = typed.into_iter().chain([catalog.as_path()]);
    let shared = Cli::try_parse_from(typed).expect("arguments").shared;
    let mut group = criterion.benchmark_group("validation");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.sample_size(30);
    for name in ["rows.csv", "rows.jsonl"] {
        let path = files.path().join(name);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut loaded = load(&path, None, &shared).expect("a file");
                let outcome = loaded.check(true, &mut Nobody).expect("an outcome");
                assert_eq!(outcome.index.total, ROWS as u64);
                outcome
            });
        });
    }
    group.finish();
}

criterion_group!(benches, validation);
criterion_main!(benches);
