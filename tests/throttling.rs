//! A throttled call slows the run down and is sent again; it fails no row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use common::audit::audit;
use common::rows::mixed;
use common::{Bench, Tray, sample};
use serde_json::json;
use tray_import::sandbox::behaviour::ThrottleForm;
use tray_import::sandbox::{FaultKind, Faults, Limit};

/// Imports into a Tray that allows far less than is sent; all rows arrive and none fails.
fn under_a_limit(form: ThrottleForm, retry_after: Option<u64>) {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.behaviour.throttle_form = form;
        setup.behaviour.retry_after = retry_after;
        setup.limit = Some(Limit {
            per_second: 80.0,
            burst: 40,
            per_minute: None,
        });
    });
    let rows = mixed(21);
    let input = bench.customers("c.jsonl", &rows);
    let summary = bench.import(&tray, &input).json(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    let throttled = tray.counters().throttled();
    assert!(throttled > 0, "the limit was never met");
    // the sandbox counts GraphQL only
    assert!(
        summary["throttled"].as_u64() >= Some(throttled),
        "{summary}"
    );
    assert_eq!(summary["failures"], json!({}), "{summary}");
    bench.verify_clean(&tray);
}

#[test]
fn as_http_429() {
    under_a_limit(ThrottleForm::Http429, None);
}

#[test]
fn as_http_429_that_says_when() {
    under_a_limit(ThrottleForm::Http429, Some(1));
}

#[test]
fn as_a_graphql_error_with_http_200() {
    under_a_limit(ThrottleForm::Graphql200, None);
}

#[test]
fn as_a_graphql_error_that_says_when() {
    under_a_limit(ThrottleForm::Graphql200, Some(1));
}

#[test]
fn in_both_forms() {
    under_a_limit(ThrottleForm::Mixed, None);
}

#[test]
fn in_both_forms_that_say_when() {
    under_a_limit(ThrottleForm::Mixed, Some(1));
}

#[test]
fn at_every_step() {
    for form in [ThrottleForm::Http429, ThrottleForm::Graphql200] {
        let script = [
            "users",
            "createExternalUser",
            "authorize",
            "createUserAuthentication",
            "createSolutionInstance",
            "updateSolutionInstance",
        ]
        .map(|operation| (operation, 1, FaultKind::Throttle));
        let bench = Bench::new();
        let tray = Tray::with(|setup| {
            setup.faults = Faults::scripted(script);
            setup.behaviour.throttle_form = form;
        });
        let rows = mixed(7);
        let input = bench.customers("c.jsonl", &rows);
        bench.import(&tray, &input).expect(0);
        audit(&tray, &rows, &bench.results("r.jsonl"));
        assert_eq!(tray.counters().throttled(), 6, "{:?}", tray.counters());
        bench.verify_clean(&tray);
    }
}

#[test]
fn a_throttled_preflight_finds_nothing_amiss() {
    let bench = Bench::new();
    let script = [
        ("viewer", 1, FaultKind::Throttle),
        ("__type", 1, FaultKind::Throttle),
    ];
    let tray = Tray::with(|setup| setup.faults = Faults::scripted(script));
    let rows = mixed(7);
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn the_rate_that_was_asked_for_is_kept_to() {
    // a Tray that would throttle anything above it
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.limit = Some(Limit {
            per_second: 60.0,
            burst: 12,
            per_minute: None,
        });
    });
    let rows = mixed(14);
    let input = bench.customers("c.jsonl", &rows);
    bench
        .tool(&["import"])
        .arg(&input)
        .args(["--results", "r.jsonl", "--enable-delay", "0s"])
        .args(["--rate", "40", "--burst", "5"])
        .arg("--catalog")
        .arg(sample("catalog"))
        .tray(&tray)
        .expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    assert_eq!(tray.counters().throttled(), 0);
    bench.verify_clean(&tray);
}
