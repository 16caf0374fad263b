//! Group commit: lines that many rows wait for, on a real file that is really synced.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::task::JoinSet;
use tray_import::results::file::ResultsFile;
use tray_import::results::journal::Journal;

const LINES: u64 = 2_000;

fn journal(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // not where temporary files may be in memory
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(10);
    group.throughput(Throughput::Elements(LINES));
    for writers in [1, 16, 128] {
        let path = dir.path().join(format!("{writers}.jsonl"));
        let file = ResultsFile::create(&path, "https://tray.io/graphql").expect("a file");
        let journal = runtime.block_on(async { Journal::start(file) });
        let line = [b"x".repeat(319), b"\n".to_vec()].concat();
        let id = BenchmarkId::new("lines on disk, by rows that wait", writers);
        group.bench_function(id, |bencher| {
            bencher.to_async(&runtime).iter(|| {
                let (journal, line) = (journal.clone(), line.clone());
                async move {
                    let mut tasks = JoinSet::new();
                    for _ in 0..writers {
                        let (journal, line) = (journal.clone(), line.clone());
                        tasks.spawn(async move {
                            for _ in 0..LINES / writers {
                                journal.write(line.clone()).await.expect("a disk");
                            }
                        });
                    }
                    while let Some(done) = tasks.join_next().await {
                        done.expect("no panic");
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
