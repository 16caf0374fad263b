//! Ctrl-C and SIGTERM: exit code 130, no row left `sent`, and the next run goes on from there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::audit::audit;
use common::rows::{mixed, plain, synced_rows};
use common::{Bench, Tray};
use tray_import::sandbox::{FaultKind, Faults};

#[test]
fn exit_130_leaves_no_row_sent_and_goes_on_later() {
    for operation in [
        "createExternalUser",
        "createUserAuthentication",
        "createSolutionInstance",
    ] {
        let bench = Bench::new();
        let tray = Tray::with(|setup| setup.latency = Duration::from_millis(20));
        let rows = mixed(70);
        let input = bench.customers("c.jsonl", &rows);
        let run = bench
            .import(&tray, &input)
            .args(["--concurrency", "4"])
            .start();
        tray.wait_for(operation, |c| c.calls(operation) >= 6);
        run.signal("INT");
        run.wait().expect(130);
        let results = bench.results("r.jsonl");
        assert_eq!(results.count("sent"), 0, "{:?}", results.states());
        assert_eq!(results.count("failed"), 0, "{:?}", results.states());
        assert!(results.count("done") < rows.len(), "it did not stop");
        bench.import(&tray, &input).expect(0);
        audit(&tray, &rows, &bench.results("r.jsonl"));
        bench.verify_clean(&tray);
    }
}

/// What a container's runtime and an init system send: the same as the first Ctrl-C.
#[test]
fn sigterm_lets_the_calls_under_way_finish() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(20));
    let rows = mixed(70);
    let input = bench.customers("c.jsonl", &rows);
    let run = bench
        .import(&tray, &input)
        .args(["--concurrency", "4"])
        .start();
    tray.wait_for("an instance", |c| c.calls("createSolutionInstance") >= 6);
    run.signal("TERM");
    run.wait().expect(130).says(&["Interrupted: finishing"]);
    let results = bench.results("r.jsonl");
    assert_eq!(results.count("sent"), 0, "{:?}", results.states());
    assert!(results.count("done") < rows.len(), "it did not stop");
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
}

#[test]
fn a_second_interrupt_ends_it_at_once_and_the_next_run_settles() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.faults = Faults::scripted([("createUserAuthentication", 3, FaultKind::HangAfter)]);
        setup.faults.hang_for = Duration::from_secs(600);
    });
    let rows = synced_rows(10);
    let input = bench.customers("c.jsonl", &rows);
    let run = bench
        .import(&tray, &input)
        .args(["--timeout", "600s"])
        .start();
    tray.wait_for("the hanging call", |c| c.faults.contains_key("hang"));
    run.signal("INT");
    tray.wait_for("the others", |c| c.calls("createUserAuthentication") >= 3);
    // signals of one kind may be merged while the first is not taken yet
    let mut run = run;
    while run.runs() {
        run.signal("INT");
        std::thread::sleep(Duration::from_millis(20));
    }
    run.wait().expect(130);
    bench
        .import(&tray, &input)
        .args(["--settle", "50ms"])
        .expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn an_interrupt_counts_for_more_than_failed_rows() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.latency = Duration::from_millis(20);
        setup.behaviour.validate_credentials = true;
        setup.credential_check = Some(Arc::new(|_, _| Err("no".to_owned())));
    });
    let rows: Vec<_> = (0..60).map(|n| plain(&format!("c-{n}"))).collect();
    let input = bench.customers("c.jsonl", &rows);
    let run = bench
        .import(&tray, &input)
        .args(["--concurrency", "2"])
        .start();
    tray.wait_for("a refusal", |c| c.calls("createUserAuthentication") >= 5);
    run.signal("INT");
    run.wait().expect(130);
    assert!(bench.results("r.jsonl").count("failed") > 0);
}
