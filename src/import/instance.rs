//! The solution instance of a group of rows: created once, when every authentication exists, then enabled.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::adopt::several;
use super::ending::{Ending, code};
use super::engine::{Engine, Run};
use super::feed::Placement;
use super::users::{Cell, is_open, is_ours, never_there};
use crate::results::record::{Id, State, Step};
use crate::secret::Redactor;
use crate::tray::operations::{
    self as ops, CREATE_SOLUTION_INSTANCE, ListedInstance, SlotValue, UPDATE_SOLUTION_INSTANCE,
};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;

/// The rows of one instance, as they arrive.
pub struct Gathering {
    /// The group's number.
    pub group: u32,
    /// Those that have arrived.
    pub members: Vec<Member>,
}

/// A row of an instance, when it has gone as far as it can by itself.
pub enum Member {
    /// Its authentication exists: the row, and where it goes.
    Ready(Box<(Run, Placement)>),
    /// Was done before this run.
    Done {
        /// The instance that it is part of, and whether this batch made it.
        instance: Option<(String, bool)>,
    },
    /// Failed, in this run or before.
    Failed {
        /// The row's number.
        row: u64,
    },
    /// Not brought to its end in this run.
    Unfinished,
}

/// What a complete group is to become.
struct Wanted {
    solution_id: String,
    name: String,
    auths: Vec<SlotValue>,
    config: Vec<SlotValue>,
}

/// The instance, and how we came by it.
struct Had {
    id: String,
    adopted: bool,
    enabled: bool,
}

impl<T: Transport> Engine<T> {
    /// Brings a group on which every row has arrived to its end: held, left for another run, or imported.
    pub(super) async fn complete(
        self: &Arc<Self>,
        gathering: Gathering,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let group = self.index.groups[gathering.group as usize];
        let mut why = group
            .blocked_by
            .map(|row| format!("row {row} of the same instance is invalid"));
        let (mut runs, mut placements) = (Vec::new(), Vec::new());
        let mut known_instance = None;
        let mut unfinished = false;
        for member in gathering.members {
            match member {
                Member::Ready(ready) => {
                    let (run, placement) = *ready;
                    runs.push(run);
                    placements.push(placement);
                }
                Member::Failed { row } => {
                    why.get_or_insert_with(|| format!("row {row} of the same instance failed"));
                }
                Member::Unfinished => unfinished = true,
                Member::Done { instance } => known_instance = instance,
            }
        }
        if let Some(why) = why {
            match self.settle_before_holding(&mut runs, &placements).await {
                Ok(()) => self.hold(&mut runs, &why).await,
                Err(ending) => {
                    for run in &mut runs {
                        self.end_badly(run, ending.clone()).await;
                    }
                }
            }
        } else if !unfinished && !runs.is_empty() {
            let wanted = wanted(&runs, &placements);
            let outcome = self
                .instance_and_enable(&mut runs, &wanted, known_instance, group.enabled, place)
                .await;
            match outcome {
                Ok(()) => runs.iter().for_each(|_| self.ended()),
                Err(ending) => {
                    for run in &mut runs {
                        self.end_badly(run, ending.clone()).await;
                    }
                }
            }
        }
        for run in &runs {
            self.users.row_ended(run.user);
        }
    }

    /// A creation that an earlier run left open is settled first: `held` would forget that it may have
    /// happened, and whose the instance is.
    async fn settle_before_holding(
        &self,
        runs: &mut [Run],
        placements: &[Placement],
    ) -> Result<(), Ending> {
        let open = |run: &Run| is_open(&run.progress, Step::Instance);
        let Some(first) = runs.iter().find(|run| open(run)) else {
            return Ok(());
        };
        let cell = self.users.cell(first.user);
        let user_id = user_id_of(first);
        let wanted = wanted(runs, placements);
        let settled = self.settle_instance(runs, &wanted, &cell, &user_id);
        let Some(found) = settled.await? else {
            return Ok(());
        };
        // those that were sent together; others are no part of the instance yet
        for run in runs.iter_mut().filter(|run| open(run)) {
            run.progress.instance_id = Some(Id::new(&found.id));
            run.progress.enabled = Some(found.enabled);
            if is_ours(&run.progress, Step::Instance) {
                run.progress.created.add(Step::Instance);
            } else {
                run.progress.adopted.add(Step::Instance);
            }
        }
        Ok(())
    }

