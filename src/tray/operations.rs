//! Every GraphQL document that the tool sends.
//!
//! Each document selects as little as it can: all payloads are non-null, so an error in any selected field
//! would lose the id of what was just created (`tray-api.md` 8). One mutation a request, for the same
//! reason. A test validates each of them against Tray's published schema.

use serde::Deserialize;
use serde_json::{Value, json};

use super::transport::input;
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

/// Creates an end user. Master token.
pub static CREATE_EXTERNAL_USER: Operation = Operation {
    name: "createExternalUser",
    document: "mutation($input: CreateExternalUserInput!) { createExternalUser(input: $input) { userId } }",
    new_id: Some(&["createExternalUser", "userId"]),
};

/// Mints a user token, good for two days. Master token. May be called again freely (`tray-api.md` 1.3).
pub static AUTHORIZE: Operation = Operation {
    name: "authorize",
    document: "mutation($input: AuthorizeInput!) { authorize(input: $input) { accessToken } }",
    new_id: None,
};

/// Creates an authentication. User token: with the master token it would belong to the organisation.
pub static CREATE_USER_AUTHENTICATION: Operation = Operation {
    name: "createUserAuthentication",
    document: "mutation($input: CreateUserAuthenticationInput!) { createUserAuthentication(input: $input) { authenticationId } }",
    new_id: Some(&["createUserAuthentication", "authenticationId"]),
};

/// Creates a solution instance, disabled. User token.
pub static CREATE_SOLUTION_INSTANCE: Operation = Operation {
    name: "createSolutionInstance",
    document: "mutation($input: CreateSolutionInstanceInput!) { createSolutionInstance(input: $input) { solutionInstance { id } } }",
    new_id: Some(&["createSolutionInstance", "solutionInstance", "id"]),
};

/// Fills slots of an instance, or enables it. User token.
pub static UPDATE_SOLUTION_INSTANCE: Operation = Operation {
    name: "updateSolutionInstance",
    document: "mutation($input: UpdateSolutionInstanceInput!) { updateSolutionInstance(input: $input) { solutionInstance { id enabled } } }",
    new_id: None,
};

/// Removes an instance. User token (`tray-api.md` 1.4). By id, so that twice does the same as once, but for the
/// answer; so do the other two removals.
pub static REMOVE_SOLUTION_INSTANCE: Operation = Operation {
    name: "removeSolutionInstance",
    document: "mutation($input: RemoveSolutionInstanceInput!) { removeSolutionInstance(input: $input) { clientMutationId } }",
    new_id: None,
};

/// Removes an authentication. Whether Tray takes the end user's token for it, or the master token, its sources
/// disagree (`tray-api.md` 1.4).
pub static REMOVE_AUTHENTICATION: Operation = Operation {
    name: "removeAuthentication",
    document: "mutation($input: RemoveUserAuthenticationInput!) { removeAuthentication(input: $input) { clientMutationId } }",
    new_id: None,
};

/// Removes an end user, and with them all their instances. Master token.
pub static REMOVE_EXTERNAL_USER: Operation = Operation {
    name: "removeExternalUser",
    document: "mutation($input: RemoveExternalUserInput!) { removeExternalUser(input: $input) { clientMutationId } }",
    new_id: None,
};

/// The end users that exist. Master token.
pub static USERS: Operation = Operation {
    name: "users",
    document: "query($criteria: UserSearchCriteria, $first: Int, $after: String) { users(criteria: $criteria, first: $first, after: $after) { edges { node { id externalUserId } } pageInfo { hasNextPage endCursor } } }",
    new_id: None,
};

/// An end user's authentications. User token; Tray offers no filter and no paging.
pub static AUTHENTICATIONS: Operation = Operation {
    name: "viewer.authentications",
    document: "query { viewer { authentications { edges { node { id name serviceEnvironment { id } } } pageInfo { hasNextPage } } } }",
    new_id: None,
};

/// An end user's instances of one solution. User token.
pub static SOLUTION_INSTANCES: Operation = Operation {
    name: "viewer.solutionInstances",
    document: "query($criteria: SolutionInstanceSearchCriteria, $first: Int, $after: String) { viewer { solutionInstances(criteria: $criteria, first: $first, after: $after) { edges { node { id name enabled solution { id } authValues { externalId authId } configValues { externalId value } } } pageInfo { hasNextPage endCursor } } } }",
    new_id: None,
};

