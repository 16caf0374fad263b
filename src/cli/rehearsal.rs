//! Setting up the sandbox: what it offers, and what it remembers of a rehearsal that was interrupted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::Shared;
use super::exit::Failure;
use super::settings;
use crate::catalog::Catalog;
use crate::import::row::WorkRow;
use crate::model::{Progress, Step};
use crate::sandbox::model::{AuthValue, Authentication, ConfigValue, Instance, Model, User};
use crate::sandbox::{AuthSlot, ConfigSlot, Connector, Environment, Platform, Service, Solution};
use crate::validate::references::References;

/// The name under which results files know the sandbox inside `import`: its port is another each time.
pub const ENDPOINT: &str = "sandbox";

/// The master token of a sandbox that was given none.
pub const MASTER_TOKEN: &str = "sandbox-master-token";

/// What the sandbox offers: the catalog's connectors and environments, and these solutions.
pub fn platform(catalog: &Catalog, solutions: Vec<Solution>) -> Platform {
    let mut connectors = Vec::new();
    let mut environments: BTreeMap<String, Vec<Environment>> = BTreeMap::new();
    for entry in catalog.entries() {
        let service = Service {
            id: entry.service.id.clone(),
            name: entry.service.name.clone(),
            version: i32::try_from(entry.service.version).unwrap_or(i32::MAX),
        };
        connectors.extend(entry.versions.iter().map(|version| Connector {
            name: entry.connector.clone(),
            version: version.clone(),
            service: service.clone(),
        }));
        let of_service = environments.entry(service.id).or_default();
        for environment in &entry.environments {
            if of_service.iter().all(|known| known.id != environment.id) {
                of_service.push(Environment {
                    id: environment.id.clone(),
                    title: environment.title.clone(),
                    authentication_type: entry.auth_type.as_str().to_owned(),
                    credentials_schema: environment.credentials.published.clone(),
                    user_data_schema: environment.user_data.published.clone(),
                    scopes: environment.scopes.clone(),
                });
            }
        }
    }
    Platform {
        connectors,
        environments,
        solutions,
    }
}

/// The solutions of the sandbox: a file that is named, else `solutions.json` beside the catalog's
/// directory; `None` where there is neither.
///
/// # Errors
/// A file that cannot be read or is not a list of solutions.
pub fn solutions(
    named: Option<&Path>,
    shared: &Shared,
    input: Option<&Path>,
) -> Result<Option<Vec<Solution>>, Failure> {
    let directory = settings::catalog_directory(shared, input);
    let default = directory.parent().map_or_else(
        || PathBuf::from("solutions.json"),
        |p| p.join("solutions.json"),
    );
    let path = named.map_or(default, Path::to_owned);
    let text = match crate::files::read_text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return Ok(None);
        }
        Err(error) => return Err(Failure::usage(format!("the sandbox's solutions: {error}"))),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        Failure::usage(format!(
            "{} is not a list of solutions ({{id, title, authSlots, configSlots}}): {error}",
            path.display()
        ))
    })
}

/// Solutions with exactly the slots that the rows name: for rehearsing where nobody wrote any down.
pub fn solutions_of(references: &References) -> Vec<Solution> {
    let solutions = references.solutions.iter().map(|(id, slots)| Solution {
        id: id.clone(),
        title: format!("solution {id}"),
        auth_slots: slots
            .auth
            .iter()
            .map(|slot| AuthSlot {
                external_id: slot.clone(),
                title: slot.clone(),
            })
            .collect(),
        config_slots: slots
            .config
            .iter()
            .map(|slot| ConfigSlot {
                external_id: slot.clone(),
                title: slot.clone(),
                default_value: serde_json::Value::Null,
            })
            .collect(),
    });
    solutions.collect()
}

/// Puts back what the results say a row has in the sandbox, so that a rehearsal can stop and go on like
/// the real thing although the sandbox lives no longer than its process.
pub fn restore(model: &mut Model, row: &WorkRow, progress: &Progress, test_users: bool) {
    let created_at = Duration::ZERO;
    let Some(user_id) = progress.user_id.as_ref().map(ToString::to_string) else {
        return;
    };
    if model.user(&user_id).is_err() {
        model.restore_user(User {
            id: user_id.clone(),
            name: row.user_name.clone(),
            external_user_id: row.external_user_id.clone(),
            is_test_user: test_users,
            created_at,
        });
    }
    let Some(authentication_id) = progress.authentication_id.as_ref().map(ToString::to_string)
    else {
        return;
    };
    model.restore_authentication(Authentication {
        id: authentication_id.clone(),
        owner: Some(user_id.clone()),
        name: row.auth_name.clone(),
        service_id: row.service_id.clone(),
        environment_id: row.environment_id.clone(),
        data: row.data.clone(),
        form_data: row.form_data.clone(),
        scopes: row.scopes.clone(),
        hidden: row.hidden,
        created_at,
    });
    let (Some(placement), Some(instance_id)) = (&row.placement, &progress.instance_id) else {
        return;
    };
    let instance_id = instance_id.to_string();
    let mut instance = model
        .instance(&instance_id)
        .map(|instance| Instance::clone(instance))
        .unwrap_or_else(|_| Instance {
            id: instance_id.clone(),
            solution_id: placement.solution_id.clone(),
            name: placement.instance_name.clone(),
            enabled: progress.enabled.unwrap_or(false) || progress.step == Some(Step::Enable),
            owner: user_id,
            auth_values: Vec::new(),
            config_values: Vec::new(),
            created_at,
        });
    instance.auth_values.push(AuthValue {
        external_id: placement.slot.clone(),
        auth_id: authentication_id,
    });
    for (slot, value) in &placement.config {
        if instance
            .config_values
            .iter()
            .all(|own| own.external_id != *slot)
        {
            instance.config_values.push(ConfigValue {
                external_id: slot.clone(),
                value: value.clone(),
            });
        }
    }
    model.restore_instance(instance);
}
