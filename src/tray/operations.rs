//! Every GraphQL document that the tool sends.
//!
//! Each document selects as little as it can: all payloads are non-null, so an error in any selected field
//! would lose the id of what was just created (`tray-api.md` 8). One mutation a request, for the same
//! reason. A test validates each of them against Tray's published schema.

use serde_json::{Value, json};

pub(crate) use super::answers::*;
use crate::secret::{SecretText, SecretValue};

/// A GraphQL document.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// The root field's name: calls are counted under it.
    pub name: &'static str,
    /// The text that is sent.
    pub document: &'static str,
    /// For a creation: where the id of what was created stands in `data`. A creation must not be sent twice; all
    /// other operations do the same twice as once.
    pub new_id: Option<&'static [&'static str]>,
}

impl Operation {
    /// Whether sending it twice does the same as sending it once.
    pub fn repeatable(&self) -> bool {
        self.new_id.is_none()
    }

    /// The id of what a creation created, where the answer's `data` holds it.
    pub fn created<'d>(&self, data: &'d Value) -> Option<&'d str> {
        let path = self.new_id?;
        let id = path.iter().try_fold(data, |at, name| at.get(name))?;
        id.as_str().filter(|id| !id.is_empty())
    }
}

const fn repeatable(name: &'static str, document: &'static str) -> Operation {
    Operation {
        name,
        document,
        new_id: None,
    }
}

const fn creation(
    name: &'static str,
    document: &'static str,
    new_id: &'static [&'static str],
) -> Operation {
    Operation {
        name,
        document,
        new_id: Some(new_id),
    }
}

/// Creates an end user. Master token.
pub static CREATE_EXTERNAL_USER: Operation = creation(
    "createExternalUser",
    "mutation($input: CreateExternalUserInput!) { createExternalUser(input: $input) { userId } }",
    &["createExternalUser", "userId"],
);

/// Mints a user token, good for two days. Master token. May be called again freely (`tray-api.md` 1.3).
pub static AUTHORIZE: Operation = repeatable(
    "authorize",
    "mutation($input: AuthorizeInput!) { authorize(input: $input) { accessToken } }",
);

/// Creates an authentication. User token: with the master token it would belong to the organisation.
pub static CREATE_USER_AUTHENTICATION: Operation = creation(
    "createUserAuthentication",
    "mutation($input: CreateUserAuthenticationInput!) { createUserAuthentication(input: $input) { authenticationId } }",
    &["createUserAuthentication", "authenticationId"],
);

/// Creates a solution instance, disabled. User token.
pub static CREATE_SOLUTION_INSTANCE: Operation = creation(
    "createSolutionInstance",
    "mutation($input: CreateSolutionInstanceInput!) { createSolutionInstance(input: $input) { solutionInstance { id } } }",
    &["createSolutionInstance", "solutionInstance", "id"],
);

/// Fills slots of an instance, or enables it. User token.
pub static UPDATE_SOLUTION_INSTANCE: Operation = repeatable(
    "updateSolutionInstance",
    "mutation($input: UpdateSolutionInstanceInput!) { updateSolutionInstance(input: $input) { solutionInstance { id enabled } } }",
);

/// Removes an instance. User token (`tray-api.md` 1.4). By id, so that twice does the same as once, but for the
/// answer; so do the other two removals.
pub static REMOVE_SOLUTION_INSTANCE: Operation = repeatable(
    "removeSolutionInstance",
    "mutation($input: RemoveSolutionInstanceInput!) { removeSolutionInstance(input: $input) { clientMutationId } }",
);

/// Removes an authentication. Whether Tray takes the end user's token for it, or the master token, its sources
/// disagree (`tray-api.md` 1.4).
pub static REMOVE_AUTHENTICATION: Operation = repeatable(
    "removeAuthentication",
    "mutation($input: RemoveUserAuthenticationInput!) { removeAuthentication(input: $input) { clientMutationId } }",
);

/// Removes an end user, and with them all their instances. Master token.
pub static REMOVE_EXTERNAL_USER: Operation = repeatable(
    "removeExternalUser",
    "mutation($input: RemoveExternalUserInput!) { removeExternalUser(input: $input) { clientMutationId } }",
);

/// The end users that exist. Master token.
pub static USERS: Operation = repeatable(
    "users",
    "query($criteria: UserSearchCriteria, $first: Int, $after: String) { users(criteria: $criteria, first: $first, after: $after) { edges { node { id externalUserId } } pageInfo { hasNextPage endCursor } } }",
);

