//! `verify` compares Tray with the results: it reports what is different, that exactly, and mends what can be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use common::audit::audit;
use common::rows::{delivery, mixed, pair, plain, synced, synced_rows, with};
use common::{Bench, Tray, sample};
use serde_json::{Value, json};
use tray_import::sandbox::behaviour::{ConfigReadForm, UnauthorizedForm};
use tray_import::sandbox::model::{
    Authentication, Caller, Instance, Model, NewAuthentication, NewUser, UserChanges,
};

/// A batch of three customers: an instance of two slots with config values in rows 1 and 4, one of a single slot
/// in row 2, and a lone authentication in row 3.
fn batch() -> (Bench, Tray, Vec<Value>) {
    imported(Tray::new())
}

fn imported(tray: Tray) -> (Bench, Tray, Vec<Value>) {
    let bench = Bench::new();
    let [first, second] = delivery("d");
    let rows = vec![first, synced("s"), plain("p"), second];
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    (bench, tray, rows)
}

/// The id that the results have for a row.
fn id(bench: &Bench, row: u64, what: &str) -> String {
    let results = bench.results("r.jsonl");
    let id = results.row(row)[what].as_str();
    id.unwrap_or_else(|| panic!("row {row} has no {what}"))
        .to_owned()
}

/// The differences that `verify` lists, as kind, what and rows.
fn differences(bench: &Bench, tray: &Tray) -> Vec<(String, String, Vec<u64>)> {
    let before = bench.read("r.jsonl");
    let calls = made(tray);
    let summary = bench.verify(tray).json(4);
    let listed = summary["listed"].as_array().unwrap();
    assert_eq!(summary["differences"]["total"], listed.len(), "{summary}");
    assert_eq!(bench.read("r.jsonl"), before);
    assert_eq!(made(tray), calls, "it changed something");
    let of = |value: &Value| {
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        let rows = value["rows"].as_array().unwrap().iter();
        let (kind, what) = (text("kind"), text("what"));
        let counted = summary["differences"][&kind][&what].as_u64();
        assert!(counted > Some(0), "{summary}");
        (kind, what, rows.map(|n| n.as_u64().unwrap()).collect())
    };
    listed.iter().map(of).collect()
}

/// Calls that change something.
fn made(tray: &Tray) -> BTreeMap<&'static str, u64> {
    let changing = [
        "createExternalUser",
        "updateExternalUser",
        "removeExternalUser",
        "createUserAuthentication",
        "removeAuthentication",
        "createSolutionInstance",
        "updateSolutionInstance",
        "removeSolutionInstance",
    ];
    changing.map(|name| (name, tray.calls(name))).into()
}

fn change_authentication(tray: &Tray, id: &str, change: impl FnOnce(&mut Authentication)) {
    tray.model(|model| {
        let mut changed = Authentication::clone(model.authentication(id).unwrap());
        model.drop_authentication(id);
        change(&mut changed);
        model.restore_authentication(changed);
    });
}

fn change_instance(tray: &Tray, id: &str, change: impl FnOnce(&mut Instance)) {
    tray.model(|model| {
        let mut changed = Instance::clone(model.instance(id).unwrap());
        model.drop_instance(id);
        change(&mut changed);
        model.restore_instance(changed);
    });
}

/// One more authentication of an end user, of the kind of another one.
fn another(model: &mut Model, like: &str, name: &str) -> String {
    let like = Authentication::clone(model.authentication(like).unwrap());
    let new = NewAuthentication {
        name: name.to_owned(),
        service_id: like.service_id,
        environment_id: like.environment_id,
        data: like.data.expose().into(),
        form_data: None,
        scopes: Vec::new(),
        hidden: false,
    };
    model.seed_authentication(Duration::ZERO, like.owner, new)
}

#[test]
fn a_fresh_import_differs_in_nothing_and_costs_two_calls_a_customer() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(21);
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    let before = (tray.calls("authorize"), tray.calls("viewer"));
    let summary = bench.verify_clean(&tray);
    assert_eq!(summary["command"], "verify");
    assert_eq!(
        summary["rows"],
        json!({"total": rows.len(), "compared": rows.len()})
    );
    assert_eq!(summary["users"], json!({"total": 21, "compared": 21}));
    let after = (tray.calls("authorize"), tray.calls("viewer"));
    assert_eq!(after.0 - before.0, 21);
    assert_eq!(
        summary["calls"],
        json!({"authorize": 21, "viewer": 21}),
        "{summary}"
    );
    let output = bench.verify(&tray).expect(0);
    assert!(
        output.stdout.contains("No difference."),
        "{}",
        output.shown()
    );
}

