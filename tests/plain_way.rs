//! Blocks, cells that are lent, trees in place of values, workers: whatever way a file takes, what is found of its rows
//! is what the csv crate, serde_json and jsonschema say when they are used in the plainest way.

#![allow(clippy::unwrap_used, reason = "this is all test code")]

use std::io;
use std::path::Path;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind as Kind;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tray_import::catalog::Catalog;
use tray_import::catalog::entry::Entry;
use tray_import::input::blocks::Blocks;
use tray_import::input::layout::Layout;
use tray_import::input::mapping::Mapping;
use tray_import::input::open::Format;
use tray_import::issue::Severity;
use tray_import::validate::pipeline;

fn schema() -> Value {
    json!({"type": "object", "required": ["key"], "additionalProperties": false, "properties": {
        "key": {"type": "string", "minLength": 2, "pattern": "^a"},
        "region": {"enum": ["us", "eu"]},
        "note": {"type": "string", "maxLength": 4, "pattern": "^(?!x)"}}})
}

fn catalog() -> Catalog {
    let entry = json!({"connector": "c", "versions": ["1.0"], "authType": "token",
        "service": {"id": "s", "name": "s", "version": 1},
        "environments": [{"id": "e", "title": "Live", "credentials": schema(), "userData": {}}]});
    Catalog::of(vec![Entry::parse(&entry, Path::new("c.json")).unwrap()]).unwrap()
}

/// The codes of each row's issues, and the text of the row as it stands in the file.
fn ours(text: &str, format: Format) -> Vec<(Vec<&'static str>, String)> {
    let mut blocks = Blocks::new(text.as_bytes(), format);
    let layout = match format {
        Format::Jsonl => Layout::of_json_lines(Mapping::default()),
        _ => {
            let header = blocks.header().unwrap().unwrap();
            Layout::of_header(format, &header, Mapping::default()).0
        }
    };
    let mut found = Vec::new();
    let totals =
        pipeline::run::<_, io::Error>(&mut blocks, &layout, &catalog(), true, false, |row| {
            // what is odd by our own rules stands in tests/identity.rs
            let errors = row.problems.iter();
            let errors = errors.filter(|problem| problem.code.severity() == Severity::Error);
            assert_eq!(row.valid, errors.clone().count() == 0);
            assert_eq!(row.valid, row.identity.is_some());
            let codes = errors.map(|problem| problem.code.as_str());
            found.push((sorted(codes), String::from_utf8(row.raw.to_vec()).unwrap()));
            Ok(())
        });
    assert_eq!(totals.unwrap().rows, found.len() as u64);
    found
}

fn theirs(data: &Value, validator: &Validator) -> Vec<&'static str> {
    sorted(validator.iter_errors(data).map(|error| match error.kind() {
        Kind::Required { .. } => "missing_field",
        Kind::AdditionalProperties { .. } => "unknown_field",
        Kind::Enum { .. } => "not_in_list",
        Kind::Pattern { .. } => "pattern",
        Kind::MinLength { .. } => "too_short",
        Kind::MaxLength { .. } => "too_long",
        other => panic!("{other:?}"),
    }))
}

fn sorted(codes: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut codes: Vec<_> = codes.collect();
    codes.sort_unstable();
    codes
}

const COLUMNS: [&str; 4] = ["key", "region", "note", "other"];

/// The credentials of a row; what is empty is absent.
fn data() -> impl Strategy<Value = Vec<String>> {
    let key = prop_oneof![8 => "a[ab\", \n\u{e4}\\\\]{1,5}", 1 => "[ab\"]{0,2}"];
    let region = prop::sample::select(vec!["us", "eu", "", "zz"]).prop_map(str::to_owned);
    let other = prop::sample::select(vec!["", "", "", "o"]).prop_map(str::to_owned);
    (key, region, "[xy\r\n,]{0,5}", other)
        .prop_map(|(key, region, note, other)| vec![key, region, note, other])
}

fn csv_of(rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = COLUMNS.map(|name| format!("data.{name}"));
    let head = ["externalUserId", "connector", "connectorVersion"].map(str::to_owned);
    writer.write_record(head.iter().chain(&names)).unwrap();
    for (number, cells) in rows.iter().enumerate() {
        let head = [format!("user {number}"), "c".to_owned(), "1.0".to_owned()];
        writer.write_record(head.iter().chain(cells)).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn check(rows: &[Vec<String>]) {
    let validator = jsonschema::draft7::new(&schema()).unwrap();
    let csv = csv_of(rows);
    let mut records = csv::Reader::from_reader(csv.as_bytes());
    let objects: Vec<Value> = (records.records())
        .map(|record| {
            let record = record.unwrap();
            let cells = COLUMNS.iter().zip(record.iter().skip(3));
            let given = cells.filter(|(_, cell)| !cell.is_empty());
            let object = given.map(|(name, cell)| ((*name).to_owned(), Value::from(cell)));
            Value::Object(object.collect::<Map<_, _>>())
        })
        .collect();
    let lines: Vec<String> = (objects.iter().enumerate())
        .map(|(number, data)| {
            json!({"externalUserId": format!("user {number}"), "connector": "c", "connectorVersion": "1.0", "data": data})
                .to_string()
        })
        .collect();
    let expected: Vec<_> = objects
        .iter()
        .map(|data| theirs(data, &validator))
        .collect();
    let found = ours(&csv, Format::Csv);
    assert_eq!(
        found.iter().map(|row| &row.0).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    let whole: String = found.iter().map(|(_, raw)| format!("{raw}\n")).collect();
    assert!(csv.ends_with(&whole), "rows as they stand in the file");
    let expected: Vec<_> = expected.into_iter().zip(lines.iter().cloned()).collect();
    assert_eq!(ours(&lines.join("\n"), Format::Jsonl), expected);
}

proptest! {
    #[test]
    fn rows_are_what_the_libraries_say(rows in prop::collection::vec(data(), 0..40)) {
        check(&rows);
    }
}

/// Several blocks of half a MiB, each worked on by whoever is free.
#[test]
fn from_block_to_block_nothing_is_lost() {
    let row = |n: usize| {
        let key = format!("a{}", "\"key, ".repeat(n % 40));
        vec![
            key,
            ["us", "eu", "zz"][n % 3].to_owned(),
            String::new(),
            String::new(),
        ]
    };
    let rows: Vec<_> = (0..12_000).map(row).collect();
    assert!(csv_of(&rows).len() > 3 * 512 * 1024);
    check(&rows);
}
