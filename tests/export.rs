//! `export`: each row of the input with its ids and its state, and never a secret.

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
use std::sync::Arc;

use common::rows::{self, mixed, pair, plain, synced, with};
use common::{Bench, Tool, Tray, sample};
use serde_json::{Value, json};

const COLUMNS: [&str; 6] = [
    "externalUserId",
    "userId",
    "authenticationId",
    "instanceId",
    "state",
    "error",
];

fn export<'b>(bench: &'b Bench, input: &Path) -> Tool<'b> {
    bench
        .tool(&["export", "r.jsonl", "--catalog"])
        .arg(sample("catalog"))
        .arg("--input")
        .arg(input)
}

/// A CSV text as objects; an empty cell is null.
fn parsed(text: &str) -> Vec<Value> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let value = |text: &str| match text {
        "" => Value::Null,
        text => Value::from(text),
    };
    let object = |record: csv::StringRecord| -> Value {
        let pairs = header.iter().zip(record.iter());
        let pairs = pairs.map(|(name, text)| (name.to_owned(), value(text)));
        Value::Object(pairs.collect())
    };
    let records = reader.records().map(|record| object(record.unwrap()));
    records.collect()
}

/// What an export must say of these rows, as far as the results know them.
fn expected(bench: &Bench, rows: &[Value]) -> Vec<Value> {
    let results = bench.results("r.jsonl");
    let of_row = |(at, row): (usize, &Value)| {
        let line = results.last.values().find(|line| line["row"] == at + 1);
        let line = line.cloned().unwrap_or(json!({ "state": "pending" }));
        let error = match (&line["error"], &line["why"]) {
            (Value::Null, Value::Null) => Value::Null,
            (Value::Null, why) => format!("held: {}", why.as_str().unwrap()).into(),
            (error, _) => {
                let text = |key: &str| error[key].as_str().unwrap();
                format!("{}: {}", text("code"), text("message")).into()
            }
        };
        json!({
            "externalUserId": row["externalUserId"], "userId": line["userId"],
            "authenticationId": line["authenticationId"], "instanceId": line["instanceId"],
            "state": line["state"], "error": error,
        })
    };
    rows.iter().enumerate().map(of_row).collect()
}

/// A batch with rows done, failed and held, of which the input holds one more than was asked for.
fn finished() -> (Bench, Vec<Value>) {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.behaviour.validate_credentials = true;
        setup.credential_check = Some(Arc::new(|_, data: &Value| {
            match data["account_id"] == "999999999999" {
                true => Err("no such account, \"sorry\"\nnot here".to_owned()),
                false => Ok(()),
            }
        }));
    });
    let [mut first, second] = pair("p, \"q\"");
    first["data"]["account_id"] = json!("999999999999");
    let mut rows = vec![plain("a"), first, synced("b"), second];
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(4);
    rows.push(plain("later"));
    bench.customers("c.jsonl", &rows);
    (bench, rows)
}

#[test]
fn every_row_of_the_input_in_its_order() {
    let (bench, rows) = finished();
    let output = export(&bench, &bench.path("c.jsonl")).args(["-o", "ids.csv"]);
    output.expect(0).tells(&["5 rows", "2 done", "1 pending"]);
    let text = bench.read("ids.csv");
    assert_eq!(text.lines().next().unwrap(), COLUMNS.join(","));
    let lines = parsed(&text);
    assert_eq!(lines, expected(&bench, &rows));
    let states: Vec<_> = lines.iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["done", "failed", "done", "held", "pending"]);
    let error = lines[1]["error"].as_str().unwrap();
    assert!(error.starts_with("refused: ") && error.contains("no such account"));
    // the same as JSON Lines, whose absent values are null
    export(&bench, &bench.path("c.jsonl"))
        .args(["-o", "ids.jsonl"])
        .expect(0);
    let text = bench.read("ids.jsonl");
    let objects: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects, lines);
    let keys: Vec<_> = objects[4].as_object().unwrap().keys().collect();
    assert_eq!(keys, COLUMNS);
    // and on standard output, with nothing else
    for arguments in [&["-o", "-"][..], &[]] {
        let output = export(&bench, &bench.path("c.jsonl")).args(arguments);
        assert_eq!(parsed(&output.expect(0).stdout), lines);
    }
}

#[test]
fn the_file_is_private_and_counted() {
    let (bench, _) = finished();
    fs::write(bench.path("ids.csv"), "of last week").unwrap();
    let before = fs::read_dir(bench.path(".")).unwrap().count();
    let summary = export(&bench, &bench.path("c.jsonl")).args(["-o", "ids.csv"]);
    let summary = summary.json(0);
    for (state, count) in [
        ("total", 5),
        ("done", 2),
        ("failed", 1),
        ("held", 1),
        ("pending", 1),
        ("invalid", 0),
    ] {
        assert_eq!(summary["rows"][state], count, "{summary}");
    }
    assert_eq!(summary["command"], "export");
    assert_eq!(summary["notInInput"], 0);
    let mode = fs::metadata(bench.path("ids.csv")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(bench.path(".")).unwrap().count(), before);
}

