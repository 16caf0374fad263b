//! An answer that leaves the outcome open is settled by asking, never by sending again blindly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::audit::audit;
use common::rows::{mixed, plain, synced_rows, with};
use common::{Bench, Tray};
use serde_json::{Value, json};
use tray_import::sandbox::behaviour::{Behaviour, ConfigReadForm, CriteriaMatch, Presence};
use tray_import::sandbox::{FaultKind, Faults, Setup};

/// Rows whose every outcome Tray can be asked about.
fn rows() -> Vec<Value> {
    mixed(30)
}

/// Late commits and hangs that a short `--settle` and `--timeout` see the end of.
fn quick(faults: &mut Faults) {
    faults.late_by = Duration::from_millis(60);
    faults.hang_for = Duration::from_secs(2);
}

/// Imports in one run: passing trouble is no failure of it.
fn import_through(tray: &Tray, bench: &Bench, rows: &[Value]) {
    let input = bench.customers("c.jsonl", rows);
    let import = bench.import(tray, &input).args(["--timeout", "400ms"]);
    let output = import.args(["--settle", "200ms"]).run();
    tray.settled();
    assert_eq!(
        output.code,
        Some(0),
        "seed {}\n{}",
        tray.seed(),
        output.shown()
    );
    audit(tray, rows, &bench.results("r.jsonl"));
}

fn alone(kind: FaultKind) {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.seed = 10;
        setup.faults.rates = BTreeMap::from([(kind, 0.1)]);
        quick(&mut setup.faults);
    });
    import_through(&tray, &bench, &rows());
    let met = tray.counters().faults;
    assert!(
        met.contains_key(kind.name()),
        "the fault never happened: {met:?}"
    );
    bench.verify_clean(&tray);
}

macro_rules! each_alone {
    ($($name:ident = $kind:ident,)+) => {
        $(
            #[test]
            fn $name() {
                alone(FaultKind::$kind);
            }
        )+

        #[test]
        fn every_kind_of_fault_has_its_test() {
            assert_eq!([$(FaultKind::$kind),+], FaultKind::ALL);
        }
    };
}

each_alone! {
    dropped_before = DropBefore,
    dropped_after = DropAfter,
    http_500_before = Status500Before,
    http_500_after = Status500After,
    http_502_before = Status502Before,
    http_502_after = Status502After,
    http_504_before = Status504Before,
    http_504_after = Status504After,
    hanging_before = HangBefore,
    hanging_after = HangAfter,
    truncated = Truncated,
    garbage = Garbage,
    late_commit = LateCommit,
    throttled = Throttle,
}

#[test]
fn all_kinds_together() {
    for seed in 20..23 {
        let bench = Bench::new();
        let tray = Tray::with(|setup| {
            setup.seed = seed;
            setup.faults = Faults::uniform(0.03);
            quick(&mut setup.faults);
        });
        import_through(&tray, &bench, &rows());
        bench.verify_clean(&tray);
    }
}

#[test]
fn each_creation_that_loses_its_answer_is_found() {
    let creations = [
        "createExternalUser",
        "createUserAuthentication",
        "createSolutionInstance",
    ];
    for operation in creations {
        for kind in [
            FaultKind::DropAfter,
            FaultKind::Garbage,
            FaultKind::LateCommit,
        ] {
            let bench = Bench::new();
            let tray = Tray::with(|setup| {
                setup.faults = Faults::scripted([(operation, 2, kind)]);
                quick(&mut setup.faults);
            });
            let rows = synced_rows(3);
            let input = bench.customers("c.jsonl", &rows);
            let import = bench.import(&tray, &input).args(["--settle", "200ms"]);
            let summary = import.json(0);
            audit(&tray, &rows, &bench.results("r.jsonl"));
            assert_eq!(summary["settled"], 1, "{operation}, {kind:?}: {summary}");
            assert_eq!(tray.calls(operation), 3, "{operation}, {kind:?}");
            for line in bench.results("r.jsonl").last.values() {
                let all = json!(["user", "authentication", "instance"]);
                assert_eq!(line["created"], all, "what was found was this batch's own");
            }
            bench.verify_clean(&tray);
        }
    }
}

#[test]
fn an_instance_that_loses_the_answer_to_its_enabling_is_enabled() {
    let bench = Bench::new();
    let script = [("updateSolutionInstance", 1, FaultKind::DropAfter)];
    let tray = Tray::with(|setup| setup.faults = Faults::scripted(script));
    let rows = synced_rows(2);
    let input = bench.customers("c.jsonl", &rows);
    bench
        .import(&tray, &input)
        .args(["--settle", "50ms"])
        .expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

/// Hidden authentications of one user each, and the answer to one creation lost.
fn hidden_and_lost(change: impl FnOnce(&mut Setup)) -> (Bench, Tray, Vec<Value>) {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        let script = [("createUserAuthentication", 2, FaultKind::DropAfter)];
        setup.faults = Faults::scripted(script);
        change(setup);
    });
    let row = |n: usize| with(plain(&format!("c-{n}")), json!({ "hidden": true }));
    let rows: Vec<_> = (1..=4).map(row).collect();
    bench.customers("c.jsonl", &rows);
    (bench, tray, rows)
}