#[test]
fn the_samples_differ_in_nothing() {
    let (bench, tray) = (Bench::new(), Tray::new());
    bench.import(&tray, &sample("customers.csv")).expect(0);
    bench.verify_clean(&tray);
}

#[test]
fn what_is_missing_is_reported_and_nothing_else() {
    type Case = (fn(&Bench, &Tray), &'static str, &'static [u64]);
    let cases: [Case; 4] = [
        (
            |bench, tray| {
                let id = id(bench, 1, "userId");
                tray.model(|model| model.remove_external_user(&Caller::Master, &id))
                    .unwrap();
            },
            "user",
            &[1, 4],
        ),
        (
            |bench, tray| {
                let id = id(bench, 3, "authenticationId");
                assert!(tray.model(|model| model.drop_authentication(&id)));
            },
            "authentication",
            &[3],
        ),
        (
            |bench, tray| {
                let id = id(bench, 4, "authenticationId");
                assert!(tray.model(|model| model.drop_authentication(&id)));
                let instance = self::id(bench, 4, "instanceId");
                // Tray may empty the slot with it
                change_instance(tray, &instance, |instance| {
                    instance.auth_values.retain(|value| value.auth_id != id);
                });
            },
            "authentication",
            &[4],
        ),
        (
            |bench, tray| {
                let id = id(bench, 1, "instanceId");
                assert!(tray.model(|model| model.drop_instance(&id)));
            },
            "instance",
            &[1, 4],
        ),
    ];
    for (remove, what, rows) in cases {
        let (bench, tray, _) = batch();
        remove(&bench, &tray);
        let found = differences(&bench, &tray);
        assert_eq!(found, [("missing".into(), what.into(), rows.to_vec())]);
        let output = bench.verify(&tray).expect(4);
        output.tells(&[
            "is gone",
            "1 difference",
            "--fix",
            &format!("row{}", if rows.len() > 1 { "s 1, 4" } else { "" }),
        ]);
    }
}

#[test]
fn what_is_changed_is_reported_and_nothing_else() {
    type Case = (fn(&Bench, &Tray), &'static str, &'static [u64]);
    let cases: [Case; 9] = [
        (
            |bench, tray| {
                let id = id(bench, 2, "authenticationId");
                change_authentication(tray, &id, |own| own.name = "renamed\u{1b}".into());
            },
            "authName",
            &[2],
        ),
        (
            |bench, tray| {
                let id = id(bench, 3, "authenticationId");
                let other = self::id(bench, 1, "authenticationId");
                let other = tray
                    .model(|model| model.authentication(&other).unwrap().environment_id.clone());
                change_authentication(tray, &id, |own| own.environment_id = other);
            },
            "environment",
            &[3],
        ),
        (
            |bench, tray| {
                let id = id(bench, 1, "instanceId");
                change_instance(tray, &id, |own| own.name = "renamed".into());
            },
            "instanceName",
            &[1, 4],
        ),
        (
            |bench, tray| {
                let id = id(bench, 4, "instanceId");
                let other = self::id(bench, 1, "authenticationId");
                change_instance(tray, &id, |own| {
                    let mut values = own.auth_values.iter_mut();
                    let crm = values.find(|v| v.external_id == "external_crm_authentication");
                    crm.unwrap().auth_id = other;
                });
            },
            "slot",
            &[4],
        ),
        (
            |bench, tray| {
                let id = id(bench, 2, "instanceId");
                change_instance(tray, &id, |own| own.auth_values.clear());
            },
            "slot",
            &[2],
        ),
        (
            |bench, tray| {
                let id = id(bench, 4, "instanceId");
                change_instance(tray, &id, |own| {
                    let mut values = own.config_values.iter_mut();
                    values
                        .find(|v| v.external_id == "external_page_size")
                        .unwrap()
                        .value = "251".into();
                });
            },
            "config",
            &[4],
        ),
        (
            |bench, tray| {
                let id = id(bench, 1, "instanceId");
                change_instance(tray, &id, |own| {
                    own.config_values
                        .retain(|v| v.external_id != "external_report_email");
                });
            },
            "config",
            &[1],
        ),
        (
            |bench, tray| {
                let id = id(bench, 1, "instanceId");
                // text where it was a number: "10" was imported, not 10
                change_instance(tray, &id, |own| {
                    let mut values = own.config_values.iter_mut();
                    values
                        .find(|v| v.external_id == "external_field_mapping")
                        .unwrap()
                        .value = "{\"a\":[1]}".into();
                });
            },
            "config",
            &[1],
        ),
        (
            |bench, tray| {
                let id = id(bench, 1, "instanceId");
                assert!(tray.model(|model| model.set_enabled(&id, false)));
            },
            "enabled",
            &[1, 4],
        ),
    ];
    for (change, what, rows) in cases {
        let (bench, tray, _) = batch();
        change(&bench, &tray);
        let found = differences(&bench, &tray);
        assert_eq!(found, [("changed".into(), what.into(), rows.to_vec())]);
        let output = bench.verify(&tray).expect(4);
        assert!(!output.stdout.contains('\u{1b}'), "{}", output.shown());
    }
}

