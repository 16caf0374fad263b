//! `import`, from a file to everything that Tray should hold.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::audit::{agrees, audit};
use common::rows::{self, mixed, plain, synced, synced_rows, with};
use common::{Bench, Tray, sample};
use serde_json::json;
use tray_import::sandbox::model::{AuthValue, ConfigValue, Instance, NewAuthentication, NewUser};

#[test]
fn the_samples_arrive_from_csv() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let output = bench.import(&tray, &sample("customers.csv")).expect(0);
    audit(&tray, &rows::samples(), &bench.results("r.jsonl"));
    output.tells(&["500"]);
}

#[test]
fn the_samples_arrive_from_json_lines() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let summary = bench.import(&tray, &sample("customers.jsonl")).json(0);
    let rows = rows::samples();
    audit(&tray, &rows, &bench.results("r.jsonl"));
    assert_eq!(summary["command"], "import");
    assert_eq!(summary["exitCode"], 0);
    assert!(summary["elapsedSeconds"].is_number());
    let states = json!({
        "total": 500, "valid": 500, "invalid": 0, "done": 500,
        "partial": 0, "failed": 0, "held": 0, "skipped": 0,
    });
    assert_eq!(summary["rows"], states);
    let [users, authentications, instances] = tray.holds();
    let created = json!({
        "users": users, "authentications": authentications, "instances": instances,
    });
    assert_eq!(summary["created"], created);
    let none = json!({ "users": 0, "authentications": 0, "instances": 0 });
    assert_eq!(summary["adopted"], none);
    assert_eq!(summary["failures"], json!({}));
    assert_eq!(
        summary["calls"]["createUserAuthentication"],
        authentications
    );
    bench.verify_clean(&tray);
}

#[test]
fn a_second_run_makes_no_call() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &mixed(14));
    bench.import(&tray, &input).expect(0);
    let (requests, before) = (tray.requests(), bench.read("r.jsonl"));
    let output = bench.import(&tray, &input).expect(0);
    output.tells(&["Nothing left to do"]);
    assert_eq!(tray.requests(), requests, "calls were made");
    assert_eq!(bench.read("r.jsonl"), before, "the results were changed");
}

#[test]
fn new_customers_cost_two_calls_each_and_three_more_a_row() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(30));
    bench.import(&tray, &input).expect(0);
    let counters = tray.counters();
    let expected = [
        ("createExternalUser", 30),
        ("authorize", 30),
        ("createUserAuthentication", 30),
        ("createSolutionInstance", 30),
        ("updateSolutionInstance", 30),
        ("users", 1),
    ];
    for (operation, count) in expected {
        assert_eq!(
            counters.calls(operation),
            count,
            "{operation}: {counters:?}"
        );
    }
    // the rest is the preflight: the schema and the solutions
    assert!(counters.requests <= 5 * 30 + 1 + 2, "{counters:?}");
}

#[test]
fn rows_of_one_customer_share_the_end_user_and_the_token() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let row = |n: usize| with(plain("c-1"), json!({ "authName": format!("auth {n}") }));
    let rows: Vec<_> = (0..20).map(row).collect();
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    assert_eq!(tray.calls("createExternalUser"), 1);
    assert_eq!(tray.calls("authorize"), 1);
    bench.verify_clean(&tray);
}

#[test]
fn an_instance_waits_for_all_its_rows_wherever_they_stand() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let [first, second] = rows::pair("far");
    let mut rows = vec![first];
    rows.extend(synced_rows(300));
    rows.push(second);
    let input = bench.customers("c.jsonl", &rows);
    // fewer places than rows between the two
    bench
        .import(&tray, &input)
        .args(["--concurrency", "2"])
        .expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    assert_eq!(tray.calls("createSolutionInstance"), 301);
    bench.verify_clean(&tray);
}

#[test]
fn values_travel_to_the_letter() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(21);
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    tray.model(|model| {
        let delivery = model
            .all_instances()
            .find(|instance| instance.solution_id == rows::DELIVERY)
            .unwrap();
        // a JSON string that reads like a number stays a string
        let value = |slot: &str| {
            let mut values = delivery.config_values.iter();
            values
                .find(|value| value.external_id == slot)
                .map(|value| value.value.as_str())
        };
        assert_eq!(value("external_report_email"), Some("\"10\""));
        assert_eq!(value("external_page_size"), Some("250"));
        assert!(model.all_authentications().any(|auth| auth.hidden));
        assert!(model.all_instances().any(|instance| !instance.enabled));
    });
    bench.verify_clean(&tray);
}

#[test]
fn only_test_users_are_marked_as_such() {
    for marked in [false, true] {
        let (bench, tray) = (Bench::new(), Tray::new());
        let input = bench.customers("c.jsonl", &synced_rows(3));
        let flag = marked.then_some("--test-users");
        bench.import(&tray, &input).args(flag).expect(0);
        tray.model(|model| assert!(model.all_users().all(|user| user.is_test_user == marked)));
    }
}

