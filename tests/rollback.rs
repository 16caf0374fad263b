//! `rollback`: what the batch made is gone, whatever happens on the way, and nothing else is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use common::audit::audit;
use common::rows::{self, mixed, pair, plain, synced, synced_rows};
use common::{Bench, Tool, Tray, sample};
use serde_json::Value;
use tray_import::sandbox::behaviour::{RemovalToken, UnauthorizedForm, UnknownRemoval};
use tray_import::sandbox::model::{AuthValue, Instance, NewAuthentication, NewUser};
use tray_import::sandbox::{FaultKind, Faults, Limit};

/// `rollback r.jsonl` in this Tray, as fast as it goes; asks unless told otherwise.
fn rollback<'b>(bench: &'b Bench, tray: &Tray) -> Tool<'b> {
    bench
        .tool(&[
            "rollback",
            "r.jsonl",
            "--rate",
            "unlimited",
            "--settle",
            "5ms",
        ])
        .tray(tray)
}

/// The same without asking.
fn taken_back<'b>(bench: &'b Bench, tray: &Tray) -> Tool<'b> {
    rollback(bench, tray).arg("--yes")
}

/// Imports these rows.
fn imported(bench: &Bench, tray: &Tray, rows: &[Value]) {
    let input = bench.customers("c.jsonl", rows);
    bench.import(tray, &input).expect(0);
}

/// Makes sure that nothing is left in Tray, and nothing of it in the results.
#[track_caller]
fn all_gone(bench: &Bench, tray: &Tray) {
    assert_eq!(tray.holds(), [0, 0, 0]);
    for line in bench.results("r.jsonl").last.values() {
        assert_eq!(line["state"], "partial", "{line}");
        for key in [
            "step",
            "userId",
            "authenticationId",
            "instanceId",
            "enabled",
            "error",
        ] {
            assert!(line[key].is_null(), "{line}");
        }
        assert_eq!(line["created"], Value::Array(vec![]), "{line}");
        assert_eq!(line["why"], "removed by rollback", "{line}");
    }
}

/// An end user who is there before.
fn user(tray: &Tray, external_user_id: &str) -> String {
    let now = tray.now();
    let new = NewUser {
        name: external_user_id.to_owned(),
        external_user_id: external_user_id.to_owned(),
        is_test_user: false,
    };
    tray.model(|model| model.seed_user(now, new))
}

/// An authentication that somebody else makes.
fn authentication(tray: &Tray, owner: &str, name: &str) -> String {
    let (now, entry) = (tray.now(), fs::read(sample("catalog/sqs-2.json")).unwrap());
    let entry: Value = serde_json::from_slice(&entry).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let new = NewAuthentication {
        name: name.to_owned(),
        service_id: text(&entry["service"]["id"]),
        environment_id: text(&entry["environments"][0]["id"]),
        data: "{}".to_owned().into(),
        form_data: None,
        scopes: Vec::new(),
        hidden: false,
    };
    tray.model(|model| model.seed_authentication(now, Some(owner.to_owned()), new))
}

/// An instance of the account sync that somebody else makes.
fn instance(tray: &Tray, owner: &str, name: &str, auth_id: &str, enabled: bool) -> String {
    let now = tray.now();
    let new = Instance {
        id: String::new(),
        solution_id: rows::ACCOUNT_SYNC.to_owned(),
        name: name.to_owned(),
        enabled,
        owner: owner.to_owned(),
        auth_values: vec![AuthValue {
            external_id: rows::SOURCE_SLOT.to_owned(),
            auth_id: auth_id.to_owned(),
        }],
        config_values: vec![],
        created_at: now,
    };
    tray.model(|model| model.seed_instance(new))
}

/// The id of the end user with this `externalUserId`.
fn id_of(tray: &Tray, external_user_id: &str) -> String {
    tray.model(|model| {
        let found = model
            .all_users()
            .find(|user| user.external_user_id == external_user_id);
        found.unwrap().id.clone()
    })
}

