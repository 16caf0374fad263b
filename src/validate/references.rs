//! What the rows of a file refer to in Tray: what the preflight has to look for.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Checked;
use crate::input::fields::{Field, Texts};
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
    /// Adds what a valid row refers to. Allocates only for what is new.
    pub fn add(&mut self, row: &Row<'_>, checked: Checked<'_>) {
        self.add_service(checked);
        self.form_data |= row
            .form_data
            .whole
            .is_some_and(|form| !row.tree.is_empty(form));
        if let Some(solution) = row.text(Field::SolutionId) {
            let slot = row.text(Field::AuthExternalId).unwrap_or_default();
            self.add_slot(solution, slot);
            for (slot, _) in &row.config {
                self.add_config_slot(solution, slot);
            }
        }
    }

    /// Adds the service and environment of a catalog entry.
    pub fn add_service(&mut self, checked: Checked<'_>) {
        let service = &checked.entry.service;
        let known = self
            .services
            .get(&service.name)
            .and_then(|versions| versions.get(&service.version))
            .is_some_and(|ids| ids.contains(&checked.environment.id));
        if !known {
            self.services
                .entry(service.name.clone())
                .or_default()
                .entry(service.version)
                .or_default()
                .insert(checked.environment.id.clone());
        }
    }

    /// Adds an auth slot of a solution.
    pub fn add_slot(&mut self, solution: &str, slot: &str) {
        if let Some(slots) = self.slots(solution) {
            insert(&mut slots.auth, slot);
        }
    }

    /// Adds a config slot of a solution.
    pub fn add_config_slot(&mut self, solution: &str, slot: &str) {
        if let Some(slots) = self.slots(solution) {
            insert(&mut slots.config, slot);
        }
    }

    fn slots(&mut self, solution: &str) -> Option<&mut Slots> {
        if !self.solutions.contains_key(solution) {
            self.solutions.insert(solution.to_owned(), Slots::default());
        }
        self.solutions.get_mut(solution)
    }

    /// Adds what other rows refer to.
    pub fn merge(&mut self, other: References) {
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

fn insert(set: &mut BTreeSet<String>, text: &str) {
    if !set.contains(text) {
        set.insert(text.to_owned());
    }
}
