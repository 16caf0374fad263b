//! `validate`: every mistake is found where it is, and nothing else is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::rows::{self, plain, samples, synced, synced_rows, with};
use common::{Bench, sample};
use serde_json::{Value, json};

/// `row,line,field,code` of every issue in a report or an expectation, in order of row, line and field.
fn issues(path: &Path) -> Vec<[String; 4]> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<_> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        header[..4],
        ["row", "line", "field", "code"],
        "{}",
        path.display()
    );
    let mut found: Vec<[String; 4]> = reader
        .records()
        .map(Result::unwrap)
        // what is odd stands in tests/identity.rs; an expectation has no severity
        .filter(|record| record.get(5) != Some("warning"))
        .map(|record| [0, 1, 2, 3].map(|cell| record[cell].to_owned()))
        .collect();
    found.sort();
    found
}

/// The same from a report in JSON Lines.
fn issues_of_json(path: &Path) -> Vec<[String; 4]> {
    let text = fs::read_to_string(path).unwrap();
    let mut found: Vec<[String; 4]> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["severity"] == "error")
        .map(|line| {
            assert!(
                line["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{line}"
            );
            let cell = |key: &str| match &line[key] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            ["row", "line", "field", "code"].map(cell)
        })
        .collect();
    found.sort();
    found
}

/// Every file of mistakes among the samples.
const MISTAKES: [&str; 5] = [
    "customers-with-mistakes.csv",
    "customers-with-mistakes.jsonl",
    "mistakes/duplicate-column.csv",
    "mistakes/unknown-column.csv",
    "mistakes/utf-16.csv",
];

#[test]
fn every_mistake_of_the_samples_is_found_where_it_is() {
    for name in MISTAKES {
        let bench = Bench::new();
        let expected = issues(&sample(&format!("{name}.expected.csv")));
        for report in ["issues.csv", "issues.jsonl"] {
            let validate = bench.validate(&sample(name)).args(["--report", report]);
            validate.expect(3);
            let found = match report {
                "issues.csv" => issues(&bench.path(report)),
                _ => issues_of_json(&bench.path(report)),
            };
            assert_eq!(found, expected, "{name}, {report}");
        }
    }
}

#[test]
fn a_slot_that_only_tray_knows_is_no_mistake_of_the_file() {
    Bench::new()
        .validate(&sample("mistakes/near-miss-slot.csv"))
        .expect(0);
}

#[test]
fn good_rows_are_found_good() {
    let bench = Bench::new();
    for name in ["customers.csv", "customers.jsonl"] {
        let summary = bench.validate(&sample(name)).json(0);
        let rows = json!({ "total": 500, "valid": 500, "invalid": 0 });
        assert_eq!(summary["rows"], rows);
        assert_eq!(summary["command"], "validate");
        assert_eq!(summary["exitCode"], 0);
    }
}

#[test]
fn a_message_says_what_to_do() {
    let bench = Bench::new();
    let row = with(plain("a"), json!({ "connector": "sqss" }));
    let input = bench.customers("c.jsonl", &[row]);
    bench
        .validate(&input)
        .expect(3)
        .tells(&["row 1", "line 1", "connector", "\"sqs\""]);
    let row = with(
        plain("a"),
        json!({ "connector": "slack", "connectorVersion": "10.0" }),
    );
    let input = bench.customers("c.jsonl", &[row]);
    bench.validate(&input).expect(3);
    let input = bench.input("c.csv", "external_user_id,connector\na,sqs\n");
    bench.validate(&input).expect(3).tells(&["externalUserId"]);
}

#[test]
fn third_party_oauth_is_refused_with_the_reason() {
    let bench = Bench::new();
    let version = slack_version();
    let row = json!({
        "externalUserId": "a", "connector": "slack", "connectorVersion": version,
        "data": { "access_token": "CANARY" },
    });
    let input = bench.customers("c.jsonl", &[row]);
    bench
        .validate(&input)
        .expect(3)
        .tells(&["third_party_oauth", "Config Wizard"]);
}