#[test]
fn an_instance_that_was_to_stay_disabled_is_reported_when_it_is_enabled() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = [with(synced("a"), json!({ "enabled": false }))];
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    bench.verify_clean(&tray);
    let id = id(&bench, 1, "instanceId");
    tray.model(|model| model.set_enabled(&id, true));
    let found = differences(&bench, &tray);
    assert_eq!(found, [("changed".into(), "enabled".into(), vec![1])]);
}

#[test]
fn what_is_one_too_many_is_reported_of_customers_whom_the_batch_created() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let adopted = tray.model(|model| {
        let new = NewUser {
            name: "old".into(),
            external_user_id: "old".into(),
            is_test_user: false,
        };
        model.seed_user(Duration::ZERO, new)
    });
    let rows = [synced("old"), synced("new")];
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    assert_eq!(id(&bench, 1, "userId"), adopted);
    for row in [1, 2] {
        let authentication = id(&bench, row, "authenticationId");
        let instance = id(&bench, row, "instanceId");
        tray.model(|model| {
            another(model, &authentication, "made by hand");
            let mut copy = Instance::clone(model.instance(&instance).unwrap());
            copy.name = "made by hand".into();
            model.seed_instance(copy);
        });
    }
    let extra = |what: &str| ("extra".to_owned(), what.to_owned(), Vec::new());
    let found = differences(&bench, &tray);
    assert_eq!(found, [extra("authentication"), extra("instance")]);
    let output = bench.verify(&tray).expect(4);
    output.tells(&["new: the authentication \"made by hand\"", "2 differences"]);
}

#[test]
fn a_customer_who_goes_by_another_id_is_missing() {
    let (bench, tray, _) = batch();
    let id = id(&bench, 3, "userId");
    let changes = UserChanges {
        external_user_id: Some("another".into()),
        ..UserChanges::default()
    };
    tray.model(|model| model.update_external_user(&Caller::Master, &id, changes))
        .unwrap();
    // the end user's own token still works, and shows all that is theirs
    bench.verify_clean(&tray);
    let authentication = self::id(&bench, 3, "authenticationId");
    tray.model(|model| model.drop_authentication(&authentication));
    let found = differences(&bench, &tray);
    assert_eq!(found, [("missing".into(), "user".into(), vec![3])]);
}

#[test]
fn many_differences_are_counted_and_some_listed() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(8));
    bench.import(&tray, &input).expect(0);
    tray.model(|model| {
        let ids: Vec<_> = model.all_instances().map(|own| own.id.clone()).collect();
        ids.iter().for_each(|id| assert!(model.drop_instance(id)));
    });
    let verify = || {
        let verify = bench.verify(&tray);
        verify.args(["--max-differences", "3"])
    };
    let summary = verify().json(4);
    assert_eq!(
        summary["differences"]["missing"]["instance"], 8,
        "{summary}"
    );
    assert_eq!(summary["listed"].as_array().unwrap().len(), 3, "{summary}");
    let output = verify().expect(4);
    output.tells(&["8 differences", "8 instance", "… and 5 more", "row 1, c-1"]);
}

