//! The audit: what Tray has, what the results say, and what was asked for are held against each other.

use std::collections::BTreeMap;

use tray_import::model::{Id, Progress, State, Step};
use tray_import::results::line::read_line;
use tray_import::results::replay::Replay;
use tray_import::sandbox::Model;
use tray_import::sandbox::model::{Authentication, Instance, User};

use crate::existing::Before;
use crate::rows::SimRow;
use crate::sim::World;
use crate::world::{MASTER, Scenario};

/// What an audit goes by.
pub(crate) struct Audit<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) before: &'a Before,
    pub(crate) replay: &'a Replay,
    /// Whether a results file was lost on the way.
    pub(crate) lost: bool,
}

/// Rows that a run wrote about and left `sent` although it came to its end.
pub(crate) fn left_sent(written: &[u8]) -> Vec<String> {
    let mut states = BTreeMap::new();
    for line in written.split(|byte| *byte == b'\n') {
        if let Ok(line) = read_line(line) {
            states.insert(line.key, (line.row, line.progress.state));
        }
    }
    let left = states
        .into_values()
        .filter(|(_, state)| *state == State::Sent);
    left.map(|(row, _)| format!("row {row} is `sent` after a run that came to its end"))
        .collect()
}

impl Audit<'_> {
    /// Everything that is wrong. Duplicates, foreign things, wrong ids and secrets are wrong at any time;
    /// what is missing is wrong at the end.
    pub(crate) fn run(&self, world: &mut World, at_end: bool) -> Vec<String> {
        let mut findings = Vec::new();
        let model = &world.tray.model;
        self.strangers(model, &mut findings);
        self.untouched(model, &mut findings);
        for row in &self.scenario.rows {
            let seen = Seen::of(row, model);
            let mut about = |what: String| {
                findings.push(format!(
                    "{} of {}: {what}",
                    row.auth_name, row.external_user_id
                ));
            };
            seen.once(self.before, &mut about);
            let progress = self.replay.progress(row.key());
            let progress = progress.expect("memory can be read");
            let progress = progress.as_ref();
            if let Some(progress) = progress {
                self.ids(row, progress, &seen, &mut about);
            }
            if at_end {
                self.row_ended(row, progress, &seen, &mut about);
            }
        }
        if at_end {
            self.secrets(world, &mut findings);
            self.count(world);
        }
        findings
    }

    /// Nothing is anywhere that the batch did not ask for.
    fn strangers(&self, model: &Model, findings: &mut Vec<String>) {
        let rows = &self.scenario.rows;
        let of_user = |user: &User, row: &&SimRow| row.external_user_id == user.external_user_id;
        for user in model.all_users() {
            let wanted = rows.iter().find(|row| of_user(user, row));
            let made = !self.before.users.contains_key(&user.id);
            let right = wanted.is_some_and(|row| {
                row.user_name == user.name && user.is_test_user == self.scenario.test_users
            });
            if made && !right {
                findings.push(format!("the end user {user:?} was not asked for"));
            }
        }
        let users: BTreeMap<&str, &User> =
            (model.all_users().map(|user| (&*user.id, user))).collect();
        for one in model.all_authentications() {
            let owner = one.owner.as_deref().and_then(|owner| users.get(owner));
            let wanted = owner.is_some_and(|owner| {
                let named = |row: &&SimRow| names(row, one);
                rows.iter().any(|row| of_user(owner, &row) && named(&row))
            });
            if !wanted && !self.before.authentications.contains_key(&one.id) {
                let owner = owner.map_or("the organisation", |owner| &owner.external_user_id);
                findings.push(format!("{} of {owner} was not asked for", one.name));
            }
        }
        for one in model.all_instances() {
            let wanted = users.get(&*one.owner).is_some_and(|owner| {
                rows.iter().any(|row| {
                    row.group()
                        == Some((
                            owner.external_user_id.clone(),
                            one.solution_id.clone(),
                            one.name.clone(),
                        ))
                })
            });
            if !wanted && !self.before.instances.contains_key(&one.id) {
                findings.push(format!("{} was not asked for", one.name));
            }
        }
    }

    /// What was there before is as it was, but for slots filled and instances enabled.
    fn untouched(&self, model: &Model, findings: &mut Vec<String>) {
        for (id, was) in &self.before.users {
            if !model.user(id).is_ok_and(|now| now.name == was.name) {
                findings.push(format!("the existing end user {id} was changed"));
            }
        }
        for (id, was) in &self.before.authentications {
            if !model
                .authentication(id)
                .is_some_and(|now| now.data == was.data)
            {
                findings.push(format!("the existing authentication {id} was changed"));
            }
        }
        for (id, was) in &self.before.instances {
            let same = model.instance(id).is_ok_and(|now| {
                (!was.enabled || now.enabled)
                    && was.auth_values.iter().all(|v| now.auth_values.contains(v))
                    && (was.config_values.iter()).all(|v| {
                        // how a text reads back may not say whether it had quotes
                        let same = |n: &&_| same_slot(n, v);
                        now.config_values.iter().any(|n| same(&n))
                    })
            });
            if !same {
                findings.push(format!("the existing instance {id} was changed"));
            }
        }
    }

    /// Ids in the results are those of the very things in Tray, and what was there before was not created.
    fn ids(
        &self,
        row: &SimRow,
        progress: &Progress,
        seen: &Seen<'_>,
        about: &mut impl FnMut(String),
    ) {
        let known = |id: &Option<Id>| id.as_ref().map(ToString::to_string);
        let steps = [
            (
                Step::User,
                known(&progress.user_id),
                seen.users.iter().map(|u| &u.id).collect::<Vec<_>>(),
            ),
            (
                Step::Authentication,
                known(&progress.authentication_id),
                seen.authentications.iter().map(|a| &a.id).collect(),
            ),
            (
                Step::Instance,
                known(&progress.instance_id),
                seen.instances.iter().map(|i| &i.id).collect(),
            ),
        ];
        for (step, id, there) in steps {
            let (created, adopted) = (progress.created.has(step), progress.adopted.has(step));
            let Some(id) = id else {
                if created || adopted {
                    about(format!("the results have a {step} without its id"));
                }
                continue;
            };
            if !there.contains(&&id) {
                about(format!(
                    "the results name {step} {id}, which is not the row's"
                ));
            }
            let before = match step {
                Step::User => self.before.users.contains_key(&id),
                Step::Authentication => self.before.authentications.contains_key(&id),
                _ => self.before.instances.contains_key(&id),
            };
            if before && created {
                about(format!(
                    "the {step} was there before, and counts as created"
                ));
            }
            if created == adopted {
                about(format!(
                    "the {step} counts as created {created} and as adopted {adopted}"
                ));
            }
            if !before && adopted && !self.lost {
                about(format!(
                    "the batch made the {step}, and it counts as adopted"
                ));
            }
        }
        if row.placement.is_none() && progress.instance_id.is_some() {
            about("an instance for a row without a solution".to_owned());
        }
    }

    /// Nothing secret is in any byte that the tool wrote.
    fn secrets(&self, world: &World, findings: &mut Vec<String>) {
        let written = String::from_utf8_lossy(&world.disk.ever);
        let tokens = world
            .tray
            .tokens
            .iter()
            .any(|token| written.contains(&**token));
        if written.contains("canary") || written.contains(MASTER) || tokens {
            findings.push("a secret is in the results".to_owned());
        }
    }

    fn count(&self, world: &mut World) {
        for row in &self.scenario.rows {
            let progress = self.replay.progress(row.key());
            let Some(progress) = progress.expect("memory can be read") else {
                continue;
            };
            world.stats.done += u64::from(progress.state == State::Done);
            world.stats.held += u64::from(progress.state == State::Held);
            if let Some(error) = &progress.error {
                let code = format!("{} {}", error.code, error.step);
                *world.stats.failures.entry(code).or_default() += 1;
            }
        }
    }
}

