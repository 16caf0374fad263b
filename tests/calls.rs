//! What an import costs: the calls that the API makes necessary, and none beside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::audit::audit;
use common::rows::{self, mixed, plain, synced, with};
use common::{Bench, Tray};
use serde_json::{Value, json};
use tray_import::sandbox::model::NewUser;

/// What the rows cost, by the contract's own arithmetic: two calls for an end user, one for a row's
/// authentication, one for an instance, and one to enable it.
fn necessary(rows: &[Value]) -> BTreeMap<&'static str, u64> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let user = |row: &Value| text(row, "externalUserId");
    let users: BTreeSet<_> = rows.iter().map(user).collect();
    let instance = |row: &Value| {
        let name = ["instanceName", "userName", "externalUserId"];
        let name = name.into_iter().find_map(|name| row[name].as_str());
        (user(row), text(row, "solutionId"), name.unwrap().to_owned())
    };
    let placed = rows.iter().filter(|row| row["solutionId"].is_string());
    let instances: BTreeMap<_, bool> = placed
        .map(|row| (instance(row), row["enabled"].as_bool().unwrap_or(true)))
        .collect();
    let enabled = instances.values().filter(|enabled| **enabled);
    BTreeMap::from([
        ("createExternalUser", users.len() as u64),
        ("authorize", users.len() as u64),
        ("createUserAuthentication", rows.len() as u64),
        ("createSolutionInstance", instances.len() as u64),
        ("updateSolutionInstance", enabled.count() as u64),
    ])
}

/// Imports the rows into `tray` and makes sure of every single call; returns the look-ups of end users.
fn import(tray: &Tray, rows: &[Value]) -> u64 {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", rows);
    let before = tray.counters();
    // few places, so that rows of one customer are under way together and apart
    let summary = bench
        .import(tray, &input)
        .args(["--concurrency", "7"])
        .json(0);
    let counters = tray.counters();
    let made = |operation: &str| counters.calls(operation) - before.calls(operation);
    let necessary = necessary(rows);
    for (operation, count) in &necessary {
        assert_eq!(made(operation), *count, "{operation}: {counters:?}");
        let told = summary["calls"][operation].as_u64().unwrap_or_default();
        assert_eq!(told, *count, "{operation}: {summary}");
    }
    // the preflight: one look at the schema, and one at the solutions where there are any
    let placed = rows.iter().any(|row| row["solutionId"].is_string());
    let (preflight, listing) = (1 + u64::from(placed), made("users"));
    let total = necessary.values().sum::<u64>() + preflight + listing;
    assert_eq!(counters.requests - before.requests, total, "{counters:?}");
    assert_eq!(counters.throttled(), 0);
    assert_eq!(summary["retried"], 0, "{summary}");
    listing
}

#[test]
fn a_row_with_an_instance_of_its_own_costs_three_and_its_end_user_two() {
    let tray = Tray::new();
    let rows = rows::synced_rows(40);
    let calls: u64 = necessary(&rows).values().sum();
    assert_eq!(calls, 40 * (2 + 3));
    assert_eq!(import(&tray, &rows), 1);
}

#[test]
fn several_rows_of_one_customer_share_the_two() {
    let tray = Tray::new();
    let row = |user: usize, n: usize| {
        let names = json!({ "authName": format!("auth {n}"), "instanceName": format!("sync {n}") });
        with(synced(&format!("s-{user}")), names)
    };
    // side by side for one half of the customers, far apart for the other
    let near = (0..10).flat_map(|user| (0..5).map(move |n| row(user, n)));
    let far = (0..5).flat_map(|n| (10..20).map(move |user| row(user, n)));
    let rows: Vec<_> = near.chain(far).collect();
    let calls: u64 = necessary(&rows).values().sum();
    assert_eq!(calls, 20 * 2 + 100 * 3);
    assert_eq!(import(&tray, &rows), 1);
}

#[test]
fn instances_of_several_rows_are_created_and_enabled_once_wherever_the_rows_stand() {
    let tray = Tray::new();
    let rows = mixed(70);
    assert_eq!(import(&tray, &rows), 1);
    let calls = necessary(&rows);
    assert!(calls["createSolutionInstance"] < calls["createUserAuthentication"]);
    assert!(calls["updateSolutionInstance"] < calls["createSolutionInstance"]);
}

#[test]
fn end_users_of_others_cost_a_page_for_a_hundred_and_no_look_up() {
    let tray = Tray::new();
    tray.model(|model| {
        for n in 0..250 {
            let new = NewUser {
                name: "somebody else's".to_owned(),
                external_user_id: format!("other-{n}"),
                ..NewUser::default()
            };
            model.seed_user(Duration::ZERO, new);
        }
    });
    let rows: Vec<_> = (0..30).map(|n| plain(&format!("new-{n}"))).collect();
    assert_eq!(import(&tray, &rows), 3);
}

#[test]
fn what_is_done_costs_nothing_and_what_is_left_only_itself() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = rows::synced_rows(20);
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).args(["--limit", "8"]).expect(0);
    assert_eq!(tray.calls("createExternalUser"), 8);
    let before = tray.counters();
    bench.import(&tray, &input).expect(0);
    let counters = tray.counters();
    audit(&tray, &rows, &bench.results("r.jsonl"));
    // preflight, one page of end users, and the twelve
    assert_eq!(counters.requests - before.requests, 2 + 1 + 12 * 5);
    bench.import(&tray, &input).expect(0);
    assert_eq!(tray.counters().requests, counters.requests);
}
