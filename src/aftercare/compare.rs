//! What an end user owns, held against what the results say: a pure function.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::{Difference, Doubt, What};
use crate::model::{DigestMap, Key, Progress, State, Step};
use crate::results::facts::{Checker, RowFacts};
use crate::results::users::EndUser;
use crate::tray::operations::{ListedInstance, readings};
use crate::tray::owned::Owned;

/// What came of comparing one end user.
#[derive(Debug, Default)]
pub struct Compared {
    /// Differences.
    pub differences: Vec<Difference>,
    /// Authentications that are not listed, and may be hidden: missing only if Tray lists hidden ones.
    pub unlisted: Vec<Difference>,
    /// Whether a hidden authentication is listed.
    pub lists_hidden: bool,
    /// What else cannot be told.
    pub doubts: BTreeMap<Doubt, u64>,
}

/// An end user of the batch with all that the results know of them.
pub struct Expected<'a> {
    user: &'a EndUser,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    number: u64,
    key: Key,
    progress: &'a Progress,
    facts: RowFacts,
}

impl<'a> Expected<'a> {
    /// Brings together what the results know of an end user and of their rows.
    pub fn new(user: &'a EndUser, facts: &DigestMap<RowFacts>) -> Expected<'a> {
        let row = |row: &'a crate::results::rows::KnownRow| Row {
            number: row.row,
            key: row.key,
            progress: &row.progress,
            facts: facts.get(&row.key.0).cloned().unwrap_or_default(),
        };
        let mut rows: Vec<Row<'a>> = user.rows.iter().map(row).collect();
        rows.sort_by_key(|row| row.number);
        Expected { user, rows }
    }

    /// Tray's id of the end user, if the batch ever got so far.
    pub fn user_id(&self) -> Option<String> {
        let id = self.rows.iter().find_map(|r| r.progress.user_id.as_ref());
        id.map(ToString::to_string)
    }

    /// The end user is gone, and with them all that their rows have.
    pub fn user_missing(&self, id: &str, others: &[String]) -> Difference {
        let rows = self.rows.iter().filter(|r| r.progress.user_id.is_some());
        Difference {
            rows: rows.map(|row| row.number).collect(),
            found: (!others.is_empty()).then(|| others.join(", ")),
            ..self.difference(What::UserMissing, id)
        }
    }

    /// Whether there is anything of this batch's that Tray should have, and Tray has none of it.
    pub fn nothing_left(&self, owned: &Owned) -> bool {
        let mut ids = self
            .rows
            .iter()
            .flat_map(|row| [&row.progress.authentication_id, &row.progress.instance_id])
            .flatten()
            .map(ToString::to_string)
            .peekable();
        let has = |id: &String| {
            owned.authentications.iter().any(|a| a.id == *id)
                || owned.instances.iter().any(|i| i.id == *id)
        };
        ids.peek().is_some() && !ids.any(|id| has(&id))
    }

    /// Compares.
    pub fn compare(&self, owned: &Owned, checker: &Checker) -> Compared {
        let mut compared = Compared::default();
        let gone = self.authentications(owned, &mut compared);
        self.instances(owned, checker, &gone, &mut compared);
        if self.is_ours() {
            self.extras(owned, &mut compared);
        }
        compared
    }

    /// Whether this batch made the end user: only then nobody else was to have made anything for them.
    fn is_ours(&self) -> bool {
        let made = |row: &Row<'_>| row.progress.created.has(Step::User);
        let found = |row: &Row<'_>| row.progress.adopted.has(Step::User);
        self.rows.iter().any(made) && !self.rows.iter().any(found)
    }

    /// Returns the ids of those that are not there.
    fn authentications(&self, owned: &Owned, compared: &mut Compared) -> BTreeSet<String> {
        let mut gone = BTreeSet::new();
        for (id, rows) in self.by(|progress| progress.authentication_id.as_ref()) {
            let facts = rows[0].facts.authentication.as_ref();
            let Some(found) = owned.authentications.iter().find(|a| a.id == id) else {
                let missing = Difference {
                    rows: rows.iter().map(|row| row.number).collect(),
                    expected: facts.map(|facts| facts.auth_name.clone()),
                    ..self.difference(What::AuthenticationMissing, &id)
                };
                if owned.truncated {
                    *compared.doubts.entry(Doubt::Truncated).or_default() += 1;
                } else if facts.is_none_or(|facts| facts.hidden) {
                    compared.unlisted.push(missing);
                } else {
                    compared.differences.push(missing);
                }
                gone.insert(id);
                continue;
            };
            let Some(facts) = facts else { continue };
            compared.lists_hidden |= facts.hidden;
            for (what, expected, found) in [
                (What::AuthNameChanged, &facts.auth_name, &found.name),
                (
                    What::EnvironmentChanged,
                    &facts.environment_id,
                    &found.service_environment.id,
                ),
            ] {
                if expected != found {
                    compared.differences.push(Difference {
                        rows: rows.iter().map(|row| row.number).collect(),
                        expected: Some(expected.clone()),
                        found: Some(found.clone()),
                        ..self.difference(what, &id)
                    });
                }
            }
        }
        gone
    }

