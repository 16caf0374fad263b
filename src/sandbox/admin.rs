//! What tests and people may look at: all of the state, and none of the secrets.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::gateway::Gateway;

/// Credentials to compare with an authentication's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comparison {
    authentication_id: String,
    data: Map<String, Value>,
    /// Without it, the authentication must have no form fields either.
    #[serde(default)]
    form_data: Map<String, Value>,
}

/// Everything but tokens and the values of credentials.
pub(super) fn state(gateway: &Gateway) -> Value {
    let counters = gateway.counters().clone();
    let model = gateway.model.lock();
    let users: Vec<_> = model.all_users().collect();
    let authentications = model.all_authentications().map(|authentication| {
        json!({
            "id": authentication.id,
            "owner": authentication.owner,
            "name": authentication.name,
            "serviceId": authentication.service_id,
            "serviceEnvironmentId": authentication.environment_id,
            "hidden": authentication.hidden,
            "scopes": authentication.scopes,
            "dataKeys": keys(authentication.data.expose()),
            "formDataKeys": authentication.form_data.as_ref().map(|form_data| keys(form_data.expose())),
        })
    });
    let instances: Vec<_> = model.all_instances().collect();
    json!({
        "users": users,
        "authentications": authentications.collect::<Vec<_>>(),
        "instances": instances,
        "solutions": model.platform().solutions,
        "counters": counters,
        "pending": gateway.pending(),
    })
}

/// Whether an authentication holds these credentials; nothing where there is no such authentication.
pub(super) fn compare(gateway: &Gateway, comparison: &Comparison) -> Option<bool> {
    let model = gateway.model.lock();
    let stored = model.authentication(&comparison.authentication_id)?;
    let form_data = stored
        .form_data
        .as_ref()
        .map_or_else(Map::new, |text| object(text.expose()));
    Some(object(stored.data.expose()) == comparison.data && form_data == comparison.form_data)
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn keys(text: &str) -> Vec<String> {
    object(text).into_iter().map(|(key, _)| key).collect()
}
