//! No secret of an input, no token, in anything that is written: at any verbosity, whatever goes wrong.
//!
//! The search itself happens when a [`Bench`] goes: in all outputs and files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::sync::Arc;

use common::rows::{self, mixed, plain, with};
use common::{Bench, Tray, sample};
use serde_json::{Value, json};
use tray_import::sandbox::Faults;
use tray_import::sandbox::behaviour::UnauthorizedForm;

/// Every way to ask for more or less.
const LEVELS: [&[&str]; 7] = [
    &[],
    &["-q"],
    &["-v"],
    &["-vv"],
    &["-vvv"],
    &["-vvvv", "--log-format", "json"],
    &["--json", "-vvv"],
];

#[test]
fn not_when_all_is_well() {
    for level in LEVELS {
        let (bench, tray) = (Bench::new(), Tray::new());
        let input = bench.customers("c.jsonl", &mixed(14));
        bench.import(&tray, &input).args(level).expect(0);
        bench
            .import(&tray, &input)
            .args(level)
            .args(["--dry-run"])
            .expect(0);
        bench.tool(&["status", "r.jsonl"]).args(level).expect(0);
    }
}

#[test]
fn not_when_tray_quotes_what_it_was_sent() {
    for level in LEVELS {
        let bench = Bench::new();
        let tray = Tray::with(|setup| {
            setup.behaviour.error_echoes_input = true;
            setup.behaviour.validate_credentials = true;
            setup.credential_check = Some(Arc::new(|_, data: &Value| {
                // quotes each value once more, bare
                let values = data.as_object().into_iter().flatten();
                Err(values
                    .map(|(_, value)| format!("bad value {value} "))
                    .collect())
            }));
        });
        let input = bench.import(&tray, &sample("customers.csv")).args(level);
        let output = input.args(["--limit", "60", "--settle", "10ms"]).expect(4);
        assert!(
            bench.results("r.jsonl").count("failed") > 0,
            "{}",
            output.shown()
        );
        bench
            .tool(&["status", "r.jsonl", "--failed"])
            .args(level)
            .expect(0);
    }
}

#[test]
fn not_when_everything_goes_wrong() {
    for (seed, level) in (0..).zip(LEVELS) {
        let bench = Bench::new();
        let tray = Tray::with(|setup| {
            setup.seed = seed;
            setup.faults = Faults::uniform(0.2);
            setup.faults.late_by = std::time::Duration::from_millis(20);
            setup.behaviour.user_token_uses = Some(3);
            setup.behaviour.unauthorized_form = UnauthorizedForm::Http401;
        });
        let input = bench.customers("c.jsonl", &mixed(14));
        let short = ["--timeout", "500ms", "--settle", "50ms"];
        bench.import(&tray, &input).args(level).args(short).run();
        tray.settled();
    }
}

#[test]
fn not_when_the_token_is_refused() {
    for form in [
        UnauthorizedForm::Http401,
        UnauthorizedForm::Http403,
        UnauthorizedForm::Graphql,
    ] {
        let (bench, tray) = (Bench::new(), Tray::assuming(|b| b.unauthorized_form = form));
        let input = bench.customers("c.jsonl", &mixed(7));
        let wrong = bench.import(&tray, &input).arg("-vvv");
        wrong
            .env("TRAY_MASTER_TOKEN", "CANARY-not-the-token")
            .expect(5);
    }
}

#[test]
fn not_when_the_input_is_full_of_mistakes() {
    for level in LEVELS {
        let (bench, tray) = (Bench::new(), Tray::new());
        for name in [
            "customers-with-mistakes.csv",
            "customers-with-mistakes.jsonl",
        ] {
            bench.import(&tray, &sample(name)).args(level).expect(3);
            let report = ["--report", "issues.csv", "--max-issues", "1000"];
            bench
                .validate(&sample(name))
                .args(report)
                .args(level)
                .expect(3);
        }
    }
}

#[test]
fn not_when_a_secret_stands_where_none_belongs() {
    let bench = Bench::new();
    let misplaced = [
        json!({ "connector": "CANARY-connector" }),
        json!({ "connectorVersion": "CANARY-version" }),
        json!({ "environment": "CANARY-environment" }),
        json!({ "enabled": "CANARY-enabled" }),
        json!({ "hidden": "CANARY-hidden" }),
        json!({ "scopes": { "CANARY": 1 } }),
        json!({ "data": "CANARY-data" }),
        json!({ "data": { "region": "CANARY-region" } }),
        json!({ "formData": "CANARY-form" }),
        json!({ "config": { "external_x": "CANARY" } }),
        json!({ "externalUserId": ["CANARY-user"] }),
    ];
    let rows: Vec<_> = misplaced
        .into_iter()
        .map(|more| with(plain("c"), more))
        .collect();
    let broken = "{\"externalUserId\": \"CANARY-broken\", \"data\": {\"secret_key\": CANARY\n";
    let input = bench.input("c.jsonl", rows::jsonl(&rows) + broken);
    let output = bench
        .validate(&input)
        .args(["-vvv", "--report", "issues.jsonl"])
        .expect(3);
    for row in 1..=12 {
        output_names(&output.stdout, row);
    }
}

#[track_caller]
fn output_names(text: &str, row: usize) {
    assert!(
        text.contains(&format!("row {row} ")),
        "row {row} is not named in\n{text}"
    );
}

#[test]
fn not_in_complaints_about_files() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &mixed(2));
    let mapping = bench.input(
        "m.toml",
        "[constants]\n\"data.secret_key\" = [\"CANARY\"]\n",
    );
    bench
        .validate(&input)
        .arg("--mapping")
        .arg(mapping)
        .expect(2);
    let token = bench.input("token", "CANARY two words\n");
    let import = bench.import(&tray, &input).arg("--master-token-file");
    import.arg(token).expect(2);
    let config = bench.input("c.toml", "master-token = \"CANARY\"\n");
    bench.validate(&input).arg("--config").arg(config).expect(2);
}
