//! The bodies of answers, as GraphQL and the gateway before it write them.

use std::time::Duration;

use serde_json::{Value, json};
use tray_import::sandbox::Behaviour;
use tray_import::sandbox::behaviour::{ConfigReadForm, UnauthorizedForm};
use tray_import::sandbox::model::{
    AuthValue, Authentication, Caller, Instance, InstanceChanges, InstanceCriteria, Json,
    NewAuthentication, NewConfigValue, NewInstance, NewUser, Page, Paging, Refusal, UserCriteria,
    cursor,
};

use crate::tray::Tray;

/// An answer before it travels.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// HTTP 200 with these bytes.
    pub(crate) fn raw(body: Vec<u8>) -> Answer {
        Answer {
            status: 200,
            retry_after: None,
            body,
        }
    }

    fn json(body: &Value) -> Answer {
        Answer::raw(body.to_string().into_bytes())
    }

    /// The first half of it, as if that were all.
    pub(crate) fn cut(mut self) -> Answer {
        self.body.truncate(self.body.len() / 2);
        self
    }

    pub(crate) fn in_short(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        text.chars().take(160).collect()
    }
}

/// The gateway's flat form.
pub(crate) fn message(status: u16, text: &str) -> Answer {
    Answer {
        status,
        ..Answer::json(&json!({ "message": text }))
    }
}

/// An error of the root field, which takes all of `data` with it.
pub(crate) fn field_error(operation: &str, message: &str, code: &str) -> Answer {
    error_at(&json!([root(operation)]), message, code)
}

/// An error below the root field of a mutation: its effect stands, its id is lost.
pub(crate) fn inside_error(operation: &str) -> Answer {
    let path = json!([root(operation), "payload"]);
    error_at(&path, "Cannot return null for a non-null field", "")
}

fn error_at(path: &Value, message: &str, code: &str) -> Answer {
    Answer::json(&json!({
        "data": null,
        "errors": [{
            "message": message,
            "path": path,
            "locations": [{"line": 1, "column": 3}],
            "extensions": {
                "name": "PreconditionError",
                "time_thrown": "2023-06-29T14:55:54.518Z",
                "code": code,
            },
        }],
    }))
}

fn root(operation: &str) -> &str {
    operation.split('.').next().unwrap_or(operation)
}

/// The answer to a token that is wrong, expired, or of the other kind.
pub(crate) fn forbidden(behaviour: &Behaviour, operation: &str) -> Answer {
    let refusal = Refusal::Forbidden;
    match behaviour.unauthorized_form {
        UnauthorizedForm::Http401 => message(401, "Unauthorized"),
        UnauthorizedForm::Http403 => message(403, &refusal.to_string()),
        UnauthorizedForm::Graphql => field_error(operation, &refusal.to_string(), refusal.code()),
    }
}

/// Whether a token of this kind may call the operation at all (`tray-api.md` 1.4).
pub(crate) fn may_call(caller: &Caller, operation: &str, behaviour: &Behaviour) -> bool {
    let master = *caller == Caller::Master;
    match operation {
        "users" | "createExternalUser" | "authorize" => master,
        "createSolutionInstance" | "updateSolutionInstance" => !master,
        "createUserAuthentication" => !master || behaviour.master_create_authentication,
        _ => true,
    }
}

/// Executes a call and says what Tray answers.
pub(crate) fn execute(
    tray: &mut Tray,
    now: Duration,
    caller: &Caller,
    operation: &str,
    variables: &Value,
) -> Answer {
    match data(tray, now, caller, operation, variables) {
        Ok(data) => Answer::json(&json!({ "data": data })),
        Err(refusal) => field_error(operation, &refusal.to_string(), refusal.code()),
    }
}

fn data(
    tray: &mut Tray,
    now: Duration,
    caller: &Caller,
    operation: &str,
    variables: &Value,
) -> Result<Value, Refusal> {
    let input = &variables["input"];
    let model = &mut tray.model;
    Ok(match operation {
        "createExternalUser" => {
            let new = NewUser {
                name: text(&input["name"]),
                external_user_id: text(&input["externalUserId"]),
                is_test_user: input["isTestUser"] == true,
            };
            let id = model.create_external_user(now, caller, new)?;
            json!({"createExternalUser": {"userId": id}})
        }
        "authorize" => {
            let token = model.authorize(now, caller, &text(&input["userId"]))?;
            tray.tokens.push(token.clone());
            json!({"authorize": {"accessToken": token}})
        }
        "createUserAuthentication" => {
            let new = new_authentication(input);
            let id = model.create_user_authentication(now, caller, new)?;
            json!({"createUserAuthentication": {"authenticationId": id}})
        }
        "createSolutionInstance" => {
            let new = NewInstance {
                solution_id: text(&input["solutionId"]),
                name: text(&input["instanceName"]),
                auth_values: auth_values(&input["authValues"]).unwrap_or_default(),
                config_values: config_values(&input["configValues"]).unwrap_or_default(),
            };
            let instance = model.create_solution_instance(now, caller, new)?;
            json!({"createSolutionInstance": {"solutionInstance": {"id": instance.id}}})
        }
        "updateSolutionInstance" => {
            let changes = InstanceChanges {
                name: None,
                enabled: input["enabled"].as_bool(),
                auth_values: auth_values(&input["authValues"]),
                config_values: config_values(&input["configValues"]),
                error_on_missing_values: input["errorOnEnablingWithMissingValues"] == true,
            };
            let id = text(&input["solutionInstanceId"]);
            let instance = model.update_solution_instance(now, caller, &id, changes)?;
            json!({"updateSolutionInstance": {"solutionInstance": {
                "id": instance.id, "enabled": instance.enabled,
            }}})
        }
        "users" => {
            let criteria = UserCriteria {
                external_user_id: maybe(&variables["criteria"]["externalUserId"]),
                ..UserCriteria::default()
            };
            let page = model.list_users(now, caller, &criteria, &paging(variables))?;
            json!({"users": connection(
                &page,
                |user| json!({"id": user.id, "externalUserId": user.external_user_id}),
                |user| &user.id,
            )})
        }
        "viewer.authentications" => {
            json!({"viewer": {"authentications": authentications(tray, now, caller)}})
        }
        "viewer.solutionInstances" => {
            json!({"viewer": {"solutionInstances": instances(tray, now, caller, variables)?}})
        }
        "viewer" => json!({"viewer": {
            "authentications": authentications(tray, now, caller),
            "solutionInstances": instances(tray, now, caller, variables)?,
        }}),
        other => json!({"unknown": other}),
    })
}

