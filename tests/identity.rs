//! Ids, names and credentials that cannot be right, and those that are odd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use common::Bench;
use common::checked::{mailer, validate};
use serde_json::json;

/// What is found in one row with this id, name and key.
fn found(id: &str, name: &str, key: &str) -> Vec<String> {
    let bench = Bench::new();
    let row = json!({
        "externalUserId": id, "userName": name, "connector": "mailer", "connectorVersion": "1.0",
        "data": { "api_key": key },
    });
    let code = |list: &[String]| {
        if list.iter().all(|issue| issue.ends_with('?')) {
            0
        } else {
            3
        }
    };
    // the exit code follows from what is found
    for attempt in [0, 3] {
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            validate(&bench, "c.jsonl", format!("{row}\n"), &[], attempt).list()
        }));
        if let Ok(list) = tried {
            assert_eq!(code(&list), attempt);
            return list;
        }
    }
    panic!("neither 0 nor 3");
}

#[test]
fn values_that_cannot_be_right_are_issues() {
    for (value, code) in [
        (" ", "blank_value"),
        ("\u{a0}\u{200b}", "blank_value"),
        ("NULL", "placeholder_value"),
        ("null", "placeholder_value"),
        ("\\N", "placeholder_value"),
        ("N/A", "placeholder_value"),
        ("#N/A", "placeholder_value"),
        ("#NAME?", "placeholder_value"),
        ("nan", "placeholder_value"),
        ("=\"00123\"", "placeholder_value"),
        ("********", "placeholder_value"),
        ("1.23457E+17", "rounded_number"),
        ("a\u{1}b", "control_character"),
    ] {
        let field = |field: &str| vec![format!("1 {field} {code}")];
        assert_eq!(
            found(value, "Acme", "key"),
            field("externalUserId"),
            "{value:?}"
        );
        assert_eq!(found("c-1", value, "key"), field("userName"), "{value:?}");
        assert_eq!(
            found("c-1", "Acme", value),
            field("data.api_key"),
            "{value:?}"
        );
    }
}

#[test]
fn odd_values_are_warnings_and_stay_as_they_are() {
    for (value, code) in [
        (" key", "surrounding_space"),
        ("key\u{a0}", "surrounding_space"),
        ("\u{200b}key", "surrounding_space"),
        ("\u{201c}key\u{201d}", "curly_quote"),
        ("CANARY\nkey", "line_break"),
        ("CANARY\tkey", "line_break"),
        (
            "-----BEGIN KEY-----\\nCANARY\\n-----END KEY-----",
            "escaped_line_break",
        ),
    ] {
        assert_eq!(
            found("c-1", "Acme", value),
            [format!("1 data.api_key {code}?")],
            "{value:?}"
        );
    }
    assert_eq!(
        found("c-1 ", "Acme", "key"),
        ["1 externalUserId surrounding_space?"]
    );
    assert_eq!(
        found("c-1", "\u{feff}Acme", "key"),
        ["1 userName surrounding_space?"]
    );
    // what is well stays unmentioned
    let well = "-----BEGIN KEY-----\nCANARY\n-----END KEY-----\n";
    assert_eq!(
        found("c-1", "Nullarbor & S\u{f6}hne, \"N/A\"", well),
        [""; 0]
    );
}

#[test]
fn ids_that_look_the_same_are_warned_of() {
    let bench = Bench::new();
    let row = |id: &str, key: &str| format!("{id},,mailer,1.0,CANARY{key}\n");
    let rows = [
        "acme",
        "Acme",
        "M\u{fc}ller",
        "beta",
        "Mu\u{308}ller",
        "ac me",
        "acme-2",
    ];
    let text: String = rows
        .iter()
        .enumerate()
        .map(|(n, id)| row(id, &n.to_string()))
        .collect();
    let list = validate(&bench, "c.csv", mailer(&text), &[], 0).list();
    let alike = |row: u32| format!("{row} externalUserId similar_id?");
    assert_eq!(list, [1, 2, 3, 5, 6].map(alike));
    let decimals = [row("12.0", "1"), row("13", "2"), row("14.0", "3")].concat();
    let list = validate(&bench, "c.csv", mailer(&decimals), &[], 0).list();
    assert_eq!(
        list,
        [1, 3].map(|row| format!("{row} externalUserId decimal_id?"))
    );
    let all = [row("12.0", "1"), row("14.0", "3")].concat();
    assert_eq!(
        validate(&bench, "c.csv", mailer(&all), &[], 0).list(),
        [""; 0]
    );
}
