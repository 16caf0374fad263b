//! The sandbox over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tray_import::sandbox::behaviour::{
    Introspection, Presence, ThrottleForm, UnauthorizedForm, ValidationStatus,
};
use tray_import::sandbox::{Behaviour, FaultKind, Faults, Limit, Platform, Running, Setup, start};

const MASTER: &str = "the-master-token";
const PASSWORD: &str = "correct-horse";

const CREATE_USER: &str =
    "mutation($input: CreateExternalUserInput!){ createExternalUser(input:$input){ userId } }";
const AUTHORIZE: &str =
    "mutation($userId: ID!){ authorize(input:{userId:$userId}){ accessToken } }";
const CREATE_AUTHENTICATION: &str = "mutation($input: CreateUserAuthenticationInput!){ createUserAuthentication(input:$input){ authenticationId } }";
const CREATE_INSTANCE: &str = "mutation($input: CreateSolutionInstanceInput!){ createSolutionInstance(input:$input){
    solutionInstance{ id name enabled created authValues{externalId authId} configValues{externalId value} } } }";
const UPDATE_INSTANCE: &str = "mutation($input: UpdateSolutionInstanceInput!){
    updateSolutionInstance(input:$input){ solutionInstance{ id enabled } } }";
const USERS: &str = "query($e: String){ users(criteria:{externalUserId:$e}){
    edges{ node{ id name externalUserId } cursor } pageInfo{ hasNextPage endCursor } } }";

fn platform() -> Platform {
    Platform {
        connectors: serde_json::from_value(json!([
            { "name": "sqs", "version": "2.1", "service": { "id": "service", "name": "sqs", "version": 1 } },
        ]))
        .unwrap(),
        environments: serde_json::from_value(json!({ "service": [{ "id": "environment", "title": "Production" }] }))
            .unwrap(),
        solutions: serde_json::from_value(json!([{
            "id": "solution",
            "title": "Solution",
            "authSlots": [{ "externalId": "external_sqs", "title": "SQS" }],
            "configSlots": [{ "externalId": "external_email", "title": "Email" }],
        }]))
        .unwrap(),
    }
}

/// A running sandbox and a client of it.
struct Sandbox {
    running: Running,
    client: Client,
}

impl Sandbox {
    async fn new(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::new(MASTER, platform());
        change(&mut setup);
        Self {
            running: start(setup).await.unwrap(),
            client: Client::builder()
                .retry(reqwest::retry::never())
                .build()
                .unwrap(),
        }
    }

    fn post(&self, token: &str, query: &str, variables: Value) -> RequestBuilder {
        let body = json!({ "query": query, "variables": variables });
        self.client
            .post(self.running.graphql_url())
            .bearer_auth(token)
            .json(&body)
    }

    /// Status and body of one request.
    async fn ask(&self, token: &str, query: &str, variables: Value) -> (u16, Value) {
        let response = self.post(token, query, variables).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The data of one request that succeeds.
    async fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let (status, body) = self.ask(token, query, variables).await;
        assert_eq!(status, 200, "{body}");
        assert!(body.get("errors").is_none(), "{body}");
        body["data"].clone()
    }

    async fn create_user(&self, external_user_id: &str) -> String {
        let data = self.data(MASTER, CREATE_USER, user(external_user_id)).await;
        text(&data["createExternalUser"]["userId"])
    }

    /// A new user's token.
    async fn user_token(&self, external_user_id: &str) -> String {
        let id = self.create_user(external_user_id).await;
        text(
            &self.data(MASTER, AUTHORIZE, json!({ "userId": id })).await["authorize"]["accessToken"],
        )
    }

    fn users(&self) -> usize {
        self.running.model().lock().all_users().count()
    }