#[test]
fn what_was_made_is_gone_and_made_anew_by_the_next_import() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(35);
    imported(&bench, &tray, &rows);
    let [users, authentications, instances] = tray.holds();
    let before = tray.requests();
    let done = taken_back(&bench, &tray).json(0);
    assert_eq!(done["removed"]["users"], users, "{done}");
    assert_eq!(done["removed"]["authentications"], authentications);
    assert_eq!(done["removed"]["instances"], instances);
    assert_eq!(done["kept"], Value::Array(vec![]));
    assert_eq!(done["rows"]["takenBack"], done["rows"]["total"]);
    // a token and a look for each, and one call for each thing
    let calls = 2 * users + users + authentications + instances;
    assert_eq!(tray.requests() - before, calls as u64, "{done}");
    all_gone(&bench, &tray);
    let again = taken_back(&bench, &tray).json(0);
    assert_eq!(again["removed"]["users"], 0);
    assert_eq!(tray.requests() - before, calls as u64);
    bench
        .tool(&["status", "r.jsonl"])
        .expect(0)
        .tells(&["partial nothing yet", "50 rows were taken back"]);
    bench.import(&tray, &bench.path("c.jsonl")).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    taken_back(&bench, &tray).expect(0);
    all_gone(&bench, &tray);
}

#[test]
fn instances_go_first_and_end_users_last() {
    let (bench, tray) = (Bench::new(), Tray::new());
    imported(&bench, &tray, &pair("c-1"));
    let sandbox = tray.requests();
    let plan = rollback(&bench, &tray).arg("--dry-run").json(0)["plan"].clone();
    assert_eq!(tray.requests(), sandbox);
    assert_eq!(plan["callsTotal"], 6, "{plan}");
    let tray = {
        // one that refuses any other order
        let next = Tray::assuming(|behaviour| {
            behaviour.remove_users_with_things = false;
            behaviour.remove_used_authentications = false;
        });
        drop(tray);
        next
    };
    let bench = Bench::new();
    imported(&bench, &tray, &pair("c-1"));
    let done = taken_back(&bench, &tray).json(0);
    assert_eq!(done["calls"], plan["calls"], "{done}");
    all_gone(&bench, &tray);
}

#[test]
fn what_was_there_before_stays() {
    let (bench, tray) = (Bench::new(), Tray::new());
    // an end user; one with the authentication; one with the instance too
    let mut stays = BTreeSet::from([user(&tray, "c-1"), user(&tray, "c-2"), user(&tray, "c-3")]);
    let second = id_of(&tray, "c-2");
    stays.insert(authentication(&tray, &second, "sqs c-2"));
    let third = id_of(&tray, "c-3");
    let auth = authentication(&tray, &third, "sqs c-3");
    stays.insert(instance(&tray, &third, "c-3", &auth, true));
    stays.insert(auth);
    imported(&bench, &tray, &synced_rows(4));
    assert_eq!(tray.holds(), [4, 4, 4]);
    let done = taken_back(&bench, &tray).json(0);
    assert_eq!(done["removed"]["users"], 1, "{done}");
    let left = tray.model(|model| {
        let users = model.all_users().map(|user| user.id.clone());
        let authentications = model.all_authentications().map(|a| a.id.clone());
        let instances = model.all_instances().map(|i| i.id.clone());
        users
            .chain(authentications)
            .chain(instances)
            .collect::<BTreeSet<_>>()
    });
    assert_eq!(left, stays);
    let results = bench.results("r.jsonl");
    assert_eq!(results.row(1)["step"], "user");
    assert_eq!(results.row(1)["adopted"], serde_json::json!(["user"]));
    assert_eq!(results.row(2)["step"], "authentication");
    assert_eq!(results.row(3)["state"], "done");
    assert!(results.row(4)["step"].is_null());
    // and an import makes the missing parts again
    bench.import(&tray, &bench.path("c.jsonl")).expect(0);
    assert_eq!(tray.holds(), [4, 4, 4]);
}

