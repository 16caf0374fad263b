//! Every GraphQL document that the tool sends, against the schema that Tray has published.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use common::{MASTER, Tray};
use graphql_tools::parser::{parse_query, parse_schema};
use graphql_tools::static_graphql::{query, schema};
use graphql_tools::validation::rules::default_rules_validation_plan;
use graphql_tools::validation::validate::validate;
use serde_json::{Value, json};
use tray_import::sandbox::behaviour::{Introspection, Presence};
use tray_import::tray::operations::{self, Operation};

/// What Tray's documentation shows beyond the schema it has published, and the tool therefore does without.
const BEYOND: &str = "type AuthSlot { externalId: String title: String }";

/// GraphQL's own scalars, which the validator wants to be told of.
const BUILT_IN: &str = "scalar Int scalar Float scalar String scalar Boolean scalar ID ";

/// The published schema; with auth slots where a document names them.
fn tray_schema(auth_slots: bool) -> schema::Document {
    let mut sdl = BUILT_IN.to_owned() + include_str!("tray.graphql");
    if auth_slots {
        assert!(sdl.contains("type Solution "), "where auth slots belong");
        let solution = sdl.find("type Solution ").unwrap();
        let brace = solution + sdl[solution..].find('{').unwrap() + 1;
        sdl.insert_str(brace, " authSlots: [AuthSlot] ");
        sdl += BEYOND;
    }
    parse_schema(&sdl).unwrap().into_static()
}

fn errors(schema: &schema::Document, document: &str) -> Vec<String> {
    let document: query::Document = parse_query(document).unwrap().into_static();
    let found = validate(schema, &document, &default_rules_validation_plan());
    found.into_iter().map(|error| error.message).collect()
}

/// Documents that the published schema alone cannot judge: auth slots are documented only.
fn names_auth_slots(operation: &Operation) -> bool {
    operation.document.contains("authSlots")
}

#[test]
fn every_document_is_valid() {
    for operation in operations::ALL {
        if operation.name == "introspection" {
            // `__type` is GraphQL's own and in no schema; the sandbox judges it, below
            continue;
        }
        let schema = tray_schema(names_auth_slots(operation));
        let errors = errors(&schema, operation.document);
        assert!(errors.is_empty(), "{}: {errors:#?}", operation.name);
    }
    let beyond: Vec<_> = operations::ALL
        .into_iter()
        .filter(|operation| names_auth_slots(operation))
        .collect();
    assert_eq!(
        beyond,
        [&operations::SOLUTIONS],
        "others need no more than is published"
    );
}

#[test]
fn the_validator_sees_mistakes() {
    let schema = tray_schema(false);
    for document in [
        "query { viewer { nothing } }",
        "query($first: String) { users(first: $first) { edges { cursor } } }",
        "mutation($input: AuthorizeInput) { authorize(input: $input) { accessToken } }",
        "query($unused: Int) { viewer { authentications { pageInfo { hasNextPage } } } }",
        operations::SOLUTIONS.document,
    ] {
        assert!(!errors(&schema, document).is_empty(), "{document}");
    }
}

#[test]
fn every_document_names_its_root_field() {
    for operation in operations::ALL {
        let root = operation.name.split('.').next().unwrap();
        let known = root == "introspection" || operation.document.contains(&format!("{{ {root}"));
        assert!(known, "{}: {}", operation.name, operation.document);
        let mutates = operation.document.starts_with("mutation");
        let creates = operation.name.starts_with("create");
        assert_eq!(creates, !operation.repeatable(), "{}", operation.name);
        assert!(!creates || mutates, "{}", operation.name);
        // where the new id stands is what the document asks for
        if let Some(path) = operation.new_id {
            let named = path.iter().all(|name| operation.document.contains(name));
            assert!(named && path[0] == operation.name, "{path:?}");
        }
    }
}

/// Sends a document with variables that fit its types; the answer's errors.
fn errors_of_sandbox(tray: &Tray, operation: &Operation, token: &str) -> Value {
    let input = match operation.name {
        "createExternalUser" => json!({ "name": "n", "externalUserId": "e" }),
        "authorize" => json!({ "userId": "u" }),
        "createUserAuthentication" => json!({
            "name": "n", "serviceId": "s", "serviceEnvironmentId": "e", "data": "{}", "scopes": [],
        }),
        "createSolutionInstance" => json!({ "solutionId": "s", "instanceName": "n" }),
        "updateSolutionInstance" | "removeSolutionInstance" => json!({ "solutionInstanceId": "s" }),
        "removeAuthentication" => json!({ "authenticationId": "a" }),
        "removeExternalUser" => json!({ "userId": "u" }),
        _ => Value::Null,
    };
    let body = json!({ "query": operation.document, "variables": { "input": input } });
    let client = reqwest::Client::new();
    let answer: Value = tray.block_on(async {
        let request = client.post(tray.endpoint()).bearer_auth(token).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    });
    answer["errors"].clone()
}

#[test]
fn the_sandbox_takes_every_document() {
    let tray = Tray::new();
    let user = tray.model(|model| {
        let new = tray_import::sandbox::model::NewUser::default();
        let id = model.seed_user(std::time::Duration::ZERO, new);
        let caller = tray_import::sandbox::model::Caller::Master;
        model
            .authorize(std::time::Duration::ZERO, &caller, &id)
            .unwrap()
    });
    for operation in operations::ALL {
        let instance = operation.name.contains("SolutionInstance");
        let token = if instance { user.as_str() } else { MASTER };
        let errors = errors_of_sandbox(&tray, operation, token);
        // it may say that there is no such thing, but not that the document is wrong
        let text = errors.to_string();
        assert_eq!(tray.counters().invalid, 0, "{}: {text}", operation.name);
        assert!(
            !text.contains("explicit deny"),
            "{}: {text}",
            operation.name
        );
    }
}

#[test]
fn only_what_the_tool_does_without_fails_on_the_published_schema_alone() {
    let tray = Tray::assuming(|behaviour| {
        behaviour.auth_slots = Presence::Absent;
        behaviour.test_user_field = Presence::Absent;
        behaviour.introspection = Introspection::Refused;
    });
    let mut failing = Vec::new();
    for operation in operations::ALL {
        let before = tray.counters().invalid;
        errors_of_sandbox(&tray, operation, MASTER);
        if tray.counters().invalid > before {
            failing.push(operation.name);
        }
    }
    assert_eq!(failing, ["viewer.solutions", "introspection"]);
}