#[test]
fn a_disabled_instance_is_enabled_again() {
    let (bench, tray, rows) = batch();
    let instance = id(&bench, 1, "instanceId");
    tray.model(|model| model.set_enabled(&instance, false));
    let summary = bench.verify(&tray).args(["--fix", "--yes"]).json(0);
    assert_eq!(summary["fixed"]["enabled"], 1, "{summary}");
    assert_eq!(summary["fixed"]["requeuedRows"], 0, "{summary}");
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn an_instance_that_cannot_be_enabled_is_said() {
    let (bench, tray, _) = batch();
    let instance = id(&bench, 2, "instanceId");
    change_instance(&tray, &instance, |own| {
        own.enabled = false;
        own.auth_values.clear();
    });
    let output = bench.verify(&tray).args(["--fix", "--yes"]).expect(4);
    output.tells(&["was not enabled", "is empty"]);
}

/// Removes, fixes and imports again; what was removed is made once more, and only that.
fn made_again(remove: impl FnOnce(&Bench, &Tray), again: [u64; 3], between: &[&str]) {
    let (bench, tray, rows) = batch();
    let input = bench.path("c.jsonl");
    remove(&bench, &tray);
    let before = made(&tray);
    let summary = bench.verify(&tray).args(["--fix", "--yes"]).json(4);
    assert!(
        summary["fixed"]["requeuedRows"].as_u64() > Some(0),
        "{summary}"
    );
    assert_eq!(made(&tray), before);
    if !between.is_empty() {
        bench.import(&tray, &input).args(between).expect(0);
    }
    bench.import(&tray, &input).expect(0);
    let names = [
        "createExternalUser",
        "createUserAuthentication",
        "createSolutionInstance",
    ];
    let after = made(&tray);
    assert_eq!(names.map(|name| after[name] - before[name]), again);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
    let requests = tray.requests();
    bench
        .import(&tray, &input)
        .expect(0)
        .tells(&["Nothing left to do"]);
    assert_eq!(tray.requests(), requests);
}

#[test]
fn a_missing_instance_is_made_again() {
    let remove = |bench: &Bench, tray: &Tray| {
        let id = id(bench, 1, "instanceId");
        tray.model(|model| model.drop_instance(&id));
    };
    made_again(remove, [0, 0, 1], &[]);
    made_again(remove, [0, 0, 1], &["--until", "instance"]);
}

#[test]
fn a_missing_authentication_is_made_again_and_put_into_its_slot() {
    let remove = |row| {
        move |bench: &Bench, tray: &Tray| {
            let id = id(bench, row, "authenticationId");
            tray.model(|model| model.drop_authentication(&id));
        }
    };
    for row in 1..=4 {
        made_again(remove(row), [0, 1, 0], &[]);
    }
    // the slot is still to be filled when a run ends in between
    made_again(remove(2), [0, 1, 0], &["--until", "authentication"]);
    made_again(remove(4), [0, 1, 0], &["--until", "authentication"]);
}

#[test]
fn an_authentication_whose_slot_was_emptied_is_made_again() {
    let remove = |bench: &Bench, tray: &Tray| {
        let (id, instance) = (id(bench, 2, "authenticationId"), id(bench, 2, "instanceId"));
        tray.model(|model| model.drop_authentication(&id));
        change_instance(tray, &instance, |own| {
            own.auth_values.clear();
            own.enabled = false;
        });
    };
    made_again(remove, [0, 1, 0], &[]);
}

#[test]
fn authentication_and_instance_are_made_again() {
    let remove = |bench: &Bench, tray: &Tray| {
        let (id, instance) = (id(bench, 1, "authenticationId"), id(bench, 1, "instanceId"));
        tray.model(|model| {
            model.drop_authentication(&id);
            model.drop_instance(&instance)
        });
    };
    made_again(remove, [0, 1, 1], &[]);
}

#[test]
fn a_missing_customer_is_made_again_with_all_that_is_theirs() {
    let remove = |bench: &Bench, tray: &Tray| {
        let id = id(bench, 4, "userId");
        tray.model(|model| model.remove_external_user(&Caller::Master, &id))
            .unwrap();
    };
    made_again(remove, [1, 2, 1], &[]);
    made_again(remove, [1, 2, 1], &["--limit", "1"]);
    made_again(remove, [1, 2, 1], &["--until", "user"]);
}

#[test]
fn a_slot_that_somebody_filled_is_theirs() {
    let (bench, tray, _) = batch();
    let (old, instance) = (
        id(&bench, 2, "authenticationId"),
        id(&bench, 2, "instanceId"),
    );
    let new = tray.model(|model| {
        let new = another(model, &old, "by the customer");
        model.drop_authentication(&old);
        new
    });
    change_instance(&tray, &instance, |own| own.auth_values[0].auth_id = new);
    let summary = bench.verify(&tray).args(["--fix", "--yes"]).json(4);
    assert_eq!(summary["fixed"]["requeuedRows"], 0, "{summary}");
    assert_eq!(summary["differences"]["total"], 3, "{summary}");
    let before = bench.read("r.jsonl");
    bench
        .import(&tray, &bench.path("c.jsonl"))
        .expect(0)
        .tells(&["Nothing left to do"]);
    assert_eq!(bench.read("r.jsonl"), before);
}

#[test]
fn without_a_terminal_it_has_to_be_told() {
    let (bench, tray, _) = batch();
    let (requests, before) = (tray.requests(), bench.read("r.jsonl"));
    bench
        .verify(&tray)
        .arg("--fix")
        .expect(2)
        .says(&["--yes", "terminal"]);
    bench.verify(&tray).arg("--yes").expect(2).says(&["--fix"]);
    assert_eq!((tray.requests(), bench.read("r.jsonl")), (requests, before));
}

#[test]
fn a_config_value_is_compared_and_never_written() {
    for form in [ConfigReadForm::Raw, ConfigReadForm::Json] {
        let bench = Bench::new();
        let tray = Tray::assuming(|behaviour| behaviour.config_read_form = form);
        let [mut first, second] = delivery("d");
        // the bench makes sure that this is in nothing that is written
        first["config"]["external_report_email"] = json!("CANARY-config-10");
        let input = bench.customers("c.jsonl", &[first, second]);
        bench.import(&tray, &input).expect(0);
        let results = bench.read("r.jsonl");
        assert!(results.contains("external_report_email"));
        bench.verify_clean(&tray);
        let instance = id(&bench, 1, "instanceId");
        change_instance(&tray, &instance, |own| {
            let mut values = own.config_values.iter_mut();
            let mail = values.find(|value| value.external_id == "external_report_email");
            mail.unwrap().value = "\"CANARY-config-11\"".into();
        });
        let found = differences(&bench, &tray);
        assert_eq!(found, [("changed".into(), "config".into(), vec![1])]);
        let output = bench.verify(&tray).args(["-vvv"]).expect(4);
        output.tells(&["external_report_email", "another value"]);
    }
}

#[test]
fn config_that_an_import_left_alone_is_no_difference() {
    let (bench, tray, rows) = batch();
    let instance = id(&bench, 1, "instanceId");
    change_instance(&tray, &instance, |own| {
        let mut values = own.config_values.iter_mut();
        let size = values.find(|value| value.external_id == "external_page_size");
        size.unwrap().value = "7".into();
    });
    fs::remove_file(bench.path("r.jsonl")).unwrap();
    let input = bench.customers("c.jsonl", &rows);
    bench
        .import(&tray, &input)
        .expect(0)
        .tells(&["left as it is"]);
    bench.verify_clean(&tray);
    // the other slots are compared all the same
    change_instance(&tray, &instance, |own| {
        own.config_values
            .retain(|value| value.external_id != "external_report_email");
    });
    let found = differences(&bench, &tray);
    assert_eq!(found, [("changed".into(), "config".into(), vec![1])]);
}

#[test]
fn what_is_hidden_and_not_listed_cannot_be_told() {
    let bench = Bench::new();
    let tray = Tray::assuming(|behaviour| behaviour.hidden_listed = false);
    let rows: Vec<_> = (1..=3)
        .map(|n| with(plain(&format!("c-{n}")), json!({ "hidden": n != 3 })))
        .collect();
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    let summary = bench.verify(&tray).args(["--fix", "--yes"]).json(0);
    assert_eq!(summary["cannotBeTold"]["hidden"], 2, "{summary}");
    assert_eq!(summary["fixed"]["requeuedRows"], 0, "{summary}");
    bench
        .verify(&tray)
        .expect(0)
        .tells(&["No difference", "cannot be told"]);
}

#[test]
fn what_is_hidden_is_missing_where_others_are_listed() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows: Vec<_> = (1..=3)
        .map(|n| with(plain(&format!("c-{n}")), json!({ "hidden": true })))
        .collect();
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    bench.verify_clean(&tray);
    let id = id(&bench, 1, "authenticationId");
    tray.model(|model| model.drop_authentication(&id));
    let found = differences(&bench, &tray);
    assert_eq!(
        found,
        [("missing".into(), "authentication".into(), vec![1])]
    );
}

