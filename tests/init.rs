//! `init` proposes a mapping that `validate` accepts, and shows nothing of what the export holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use common::rows::{jsonl, plain, samples};
use common::{Bench, Tool, sample};
use serde_json::{Value, json};
use toml::Table;

fn init<'b>(bench: &'b Bench, input: &Path) -> Tool<'b> {
    bench
        .tool(&["init"])
        .arg(input)
        .arg("--catalog")
        .arg(sample("catalog"))
}

/// Writes the proposal to `m.toml` and reads it.
fn proposed(bench: &Bench, input: &Path) -> Table {
    init(bench, input)
        .args(["-o", "m.toml", "--force"])
        .expect(0);
    bench.read("m.toml").parse().unwrap()
}

fn validated(bench: &Bench, input: &Path, code: i32) -> common::Output {
    bench
        .validate(input)
        .args(["--mapping", "m.toml"])
        .expect(code)
}

fn texts(value: &toml::Value) -> BTreeSet<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap())
        .collect()
}

#[test]
fn the_samples_export_comes_out_as_its_mapping_by_hand() {
    let bench = Bench::new();
    let mine = proposed(&bench, &sample("export.csv"));
    let hand: Table = fs::read_to_string(sample("mapping.toml"))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(mine["columns"], hand["columns"]);
    assert_eq!(texts(&mine["ignore"]), texts(&hand["ignore"]));
    for field in ["connector", "connectorVersion"] {
        assert_eq!(mine["constants"][field], hand["constants"][field]);
    }
    validated(&bench, &sample("export.csv"), 0);
}

#[test]
fn without_a_file_it_goes_to_standard_output_alone() {
    let bench = Bench::new();
    let output = init(&bench, &sample("export.csv")).expect(0);
    let table: Table = output.stdout.parse().unwrap();
    assert_eq!(
        table["columns"]["externalUserId"].as_str(),
        Some("Customer ID")
    );
    let output = output.says(&["To do:", "sqs 2.1 is a guess", "solutionId", "validate"]);
    // the comments say what a column looks like
    assert!(
        output.stdout.contains("whole numbers of 12 digits"),
        "{}",
        output.stdout
    );
    let object = init(&bench, &sample("export.csv")).json(0);
    assert_eq!(
        object["mapping"].as_str().unwrap().trim_end(),
        output.stdout.trim_end()
    );
    assert_eq!(object["unplaced"].as_array().unwrap().len(), 2);
}

#[test]
fn no_value_of_the_export_is_in_the_file_or_on_the_terminal() {
    let bench = Bench::new();
    let output = init(&bench, &sample("export.csv"))
        .args(["-o", "m.toml"])
        .expect(0);
    let said = bench.read("m.toml") + &output.stdout + &output.stderr;
    let mut reader = csv::Reader::from_path(sample("export.csv")).unwrap();
    // the connector's own words, and what stands in the mapping for another reason
    for record in reader.records() {
        for cell in record.unwrap().iter().filter(|cell| cell.len() > 3) {
            assert!(!said.contains(cell), "{cell:?} is in\n{said}");
        }
    }
}

#[test]
fn nothing_is_written_over_without_force() {
    let bench = Bench::new();
    fs::write(bench.path("m.toml"), "mine").unwrap();
    let again = init(&bench, &sample("export.csv"))
        .args(["-o", "m.toml"])
        .expect(2);
    again.says(&["m.toml exists already", "--force"]);
    assert_eq!(bench.read("m.toml"), "mine");
    proposed(&bench, &sample("export.csv"));
    assert!(bench.read("m.toml").contains("[columns]"));
    init(&bench, &sample("export.csv"))
        .args(["-o", "no/where/m.toml"])
        .expect(1)
        .says(&["no/where"]);
}

