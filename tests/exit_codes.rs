//! Every exit code, and which of several wins.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use common::audit::audit;
use common::rows::{plain, synced, synced_rows, with};
use common::{Bench, Tray, sample};
use serde_json::{Value, json};
use tray_import::sandbox::behaviour::UnauthorizedForm;

/// A Tray that refuses the credentials of some accounts.
fn refusing() -> Tray {
    Tray::with(|setup| {
        setup.behaviour.validate_credentials = true;
        setup.credential_check = Some(Arc::new(|_, data: &Value| {
            match data["account_id"] == "999999999999" {
                true => Err("no such account".to_owned()),
                false => Ok(()),
            }
        }));
    })
}

/// A row whose credentials [`refusing`] refuses.
fn refused(user: &str) -> Value {
    let mut row = plain(user);
    row["data"]["account_id"] = json!("999999999999");
    row
}

fn invalid(user: &str) -> Value {
    with(plain(user), json!({ "connector": "no-such-connector" }))
}

#[test]
fn exit_1_where_the_results_cannot_be_written() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(2));
    bench
        .tool(&["import"])
        .arg(&input)
        .args(["--results", "no/such/directory/r.jsonl"])
        .arg("--catalog")
        .arg(sample("catalog"))
        .tray(&tray)
        .expect(1)
        .says(&["no/such/directory/r.jsonl"]);
    assert_eq!(tray.holds(), [0, 0, 0]);
}

#[test]
fn exit_1_where_the_input_cannot_be_read() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let missing = bench.path("missing.csv");
    bench
        .import(&tray, &missing)
        .expect(1)
        .says(&["missing.csv"]);
    bench.validate(&missing).expect(1).says(&["missing.csv"]);
}

#[test]
fn exit_1_where_another_process_writes_the_results() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(50));
    let rows = synced_rows(20);
    let input = bench.customers("c.jsonl", &rows);
    let first = bench
        .import(&tray, &input)
        .args(["--concurrency", "1"])
        .start();
    tray.wait_for("the first user", |c| c.calls("createExternalUser") > 0);
    bench
        .import(&tray, &input)
        .expect(1)
        .says(&["r.jsonl", "in use"]);
    first.wait().expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
}

#[test]
fn exit_1_where_nobody_answers() {
    let bench = Bench::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let input = bench.customers("c.jsonl", &synced_rows(1));
    bench
        .tool(&["import"])
        .arg(&input)
        .args([
            "--results",
            "r.jsonl",
            "--endpoint",
            &format!("http://{free}/graphql"),
        ])
        .arg("--catalog")
        .arg(sample("catalog"))
        .env("TRAY_MASTER_TOKEN", "CANARY-token")
        .expect(1);
    assert!(!bench.path("r.jsonl").exists());
}

#[test]
fn exit_1_where_the_disk_is_full_and_nothing_is_lost() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = synced_rows(60);
    let input = bench.customers("c.jsonl", &rows);
    bench
        .import(&tray, &input)
        // few at a time: the first lines fit, whoever shares a sync with whom
        .args(["--concurrency", "4"])
        .largest_file(16)
        .expect(1)
        .says(&["r.jsonl"]);
    let [users, ..] = tray.holds();
    assert!(
        (1..60).contains(&users),
        "the sending did not stop: {users}"
    );
    bench
        .import(&tray, &input)
        .args(["--settle", "50ms"])
        .expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
}

#[test]
fn exit_2_on_wrong_usage() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(1));
    for arguments in [
        &["--no-such-flag"][..],
        &["--rate", "fast"],
        &["--max-failures", "101%"],
        &["--until", "never"],
        &["--settle", "2"],
    ] {
        bench
            .import(&tray, &input)
            .args(arguments)
            .expect(2)
            .says(&[arguments[0]]);
    }
    bench.tool(&["no-such-command"]).expect(2);
    bench.tool(&[]).expect(2);
    let unnamed = bench.customers("customers.dat", &synced_rows(1));
    bench.import(&tray, &unnamed).expect(2).says(&["--format"]);
    assert_eq!(tray.requests(), 0);
}

