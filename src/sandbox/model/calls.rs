//! The root fields of the schema by their names: arguments in JSON in, everything that may be selected out.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::behaviour::{ConfigReadForm, RemovalToken};
use super::super::platform::Solution;
use super::objects::or_default;
use super::table::Object;
use super::{
    Authentication, Caller, Instance, InstanceCriteria, Model, Page, Paging, Refusal, UserCriteria,
    cursor,
};

impl Model {
    /// Whether a token of this kind may ask for a root field. The operations refuse too; this is the gateway's own look.
    pub fn may_call(&self, caller: &Caller, field: &str) -> bool {
        let master = *caller == Caller::Master;
        match field {
            "users"
            | "createExternalUser"
            | "updateExternalUser"
            | "removeExternalUser"
            | "authorize"
            | "generateAuthorizationCode" => master,
            "createSolutionInstance"
            | "updateSolutionInstance"
            | "upgradeSolutionInstance"
            | "removeSolutionInstance" => !master,
            "createUserAuthentication" => !master || self.behaviour.master_create_authentication,
            "removeAuthentication" => {
                master || self.behaviour.authentication_removal_token != RemovalToken::Master
            }
            _ => true,
        }
    }

    /// Executes a root field, or a field of `viewer`, whose arguments the schema has been held against.
    ///
    /// # Errors
    ///
    /// What the operation refuses.
    pub fn call(
        &mut self,
        now: Duration,
        caller: &Caller,
        field: &str,
        arguments: &Value,
    ) -> Result<Value, Refusal> {
        let Some(input) = arguments.get("input") else {
            return self.query(now, caller, field, arguments);
        };
        let mut payload = self.mutate(now, caller, field, input)?;
        payload["clientMutationId"] = input["clientMutationId"].clone();
        Ok(payload)
    }

    fn mutate(
        &mut self,
        now: Duration,
        caller: &Caller,
        field: &str,
        input: &Value,
    ) -> Result<Value, Refusal> {
        let id = |key: &str| input[key].as_str().unwrap_or_default();
        Ok(match field {
            "createExternalUser" => {
                json!({ "userId": self.create_external_user(now, caller, read(input)?)? })
            }
            "updateExternalUser" => {
                let user = self.update_external_user(caller, id("userId"), read(input)?)?;
                json!({ "user": &*user })
            }
            "removeExternalUser" => {
                self.remove_external_user(caller, id("userId"))?;
                json!({})
            }
            "authorize" => json!({ "accessToken": self.authorize(now, caller, id("userId"))? }),
            "generateAuthorizationCode" => {
                json!({ "authorizationCode": self.generate_authorization_code(caller, id("userId"))? })
            }
            "createUserAuthentication" => {
                json!({ "authenticationId": self.create_user_authentication(now, caller, read(input)?)? })
            }
            "removeAuthentication" => {
                self.remove_authentication(caller, id("authenticationId"))?;
                json!({})
            }
            "createSolutionInstance" => {
                let instance = self.create_solution_instance(now, caller, read(input)?)?;
                json!({ "solutionInstance": self.instance_json(&instance) })
            }
            "updateSolutionInstance" | "upgradeSolutionInstance" => {
                let (id, changes) = (id("solutionInstanceId"), read(input)?);
                let instance = self.update_solution_instance(now, caller, id, changes)?;
                json!({ "solutionInstance": self.instance_json(&instance) })
            }
            "removeSolutionInstance" => {
                self.remove_solution_instance(caller, id("solutionInstanceId"))?;
                json!({})
            }
            _ => return Err(Refusal::NotFound("Field", field.into())),
        })
    }

