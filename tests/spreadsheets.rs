//! What spreadsheets put around the rows: titles, separators, names with white space, empty columns, footers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use common::Bench;
use common::checked::{catalog, import, validate};
use serde_json::json;

const HEADER: &str = "externalUserId,connector,connectorVersion,data.api_key";
const ROWS: &str = "c-1,mailer,1.0,CANARY1\nc-2,mailer,1.0,CANARY2\n";

/// Two valid rows are read, and all of `notes` is said.
#[track_caller]
fn read(name: &str, text: impl AsRef<[u8]>, notes: &[&str]) {
    let bench = Bench::new();
    let found = validate(&bench, name, &text, &[], 0);
    assert_eq!(found.list(), [""; 0]);
    found.output.tells(&["All 2 rows are valid"]).tells(notes);
    // the second pass of an import finds the same rows
    let summary = import(&bench, name).json(0);
    assert_eq!(summary["rows"]["done"], 2, "{summary}");
}

#[test]
fn what_stands_before_the_header_is_passed_over_and_said() {
    let semicolons = format!("sep=;\n{HEADER}\n{ROWS}").replace(',', ";");
    read("c.csv", semicolons, &["line 1, \"sep=…\", is passed over"]);
    read(
        "c.csv",
        format!("Customers of May\n\n{HEADER}\n{ROWS}"),
        &["line 1 is no header"],
    );
    read(
        "c.csv",
        format!("Customers of May,,,\n,,,\n{HEADER}\n{ROWS}"),
        &["line 1 is no header"],
    );
}

#[test]
fn what_is_no_row_is_passed_over_and_counted() {
    let lines = |count: u32| format!("are passed over: {count}");
    read(
        "c.csv",
        format!(
            "{HEADER}\n{}",
            ROWS.replace("\nc-2", "\n,,,\n , , ,\n   \nc-2")
        ),
        &[&lines(3)],
    );
    read("c.csv", format!("{HEADER}\n{ROWS}(2 rows)\n"), &[&lines(1)]);
    read(
        "c.csv",
        format!("{HEADER}\n{ROWS}Total: 2,,,\n\x1a"),
        &[&lines(2)],
    );
}

#[test]
fn white_space_around_names_and_empty_columns_are_passed_over() {
    let text = format!(
        "\u{a0}externalUserId , connector,connectorVersion,data.api_key,,\n{}",
        ROWS.replace('\n', ",,\n")
    );
    read(
        "c.csv",
        text,
        &["white space around names", "\"\\u{a0}externalUserId \""],
    );
    // a column without a name that holds something is not
    let bench = Bench::new();
    let text = format!("{HEADER},\nc-1,mailer,1.0,CANARY1,\nc-2,mailer,1.0,CANARY2,x\n");
    assert_eq!(
        validate(&bench, "c.csv", text, &[], 3).list(),
        ["2 ragged_row"]
    );
}

#[test]
fn ignored_columns_may_be_there_twice() {
    let bench = Bench::new();
    bench.input("m.toml", "ignore = [\"Notes\"]");
    let text = format!("{HEADER},Notes,Notes\nc-1,mailer,1.0,CANARY1,a,b\n");
    assert_eq!(
        validate(&bench, "c.csv", &text, &["--mapping", "m.toml"], 0).list(),
        [""; 0]
    );
    assert!(
        validate(&bench, "c.csv", &text, &[], 3)
            .list()
            .contains(&"0 Notes duplicate_column".to_owned())
    );
}

#[test]
fn delimiters_are_found_and_said_or_named() {
    for delimiter in [";", "\t", "|"] {
        let text = format!("{HEADER}\n{ROWS}").replace(',', delimiter);
        read("c.csv", text, &["cells are separated by"]);
    }
    let bench = Bench::new();
    let text = format!("{HEADER}\n{ROWS}").replace(',', ":");
    validate(&bench, "c.csv", &text, &["--delimiter", ":"], 0);
    validate(&bench, "c.csv", &text, &["--delimiter", "::"], 2);
}

#[test]
fn utf_16_and_marks_are_read() {
    let text = format!("{HEADER}\r\n{}", ROWS.replace("c-2", "c-\u{1f600}"));
    for big in [false, true] {
        let bytes = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        let units = std::iter::once('\u{feff}')
            .chain(text.chars())
            .collect::<String>();
        let wide: Vec<u8> = units.encode_utf16().flat_map(bytes).collect();
        read("c.csv", wide, &[]);
    }
    // half a character, and half a pair
    let bench = Bench::new();
    for end in [&b"\x3d"[..], b"\x3d\xd8"] {
        let mut wide: Vec<u8> = format!("\u{feff}{text}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        wide.extend(end);
        validate(&bench, "c.csv", wide, &[], 3);
    }
}

#[test]
fn marks_at_the_beginning_of_our_own_files_are_no_matter() {
    let (bench, marked) = (Bench::new(), |text: &str| format!("\u{feff}{text}"));
    catalog(&bench);
    let entry = bench.read("catalog/mailer.json");
    std::fs::write(bench.path("catalog/mailer.json"), marked(&entry)).unwrap();
    bench.input("m.toml", marked("ignore = [\"x\"]"));
    bench.input("config.toml", marked("rate = 20"));
    bench.input("solutions.json", marked("[]"));
    bench.input("token", marked("CANARY-token"));
    bench.input("c.csv", marked(&format!("{HEADER}\n{ROWS}")));
    let more = [
        "--mapping",
        "m.toml",
        "--config",
        "config.toml",
        "--solutions",
        "solutions.json",
    ];
    let summary = import(&bench, "c.csv").args(more).json(0);
    assert_eq!(summary["rows"]["done"], json!(2));
    let wide: Vec<u8> = "\u{feff}ignore = [\"x\"]"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    bench.input("m16.toml", wide);
    bench
        .tool(&["validate", "--catalog", "catalog", "--mapping", "m16.toml"])
        .arg(bench.path("c.csv"))
        .expect(0);
}