#[test]
fn a_list_that_is_cut_short_proves_nothing() {
    let bench = Bench::new();
    let tray = Tray::assuming(|behaviour| behaviour.authentications_listed = Some(2));
    let row = |n: usize| with(plain("c-1"), json!({ "authName": format!("auth {n}") }));
    let rows: Vec<_> = (0..4).map(row).collect();
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    let summary = bench.verify(&tray).json(0);
    assert_eq!(summary["cannotBeTold"]["truncated"], 2, "{summary}");
}

#[test]
fn results_of_a_version_that_told_less_are_compared_as_far_as_they_go() {
    let (bench, tray, _) = batch();
    let told = [
        "authName",
        "environmentId",
        "hidden",
        "solutionId",
        "instanceName",
        "authExternalId",
        "configChecks",
    ];
    let strip = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for key in told {
            line.as_object_mut().unwrap().remove(key);
        }
        format!("{line}\n")
    };
    let old: String = bench.read("r.jsonl").lines().map(strip).collect();
    fs::write(bench.path("r.jsonl"), old).unwrap();
    bench.verify_clean(&tray);
    let instance = id(&bench, 2, "instanceId");
    tray.model(|model| model.set_enabled(&instance, false));
    let found = differences(&bench, &tray);
    assert_eq!(found, [("changed".into(), "enabled".into(), vec![2])]);
    // whether it was hidden is not in these results
    let authentication = id(&bench, 3, "authenticationId");
    tray.model(|model| model.drop_authentication(&authentication));
    let summary = bench.verify(&tray).json(4);
    assert_eq!(summary["differences"]["total"], 1, "{summary}");
    assert_eq!(summary["cannotBeTold"]["hidden"], 1, "{summary}");
}

