//! `--dry-run` tells what would happen, and nothing happens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use common::rows::{mixed, pair, synced, synced_rows, with};
use common::{Bench, Tool, Tray, sample};
use serde_json::{Value, json};
use tray_import::sandbox::model::NewUser;

/// Makes sure that nothing was changed in Tray, and no results were written.
#[track_caller]
fn untouched(bench: &Bench, tray: &Tray, holds: [usize; 3]) {
    assert_eq!(tray.holds(), holds);
    assert!(!bench.path("r.jsonl").exists());
    let calls = tray.counters().calls;
    for operation in calls.keys() {
        let writes = ["create", "update", "remove", "authorize", "generate"];
        assert!(
            !writes.iter().any(|verb| operation.starts_with(verb)),
            "{calls:?}"
        );
    }
}

fn dry<'b>(bench: &'b Bench, tray: &Tray, rows: &[Value]) -> Tool<'b> {
    let input = bench.customers("c.jsonl", rows);
    bench.import(tray, &input).arg("--dry-run")
}

#[test]
fn the_plan_is_what_the_import_does() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(21);
    let plan = dry(&bench, &tray, &rows).json(0)["plan"].clone();
    untouched(&bench, &tray, [0, 0, 0]);
    let preflight = tray.counters();
    bench.import(&tray, &bench.path("c.jsonl")).expect(0);
    let [users, authentications, instances] = tray.holds();
    assert_eq!(plan["users"]["new"], users, "{plan}");
    assert_eq!(plan["users"]["existing"], 0, "{plan}");
    assert_eq!(plan["users"]["billed"], users, "{plan}");
    assert_eq!(plan["authentications"], authentications, "{plan}");
    assert_eq!(plan["instances"], instances, "{plan}");
    let enabled = tray.model(|model| model.all_instances().filter(|i| i.enabled).count());
    assert_eq!(plan["enabled"], enabled, "{plan}");
    let counters = tray.counters();
    for operation in [
        "createExternalUser",
        "authorize",
        "createUserAuthentication",
        "createSolutionInstance",
        "updateSolutionInstance",
    ] {
        assert_eq!(
            plan["calls"][operation],
            counters.calls(operation),
            "{operation}: {plan}"
        );
    }
    assert_eq!(preflight.calls("users"), 1);
}

#[test]
fn the_time_follows_from_the_rate() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(50));
    let dry = |rate: &str| {
        bench
            .tool(&["import"])
            .arg(&input)
            .args(["--results", "r.jsonl", "--dry-run", "--rate", rate])
            .arg("--catalog")
            .arg(sample("catalog"))
            .tray(&tray)
            .json(0)["plan"]
            .clone()
    };
    let (slow, fast) = (dry("10"), dry("50"));
    let total = slow["callsTotal"].as_f64().unwrap();
    assert!((250.0..=252.0).contains(&total), "{slow}");
    assert_eq!(slow["seconds"], (total / 10.0).ceil(), "{slow}");
    assert_eq!(fast["seconds"], (total / 50.0).ceil(), "{fast}");
}

#[test]
fn test_users_are_not_billed() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let plan = dry(&bench, &tray, &synced_rows(4))
        .arg("--test-users")
        .json(0)["plan"]
        .clone();
    assert_eq!(plan["users"]["billed"], 0, "{plan}");
    assert_eq!(plan["users"]["test"], 4, "{plan}");
}

#[test]
fn users_that_exist_are_not_counted_as_new() {
    let (bench, tray) = (Bench::new(), Tray::new());
    for n in 1..=3 {
        let new = NewUser {
            name: "x".into(),
            external_user_id: format!("c-{n}"),
            is_test_user: false,
        };
        tray.model(|model| model.seed_user(std::time::Duration::ZERO, new));
    }
    let plan = dry(&bench, &tray, &synced_rows(10)).json(0)["plan"].clone();
    assert_eq!(plan["users"]["new"], 7, "{plan}");
    assert_eq!(plan["users"]["existing"], 3, "{plan}");
    untouched(&bench, &tray, [3, 0, 0]);
}

#[test]
fn without_a_token_tray_is_not_asked() {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &synced_rows(3));
    let output = bench
        .tool(&["import"])
        .arg(&input)
        .args(["--results", "r.jsonl", "--dry-run"])
        .arg("--catalog")
        .arg(sample("catalog"))
        .expect(0);
    output.tells(&["end users", "not asked"]);
    assert!(!bench.path("r.jsonl").exists());
}

#[test]
fn what_the_preflight_finds_is_told() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let row = with(
        synced("a"),
        json!({ "authExternalId": "external_SOURCE_authentication" }),
    );
    let output = dry(&bench, &tray, &[row]).expect(5);
    output.tells(&[
        "external_SOURCE_authentication",
        "external_source_authentication",
    ]);
    untouched(&bench, &tray, [0, 0, 0]);
    let output = dry(&bench, &tray, &synced_rows(1));
    output
        .env("TRAY_MASTER_TOKEN", "CANARY-wrong")
        .expect(5)
        .says(&["token"]);
    untouched(&bench, &tray, [0, 0, 0]);
}

#[test]
fn invalid_rows_are_told_too() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let broken = with(synced("b"), json!({ "connector": "nothing" }));
    dry(&bench, &tray, &[synced("a"), broken])
        .expect(3)
        .tells(&["row 2"]);
    untouched(&bench, &tray, [0, 0, 0]);
}

#[test]
fn half_done_batches_are_planned_from_where_they_are() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(10));
    bench
        .import(&tray, &input)
        .args(["--until", "authentication", "--limit", "6"])
        .expect(0);
    let before = bench.read("r.jsonl");
    let plan = bench.import(&tray, &input).arg("--dry-run").json(0)["plan"].clone();
    assert_eq!(plan["users"]["new"], 4, "{plan}");
    assert_eq!(plan["authentications"], 4, "{plan}");
    assert_eq!(plan["instances"], 10, "{plan}");
    assert_eq!(bench.read("r.jsonl"), before);
    assert_eq!(tray.holds(), [6, 6, 0]);
}

#[test]
fn an_instance_with_two_rows_is_one_instance() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let plan = dry(&bench, &tray, &pair("p")).json(0)["plan"].clone();
    assert_eq!(plan["instances"], 1, "{plan}");
    assert_eq!(plan["authentications"], 2, "{plan}");
    assert_eq!(plan["users"]["new"], 1, "{plan}");
}
