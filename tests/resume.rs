//! A batch that was stopped goes on where it was, whatever stopped it and whatever became of its files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::audit::{Upto, audit, audit_upto};
use common::rows::{mixed, pair, plain, synced, synced_rows, with};
use common::{Bench, Tray};
use serde_json::{Value, json};

/// A Tray that takes its time, so that calls are under way whenever a test looks.
fn slow() -> Tray {
    Tray::with(|setup| setup.latency = Duration::from_millis(10))
}

/// Tray as it should be and every row done, where rows do not stand where they stood.
#[track_caller]
fn audit_moved(bench: &Bench, tray: &Tray, rows: &[Value]) {
    audit_upto(tray, rows, Upto::Enable);
    let results = bench.results("r.jsonl");
    results.all_done(rows.len());
    for line in results.last.values() {
        let id = line["authenticationId"].as_str().expect("an id");
        tray.model(|model| assert!(model.authentication(id).is_some(), "{line}"));
    }
    bench.verify_clean(tray);
}

#[test]
fn nothing_is_made_twice_after_a_kill_at_any_step() {
    let moments = [
        ("createExternalUser", 1),
        ("createExternalUser", 20),
        ("authorize", 5),
        ("createUserAuthentication", 1),
        ("createUserAuthentication", 30),
        ("createSolutionInstance", 1),
        ("createSolutionInstance", 12),
        ("updateSolutionInstance", 1),
        ("updateSolutionInstance", 15),
    ];
    let rows = mixed(42);
    for (operation, count) in moments {
        let (bench, tray) = (Bench::new(), slow());
        let input = bench.customers("c.jsonl", &rows);
        let run = bench
            .import(&tray, &input)
            .args(["--concurrency", "8"])
            .start();
        tray.wait_for(operation, |c| c.calls(operation) >= count);
        let output = run.kill();
        assert_eq!(
            output.code,
            None,
            "it ended before the kill\n{}",
            output.shown()
        );
        bench
            .import(&tray, &input)
            .args(["--settle", "50ms"])
            .expect(0);
        audit(&tray, &rows, &bench.results("r.jsonl"));
        bench.verify_clean(&tray);
    }
}

#[test]
fn nothing_is_made_twice_after_many_kills_of_one_batch() {
    let (bench, tray) = (Bench::new(), slow());
    let rows = mixed(56);
    let input = bench.customers("c.jsonl", &rows);
    let import = || {
        let import = bench.import(&tray, &input);
        import.args(["--concurrency", "6", "--settle", "20ms"])
    };
    for _ in 0..8 {
        let goal = tray.calls("createUserAuthentication") + 5;
        let mut run = import().start();
        tray.wait_for("progress", |c| c.calls("createUserAuthentication") >= goal);
        assert!(run.runs());
        run.kill();
    }
    import().expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn reordered_rows_are_the_same_rows() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let mut rows = mixed(42);
    let input = bench.customers("c.jsonl", &rows);
    bench
        .import(&tray, &input)
        .args(["--limit", "20"])
        .expect(0);
    rows.reverse();
    bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    audit_moved(&bench, &tray, &rows);
    fastrand::Rng::with_seed(5).shuffle(&mut rows);
    bench.customers("c.jsonl", &rows);
    let requests = tray.requests();
    bench.import(&tray, &input).expect(0);
    assert_eq!(tray.requests(), requests);
}

#[test]
fn rows_may_go_and_others_come() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = synced_rows(20);
    let input = bench.customers("c.jsonl", &rows[..10]);
    bench.import(&tray, &input).args(["--limit", "6"]).expect(0);
    assert_eq!(tray.holds(), [6, 6, 6]);
    bench.customers("c.jsonl", &rows[4..8]);
    let summary = bench.import(&tray, &input).json(0);
    assert_eq!(summary["rows"]["total"], 4, "{summary}");
    assert_eq!(summary["rows"]["done"], 4, "{summary}");
    assert_eq!(tray.holds(), [8, 8, 8]);
    bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    audit_moved(&bench, &tray, &rows);
}

#[test]
fn a_row_is_known_by_its_identity_and_not_by_its_place() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &[plain("a"), plain("b")]);
    bench.import(&tray, &input).expect(0);
    let key = |number| bench.results("r.jsonl").row(number)["key"].clone();
    let (first, second) = (key(1), key(2));
    assert_ne!(first, second);
    fs::remove_file(bench.path("r.jsonl")).unwrap();
    bench.customers("c.jsonl", &[plain("b"), plain("a")]);
    bench.import(&tray, &input).expect(0);
    assert_eq!(key(1), second);
    assert_eq!(key(2), first);
}

#[test]
fn a_torn_last_line_is_dropped_with_a_warning() {
    let rows = mixed(14);
    for cut in [1, 2, 40, 200] {
        let (bench, tray) = (Bench::new(), Tray::new());
        let input = bench.customers("c.jsonl", &rows);
        bench.import(&tray, &input).expect(0);
        let text = bench.read("r.jsonl");
        fs::write(bench.path("r.jsonl"), &text[..text.len() - cut]).unwrap();
        let output = bench
            .import(&tray, &input)
            .args(["--settle", "20ms"])
            .expect(0);
        output.says(&["torn"]);
        audit(&tray, &rows, &bench.results("r.jsonl"));
        bench.verify_clean(&tray);
    }
}

