//! `sandbox`: the same emulation as a command, for people.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::time::{Duration, Instant};

use common::rows::mixed;
use common::{Bench, Started, sample};
use serde_json::Value;

/// A sandbox under way, and what it said of itself.
struct Served {
    process: Option<Started>,
    addresses: Value,
}

impl Served {
    fn with(bench: &Bench, arguments: &[&str]) -> Self {
        let process = bench
            .tool(&["sandbox", "--json"])
            .args(arguments)
            .arg("--catalog")
            .arg(sample("catalog"))
            .start();
        let started = Instant::now();
        loop {
            let text = process.stdout();
            if text.ends_with('\n') {
                return Self {
                    process: Some(process),
                    addresses: serde_json::from_str(&text).unwrap(),
                };
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "it says nothing"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn address(&self, key: &str) -> &str {
        self.addresses[key].as_str().unwrap()
    }

    fn state(&self) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let answer = reqwest::get(self.address("state")).await.unwrap();
            answer.text().await.unwrap()
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }
}

#[test]
fn it_prints_its_addresses_and_can_be_imported_into() {
    let bench = Bench::new();
    let served = Served::with(&bench, &["--rate", "unlimited"]);
    let input = bench.customers("c.jsonl", &mixed(7));
    bench
        .tool(&["import"])
        .arg(&input)
        .args(["--results", "r.jsonl", "--enable-delay", "0s"])
        .args([
            "--endpoint",
            served.address("endpoint"),
            "--api",
            served.address("api"),
        ])
        .arg("--catalog")
        .arg(sample("catalog"))
        .env("TRAY_MASTER_TOKEN", "sandbox-master-token")
        .expect(0);
    let results = bench.results("r.jsonl");
    results.all_done(mixed(7).len());
    let text = served.state();
    assert_eq!(common::secret_in(text.as_bytes()), None);
    assert!(!text.contains("sandbox-master-token"));
    let state: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<_> = state["authentications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["id"])
        .collect();
    assert_eq!(ids.len(), mixed(7).len());
    for line in results.last.values() {
        assert!(ids.contains(&&line["authenticationId"]), "{line}");
    }
}

#[test]
fn people_are_told_what_to_type() {
    let bench = Bench::new();
    let process = bench
        .tool(&["sandbox", "--catalog"])
        .arg(sample("catalog"))
        .start();
    let started = Instant::now();
    while !process.stdout().contains("/admin/state") {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = process.kill();
    output.tells(&["--endpoint http://127.0.0.1:", "--api http://127.0.0.1:"]);
}

#[test]
fn it_takes_the_token_that_it_is_given() {
    let bench = Bench::new();
    let process = bench
        .tool(&["sandbox", "--json", "--catalog"])
        .arg(sample("catalog"))
        .env("TRAY_MASTER_TOKEN", "CANARY-own-token")
        .start();
    let started = Instant::now();
    while !process.stdout().ends_with('\n') {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
    }
    let addresses: Value = serde_json::from_str(&process.stdout()).unwrap();
    let address = |key: &str| addresses[key].as_str().unwrap().to_owned();
    let input = bench.customers("c.jsonl", &mixed(1));
    let import = |token: &str| {
        bench
            .tool(&["import"])
            .arg(&input)
            .args(["--results", "r.jsonl", "--enable-delay", "0s"])
            .args(["--endpoint", &address("endpoint"), "--api", &address("api")])
            .arg("--catalog")
            .arg(sample("catalog"))
            .env("TRAY_MASTER_TOKEN", token)
    };
    import("CANARY-another").expect(5);
    import("CANARY-own-token").expect(0);
    process.kill();
}

#[test]
fn it_listens_on_loopback_only() {
    let bench = Bench::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let sandbox = bench.tool(&["sandbox", "--listen", address, "--catalog"]);
        sandbox.arg(sample("catalog")).expect(2).says(&["loopback"]);
    }
}

#[test]
fn what_it_does_not_know_is_named_with_what_it_knows() {
    let bench = Bench::new();
    for (arguments, part) in [
        (["--assume", "hidden=false"], "hidden_listed"),
        (["--assume", "hidden_listed=perhaps"], "true or false"),
        (["--assume", "hidden_listed"], "NAME=VALUE"),
        (["--fault", "drop=1%"], "drop_after"),
        (["--fault", "drop_after=200%"], "drop_after"),
        (["--fault-rate", "2"], "--fault-rate"),
        (["--listen", "here"], "--listen"),
    ] {
        let sandbox = bench.tool(&["sandbox"]).args(arguments);
        sandbox
            .arg("--catalog")
            .arg(sample("catalog"))
            .expect(2)
            .says(&[part]);
    }
}

#[test]
fn its_faults_and_its_limit_are_survived() {
    let bench = Bench::new();
    let arguments = [
        "--rate",
        "100",
        "--burst",
        "20",
        "--fault-rate",
        "3%",
        "--seed",
        "7",
    ];
    let late = [
        "--fault",
        "late_by=50ms",
        "--fault",
        "hang_for=2s",
        "--latency",
        "1ms",
    ];
    let served = Served::with(&bench, &[&arguments[..], &late].concat());
    let rows = mixed(14);
    let input = bench.customers("c.jsonl", &rows);
    bench
        .tool(&["import"])
        .arg(&input)
        .args([
            "--results",
            "r.jsonl",
            "--enable-delay",
            "0s",
            "--rate",
            "unlimited",
        ])
        .args(["--timeout", "400ms", "--settle", "200ms"])
        .args([
            "--endpoint",
            served.address("endpoint"),
            "--api",
            served.address("api"),
        ])
        .arg("--catalog")
        .arg(sample("catalog"))
        .env("TRAY_MASTER_TOKEN", "sandbox-master-token")
        .expect(0);
    bench.results("r.jsonl").all_done(rows.len());
    let state: Value = serde_json::from_str(&served.state()).unwrap();
    assert_eq!(
        state["authentications"].as_array().unwrap().len(),
        rows.len()
    );
    assert_eq!(state["users"].as_array().unwrap().len(), 14);
}
