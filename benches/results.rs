//! The lines of a results file: written, and folded.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use tray_import::model::{Id, Key, Progress, State, Step, digest};
use tray_import::results::fold::fold;
use tray_import::results::header::Header;
use tray_import::results::header::VERSION;
use tray_import::results::line::write_line;

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
        write_line(out, row, key, &user, progress, Timestamp::UNIX_EPOCH);
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
    let header = Header {
        r#type: "batch".to_owned(),
        version: VERSION,
        batch_id: "a-batch".to_owned(),
        endpoint: "https://tray.io/graphql".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
        tool: "bench".to_owned(),
    };
    let mut file = serde_json::to_vec(&header).expect("a header");
    file.push(b'\n');
    for row in 1..=ROWS {
        life(&mut file, row);
    }
    let mut group = criterion.benchmark_group("results");
    group.sample_size(30);
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("fold", |bencher| {
        bencher.iter(|| {
            let folded = fold(black_box(&file)).expect("a whole file");
            assert_eq!(folded.rows.len() as u64, ROWS);
            folded
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
