//! What tests and people may look at: all of the state, and none of the secrets.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::service::Service;

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
pub(super) fn state(service: &Service) -> Value {
    let counters = service.counters().clone();
    let model = service.shared.model();
    let users = model.all_users().map(|user| {
        json!({
            "id": user.id,
            "name": user.name,
            "externalUserId": user.external_user_id,
            "isTestUser": user.is_test_user,
        })
    });
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
    let instances = model.all_instances().map(|instance| {
        let auth_values = (instance.auth_values.iter())
            .map(|value| json!({ "externalId": value.external_id, "authId": value.auth_id }));
        let config_values = (instance.config_values.iter())
            .map(|value| json!({ "externalId": value.external_id, "value": value.value }));
        json!({
            "id": instance.id,
            "solutionId": instance.solution_id,
            "name": instance.name,
            "enabled": instance.enabled,
            "owner": instance.owner,
            "authValues": auth_values.collect::<Vec<_>>(),
            "configValues": config_values.collect::<Vec<_>>(),
        })
    });
    let solutions = model.platform().solutions.iter().map(|solution| {
        let auth_slots = (solution.auth_slots.iter())
            .map(|slot| json!({ "externalId": slot.external_id, "title": slot.title }));
        let config_slots = (solution.config_slots.iter()).map(|slot| {
            json!({ "externalId": slot.external_id, "title": slot.title, "defaultValue": slot.default_value })
        });
        json!({
            "id": solution.id,
            "title": solution.title,
            "authSlots": auth_slots.collect::<Vec<_>>(),
            "configSlots": config_slots.collect::<Vec<_>>(),
        })
    });
    json!({
        "users": users.collect::<Vec<_>>(),
        "authentications": authentications.collect::<Vec<_>>(),
        "instances": instances.collect::<Vec<_>>(),
        "solutions": solutions.collect::<Vec<_>>(),
        "counters": counters,
        "pending": service.pending(),
    })
}

/// Whether an authentication holds these credentials; nothing where there is no such authentication.
pub(super) fn compare(service: &Service, comparison: &Comparison) -> Option<bool> {
    let model = service.shared.model();
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