#[test]
fn an_end_user_who_owns_anything_else_is_kept_and_named() {
    let (bench, tray) = (Bench::new(), Tray::new());
    imported(&bench, &tray, &synced_rows(3));
    let auth = authentication(&tray, &id_of(&tray, "c-1"), "their own");
    let other = authentication(&tray, &id_of(&tray, "c-2"), "their own");
    let running = instance(&tray, &id_of(&tray, "c-2"), "their own", &other, true);
    let done = taken_back(&bench, &tray).json(0);
    assert_eq!(tray.holds(), [2, 2, 1], "{done}");
    let kept = done["kept"].as_array().unwrap();
    let of = |user: &str| {
        kept.iter()
            .find(|note| note["externalUserId"] == user)
            .unwrap()
    };
    assert_eq!(kept.len(), 2, "{done}");
    assert_eq!(of("c-1")["code"], "not_ours");
    assert!(of("c-1")["why"].as_str().unwrap().contains(&auth));
    assert!(of("c-2")["why"].as_str().unwrap().contains(&running));
    let results = bench.results("r.jsonl");
    assert_eq!(results.row(1)["created"], serde_json::json!(["user"]));
    assert_eq!(results.row(1)["step"], "user");
    // once the strangers are gone, so are they
    tray.model(|model| {
        model.drop_authentication(&auth);
        model.drop_instance(&running);
        model.drop_authentication(&other)
    });
    taken_back(&bench, &tray).expect(0);
    all_gone(&bench, &tray);
}