    fn query(
        &self,
        now: Duration,
        caller: &Caller,
        field: &str,
        arguments: &Value,
    ) -> Result<Value, Refusal> {
        let criteria = &arguments["criteria"];
        let paging: Paging = read(arguments)?;
        Ok(match field {
            "users" => {
                let criteria = or_default::<_, UserCriteria>(criteria).map_err(not_json)?;
                let page = self.list_users(now, caller, &criteria, &paging)?;
                page_json(&page, |user| json!(user))
            }
            "solutions" => {
                // The sandbox's solutions have no tags.
                let tagged = criteria["tags"]
                    .as_array()
                    .is_some_and(|tags| !tags.is_empty());
                let (solutions, more) = self.list_solutions(&paging)?;
                let solutions = if tagged { &[] } else { solutions };
                let edges = solutions
                    .iter()
                    .map(|solution| (solution_json(solution), &*solution.id));
                connection_json(edges, more && !tagged, paging.after.is_some())
            }
            "solutionInstances" => {
                let criteria = or_default::<_, InstanceCriteria>(criteria).map_err(not_json)?;
                let (page, total) = self.list_instances(now, caller, &criteria, &paging)?;
                let mut json = page_json(&page, |instance| self.instance_json(instance));
                json["totalCount"] = total.into();
                json
            }
            "authentications" => {
                let page = self.list_authentications(now, caller);
                page_json(&page, |authentication| {
                    self.authentication_json(authentication)
                })
            }
            "details" => {
                let (username, name) = match caller {
                    Caller::Master => ("organisation", "Sandbox organisation"),
                    Caller::User(id) => {
                        let user = self.user(id)?;
                        (&*user.external_user_id, &*user.name)
                    }
                };
                let email = format!("{username}@sandbox.invalid");
                json!({ "username": username, "email": email, "name": name })
            }
            _ => return Err(Refusal::NotFound("Field", field.into())),
        })
    }

    fn instance_json(&self, instance: &Instance) -> Value {
        let mut json = json!(instance);
        for (value, stored) in
            (json["configValues"].as_array_mut().into_iter().flatten()).zip(&instance.config_values)
        {
            value["value"] = self.read_back(&stored.value).into();
        }
        json["solution"] =
            (self.offer.solution(&instance.solution_id)).map_or(Value::Null, solution_json);
        json["workflows"] = json!({ "edges": [] });
        json["solutionVersionFlags"] = json!({
            "hasNewerVersion": false,
            "requiresUserInputToUpdateVersion": false,
            "requiresSystemInputToUpdateVersion": false,
        });
        json["created"] = format!("{:.3}", self.timestamp(instance.created_at)).into();
        json
    }

    /// A config value in the form in which it reads back.
    fn read_back(&self, text: &str) -> String {
        match (self.behaviour.config_read_form, serde_json::from_str(text)) {
            (ConfigReadForm::Json, Ok(Value::String(inner))) => inner,
            _ => text.to_owned(),
        }
    }

    fn authentication_json(&self, authentication: &Authentication) -> Value {
        let service = self.offer.service(&authentication.service_id);
        let environment = self.offer.environment(&authentication.environment_id);
        json!({
            "id": authentication.id,
            "name": authentication.name,
            "service": service.map(|service| json!({
                "id": service.id, "name": service.name, "title": service.name,
                "version": service.version.to_string(), "icon": "",
            })),
            "serviceEnvironment": environment.map(|(_, environment)| json!({
                "id": environment.id, "title": environment.title, "name": environment.title,
            })),
        })
    }
}

/// The solution with its slots; a default value is text, as Tray's samples show it.
fn solution_json(solution: &Solution) -> Value {
    let mut json = json!(solution);
    json["tags"] = json!([]);
    json["customFields"] = json!([]);
    for slot in json["configSlots"].as_array_mut().into_iter().flatten() {
        if !slot["defaultValue"].is_string() {
            slot["defaultValue"] = slot["defaultValue"].to_string().into();
        }
    }
    json
}

fn page_json<T: Object>(page: &Page<T>, node: impl Fn(&T) -> Value) -> Value {
    let edges = page.items.iter().map(|item| (node(item), item.id()));
    connection_json(edges, page.has_next, page.has_previous)
}

/// Nodes with their ids in the shape of Relay's connections.
fn connection_json<'i>(
    nodes: impl Iterator<Item = (Value, &'i str)>,
    has_next: bool,
    has_previous: bool,
) -> Value {
    let edges: Vec<_> = nodes
        .map(|(node, id)| json!({ "node": node, "cursor": cursor(id) }))
        .collect();
    let end = |edge: Option<&Value>| edge.map(|edge| edge["cursor"].clone());
    json!({
        "pageInfo": {
            "startCursor": end(edges.first()),
            "endCursor": end(edges.last()),
            "hasNextPage": has_next,
            "hasPreviousPage": has_previous,
        },
        "edges": edges,
    })
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Refusal> {
    T::deserialize(value).map_err(not_json)
}

fn not_json(_: serde_json::Error) -> Refusal {
    Refusal::NotJson("the arguments")
}
