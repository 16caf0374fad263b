//! The objects of the model, and what operations take to make them.

use std::fmt;
use std::time::Duration;

/// Text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A value of the API's `Json` scalar, which should be a string that holds JSON text.
#[derive(Clone, PartialEq, Eq)]
pub enum Json {
    /// A string, as it came.
    Text(String),
    /// Another scalar, written as JSON.
    Bare(String),
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[json]")
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The organisation, with the master token.
    Master,
    /// The end user with this id, with a user token.
    User(std::sync::Arc<str>),
}

/// An end user.
#[derive(Clone, Debug)]
pub struct User {
    /// Id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// The id in the customer's own system.
    pub external_user_id: String,
    /// Whether Tray leaves them out of the bill.
    pub is_test_user: bool,
    /// When it was created.
    pub created_at: Duration,
}

/// An authentication.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// Id.
    pub id: String,
    /// Id of the end user, or nothing where it is in the organisation's own account.
    pub owner: Option<String>,
    /// Name.
    pub name: String,
    /// Service.
    pub service_id: String,
    /// Service environment.
    pub environment_id: String,
    /// The credentials, exactly as they came.
    pub data: Secret,
    /// The form fields, exactly as they came.
    pub form_data: Option<Secret>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Whether Tray's UI hides it.
    pub hidden: bool,
    /// When it was created.
    pub created_at: Duration,
}

/// A solution instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Id.
    pub id: String,
    /// Solution.
    pub solution_id: String,
    /// Name.
    pub name: String,
    /// Whether it runs.
    pub enabled: bool,
    /// Id of the end user.
    pub owner: String,
    /// Filled auth slots.
    pub auth_values: Vec<AuthValue>,
    /// Filled config slots.
    pub config_values: Vec<ConfigValue>,
    /// When it was created.
    pub created_at: Duration,
}

/// A filled auth slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthValue {
    /// External ID of the slot.
    pub external_id: String,
    /// Id of the authentication.
    pub auth_id: String,
}

/// A filled config slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    /// External ID of the slot.
    pub external_id: String,
    /// JSON text, exactly as it came.
    pub value: String,
}

/// What `createExternalUser` takes.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Display name.
    pub name: String,
    /// The id in the customer's own system.
    pub external_user_id: String,
    /// Whether Tray leaves them out of the bill.
    pub is_test_user: bool,
}

/// What `updateExternalUser` changes.
#[derive(Clone, Debug, Default)]
pub struct UserChanges {
    /// Display name.
    pub name: Option<String>,
    /// The id in the customer's own system.
    pub external_user_id: Option<String>,
    /// Whether Tray leaves them out of the bill.
    pub is_test_user: Option<bool>,
}

/// What `createUserAuthentication` takes.
#[derive(Clone, Debug)]
pub struct NewAuthentication {
    /// Name.
    pub name: String,
    /// Service.
    pub service_id: String,
    /// Service environment.
    pub environment_id: String,
    /// Credentials.
    pub data: Json,
    /// Form fields.
    pub form_data: Option<Json>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Whether Tray's UI hides it.
    pub hidden: bool,
}

/// A config value as it comes in; no value clears the slot.
#[derive(Clone, Debug)]
pub struct NewConfigValue {
    /// External ID of the slot.
    pub external_id: String,
    /// The value.
    pub value: Option<Json>,
}

/// What `createSolutionInstance` takes.
#[derive(Clone, Debug, Default)]
pub struct NewInstance {
    /// Solution.
    pub solution_id: String,
    /// Name.
    pub name: String,
    /// Auth slots to fill.
    pub auth_values: Vec<AuthValue>,
    /// Config slots to fill.
    pub config_values: Vec<NewConfigValue>,
}

/// What `updateSolutionInstance` changes.
#[derive(Clone, Debug, Default)]
pub struct InstanceChanges {
    /// Name.
    pub name: Option<String>,
    /// Whether it runs.
    pub enabled: Option<bool>,
    /// Auth slots to fill.
    pub auth_values: Option<Vec<AuthValue>>,
    /// Config slots to fill.
    pub config_values: Option<Vec<NewConfigValue>>,
    /// Whether an empty auth slot keeps the instance from being enabled.
    pub error_on_missing_values: bool,
}

/// What `users` filters by.
#[derive(Clone, Debug, Default)]
pub struct UserCriteria {
    /// Tray's id.
    pub user_id: Option<String>,
    /// The id in the customer's own system.
    pub external_user_id: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Test users, or the others.
    pub is_test_user: Option<bool>,
}

/// What `viewer.solutionInstances` filters by.
#[derive(Clone, Debug, Default)]
pub struct InstanceCriteria {
    /// Id.
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Id of the end user.
    pub owner: Option<String>,
    /// Solution.
    pub solution_id: Option<String>,
}
