//! The solution instance of a group of rows: created once, when every authentication exists, then enabled.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::adopt::{instances_of, several};
use super::ending::Ending;
use super::engine::{Engine, Run};
use super::feed::Placement;
use super::user::never_there;
use super::users::Cell;
use crate::model::{Id, State, Step, Steps, code};
use crate::secret::Redactor;
use crate::tray::operations::{
    self as ops, CREATE_SOLUTION_INSTANCE, ListedInstance, SlotValue, UPDATE_SOLUTION_INSTANCE,
};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;

/// What a complete group is to become.
pub(super) struct Wanted {
    pub(super) solution_id: String,
    pub(super) name: String,
    pub(super) auths: Vec<SlotValue>,
    pub(super) config: Vec<SlotValue>,
    /// Auth slots whose authentication was lost and made again: what they hold is no more.
    pub(super) lost: Vec<String>,
}

/// The instance, and how we came by it.
struct Had {
    id: String,
    adopted: bool,
    enabled: bool,
}

impl<T: Transport> Engine<T> {
    pub(super) async fn instance_and_enable(
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
            run.progress.lost = Steps::default();
        }
        if !enable || had.enabled {
            let step = if had.enabled {
                Step::Enable
            } else {
                Step::Instance
            };
            return self.enter_all(runs, State::Done, step).await;
        }
        if self.settings.until == Some(Step::Instance) {
            return self.enter_all(runs, State::Partial, Step::Instance).await;
        }
        self.enter_all(runs, State::Partial, Step::Instance).await?;
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
        self.enter_all(runs, State::Done, Step::Enable).await
    }

    async fn enter_all(&self, runs: &mut [Run], state: State, step: Step) -> Result<(), Ending> {
        let mut all: Vec<&mut Run> = runs.iter_mut().collect();
        self.enter(&mut all, state, step).await
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
            let in_place = |run: &Run| {
                run.progress.instance_id.is_some() && !run.progress.lost.has(Step::Authentication)
            };
            let complete = runs.iter().all(in_place);
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
        let open = runs.iter().any(|run| run.progress.is_open(Step::Instance));
        if !open && self.may_own(cell).await {
            let lead = &mut runs[0];
            let owned = self
                .owned(cell, user_id, lead)
                .await
                .map_err(|trouble| self.ending(&trouble, Step::Instance, &Redactor::default()))?;
            match instances_of(&owned, &wanted.solution_id, &wanted.name).as_slice() {
                [] => {}
                [found] => {
                    let found = (*found).clone();
                    self.fill(runs, wanted, &found, cell, user_id).await?;
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
        let ours = runs.iter().any(|run| run.progress.is_ours(Step::Instance));
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

    pub(super) async fn settle_instance(
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
        self.fill(runs, wanted, &found, cell, user_id).await?;
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

pub(super) fn user_id_of(run: &Run) -> String {
    let id = run.progress.user_id.as_ref();
    id.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn wanted(runs: &[Run], placements: &[Placement]) -> Wanted {
    let mut wanted = Wanted {
        solution_id: placements[0].solution_id.clone(),
        name: placements[0].instance_name.clone(),
        auths: Vec::with_capacity(runs.len()),
        config: Vec::new(),
        lost: Vec::new(),
    };
    for (run, placement) in runs.iter().zip(placements) {
        if run.progress.lost.has(Step::Authentication) {
            wanted.lost.push(placement.slot.clone());
        }
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

fn several_instances() -> Ending {
    several(Step::Instance, "instances of this solution and name")
}