#[test]
fn exit_2_without_a_usable_master_token() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(1));
    let empty = bench.input("empty", "\n");
    let import = || {
        bench
            .tool(&["import"])
            .arg(&input)
            .args(["--results", "r.jsonl", "--endpoint", &tray.endpoint()])
            .arg("--catalog")
            .arg(sample("catalog"))
    };
    import().expect(2).says(&["TRAY_MASTER_TOKEN"]);
    let named = ["--master-token-file", "no-such-file"];
    let refused = import().args(named).expect(2);
    let refused = refused.says(&["--master-token-file"]);
    // who takes the flag for the token's own must not find the token on the screen
    assert!(!refused.stderr.contains("no-such-file"));
    import().arg("--master-token-file").arg(empty).expect(2);
    import().args(["--master-token", "CANARY"]).expect(2);
    assert_eq!(tray.requests(), 0);
}

#[test]
fn exit_2_for_plain_http_elsewhere() {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &synced_rows(1));
    for (flag, url) in [
        ("--endpoint", "http://example.com/graphql"),
        ("--endpoint", "http://127.0.0.1.example.com/graphql"),
        ("--endpoint", "http://10.0.0.1/graphql"),
        ("--endpoint", "ftp://127.0.0.1/graphql"),
        ("--endpoint", "not a url"),
        ("--api", "http://example.com"),
    ] {
        bench
            .tool(&["import"])
            .arg(&input)
            .args(["--results", "r.jsonl", flag, url])
            .arg("--catalog")
            .arg(sample("catalog"))
            .env("TRAY_MASTER_TOKEN", "CANARY-token")
            .expect(2)
            .says(&[flag]);
    }
}

#[test]
fn exit_2_for_results_of_another_endpoint() {
    let (bench, tray, other) = (Bench::new(), Tray::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(1));
    bench.import(&tray, &input).expect(0);
    let before = bench.read("r.jsonl");
    bench
        .import(&other, &input)
        .expect(2)
        .says(&[&tray.endpoint()]);
    assert_eq!(other.requests(), 0);
    assert_eq!(bench.read("r.jsonl"), before);
}

#[test]
fn exit_3_for_invalid_rows_without_any_call() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &[synced("a"), invalid("b"), synced("c")]);
    bench
        .import(&tray, &input)
        .expect(3)
        .tells(&["row 2", "unknown_connector"]);
    assert_eq!(tray.requests(), 0);
    bench.validate(&input).expect(3);
    // the others are imported on request, and the code still tells of it
    bench.import(&tray, &input).arg("--skip-invalid").expect(3);
    assert_eq!(tray.holds(), [2, 2, 2]);
}

#[test]
fn exit_4_where_tray_refuses_rows() {
    let (bench, tray) = (Bench::new(), refusing());
    let rows = [plain("a"), refused("b"), plain("c")];
    let input = bench.customers("c.jsonl", &rows);
    let summary = bench.import(&tray, &input).json(4);
    assert_eq!(summary["rows"]["done"], 2, "{summary}");
    assert_eq!(summary["rows"]["failed"], 1, "{summary}");
    assert_eq!(summary["failures"], json!({ "refused": 1 }), "{summary}");
    let results = bench.results("r.jsonl");
    let error = &results.row(2)["error"];
    assert_eq!(error["code"], "refused", "{error}");
    assert_eq!(error["step"], "authentication");
    assert_eq!(error["retryable"], false);
    assert!(error["message"].is_string());
    // a run that leaves them failed says so again, and calls nobody
    let requests = tray.requests();
    bench.import(&tray, &input).expect(4);
    assert_eq!(tray.requests(), requests);
}