#[test]
fn rows_that_are_not_done_are_compared_as_far_as_they_got() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(14);
    let input = bench.customers("c.jsonl", &rows);
    for step in ["user", "authentication", "instance"] {
        bench
            .import(&tray, &input)
            .args(["--until", step])
            .expect(0);
        bench.verify_clean(&tray);
    }
    let [first, second] = pair("held");
    let broken = with(second, json!({ "formData": {} }));
    bench.customers("c.jsonl", &[first, broken]);
    bench.import(&tray, &input).arg("--skip-invalid").expect(3);
    bench.verify_clean(&tray);
}

#[test]
fn it_waits_for_nobody_and_nobody_writes_meanwhile() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(30));
    let input = bench.customers("c.jsonl", &mixed(14));
    let run = bench
        .import(&tray, &input)
        .args(["--concurrency", "2"])
        .start();
    tray.wait_for("a creation", |c| c.calls("createExternalUser") > 0);
    for arguments in [&[][..], &["--fix", "--yes"]] {
        bench
            .verify(&tray)
            .args(arguments)
            .expect(1)
            .says(&["in use"]);
    }
    run.wait().expect(0);
    let authorized = tray.calls("authorize");
    let verify = bench.verify(&tray).args(["--concurrency", "1"]).start();
    tray.wait_for("the comparison", |c| c.calls("authorize") > authorized);
    bench.import(&tray, &input).expect(1).says(&["in use"]);
    // those who only look do not mind each other
    bench.verify(&tray).expect(0);
    verify.wait().expect(0);
}

#[test]
fn a_torn_line_is_passed_over_and_left() {
    let (bench, tray, _) = batch();
    let whole = bench.read("r.jsonl");
    fs::write(bench.path("r.jsonl"), whole + "{\"type\":\"row\",\"ro").unwrap();
    bench.verify_clean(&tray);
}

