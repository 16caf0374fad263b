//! `--mapping` fits a customer's own export to the contract's names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use common::audit::audit;
use common::rows::{self, ACCOUNT_SYNC, SOURCE_SLOT, plain};
use common::{Bench, Tray, sample};
use serde_json::{Value, json};

/// The samples' export, mapped by hand.
fn exported() -> Vec<Value> {
    let mut reader = csv::Reader::from_path(sample("export.csv")).unwrap();
    let header: Vec<_> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let cell = |name: &str| {
            let at = header
                .iter()
                .position(|own| own.trim_start_matches('\u{feff}') == name);
            &record[at.unwrap()]
        };
        json!({
            "externalUserId": cell("Customer ID"),
            "userName": cell("Company"),
            "connector": "sqs",
            "connectorVersion": "2.1",
            "authName": format!("sqs for {}", cell("Company")),
            "data": {
                "region": cell("AWS region"),
                "account_id": cell("AWS account"),
                "access_key": cell("AWS key"),
                "secret_key": cell("AWS secret"),
            },
            "solutionId": ACCOUNT_SYNC,
            "authExternalId": SOURCE_SLOT,
            "instanceName": format!("Account sync of {}", cell("Company")),
        })
    });
    rows.collect()
}

#[test]
fn an_export_is_imported_as_it_is() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let import = bench.import(&tray, &sample("export.csv"));
    import
        .arg("--mapping")
        .arg(sample("mapping.toml"))
        .expect(0);
    audit(&tray, &exported(), &bench.results("r.jsonl"));
}

#[test]
fn without_the_mapping_none_of_its_columns_is_known_or_shown() {
    let bench = Bench::new();
    let output = bench.validate(&sample("export.csv")).expect(3);
    let output = output.tells(&["externalUserId", "init"]);
    assert!(!output.shown().contains("Customer ID"));
}

#[test]
fn a_column_that_is_neither_mapped_nor_ignored_is_unknown() {
    let bench = Bench::new();
    let text = "Customer ID,Secret,Colour\na,CANARY-airtable,red\n";
    let input = bench.input("c.csv", text);
    let mapping = "[columns]\nexternalUserId = \"Customer ID\"\n\"data.api_key\" = \"Secret\"\n\
        [constants]\nconnector = \"airtable\"\nconnectorVersion = \"3.0\"\n";
    let mapped = |text: String| {
        let file = bench.input("m.toml", text);
        bench.validate(&input).arg("--mapping").arg(file)
    };
    mapped(mapping.to_owned())
        .expect(3)
        .tells(&["Colour", "unknown_field"]);
    mapped(format!("ignore = [\"Colour\"]\n{mapping}")).expect(0);
}

#[test]
fn a_constant_may_be_a_config_value_or_a_flag() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let columns = ["externalUserId", "connector", "connectorVersion", "data"];
    let input = bench.input("c.csv", rows::csv(&columns, &[plain("a")]));
    let mapping = bench.input(
        "m.toml",
        "[constants]\nhidden = true\nauthName = \"Main\"\n",
    );
    bench
        .import(&tray, &input)
        .arg("--mapping")
        .arg(mapping)
        .expect(0);
    let row = rows::with(plain("a"), json!({ "hidden": true, "authName": "Main" }));
    audit(&tray, &[row], &bench.results("r.jsonl"));
}

#[test]
fn json_lines_are_mapped_too() {
    let bench = Bench::new();
    let mut row = plain("a");
    row["customer"] = row["externalUserId"].take();
    row.as_object_mut().unwrap().remove("externalUserId");
    let input = bench.customers("c.jsonl", &[row]);
    bench.validate(&input).expect(3);
    let mapping = bench.input("m.toml", "[columns]\nexternalUserId = \"customer\"\n");
    bench
        .validate(&input)
        .arg("--mapping")
        .arg(mapping)
        .expect(0);
}

#[test]
fn a_broken_mapping_names_the_file_and_the_key() {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &[plain("a")]);
    for (text, part) in [
        (
            "[columns]\nexternalUserIdd = \"Customer\"\n",
            "externalUserIdd",
        ),
        ("[constants]\nconector = \"sqs\"\n", "conector"),
        ("[constants]\nconnector = [1]\n", "connector"),
        ("[templates]\nauthName = \"{connector\"\n", "authName"),
        (
            "[templates]\nauthName = \"{data.secret_key}\"\n",
            "authName",
        ),
        ("[colums]\n", "colums"),
        ("ignore = 5\n", "ignore"),
        ("[columns\n", "line 1"),
    ] {
        let mapping = bench.input("my-mapping.toml", text);
        let validate = bench.validate(&input).arg("--mapping").arg(mapping);
        validate.expect(2).says(&["my-mapping.toml", part]);
    }
    let validate = bench.validate(&input).args(["--mapping", "missing.toml"]);
    validate.expect(2).says(&["missing.toml"]);
}
