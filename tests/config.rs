//! Flag before environment before file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;

use common::audit::audit;
use common::rows::{synced, synced_rows, with};
use common::{Bench, MASTER, Tray, sample};
use serde_json::json;

/// Rows with one issue each.
fn broken(bench: &Bench) -> std::path::PathBuf {
    let row = |n: usize| with(synced(&format!("c-{n}")), json!({ "enabled": 1 }));
    let rows: Vec<_> = (0..9).map(row).collect();
    bench.customers("c.jsonl", &rows)
}

fn listed(text: &str) -> usize {
    text.lines().filter(|line| line.starts_with("row ")).count()
}

#[test]
fn flag_before_environment_before_file() {
    let bench = Bench::new();
    let input = broken(&bench);
    let file = bench.path("other.toml");
    fs::write(&file, "max-issues = 1\n").unwrap();
    let validate = || bench.validate(&input).arg("--config").arg(&file);
    assert_eq!(listed(&validate().expect(3).stdout), 1);
    let validate = || validate().env("TRAY_IMPORT_MAX_ISSUES", "2");
    assert_eq!(listed(&validate().expect(3).stdout), 2);
    let validate = || validate().args(["--max-issues", "3"]);
    assert_eq!(listed(&validate().expect(3).stdout), 3);
}

#[test]
fn the_file_of_the_working_directory_is_read_where_it_exists() {
    let bench = Bench::new();
    let input = broken(&bench);
    fs::write(bench.path("tray-import.toml"), "max-issues = 4\n").unwrap();
    assert_eq!(listed(&bench.validate(&input).expect(3).stdout), 4);
    fs::write(bench.path("other.toml"), "max-issues = 5\n").unwrap();
    let named = bench.validate(&input).args(["--config", "other.toml"]);
    assert_eq!(listed(&named.expect(3).stdout), 5);
    let named = bench
        .validate(&input)
        .env("TRAY_IMPORT_CONFIG", "other.toml");
    assert_eq!(listed(&named.expect(3).stdout), 5);
}

#[test]
fn a_whole_import_may_be_described_by_a_file() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = synced_rows(4);
    let input = bench.customers("c.jsonl", &rows);
    let text = format!(
        "endpoint = {:?}\napi = {:?}\ncatalog = {:?}\nresults = \"r.jsonl\"\nrate = \"unlimited\"\n\
         enable-delay = \"0s\"\nlimit = 3\nconcurrency = 2\n",
        tray.endpoint(),
        tray.api(),
        sample("catalog")
    );
    fs::write(bench.path("tray-import.toml"), text).unwrap();
    let import = || {
        bench
            .tool(&["import"])
            .arg(&input)
            .env("TRAY_MASTER_TOKEN", MASTER)
    };
    import().expect(0);
    assert_eq!(tray.holds(), [3, 3, 3]);
    import().args(["--limit", "1"]).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
}

#[test]
fn a_broken_file_is_named_and_so_is_the_key() {
    let bench = Bench::new();
    let input = broken(&bench);
    for (text, part) in [
        ("max-isues = 1\n", "max-isues"),
        ("max-issues = \"many\"\n", "max-issues"),
        ("rate = \"fast\"\n", "rate"),
        ("region = \"mars\"\n", "region"),
        ("max-issues = { a = 1 }\n", "max-issues"),
        ("max-issues 1\n", "my.toml"),
        ("master-token = \"x\"\n", "master-token"),
        ("yes = true\n", "command line"),
        ("fix = true\n", "command line"),
    ] {
        fs::write(bench.path("my.toml"), text).unwrap();
        let validate = bench.validate(&input).args(["--config", "my.toml"]);
        validate.expect(2).says(&["my.toml", part]);
    }
    let validate = bench.validate(&input).args(["--config", "missing.toml"]);
    validate.expect(2).says(&["missing.toml"]);
    let validate = bench.validate(&input).env("TRAY_IMPORT_MAX_ISSUES", "many");
    validate.expect(2);
}