#[test]
fn tokens_that_are_used_up_are_renewed() {
    for form in [
        UnauthorizedForm::Http401,
        UnauthorizedForm::Http403,
        UnauthorizedForm::Graphql,
    ] {
        let (bench, tray, _) = imported(Tray::assuming(|behaviour| {
            behaviour.user_token_uses = Some(1);
            behaviour.unauthorized_form = form;
            behaviour.max_page_size = 1;
        }));
        bench.verify_clean(&tray);
    }
}

#[test]
fn trouble_that_stays_leaves_a_customer_unchecked() {
    let (bench, tray, _) = batch();
    // every token is refused as soon as it is used
    let (other, _, _) = (Tray::assuming(|b| b.user_token_uses = Some(0)), (), ());
    let users: Vec<_> = tray.model(|model| model.all_users().cloned().collect());
    other.model(|model| users.into_iter().for_each(|user| model.restore_user(user)));
    let text = bench
        .read("r.jsonl")
        .replace(&tray.endpoint(), &other.endpoint());
    // as written before lines had checksums
    let unsealed = text.lines().map(|line| match line.rsplit_once(",\"crc\"") {
        Some((rest, _)) => format!("{rest}}}\n"),
        None => format!("{line}\n"),
    });
    fs::write(bench.path("r.jsonl"), unsealed.collect::<String>()).unwrap();
    let summary = bench.verify(&other).json(4);
    assert_eq!(summary["unchecked"]["users"], 3, "{summary}");
    assert_eq!(summary["differences"]["total"], 0, "{summary}");
    let output = bench.verify(&other).expect(4);
    output.tells(&["could not be compared", "as far as Tray could be asked"]);
}

#[test]
fn wrong_tokens_endpoints_and_files_are_said() {
    let (bench, tray, _) = batch();
    let refused = bench.verify(&tray).env("TRAY_MASTER_TOKEN", "wrong");
    refused.expect(5).says(&["master token"]);
    let none = bench.verify(&tray).env("TRAY_MASTER_TOKEN", "");
    none.expect(2).says(&["master token"]);
    let other = Tray::new();
    bench.verify(&other).expect(2).says(&["was made with"]);
    bench
        .tool(&["verify", "none.jsonl"])
        .tray(&tray)
        .expect(1)
        .says(&["none.jsonl"]);
}

#[test]
fn ctrl_c_says_how_far_it_got() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(20));
    let input = bench.customers("c.jsonl", &mixed(28));
    bench.import(&tray, &input).expect(0);
    let before = tray.calls("authorize");
    let verify = bench.verify(&tray).args(["--concurrency", "1"]).start();
    tray.wait_for("a comparison", |c| c.calls("authorize") > before + 2);
    verify.signal("INT");
    let output = verify.wait().expect(130);
    output.tells(&["Interrupted"]);
    bench.verify_clean(&tray);
}

/// Runs `verify --fix` at a terminal of its own (util-linux's `script`) and types an answer.
fn at_a_terminal(bench: &Bench, tray: &Tray, answer: &str) -> Option<String> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let line = format!(
        "{} verify r.jsonl --fix --rate unlimited --settle 10ms --endpoint {}",
        env!("CARGO_BIN_EXE_tray-import"),
        tray.endpoint()
    );
    let mut script = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(bench.path("."))
        .env("TRAY_MASTER_TOKEN", common::MASTER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = script.stdin.take().unwrap();
    writeln!(input, "{answer}").unwrap();
    let output = script.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn at_a_terminal_it_shows_what_it_is_about_and_asks() {
    let (bench, tray, rows) = batch();
    let instance = id(&bench, 2, "instanceId");
    tray.model(|model| model.drop_instance(&instance));
    let before = bench.read("r.jsonl");
    let Some(shown) = at_a_terminal(&bench, &tray, "no") else {
        println!("there is no `script` here to make a terminal with");
        return;
    };
    let place = |part: &str| {
        let place = shown.find(part);
        place.unwrap_or_else(|| panic!("no {part:?} in\n{shown}"))
    };
    assert!(place("row 2, s: the instance") < place("Type \"yes\""));
    assert!(place("Type \"yes\"") < place("Nothing was changed."));
    assert_eq!(shown.matches("row 2, s").count(), 1, "{shown}");
    assert_eq!(bench.read("r.jsonl"), before);
    at_a_terminal(&bench, &tray, "yes").unwrap();
    bench.import(&tray, &bench.path("c.jsonl")).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}