    async fn admin_state(&self) -> Value {
        self.client
            .get(self.running.url() + "/admin/state")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

fn user(external_user_id: &str) -> Value {
    json!({ "input": { "name": "Dwight", "externalUserId": external_user_id } })
}

fn authentication() -> Value {
    json!({ "input": {
        "name": "sqs c-1",
        "serviceId": "service",
        "serviceEnvironmentId": "environment",
        "data": json!({ "password": PASSWORD, "port": 5 }).to_string(),
        "formData": "{\"region\":\"us\"}",
        "scopes": [],
    } })
}

#[tokio::test]
async fn a_customer_is_imported_in_five_steps() {
    let sandbox = Sandbox::new(|_| {}).await;
    let user_id = sandbox.create_user("c-1").await;
    let token = sandbox
        .data(MASTER, AUTHORIZE, json!({ "userId": user_id }))
        .await;
    let token = text(&token["authorize"]["accessToken"]);
    let created = sandbox
        .data(&token, CREATE_AUTHENTICATION, authentication())
        .await;
    let auth_id = text(&created["createUserAuthentication"]["authenticationId"]);
    let input = json!({ "input": {
        "solutionId": "solution",
        "instanceName": "Dwight's",
        "authValues": [{ "externalId": "external_sqs", "authId": auth_id }],
        "configValues": [{ "externalId": "external_email", "value": "\"me@example.com\"" }],
    } });
    let instance = sandbox.data(&token, CREATE_INSTANCE, input).await["createSolutionInstance"]["solutionInstance"].clone();
    assert_eq!(instance["enabled"], false);
    assert_eq!(instance["configValues"][0]["value"], "\"me@example.com\"");
    assert!(text(&instance["created"]).ends_with('Z'));
    let input = json!({ "input": {
        "solutionInstanceId": instance["id"], "enabled": true, "errorOnEnablingWithMissingValues": true,
    } });
    let enabled = sandbox.data(&token, UPDATE_INSTANCE, input).await;
    assert_eq!(
        enabled["updateSolutionInstance"]["solutionInstance"]["enabled"],
        true
    );

    let listing = "{ viewer {
        authentications { edges { node { id name service { id name version } serviceEnvironment { id title } } } pageInfo { hasNextPage } }
        solutionInstances(first: 100) { totalCount edges { node { id owner solution { title } } cursor } pageInfo { hasNextPage } }
        details { username }
    } }";
    let viewer = sandbox.data(&token, listing, Value::Null).await["viewer"].clone();
    assert_eq!(viewer["authentications"]["edges"][0]["node"]["id"], auth_id);
    assert_eq!(
        viewer["authentications"]["edges"][0]["node"]["service"]["version"],
        "1"
    );
    assert_eq!(viewer["solutionInstances"]["totalCount"], 1);
    assert_eq!(
        viewer["solutionInstances"]["edges"][0]["node"]["owner"],
        user_id
    );
    assert_eq!(viewer["details"]["username"], "c-1");
    let found = sandbox.data(MASTER, USERS, json!({ "e": "c-1" })).await;
    assert_eq!(found["users"]["edges"][0]["node"]["id"], user_id);

