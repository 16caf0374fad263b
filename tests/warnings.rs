//! Warnings: beside issues, counted and reported, blocking only where they are denied.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use common::Bench;
use common::checked::{catalog, import, mailer, validate};
use serde_json::json;

const PADDED: &str = "c-1 ,Acme,mailer,1.0,CANARY1\nc-2,Beta,mailer,1.0,CANARY2\n";

#[test]
fn a_warning_is_listed_counted_and_reported_and_leaves_the_row_valid() {
    let bench = Bench::new();
    let found = validate(&bench, "c.csv", mailer(PADDED), &[], 0);
    assert_eq!(found.list(), ["1 externalUserId surrounding_space?"]);
    assert_eq!(found.issues[0]["line"], 2);
    found.output.tells(&[
        "row 1 (line 2), externalUserId: warning: ",
        "Warnings by kind:",
        "All 2 rows are valid",
    ]);
    let summary = validate(&bench, "c.csv", mailer(PADDED), &["--json"], 0)
        .output
        .json();
    assert_eq!(
        summary["rows"],
        json!({ "total": 2, "valid": 2, "invalid": 0 })
    );
    assert_eq!(summary["warnings"], json!({ "surrounding_space": 1 }));
    assert_eq!(summary["issues"], json!({}));
}

#[test]
fn denied_warnings_make_rows_invalid() {
    let bench = Bench::new();
    let found = validate(
        &bench,
        "c.csv",
        mailer(PADDED),
        &["--deny-warnings", "--json"],
        3,
    );
    let summary = found.output.json();
    assert_eq!(
        summary["rows"],
        json!({ "total": 2, "valid": 1, "invalid": 1 })
    );
    assert_eq!(summary["issues"], json!({ "surrounding_space": 1 }));
    // what only shows beside other rows blocks too
    let alike = mailer("c-1,Acme,mailer,1.0,CANARY1\nC-1,Beta,mailer,1.0,CANARY2\n");
    let found = validate(&bench, "c.csv", &alike, &["--deny-warnings", "--json"], 3);
    assert_eq!(found.output.json()["rows"]["invalid"], 2);
    validate(&bench, "c.csv", &alike, &[], 0);
}

#[test]
fn an_import_tells_of_warnings_and_goes_on_unless_they_are_denied() {
    let bench = Bench::new();
    catalog(&bench);
    bench.input("c.csv", mailer(PADDED));
    import(&bench, "c.csv")
        .args(["--deny-warnings"])
        .expect(3)
        .tells(&["Nothing was sent"]);
    let summary = import(&bench, "c.csv").json(0);
    assert_eq!(summary["warnings"], json!({ "surrounding_space": 1 }));
    assert_eq!(summary["rows"]["done"], 2);
}

#[test]
fn the_customers_own_column_stands_beside_ours() {
    let bench = Bench::new();
    let mapping = "[columns]\nexternalUserId = \"Customer\"\n\"data.api_key\" = \"Key\"\n[constants]\nconnector = \"mailer\"\nconnectorVersion = \"1.0\"\n";
    bench.input("m.toml", mapping);
    let text = "Customer,Key\nNULL,CANARY1\n,CANARY2\nc-3,\n";
    let found = validate(&bench, "c.csv", text, &["--mapping", "m.toml"], 3);
    let column = |issue: &serde_json::Value| issue["column"].as_str().unwrap().to_owned();
    assert_eq!(
        found.issues.iter().map(column).collect::<Vec<_>>(),
        ["Customer", "Customer", "Key"]
    );
    found
        .output
        .tells(&["externalUserId (column \"Customer\")"]);
}