fn new_authentication(input: &Value) -> NewAuthentication {
    let scopes = input["scopes"].as_array();
    NewAuthentication {
        name: text(&input["name"]),
        service_id: text(&input["serviceId"]),
        environment_id: text(&input["serviceEnvironmentId"]),
        data: Json::Text(text(&input["data"])),
        form_data: maybe(&input["formData"]).map(Json::Text),
        scopes: scopes.map_or_else(Vec::new, |list| list.iter().map(text).collect()),
        hidden: input["hidden"] == true,
    }
}

fn authentications(tray: &Tray, now: Duration, caller: &Caller) -> Value {
    let page = tray.model.list_authentications(now, caller);
    let node = |found: &Authentication| {
        json!({
            "id": found.id, "name": found.name,
            "serviceEnvironment": {"id": found.environment_id},
        })
    };
    connection(&page, node, |found| &found.id)
}

fn instances(
    tray: &Tray,
    now: Duration,
    caller: &Caller,
    variables: &Value,
) -> Result<Value, Refusal> {
    let criteria = InstanceCriteria {
        solution_id: maybe(&variables["criteria"]["solutionId"]),
        ..InstanceCriteria::default()
    };
    let model = &tray.model;
    let (page, _) = model.list_instances(now, caller, &criteria, &paging(variables))?;
    let form = tray.behaviour.config_read_form;
    let node = |found: &Instance| {
        let auths: Vec<Value> = (found.auth_values.iter())
            .map(|value| json!({"externalId": value.external_id, "authId": value.auth_id}))
            .collect();
        let config: Vec<Value> = (found.config_values.iter())
            .map(|value| {
                json!({"externalId": value.external_id, "value": read_back(form, &value.value)})
            })
            .collect();
        json!({
            "id": found.id, "name": found.name, "enabled": found.enabled,
            "solution": {"id": found.solution_id},
            "authValues": auths, "configValues": config,
        })
    };
    Ok(connection(&page, node, |found| &found.id))
}

fn read_back(form: ConfigReadForm, text: &str) -> String {
    match (form, serde_json::from_str(text)) {
        (ConfigReadForm::Json, Ok(Value::String(inner))) => inner,
        _ => text.to_owned(),
    }
}

fn connection<T>(page: &Page<T>, node: impl Fn(&T) -> Value, id: impl Fn(&T) -> &str) -> Value {
    let edges: Vec<Value> = (page.items.iter())
        .map(|item| json!({"node": node(item)}))
        .collect();
    let last = page.items.last().map(|item| cursor(id(item)));
    json!({
        "edges": edges,
        "pageInfo": {"hasNextPage": page.has_next, "endCursor": last},
    })
}

fn paging(variables: &Value) -> Paging {
    Paging {
        first: (variables["first"].as_i64()).and_then(|first| i32::try_from(first).ok()),
        after: maybe(&variables["after"]),
        ..Paging::default()
    }
}

fn auth_values(list: &Value) -> Option<Vec<AuthValue>> {
    let list = list.as_array()?.iter();
    Some(
        list.map(|value| AuthValue {
            external_id: text(&value["externalId"]),
            auth_id: text(&value["authId"]),
        })
        .collect(),
    )
}

fn config_values(list: &Value) -> Option<Vec<NewConfigValue>> {
    let list = list.as_array()?.iter();
    Some(
        list.map(|value| NewConfigValue {
            external_id: text(&value["externalId"]),
            value: maybe(&value["value"]).map(Json::Text),
        })
        .collect(),
    )
}

fn maybe(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn text(value: &Value) -> String {
    maybe(value).unwrap_or_default()
}

/// A call in words: what it is about, and no credential.
pub(crate) fn describe(operation: &str, variables: &Value) -> String {
    let input = &variables["input"];
    let about = [
        &input["externalUserId"],
        &input["name"],
        &input["instanceName"],
        &input["userId"],
        &input["solutionInstanceId"],
        &variables["criteria"]["externalUserId"],
        &variables["after"],
    ];
    let about = about.into_iter().find_map(Value::as_str);
    format!("{operation} {}", about.unwrap_or_default())
}
