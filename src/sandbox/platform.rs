//! What a Tray organisation has before anything is imported: connectors, service environments, solutions.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One version of a connector and the service it authenticates with.
#[derive(Clone, Debug, Deserialize)]
pub struct Connector {
    /// Name, for example `sqs`.
    pub name: String,
    /// Version, a decimal in text, for example `2.1`.
    pub version: String,
    /// The service whose authentications it takes.
    pub service: Service,
}

/// A service: what an authentication authenticates with.
#[derive(Clone, Debug, Deserialize)]
pub struct Service {
    /// The `serviceId` of the GraphQL API.
    pub id: String,
    /// Name, which may differ from the connector's.
    pub name: String,
    /// Version.
    pub version: i32,
}

/// A service environment: the shape of credentials, and for OAuth the client that they belong to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// The `serviceEnvironmentId`.
    pub id: String,
    /// `Production`, or the title of an OAuth app.
    pub title: String,
    /// `token`, `oauth2` and the like.
    #[serde(default = "token")]
    pub authentication_type: String,
    /// JSON Schema of `data`.
    #[serde(default = "any_object")]
    pub credentials_schema: Value,
    /// JSON Schema of `formData`.
    #[serde(default = "any_object")]
    pub user_data_schema: Value,
    /// The scopes on offer, in the platform API's form.
    #[serde(default)]
    pub scopes: Vec<Value>,
}

fn token() -> String {
    "token".into()
}

fn any_object() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A published solution.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Solution {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// The slots that authentications fill.
    #[serde(default)]
    pub auth_slots: Vec<AuthSlot>,
    /// The slots that config values fill.
    #[serde(default)]
    pub config_slots: Vec<ConfigSlot>,
}

impl Solution {
    /// Whether `external_id` is an auth slot, to the letter.
    pub fn has_auth_slot(&self, external_id: &str) -> bool {
        self.auth_slots
            .iter()
            .any(|slot| slot.external_id == external_id)
    }

    /// Whether `external_id` is a config slot, to the letter.
    pub fn has_config_slot(&self, external_id: &str) -> bool {
        self.config_slots
            .iter()
            .any(|slot| slot.external_id == external_id)
    }
}

/// A slot of a solution that an authentication fills.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthSlot {
    /// External ID, case-sensitive.
    pub external_id: String,
    /// Title.
    pub title: String,
}

/// A slot of a solution that a config value fills.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSlot {
    /// External ID, case-sensitive.
    pub external_id: String,
    /// Title.
    pub title: String,
    /// Default.
    #[serde(default)]
    pub default_value: Value,
}

/// All of it together.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    /// Connectors, every version of its own.
    pub connectors: Vec<Connector>,
    /// Environments by the id of their service.
    pub environments: BTreeMap<String, Vec<Environment>>,
    /// Published solutions.
    pub solutions: Vec<Solution>,
}

/// A [`Platform`] with its look-ups.
#[derive(Debug)]
pub(super) struct Offer {
    pub platform: Platform,
    services: HashMap<String, usize>,
    environments: HashMap<String, (String, usize)>,
    solutions: HashMap<String, usize>,
}

impl Offer {
    pub fn new(platform: Platform) -> Self {
        let services = (platform.connectors.iter().enumerate())
            .map(|(at, connector)| (connector.service.id.clone(), at))
            .collect();
        let environments = (platform.environments.iter())
            .flat_map(|(service, list)| {
                (list.iter().enumerate())
                    .map(|(at, environment)| (environment.id.clone(), (service.clone(), at)))
            })
            .collect();
        let solutions = (platform.solutions.iter().enumerate())
            .map(|(at, solution)| (solution.id.clone(), at))
            .collect();
        Self {
            platform,
            services,
            environments,
            solutions,
        }
    }

    pub fn service(&self, id: &str) -> Option<&Service> {
        Some(&self.platform.connectors[*self.services.get(id)?].service)
    }

    /// The environment and the id of its service.
    pub fn environment(&self, id: &str) -> Option<(&str, &Environment)> {
        let (service, at) = self.environments.get(id)?;
        Some((service, &self.platform.environments[service][*at]))
    }

    pub fn solution(&self, id: &str) -> Option<&Solution> {
        Some(&self.platform.solutions[*self.solutions.get(id)?])
    }

    /// The environments of a service by name and version, as the platform API asks for them.
    pub fn environments_of(&self, name: &str, version: i32) -> Option<&[Environment]> {
        let connector = (self.platform.connectors.iter()).find(|connector| {
            connector.service.name == name && connector.service.version == version
        })?;
        let environments = self.platform.environments.get(&connector.service.id);
        Some(environments.map_or(&[], Vec::as_slice))
    }
}