#[test]
fn an_authentication_that_a_running_instance_of_others_uses_is_kept() {
    let (bench, tray) = (Bench::new(), Tray::new());
    imported(&bench, &tray, &[plain("c-1"), plain("c-2")]);
    let results = bench.results("r.jsonl");
    let ours = |row| {
        results.row(row)["authenticationId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    instance(&tray, &id_of(&tray, "c-1"), "running", &ours(1), true);
    instance(&tray, &id_of(&tray, "c-2"), "asleep", &ours(2), false);
    let done = taken_back(&bench, &tray).json(4);
    assert_eq!(tray.holds(), [2, 1, 2], "{done}");
    let codes: BTreeSet<_> = done["kept"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, BTreeSet::from(["in_use", "not_ours"]), "{done}");
    assert_eq!(bench.results("r.jsonl").row(1)["state"], "done");
}

#[test]
fn a_dry_run_changes_nothing_and_needs_no_token() {
    let (bench, tray) = (Bench::new(), Tray::new());
    imported(&bench, &tray, &mixed(14));
    let (holds, requests) = (tray.holds(), tray.requests());
    let file = fs::read(bench.path("r.jsonl")).unwrap();
    let [users, authentications, instances] = holds;
    let plan = bench
        .tool(&[
            "rollback",
            "r.jsonl",
            "--dry-run",
            "--endpoint",
            &tray.endpoint(),
        ])
        .json(0)["plan"]
        .clone();
    assert_eq!(plan["users"], users);
    assert_eq!(plan["authentications"], authentications);
    assert_eq!(plan["instances"], instances);
    assert_eq!(plan["callsTotal"], 3 * users + authentications + instances);
    rollback(&bench, &tray)
        .arg("--dry-run")
        .expect(0)
        .tells(&["This would be removed", "Nothing was changed"]);
    assert_eq!((tray.holds(), tray.requests()), (holds, requests));
    assert_eq!(fs::read(bench.path("r.jsonl")).unwrap(), file);
}

#[test]
fn without_a_terminal_it_wants_a_word() {
    let (bench, tray) = (Bench::new(), Tray::new());
    imported(&bench, &tray, &synced_rows(2));
    let requests = tray.requests();
    let file = fs::read(bench.path("r.jsonl")).unwrap();
    rollback(&bench, &tray)
        .expect(2)
        .says(&["no terminal to ask at", "--dry-run", "--yes"]);
    rollback(&bench, &tray).stdin("yes\n").expect(2);
    assert_eq!((tray.holds(), tray.requests()), ([2, 2, 2], requests));
    assert_eq!(fs::read(bench.path("r.jsonl")).unwrap(), file);
}

#[test]
fn the_wrong_results_or_token_remove_nothing() {
    let (bench, tray) = (Bench::new(), Tray::new());
    imported(&bench, &tray, &synced_rows(2));
    let other = Tray::new();
    taken_back(&bench, &other)
        .expect(2)
        .says(&["was made with", "ids of one mean nothing to the other"]);
    let file = fs::read(bench.path("r.jsonl")).unwrap();
    taken_back(&bench, &tray)
        .env("TRAY_MASTER_TOKEN", "wrong")
        .expect(5)
        .says(&["refused the master token"]);
    bench
        .tool(&[
            "rollback",
            "r.jsonl",
            "--yes",
            "--endpoint",
            &tray.endpoint(),
        ])
        .expect(2)
        .says(&["there is no master token"]);
    bench
        .tool(&["rollback", "none.jsonl", "--yes"])
        .tray(&tray)
        .expect(1);
    assert_eq!(tray.holds(), [2, 2, 2]);
    assert_eq!(fs::read(bench.path("r.jsonl")).unwrap(), file);
}

#[test]
fn a_rehearsal_has_nothing_to_take_back() {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &synced_rows(2));
    bench
        .tool(&[
            "import",
            "--sandbox",
            "--results",
            "r.jsonl",
            "--rate",
            "unlimited",
        ])
        .args(["--enable-delay", "0s", "--catalog"])
        .arg(sample("catalog"))
        .arg(input)
        .expect(0);
    bench
        .tool(&["rollback", "r.jsonl", "--yes"])
        .env("TRAY_MASTER_TOKEN", "t")
        .expect(2)
        .says(&["its sandbox is gone"]);
}

/// Whatever Tray does where nobody knows what it does.
#[test]
fn under_every_assumption_everything_is_gone() {
    type Change = fn(&mut tray_import::sandbox::Behaviour);
    let assumptions: [(&str, Change); 14] = [
        ("an enabled instance cannot be removed", |b| {
            b.remove_enabled_instances = false
        }),
        ("a used authentication cannot be removed", |b| {
            b.remove_used_authentications = false
        }),
        ("a user with things cannot be removed", |b| {
            b.remove_users_with_things = false
        }),
        ("authentications outlive their user", |b| {
            b.user_removal_takes_authentications = false
        }),
        ("the master token removes authentications", |b| {
            b.authentication_removal_token = RemovalToken::Master;
        }),
        ("the same, refused otherwise", |b| {
            b.authentication_removal_token = RemovalToken::Master;
            b.unauthorized_form = UnauthorizedForm::Graphql;
        }),
        ("either token does", |b| {
            b.authentication_removal_token = RemovalToken::Either
        }),
        ("the master token, and hidden ones are not listed", |b| {
            b.authentication_removal_token = RemovalToken::Master;
            b.hidden_listed = false;
        }),
        ("hidden ones are not listed", |b| b.hidden_listed = false),
        ("gone is done", |b| b.unknown_removal = UnknownRemoval::Done),
        ("gone is forbidden", |b| {
            b.unknown_removal = UnknownRemoval::Forbidden
        }),
        ("listings lag", |b| b.read_lag = Duration::from_millis(200)),
        ("tokens are used up", |b| b.user_token_uses = Some(2)),
        ("pages are small", |b| b.max_page_size = 1),
    ];
    for (name, change) in assumptions {
        let (bench, tray) = (Bench::new(), Tray::assuming(change));
        let rows = mixed(14);
        let input = bench.customers("c.jsonl", &rows);
        bench
            .import(&tray, &input)
            .args(["--settle", "300ms"])
            .expect(0);
        let done = taken_back(&bench, &tray).run();
        assert_eq!(done.code, Some(0), "{name}: {}", done.shown());
        assert_eq!(tray.holds(), [0, 0, 0], "{name}");
        all_gone(&bench, &tray);
    }
}

#[test]
fn every_fault_passes() {
    for kind in FaultKind::ALL {
        let bench = Bench::new();
        let tray = Tray::with(|setup| {
            setup.faults = Faults::scripted([
                ("removeSolutionInstance", 1, *kind),
                ("removeAuthentication", 2, *kind),
                ("removeExternalUser", 1, *kind),
            ]);
            setup.faults.hang_for = Duration::from_millis(100);
            setup.faults.late_by = Duration::from_millis(50);
        });
        imported(&bench, &tray, &synced_rows(3));
        let done = taken_back(&bench, &tray).args(["--timeout", "5s"]).run();
        assert_eq!(done.code, Some(0), "{}: {}", kind.name(), done.shown());
        tray.settled();
        all_gone(&bench, &tray);
        assert_eq!(
            tray.counters().faults.values().sum::<u64>(),
            3,
            "{}",
            kind.name()
        );
    }
}

#[test]
fn throttling_slows_it_down_and_nothing_more() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.limit = Some(Limit {
            per_second: 60.0,
            per_minute: None,
            ..Limit::DOCUMENTED
        });
    });
    imported(&bench, &tray, &synced_rows(30));
    let done = taken_back(&bench, &tray).json(0);
    assert!(done["throttled"].as_u64().unwrap() > 0, "{done}");
    all_gone(&bench, &tray);
}