/// Both of an end user in one call: what an end user who existed before costs. User token.
pub static OWNED: Operation = Operation {
    name: "viewer",
    document: "query($first: Int) { viewer { authentications { edges { node { id name serviceEnvironment { id } } } pageInfo { hasNextPage } } solutionInstances(first: $first) { edges { node { id name enabled solution { id } authValues { externalId authId } configValues { externalId value } } } pageInfo { hasNextPage endCursor } } } }",
    new_id: None,
};

/// The solutions with their slots, for the preflight. Master token.
pub static SOLUTIONS: Operation = Operation {
    name: "viewer.solutions",
    document: "query($first: Int, $after: String) { viewer { solutions(first: $first, after: $after) { edges { node { id title configSlots { externalId } authSlots { externalId } } } pageInfo { hasNextPage endCursor } } } }",
    new_id: None,
};

/// The same where the schema has no `authSlots` (`tray-api.md` 2.2).
pub static SOLUTIONS_WITHOUT_AUTH_SLOTS: Operation = Operation {
    name: "viewer.solutions",
    document: "query($first: Int, $after: String) { viewer { solutions(first: $first, after: $after) { edges { node { id title configSlots { externalId } } } pageInfo { hasNextPage endCursor } } } }",
    new_id: None,
};

/// What of the schema the run needs. Introspection may be refused; that is no finding.
pub static INTROSPECTION: Operation = Operation {
    name: "introspection",
    document: "query { CreateExternalUserInput: __type(name: \"CreateExternalUserInput\") { inputFields { name } } CreateUserAuthenticationInput: __type(name: \"CreateUserAuthenticationInput\") { inputFields { name } } CreateSolutionInstanceInput: __type(name: \"CreateSolutionInstanceInput\") { inputFields { name } } UpdateSolutionInstanceInput: __type(name: \"UpdateSolutionInstanceInput\") { inputFields { name } } Solution: __type(name: \"Solution\") { fields { name } } }",
    new_id: None,
};

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
pub const PAGE: u32 = 100;

/// Input of [`CREATE_EXTERNAL_USER`]. `isTestUser` is sent only when asked for: an API whose schema lacks
/// it would refuse the whole request.
pub fn create_external_user(external_user_id: &str, name: &str, test_user: bool) -> SecretValue {
    let mut value = json!({"name": name, "externalUserId": external_user_id});
    if test_user {
        value["isTestUser"] = json!(true);
    }
    input(value)
}

/// Input of [`AUTHORIZE`].
pub fn authorize(user_id: &str) -> SecretValue {
    input(json!({"userId": user_id}))
}

/// What an authentication is made of.
pub struct NewAuthentication<'a> {
    /// Its name.
    pub name: &'a str,
    /// The service.
    pub service_id: &'a str,
    /// The service environment.
    pub environment_id: &'a str,
    /// The credentials: JSON text.
    pub data: &'a SecretText,
    /// The form fields: JSON text, where there are any.
    pub form_data: Option<&'a SecretText>,
    /// OAuth scopes; an empty list is sent as such.
    pub scopes: &'a [String],
    /// Hide it in Tray's UI.
    pub hidden: bool,
}