#[test]
fn rows_are_known_by_their_identity() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let mut rows = mixed(21);
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    let expected = expected(&bench, &rows);
    // in another order, without the first and without any credential
    let mut pairs: Vec<_> = rows.drain(..).zip(expected).skip(1).collect();
    fastrand::Rng::with_seed(3).shuffle(&mut pairs);
    for (row, _) in &mut pairs {
        let object = row.as_object_mut().unwrap();
        object.retain(|key, _| key != "data" && key != "formData" && key != "config");
    }
    let (rows, expected): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(rows::jsonl(&rows).as_bytes()).unwrap();
    let zipped = bench.input("stripped.jsonl.gz", zipped.finish().unwrap());
    let output = export(&bench, &zipped).expect(0);
    let lines = parsed(&output.stdout);
    assert_eq!(lines, expected);
    output.says(&["1 rows of the results are not in this input"]);
    // and from standard input
    let output = export(&bench, Path::new("-"))
        .args(["--format", "jsonl"])
        .stdin(rows::jsonl(&rows));
    assert_eq!(parsed(&output.expect(0).stdout), expected);
}

#[test]
fn invalid_rows_say_why_and_no_value() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &[plain("a"), plain("b")]);
    bench.import(&tray, &input).expect(0);
    let rows = [
        plain("a"),
        with(plain("b"), json!({ "enabled": "CANARY" })),
        with(plain("c"), json!({ "data": { "region": "CANARY-region" } })),
        // of this identity nothing is known; the name is taken by row 1
        with(synced("a"), json!({})),
        with(plain("d"), json!({ "connector": "sqq" })),
    ];
    let broken = "{\"externalUserId\": \"CANARY\n";
    let input = bench.input("later.jsonl", rows::jsonl(&rows) + broken);
    let lines = parsed(&export(&bench, &input).expect(0).stdout);
    let states: Vec<_> = lines.iter().map(|line| line["state"].clone()).collect();
    assert_eq!(
        states,
        ["done", "done", "invalid", "invalid", "invalid", "invalid"]
    );
    for (at, code) in [
        (2, "missing_field: "),
        (3, "duplicate_authentication: "),
        (4, "unknown_connector: "),
        (5, "bad_json: "),
    ] {
        let error = lines[at]["error"].as_str().unwrap();
        assert!(error.contains(code), "row {}: {error}", at + 1);
        assert!(lines[at]["userId"].is_null());
    }
    assert_eq!(lines[5]["externalUserId"], Value::Null);
}

#[test]
fn further_columns_by_name() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = sample("export.csv");
    let mapping = sample("mapping.toml");
    let import = bench.import(&tray, &input).arg("--mapping").arg(&mapping);
    import.expect(0);
    let columns = "Account manager,Customer ID,authName,instanceName,row,enabled";
    let output = export(&bench, &input)
        .arg("--mapping")
        .arg(&mapping)
        .args(["--columns", columns]);
    let lines = parsed(&output.expect(0).stdout);
    let source = parsed(&fs::read_to_string(&input).unwrap());
    assert_eq!(lines.len(), source.len());
    for (at, (line, theirs)) in lines.iter().zip(&source).enumerate() {
        assert_eq!(line["Account manager"], theirs["Account manager"]);
        assert_eq!(line["Customer ID"], theirs["Customer ID"]);
        assert_eq!(line["externalUserId"], theirs["Customer ID"]);
        let company = theirs["Company"].as_str().unwrap();
        assert_eq!(line["authName"], format!("sqs for {company}"));
        assert_eq!(line["instanceName"], format!("Account sync of {company}"));
        assert_eq!(line["row"], (at + 1).to_string());
        assert_eq!(line["enabled"], "true");
        assert_eq!(line["state"], "done");
    }
}