/// An end user's authentications. User token; Tray offers no filter and no paging.
pub static AUTHENTICATIONS: Operation = repeatable(
    "viewer.authentications",
    "query { viewer { authentications { edges { node { id name serviceEnvironment { id } } } pageInfo { hasNextPage } } } }",
);

/// An end user's instances of one solution. User token.
pub static SOLUTION_INSTANCES: Operation = repeatable(
    "viewer.solutionInstances",
    "query($criteria: SolutionInstanceSearchCriteria, $first: Int, $after: String) { viewer { solutionInstances(criteria: $criteria, first: $first, after: $after) { edges { node { id name enabled solution { id } authValues { externalId authId } configValues { externalId value } } } pageInfo { hasNextPage endCursor } } } }",
);

/// Both of an end user in one call: what an end user who existed before costs. User token.
pub static OWNED: Operation = repeatable(
    "viewer",
    "query($first: Int) { viewer { authentications { edges { node { id name serviceEnvironment { id } } } pageInfo { hasNextPage } } solutionInstances(first: $first) { edges { node { id name enabled solution { id } authValues { externalId authId } configValues { externalId value } } } pageInfo { hasNextPage endCursor } } } }",
);

/// The solutions with their slots, for the preflight. Master token.
pub static SOLUTIONS: Operation = repeatable(
    "viewer.solutions",
    "query($first: Int, $after: String) { viewer { solutions(first: $first, after: $after) { edges { node { id title configSlots { externalId } authSlots { externalId } } } pageInfo { hasNextPage endCursor } } } }",
);

/// The same where the schema has no `authSlots` (`tray-api.md` 2.2).
pub static SOLUTIONS_WITHOUT_AUTH_SLOTS: Operation = repeatable(
    "viewer.solutions",
    "query($first: Int, $after: String) { viewer { solutions(first: $first, after: $after) { edges { node { id title configSlots { externalId } } } pageInfo { hasNextPage endCursor } } } }",
);

/// What of the schema the run needs. Introspection may be refused; that is no finding.
pub static INTROSPECTION: Operation = repeatable(
    "introspection",
    "query { CreateExternalUserInput: __type(name: \"CreateExternalUserInput\") { inputFields { name } } CreateUserAuthenticationInput: __type(name: \"CreateUserAuthenticationInput\") { inputFields { name } } CreateSolutionInstanceInput: __type(name: \"CreateSolutionInstanceInput\") { inputFields { name } } UpdateSolutionInstanceInput: __type(name: \"UpdateSolutionInstanceInput\") { inputFields { name } } Solution: __type(name: \"Solution\") { fields { name } } }",
);

/// Every document, for the test against the schema.
pub static ALL: [&Operation; 15] = [
    &CREATE_EXTERNAL_USER,
    &AUTHORIZE,
    &CREATE_USER_AUTHENTICATION,
    &CREATE_SOLUTION_INSTANCE,
    &UPDATE_SOLUTION_INSTANCE,
    &REMOVE_SOLUTION_INSTANCE,
    &REMOVE_AUTHENTICATION,
    &REMOVE_EXTERNAL_USER,
    &USERS,
    &AUTHENTICATIONS,
    &SOLUTION_INSTANCES,
    &OWNED,
    &SOLUTIONS,
    &SOLUTIONS_WITHOUT_AUTH_SLOTS,
    &INTROSPECTION,
];

/// The page size of every paged read; Tray's own code uses it (`tray-api.md` 3.10).
pub(crate) const PAGE: u32 = 100;

/// Input of [`CREATE_EXTERNAL_USER`]. `isTestUser` is sent only when asked for: an API whose schema lacks
/// it would refuse the whole request.
pub(crate) fn create_external_user(
    external_user_id: &str,
    name: &str,
    test_user: bool,
) -> SecretValue {
    let mut value = json!({"name": name, "externalUserId": external_user_id});
    if test_user {
        value["isTestUser"] = json!(true);
    }
    input(value)
}

pub(crate) fn authorize(user_id: &str) -> SecretValue {
    input(json!({"userId": user_id}))
}

pub(crate) struct NewAuthentication<'a> {
    pub(crate) name: &'a str,
    pub(crate) service_id: &'a str,
    pub(crate) environment_id: &'a str,
    /// The credentials: JSON text.
    pub(crate) data: &'a SecretText,
    /// The form fields: JSON text, where there are any.
    pub(crate) form_data: Option<&'a SecretText>,
    /// OAuth scopes; an empty list is sent as such.
    pub(crate) scopes: &'a [String],
    pub(crate) hidden: bool,
}

