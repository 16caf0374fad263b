//! `catalog pull` brings a catalog up to date and loses nothing of its owner's; `catalog show` tells what an
//! entry wants.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use common::tray::platform;
use common::{Bench, MASTER, Tool, Tray, sample};
use serde_json::{Value, json};
use tray_import::sandbox::{Limit, Platform};

const SQS: [&str; 4] = ["catalog", "pull", "--connector", "sqs"];

fn offering(change: impl FnOnce(&mut Platform)) -> Tray {
    let mut offer = platform();
    change(&mut offer);
    Tray::with(|setup| setup.platform = offer)
}

fn read(bench: &Bench, name: &str) -> Value {
    serde_json::from_str(&bench.read(name)).unwrap()
}

fn edit(bench: &Bench, name: &str, change: impl FnOnce(&mut Value)) {
    let mut value = read(bench, name);
    change(&mut value);
    fs::write(bench.path(name), value.to_string()).unwrap();
}

fn names(bench: &Bench) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(bench.path("catalog"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn environments_of_sqs(
    offer: &mut Platform,
    version: i32,
) -> &mut Vec<tray_import::sandbox::Environment> {
    let service = offer
        .connectors
        .iter()
        .find(|c| c.name == "sqs" && c.service.version == version);
    let id = service.unwrap().service.id.clone();
    offer.environments.get_mut(&id).unwrap()
}

#[test]
fn what_is_pulled_is_what_tray_publishes() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let pull = bench.tool(&[
        "catalog",
        "pull",
        "--connector",
        "sqs",
        "--connector",
        "zendesk@6.1",
        "--connector",
        "netsuite",
    ]);
    let summary = pull.tray(&tray).json(0);
    assert_eq!(summary["changed"], 4, "{summary}");
    // one listing, and one question for each service
    assert_eq!(
        summary["calls"],
        json!({"connectors": 1, "environments": 4})
    );
    assert_eq!(
        names(&bench),
        [
            "netsuite.json",
            "sqs-2.0.json",
            "sqs-3.0.json",
            "zendesk.json"
        ]
    );
    for (file, original) in [
        ("sqs-2.0.json", "sqs-2.json"),
        ("sqs-3.0.json", "sqs-3.json"),
        ("netsuite.json", "netsuite.json"),
    ] {
        let pulled = read(&bench, &format!("catalog/{file}"));
        let original = fs::read_to_string(sample("catalog").join(original)).unwrap();
        let original: Value = serde_json::from_str(&original).unwrap();
        for (key, value) in original.as_object().unwrap() {
            assert_eq!(pulled[key], *value, "{file}: {key}");
        }
    }
    assert_eq!(
        read(&bench, "catalog/zendesk.json")["versions"],
        json!(["6.1"])
    );
    bench.tool(&["catalog", "check"]).expect(0);
    bench.customers("c.jsonl", &[common::rows::plain("a")]);
    bench.tool(&["validate", "c.jsonl"]).expect(0);
}

#[test]
fn a_second_pull_says_that_nothing_changed_and_touches_nothing() {
    let (bench, tray) = (Bench::new(), Tray::new());
    bench
        .tool(&SQS)
        .tray(&tray)
        .expect(0)
        .tells(&["2 files written"]);
    let before = fs::metadata(bench.path("catalog/sqs-2.0.json")).unwrap();
    let text = bench.read("catalog/sqs-2.0.json");
    let again = bench.tool(&SQS).tray(&tray).expect(0);
    assert!(
        again.stdout.starts_with("Nothing changed: "),
        "{}",
        again.shown()
    );
    assert_eq!(bench.read("catalog/sqs-2.0.json"), text);
    let after = fs::metadata(bench.path("catalog/sqs-2.0.json")).unwrap();
    assert_eq!(after.modified().unwrap(), before.modified().unwrap());
    // and so does one that names nothing
    let all = bench.tool(&["catalog", "pull"]).tray(&tray).expect(0);
    assert!(all.stdout.starts_with("Nothing changed"), "{}", all.shown());
}

#[test]
fn the_owners_edits_outlive_a_pull_and_trays_changes_are_listed() {
    let bench = Bench::new();
    let file = "catalog/sqs-2.0.json";
    bench.tool(&SQS).tray(&Tray::new()).expect(0);
    edit(&bench, file, |entry| {
        entry["ownService"] = json!(true);
        entry["allowExtraFields"] = json!(true);
        entry["note"] = json!("asked Jo on Monday");
        entry["environments"][0]["note"] = json!("the one we use");
        entry["service"]["note"] = json!("AWS");
    });
    let tray = offering(|offer| {
        let environments = environments_of_sqs(offer, 1);
        environments[0].title = "Main".to_owned();
        let schema = &mut environments[0].credentials_schema;
        schema["properties"]["session_name"] = json!({"type": "string"});
        schema["required"]
            .as_array_mut()
            .unwrap()
            .push(json!("session_name"));
        schema["properties"]
            .as_object_mut()
            .unwrap()
            .shift_remove("account_id");
        let mut second = environments[0].clone();
        second.id = "e-2".to_owned();
        second.title = "Staging".to_owned();
        environments.push(second);
    });
    let dry = bench.tool(&SQS).arg("--dry-run").tray(&tray).expect(0);
    dry.tells(&["1 file would change"]);
    assert_eq!(read(&bench, file)["environments"][0]["title"], "Production");
    let pull = bench.tool(&SQS).tray(&tray).expect(0);
    for line in [
        "catalog/sqs-2.0.json: environment \"Staging\" is new",
        "environment \"Main\": title: \"Production\" is now \"Main\"",
        "environment \"Main\": credentials: field session_name is new, and required",
        "environment \"Main\": credentials: field account_id is gone",
        "1 file written",
    ] {
        assert!(
            pull.stdout.contains(line),
            "no {line:?} in {}",
            pull.shown()
        );
    }
    let entry = read(&bench, file);
    assert_eq!(entry["ownService"], true);
    assert_eq!(entry["allowExtraFields"], true);
    assert_eq!(entry["note"], "asked Jo on Monday");
    assert_eq!(entry["service"]["note"], "AWS");
    assert_eq!(entry["environments"][0]["note"], "the one we use");
    assert_eq!(entry["environments"][0]["title"], "Main");
    assert_eq!(entry["environments"][1]["id"], "e-2");
    // an environment that is gone goes
    bench
        .tool(&SQS)
        .tray(&Tray::new())
        .expect(0)
        .tells(&["environment \"Staging\" is gone"]);
    assert_eq!(
        read(&bench, file)["environments"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn a_schema_that_the_owner_mended_stays_mended() {
    let bench = Bench::new();
    let netsuite = ["catalog", "pull", "--connector", "netsuite"];
    bench.tool(&netsuite).tray(&Tray::new()).expect(0);
    let mend = |entry: &mut Value| {
        let account = &mut entry["environments"][0]["credentials"]["properties"]["account"];
        let account = account.as_object_mut().unwrap();
        let kind = account.shift_remove("tytpe").unwrap();
        account.insert("type".to_owned(), kind);
    };
    edit(&bench, "catalog/netsuite.json", mend);
    let mended = read(&bench, "catalog/netsuite.json");
    let again = bench.tool(&netsuite).tray(&Tray::new()).expect(0);
    assert!(
        again.stdout.starts_with("Nothing changed: "),
        "{}",
        again.shown()
    );
    again.says(&["credentials: edited by you and kept"]);
    assert_eq!(read(&bench, "catalog/netsuite.json"), mended);
    // also where Tray's changes in the meantime; then it is said
    let tray = offering(|offer| {
        for environments in offer.environments.values_mut() {
            for environment in environments {
                let schema = &mut environment.credentials_schema;
                if schema["properties"]["role"].is_object() {
                    schema["properties"]["role"]["maximum"] = json!(5);
                }
            }
        }
    });
    let third = bench.tool(&netsuite).tray(&tray).expect(0);
    third.says(&["although Tray's has changed since"]);
    let schema = &read(&bench, "catalog/netsuite.json")["environments"][0]["credentials"];
    assert_eq!(schema["properties"]["account"]["type"], "string");
    assert_eq!(schema["properties"]["role"]["maximum"], 9999);
    // without the edit, Tray's is taken
    edit(&bench, "catalog/netsuite.json", |entry| {
        entry["environments"][0]
            .as_object_mut()
            .unwrap()
            .shift_remove("credentials");
    });
    bench.tool(&netsuite).tray(&tray).expect(0);
    let schema = &read(&bench, "catalog/netsuite.json")["environments"][0]["credentials"];
    assert_eq!(schema["properties"]["role"]["maximum"], 5);
}

#[test]
fn a_version_that_is_new_joins_its_service_and_one_whose_service_changed_moves() {
    let bench = Bench::new();
    bench.tool(&SQS).tray(&Tray::new()).expect(0);
    edit(&bench, "catalog/sqs-2.0.json", |entry| {
        entry["allowExtraFields"] = json!(true)
    });
    let tray = offering(|offer| {
        let mut new = offer
            .connectors
            .iter()
            .find(|c| c.version == "2.0")
            .unwrap()
            .clone();
        new.version = "2.10".to_owned();
        offer.connectors.push(new.clone());
        let moved = offer
            .connectors
            .iter_mut()
            .find(|c| c.name == "sqs" && c.version == "2.1");
        let moved = moved.unwrap();
        moved.service.version = 9;
        moved.service.id = "s-9".to_owned();
        let environments = offer.environments[&new.service.id].clone();
        offer.environments.insert("s-9".to_owned(), environments);
    });
    let pull = bench.tool(&SQS).tray(&tray).expect(0);
    for line in [
        "sqs-2.0.json: version 2.1 has another service now",
        "sqs-2.0.json: version 2.10 is new",
        "sqs-2.1.json: new: sqs 2.1, service sqs 9",
    ] {
        assert!(
            pull.stdout.contains(line),
            "no {line:?} in {}",
            pull.shown()
        );
    }
    assert_eq!(
        read(&bench, "catalog/sqs-2.0.json")["versions"],
        json!(["2.0", "2.10"])
    );
    let moved = read(&bench, "catalog/sqs-2.1.json");
    assert_eq!(moved["service"]["id"], "s-9");
    assert_eq!(
        moved["allowExtraFields"], true,
        "what the owner said of it goes with it"
    );
    assert_eq!(
        read(&bench, "catalog/sqs-3.0.json")["allowExtraFields"],
        false
    );
    bench.tool(&["catalog", "check"]).expect(0);
    // back again: the file that is left without a version would be no entry, so it is the one that changes
    bench
        .tool(&["catalog", "pull"])
        .tray(&Tray::new())
        .expect(0);
    bench.tool(&["catalog", "check"]).expect(0);
    let shown = bench.tool(&["catalog", "show", "sqs@2.1"]).json(0);
    assert_eq!(shown["service"]["version"], 1);
}

#[test]
fn a_version_that_tray_no_longer_lists_is_kept_and_named() {
    let bench = Bench::new();
    bench.tool(&SQS).tray(&Tray::new()).expect(0);
    let tray = offering(|offer| offer.connectors.retain(|c| c.version != "2.0"));
    let pull = bench.tool(&SQS).tray(&tray).expect(0);
    pull.says(&["Tray does not list sqs 2.0"]);
    assert_eq!(
        read(&bench, "catalog/sqs-2.0.json")["versions"],
        json!(["2.0", "2.1"])
    );
}

#[test]
fn the_samples_are_as_the_sandbox_has_them() {
    let (bench, tray) = (Bench::new(), Tray::new());
    fs::create_dir(bench.path("catalog")).unwrap();
    for file in fs::read_dir(sample("catalog")).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, bench.path("catalog").join(path.file_name().unwrap())).unwrap();
    }
    let summary = bench.tool(&["catalog", "pull"]).tray(&tray).json(0);
    for entry in summary["entries"].as_array().unwrap() {
        for change in entry["changes"].as_array().unwrap() {
            let change = change.as_str().unwrap();
            assert!(change.contains("noted under `pulled`"), "{entry}");
        }
    }
    let crm = read(&bench, "catalog/acme-crm.json");
    assert_eq!(
        (&crm["ownService"], &crm["allowExtraFields"]),
        (&json!(true), &json!(true))
    );
}

#[test]
fn unknown_connectors_and_versions_are_named_with_what_there_is() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let pull = |name: &str| {
        bench
            .tool(&["catalog", "pull", "--connector", name])
            .tray(&tray)
    };
    pull("zendsk")
        .expect(2)
        .says(&["no connector zendsk", "did you mean zendesk?"]);
    pull("crm").expect(2).says(&["did you mean acme-crm?"]);
    pull("sqs@2")
        .expect(2)
        .says(&["no version 2 of sqs; it has 2.0, 2.1, 3.0"]);
    pull("sqs@").expect(2).says(&["sqs@2.1"]);
    assert!(!bench.path("catalog").exists(), "something was written");
    bench
        .tool(&["catalog", "pull"])
        .tray(&tray)
        .expect(2)
        .says(&["--connector"]);
}

#[test]
fn a_refused_token_is_5_and_nobody_there_is_1() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let wrong = bench
        .tool(&SQS)
        .args(["--api", &tray.api()])
        .env("TRAY_MASTER_TOKEN", "CANARY-wrong");
    wrong
        .expect(5)
        .says(&["refused the master token", "TRAY_MASTER_TOKEN"]);
    assert_eq!(
        bench.tool(&SQS).args(["--api", &tray.api()]).json(2)["exitCode"],
        2
    );
    let api = tray.api();
    drop(tray);
    let gone = bench
        .tool(&SQS)
        .args(["--api", &api])
        .env("TRAY_MASTER_TOKEN", MASTER);
    gone.expect(1).says(&["Tray gives no answer", "--api"]);
    let endpoint = bench
        .tool(&SQS)
        .args(["--endpoint", "http://127.0.0.1:1/graphql"]);
    endpoint
        .env("TRAY_MASTER_TOKEN", MASTER)
        .expect(2)
        .says(&["--api"]);
    assert!(!bench.path("catalog").exists(), "something was written");
}