#[test]
fn further_keys_of_json_lines_keep_their_type() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let mapping = "ignore = [\"account\"]\n";
    fs::write(bench.path("m.toml"), mapping).unwrap();
    let more = json!({ "account": { "number": 7, "open": true, "name": "=SUM(A1)" } });
    let input = bench.customers("c.jsonl", &[with(plain("a"), more), plain("b")]);
    let import = bench.import(&tray, &input).args(["--mapping", "m.toml"]);
    import.expect(0);
    let export = |columns: &str, more: &[&str]| {
        export(&bench, &input)
            .args(["--mapping", "m.toml", "--columns", columns])
            .args(more)
    };
    let columns = "account.number,account.open,account.name";
    export(columns, &["-o", "ids.jsonl"]).expect(0);
    let text = bench.read("ids.jsonl");
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = lines.next().unwrap();
    assert_eq!(first["account.number"], 7);
    assert_eq!(first["account.open"], true);
    assert_eq!(lines.next().unwrap()["account.number"], Value::Null);
    // for a database as it is, with a word about spreadsheets; for a spreadsheet, defused
    let output = export(columns, &[]).expect(0);
    assert_eq!(parsed(&output.stdout)[0]["account.name"], "=SUM(A1)");
    let output = output.says(&["--spreadsheet"]);
    drop(output);
    let output = export(columns, &["--spreadsheet"]).expect(0);
    assert_eq!(parsed(&output.stdout)[0]["account.name"], "'=SUM(A1)");
    // an object may hold anything
    export("account", &[]).expect(2).says(&["account.id"]);
}

#[test]
fn credentials_are_refused_by_name() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = sample("export.csv");
    let mapping = sample("mapping.toml");
    let import = bench.import(&tray, &input).arg("--mapping").arg(&mapping);
    import.args(["--limit", "1"]).expect(0);
    fs::write(bench.path("ids.csv"), "of last week").unwrap();
    for (column, said) in [
        ("AWS secret", "data.secret_key"),
        ("AWS key", "data.access_key"),
        ("data.secret_key", "not exported"),
        ("data", "not exported"),
        ("formData.subdomain", "not exported"),
        ("config.external_x", "not exported"),
        ("old_password", "credential"),
        ("Acount manager", "did you mean \"Account manager\""),
        ("state", "already"),
        ("row,row", "already"),
    ] {
        let output = export(&bench, &input).arg("--mapping").arg(&mapping).args([
            "-o",
            "ids.csv",
            "--columns",
            column,
        ]);
        output.expect(2).says(&["--columns", said]);
        assert_eq!(bench.read("ids.csv"), "of last week");
    }
}

#[test]
fn what_cannot_be_done_leaves_nothing_behind() {
    let (bench, _) = finished();
    let input = bench.path("c.jsonl");
    let (results, customers) = (bench.read("r.jsonl"), bench.read("c.jsonl"));
    fs::create_dir(bench.path("dir.csv")).unwrap();
    let files = || {
        let entries = fs::read_dir(bench.path(".")).unwrap();
        entries.count()
    };
    bench.input("cut.jsonl.gz", {
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        zipped.write_all(customers.as_bytes()).unwrap();
        let mut bytes = zipped.finish().unwrap();
        bytes.truncate(bytes.len() / 2);
        bytes
    });
    bench.input("header.csv", "externalUserId,name\nc-1,x\n");
    fs::write(bench.path("empty.jsonl"), "").unwrap();
    let before = files();
    for (arguments, code, said) in [
        (&["-o", "ids.txt"][..], 2, ".csv or .jsonl"),
        (&["-o", "ids"], 2, ".csv or .jsonl"),
        (&["-o", "c.jsonl"], 2, "not overwritten"),
        (&["-o", "./r.jsonl"], 2, "not overwritten"),
        (&["-o", "none/ids.csv"], 1, "none/ids.csv"),
        (&["-o", "dir.csv"], 1, "dir.csv"),
        (&["-o", "ids.jsonl", "--spreadsheet"], 2, "--spreadsheet"),
        (&["--json"], 2, "-o FILE"),
    ] {
        export(&bench, &input)
            .args(arguments)
            .expect(code)
            .tells(&[said]);
        assert_eq!(files(), before, "{arguments:?}");
    }
    for (input, code, said) in [
        ("cut.jsonl.gz", 3, "damaged or cut short"),
        ("header.csv", 3, "cannot be read"),
        ("missing.csv", 1, "missing.csv"),
    ] {
        let output = export(&bench, &bench.path(input)).args(["-o", "ids.csv"]);
        output.expect(code).says(&[said]);
        assert_eq!(files(), before, "{input}");
    }
    let catalog = sample("catalog");
    for (results, said) in [("empty.jsonl", "is empty"), ("none.jsonl", "none.jsonl")] {
        let output = bench.tool(&["export", results, "--input", "c.jsonl", "--catalog"]);
        output.arg(&catalog).expect(1).says(&[said]);
    }
    // a full disk
    fs::write(bench.path("ids.csv"), "of last week").unwrap();
    let output = export(&bench, &input).args(["-o", "ids.csv"]);
    output.largest_file(0).expect(1);
    assert_eq!(bench.read("ids.csv"), "of last week");
    assert_eq!(files(), before + 1);
    assert_eq!(bench.read("r.jsonl"), results);
    assert_eq!(bench.read("c.jsonl"), customers);
}
