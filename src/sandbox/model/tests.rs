//! The rules of the model, without a network.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::sandbox::behaviour::UpdateValues;

mod listings;

const START: Duration = Duration::ZERO;

fn platform() -> Platform {
    let service = |id: &str| json!({ "id": id, "name": id, "version": 1 });
    let connector = |id: &str| json!({ "name": id, "version": "1.0", "service": service(id) });
    let environment = |id: &str| json!([{ "id": id, "title": "Production" }]);
    Platform {
        connectors: serde_json::from_value(json!([connector("sqs"), connector("slack")])).unwrap(),
        environments: serde_json::from_value(
            json!({ "sqs": environment("sqs-env"), "slack": environment("slack-env") }),
        )
        .unwrap(),
        solutions: serde_json::from_value(json!([{
            "id": "solution",
            "title": "Solution",
            "authSlots": [
                { "externalId": "external_sqs", "title": "SQS" },
                { "externalId": "external_slack", "title": "Slack" },
            ],
            "configSlots": [
                { "externalId": "external_email", "title": "Email", "defaultValue": "a@b.c" },
                { "externalId": "external_limit", "title": "Limit", "defaultValue": 10 },
            ],
        }]))
        .unwrap(),
    }
}

fn model(behaviour: Behaviour) -> Model {
    Model::new(platform(), behaviour, "master", 1)
}

fn new_user(external_user_id: &str) -> NewUser {
    NewUser {
        name: external_user_id.into(),
        external_user_id: external_user_id.into(),
        is_test_user: false,
    }
}

fn new_authentication(name: &str) -> NewAuthentication {
    NewAuthentication {
        name: name.into(),
        service_id: "sqs".into(),
        environment_id: "sqs-env".into(),
        data: r#"{"key":"k"}"#.into(),
        form_data: None,
        scopes: Vec::new(),
        hidden: false,
    }
}

fn auth_value(slot: &str, auth_id: &str) -> AuthValue {
    AuthValue {
        external_id: slot.into(),
        auth_id: auth_id.into(),
    }
}

fn config_value(slot: &str, value: &str) -> NewConfigValue {
    NewConfigValue {
        external_id: slot.into(),
        value: Some(value.into()),
    }
}

fn new_instance(auth_values: Vec<AuthValue>, config_values: Vec<NewConfigValue>) -> NewInstance {
    NewInstance {
        solution_id: "solution".into(),
        name: "instance".into(),
        auth_values,
        config_values,
    }
}

/// A user and the caller with their token.
fn user(model: &mut Model, external_user_id: &str) -> Caller {
    let id = model
        .create_external_user(START, &Caller::Master, new_user(external_user_id))
        .unwrap();
    let token = model.authorize(START, &Caller::Master, &id).unwrap();
    assert_eq!(token.len(), 64);
    model.authenticate(START, &token).unwrap()
}

