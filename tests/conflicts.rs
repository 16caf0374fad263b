//! Two customers in one, quotes that readers differ on, and quotes that swallow rows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use common::Bench;
use common::checked::{mailer, validate};

#[test]
fn one_id_under_two_names_is_an_issue_of_all_its_rows() {
    let bench = Bench::new();
    let text = mailer(
        "c-1,Acme,mailer,1.0,CANARY1\nc-2,Beta,mailer,1.0,CANARY2\nc-1,Gamma,mailer,1.0,CANARY3\nc-1,,mailer,1.0,CANARY4\n",
    );
    let found = validate(&bench, "c.csv", text, &["--json"], 3);
    let names = [1, 3, 4].map(|row| format!("{row} userName conflicting_user_name"));
    let list = found.list();
    for name in &names {
        assert!(list.contains(name), "{list:?}");
    }
    assert!(!list.iter().any(|issue| issue.starts_with('2')), "{list:?}");
    assert_eq!(found.output.json()["rows"]["valid"], 1);
}

#[test]
fn quotes_that_readers_differ_on_are_refused_with_their_position() {
    let bench = Bench::new();
    let text = mailer(
        "c-1,Acme,mailer,1.0, \"CANARY\"\nc-2,Beta,mailer,1.0,\"CAN\\\"ARY\"\nc-3,Gamma,mailer,1.0,\"CANARY\"def\nc-4,Delta,mailer,1.0,\"CANARY\" \nc-5,5\" pipe,mailer,1.0,CANARY\n",
    );
    let found = validate(&bench, "c.csv", text, &[], 3);
    assert_eq!(
        found.list(),
        [1, 2, 3, 4].map(|row| format!("{row} stray_quote"))
    );
    let at = |issue: &serde_json::Value| {
        issue["message"]
            .as_str()
            .unwrap()
            .contains("(byte 21 of the row)")
    };
    assert!(at(&found.issues[0]), "{:?}", found.issues[0]);
}

#[test]
fn rows_that_vanish_inside_a_cell_are_an_issue() {
    let bench = Bench::new();
    let swallowed = "c-1,Acme,mailer,1.0,\"CANARY\nc-2,Beta,mailer,1.0,def\nc-3,Gamma,mailer,1.0,ghi\"\nc-4,Delta,mailer,1.0,k4\n";
    let list = validate(&bench, "c.csv", mailer(swallowed), &[], 3).list();
    assert_eq!(list, ["1 data.api_key line_break?", "1 swallowed_rows"]);
    // one line of the cell looks like a row, the others do not
    let perhaps = "c-1,\"Acme\nc-2,Beta,mailer,1.0,def\nand so on\",mailer,1.0,k1\n";
    let list = validate(&bench, "c.csv", mailer(perhaps), &[], 0).list();
    assert_eq!(list, ["1 multiline_cell?", "1 userName line_break?"]);
    // an address and a key may have lines
    let well =
        "c-1,Acme,mailer,1.0,\"-----BEGIN KEY-----\na,b,c,d,e\nCANARY\n-----END KEY-----\"\n";
    assert_eq!(
        validate(&bench, "c.csv", mailer(well), &[], 0).list(),
        [""; 0]
    );
}

#[test]
fn a_row_that_repeats_the_header_is_an_issue() {
    let bench = Bench::new();
    let text = mailer("c-1,Acme,mailer,1.0,CANARY\n") + &mailer("c-2,Beta,mailer,1.0,CANARY\n");
    let found = validate(&bench, "c.csv", text, &[], 3);
    assert_eq!(found.list(), ["2 repeated_header"]);
}
