//! The solution instance of a group of rows: created once, when every authentication exists, then enabled.

use tokio::sync::OwnedSemaphorePermit;

use super::slots::WantedInstance;
use crate::import::context::Context;
use crate::import::create_once::{Caller, Creation, LookError, create_once, only, settle};
use crate::import::error::{StepError, Whose, open_creation};
use crate::import::row::RowInFlight;
use crate::import::users::Origin;
use crate::model::{Progress, State, Step, Steps, code};
use crate::secret::SecretValue;
use crate::tray::operations::{self as ops, CREATE_SOLUTION_INSTANCE, ListedInstance, Operation};
use crate::tray::session::NOT_ENABLED;
use crate::tray::transport::Transport;

const STEP: Step = Step::Instance;

/// An instance that exists.
pub(in crate::import) struct ExistingInstance {
    pub(in crate::import) id: String,
    /// Whether this batch made it.
    pub(in crate::import) ours: bool,
    pub(in crate::import) enabled: bool,
    /// Whether Tray may still be at work on it.
    pub(in crate::import) fresh: bool,
}

impl ExistingInstance {
    /// The instance that the results have for a row, as far as they tell: what it is in Tray may be another.
    pub(in crate::import) fn recorded(progress: &Progress) -> Option<ExistingInstance> {
        Some(ExistingInstance {
            id: progress.instance_id.as_ref()?.to_string(),
            ours: progress.created.has(STEP),
            enabled: false,
            fresh: true,
        })
    }
}