/// Stops a rollback once Tray has executed so many calls of a kind.
fn stopped(
    bench: &Bench,
    tray: &Tray,
    operation: &str,
    calls: u64,
    signal: Option<&str>,
) -> Option<i32> {
    let mut run = taken_back(bench, tray).args(["--concurrency", "3"]).start();
    tray.wait_for(operation, |counters| counters.calls(operation) >= calls);
    match signal {
        Some(signal) => {
            run.signal(signal);
            run.wait().code
        }
        None if run.runs() => run.kill().code,
        None => run.wait().code,
    }
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    for (form, operation) in [
        (UnknownRemoval::NotFound, "removeSolutionInstance"),
        (UnknownRemoval::Done, "removeAuthentication"),
        (UnknownRemoval::NotFound, "removeAuthentication"),
        (UnknownRemoval::Forbidden, "removeExternalUser"),
        (UnknownRemoval::NotFound, "removeExternalUser"),
    ] {
        let bench = Bench::new();
        let tray = Tray::with(|setup| {
            setup.latency = Duration::from_millis(10);
            setup.behaviour.unknown_removal = form;
        });
        imported(&bench, &tray, &mixed(21));
        // on a busy machine a later one may end by itself before it is killed
        let kills = [1, 5, 9].map(|calls| stopped(&bench, &tray, operation, calls, None));
        assert_eq!(kills[0], None, "it ended by itself");
        taken_back(&bench, &tray).expect(0);
        all_gone(&bench, &tray);
    }
}

#[test]
fn an_interrupt_finishes_what_is_under_way() {
    for operation in [
        "removeSolutionInstance",
        "removeAuthentication",
        "removeExternalUser",
    ] {
        let bench = Bench::new();
        let tray = Tray::with(|setup| setup.latency = Duration::from_millis(20));
        imported(&bench, &tray, &synced_rows(30));
        assert_eq!(stopped(&bench, &tray, operation, 4, Some("INT")), Some(130));
        // whatever is gone is written down as gone
        let named: BTreeSet<String> = named(&bench.path("r.jsonl"));
        let stands = tray.model(|model| {
            let users = model.all_users().map(|user| user.id.clone());
            let authentications = model.all_authentications().map(|a| a.id.clone());
            let instances = model.all_instances().map(|i| i.id.clone());
            users
                .chain(authentications)
                .chain(instances)
                .collect::<BTreeSet<_>>()
        });
        assert_eq!(named, stands, "after {operation}");
        assert!(!stands.is_empty(), "it did not stop");
        let done = taken_back(&bench, &tray).json(0);
        assert_eq!(done["alreadyGone"]["users"], 0, "{done}");
        all_gone(&bench, &tray);
    }
}

/// Every id in the last lines of a results file.
fn named(path: &Path) -> BTreeSet<String> {
    let results = common::Results::read(path);
    let ids = results.last.values().flat_map(|line| {
        ["userId", "authenticationId", "instanceId"]
            .map(|key| line[key].as_str().map(str::to_owned))
    });
    ids.flatten().collect()
}

/// An import that is killed while a call hangs whose effect Tray has.
fn killed_import(rows: &[Value], operation: &str) -> (Bench, Tray) {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.faults = Faults::scripted([(operation, 1, FaultKind::HangAfter)]);
        setup.faults.hang_for = Duration::from_secs(600);
    });
    let input = bench.customers("c.jsonl", rows);
    let run = bench
        .import(&tray, &input)
        .args(["--timeout", "600s"])
        .start();
    // its effect is there, and only then counted
    tray.wait_for("the hanging call", |counters| {
        counters.calls(operation) >= 1
    });
    run.kill();
    assert_eq!(bench.results("r.jsonl").count("sent"), 1);
    (bench, tray)
}

#[test]
fn what_a_killed_import_left_open_is_found_by_its_rows_identity() {
    for (rows, operation) in [
        (vec![plain("c-1")], "createExternalUser"),
        (vec![plain("c-1")], "createUserAuthentication"),
        (vec![synced("c-1")], "createSolutionInstance"),
    ] {
        let (bench, tray) = killed_import(&rows, operation);
        let held: usize = tray.holds().iter().sum();
        let done = taken_back(&bench, &tray).json(0);
        let removed = done["removed"].as_object().unwrap().values();
        let removed: u64 = removed.map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(removed, held as u64, "{operation}: {done}");
        all_gone(&bench, &tray);
    }
}