/// Input of [`CREATE_USER_AUTHENTICATION`]: `data` and `formData` travel as strings of JSON
/// (`tray-api.md` 3.1).
pub fn create_user_authentication(new: &NewAuthentication<'_>) -> SecretValue {
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

/// A slot's External ID and what fills it: an authentication's id, or a config value as JSON text.
pub type SlotValue = (String, String);

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

/// Input of [`CREATE_SOLUTION_INSTANCE`].
pub fn create_solution_instance(
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
pub fn enable(instance_id: &str) -> SecretValue {
    input(json!({
        "solutionInstanceId": instance_id,
        "enabled": true,
        "errorOnEnablingWithMissingValues": true,
    }))
}

/// Input of [`UPDATE_SOLUTION_INSTANCE`] that disables.
pub fn disable(instance_id: &str) -> SecretValue {
    input(json!({"solutionInstanceId": instance_id, "enabled": false}))
}

/// Input of [`REMOVE_SOLUTION_INSTANCE`].
pub fn remove_solution_instance(instance_id: &str) -> SecretValue {
    input(json!({"solutionInstanceId": instance_id}))
}

/// Input of [`REMOVE_AUTHENTICATION`].
pub fn remove_authentication(authentication_id: &str) -> SecretValue {
    input(json!({"authenticationId": authentication_id}))
}

/// Input of [`REMOVE_EXTERNAL_USER`].
pub fn remove_external_user(user_id: &str) -> SecretValue {
    input(json!({"userId": user_id}))
}

/// Input of [`UPDATE_SOLUTION_INSTANCE`] that fills slots. A list must be complete: whether Tray merges or
/// replaces is not known. One that is left out is left alone (`tray-api.md` 3.8).
pub fn fill_slots(
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
pub fn users(external_user_id: Option<&str>, after: Option<&str>) -> SecretValue {
    let criteria = external_user_id.map(|id| json!({"externalUserId": id}));
    paged(criteria, after)
}

/// Variables of [`SOLUTION_INSTANCES`] of one solution, or of all.
pub fn solution_instances(solution_id: Option<&str>, after: Option<&str>) -> SecretValue {
    let criteria = solution_id.map(|id| json!({"solutionId": id}));
    paged(criteria, after)
}

/// Variables of a paged read.
pub fn paged(criteria: Option<Value>, after: Option<&str>) -> SecretValue {
    let mut value = json!({"first": PAGE});
    if let Some(criteria) = criteria {
        value["criteria"] = criteria;
    }
    if let Some(after) = after {
        value["after"] = json!(after);
    }
    SecretValue(value)
}

/// A page of a list (`XyzConnection` in the schema); [`super::paginate`] reads them all.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "N: Deserialize<'de>"))]
pub struct Page<N> {
    edges: Vec<Edge<N>>,
    page_info: PageInfo,
}

#[derive(Debug, Deserialize)]
struct Edge<N> {
    node: N,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// The name until its users page through [`super::paginate`].
pub use Page as Connection;

impl<N> Page<N> {
    /// Whether there is more than this page.
    pub fn has_more(&self) -> bool {
        self.page_info.has_next_page
    }

    /// Where this page ends, if Tray says where.
    pub fn cursor(&self) -> Option<&str> {
        let cursor = self.page_info.end_cursor.as_deref();
        cursor.filter(|cursor| !cursor.is_empty())
    }

    /// Where the next page starts, if there is one and Tray says where.
    pub fn next(&self) -> Option<String> {
        self.page_info
            .end_cursor
            .clone()
            .filter(|_| self.page_info.has_next_page)
    }

    /// The page's objects.
    pub fn nodes(self) -> impl Iterator<Item = N> {
        self.edges.into_iter().map(|edge| edge.node)
    }
}

/// An end user as listed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedUser {
    /// Tray's id.
    pub id: String,
    /// The customer's id; may be absent (`tray-api.md` 2.1).
    pub external_user_id: Option<String>,
}

/// An authentication as listed: neither credentials nor scopes are shown.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAuthentication {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its service environment.
    pub service_environment: WithId,
}

/// An object of which only the id is of interest.
#[derive(Debug, Clone, Deserialize)]
pub struct WithId {
    /// The id.
    pub id: String,
}

/// A solution instance as listed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedInstance {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its solution.
    pub solution: WithId,
    /// Filled auth slots.
    pub auth_values: Vec<ListedAuthValue>,
    /// Filled config slots.
    pub config_values: Vec<ListedConfigValue>,
}

/// A filled auth slot.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAuthValue {
    /// The slot.
    pub external_id: String,
    /// The authentication in it.
    pub auth_id: String,
}

/// A filled config slot.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedConfigValue {
    /// The slot.
    pub external_id: String,
    /// The value, as JSON text or as plain text: in which form it is read back is not known
    /// (`tray-api.md` 3.1).
    #[serde(default)]
    pub value: Value,
}

/// What a config value as listed may stand for: it is read back as JSON text or as plain text
/// (`tray-api.md` 3.1).
pub fn readings(listed: &Value) -> Vec<Value> {
    let text = listed.as_str();
    let parsed = text.and_then(|text| serde_json::from_str(text).ok());
    std::iter::once(listed.clone()).chain(parsed).collect()
}

/// A solution as listed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedSolution {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its config slots.
    #[serde(default)]
    pub config_slots: Vec<ListedSlot>,
    /// Its auth slots; absent where the schema does not show them.
    #[serde(default)]
    pub auth_slots: Option<Vec<ListedSlot>>,
}

/// A slot of a solution.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedSlot {
    /// Its External ID; a slot may have none.
    pub external_id: Option<String>,
}

/// Reads a part of an answer's `data`.
///
/// # Errors
/// Names the part; the answer is not what the document asked for.
pub fn part<T: serde::de::DeserializeOwned>(data: &Value, path: &[&str]) -> Result<T, String> {
    let mut at = data;
    for name in path {
        at = &at[*name];
    }
    T::deserialize(at).map_err(|_| format!("the answer has no usable {}", path.join(".")))
}
