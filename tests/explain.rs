//! `validate --explain ROW`: one row field by field, and no secret.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::rows::{delivery, jsonl, plain, synced, with};
use common::{Bench, sample};
use serde_json::{Value, json};

fn explain<'b>(bench: &'b Bench, input: &Path, row: u64) -> common::Tool<'b> {
    bench.validate(input).args(["--explain", &row.to_string()])
}

fn field<'e>(explained: &'e Value, name: &str) -> &'e Value {
    let fields = explained["explain"]["fields"].as_array().unwrap();
    let found = fields.iter().find(|field| field["field"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {explained}"))
}

#[test]
fn every_field_says_what_it_is_and_where_it_came_from() {
    let bench = Bench::new();
    let mapped = |row| {
        explain(&bench, &sample("export.csv"), row)
            .arg("--mapping")
            .arg(sample("mapping.toml"))
    };
    let explained = mapped(3).json(0);
    for (name, value, from) in [
        ("externalUserId", "emea/3", "column \"Customer ID\""),
        ("connector", "sqs", "the mapping's constant"),
        (
            "authName",
            "sqs for Dogwood Labs 3",
            "the mapping's template of \"connector\", \"Company\"",
        ),
    ] {
        assert_eq!(field(&explained, name)["value"], value);
        assert_eq!(field(&explained, name)["from"], from);
    }
    // CANARYwJalr-fake-sqs-0000003xx"quoted"
    let secret = field(&explained, "data.secret_key");
    assert_eq!(secret["is"], "string, 38 characters");
    assert_eq!(secret["from"], "column \"AWS secret\"");
    assert!(secret.get("value").is_none());
    assert_eq!(
        explained["explain"]["notImported"],
        json!(["Account manager", "Internal notes"])
    );
    assert_eq!(explained["explain"]["line"], 4);
    let text = mapped(3).expect(0).stdout;
    for part in [
        "Row 3 (line 4)",
        "is valid",
        "sqs-2.json",
        "the only one",
        "Account sync of Dogwood Labs 3",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // the file itself must not be in it, whatever its row
    assert!(!text.contains("fake") && !text.contains("FAKE"), "{text}");
}

#[test]
fn text_becomes_its_type_and_configs_are_masked() {
    let bench = Bench::new();
    let header = "externalUserId,connector,connectorVersion,data.host,data.port,data.username,data.password,\
        data.strict_host_key,data.folders,data.proxy.host,solutionId,authExternalId,config.a,configJson.b\n";
    let row = "c,sftp,4.2,h.example.com,22,u,CANARY\"1\",TRUE,\"[\"\"/in\"\",\"\"/out\"\"]\",p.example.com,s,x,CANARY,\"{\"\"k\"\":1}\"\n";
    let input = bench.input("c.csv", format!("{header}{row}"));
    let explained = explain(&bench, &input, 1).json(0);
    for (name, what) in [
        ("data.host", "string, 13 characters"),
        ("data.port", "integer"),
        ("data.username", "string, 1 character"),
        ("data.strict_host_key", "boolean"),
        ("data.folders", "array of 2 items"),
        ("data.proxy.host", "string, 13 characters"),
        ("config.a", "string, 6 characters"),
        ("config.b", "object with 1 field"),
    ] {
        assert_eq!(field(&explained, name)["is"], what, "{name}");
    }
    assert_eq!(
        field(&explained, "config.b")["from"],
        "column \"configJson.b\""
    );
    assert_eq!(field(&explained, "userName")["value"], "c");
    assert_eq!(field(&explained, "authName")["value"], "sftp c");
    assert_eq!(
        field(&explained, "instanceName")["from"],
        "default: the userName"
    );
    assert_eq!(field(&explained, "enabled")["value"], true);
}

#[test]
fn json_lines_are_explained_by_their_keys() {
    let bench = Bench::new();
    let mut rows = delivery("d").to_vec();
    rows[0]["data"]["options"] = json!({"CANARY-key": {"x": "CANARY"}});
    let input = bench.customers("c.jsonl", &rows);
    let explained = explain(&bench, &input, 1).json(0);
    assert_eq!(field(&explained, "data.port")["is"], "integer");
    assert_eq!(field(&explained, "data.port")["from"], "key \"data\"");
    // the schema does not say what the keys of this object are, so that they may be anything
    assert_eq!(
        field(&explained, "data.options")["is"],
        "object with 1 field"
    );
    assert_eq!(
        field(&explained, "config.external_field_mapping")["from"],
        "key \"config.external_field_mapping\""
    );
    let explained = explain(&bench, &input, 2).json(0);
    assert_eq!(
        field(&explained, "scopes")["value"],
        "contacts:read offline_access"
    );
    let mapping = bench.input(
        "m.toml",
        "[columns]\nexternalUserId = \"customer.id\"\n\"data.api_key\" = \"key\"\n",
    );
    let row = json!({"customer": {"id": "c-1", "note": "CANARY"}, "key": "CANARY", "connector": "airtable", "connectorVersion": "3.0"});
    let input = bench.input("n.jsonl", jsonl(&[row]));
    let explained = explain(&bench, &input, 1)
        .arg("--mapping")
        .arg(mapping)
        .json(3);
    assert_eq!(
        field(&explained, "externalUserId")["from"],
        "key \"customer.id\""
    );
    assert_eq!(field(&explained, "data.api_key")["from"], "key \"key\"");
    assert_eq!(explained["explain"]["issues"][0]["code"], "unknown_field");
}

#[test]
fn an_invalid_row_has_the_issues_that_validate_finds() {
    let bench = Bench::new();
    let name = "customers-with-mistakes.csv";
    let expected = sample(&format!("{name}.expected.csv"));
    let mut by_row: BTreeMap<u64, Vec<(String, String)>> = BTreeMap::new();
    for record in csv::Reader::from_path(expected).unwrap().records() {
        let record = record.unwrap();
        let issue = (record[2].to_owned(), record[3].to_owned());
        by_row
            .entry(record[0].parse().unwrap())
            .or_default()
            .push(issue);
    }
    assert!(by_row.len() > 30);
    for (row, mut issues) in by_row.into_iter().filter(|(row, _)| *row > 0) {
        let explained = explain(&bench, &sample(name), row).json(3);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut found: Vec<_> = explained["explain"]["issues"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|issue| issue["severity"] == "error")
            .map(|issue| (text(&issue["field"]), text(&issue["code"])))
            .collect();
        issues.sort();
        found.sort();
        assert_eq!(found, issues, "row {row}");
        assert_eq!(explained["explain"]["valid"], false);
    }
}

#[test]
fn what_is_refused_or_missing_is_marked() {
    let bench = Bench::new();
    let header = "externalUserId,connector,connectorVersion,enabled,data.email,data.password,data.account,data.role\n";
    let input = bench.input(
        "c.csv",
        format!("{header}a,netsuite,1.0,yes,,CANARY,1,CANARY-x\n"),
    );
    let text = explain(&bench, &input, 1).expect(3).stdout;
    for part in [
        "is invalid",
        "column \"enabled\": REFUSED",
        "text, 8 characters; NOT CONVERTED",
        "REQUIRED, and column \"data.email\" is empty",
        "[wrong_type]",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // a row whose connector is not known is shown as it stands
    let input = bench.customers("u.jsonl", &[with(plain("a"), json!({"connector": "sqss"}))]);
    let text = explain(&bench, &input, 1).expect(3).stdout;
    assert!(
        text.contains("Catalog entry: none") && text.contains("object with 4 fields"),
        "{text}"
    );
}

#[test]
fn an_issue_that_lies_in_another_row_is_found() {
    let bench = Bench::new();
    let rows = [synced("a"), synced("b"), synced("a")];
    let input = bench.customers("c.jsonl", &rows);
    explain(&bench, &input, 2).expect(0);
    for (row, other) in [(1, "row 3"), (3, "row 1")] {
        explain(&bench, &input, row)
            .expect(3)
            .tells(&["duplicate_authentication", other]);
    }
    // also from standard input, which is read once
    let stdin = explain(&bench, Path::new("-"), 3)
        .args(["--format", "jsonl"])
        .stdin(jsonl(&rows));
    stdin.expect(3).tells(&["duplicate_authentication"]);
}

#[test]
fn a_row_that_is_not_there_and_one_that_cannot_be_read() {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &[plain("a")]);
    explain(&bench, &input, 2)
        .expect(2)
        .says(&["no row 2", "has 1 row"]);
    explain(&bench, &input, 0).expect(2);
    let header = "externalUserId,connector,connectorVersion,data.api_key\n";
    let input = bench.input(
        "q.csv",
        format!("{header}a,airtable,3.0,CANARY\nb,airtable,3.0,\"CANARY\nc,airtable,3.0,CANARY\n"),
    );
    explain(&bench, &input, 2)
        .expect(3)
        .tells(&["Row 2 (line 3)", "unclosed_quote"]);
    explain(&bench, &input, 3).expect(0);
    let input = bench.input("h.csv", "externalUserId,externalUserId\na,b\n");
    explain(&bench, &input, 1)
        .expect(3)
        .tells(&["duplicate_column"]);
}