fn slack_version() -> Value {
    let text = fs::read_to_string(sample("catalog/slack.json")).unwrap();
    let entry: Value = serde_json::from_str(&text).unwrap();
    entry["versions"][0].clone()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn compressed_inputs_are_read_as_if_they_were_not() {
    let bench = Bench::new();
    for name in MISTAKES.iter().take(2) {
        let bytes = fs::read(sample(name)).unwrap();
        let expected = issues(&sample(&format!("{name}.expected.csv")));
        for (ending, packed) in [("gz", gz(&bytes)), ("zst", zst(&bytes))] {
            let file = name.rsplit('/').next().unwrap();
            let input = bench.input(&format!("{file}.{ending}"), packed);
            let report = ["--report", "issues.csv"];
            bench.validate(&input).args(report).expect(3);
            assert_eq!(
                issues(&bench.path("issues.csv")),
                expected,
                "{file}.{ending}"
            );
        }
    }
}

#[test]
fn a_compressed_input_that_is_cut_short_is_an_issue() {
    let bench = Bench::new();
    let bytes = rows::jsonl(&synced_rows(2000)).into_bytes();
    for (ending, packed) in [("gz", gz(&bytes)), ("zst", zst(&bytes))] {
        let half = &packed[..packed.len() / 2];
        let input = bench.input(&format!("c.jsonl.{ending}"), half);
        bench.validate(&input).expect(3).tells(&["compression"]);
    }
}

#[test]
fn standard_input_is_read_in_every_format() {
    let bench = Bench::new();
    for (name, format) in [(MISTAKES[0], "csv"), (MISTAKES[1], "jsonl")] {
        let expected = issues(&sample(&format!("{name}.expected.csv")));
        let validate = bench
            .validate(Path::new("-"))
            .args(["--format", format, "--report", "issues.csv"])
            .stdin(fs::read(sample(name)).unwrap());
        validate.expect(3);
        assert_eq!(issues(&bench.path("issues.csv")), expected, "{name}");
    }
}

#[test]
fn a_byte_order_mark_tabs_and_windows_lines_are_read() {
    let bench = Bench::new();
    let columns = ["externalUserId", "connector", "connectorVersion", "data"];
    let csv = rows::csv(&columns, &[plain("a"), plain("b")]);
    let tsv = "externalUserId\tconnector\tconnectorVersion\tdata.api_key\na\tairtable\t3.0\tCANARY-\"k\"\n";
    let tsv = tsv.replace("CANARY-\"k\"", "CANARY-key");
    for (name, text) in [
        ("bom.csv", format!("\u{feff}{csv}")),
        ("windows.csv", csv.replace('\n', "\r\n")),
        ("both.csv", format!("\u{feff}{}", csv.replace('\n', "\r\n"))),
        (
            "bom.jsonl",
            format!("\u{feff}{}", rows::jsonl(&[plain("a")])),
        ),
        ("tabs.tsv", tsv),
        ("no-end.csv", csv.trim_end().to_owned()),
    ] {
        let input = bench.input(name, text);
        bench.validate(&input).expect(0);
    }
    let nothing = bench.input("empty.csv", "");
    bench.validate(&nothing).expect(3);
}

#[test]
fn valid_and_invalid_rows_are_set_aside_as_they_are() {
    for name in MISTAKES.iter().take(2) {
        let bench = Bench::new();
        let bytes = fs::read(sample(name)).unwrap();
        let ending = name.rsplit('.').next().unwrap();
        let valid = bench.aside(&format!("good.{ending}"));
        let invalid = bench.aside(&format!("bad.{ending}"));
        let validate = bench.validate(&sample(name));
        let validate = validate.arg("--valid").arg(&valid);
        let summary = validate.arg("--invalid").arg(&invalid).json(3);
        let [good, bad] = [&valid, &invalid].map(|path| fs::read(path).unwrap());
        // every byte of the input is in one of the two, in order; the header is in both
        let header = match ending {
            "csv" => bytes.iter().position(|&b| b == b'\n').unwrap() + 1,
            _ => 0,
        };
        assert_eq!(good[..header], bytes[..header]);
        assert_eq!(bad[..header], bytes[..header]);
        let together = good.len() + bad.len() - header;
        let missing_end = usize::from(bytes.last() != Some(&b'\n'));
        assert_eq!(together, bytes.len() + missing_end, "{name}");
        assert!(
            merges(&bytes[header..], &good[header..], &bad[header..]),
            "{name}"
        );
        for path in [&valid, &invalid] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        let again = bench.validate(&valid).json(0);
        assert_eq!(again["rows"]["total"], summary["rows"]["valid"]);
    }
}

/// Whether the lines of `whole` are those of `left` and `right`, put together in some order that keeps both.
fn merges(whole: &[u8], left: &[u8], right: &[u8]) -> bool {
    let (mut left, mut right) = (
        lines(left).into_iter().peekable(),
        lines(right).into_iter().peekable(),
    );
    lines(whole)
        .into_iter()
        .all(|line| left.next_if_eq(&line).is_some() || right.next_if_eq(&line).is_some())
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn rows_that_were_set_aside_and_mended_are_good() {
    let bench = Bench::new();
    let broken = with(synced("b"), json!({ "enabled": "yes" }));
    let input = bench.customers("c.jsonl", &[synced("a"), broken, synced("c")]);
    let invalid = bench.aside("bad.jsonl");
    bench
        .validate(&input)
        .arg("--invalid")
        .arg(&invalid)
        .expect(3);
    let mended = fs::read_to_string(&invalid)
        .unwrap()
        .replace("\"yes\"", "true");
    fs::write(&invalid, mended).unwrap();
    let summary = bench.validate(&invalid).json(0);
    assert_eq!(summary["rows"]["total"], 1);
}

#[test]
fn reports_are_private() {
    let bench = Bench::new();
    for report in ["issues.csv", "issues.jsonl"] {
        fs::write(bench.path(report), "old").unwrap();
        fs::set_permissions(bench.path(report), fs::Permissions::from_mode(0o644)).unwrap();
        bench
            .validate(&sample(MISTAKES[0]))
            .args(["--report", report])
            .expect(3);
        let mode = fs::metadata(bench.path(report))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    bench
        .validate(&sample(MISTAKES[0]))
        .args(["--report", "issues.txt"])
        .expect(2);
}

#[test]
fn at_most_so_many_issues_are_listed_and_all_are_counted() {
    let bench = Bench::new();
    let listed = |text: &str| text.lines().filter(|line| line.starts_with("row ")).count();
    let is_issue = |line: &&str| !line.contains(": warning: ");
    let issues_listed = |text: &str| {
        text.lines()
            .filter(is_issue)
            .filter(|line| line.starts_with("row "))
            .count()
    };
    let all = issues(&sample("customers-with-mistakes.csv.expected.csv")).len();
    for (most, expected) in [("0", 0), ("7", 7), ("100000", all)] {
        let output = bench
            .validate(&sample(MISTAKES[0]))
            .args(["--max-issues", most, "--report", "issues.csv"])
            .expect(3);
        match most {
            "100000" => assert_eq!(issues_listed(&output.stdout), expected),
            _ => assert_eq!(listed(&output.stdout), expected, "{most}"),
        }
        assert_eq!(issues(&bench.path("issues.csv")).len(), all);
    }
}

#[test]
fn duplicates_within_the_file_are_issues() {
    let bench = Bench::new();
    let one = |more: Value| with(synced("a"), more);
    let rows = [
        one(json!({})),
        one(json!({ "instanceName": "other" })),
        one(json!({ "authName": "second" })),
        one(json!({ "authName": "third", "instanceName": "third", "enabled": false })),
    ];
    let input = bench.customers("c.jsonl", &rows);
    let output = bench
        .validate(&input)
        .args(["--report", "issues.csv"])
        .expect(3);
    let codes: Vec<_> = issues(&bench.path("issues.csv"))
        .into_iter()
        .map(|[row, _, field, code]| (row, field, code))
        .collect();
    let issue =
        |row: &str, field: &str, code: &str| (row.to_owned(), field.to_owned(), code.to_owned());
    // nobody knows which of the rows is right
    let expected = [
        issue("1", "authExternalId", "duplicate_slot"),
        issue("1", "authName", "duplicate_authentication"),
        issue("2", "authName", "duplicate_authentication"),
        issue("3", "authExternalId", "duplicate_slot"),
    ];
    assert_eq!(codes, expected, "{}", output.shown());
}

#[test]
fn the_order_of_threads_changes_nothing() {
    let bench = Bench::new();
    let rows = samples();
    let input = bench.customers("c.jsonl", &rows);
    let report = |name: &str| {
        bench
            .validate(&sample(MISTAKES[1]))
            .args(["--report", name])
            .expect(3)
            .stdout
    };
    let first = report("1.csv");
    for name in ["2.csv", "3.csv"] {
        let again = report(name);
        assert_eq!(bench.read(name), bench.read("1.csv"));
        assert_eq!(again.lines().count(), first.lines().count());
    }
    bench.validate(&input).expect(0);
}