#[test]
fn tabs_compression_standard_input_and_json_lines() {
    let bench = Bench::new();
    let tsv = "account id\tApiKey\tComment\nc-1\tCANARY-1\tx\nc-2\tCANARY-2\t\n";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(tsv.as_bytes()).unwrap();
    let input = bench.input("e.tsv.gz", gz.finish().unwrap());
    let table = proposed(&bench, &input);
    assert_eq!(
        table["columns"]["externalUserId"].as_str(),
        Some("account id")
    );
    assert_eq!(table["columns"]["data.api_key"].as_str(), Some("ApiKey"));
    assert_eq!(table["constants"]["connector"].as_str(), Some("airtable"));
    validated(&bench, &input, 0);

    let stdin = init(&bench, Path::new("-"))
        .args(["--format", "tsv"])
        .stdin(tsv)
        .expect(0);
    assert_eq!(
        stdin.stdout.parse::<Table>().unwrap()["columns"],
        table["columns"]
    );

    let lines: Vec<Value> = (1..=3)
        .map(|n| {
            json!({
                "customer": {"id": format!("c-{n}"), "companyName": format!("Company {n}")},
                "aws": {"region": "eu-west-1", "accountId": "123456789012", "owner": null,
                    "accessKey": format!("CANARY-access-{n}-xxxxxxxx"),
                    "secretKey": format!("CANARY-secret-{n}-xxxxxxxxxxxxxxxxxxxx")},
                "notes": {"by-key": {format!("CANARY{n}1234"): 1}},
            })
        })
        .collect();
    let input = bench.input("e.jsonl", jsonl(&lines));
    let table = proposed(&bench, &input);
    assert_eq!(
        table["columns"]["externalUserId"].as_str(),
        Some("customer.id")
    );
    assert_eq!(
        table["columns"]["data.secret_key"].as_str(),
        Some("aws.secretKey")
    );
    assert_eq!(texts(&table["ignore"]), BTreeSet::from(["aws", "notes"]));
    validated(&bench, &input, 0);
}

#[test]
fn names_that_are_known_need_no_line() {
    let bench = Bench::new();
    for file in ["customers.csv", "customers.jsonl"] {
        let table = proposed(&bench, &sample(file));
        assert!(table["columns"].as_table().unwrap().is_empty());
        validated(&bench, &sample(file), 0);
    }
    init(&bench, &sample("customers.csv"))
        .expect(0)
        .says(&["needs no mapping"]);
}

#[test]
fn the_connector_column_says_which_fields_there_are() {
    let bench = Bench::new();
    let rows: Vec<Value> = samples()
        .into_iter()
        .filter(|row| row["connector"] == "netsuite" || row["connector"] == "airtable")
        .enumerate()
        .map(|(n, row)| {
            json!({"Client": format!("c-{n}"), "Integration": row["connector"], "Version": row["connectorVersion"],
                "E-mail": row["data"]["email"], "Password": row["data"]["password"], "Account": row["data"]["account"],
                "Role": row["data"]["role"], "API-Key": row["data"]["api_key"]})
        })
        .collect();
    assert!(rows.len() > 10);
    let columns = [
        "Client",
        "Integration",
        "Version",
        "E-mail",
        "Password",
        "Account",
        "Role",
        "API-Key",
    ];
    let input = bench.input("e.csv", common::rows::csv(&columns, &rows));
    let table = proposed(&bench, &input);
    let columns = &table["columns"];
    for (field, column) in [
        ("externalUserId", "Client"),
        ("connector", "Integration"),
        ("connectorVersion", "Version"),
        ("data.account", "Account"),
        ("data.role", "Role"),
        ("data.api_key", "API-Key"),
    ] {
        assert_eq!(columns[field].as_str(), Some(column));
    }
    validated(&bench, &input, 0);
    // "Integration" is a connector by what it holds, not by its name
    let other = bench.input(
        "o.csv",
        "Customer ID,Integration,Api key\na,daily,CANARY-1\n",
    );
    let output = init(&bench, &other).expect(0);
    assert!(
        !output.stdout.contains("connector = \"Integration\""),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("connector = \"airtable\""),
        "{}",
        output.stdout
    );
}