#[test]
fn exit_5_for_a_wrong_master_token_after_few_calls() {
    for form in [
        UnauthorizedForm::Http401,
        UnauthorizedForm::Http403,
        UnauthorizedForm::Graphql,
    ] {
        let (bench, tray) = (Bench::new(), Tray::assuming(|b| b.unauthorized_form = form));
        for (name, rows) in [("synced", synced_rows(50)), ("plain", vec![plain("p")])] {
            let input = bench.customers(name, &rows);
            let before = tray.requests();
            let import = bench.import(&tray, &input).args(["--format", "jsonl"]);
            import
                .env("TRAY_MASTER_TOKEN", "CANARY-wrong-token")
                .expect(5)
                .says(&["token"]);
            let calls = tray.requests() - before;
            assert!(calls <= 5, "{form:?}, {name}: {calls} calls");
            assert_eq!(tray.holds(), [0, 0, 0]);
        }
    }
}

#[test]
fn exit_5_where_the_preflight_finds_something() {
    let unknown = with(synced("a"), json!({ "solutionId": "no-such-solution" }));
    let slot = with(
        synced("a"),
        json!({ "authExternalId": "external_Source_authentication" }),
    );
    let config = with(synced("a"), json!({ "config": { "external_nothing": 1 } }));
    for (row, parts) in [
        (unknown, &["no-such-solution"][..]),
        (
            slot,
            &[
                "external_Source_authentication",
                "external_source_authentication",
            ],
        ),
        (config, &["external_nothing"]),
    ] {
        let (bench, tray) = (Bench::new(), Tray::new());
        let input = bench.customers("c.jsonl", &[row]);
        bench.import(&tray, &input).expect(5).says(parts);
        assert_eq!(tray.holds(), [0, 0, 0]);
        assert!(!bench.path("r.jsonl").exists());
    }
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        for environments in setup.platform.environments.values_mut() {
            environments
                .iter_mut()
                .for_each(|e| e.id = format!("other-{}", e.id));
        }
    });
    let input = bench.customers("c.jsonl", &synced_rows(1));
    bench.import(&tray, &input).expect(5).says(&["environment"]);
    assert_eq!(tray.holds(), [0, 0, 0]);
}

#[test]
fn exit_6_after_too_many_failures() {
    let rows: Vec<_> = (0..400).map(|n| refused(&format!("c-{n}"))).collect();
    for (most, at_least) in [
        (&["--max-failures", "5"][..], 5),
        (&[], 10),
        (&["--max-failures", "50%"], 50),
    ] {
        let (bench, tray) = (Bench::new(), refusing());
        let input = bench.customers("c.jsonl", &rows);
        let few = ["--concurrency", "4"];
        bench.import(&tray, &input).args(few).args(most).expect(6);
        let failed = bench.results("r.jsonl").count("failed");
        assert!((at_least..400).contains(&failed), "{most:?}: {failed}");
    }
    // a share is counted once 100 rows have ended
    let (bench, tray) = (Bench::new(), refusing());
    let input = bench.customers("c.jsonl", &rows[..60]);
    bench.import(&tray, &input).expect(4);
    assert_eq!(bench.results("r.jsonl").count("failed"), 60);
}

#[test]
fn of_several_codes_the_worst_wins() {
    // failed (4) before invalid (3)
    let (bench, tray) = (Bench::new(), refusing());
    let input = bench.customers("c.jsonl", &[plain("a"), invalid("b"), refused("c")]);
    bench.import(&tray, &input).arg("--skip-invalid").expect(4);
    // too many failures (6) before failed and invalid
    let (bench, tray) = (Bench::new(), refusing());
    let input = bench.customers("c.jsonl", &[plain("a"), invalid("b"), refused("c")]);
    let most = ["--skip-invalid", "--max-failures", "1"];
    bench.import(&tray, &input).args(most).expect(6);
    // refused by the preflight (5) before invalid
    let (bench, tray) = (Bench::new(), Tray::new());
    let unknown = with(synced("a"), json!({ "solutionId": "no-such-solution" }));
    let input = bench.customers("c.jsonl", &[unknown, invalid("b")]);
    bench.import(&tray, &input).arg("--skip-invalid").expect(5);
}
