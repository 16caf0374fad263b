//! The catalog: what is wrong with it is named, and what Tray publishes is tolerated.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use common::rows::plain;
use common::{Bench, sample};
use serde_json::{Value, json};

fn sqs() -> Value {
    serde_json::from_str(&fs::read_to_string(sample("catalog/sqs-2.json")).unwrap()).unwrap()
}

/// Writes a catalog of these files.
fn write(bench: &Bench, name: &str, files: &[(&str, String)]) -> PathBuf {
    let directory = bench.path(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    for (file, text) in files {
        fs::write(directory.join(file), text).unwrap();
    }
    directory
}

#[test]
fn the_samples_are_in_order() {
    let bench = Bench::new();
    let check = || {
        bench
            .tool(&["catalog", "check"])
            .arg("--catalog")
            .arg(sample("catalog"))
    };
    check().expect(0);
    let summary = check().json(0);
    assert_eq!(summary["exitCode"], 0);
}

#[test]
fn a_broken_file_is_named_and_so_is_the_key() {
    let without = |key: &str| {
        let mut entry = sqs();
        entry.as_object_mut().unwrap().remove(key);
        entry.to_string()
    };
    let with = |key: &str, value: Value| {
        let mut entry = sqs();
        entry[key] = value;
        entry.to_string()
    };
    let mut no_id = sqs();
    no_id["environments"][0]
        .as_object_mut()
        .unwrap()
        .remove("id");
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &[plain("a")]);
    for (text, part) in [
        ("{ \"connector\": ".to_owned(), "line 1"),
        ("[]".to_owned(), "broken.json"),
        (without("connector"), "connector"),
        (without("versions"), "versions"),
        (without("service"), "service"),
        (with("versions", json!("2.1")), "versions"),
        (with("authType", json!("magic")), "authType"),
        (with("environments", json!([])), "environments"),
        (with("ownService", json!("no")), "ownService"),
        (no_id.to_string(), "environments"),
    ] {
        let catalog = write(&bench, "cat", &[("broken.json", text)]);
        for command in [&["catalog", "check"][..], &["validate", "c.jsonl"]] {
            let tool = bench.tool(command).arg("--catalog").arg(&catalog);
            tool.expect(2).says(&["broken.json", part]);
        }
    }
    drop(input);
}

#[test]
fn two_entries_for_one_version_are_an_error() {
    let bench = Bench::new();
    let files = [
        ("one.json", sqs().to_string()),
        ("two.json", sqs().to_string()),
    ];
    let catalog = write(&bench, "cat", &files);
    let check = bench
        .tool(&["catalog", "check"])
        .arg("--catalog")
        .arg(catalog);
    check.expect(2).says(&["one.json", "two.json", "sqs"]);
}

#[test]
fn a_missing_or_empty_catalog_is_an_error() {
    let bench = Bench::new();
    bench
        .tool(&["catalog", "check", "--catalog", "nowhere"])
        .expect(2)
        .says(&["nowhere"]);
    let empty = write(&bench, "empty", &[]);
    bench
        .tool(&["catalog", "check", "--catalog"])
        .arg(empty)
        .expect(2)
        .says(&["empty"]);
}

#[test]
fn the_catalog_beside_the_input_is_the_default() {
    let bench = Bench::new();
    bench.customers("there/c.jsonl", &[plain("a")]);
    bench.tool(&["validate", "there/c.jsonl"]).expect(2);
    write(&bench, "catalog", &[("sqs.json", sqs().to_string())]);
    bench.tool(&["validate", "there/c.jsonl"]).expect(0);
    let mut other = sqs();
    other["connector"] = json!("another");
    write(
        &bench,
        "there/catalog",
        &[("another.json", other.to_string())],
    );
    bench
        .tool(&["validate", "there/c.jsonl"])
        .expect(3)
        .tells(&["unknown_connector"]);
}

#[test]
fn schemas_as_tray_publishes_them_are_tolerated_and_nothing_is_fetched() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let credentials = json!({
        "$schema": format!("{url}/draft-03/schema#"),
        "id": format!("{url}/schemas/sqs.json"),
        "type": "object",
        "properties": {
            "region": { "type": "string", "required": true, "$id": format!("{url}/region") },
            "account_id": { "type": "string", "lable": "Account", "format": "nothing-known" },
            "access_key": { "type": ["string", "null"], "extends": {} },
            "secret_key": { "type": "any" },
        },
        "additionalproperties": false,
        "advanced": ["region"],
    });
    for credentials in [credentials, json!({})] {
        let mut entry = sqs();
        entry["environments"][0]["credentials"] = credentials;
        let bench = Bench::new();
        let catalog = write(&bench, "catalog", &[("sqs.json", entry.to_string())]);
        let input = bench.customers("c.jsonl", &[plain("a")]);
        bench
            .tool(&["catalog", "check", "--catalog"])
            .arg(catalog)
            .expect(0);
        bench.tool(&["validate"]).arg(input).expect(0);
    }
    assert!(listener.accept().is_err(), "a schema was fetched");
}

#[test]
fn required_in_the_old_way_is_required() {
    let mut entry = sqs();
    entry["environments"][0]["credentials"] = json!({
        "$schema": "http://json-schema.org/draft-03/schema#",
        "type": "object",
        "properties": { "token": { "type": "string", "required": true } },
    });
    let bench = Bench::new();
    write(&bench, "catalog", &[("sqs.json", entry.to_string())]);
    let mut row = plain("a");
    row["data"] = json!({});
    let input = bench.customers("c.jsonl", &[row]);
    bench
        .tool(&["validate"])
        .arg(input)
        .expect(3)
        .tells(&["data.token", "missing_field"]);
}
