//! What the platform API publishes: connectors, and the service environments of their services.
//!
//! Facts and forms are those of `tray-api.md` 4.1 and 4.2. Old answers leave things out (`service`, its `id`,
//! `authenticationType`, `title`, `scopes`) and name the schemas differently; whatever may be absent is an
//! [`Option`] or has the value that absence means.

use serde_json::{Map, Value};

use super::client::Client;
use super::outcome::ReadError;
use super::transport::Transport;
use crate::secret::SecretText;

/// One version of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConnector {
    /// The connector's name; not always its service's.
    pub name: String,
    /// The version, a decimal in text.
    pub version: String,
    /// The service that its authentications belong to; connectors without authentication have none.
    pub service: Option<ListedService>,
}

/// The service of a connector version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedService {
    /// GraphQL's `serviceId`; answers of 2022 lack it.
    pub id: Option<String>,
    pub name: String,
    /// The service's version: a number here, a string in GraphQL.
    pub version: i64,
}

/// One service environment.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedEnvironment {
    /// GraphQL's `serviceEnvironmentId`.
    pub id: String,
    pub title: String,
    /// `token`, `oauth2`, …
    pub authentication_type: Option<String>,
    /// JSON Schema of `data`; `{}` says nothing.
    pub credentials: Value,
    /// JSON Schema of `formData`.
    pub user_data: Value,
    /// The scopes on offer, in whatever form they come.
    pub scopes: Vec<Value>,
}

/// Every connector in every version. The list is long (700 connectors and more): ask once a run.
///
/// # Errors
/// See [`ReadError`].
pub async fn connectors<T: Transport>(
    client: &Client<T>,
    token: &SecretText,
) -> Result<Vec<ListedConnector>, ReadError> {
    let path = "/core/v1/connectors".to_owned();
    let refused = || "Tray does not list its connectors".to_owned();
    let listed = elements(client, token, path, "connectors", refused).await?;
    Ok(listed.iter().filter_map(connector).collect())
}

/// The environments of a service in one version.
///
/// # Errors
/// See [`ReadError`]; a service that is not there, or not for this token, is [`ReadError::Refused`].
pub async fn environments<T: Transport>(
    client: &Client<T>,
    token: &SecretText,
    service: &str,
    version: i64,
) -> Result<Vec<ListedEnvironment>, ReadError> {
    let path = environments_path(service, version);
    let refused = || {
        format!("Tray has no service {service} in version {version}, or the token may not see it")
    };
    let listed = elements(client, token, path, "environments", refused).await?;
    Ok(listed.iter().filter_map(environment).collect())
}

/// A list of the platform API. None of them has pages (`tray-api.md` 4.1, 4.2).
async fn elements<T: Transport>(
    client: &Client<T>,
    token: &SecretText,
    path: String,
    what: &'static str,
    refused: impl Fn() -> String,
) -> Result<Vec<Value>, ReadError> {
    let body = client.get(path.clone(), token).await;
    let mut body = body.map_err(|failed| match failed.trouble.into() {
        ReadError::Refused(why) => ReadError::Refused(format!("{} ({why})", refused())),
        other => other,
    })?;
    let list = match body.get_mut("elements") {
        Some(elements) => elements.take(),
        None => body,
    };
    match list {
        Value::Array(elements) => Ok(elements),
        _ => Err(ReadError::Form { path, what }),
    }
}

fn environments_path(service: &str, version: i64) -> String {
    let service = path_segment(service);
    format!("/core/v1/services/{service}/versions/{version}/environments")
}

fn path_segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn connector(value: &Value) -> Option<ListedConnector> {
    let service = &value["service"];
    Some(ListedConnector {
        name: text(&value["name"])?,
        version: text(&value["version"]).or_else(|| {
            let number = value["version"].as_number()?;
            Some(number.to_string())
        })?,
        service: text(&service["name"])
            .zip(whole_number(&service["version"]))
            .map(|(name, version)| ListedService {
                id: text(&service["id"]),
                name,
                version,
            }),
    })
}

fn environment(value: &Value) -> Option<ListedEnvironment> {
    let schema = |new: &str, old: &str| {
        let schema = value.get(new).or_else(|| value.get(old));
        let schema = schema.filter(|schema| schema.is_object()).cloned();
        schema.unwrap_or_else(|| Value::Object(Map::new()))
    };
    let mut credentials = schema("credentialsSchema", "dataSchema");
    adopt_required(&mut credentials, &value["required"]);
    Some(ListedEnvironment {
        id: text(&value["id"])?,
        title: text(&value["title"]).unwrap_or_default(),
        authentication_type: text(&value["authenticationType"]),
        credentials,
        user_data: schema("userDataSchema", "formDataSchema"),
        scopes: value["scopes"].as_array().cloned().unwrap_or_default(),
    })
}

/// One published answer has the schema's `required` beside the schema instead of inside it.
fn adopt_required(schema: &mut Value, required: &Value) {
    let Some(names) = required.as_array() else {
        return;
    };
    let known = |name: &Value| {
        let name = name.as_str();
        name.is_some_and(|name| schema["properties"].get(name).is_some())
    };
    if schema.get("required").is_none() && !names.is_empty() && names.iter().all(known) {
        schema["required"] = required.clone();
    }
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn whole_number(value: &Value) -> Option<i64> {
    let text = || value.as_str().and_then(|text| text.parse().ok());
    value.as_i64().or_else(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_old_answers_leave_out_is_absent_and_no_error() {
        let full = json!({"name": "twilio-output", "version": "2.1", "title": "Twilio",
            "service": {"id": "s", "name": "twilio", "version": "1"}});
        let service = connector(&full).unwrap().service.unwrap();
        assert_eq!((service.name.as_str(), service.version), ("twilio", 1));
        let without_id =
            json!({"name": "a", "version": "1.0", "service": {"name": "a", "version": 1}});
        assert_eq!(connector(&without_id).unwrap().service.unwrap().id, None);
        let without = json!({"name": "a", "version": "1.0"});
        assert_eq!(connector(&without).unwrap().service, None);
        assert_eq!(connector(&json!({"name": "a"})), None);
    }

    #[test]
    fn schemas_go_by_their_old_names_too() {
        // sample C of tray-api.md 4.2, as printed
        let airtable = json!({"id": "3e85", "title": "", "authenticationType": "token",
            "formDataSchema": {}, "dataSchema": {"type": "object",
                "properties": {"api_key": {"title": "API key", "type": "string"}}},
            "additionalProperties": false, "required": ["api_key"]});
        let environment = environment(&airtable).unwrap();
        assert_eq!(environment.credentials["required"], json!(["api_key"]));
        assert_eq!(environment.user_data, json!({}));
        assert!(environment.scopes.is_empty());
    }

    #[test]
    fn a_name_is_one_part_of_the_path() {
        assert_eq!(
            environments_path("a/../b c", 2),
            "/core/v1/services/a%2F..%2Fb%20c/versions/2/environments"
        );
    }
}