/// What Tray has of a row.
pub(crate) struct Seen<'m> {
    pub(crate) users: Vec<&'m User>,
    pub(crate) authentications: Vec<&'m Authentication>,
    pub(crate) instances: Vec<&'m Instance>,
}

impl<'m> Seen<'m> {
    fn of(row: &SimRow, model: &'m Model) -> Seen<'m> {
        let users: Vec<&User> = (model.all_users())
            .filter(|user| user.external_user_id == row.external_user_id)
            .collect();
        let owned = |owner: &str| users.iter().any(|user| user.id == owner);
        let authentications = (model.all_authentications())
            .filter(|one| one.owner.as_deref().is_some_and(owned) && names(row, one))
            .collect();
        let place = row.placement.as_ref();
        let instances = (model.all_instances())
            .filter(|one| {
                owned(&one.owner)
                    && place.is_some_and(|place| {
                        one.solution_id == place.solution_id && one.name == place.instance_name
                    })
            })
            .collect();
        Seen {
            users,
            authentications,
            instances,
        }
    }

    /// Whatever is there twice was there twice before, and none of it is the batch's.
    fn once(&self, before: &Before, about: &mut impl FnMut(String)) {
        let made = |known: bool| usize::from(!known);
        let users = self
            .users
            .iter()
            .map(|u| made(before.users.contains_key(&u.id)));
        let authentications =
            (self.authentications.iter()).map(|a| made(before.authentications.contains_key(&a.id)));
        let instances = (self.instances.iter()).map(|i| made(before.instances.contains_key(&i.id)));
        for (what, made, all) in [
            ("end user", users.sum::<usize>(), self.users.len()),
            (
                "authentication",
                authentications.sum(),
                self.authentications.len(),
            ),
            ("instance", instances.sum(), self.instances.len()),
        ] {
            if made > 0 && all > 1 {
                about(format!(
                    "{all} times its {what}, {made} of them made by the batch"
                ));
            }
        }
    }
}

fn names(row: &SimRow, one: &Authentication) -> bool {
    one.name == row.auth_name && one.environment_id == row.environment_id
}

fn same_slot(
    now: &tray_import::sandbox::model::ConfigValue,
    was: &tray_import::sandbox::model::ConfigValue,
) -> bool {
    now.external_id == was.external_id && now.value == was.value
}
