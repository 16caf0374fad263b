//! What the rows of a file refer to in Tray: what the preflight has to look for.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Checked;
use crate::input::fields::Field;
use crate::input::row::Row;

/// Solutions, slots, services and environments that valid rows name.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// Solution id → slots that are filled.
    pub solutions: BTreeMap<String, Slots>,
    /// Service name → service version → environment ids.
    pub services: BTreeMap<String, BTreeMap<i64, BTreeSet<String>>>,
    /// Whether a row has form fields.
    pub form_data: bool,
}

/// Slots of one solution, by External ID.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// Auth slots.
    pub auth: BTreeSet<String>,
    /// Config slots.
    pub config: BTreeSet<String>,
}

impl References {
    /// Adds the service, environment, solution and slots of a valid row.
    pub(super) fn add(&mut self, row: &Row<'_>, checked: Checked<'_>) {
        let service = &checked.entry.service;
        let versions = self.services.entry(service.name.clone()).or_default();
        let environments = versions.entry(service.version).or_default();
        environments.insert(checked.environment.id.clone());
        if let Some(solution) = row.text(Field::SolutionId) {
            let slots = self.solutions.entry(solution.to_owned()).or_default();
            let slot = row.text(Field::AuthExternalId).unwrap_or_default();
            slots.auth.insert(slot.to_owned());
            let config = row.config.iter().map(|(slot, _)| slot.to_string());
            slots.config.extend(config);
        }
    }

    /// Adds what other rows refer to.
    pub(super) fn merge(&mut self, other: References) {
        for (solution, slots) in other.solutions {
            let own = self.solutions.entry(solution).or_default();
            own.auth.extend(slots.auth);
            own.config.extend(slots.config);
        }
        for (name, versions) in other.services {
            let own = self.services.entry(name).or_default();
            for (version, ids) in versions {
                own.entry(version).or_default().extend(ids);
            }
        }
        self.form_data |= other.form_data;
    }
}