/// Brings a group whose authentications all exist to its end. `known` is the group's instance as other rows know
/// it; the permit is given back while the rows only wait.
pub(in crate::import) async fn instance<T: Transport>(
    ctx: &Context<T>,
    rows: &mut [RowInFlight],
    known: Option<ExistingInstance>,
    enable: bool,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<(), StepError> {
    let wanted = WantedInstance::of(ctx, rows);
    let existing = find_or_create(ctx, rows, &wanted, known).await?;
    for row in rows.iter_mut() {
        if row.progress.instance_id.is_none() {
            row.has(STEP, &existing.id, existing.ours);
        }
        row.progress.enabled = Some(existing.enabled);
        row.progress.lost = Steps::default();
    }
    if existing.enabled {
        return ctx.enter(rows, State::Done, Some(Step::Enable)).await;
    }
    if !enable {
        return ctx.enter(rows, State::Done, Some(STEP)).await;
    }
    ctx.enter(rows, State::Partial, Some(STEP)).await?;
    if ctx.settings.until == Some(STEP) {
        return Ok(());
    }
    drop(permit);
    if existing.fresh {
        tokio::select! {
            biased;
            () = ctx.stop().wait() => return Err(StepError::Stopped),
            () = tokio::time::sleep(ctx.settings.enable_delay) => {}
        }
    }
    let enabled = wanted.session.enable(&existing.id).await;
    if !enabled.map_err(|trouble| ctx.error(&trouble, Step::Enable))? {
        let message = NOT_ENABLED.to_owned();
        return Err(StepError::failed(
            code::NOT_ENABLED,
            Step::Enable,
            true,
            message,
        ));
    }
    for row in rows.iter_mut() {
        row.progress.enabled = Some(true);
    }
    ctx.tally.counts().stepped(Step::Enable);
    ctx.enter(rows, State::Done, Some(Step::Enable)).await
}

/// An instance that the results know, that Tray has already, or that is created.
async fn find_or_create<T: Transport>(
    ctx: &Context<T>,
    rows: &mut [RowInFlight],
    wanted: &WantedInstance<T>,
    known: Option<ExistingInstance>,
) -> Result<ExistingInstance, StepError> {
    let recorded = |row: &RowInFlight| ExistingInstance::recorded(&row.progress);
    let recorded = rows.iter().find_map(recorded);
    if let Some(existing) = recorded.or(known) {
        let in_place = |row: &RowInFlight| {
            row.progress.instance_id.is_some() && !row.progress.lost.has(Step::Authentication)
        };
        if !rows.iter().all(in_place) {
            return grow(ctx, rows, wanted, existing).await;
        }
        let enabled = rows.iter().any(|row| row.progress.enabled == Some(true));
        return Ok(ExistingInstance {
            enabled,
            ..existing
        });
    }
    if ctx.stop().is_set() {
        return Err(StepError::Stopped);
    }
    let open = open_instance(rows);
    if open.is_none() && rows[0].user.origin().await != Some(Origin::ThisRun) {
        let owned = wanted.session.owned().await;
        let owned = owned.map_err(|trouble| ctx.error(&trouble, STEP))?;
        let same = |i: &&ListedInstance| i.is_of(&wanted.solution_id, &wanted.name);
        let found = owned.instances.iter().filter(same).cloned().collect();
        if let Some(found) = only(found, several)? {
            wanted.fill(ctx, rows, &found).await?;
            ctx.tally.counts().brought(STEP, false);
            return Ok(ExistingInstance {
                enabled: found.enabled,
                id: found.id,
                ours: false,
                fresh: false,
            });
        }
    }
    let created = create_once(ctx, wanted, rows, open).await?;
    let ours = created.whose == Whose::Ours;
    if let Some(found) = &created.found {
        fill_what_was_sent(ctx, rows, wanted, found).await?;
    }
    ctx.tally.counts().brought(STEP, ours);
    Ok(ExistingInstance {
        id: created.id,
        ours,
        enabled: created.found.is_some_and(|found| found.enabled),
        fresh: ours,
    })
}

/// An open creation that is found was sent for the group as it was then; rows that came since are filled in. Where
/// that fails, the creation stays open, so that the next run finds it again as this batch's.
async fn fill_what_was_sent<T: Transport>(
    ctx: &Context<T>,
    rows: &mut [RowInFlight],
    wanted: &WantedInstance<T>,
    found: &ListedInstance,
) -> Result<(), StepError> {
    match wanted.fill(ctx, rows, found).await {
        Err(StepError::Failed(failure)) if failure.code != code::INSTANCE_CONFLICT => {
            let error = StepError::Failed(failure);
            Err(error.under(code::UNSETTLED, |message| {
                format!("the instance was created, and filling its slots failed: {message}")
            }))
        }
        other => other,
    }
}

/// An instance that the results know from before the input grew by a row for it, or from before one of its
/// authentications was lost. What it is to the rows that were there, it is to the new ones: made by this batch, or
/// found.
async fn grow<T: Transport>(
    ctx: &Context<T>,
    rows: &mut [RowInFlight],
    wanted: &WantedInstance<T>,
    existing: ExistingInstance,
) -> Result<ExistingInstance, StepError> {
    // a listing may lag behind what the results know
    for wait in ctx.settings.patience().at_once_and_later() {
        tokio::time::sleep(wait).await;
        let listed = wanted
            .session
            .instances_of(&wanted.solution_id, &wanted.name)
            .await;
        let listed = listed.map_err(|trouble| ctx.error(&trouble, STEP))?;
        if let Some(found) = listed.into_iter().find(|one| one.id == existing.id) {
            wanted.fill(ctx, rows, &found).await?;
            return Ok(ExistingInstance {
                enabled: found.enabled,
                fresh: existing.ours,
                ..existing
            });
        }
    }
    Err(StepError::failed(
        code::INSTANCE_CONFLICT,
        STEP,
        false,
        format!(
            "the results say that instance {} exists, but Tray does not list it; it was removed or renamed by hand",
            existing.id
        ),
    ))
}

/// Settles a creation that an earlier run left open, of a group that cannot be completed: `held` would forget that
/// it may have been done, and whose the instance is.
pub(in crate::import) async fn settle_open<T: Transport>(
    ctx: &Context<T>,
    rows: &mut [RowInFlight],
) -> Result<(), StepError> {
    let Some(whose) = open_instance(rows) else {
        return Ok(());
    };
    let wanted = WantedInstance::of(ctx, rows);
    let Some(found) = settle(ctx, &wanted, &rows[0], whose).await? else {
        return Ok(());
    };
    wanted.leave_differing_alone(rows, &found);
    for row in rows {
        // those that were sent together; others are no part of the instance yet
        if let Some(whose) = open_creation(&row.progress, STEP) {
            row.has(STEP, &found.id, whose == Whose::Ours);
            row.progress.enabled = Some(found.enabled);
        }
    }
    Ok(())
}

/// Whether the group's creation is open. It is this batch's as soon as one row says so.
fn open_instance(rows: &[RowInFlight]) -> Option<Whose> {
    let open = |row: &RowInFlight| open_creation(&row.progress, STEP);
    let ours = rows
        .iter()
        .find_map(|row| open(row).filter(|whose| *whose == Whose::Ours));
    ours.or_else(|| rows.iter().find_map(open))
}

impl<T: Transport> Creation<T> for WantedInstance<T> {
    const STEP: Step = STEP;
    const OPERATION: &'static Operation = &CREATE_SOLUTION_INSTANCE;
    type Found = ListedInstance;

    fn caller(&self) -> Caller<'_, T> {
        Caller::User(&self.session)
    }

    fn variables(&self) -> SecretValue {
        ops::create_solution_instance(&self.solution_id, &self.name, &self.auths, &self.config)
    }

    async fn look(&self) -> Result<Vec<ListedInstance>, LookError> {
        Ok(self
            .session
            .instances_of(&self.solution_id, &self.name)
            .await?)
    }

    fn several(&self) -> StepError {
        several()
    }
}

fn several() -> StepError {
    StepError::several(
        STEP,
        "the end user has several instances of this solution and name",
    )
}
