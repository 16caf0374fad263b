//! The harness itself: a check that finds nothing must be able to find something.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;

use common::audit::audit;
use common::rows::{mixed, synced};
use common::{Bench, Tray};
use serde_json::json;

/// A finished import, changed behind the tool's back, and then audited.
fn tampered(change: impl FnOnce(&Tray)) {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(7);
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    change(&tray);
    audit(&tray, &rows, &bench.results("r.jsonl"));
}

#[test]
#[should_panic(expected = "is one too many")]
fn a_second_user_is_noticed() {
    tampered(|tray| {
        tray.model(|model| {
            let mut user = model.all_users().next().unwrap().clone();
            user.id = "another".into();
            model.restore_user(user);
        });
    });
}

#[test]
#[should_panic(expected = "is one too many")]
fn a_second_authentication_is_noticed() {
    tampered(|tray| {
        tray.model(|model| {
            let mut authentication = model.all_authentications().next().unwrap().clone();
            authentication.id = "another".into();
            model.restore_authentication(authentication);
        });
    });
}

#[test]
#[should_panic(expected = "is one too many")]
fn a_second_instance_is_noticed() {
    tampered(|tray| {
        tray.model(|model| {
            let mut instance = model.all_instances().next().unwrap().clone();
            instance.id = "another".into();
            model.restore_instance(instance);
        });
    });
}

#[test]
#[should_panic(expected = "is not as the row has it")]
fn other_credentials_are_noticed() {
    tampered(|tray| {
        tray.model(|model| {
            let mut authentication = model.all_authentications().next().unwrap().clone();
            authentication.data = tray_import::secret::SecretText::new("{}".to_owned());
            model.drop_authentication(&authentication.id);
            model.restore_authentication(authentication);
        });
    });
}

#[test]
#[should_panic(expected = "enabled is not as wanted")]
fn a_disabled_instance_is_noticed() {
    tampered(|tray| {
        tray.model(|model| {
            let mut enabled = model.all_instances().filter(|instance| instance.enabled);
            let id = enabled.next().unwrap().id.clone();
            drop(enabled);
            model.set_enabled(&id, false);
        });
    });
}

#[test]
#[should_panic(expected = "a secret is in")]
fn a_secret_in_a_file_is_noticed() {
    let bench = Bench::new();
    fs::write(bench.path("report.csv"), synced("c-1").to_string()).unwrap();
}

#[test]
#[should_panic(expected = "a secret is in")]
fn a_user_token_in_a_file_is_noticed() {
    let bench = Bench::new();
    let line = json!({ "token": "0123456789abcdef".repeat(4) });
    fs::write(bench.path("r.jsonl"), line.to_string()).unwrap();
}

#[test]
fn a_secret_in_an_input_is_none_of_the_tools_doing() {
    Bench::new().customers("c.jsonl", &mixed(7));
}