/// Input of [`CREATE_USER_AUTHENTICATION`]: `data` and `formData` travel as strings of JSON
/// (`tray-api.md` 3.1).
pub(crate) fn create_user_authentication(new: &NewAuthentication<'_>) -> SecretValue {
    let mut value = json!({
        "name": new.name,
        "serviceId": new.service_id,
        "serviceEnvironmentId": new.environment_id,
        "data": new.data.expose(),
        "scopes": new.scopes,
    });
    if let Some(form_data) = new.form_data {
        value["formData"] = json!(form_data.expose());
    }
    if new.hidden {
        value["hidden"] = json!(true);
    }
    input(value)
}

/// The parts of an operation's variables that hold credentials, each as JSON text.
pub(super) fn credentials(variables: &SecretValue) -> impl Iterator<Item = &str> {
    let input = &variables.0["input"];
    ["data", "formData"]
        .into_iter()
        .filter_map(|name| input[name].as_str())
}

/// A slot's External ID and what fills it: an authentication's id, or a config value as JSON text.
pub(crate) type SlotValue = (String, String);

fn auth_values(values: &[SlotValue]) -> Value {
    values
        .iter()
        .map(|(slot, id)| json!({"externalId": slot, "authId": id}))
        .collect()
}

fn config_values(values: &[SlotValue]) -> Value {
    values
        .iter()
        .map(|(slot, value)| json!({"externalId": slot, "value": value}))
        .collect()
}

pub(crate) fn create_solution_instance(
    solution_id: &str,
    name: &str,
    auths: &[SlotValue],
    config: &[SlotValue],
) -> SecretValue {
    let mut value = json!({
        "solutionId": solution_id,
        "instanceName": name,
        "authValues": auth_values(auths),
    });
    if !config.is_empty() {
        value["configValues"] = config_values(config);
    }
    input(value)
}

/// Input of [`UPDATE_SOLUTION_INSTANCE`] that enables, and refuses to where a slot is empty.
pub(crate) fn enable(instance_id: &str) -> SecretValue {
    input(json!({
        "solutionInstanceId": instance_id,
        "enabled": true,
        "errorOnEnablingWithMissingValues": true,
    }))
}

pub(crate) fn disable(instance_id: &str) -> SecretValue {
    input(json!({"solutionInstanceId": instance_id, "enabled": false}))
}

pub(crate) fn remove_solution_instance(instance_id: &str) -> SecretValue {
    input(json!({"solutionInstanceId": instance_id}))
}

pub(crate) fn remove_authentication(authentication_id: &str) -> SecretValue {
    input(json!({"authenticationId": authentication_id}))
}

pub(crate) fn remove_external_user(user_id: &str) -> SecretValue {
    input(json!({"userId": user_id}))
}

/// Input of [`UPDATE_SOLUTION_INSTANCE`] that fills slots. A list must be complete: whether Tray merges or
/// replaces is not known. One that is left out is left alone (`tray-api.md` 3.8).
pub(crate) fn fill_slots(
    instance_id: &str,
    auths: Option<&[SlotValue]>,
    config: Option<&[SlotValue]>,
) -> SecretValue {
    let mut value = json!({"solutionInstanceId": instance_id});
    if let Some(auths) = auths {
        value["authValues"] = auth_values(auths);
    }
    if let Some(config) = config {
        value["configValues"] = config_values(config);
    }
    input(value)
}

/// Variables of [`USERS`]: a page of all, or those of one `externalUserId`.
pub(crate) fn users(external_user_id: Option<&str>, after: Option<&str>) -> SecretValue {
    let criteria = external_user_id.map(|id| json!({"externalUserId": id}));
    paged(criteria, after)
}

/// Variables of [`SOLUTION_INSTANCES`] of one solution, or of all.
pub(crate) fn solution_instances(solution_id: Option<&str>, after: Option<&str>) -> SecretValue {
    let criteria = solution_id.map(|id| json!({"solutionId": id}));
    paged(criteria, after)
}

pub(crate) fn paged(criteria: Option<Value>, after: Option<&str>) -> SecretValue {
    let mut value = json!({"first": PAGE});
    if let Some(criteria) = criteria {
        value["criteria"] = criteria;
    }
    if let Some(after) = after {
        value["after"] = json!(after);
    }
    SecretValue(value)
}

/// The variables of a mutation: one `$input` object.
fn input(value: Value) -> SecretValue {
    SecretValue(Value::Object(
        [("input".to_owned(), value)].into_iter().collect(),
    ))
}