    async fn hold(&self, runs: &mut [Run], why: &str) {
        for run in runs.iter_mut() {
            run.progress.state = State::Held;
            run.progress.step = self.last_done(run);
            run.progress.error = None;
            run.progress.why = Some(why.into());
            tracing::warn!(row = run.row, "row held: {why}");
        }
        let mut all: Vec<&mut Run> = runs.iter_mut().collect();
        if !all.is_empty() && self.record(&mut all).await.is_ok() {
            runs.iter().for_each(|_| self.ended());
        }
    }

    async fn instance_and_enable(
        &self,
        runs: &mut [Run],
        wanted: &Wanted,
        known: Option<(String, bool)>,
        enable: bool,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Ending> {
        let Some(first) = runs.first() else {
            return Ok(());
        };
        let cell = self.users.cell(first.user);
        let user_id = user_id_of(first);
        let had = self.instance(runs, wanted, known, &cell, &user_id).await?;
        for run in runs.iter_mut() {
            run.progress.instance_id = Some(Id::new(&had.id));
            run.progress.enabled = Some(had.enabled);
        }
        if !enable || had.enabled {
            let step = if had.enabled {
                Step::Enable
            } else {
                Step::Instance
            };
            return self.done(runs, step).await;
        }
        if self.settings.until == Some(Step::Instance) {
            return self.partial_all(runs).await;
        }
        self.partial_all(runs).await?;
        // from here on the rows only wait: others may have their place
        drop(place);
        if !had.adopted {
            tokio::select! {
                biased;
                () = self.stop.wait() => return Err(Ending::Stopped),
                () = tokio::time::sleep(self.settings.enable_delay) => {}
            }
        }
        self.enable(runs, &had.id, &cell, &user_id).await?;
        for run in runs.iter_mut() {
            run.progress.enabled = Some(true);
        }
        self.tally.stepped(Step::Enable);
        self.done(runs, Step::Enable).await
    }

    async fn partial_all(&self, runs: &mut [Run]) -> Result<(), Ending> {
        for run in runs.iter_mut() {
            run.progress.state = State::Partial;
            run.progress.step = Some(Step::Instance);
            run.progress.error = None;
            run.progress.why = None;
        }
        self.record(&mut runs.iter_mut().collect::<Vec<_>>()).await
    }

    async fn done(&self, runs: &mut [Run], step: Step) -> Result<(), Ending> {
        for run in runs.iter_mut() {
            run.progress.state = State::Done;
            run.progress.step = Some(step);
            run.progress.error = None;
            run.progress.why = None;
        }
        self.record(&mut runs.iter_mut().collect::<Vec<_>>()).await
    }

    /// The group's instance: known from the results, found in Tray, or created.
    async fn instance(
        &self,
        runs: &mut [Run],
        wanted: &Wanted,
        known: Option<(String, bool)>,
        cell: &Arc<Cell>,
        user_id: &str,
    ) -> Result<Had, Ending> {
        let recorded = runs.iter().find_map(|run| {
            let id = run.progress.instance_id.as_ref()?;
            Some((id.to_string(), run.progress.created.has(Step::Instance)))
        });
        if let Some((id, ours)) = recorded.or(known) {
            let complete = runs.iter().all(|run| run.progress.instance_id.is_some());
            if complete {
                let enabled = runs.iter().any(|run| run.progress.enabled == Some(true));
                let adopted = false;
                return Ok(Had {
                    id,
                    adopted,
                    enabled,
                });
            }
            return self.grown(runs, wanted, (&id, ours), cell, user_id).await;
        }
        if self.stop.is_set() {
            return Err(Ending::Stopped);
        }
        let open = runs
            .iter()
            .any(|run| is_open(&run.progress, Step::Instance));
        if !open && self.may_own(cell).await {
            let lead = &mut runs[0];
            let owned = self
                .owned(cell, user_id, lead)
                .await
                .map_err(|trouble| self.ending(&trouble, Step::Instance, &Redactor::default()))?;
            match owned
                .instances(&wanted.solution_id, &wanted.name)
                .as_slice()
            {
                [] => {}
                [found] => {
                    let found = (*found).clone();
                    self.fill(&mut runs[0], wanted, &found, cell, user_id)
                        .await?;
                    for run in runs.iter_mut() {
                        run.progress.adopted.add(Step::Instance);
                    }
                    self.tally.adopted(Step::Instance);
                    self.tally.stepped(Step::Instance);
                    return Ok(Had {
                        id: found.id,
                        adopted: true,
                        enabled: found.enabled,
                    });
                }
                _ => return Err(several_instances()),
            }
        }
        let (id, enabled) = self
            .create_instance(runs, wanted, cell, user_id, open)
            .await?;
        let ours = runs
            .iter()
            .any(|run| is_ours(&run.progress, Step::Instance));
        for run in runs.iter_mut() {
            if ours {
                run.progress.created.add(Step::Instance);
            } else {
                run.progress.adopted.add(Step::Instance);
            }
        }
        if ours {
            self.tally.created(Step::Instance);
        } else {
            self.tally.adopted(Step::Instance);
        }
        self.tally.stepped(Step::Instance);
        Ok(Had {
            id,
            adopted: !ours,
            enabled,
        })
    }

    async fn create_instance(
        &self,
        runs: &mut [Run],
        wanted: &Wanted,
        cell: &Cell,
        user_id: &str,
        mut open: bool,
    ) -> Result<(String, bool), Ending> {
        let redactor = Redactor::default();
        let mut sends = self.settings.sends;
        loop {
            if open {
                match self.settle_instance(runs, wanted, cell, user_id).await? {
                    Some(found) => {
                        self.fill_what_was_sent(runs, wanted, &found, cell, user_id)
                            .await?;
                        return Ok((found.id, found.enabled));
                    }
                    None if self.stop.is_set() || self.ends_before_instances() => {
                        return Err(Ending::TakenBack);
                    }
                    None => {}
                }
            }
            if sends == 0 {
                return Err(never_there(Step::Instance));
            }
            sends -= 1;
            self.token(cell, user_id, &mut runs[0])
                .await
                .map_err(|trouble| self.before_sending(&trouble, &runs[0], Step::Instance))?;
            let mut all: Vec<&mut Run> = runs.iter_mut().collect();
            let slot = self.about_to_send(&mut all, Step::Instance).await?;
            let variables = || {
                ops::create_solution_instance(
                    &wanted.solution_id,
                    &wanted.name,
                    &wanted.auths,
                    &wanted.config,
                )
            };
            let answer = self
                .as_user(
                    cell,
                    user_id,
                    &CREATE_SOLUTION_INSTANCE,
                    variables,
                    &mut runs[0],
                    Some(slot),
                )
                .await;
            match answer {
                Ok(data) => {
                    let path = ["createSolutionInstance", "solutionInstance", "id"];
                    match ops::part(&data, &path) {
                        Ok(id) => return Ok((id, false)),
                        Err(why) => self.left_open(&runs[0], Step::Instance, &why),
                    }
                }
                Err(Trouble::Open(why)) => {
                    self.left_open(&runs[0], Step::Instance, &redactor.clean(&why));
                }
                Err(trouble) => {
                    return Err(self
                        .ending(&trouble, Step::Instance, &redactor)
                        .of_creation());
                }
            }
            open = true;
        }
    }

    fn ends_before_instances(&self) -> bool {
        self.settings
            .until
            .is_some_and(|until| until < Step::Instance)
    }

    async fn settle_instance(
        &self,
        runs: &mut [Run],
        wanted: &Wanted,
        cell: &Cell,
        user_id: &str,
    ) -> Result<Option<ListedInstance>, Ending> {
        for question in 0..self.settings.asks {
            tokio::time::sleep(self.settle_wait(question)).await;
            let asked = self
                .ask_instances(
                    cell,
                    user_id,
                    &wanted.solution_id,
                    &wanted.name,
                    &mut runs[0],
                )
                .await;
            let mut found = asked.map_err(|trouble| {
                self.unsettled(&trouble, Step::Instance, &Redactor::default())
            })?;
            match (found.pop(), found.is_empty()) {
                (None, _) => {}
                (Some(only), true) => {
                    self.tally.settled();
                    return Ok(Some(only));
                }
                (Some(_), false) => return Err(several_instances()),
            }
        }
        self.tally.settled();
        Ok(None)
    }

    /// An instance that the results know from before the input grew by a row for it. What it is to the rows
    /// that were there, it is to the new ones: made by this batch, or found.
    async fn grown(
        &self,
        runs: &mut [Run],
        wanted: &Wanted,
        (id, ours): (&str, bool),
        cell: &Cell,
        user_id: &str,
    ) -> Result<Had, Ending> {
        let mut found = None;
        for question in 0..=self.settings.asks {
            if let Some(before) = question.checked_sub(1) {
                // a listing may lag behind what the results know
                tokio::time::sleep(self.settle_wait(before)).await;
            }
            let listed = self
                .ask_instances(
                    cell,
                    user_id,
                    &wanted.solution_id,
                    &wanted.name,
                    &mut runs[0],
                )
                .await
                .map_err(|trouble| self.ending(&trouble, Step::Instance, &Redactor::default()))?;
            found = listed.into_iter().find(|instance| instance.id == id);
            if found.is_some() {
                break;
            }
        }
        let Some(found) = found else {
            return Err(Ending::failed(
                code::INSTANCE_CONFLICT,
                Step::Instance,
                false,
                format!(
                    "the results say that instance {id} exists, but Tray does not list it; it was removed or renamed by hand"
                ),
            ));
        };
        self.fill(&mut runs[0], wanted, &found, cell, user_id)
            .await?;
        for run in runs.iter_mut() {
            if run.progress.instance_id.is_some() {
                continue;
            }
            if ours {
                run.progress.created.add(Step::Instance);
            } else {
                run.progress.adopted.add(Step::Instance);
            }
        }
        Ok(Had {
            id: found.id,
            adopted: !ours,
            enabled: found.enabled,
        })
    }

    /// An open creation that is found was sent for the group as it was then; rows that came since are filled
    /// in. Where that fails, the creation stays open, so that the next run finds it again as this batch's.
    async fn fill_what_was_sent(
        &self,
        runs: &mut [Run],
        wanted: &Wanted,
        found: &ListedInstance,
        cell: &Cell,
        user_id: &str,
    ) -> Result<(), Ending> {
        let filled = self.fill(&mut runs[0], wanted, found, cell, user_id).await;
        filled.map_err(|ending| match ending {
            Ending::Failed(mut error) if error.code != code::INSTANCE_CONFLICT => {
                error.message = format!(
                    "the instance was created, and filling its slots failed: {}",
                    error.message
                );
                error.code = code::UNSETTLED.into();
                error.retryable = true;
                Ending::Failed(error)
            }
            other => other,
        })
    }

    /// Fills the slots of an existing instance that are empty. A slot that holds another authentication
    /// is a conflict; a config value that differs may be the end user's own choice and is left alone.
    async fn fill(
        &self,
        run: &mut Run,
        wanted: &Wanted,
        found: &ListedInstance,
        cell: &Cell,
        user_id: &str,
    ) -> Result<(), Ending> {
        let mut auths: Vec<SlotValue> = found
            .auth_values
            .iter()
            .map(|value| (value.external_id.clone(), value.auth_id.clone()))
            .collect();
        let mut config: Vec<SlotValue> = found
            .config_values
            .iter()
            .map(|value| (value.external_id.clone(), as_json_text(&value.value)))
            .collect();
        let before = (auths.len(), config.len());
        for (slot, id) in &wanted.auths {
            match auths.iter().find(|(name, _)| name == slot) {
                None => auths.push((slot.clone(), id.clone())),
                Some((_, other)) if other == id => {}
                Some((_, other)) => {
                    return Err(Ending::failed(
                        code::INSTANCE_CONFLICT,
                        Step::Instance,
                        false,
                        format!(
                            "instance {} of this name exists with another authentication ({other}) in the slot {slot}; remove it, or give this row another instanceName",
                            found.id
                        ),
                    ));
                }
            }
        }
        for (slot, value) in &wanted.config {
            let listed = found.config_values.iter().find(|v| v.external_id == *slot);
            match listed {
                None => config.push((slot.clone(), value.clone())),
                Some(listed) if same_config(&listed.value, value) => {}
                Some(_) => {
                    self.tally.differing_config();
                    tracing::warn!(
                        row = run.row,
                        instance_id = found.id,
                        slot,
                        "the instance exists with another value in this config slot; it is left as it is"
                    );
                }
            }
        }
        if (auths.len(), config.len()) == before {
            return Ok(());
        }
        // a list that has not grown is left out: Tray then leaves those slots alone, to the letter
        let auths = (auths.len() > before.0).then_some(auths.as_slice());
        let config = (config.len() > before.1).then_some(config.as_slice());
        let variables = || ops::fill_slots(&found.id, auths, config);
        self.as_user(
            cell,
            user_id,
            &UPDATE_SOLUTION_INSTANCE,
            variables,
            run,
            None,
        )
        .await
        .map(|_| ())
        .map_err(|trouble| self.ending(&trouble, Step::Instance, &Redactor::default()))
    }

    async fn enable(
        &self,
        runs: &mut [Run],
        id: &str,
        cell: &Cell,
        user_id: &str,
    ) -> Result<(), Ending> {
        let variables = || ops::enable(id);
        let data = self
            .as_user(
                cell,
                user_id,
                &UPDATE_SOLUTION_INSTANCE,
                variables,
                &mut runs[0],
                None,
            )
            .await
            .map_err(|trouble| self.ending(&trouble, Step::Enable, &Redactor::default()))?;
        let path = ["updateSolutionInstance", "solutionInstance", "enabled"];
        match ops::part::<bool>(&data, &path) {
            Ok(true) => Ok(()),
            _ => Err(Ending::failed(
                code::NOT_ENABLED,
                Step::Enable,
                true,
                "Tray took the call, but says that the instance is not enabled".to_owned(),
            )),
        }
    }
}

fn user_id_of(run: &Run) -> String {
    let id = run.progress.user_id.as_ref();
    id.map(ToString::to_string).unwrap_or_default()
}

fn wanted(runs: &[Run], placements: &[Placement]) -> Wanted {
    let mut wanted = Wanted {
        solution_id: placements[0].solution_id.clone(),
        name: placements[0].instance_name.clone(),
        auths: Vec::with_capacity(runs.len()),
        config: Vec::new(),
    };
    for (run, placement) in runs.iter().zip(placements) {
        if let Some(id) = &run.progress.authentication_id {
            wanted.auths.push((placement.slot.clone(), id.to_string()));
        }
        for (slot, value) in &placement.config {
            // the same slot with two values was refused in validation
            if !wanted.config.iter().any(|(name, _)| name == slot) {
                wanted.config.push((slot.clone(), value.clone()));
            }
        }
    }
    wanted
}

/// A config value as read back is JSON text or plain text (`tray-api.md` 3.1): equal if either reading is.
fn same_config(listed: &Value, wanted: &str) -> bool {
    let wanted: Value = serde_json::from_str(wanted).unwrap_or(Value::Null);
    if *listed == wanted {
        return true;
    }
    let Some(text) = listed.as_str() else {
        return false;
    };
    serde_json::from_str::<Value>(text).is_ok_and(|value| value == wanted)
}

/// A config value as read back, as JSON text to send again.
fn as_json_text(listed: &Value) -> String {
    match listed.as_str() {
        Some(text) if serde_json::from_str::<Value>(text).is_ok() => text.to_owned(),
        _ => listed.to_string(),
    }
}

fn several_instances() -> Ending {
    several(Step::Instance, "instances of this solution and name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn config_is_compared_in_either_form() {
        assert!(same_config(&json!("\"a@b.c\""), "\"a@b.c\""));
        assert!(same_config(&json!("a@b.c"), "\"a@b.c\""));
        assert!(same_config(&json!("{\"k\": 5}"), "{\"k\":5}"));
        assert!(same_config(&json!(7), "7"));
        assert!(same_config(&json!("7"), "7"));
        assert!(!same_config(&json!("8"), "7"));
        assert_eq!(as_json_text(&json!("a@b.c")), "\"a@b.c\"");
        assert_eq!(as_json_text(&json!("7")), "7");
    }
}
