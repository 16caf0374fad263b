//! The objects of the model, and what operations take to make them. Their JSON is that of Tray's schema.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::secret::SecretText;

/// A value of the API's `Json` scalar, which should be a string that holds JSON text.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Json {
    /// A string, as it came.
    Text(String),
    /// Another value in its place.
    Other(Value),
}

impl Json {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Other(value) => value.to_string(),
        }
    }

    /// The object in a string of JSON text.
    pub(super) fn object(&self) -> Option<Value> {
        let Self::Text(text) = self else { return None };
        serde_json::from_str(text).ok().filter(Value::is_object)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[json]")
    }
}

impl<T: Into<String>> From<T> for Json {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The organisation, with the master token.
    Master,
    /// The end user with this id, with a user token.
    User(Arc<str>),
}

/// An end user.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the schema's names")]
pub struct User {
    pub id: String,
    pub name: String,
    pub external_user_id: String,
    pub is_test_user: bool,
    #[serde(skip)]
    pub created_at: Duration,
}

/// An authentication. It has no JSON of its own: its credentials are nobody's to see.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the schema's names")]
pub struct Authentication {
    pub id: String,
    /// Id of the end user, or nothing where it is in the organisation's own account.
    pub owner: Option<String>,
    pub name: String,
    pub service_id: String,
    pub environment_id: String,
    /// The credentials, exactly as they came.
    pub data: SecretText,
    /// The form fields, exactly as they came.
    pub form_data: Option<SecretText>,
    pub scopes: Vec<String>,
    pub hidden: bool,
    pub created_at: Duration,
}

/// A solution instance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the schema's names")]
pub struct Instance {
    pub id: String,
    pub solution_id: String,
    pub name: String,
    pub enabled: bool,
    /// Id of the end user.
    pub owner: String,
    pub auth_values: Vec<AuthValue>,
    pub config_values: Vec<ConfigValue>,
    #[serde(skip)]
    pub created_at: Duration,
}

/// A filled auth slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the schema's names")]
pub struct AuthValue {
    pub external_id: String,
    pub auth_id: String,
}

/// A filled config slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigValue {
    /// External ID of the slot.
    pub external_id: String,
    /// JSON text, exactly as it came.
    pub value: String,
}

/// What `createExternalUser` takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the schema's names")]
pub struct NewUser {
    pub name: String,
    pub external_user_id: String,
    #[serde(deserialize_with = "or_default")]
    pub is_test_user: bool,
}

/// What `updateExternalUser` changes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the schema's names")]
pub struct UserChanges {
    pub name: Option<String>,
    pub external_user_id: Option<String>,
    pub is_test_user: Option<bool>,
}

/// What `createUserAuthentication` takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the schema's names")]
pub struct NewAuthentication {
    pub name: String,
    pub service_id: String,
    #[serde(rename = "serviceEnvironmentId")]
    pub environment_id: String,
    pub data: Json,
    pub form_data: Option<Json>,
    #[serde(default, deserialize_with = "or_default")]
    pub scopes: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub hidden: bool,
}

/// A config value as it comes in; no value clears the slot.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the schema's names")]
pub struct NewConfigValue {
    pub external_id: String,
    pub value: Option<Json>,
}

/// What `createSolutionInstance` takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the schema's names")]
pub struct NewInstance {
    pub solution_id: String,
    #[serde(rename = "instanceName")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub auth_values: Vec<AuthValue>,
    #[serde(deserialize_with = "or_default")]
    pub config_values: Vec<NewConfigValue>,
}

/// What `updateSolutionInstance` changes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the schema's names")]
pub struct InstanceChanges {
    #[serde(rename = "instanceName")]
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub auth_values: Option<Vec<AuthValue>>,
    pub config_values: Option<Vec<NewConfigValue>>,
    /// Whether an empty auth slot keeps the instance from being enabled.
    #[serde(
        rename = "errorOnEnablingWithMissingValues",
        deserialize_with = "or_default"
    )]
    pub error_on_missing_values: bool,
}

/// What `users` filters by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the schema's names")]
pub struct UserCriteria {
    pub user_id: Option<String>,
    pub external_user_id: Option<String>,
    pub name: Option<String>,
    pub is_test_user: Option<bool>,
}

/// What `viewer.solutionInstances` filters by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the schema's names")]
pub struct InstanceCriteria {
    pub id: Option<String>,
    pub name: Option<String>,
    pub owner: Option<String>,
    pub solution_id: Option<String>,
}

/// For fields that may be `null` as well as absent.
pub(super) fn or_default<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(value).map(Option::unwrap_or_default)
}
