//! A file without a header: none of its cells is printed as the name of a column, by any command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::path::Path;

use common::checked::catalog;
use common::{Bench, Tray};

const JSON: &str = r#"{"externalUserId":"acme-secret-name","connector":"mailer","connectorVersion":"1.0","data":{"api_key":"hunter-two-secret"}}
"#;

/// Everything that is printed, and every file written, must be without the cells.
fn silent(name: &str, text: &str, wanted: &str) {
    let bench = Bench::new();
    let tray = Tray::new();
    catalog(&bench);
    let input = bench.input(name, text);
    let validate = |more: &[&str]| {
        let tool = bench.tool(&["validate", "--catalog", "catalog"]);
        tool.arg(&input).args(more).run()
    };
    let init = |more: &[&str]| {
        let tool = bench.tool(&["init", "--catalog", "catalog"]);
        tool.arg(&input).args(more).run()
    };
    let import = |more: &[&str]| {
        let tool = bench.tool(&["import", "--catalog", "catalog", "--results", "r.jsonl"]);
        tool.arg(&input).tray(&tray).args(more).run()
    };
    let outputs = [
        validate(&[]),
        validate(&["--json", "--report", "report.csv"]),
        validate(&["--explain", "1"]),
        import(&[]),
        import(&["--dry-run", "--json"]),
        init(&["-o", "m.toml"]),
        init(&["--json"]),
    ];
    for output in &outputs {
        let shown = output.shown();
        let shown = shown.replace(&input.display().to_string(), "INPUT");
        for cell in ["secret", "acme", "hunter"] {
            assert!(!shown.contains(cell), "{cell} in {shown}");
        }
        assert_eq!(output.code, Some(3), "{shown}");
        assert!(shown.contains(wanted), "no {wanted:?} in {shown}");
    }
    let report = bench.read("report.csv");
    assert!(
        !report.contains("secret") && report.lines().count() == 2,
        "{report}"
    );
    assert!(!Path::new(&bench.path("m.toml")).exists());
}

#[test]
fn rows_without_a_header_name_no_column() {
    let needed = "externalUserId, connector";
    silent(
        "a.csv",
        "acme,mailer,1.0,hunter-two-secret\nbeta,mailer,1.0,other\n",
        needed,
    );
    silent(
        "b.csv",
        "\nacme,mailer,1.0,\"hunter two\nsecret\"\n",
        needed,
    );
    silent("c.csv", "acme\nhunter-two-secret\n", needed);
    silent("d.tsv", "acme\tmailer\t1.0\thunter-two-secret\n", needed);
}

#[test]
fn json_lines_read_as_csv_name_no_column() {
    silent("a.csv", JSON, "--format jsonl");
    silent("a.tsv", JSON, "--format jsonl");
}
