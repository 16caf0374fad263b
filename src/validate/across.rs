//! What only shows when rows are seen together: duplicates, and rows of one instance that disagree.
//!
//! Rows are compared in file order, and only rows that are valid by themselves take part. Of two rows
//! that cannot both stand, the later one has the issue and the earlier one stays.

use super::check::Facts;
use super::identity::{DigestMap, digest};
use crate::issue::{Code, Problem};

/// The rows admitted so far, by digests.
#[derive(Default)]
pub struct Across {
    authentications: DigestMap<u32>,
    slots: DigestMap<u32>,
    enabled: DigestMap<(bool, u32)>,
    config: DigestMap<(u128, u32)>,
}

impl Across {
    /// Compares a row with those before it. A row that has no problem counts from now on.
    pub fn admit(&mut self, row: u32, facts: &Facts) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(first) = self.authentications.get(&facts.authentication) {
            problems.push(Problem::new(
                "authName",
                Code::DuplicateAuthentication,
                format!(
                    "row {first} has the same end user, service environment and authentication name; remove one, or give each a name of its own"
                ),
            ));
        }
        if let (Some(group), Some(slot)) = (facts.group, facts.slot) {
            if let Some(first) = self.slots.get(&slot) {
                problems.push(Problem::new(
                    "authExternalId",
                    Code::DuplicateSlot,
                    format!(
                        "row {first} fills the same slot of the same instance; give the instances different names, or remove one"
                    ),
                ));
            }
            if let Some((enabled, first)) = self.enabled.get(&group)
                && *enabled != facts.enabled
            {
                problems.push(Problem::new(
                    "enabled",
                    Code::ConflictingEnabled,
                    format!(
                        "row {first} of the same instance says {enabled}; all rows of an instance must agree (absent means true)"
                    ),
                ));
            }
            for (name, value) in &facts.config {
                if let Some((other, first)) = self.config.get(&config_digest(group, name))
                    && other != value
                {
                    problems.push(Problem::new(
                        format!("config.{name}"),
                        Code::ConflictingConfig,
                        format!("row {first} of the same instance gives this slot another value"),
                    ));
                }
            }
        }
        if problems.is_empty() {
            self.insert(row, facts);
        }
        problems
    }

    fn insert(&mut self, row: u32, facts: &Facts) {
        self.authentications.insert(facts.authentication, row);
        if let (Some(group), Some(slot)) = (facts.group, facts.slot) {
            self.slots.insert(slot, row);
            self.enabled.entry(group).or_insert((facts.enabled, row));
            for (name, value) in &facts.config {
                self.config
                    .entry(config_digest(group, name))
                    .or_insert((*value, row));
            }
        }
    }
}

fn config_digest(group: u128, name: &str) -> u128 {
    group ^ digest("config", &[name])
}