#[test]
fn one_seed_gives_one_world() {
    let run = |seed| {
        let mut model = Model::new(platform(), Behaviour::default(), "master", seed);
        let id = model
            .create_external_user(START, &Caller::Master, new_user("c-1"))
            .unwrap();
        (
            id.clone(),
            model.authorize(START, &Caller::Master, &id).unwrap(),
        )
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert_eq!(run(1).0.len(), 36);
}

#[test]
fn slots_are_checked_to_the_letter() {
    let mut model = model(Behaviour::default());
    let (caller, other) = (user(&mut model, "c-1"), user(&mut model, "c-2"));
    let own = model
        .create_user_authentication(START, &caller, new_authentication("a"))
        .unwrap();
    let foreign = model
        .create_user_authentication(START, &other, new_authentication("a"))
        .unwrap();
    let mut create = |auth_values, config_values| {
        let new = new_instance(auth_values, config_values);
        model
            .create_solution_instance(START, &caller, new)
            .map(|instance| instance.enabled)
    };

    let unknown = Err(Refusal::UnknownSlot("External_sqs".into()));
    assert_eq!(
        create(vec![auth_value("External_sqs", &own)], vec![]),
        unknown
    );
    let unknown = Err(Refusal::UnknownSlot("external_sqs".into()));
    assert_eq!(
        create(vec![], vec![config_value("external_sqs", "1")]),
        unknown
    );
    let twice = Err(Refusal::RepeatedSlot("external_sqs".into()));
    assert_eq!(
        create(
            vec![
                auth_value("external_sqs", &own),
                auth_value("external_sqs", &own)
            ],
            vec![]
        ),
        twice
    );
    let not_found = Err(Refusal::NotFound("Authentication", foreign.clone()));
    assert_eq!(
        create(vec![auth_value("external_sqs", &foreign)], vec![]),
        not_found
    );
    let bare = Err(Refusal::NotJson("configValues"));
    assert_eq!(
        create(
            vec![],
            vec![config_value("external_email", "me@example.com")]
        ),
        bare
    );
    let good = create(
        vec![auth_value("external_sqs", &own)],
        vec![config_value("external_limit", "7")],
    );
    assert_eq!(good, Ok(false));
}

#[test]
fn enabling_wants_every_auth_slot_where_asked_to() {
    let mut model = model(Behaviour {
        enable_needs_delay: Some(Duration::from_secs(2)),
        ..Behaviour::default()
    });
    let caller = user(&mut model, "c-1");
    let auth = model
        .create_user_authentication(START, &caller, new_authentication("a"))
        .unwrap();
    let new = new_instance(vec![auth_value("external_sqs", &auth)], vec![]);
    let id = model
        .create_solution_instance(START, &caller, new)
        .unwrap()
        .id
        .clone();
    let enable = |error_on_missing_values| InstanceChanges {
        enabled: Some(true),
        error_on_missing_values,
        ..InstanceChanges::default()
    };
    let later = Duration::from_secs(2);

    let early = model.update_solution_instance(Duration::from_secs(1), &caller, &id, enable(false));
    assert_eq!(early.unwrap_err(), Refusal::TooSoon);
    let missing = model.update_solution_instance(later, &caller, &id, enable(true));
    assert_eq!(
        missing.unwrap_err(),
        Refusal::MissingValues(vec!["external_slack".into()])
    );
    assert!(
        model
            .update_solution_instance(later, &caller, &id, enable(false))
            .unwrap()
            .enabled
    );
}

#[test]
fn supplied_values_merge_or_replace() {
    for (update_values, left) in [(UpdateValues::Merge, 2), (UpdateValues::Replace, 1)] {
        let mut model = model(Behaviour {
            update_values,
            ..Behaviour::default()
        });
        let caller = user(&mut model, "c-1");
        let new = new_instance(
            vec![],
            vec![
                config_value("external_email", "\"a\""),
                config_value("external_limit", "1"),
            ],
        );
        let id = model
            .create_solution_instance(START, &caller, new)
            .unwrap()
            .id
            .clone();
        let changes = InstanceChanges {
            config_values: Some(vec![config_value("external_limit", "2")]),
            ..InstanceChanges::default()
        };
        let instance = model
            .update_solution_instance(START, &caller, &id, changes)
            .unwrap();
        assert_eq!(instance.config_values.len(), left);
        let limit = instance
            .config_values
            .iter()
            .find(|value| value.external_id == "external_limit");
        assert_eq!(limit.unwrap().value, "2");
    }
}

#[test]
fn tokens_end_by_uses_age_and_removal() {
    let mut model = model(Behaviour {
        user_token_uses: Some(2),
        user_token_lifetime: Duration::from_secs(10),
        ..Behaviour::default()
    });
    let id = model
        .create_external_user(START, &Caller::Master, new_user("c-1"))
        .unwrap();
    let token = model.authorize(START, &Caller::Master, &id).unwrap();
    assert!(model.authenticate(START, &token).is_ok());
    assert!(model.authenticate(START, &token).is_ok());
    assert_eq!(model.authenticate(START, &token), Err(Refusal::Forbidden));
    let token = model.authorize(START, &Caller::Master, &id).unwrap();
    assert_eq!(
        model.authenticate(Duration::from_secs(10), &token),
        Err(Refusal::Forbidden)
    );
    let token = model.authorize(START, &Caller::Master, &id).unwrap();
    model.remove_external_user(&Caller::Master, &id).unwrap();
    assert_eq!(model.authenticate(START, &token), Err(Refusal::Forbidden));
}

#[test]
fn a_token_of_the_wrong_kind_reaches_the_wrong_account_or_nothing() {
    let mut model = model(Behaviour::default());
    let caller = user(&mut model, "c-1");
    assert_eq!(
        model.create_external_user(START, &caller, new_user("c-2")),
        Err(Refusal::Forbidden)
    );
    let instance =
        model.create_solution_instance(START, &Caller::Master, new_instance(vec![], vec![]));
    assert_eq!(instance.unwrap_err(), Refusal::Forbidden);

    let misplaced = model
        .create_user_authentication(START, &Caller::Master, new_authentication("a"))
        .unwrap();
    assert_eq!(model.authentication(&misplaced).unwrap().owner, None);
    assert!(model.list_authentications(START, &caller).items.is_empty());
    assert_eq!(
        model
            .list_authentications(START, &Caller::Master)
            .items
            .len(),
        1
    );

    model
        .create_solution_instance(START, &caller, new_instance(vec![], vec![]))
        .unwrap();
    let criteria = InstanceCriteria::default();
    let master = model
        .list_instances(START, &Caller::Master, &criteria, &Paging::default())
        .unwrap();
    assert_eq!((master.0.items.len(), master.1), (0, 0));
}

#[test]
fn refusals_and_debug_output_keep_credentials_unless_told_to_echo() {
    for error_echoes_input in [false, true] {
        let mut model = model(Behaviour {
            error_echoes_input,
            ..Behaviour::default()
        });
        let caller = user(&mut model, "c-1");
        let mut new = new_authentication("a");
        new.data = "hunter2".into();
        let refusal = model
            .create_user_authentication(START, &caller, new.clone())
            .unwrap_err();
        assert_eq!(refusal.to_string().contains("hunter2"), error_echoes_input);
        assert!(!format!("{refusal:?} {new:?}").contains("hunter2"));
        new.data = r#"{"password":"hunter2"}"#.into();
        let id = model
            .create_user_authentication(START, &caller, new)
            .unwrap();
        assert!(!format!("{model:?}").contains("hunter2"));
        assert!(
            model
                .authentication(&id)
                .unwrap()
                .data
                .expose()
                .contains("hunter2")
        );
    }
}