#[test]
fn what_tray_does_not_show_is_said_and_not_made_twice() {
    let (bench, tray, rows) = hidden_and_lost(|setup| setup.behaviour.hidden_listed = false);
    let input = bench.path("c.jsonl");
    let import = || {
        let import = bench.import(&tray, &input);
        import.args(["--settle", "20ms", "--concurrency", "1"])
    };
    let summary = import().json(4);
    assert_eq!(summary["failures"], json!({ "unsettled": 1 }), "{summary}");
    let failed: Vec<_> = bench
        .results("r.jsonl")
        .not_done()
        .into_iter()
        .cloned()
        .collect();
    assert_eq!(failed[0]["error"]["code"], "unsettled", "{failed:?}");
    // nor when it is asked for again
    import().arg("--retry-failed").expect(4);
    assert_eq!(tray.holds(), [rows.len(), rows.len(), 0]);
}

#[test]
fn what_tray_does_show_is_settled() {
    let (bench, tray, rows) = hidden_and_lost(|_| {});
    let input = bench.path("c.jsonl");
    bench
        .import(&tray, &input)
        .args(["--settle", "20ms"])
        .expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

/// Imports hidden rows where Tray lists none of them, loses the results file and imports again, as many at a time as
/// there are. What the second import made.
fn import_hidden_twice(rows: &[Value], exit: i32) -> [usize; 3] {
    let bench = Bench::new();
    let tray = Tray::assuming(|behaviour| behaviour.hidden_listed = false);
    let input = bench.customers("c.jsonl", rows);
    let import = || {
        let import = bench.import(&tray, &input);
        import.args(["--settle", "20ms", "--concurrency", "64"])
    };
    import().expect(0);
    let before = tray.holds();
    std::fs::remove_file(bench.path("r.jsonl")).unwrap();
    import().expect(exit);
    if exit != 0 {
        // what cannot be told is not sent by trying again either
        import().arg("--retry-failed").expect(exit);
    }
    let after = tray.holds();
    std::array::from_fn(|kind| after[kind] - before[kind])
}

#[test]
fn a_lost_results_file_costs_one_hidden_authentication_at_most() {
    let row = |n: usize| with(plain(&format!("c-{n}")), json!({ "hidden": true }));
    let rows: Vec<_> = (0..80).map(row).collect();
    assert_eq!(import_hidden_twice(&rows, 4), [0, 1, 0]);
}

#[test]
fn hidden_authentications_are_known_by_the_slots_that_they_fill() {
    let rows = synced_rows(20).into_iter();
    let rows: Vec<_> = rows
        .map(|row| with(row, json!({ "hidden": true })))
        .collect();
    assert_eq!(import_hidden_twice(&rows, 0), [0, 0, 0]);
}

#[test]
fn a_listing_that_is_cut_off_proves_nothing() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.behaviour.authentications_listed = Some(2);
        let script = [("createUserAuthentication", 4, FaultKind::DropAfter)];
        setup.faults = Faults::scripted(script);
    });
    let row = |n: usize| with(plain("c-1"), json!({ "authName": format!("auth {n}") }));
    let rows: Vec<_> = (0..4).map(row).collect();
    let input = bench.customers("c.jsonl", &rows);
    let import = || {
        bench
            .import(&tray, &input)
            .args(["--settle", "20ms", "--concurrency", "1"])
    };
    import().expect(4);
    import().arg("--retry-failed").expect(4);
    assert_eq!(tray.holds(), [1, 4, 0]);
}

/// Imports under one assumption with faults, loses the results and imports again.
fn under(change: impl Fn(&mut Behaviour)) {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.seed = 30;
        let kinds = [FaultKind::DropAfter, FaultKind::Status504Before];
        setup.faults.rates = kinds.map(|kind| (kind, 0.05)).into();
        change(&mut setup.behaviour);
    });
    let rows = rows();
    for _ in 0..2 {
        import_through(&tray, &bench, &rows);
        bench.verify_clean(&tray);
        std::fs::remove_file(bench.path("r.jsonl")).unwrap();
    }
}

#[test]
fn whether_users_are_matched_by_prefix() {
    under(|behaviour| behaviour.criteria_match = CriteriaMatch::Prefix);
}

#[test]
fn whether_users_are_matched_without_case() {
    under(|behaviour| behaviour.criteria_match = CriteriaMatch::CaseInsensitive);
}

#[test]
fn whether_pages_are_small() {
    under(|behaviour| behaviour.max_page_size = 3);
}

#[test]
fn whether_names_and_ids_are_unique() {
    under(|behaviour| {
        behaviour.names_unique = true;
        behaviour.unique_external_ids = true;
    });
}

#[test]
fn whether_config_reads_back_without_quotes() {
    under(|behaviour| behaviour.config_read_form = ConfigReadForm::Json);
}

#[test]
fn whether_slots_are_shown() {
    under(|behaviour| behaviour.auth_slots = Presence::Absent);
}

#[test]
fn whether_a_new_object_is_listed_at_once() {
    // the lag ends before the last of the questions
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.seed = 40;
        setup.behaviour.read_lag = Duration::from_secs(1);
        setup.faults.rates = BTreeMap::from([(FaultKind::DropAfter, 0.1)]);
    });
    import_through(&tray, &bench, &rows());
    bench.verify_clean(&tray);
}
