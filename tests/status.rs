//! `status` tells what a results file holds, and what a re-run would do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use common::rows::{mixed, pair, plain, synced};
use common::{Bench, Tray};
use serde_json::{Value, json};

/// A batch with a row in every state that a finished run leaves: two done, one failed, one held.
fn finished() -> (Bench, Tray) {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.behaviour.validate_credentials = true;
        setup.credential_check = Some(Arc::new(|_, data: &Value| {
            match data["account_id"] == "999999999999" {
                true => Err("no such account".to_owned()),
                false => Ok(()),
            }
        }));
    });
    let [mut first, second] = pair("p");
    first["data"]["account_id"] = json!("999999999999");
    let rows = [plain("a"), first, synced("b"), second];
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(4);
    (bench, tray)
}

#[test]
fn states_and_failures_are_counted() {
    let (bench, tray) = finished();
    let requests = tray.requests();
    let before = bench.read("r.jsonl");
    let summary = bench.tool(&["status", "r.jsonl"]).json(0);
    for (state, count) in [
        ("total", 4),
        ("done", 2),
        ("failed", 1),
        ("held", 1),
        ("partial", 0),
    ] {
        assert_eq!(summary["rows"][state], count, "{summary}");
    }
    assert_eq!(summary["failures"], json!({ "refused": 1 }));
    assert_eq!(summary["command"], "status");
    assert_eq!(summary["exitCode"], 0);
    let output = bench.tool(&["status", "r.jsonl"]).expect(0);
    output.tells(&["done", "failed", "held", "refused", "--retry-failed"]);
    assert_eq!(tray.requests(), requests);
    assert_eq!(bench.read("r.jsonl"), before);
}

#[test]
fn failed_and_held_rows_are_listed_with_the_reason() {
    let (bench, _tray) = finished();
    let output = bench.tool(&["status", "r.jsonl", "--failed"]).expect(0);
    output.tells(&["row 2", "refused", "row 4", "held"]);
}

#[test]
fn a_file_that_is_missing_or_damaged_is_an_error() {
    let (bench, _tray) = finished();
    bench
        .tool(&["status", "missing.jsonl"])
        .expect(1)
        .says(&["missing.jsonl"]);
    let text = bench.read("r.jsonl");
    let mut lines: Vec<_> = text.lines().collect();
    lines[2] = "{ damaged";
    fs::write(bench.path("damaged.jsonl"), lines.join("\n") + "\n").unwrap();
    bench
        .tool(&["status", "damaged.jsonl"])
        .expect(1)
        .says(&["damaged.jsonl", "line 3"]);
}

#[test]
fn a_torn_line_is_left_where_it_is() {
    let (bench, _tray) = finished();
    let text = bench.read("r.jsonl");
    let torn = &text[..text.len() - 10];
    fs::write(bench.path("r.jsonl"), torn).unwrap();
    bench
        .tool(&["status", "r.jsonl"])
        .expect(0)
        .tells(&["torn"]);
    assert_eq!(bench.read("r.jsonl"), torn);
}

#[test]
fn a_run_under_way_can_be_looked_at() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(30));
    let input = bench.customers("c.jsonl", &mixed(14));
    let run = bench
        .import(&tray, &input)
        .args(["--concurrency", "2"])
        .start();
    tray.wait_for("an authentication", |c| {
        c.calls("createUserAuthentication") > 2
    });
    bench.tool(&["status", "r.jsonl"]).expect(0);
    run.wait().expect(0);
}

#[test]
fn what_a_rerun_would_do_is_what_it_does() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &mixed(7));
    bench
        .import(&tray, &input)
        .args(["--until", "authentication"])
        .expect(0);
    let output = bench.tool(&["status", "r.jsonl"]).expect(0);
    output.tells(&["would go on"]);
    bench.import(&tray, &input).expect(0);
    let output = bench.tool(&["status", "r.jsonl"]).expect(0);
    output.tells(&["left alone"]);
}