#[test]
fn a_torn_header_is_written_anew() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(7);
    let input = bench.customers("c.jsonl", &rows);
    fs::write(bench.path("r.jsonl"), "{\"type\":\"batch\",\"ver").unwrap();
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn a_damaged_line_stops_the_run_and_is_named() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &mixed(7));
    bench.import(&tray, &input).expect(0);
    let text = bench.read("r.jsonl");
    for damage in ["{\"type\":\"row\",\"row\":", "", "CANAR", "{}"] {
        let mut lines: Vec<_> = text.lines().collect();
        lines[4] = damage;
        let damaged = lines.join("\n") + "\n";
        fs::write(bench.path("r.jsonl"), &damaged).unwrap();
        let requests = tray.requests();
        bench.import(&tray, &input).expect(1).says(&["line 5"]);
        assert_eq!(tray.requests(), requests);
        assert_eq!(bench.read("r.jsonl"), damaged);
    }
}

#[test]
fn a_limit_is_a_canary() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = synced_rows(12);
    let input = bench.customers("c.jsonl", &rows);
    for done in [3, 6] {
        bench.import(&tray, &input).args(["--limit", "3"]).expect(0);
        assert_eq!(tray.holds(), [done; 3]);
        let results = bench.results("r.jsonl");
        results.all_done(done);
        audit(&tray, &rows[..done], &results);
    }
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn a_limit_that_cuts_an_instance_in_two_is_no_failure() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = pair("c-1");
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).args(["--limit", "1"]).expect(0);
    assert_eq!(tray.holds(), [1, 1, 0]);
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn every_row_stops_after_the_step_that_was_asked_for() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(21);
    let input = bench.customers("c.jsonl", &rows);
    for (step, upto) in [
        ("user", Upto::User),
        ("authentication", Upto::Authentication),
        ("instance", Upto::Instance),
    ] {
        bench
            .import(&tray, &input)
            .args(["--until", step])
            .expect(0);
        audit_upto(&tray, &rows, upto);
        let requests = tray.requests();
        bench
            .import(&tray, &input)
            .args(["--until", step])
            .expect(0);
        assert_eq!(tray.requests(), requests, "--until {step} again");
    }
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

/// A Tray that refuses an account until the switch is set.
fn refusing_until(ready: &Arc<AtomicBool>) -> Tray {
    let ready = Arc::clone(ready);
    Tray::with(|setup| {
        setup.behaviour.validate_credentials = true;
        setup.credential_check = Some(Arc::new(move |_, data: &Value| {
            match data["account_id"] == "999999999999" && !ready.load(Ordering::SeqCst) {
                true => Err("no such account".to_owned()),
                false => Ok(()),
            }
        }));
    })
}

fn refused(mut row: Value) -> Value {
    row["data"]["account_id"] = json!("999999999999");
    row
}

#[test]
fn failed_rows_are_tried_again_on_request_only() {
    let ready = Arc::new(AtomicBool::new(false));
    let (bench, tray) = (Bench::new(), refusing_until(&ready));
    let rows = [synced("a"), refused(synced("b")), synced("c")];
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(4);
    assert_eq!(tray.holds(), [3, 2, 2]);
    bench.import(&tray, &input).arg("--retry-failed").expect(4);
    assert_eq!(tray.holds(), [3, 2, 2]);
    ready.store(true, Ordering::SeqCst);
    bench.import(&tray, &input).expect(4);
    assert_eq!(tray.holds(), [3, 2, 2]);
    bench.import(&tray, &input).arg("--retry-failed").expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn a_failed_row_holds_its_instance_back() {
    let ready = Arc::new(AtomicBool::new(false));
    let (bench, tray) = (Bench::new(), refusing_until(&ready));
    let [first, second] = pair("p");
    let rows = [refused(first), synced("other"), second];
    let input = bench.customers("c.jsonl", &rows);
    let summary = bench.import(&tray, &input).json(4);
    assert_eq!(summary["rows"]["held"], 1, "{summary}");
    let results = bench.results("r.jsonl");
    assert_eq!(results.row(1)["state"], "failed");
    assert_eq!(results.row(3)["state"], "held");
    let why = results.row(3)["why"].as_str().expect("why it is held");
    assert!(why.contains("row 1"), "{why}");
    assert_eq!(tray.calls("createSolutionInstance"), 1);
    ready.store(true, Ordering::SeqCst);
    bench.import(&tray, &input).arg("--retry-failed").expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn an_invalid_row_holds_its_instance_back_until_it_is_mended() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let [first, second] = pair("p");
    let broken = with(second.clone(), json!({ "formData": {} }));
    let input = bench.customers("c.jsonl", &[first.clone(), synced("other"), broken]);
    bench.import(&tray, &input).arg("--skip-invalid").expect(3);
    let results = bench.results("r.jsonl");
    assert_eq!(results.row(1)["state"], "held");
    assert!(results.row(1)["why"].as_str().unwrap().contains("row 3"));
    assert_eq!(results.row(2)["state"], "done");
    assert_eq!(tray.calls("createSolutionInstance"), 1);
    let rows = [first, synced("other"), second];
    bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn an_input_that_changes_under_the_run_is_noticed() {
    let bench = Bench::new();
    // the preflight comes between validation and import, and here it takes a while
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(300));
    let rows = synced_rows(5);
    let input = bench.customers("c.jsonl", &rows);
    let run = bench.import(&tray, &input).start();
    tray.wait_for("the preflight", |c| c.requests > 0);
    let other: Vec<_> = (1..=5).map(|n| synced(&format!("another-{n}"))).collect();
    bench.customers("c.jsonl", &other);
    run.wait().expect(1).says(&["changed"]);
    assert_eq!(tray.holds(), [0, 0, 0]);
}