    fn instances(
        &self,
        owned: &Owned,
        checker: &Checker,
        gone: &BTreeSet<String>,
        compared: &mut Compared,
    ) {
        for (id, rows) in self.by(|progress| progress.instance_id.as_ref()) {
            let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
            let facts = rows.iter().find_map(|row| row.facts.instance.as_ref());
            let name = facts.map(|facts| facts.instance_name.clone());
            let of_instance = |what| Difference {
                rows: numbers.clone(),
                ..self.difference(what, &id)
            };
            let Some(found) = owned.instances.iter().find(|i| i.id == id) else {
                compared.differences.push(Difference {
                    expected: name,
                    ..of_instance(What::InstanceMissing)
                });
                continue;
            };
            if name.as_ref().is_some_and(|name| *name != found.name) {
                compared.differences.push(Difference {
                    expected: name,
                    found: Some(found.name.clone()),
                    ..of_instance(What::InstanceNameChanged)
                });
            }
            let said = |enabled| rows.iter().any(|r| r.progress.enabled == Some(enabled));
            // of a row that is not done, enabling may be under way
            let done = rows.iter().all(|r| r.progress.state == State::Done);
            if said(true) && !found.enabled {
                compared.differences.push(of_instance(What::Disabled));
            } else if done && said(false) && !said(true) && found.enabled {
                compared.differences.push(of_instance(What::Enabled));
            }
            for row in rows {
                self.slot(row, found, gone, compared);
                self.config(row, found, checker, compared);
            }
        }
    }

    fn slot(
        &self,
        row: &Row<'_>,
        found: &ListedInstance,
        gone: &BTreeSet<String>,
        compared: &mut Compared,
    ) {
        let Some(facts) = &row.facts.instance else {
            return;
        };
        let Some(id) = row.progress.authentication_id.as_ref() else {
            return;
        };
        if row.progress.lost.has(Step::Authentication) {
            // its new authentication is still to come into the slot
            return;
        }
        let id = id.to_string();
        let mut values = found.auth_values.iter();
        let held = values.find(|value| value.external_id == facts.auth_external_id);
        match held {
            Some(held) if held.auth_id == id => {}
            // emptied by the removal of what was in it, which is said already
            None if gone.contains(&id) => {}
            held => compared.differences.push(Difference {
                rows: vec![row.number],
                slot: Some(facts.auth_external_id.clone()),
                expected: Some(id),
                found: held.map(|held| held.auth_id.clone()),
                ..self.difference(What::SlotChanged, &found.id)
            }),
        }
    }

    fn config(
        &self,
        row: &Row<'_>,
        found: &ListedInstance,
        checker: &Checker,
        compared: &mut Compared,
    ) {
        let Some(facts) = &row.facts.instance else {
            return;
        };
        let checks = &facts.config_checks;
        if !checks.slots.is_empty() && checks.key != checker.name() {
            *compared.doubts.entry(Doubt::OtherKey).or_default() += 1;
            return;
        }
        for (slot, check) in &checks.slots {
            let mut values = found.config_values.iter();
            let held = values.find(|value| value.external_id == *slot);
            let same = held.is_some_and(|held| {
                let mut readings = readings(&held.value).into_iter();
                readings.any(|reading| checker.check(row.key, slot, &reading) == *check)
            });
            if !same {
                compared.differences.push(Difference {
                    rows: vec![row.number],
                    slot: Some(slot.clone()),
                    found: held.map(|_| "another value".to_owned()),
                    ..self.difference(What::ConfigChanged, &found.id)
                });
            }
        }
    }

    fn extras(&self, owned: &Owned, compared: &mut Compared) {
        for found in &owned.authentications {
            let known = self.rows.iter().any(|row| {
                match (&row.progress.authentication_id, &row.facts.authentication) {
                    (Some(id), _) => id.to_string() == found.id,
                    // its creation may be this one: the next import will tell
                    (None, Some(facts)) => {
                        facts.auth_name == found.name
                            && facts.environment_id == found.service_environment.id
                    }
                    (None, None) => may_be_sent(row.progress, Step::Authentication),
                }
            });
            if !known {
                compared.differences.push(Difference {
                    found: Some(found.name.clone()),
                    ..self.difference(What::AuthenticationExtra, &found.id)
                });
            }
        }
        for found in &owned.instances {
            let known = self.rows.iter().any(|row| {
                match (&row.progress.instance_id, &row.facts.instance) {
                    (Some(id), _) => id.to_string() == found.id,
                    (None, Some(facts)) => found.is_of(&facts.solution_id, &facts.instance_name),
                    (None, None) => may_be_sent(row.progress, Step::Instance),
                }
            });
            if !known {
                compared.differences.push(Difference {
                    found: Some(found.name.clone()),
                    ..self.difference(What::InstanceExtra, &found.id)
                });
            }
        }
    }

    /// The rows by the id of what they share.
    fn by<'s, I: ToString + 's>(
        &'s self,
        id: impl Fn(&'s Progress) -> Option<&'s I>,
    ) -> BTreeMap<String, Vec<&'s Row<'a>>> {
        let mut by: BTreeMap<String, Vec<&Row<'a>>> = BTreeMap::new();
        for row in &self.rows {
            if let Some(id) = id(row.progress) {
                by.entry(id.to_string()).or_default().push(row);
            }
        }
        by
    }

    fn difference(&self, what: What, id: &str) -> Difference {
        Difference {
            what,
            rows: Vec::new(),
            external_user_id: self.user.external_user_id.clone(),
            id: id.to_owned(),
            slot: None,
            expected: None,
            found: None,
        }
    }
}

/// Whether a creation of the row may have happened without the results knowing its id.
fn may_be_sent(progress: &Progress, step: Step) -> bool {
    matches!(progress.state, State::Sent | State::Failed) && progress.step == Some(step)
}