/// Puts into Tray what an import of [`synced`] makes, up to a step; the ids.
fn seed(tray: &Tray, user: &str, steps: usize, enabled: bool) -> Vec<String> {
    let row = synced(user);
    let environment = rows_environment();
    tray.model(|model| {
        let now = std::time::Duration::ZERO;
        let new = NewUser {
            name: user.to_owned(),
            external_user_id: user.to_owned(),
            is_test_user: false,
        };
        let mut ids = vec![model.seed_user(now, new)];
        if steps > 1 {
            let new = NewAuthentication {
                name: format!("sqs {user}"),
                service_id: environment.0.clone(),
                environment_id: environment.1.clone(),
                data: row["data"].to_string().into(),
                form_data: None,
                scopes: Vec::new(),
                hidden: false,
            };
            ids.push(model.seed_authentication(now, Some(ids[0].clone()), new));
        }
        if steps > 2 {
            ids.push(model.seed_instance(Instance {
                id: String::new(),
                solution_id: rows::ACCOUNT_SYNC.to_owned(),
                name: user.to_owned(),
                enabled,
                owner: ids[0].clone(),
                auth_values: vec![AuthValue {
                    external_id: rows::SOURCE_SLOT.to_owned(),
                    auth_id: ids[1].clone(),
                }],
                config_values: Vec::<ConfigValue>::new(),
                created_at: now,
            }));
        }
        ids
    })
}

/// Service and environment of `sqs` 2.1.
fn rows_environment() -> (String, String) {
    let text = fs::read_to_string(sample("catalog/sqs-2.json")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    let id = |value: &serde_json::Value| value["id"].as_str().unwrap().to_owned();
    (id(&entry["service"]), id(&entry["environments"][0]))
}

#[test]
fn what_tray_has_is_adopted() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = synced_rows(5);
    let seeded = [
        seed(&tray, "c-1", 1, false),
        seed(&tray, "c-2", 2, false),
        seed(&tray, "c-3", 3, false),
        seed(&tray, "c-4", 3, true),
    ];
    let input = bench.customers("c.jsonl", &rows);
    let summary = bench.import(&tray, &input).json(0);
    let results = bench.results("r.jsonl");
    audit(&tray, &rows, &results);
    let adopted = json!({ "users": 4, "authentications": 3, "instances": 2 });
    assert_eq!(summary["adopted"], adopted, "{summary}");
    let created = json!({ "users": 1, "authentications": 2, "instances": 3 });
    assert_eq!(summary["created"], created, "{summary}");
    let keys = ["userId", "authenticationId", "instanceId"];
    let steps = ["user", "authentication", "instance"];
    for (number, ids) in (1..).zip(&seeded) {
        let line = results.row(number);
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(line[keys[at]], id.as_str(), "{line}");
        }
        assert_eq!(line["created"], json!(steps[ids.len()..]), "{line}");
    }
    assert_eq!(results.row(5)["created"], json!(steps));
    bench.verify_clean(&tray);
}

#[test]
fn a_lost_results_file_costs_look_ups_and_no_duplicates() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(21);
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    let created = tray.holds();
    fs::remove_file(bench.path("r.jsonl")).unwrap();
    bench.import(&tray, &input).expect(0);
    assert_eq!(tray.holds(), created);
    let results = bench.results("r.jsonl");
    audit(&tray, &rows, &results);
    for line in results.last.values() {
        assert_eq!(line["created"], json!([]), "{line}");
    }
    bench.verify_clean(&tray);
}

#[test]
fn the_sandbox_inside_needs_nothing_else() {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &mixed(7));
    let rehearse = || {
        bench
            .tool(&["import"])
            .arg(&input)
            .args(["--sandbox", "--results", "r.jsonl", "--enable-delay", "0s"])
            .arg("--catalog")
            .arg(sample("catalog"))
    };
    rehearse().expect(0);
    let results = bench.results("r.jsonl");
    results.all_done(mixed(7).len());
    for line in results.last.values() {
        assert!(line["authenticationId"].is_string(), "{line}");
    }
    rehearse().expect(0).tells(&["Nothing left to do"]);
}

#[test]
fn the_results_are_private_and_in_the_promised_form() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &[plain("a"), synced("b")]);
    bench.import(&tray, &input).expect(0);
    let mode = fs::metadata(bench.path("r.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let results = bench.results("r.jsonl");
    assert_eq!(results.header["version"], 1);
    assert_eq!(results.header["endpoint"], tray.endpoint());
    for key in ["batchId", "createdAt", "tool"] {
        assert!(results.header[key].is_string(), "{}", results.header);
    }
    agrees(&tray, &[plain("a"), synced("b")], &results);
    let [first, second] = [results.row(1), results.row(2)];
    assert_eq!(first["step"], "authentication");
    assert_eq!(second["step"], "enable");
    for line in [first, second] {
        assert!(
            line["attempts"].is_u64() && line["at"].is_string(),
            "{line}"
        );
    }
    // each creation was announced before it was sent, in the order of the steps
    let mut steps: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for line in results.lines.iter().filter(|line| line["state"] == "sent") {
        let steps = steps.entry(line["row"].as_u64().unwrap()).or_default();
        steps.push(line["step"].as_str().unwrap());
    }
    assert_eq!(steps[&1], ["user", "authentication"]);
    assert_eq!(steps[&2], ["user", "authentication", "instance"]);
}

#[test]
fn a_disabled_instance_is_done_without_being_enabled() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = [with(synced("c-1"), json!({ "enabled": false }))];
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    assert_eq!(tray.calls("updateSolutionInstance"), 0);
    assert_eq!(bench.results("r.jsonl").row(1)["enabled"], false);
    bench.verify_clean(&tray);
}