#[test]
fn throttling_is_waited_out() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.limit = Some(Limit {
            per_second: 5.0,
            burst: 1,
            per_minute: None,
        });
    });
    let summary = bench
        .tool(&SQS)
        .args(["--rate", "unlimited"])
        .tray(&tray)
        .json(0);
    assert!(summary["throttled"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(summary["changed"], 2);
}

#[test]
fn a_broken_catalog_is_not_written_over() {
    let (bench, tray) = (Bench::new(), Tray::new());
    fs::create_dir(bench.path("catalog")).unwrap();
    fs::write(bench.path("catalog/sqs.json"), "{ \"connector\": ").unwrap();
    bench
        .tool(&SQS)
        .tray(&tray)
        .expect(2)
        .says(&["sqs.json", "mend or remove"]);
    assert_eq!(names(&bench), ["sqs.json"]);
}

#[test]
fn a_connectors_name_is_no_way_out_of_the_directory() {
    let bench = Bench::new();
    let tray = offering(|offer| {
        for connector in &mut offer.connectors {
            if connector.name == "airtable" {
                connector.name = "../../air/table".to_owned();
            }
        }
    });
    let pull = bench
        .tool(&["catalog", "pull", "--connector", "../../air/table"])
        .tray(&tray);
    pull.expect(0);
    assert_eq!(names(&bench), ["-..-air-table.json"]);
    bench.tool(&["catalog", "check"]).expect(0);
}

/// A platform API that answers as given: for answers that no sandbox gives.
struct Old {
    url: String,
    thread: JoinHandle<()>,
}

fn old_api(answers: Vec<Value>) -> Old {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            let body = answer.to_string();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    Old { url, thread }
}

fn against(bench: &Bench, answers: Vec<Value>, connector: &str, code: i32) -> common::Output {
    let api = old_api(answers);
    let tool: Tool<'_> = bench.tool(&["catalog", "pull", "--connector", connector]);
    let output = tool
        .args(["--api", &api.url])
        .env("TRAY_MASTER_TOKEN", MASTER)
        .expect(code);
    api.thread.join().unwrap();
    output
}

#[test]
fn old_answers_lack_things_and_are_read_all_the_same() {
    let bench = Bench::new();
    let connectors = |service: Value| json!({"elements": [{"name": "airtable", "version": "3.0", "service": service}]});
    let service = json!({"id": "s-1", "name": "air-table", "version": 1});
    // as printed in 2022: old names, no scopes, an empty title, `required` beside the schema
    let environments = json!({"elements": [{"id": "e-1", "title": "", "authenticationType": "token",
        "formDataSchema": {}, "dataSchema": {"type": "object", "properties": {"api_key": {"type": "string"}}},
        "additionalProperties": false, "required": ["api_key"]}]});
    against(
        &bench,
        vec![connectors(service.clone()), environments.clone()],
        "airtable",
        0,
    );
    let entry = read(&bench, "catalog/airtable.json");
    assert_eq!(entry["service"], service);
    assert_eq!(
        entry["environments"][0]["credentials"]["required"],
        json!(["api_key"])
    );
    assert_eq!(entry["environments"][0]["userData"], json!({}));
    // without the service's id, and without the service, the catalog knows
    for lacking in [json!({"name": "air-table", "version": 1}), Value::Null] {
        let output = against(
            &bench,
            vec![connectors(lacking), environments.clone()],
            "airtable",
            0,
        );
        assert!(
            output.stdout.starts_with("Nothing changed"),
            "{}",
            output.shown()
        );
    }
    // and where nobody knows, it says so
    let fresh = Bench::new();
    against(&fresh, vec![connectors(Value::Null)], "airtable", 2)
        .says(&["airtable 3.0", "no service"]);
    let untyped = json!({"elements": [{"id": "e-1", "dataSchema": {}}]});
    let answers = vec![connectors(service.clone()), untyped];
    against(&fresh, answers, "airtable@3.0", 2).says(&["how it authenticates"]);
    let answers = vec![connectors(service.clone()), json!({"elements": []})];
    against(&fresh, answers, "airtable", 2).says(&["no service environment"]);
    against(&fresh, vec![json!({"unexpected": true})], "airtable", 1)
        .says(&["no list of connectors"]);
    // an entry has one way to authenticate: the one that can be imported
    let mixed = json!({"elements": [
        {"id": "e-2", "title": "App", "authenticationType": "oauth2", "credentialsSchema": {}},
        {"id": "e-1", "title": "Key", "authenticationType": "token", "credentialsSchema": {}}]});
    against(&fresh, vec![connectors(service), mixed], "airtable", 0).says(&["e-2", "left out"]);
    let entry = read(&fresh, "catalog/airtable.json");
    assert_eq!(entry["authType"], "token");
    assert_eq!(entry["environments"].as_array().unwrap().len(), 1);
}

#[test]
fn every_example_that_show_prints_is_valid() {
    let bench = Bench::new();
    let (mut shown, mut refused) = (0, 0);
    for entry in common::catalog() {
        for version in entry["versions"].as_array().unwrap() {
            let name = format!(
                "{}@{}",
                entry["connector"].as_str().unwrap(),
                version.as_str().unwrap()
            );
            let show = || {
                bench
                    .tool(&["catalog", "show", &name, "--catalog"])
                    .arg(sample("catalog"))
            };
            let text = show().expect(0).stdout;
            let object = show().json(0);
            for environment in object["environments"].as_array().unwrap() {
                for field in environment["fields"].as_array().unwrap() {
                    assert!(text.contains(field["field"].as_str().unwrap()), "{text}");
                }
                let example = &environment["example"];
                if example.is_null() {
                    refused += 1;
                    assert_eq!(object["importable"], false, "{name} has no example");
                    assert!(text.contains("Config Wizard"), "{text}");
                    continue;
                }
                shown += 1;
                for (form, file) in [("csv", "e.csv"), ("jsonl", "e.jsonl")] {
                    let example = example[form].as_str().unwrap();
                    let input = bench.input(file, example);
                    let rows = bench.validate(&input).json(0);
                    assert_eq!(rows["rows"]["valid"], 1, "{name} {form}: {example}");
                }
            }
        }
    }
    assert!(
        shown >= 12 && refused >= 1,
        "{shown} shown, {refused} refused"
    );
}

#[test]
fn show_says_what_is_required_and_what_is_secret() {
    let bench = Bench::new();
    let show = |name: &str| {
        bench
            .tool(&["catalog", "show", name, "--catalog"])
            .arg(sample("catalog"))
    };
    let text = show("sqs@2.1").expect(0).stdout;
    for (field, parts) in [
        ("data.region", &["string", "required", "not secret"][..]),
        (
            "data.access_key",
            &["string", "required", "secret (format password)"],
        ),
    ] {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(field))
            .unwrap();
        for part in parts {
            assert!(line.contains(part), "{line}");
        }
    }
    let airtable = show("airtable").expect(0).stdout;
    assert!(airtable.contains("secret (by its name)"), "{airtable}");
    show("sqs").expect(2).says(&["2.0, 2.1, 3.0"]);
    show("sqs@1.0")
        .expect(2)
        .says(&["no version 1.0", "2.0, 2.1, 3.0"]);
    show("slak").expect(2).says(&["did you mean slack?"]);
}

#[test]
fn the_configuration_file_sets_the_pace_of_a_pull_too() {
    let (bench, tray) = (Bench::new(), Tray::new());
    fs::write(bench.path("tray-import.toml"), "timeout = \"soon\"\n").unwrap();
    bench
        .tool(&SQS)
        .tray(&tray)
        .expect(2)
        .says(&["tray-import.toml", "timeout"]);
    fs::write(bench.path("tray-import.toml"), "dry-run = true\n").unwrap();
    bench
        .tool(&SQS)
        .tray(&tray)
        .expect(0)
        .tells(&["nothing was written"]);
}

#[test]
fn a_full_disk_leaves_the_old_files_whole() {
    let bench = Bench::new();
    bench.tool(&SQS).tray(&Tray::new()).expect(0);
    let before = (bench.read("catalog/sqs-2.0.json"), names(&bench));
    let tray = offering(|offer| environments_of_sqs(offer, 1)[0].title = "Main".to_owned());
    let full = bench.tool(&SQS).tray(&tray).largest_file(1);
    full.expect(1).says(&["cannot write", "sqs-2.0.json"]);
    assert_eq!((bench.read("catalog/sqs-2.0.json"), names(&bench)), before);
}
