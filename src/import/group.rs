//! The rows of one instance: gathered as they arrive, and brought to their end together.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::ending::Ending;
use super::engine::{Engine, Run};
use super::feed::Placement;
use super::instance::{user_id_of, wanted};
use super::slots::{differing, leave_alone};
use crate::model::{Id, State, Step};
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

impl<T: Transport> Engine<T> {
    /// Brings a group on which every row has arrived to its end: held, left for another run, or imported.
    pub(super) async fn complete(
        self: &Arc<Self>,
        gathering: Gathering,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let group = self.index.groups[gathering.group as usize];
        let blocked_by = self.index.blocked_by(gathering.group);
        let mut why = blocked_by.map(|row| format!("row {row} of the same instance is invalid"));
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
        self.tell_of_instance(&mut runs, &placements);
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
                .instance_and_enable(&mut runs, &wanted, known_instance, group.enabled(), place)
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
        let open = |run: &Run| run.progress.is_open(Step::Instance);
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
        leave_alone(runs, &differing(&found, &wanted));
        // those that were sent together; others are no part of the instance yet
        for run in runs.iter_mut().filter(|run| open(run)) {
            run.progress.instance_id = Some(Id::new(&found.id));
            run.progress.enabled = Some(found.enabled);
            if run.progress.is_ours(Step::Instance) {
                run.progress.created.add(Step::Instance);
            } else {
                run.progress.adopted.add(Step::Instance);
            }
        }
        Ok(())
    }

    async fn hold(&self, runs: &mut [Run], why: &str) {
        for run in runs.iter_mut() {
            run.progress.enter(State::Held, run.progress.last_done());
            run.progress.why = Some(why.into());
            tracing::warn!(row = run.row, "row held: {why}");
        }
        let mut all: Vec<&mut Run> = runs.iter_mut().collect();
        if !all.is_empty() && self.record(&mut all).await.is_ok() {
            runs.iter().for_each(|_| self.ended());
        }
    }
}
