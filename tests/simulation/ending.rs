//! The audit's last part: how every row has to stand when nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use tray_import::model::{Progress, RowError, State, Step};
use tray_import::sandbox::model::Instance;

use crate::audit::{Audit, Seen};
use crate::rows::{SimRow, groups};
use crate::world::SOLUTIONS;

impl Audit<'_> {
    /// At the end every row is done and right, or has failed for a reason that stands.
    pub(crate) fn row_ended(
        &self,
        row: &SimRow,
        progress: Option<&Progress>,
        seen: &Seen<'_>,
        about: &mut impl FnMut(String),
    ) {
        let Some(progress) = progress else {
            return about("the results know nothing of it".to_owned());
        };
        match progress.state {
            State::Done => self.done(row, progress, seen, about),
            State::Failed => match &progress.error {
                Some(error) if self.stands(row, error, seen) => {}
                Some(error) => about(format!("failed without need: {error:?}")),
                None => about("failed without saying why".to_owned()),
            },
            State::Held => {
                let mates = groups(&self.scenario.rows);
                let mates = row.group().and_then(|group| mates.get(&group).cloned());
                let failed = mates.unwrap_or_default().into_iter().any(|mate| {
                    (self.replay.standing(mate.key()))
                        .is_some_and(|mate| mate.state == State::Failed)
                });
                if !failed {
                    about(format!("held without need: {:?}", progress.why));
                }
            }
            state => about(format!("is {state} at the end")),
        }
    }

    /// Whether a row could not but fail like this.
    fn stands(&self, row: &SimRow, error: &RowError, seen: &Seen<'_>) -> bool {
        let behaviour = &self.scenario.behaviour;
        let before = |count: usize| count > 1;
        match (&*error.code, error.step) {
            ("ambiguous", Step::User) => before(seen.users.len()),
            ("ambiguous", Step::Authentication) => before(seen.authentications.len()),
            ("ambiguous", Step::Instance) => before(seen.instances.len()),
            ("refused", Step::Authentication) => row.refused,
            ("refused", Step::Enable) => {
                let mates = groups(&self.scenario.rows);
                let filled = row.group().map_or(0, |group| mates[&group].len());
                seen.instances.len() == 1 && filled < slots_of(row)
            }
            ("listing_truncated", Step::Authentication) => {
                behaviour.authentications_listed.is_some()
            }
            // hidden, and no proof that listings would show it: nothing is sent on a guess. Listed and
            // there, it would have been found
            ("unsettled", Step::Authentication) => {
                behaviour.authentications_listed.is_some()
                    || row.hidden && (seen.authentications.is_empty() || !behaviour.hidden_listed)
            }
            ("instance_conflict", Step::Instance) => {
                let was = seen
                    .instances
                    .iter()
                    .find_map(|one| self.before.instances.get(&one.id));
                was.is_some_and(|was| self.in_the_way(row, was))
            }
            _ => false,
        }
    }

    /// Whether an instance from before holds, in a slot of the row's group, what is not the group's.
    fn in_the_way(&self, row: &SimRow, was: &Instance) -> bool {
        let mates = groups(&self.scenario.rows);
        let mates = row.group().and_then(|group| mates.get(&group).cloned());
        mates.unwrap_or_default().into_iter().any(|mate| {
            let slot = mate.placement.as_ref().map(|place| &place.slot);
            let own = self.replay.progress(mate.key());
            let own = own.expect("memory can be read");
            let own = own.and_then(|own| own.authentication_id);
            let own = own.map(|own| own.to_string());
            (was.auth_values.iter()).any(|value| {
                Some(&value.external_id) == slot && Some(&value.auth_id) != own.as_ref()
            })
        })
    }

    fn done(
        &self,
        row: &SimRow,
        progress: &Progress,
        seen: &Seen<'_>,
        about: &mut impl FnMut(String),
    ) {
        // behind the cut of a cut-short list there may be another from before: nobody can see it
        let cut = self.scenario.behaviour.authentications_listed.is_some();
        let ([user], [one, others @ ..]) = (&*seen.users, &*seen.authentications) else {
            return about("done, and not there exactly once".to_owned());
        };
        if !others.is_empty() && !cut {
            return about("done, and there several times".to_owned());
        }
        if progress.user_id.as_ref().map(ToString::to_string).as_ref() != Some(&user.id)
            || progress.authentication_id.is_none()
        {
            about("done without its ids".to_owned());
        }
        if !self.before.authentications.contains_key(&one.id) {
            let form_data = one.form_data.as_ref().map(|secret| secret.expose());
            let same = one.data.expose() == row.data
                && form_data == row.form_data.as_deref()
                && one.scopes == row.scopes
                && one.hidden == row.hidden
                && one.service_id == row.service_id;
            if !same {
                about("its authentication is not what the row says".to_owned());
            }
        }
        if row.placement.is_some() {
            self.instance_done(row, progress, seen, about);
        } else if progress.step != Some(Step::Authentication) {
            about(format!("done at the step {:?}", progress.step));
        }
    }

    fn instance_done(
        &self,
        row: &SimRow,
        progress: &Progress,
        seen: &Seen<'_>,
        about: &mut impl FnMut(String),
    ) {
        let [instance] = &*seen.instances else {
            return about("done, and its instance is not there exactly once".to_owned());
        };
        let was = self.before.instances.get(&instance.id);
        let enabled = row.enabled || was.is_some_and(|was| was.enabled);
        let step = if enabled {
            Step::Enable
        } else {
            Step::Instance
        };
        if instance.enabled != enabled
            || progress.enabled != Some(enabled)
            || progress.step != Some(step)
        {
            about(format!(
                "enabled is {} in Tray, {:?} at {:?} in the results, and should be {enabled}",
                instance.enabled, progress.enabled, progress.step
            ));
        }
        let mates = groups(&self.scenario.rows);
        let mates = row.group().map(|group| &mates[&group]);
        let (mut auths, mut config) = (BTreeSet::new(), BTreeMap::new());
        for mate in mates.into_iter().flatten() {
            // a row that came later may have failed, and then it is no part of the instance
            let own = self.replay.progress(mate.key());
            let own = own.expect("memory can be read");
            let own = own.filter(|own| own.state == State::Done);
            let own = own.and_then(|own| own.authentication_id);
            let Some((place, own)) = mate.placement.as_ref().zip(own) else {
                continue;
            };
            auths.insert((place.slot.clone(), own.to_string()));
            config.extend(place.config.iter().cloned());
        }
        let has: BTreeSet<_> = (instance.auth_values.iter())
            .map(|value| (value.external_id.clone(), value.auth_id.clone()))
            .collect();
        let values: BTreeMap<_, _> = (instance.config_values.iter())
            .map(|value| (value.external_id.clone(), value.value.clone()))
            .collect();
        let right = match was {
            None => has == auths && values == config,
            Some(_) => auths.is_subset(&has) && config.keys().all(|slot| values.contains_key(slot)),
        };
        if !right || has.len() != instance.auth_values.len() {
            about(format!(
                "its instance is {instance:?}; wanted {auths:?} and {config:?}"
            ));
        }
    }
}

fn slots_of(row: &SimRow) -> usize {
    let solution = row.placement.as_ref().map(|place| &*place.solution_id);
    let known = SOLUTIONS.iter();
    (known.filter(|(id, _)| Some(*id) == solution))
        .map(|(_, slots)| *slots)
        .sum()
}
