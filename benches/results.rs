//! The lines of a results file: written, and replayed.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use tray_import::model::{Id, Key, Progress, State, Step, digest};
use tray_import::results::checksum::seal;
use tray_import::results::facts::Facts;
use tray_import::results::header::Header;
use tray_import::results::line::write_line;
use tray_import::results::replay::replay_bytes;

const ROWS: u64 = 5_000;

/// The seven lines that a row with an instance leaves behind.
fn life(out: &mut Vec<u8>, row: u64) {
    let user = format!("c-{row:08}");
    let key = Key(digest("row", &[&user]));
    let id = |what: &str| {
        let id = digest(what, &[&user]);
        Some(Id::new(&uuid::Uuid::from_u128(id).to_string()))
    };
    let mut progress = Progress::none();
    let mut line = |progress: &mut Progress, state, step| {
        progress.enter(state, Some(step));
        let at = Timestamp::UNIX_EPOCH;
        write_line(out, (row, key), &user, progress, at, Facts::default());
    };
    line(&mut progress, State::Sent, Step::User);
    progress.user_id = id("user");
    progress.created.add(Step::User);
    line(&mut progress, State::Partial, Step::User);
    line(&mut progress, State::Sent, Step::Authentication);
    progress.authentication_id = id("authentication");
    progress.created.add(Step::Authentication);
    line(&mut progress, State::Partial, Step::Authentication);
    line(&mut progress, State::Sent, Step::Instance);
    progress.instance_id = id("instance");
    progress.created.add(Step::Instance);
    line(&mut progress, State::Partial, Step::Instance);
    progress.enabled = Some(true);
    line(&mut progress, State::Done, Step::Enable);
}

fn results(criterion: &mut Criterion) {
    let header = Header::new("https://tray.io/graphql");
    let mut lines = Vec::new();
    for row in 1..=ROWS {
        life(&mut lines, row);
    }
    let file = [header.to_line(), seal(&lines, header.tag())].concat();
    let mut group = criterion.benchmark_group("results");
    group.sample_size(30);
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("replay", |bencher| {
        bencher.iter(|| {
            let replay = replay_bytes(black_box(&file)).expect("a whole file");
            assert_eq!(replay.len() as u64, ROWS);
            replay
        });
    });
    group.throughput(Throughput::Elements(7));
    group.bench_function("write the lines of a row", |bencher| {
        let mut out = Vec::with_capacity(4096);
        bencher.iter(|| {
            out.clear();
            life(&mut out, black_box(17));
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, results);
criterion_main!(benches);