#[test]
fn what_is_missing_is_said() {
    let bench = Bench::new();
    let text = "Customer ID,Company,Munchkin ID,Client secret\na,A,111-AAA-111,CANARY-1\n";
    let input = bench.input("e.csv", text);
    let output = init(&bench, &input).args(["-o", "m.toml"]).expect(0);
    output.says(&["environment", "data.client_id is required"]);
    let text = bench.read("m.toml");
    assert!(text.contains("# \"data.client_id\" = \"\""), "{text}");
    assert!(
        text.contains("one of \"Production\", \"Sandbox\""),
        "{text}"
    );
    // no connector of the catalog wants these
    let input = bench.input("o.csv", "Customer ID,Zodiac\na,x\n");
    let output = init(&bench, &input)
        .expect(0)
        .says(&["do not tell which connector"]);
    assert!(
        output.stdout.contains("# connector = \"\""),
        "{}",
        output.stdout
    );
    // and without a catalog, that is what is missing
    let bare = bench.tool(&["init"]).arg(&input).expect(0);
    bare.says(&["there is no catalog", "--catalog"]);
    bench
        .tool(&["init", "--catalog", "nowhere"])
        .arg(&input)
        .expect(2)
        .says(&["nowhere"]);
}

#[test]
fn a_file_without_a_header_is_refused_and_not_shown() {
    let bench = Bench::new();
    for first in [
        "c-1,active,CANARYwJalr-fake-0000001",
        "c-1,Company,owner@example.com,CANARY",
        "c-1,123,CANARY",
    ] {
        let input = bench.input("e.csv", format!("{first}\n{first}\n"));
        let output = init(&bench, &input).args(["-o", "m.toml"]).expect(3);
        output.says(&["not like a header"]);
        assert!(!bench.path("m.toml").exists());
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let bench = Bench::new();
    for (name, bytes, part) in [
        ("a.csv", &b""[..], "empty"),
        ("b.csv", b"a;b;c\n1;2;3\n", "not like a header"),
        ("c.csv", b"a\0b\0", "UTF-16"),
        ("d.jsonl", b"[1]\n", "JSON object"),
        ("e.csv.gz", b"\x1f\x8b\x08\0", "damaged or cut short"),
    ] {
        let input = bench.input(name, bytes);
        init(&bench, &input).expect(3).says(&[part]);
    }
    init(&bench, Path::new("missing.csv"))
        .expect(1)
        .says(&["missing.csv"]);
    init(&bench, Path::new("x.xlsx")).expect(1);
    let twice = bench.input("t.csv", "Customer ID,Note,Note,api key\na,b,c,CANARY\n");
    init(&bench, &twice).expect(0).says(&["\"Note\" twice"]);
}

#[test]
fn names_of_any_kind_stay_names() {
    let bench = Bench::new();
    let names = [
        "Customer ID",
        "API key",
        "a \"quoted\" one",
        "two\nlines",
        "{braces}",
        "back\\slash",
        "",
        "[31m\u{1b}",
        "it's",
        "#x = 1",
    ];
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names).unwrap();
    for n in 0..3 {
        let row = names.map(|name| format!("CANARY-{n}-{}", name.len()));
        writer.write_record(row).unwrap();
    }
    let input = bench.input("e.csv", writer.into_inner().unwrap());
    let table = proposed(&bench, &input);
    let ignored: BTreeSet<&str> = names[2..].iter().copied().collect();
    assert_eq!(texts(&table["ignore"]), ignored);
    validated(&bench, &input, 0);
    let output = init(&bench, &input).expect(0);
    assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'));
}

#[test]
fn a_row_of_the_contracts_own_form_is_left_alone() {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &[plain("a"), plain("b")]);
    let table = proposed(&bench, &input);
    assert!(table["constants"].as_table().unwrap().is_empty());
    validated(&bench, &input, 0);
}