    // The state shows all of it, and no secret.
    let state = sandbox.admin_state().await;
    assert_eq!(
        state["authentications"][0]["dataKeys"],
        json!(["password", "port"])
    );
    assert_eq!(state["counters"]["calls"]["createUserAuthentication"], 1);
    let shown = state.to_string();
    for secret in [PASSWORD, MASTER, &token] {
        assert!(!shown.contains(secret));
    }
    let compare = async |body: Value| {
        let url = sandbox.running.url() + "/admin/compare";
        let answer: Value = sandbox
            .client
            .post(url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["equal"].clone()
    };
    let data = json!({ "port": 5, "password": PASSWORD });
    let form_data = json!({ "region": "us" });
    assert_eq!(
        compare(json!({ "authenticationId": auth_id, "data": data, "formData": form_data })).await,
        true
    );
    assert_eq!(
        compare(json!({ "authenticationId": auth_id, "data": data })).await,
        false
    );
    let other = json!({ "port": 5, "password": "other" });
    assert_eq!(
        compare(json!({ "authenticationId": auth_id, "data": other, "formData": form_data })).await,
        false
    );
    sandbox.running.stop().await;
}

#[tokio::test]
async fn the_platform_api_lists_connectors_and_environments() {
    let sandbox = Sandbox::new(|_| {}).await;
    let get = async |path: &str, token: Option<&str>| {
        let mut request = sandbox.client.get(sandbox.running.url() + path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        (
            response.status().as_u16(),
            response.json::<Value>().await.unwrap(),
        )
    };
    let (status, connectors) = get("/core/v1/connectors", Some(MASTER)).await;
    assert_eq!(
        (status, &connectors["elements"][0]["service"]["id"]),
        (200, &json!("service"))
    );
    let (status, environments) = get(
        "/core/v1/services/sqs/versions/1/environments",
        Some(MASTER),
    )
    .await;
    assert_eq!(
        (status, &environments["elements"][0]["authenticationType"]),
        (200, &json!("token"))
    );
    assert_eq!(
        get(
            "/core/v1/services/sqs/versions/2/environments",
            Some(MASTER)
        )
        .await
        .0,
        404
    );
    assert_eq!(
        get("/core/v1/connectors", None).await,
        (401, json!({ "message": "The request is unauthorized" }))
    );
    assert_eq!(get("/core/v1/connectors", Some("wrong")).await.0, 403);
}

#[tokio::test]
async fn each_operation_wants_its_own_kind_of_token() {
    let sandbox = Sandbox::new(|_| {}).await;
    let token = sandbox.user_token("c-1").await;
    let denied = (
        403,
        json!({ "message": "User is not authorized to access this resource with an explicit deny" }),
    );
    assert_eq!(sandbox.ask("wrong", USERS, json!({})).await, denied);
    assert_eq!(sandbox.ask(&token, USERS, json!({})).await, denied);
    let create = json!({ "input": { "solutionId": "solution", "instanceName": "i" } });
    assert_eq!(sandbox.ask(MASTER, CREATE_INSTANCE, create).await, denied);
    let request = sandbox
        .client
        .post(sandbox.running.graphql_url())
        .json(&json!({ "query": USERS }));
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!({ "message": "Unauthorized" })
    );
    assert_eq!(sandbox.running.counters().unauthorized, 4);

    let sandbox =
        Sandbox::new(|setup| setup.behaviour.unauthorized_form = UnauthorizedForm::Graphql).await;
    let (status, body) = sandbox.ask("wrong", USERS, json!({})).await;
    assert_eq!((status, &body["data"]), (200, &Value::Null));
    assert_eq!(body["errors"][0]["path"], json!(["users"]));
}

#[tokio::test]
async fn one_failing_alias_loses_the_others_answers_but_not_their_effects() {
    let sandbox = Sandbox::new(|setup| setup.behaviour.unique_external_ids = true).await;
    let twice = "mutation {
        a: createExternalUser(input: {name: \"n\", externalUserId: \"c-1\"}) { userId }
        b: createExternalUser(input: {name: \"n\", externalUserId: \"c-1\"}) { userId }
    }";
    let (status, body) = sandbox.ask(MASTER, twice, Value::Null).await;
    assert_eq!((status, &body["data"]), (200, &Value::Null));
    assert_eq!(body["errors"][0]["path"], json!(["b"]));
    assert_eq!(body["errors"][0]["extensions"]["code"], "already_exists");
    assert_eq!(sandbox.users(), 1);
}

#[tokio::test]
async fn the_throttled_answer_takes_each_of_its_forms() {
    for throttle_form in [
        ThrottleForm::Graphql200,
        ThrottleForm::Http429,
        ThrottleForm::Mixed,
    ] {
        let sandbox = Sandbox::new(|setup| {
            setup.limit = Some(Limit {
                per_second: 0.001,
                burst: 1,
                per_minute: None,
            });
            setup.behaviour.throttle_form = throttle_form;
            setup.behaviour.retry_after = Some(7);
        })
        .await;
        sandbox.create_user("c-1").await;
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let response = sandbox
                .post(MASTER, CREATE_USER, user("c-2"))
                .send()
                .await
                .unwrap();
            assert_eq!(response.headers()["retry-after"], "7");
            let status = response.status().as_u16();
            let body: Value = response.json().await.unwrap();
            if status == 200 {
                assert_eq!(body["errors"][0]["message"], "Rate limit exceeded");
                assert_eq!(body["errors"][0]["path"], json!(["createExternalUser"]));
                assert_eq!(
                    body["errors"][0]["locations"],
                    json!([{ "line": 1, "column": 45 }])
                );
                assert_eq!(
                    body["errors"][0]["extensions"]["code"],
                    "access_not_allowed"
                );
            }
            statuses.push(status);
        }
        let expected = match throttle_form {
            ThrottleForm::Graphql200 => [200, 200],
            ThrottleForm::Http429 => [429, 429],
            ThrottleForm::Mixed => [200, 429],
        };
        assert_eq!(statuses, expected);
        assert_eq!(sandbox.users(), 1);
        assert_eq!(sandbox.running.counters().throttled(), 2);
    }
}

/// What a client sees of a fault.
#[derive(Debug, PartialEq)]
enum Seen {
    Status(u16),
    NotJson,
    NoResponse,
    HalfABody,
    TimedOut,
}

#[tokio::test]
async fn every_fault_shows_and_executes_as_it_says() {
    let expected = |kind| match kind {
        FaultKind::DropBefore => (Seen::NoResponse, 0),
        FaultKind::DropAfter => (Seen::NoResponse, 1),
        FaultKind::Status500Before => (Seen::Status(500), 0),
        FaultKind::Status500After => (Seen::Status(500), 1),
        FaultKind::Status502Before => (Seen::Status(502), 0),
        FaultKind::Status502After => (Seen::Status(502), 1),
        FaultKind::Status504Before => (Seen::Status(504), 0),
        FaultKind::Status504After | FaultKind::LateCommit => (Seen::Status(504), 1),
        FaultKind::HangBefore => (Seen::TimedOut, 0),
        FaultKind::HangAfter => (Seen::TimedOut, 1),
        FaultKind::Truncated => (Seen::HalfABody, 1),
        FaultKind::Garbage => (Seen::NotJson, 1),
        FaultKind::Throttle => (Seen::Status(200), 0),
    };
    for &kind in FaultKind::ALL {
        let sandbox = Sandbox::new(|setup| {
            setup.faults = Faults::scripted([("createExternalUser", 2, kind)]);
            setup.faults.late_by = Duration::from_millis(50);
        })
        .await;
        sandbox.create_user("c-1").await;
        let request = sandbox
            .post(MASTER, CREATE_USER, user("c-2"))
            .timeout(Duration::from_millis(500));
        let seen = match request.send().await {
            Err(error) if error.is_timeout() => Seen::TimedOut,
            Err(_) => Seen::NoResponse,
            Ok(response) => {
                let status = response.status().as_u16();
                match response.bytes().await {
                    Err(_) => Seen::HalfABody,
                    Ok(body) if serde_json::from_slice::<Value>(&body).is_err() => Seen::NotJson,
                    Ok(_) => Seen::Status(status),
                }
            }
        };
        if kind == FaultKind::LateCommit {
            assert_eq!(sandbox.users(), 1, "it comes late");
            sandbox.running.settled().await;
        }
        let outcome = (seen, sandbox.users() - 1);
        assert_eq!(outcome, expected(kind), "{}", kind.name());
        assert_eq!(sandbox.running.counters().faults[kind.name()], 1);
        sandbox.create_user("c-3").await;
    }
}

#[tokio::test]
async fn what_is_absent_cannot_be_selected_sent_or_seen() {
    let probe = "{ solution: __type(name: \"Solution\") { fields { name } }
        slot: __type(name: \"AuthSlot\") { name }
        input: __type(name: \"CreateExternalUserInput\") { fields: inputFields { called: name } } }";
    let select = "{ viewer { solutions { edges { node { id ...slots } } } } } fragment slots on Solution { authSlots { externalId } }";
    let test_user =
        json!({ "input": { "name": "n", "externalUserId": "c-1", "isTestUser": true } });

    let sandbox = Sandbox::new(|_| {}).await;
    let shown = sandbox.data(MASTER, probe, Value::Null).await.to_string();
    assert!(
        shown.contains("authSlots") && shown.contains("isTestUser") && shown.contains("AuthSlot")
    );
    let slots = sandbox.data(MASTER, select, Value::Null).await;
    assert_eq!(
        slots["viewer"]["solutions"]["edges"][0]["node"]["authSlots"][0]["externalId"],
        "external_sqs"
    );
    sandbox.data(MASTER, CREATE_USER, test_user.clone()).await;

    let sandbox = Sandbox::new(|setup| {
        setup.behaviour.auth_slots = Presence::Absent;
        setup.behaviour.test_user_field = Presence::Absent;
        setup.behaviour.validation_status = ValidationStatus::Bad400;
    })
    .await;
    let shown = sandbox.data(MASTER, probe, Value::Null).await;
    assert_eq!(shown["slot"], Value::Null);
    assert!(!shown.to_string().contains("authSlots") && !shown.to_string().contains("isTestUser"));
    assert!(
        shown.to_string().contains("configSlots") && shown.to_string().contains("externalUserId")
    );
    for (query, variables) in [
        (select, Value::Null),
        (CREATE_USER, test_user),
        ("{ nonsense }", Value::Null),
    ] {
        let (status, body) = sandbox.ask(MASTER, query, variables).await;
        assert_eq!((status, body.get("data")), (400, None), "{body}");
    }
    assert_eq!(sandbox.users(), 0);
}

#[tokio::test]
async fn introspection_can_be_refused() {
    let sandbox =
        Sandbox::new(|setup| setup.behaviour.introspection = Introspection::Refused).await;
    let (status, body) = sandbox
        .ask(MASTER, "{ __schema { queryType { name } } }", Value::Null)
        .await;
    assert_eq!((status, body.get("data")), (200, None));
    sandbox
        .data(
            MASTER,
            "{ __typename viewer { details { name } } }",
            Value::Null,
        )
        .await;
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let mut setup = Setup::new(MASTER, Platform::default());
    setup.listen = "0.0.0.0:0".parse().unwrap();
    assert!(!format!("{setup:?}").contains(MASTER));
    let error = start(setup).await.unwrap_err();
    assert!(error.to_string().contains("loopback"));
}

#[tokio::test]
async fn expired_user_tokens_are_refused_until_renewed() {
    let behaviour = Behaviour {
        user_token_uses: Some(1),
        ..Behaviour::default()
    };
    let sandbox = Sandbox::new(|setup| setup.behaviour = behaviour).await;
    let token = sandbox.user_token("c-1").await;
    let details = "{ viewer { details { name } } }";
    sandbox.data(&token, details, Value::Null).await;
    assert_eq!(sandbox.ask(&token, details, Value::Null).await.0, 403);
}
