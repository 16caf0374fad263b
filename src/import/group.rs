//! The rows of one instance: collected as they arrive, and brought to their end together.
//!
//! An instance needs all its authentications, and it is created once. So it is a barrier: each row of the group
//! goes as far as it can by itself, in its own task, and hands itself in; whichever comes last goes on for all of
//! them. Rows without work in this run are handed in too (the row source passes them by), so that the group is
//! complete when as many have come as the index says there are. Nobody waits at the barrier: a row that is handed
//! in keeps no task and no permit, and a group that does not become complete is simply left for another run.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use super::context::Context;
use super::error::StepError;
use super::row::RowInFlight;
use super::steps::instance::{ExistingInstance, instance, settle_open};
use crate::batch::Index;
use crate::model::{Progress, State};
use crate::tray::transport::Transport;

/// A row of an instance, when it has gone as far as it can by itself.
pub(super) enum Member {
    /// Its authentication exists.
    Ready(Box<RowInFlight>),
    /// Was done before this run, as part of this instance.
    Done(Option<ExistingInstance>),
    /// The row of this number failed, in this run or before.
    Failed(u64),
    /// Not brought to its end in this run.
    Unfinished,
}

impl Member {
    /// A row without work in this run, by what the results know of it.
    pub(super) fn passed(number: u64, known: Option<&Progress>) -> Member {
        match known {
            Some(progress) if progress.state == State::Failed => Member::Failed(number),
            Some(progress) if progress.state == State::Done => {
                Member::Done(ExistingInstance::recorded(progress))
            }
            _ => Member::Unfinished,
        }
    }
}

/// Groups of which not every row has arrived, by number.
#[derive(Default)]
pub(super) struct PendingGroups {
    groups: Mutex<HashMap<u32, Vec<Member>>>,
}

impl PendingGroups {
    /// Adds a row; hands the group out when it is complete.
    pub(super) fn add(&self, index: &Index, group: u32, member: Member) -> Option<Vec<Member>> {
        let size = index.groups[group as usize].size() as usize;
        let mut groups = self.groups.lock();
        let members = groups
            .entry(group)
            .or_insert_with(|| Vec::with_capacity(size));
        members.push(member);
        if members.len() < size {
            return None;
        }
        groups.remove(&group)
    }
}

/// Brings a complete group to its end: held, left for another run, or imported.
pub(super) async fn complete<T: Transport>(
    ctx: &Context<T>,
    index: &Index,
    group: u32,
    members: Vec<Member>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let blocked_by = index.blocked_by(group);
    let mut why = blocked_by.map(|row| format!("row {row} of the same instance is invalid"));
    let (mut rows, mut known, mut unfinished) = (Vec::new(), None, false);
    for member in members {
        match member {
            Member::Ready(row) => rows.push(*row),
            Member::Done(instance) => known = instance,
            Member::Failed(row) => {
                why.get_or_insert_with(|| format!("row {row} of the same instance failed"));
            }
            Member::Unfinished => unfinished = true,
        }
    }
    if !rows.is_empty() && (why.is_some() || !unfinished) {
        let enable = index.groups[group as usize].enabled();
        let outcome = match why {
            Some(why) => hold(ctx, &mut rows, &why).await,
            None => instance(ctx, &mut rows, known, enable, permit).await,
        };
        match outcome {
            Ok(()) => rows.iter().for_each(|_| ctx.row_ended()),
            Err(error) => ctx.record_error(&mut rows, &error).await,
        }
    }
    for row in &rows {
        ctx.users.row_ended(&row.user);
    }
}

async fn hold<T: Transport>(
    ctx: &Context<T>,
    rows: &mut [RowInFlight],
    why: &str,
) -> Result<(), StepError> {
    settle_open(ctx, rows).await?;
    for row in rows.iter_mut() {
        row.progress.enter(State::Held, row.progress.last_done());
        row.progress.why = Some(why.into());
        tracing::warn!(row = row.row, "row blocked: {why}");
    }
    ctx.record(rows).await
}