#[test]
fn what_nobody_can_attribute_is_kept_and_named() {
    let (bench, tray) = killed_import(&[synced("c-1")], "createUserAuthentication");
    let done = taken_back(&bench, &tray).json(4);
    assert_eq!(tray.holds(), [1, 1, 0]);
    assert_eq!(done["kept"][0]["code"], "unsettled", "{done}");
    assert!(
        done["kept"][0]["why"]
            .as_str()
            .unwrap()
            .contains("call of row 1"),
        "{done}"
    );
    assert_eq!(bench.results("r.jsonl").count("sent"), 1);
    // the import finds out, and then it can be taken back
    bench
        .import(&tray, &bench.path("c.jsonl"))
        .args(["--settle", "5ms"])
        .expect(0);
    taken_back(&bench, &tray).expect(0);
    all_gone(&bench, &tray);
}

#[test]
fn a_call_that_did_nothing_leaves_nothing_to_take_back() {
    for operation in [
        "createExternalUser",
        "createUserAuthentication",
        "createSolutionInstance",
    ] {
        let bench = Bench::new();
        let tray = Tray::with(|setup| {
            setup.faults = Faults::scripted([(operation, 1, FaultKind::HangBefore)]);
            setup.faults.hang_for = Duration::from_secs(600);
        });
        let input = bench.customers("c.jsonl", &[synced("c-1")]);
        let run = bench
            .import(&tray, &input)
            .args(["--timeout", "600s"])
            .start();
        tray.wait_for("the hanging call", |c| c.faults.contains_key("hang_before"));
        run.kill();
        taken_back(&bench, &tray).expect(0);
        all_gone(&bench, &tray);
    }
}

#[test]
fn what_was_removed_by_hand_is_gone() {
    let (bench, tray) = (Bench::new(), Tray::new());
    imported(&bench, &tray, &synced_rows(4));
    let now: [String; 2] = tray.model(|model| {
        let id = |line: Option<&str>| line.unwrap().to_owned();
        [
            id(model.all_instances().next().map(|i| i.id.as_str())),
            id(model.all_authentications().nth(1).map(|a| a.id.as_str())),
        ]
    });
    let third = id_of(&tray, "c-3");
    tray.model(|model| {
        model.drop_instance(&now[0]);
        model.drop_authentication(&now[1]);
        let master = tray_import::sandbox::model::Caller::Master;
        model.remove_external_user(&master, &third).unwrap();
    });
    let done = taken_back(&bench, &tray).json(0);
    assert_eq!(done["alreadyGone"]["users"], 1, "{done}");
    assert_eq!(done["removed"]["users"], 3, "{done}");
    all_gone(&bench, &tray);
}

#[test]
fn a_list_that_was_cut_short_is_looked_at_again() {
    let (bench, tray) = (
        Bench::new(),
        Tray::assuming(|behaviour| behaviour.authentications_listed = Some(1)),
    );
    let [first, second] = pair("c-2");
    imported(&bench, &tray, &[plain("c-1"), first, second]);
    let id = id_of(&tray, "c-1");
    authentication(&tray, &id, "their own");
    authentication(&tray, &id, "another");
    let done = taken_back(&bench, &tray).json(0);
    assert_eq!(tray.holds(), [1, 2, 0], "{done}");
    assert_eq!(done["kept"][0]["code"], "not_ours", "{done}");
}

#[test]
fn a_full_disk_stops_it_and_it_goes_on() {
    let (bench, tray) = (Bench::new(), Tray::new());
    imported(&bench, &tray, &synced_rows(20));
    let size = fs::metadata(bench.path("r.jsonl")).unwrap().len();
    let blocks = u32::try_from(size.div_ceil(512)).unwrap();
    taken_back(&bench, &tray)
        .args(["--concurrency", "1"])
        .largest_file(blocks)
        .expect(1)
        .says(&["cannot be written"]);
    assert_ne!(tray.holds(), [0, 0, 0], "it did not stop");
    taken_back(&bench, &tray).expect(0);
    all_gone(&bench, &tray);
}
