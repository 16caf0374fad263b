//! Creating something in Tray exactly once.

use std::future::Future;

use super::context::Context;
use super::error::{StepError, Whose};
use super::row::RowInFlight;
use crate::model::{State, Step, code};
use crate::secret::SecretValue;
use crate::tray::operations::{ListedInstance, Operation};
use crate::tray::outcome::Trouble;
use crate::tray::session::{Organisation, UserSession};
use crate::tray::transport::Transport;

/// Something that Tray is to have exactly once: how to look for it, how to ask for it. Its operation knows where
/// the new id stands in the answer.
pub(super) trait Creation<T: Transport>: Sync {
    const STEP: Step;
    const OPERATION: &'static Operation;
    /// It as Tray lists it.
    type Found: Listed + Send;

    /// With whose token it is looked for and created.
    fn caller(&self) -> Caller<'_, T>;

    /// The input of the call.
    fn variables(&self) -> SecretValue;

    /// Everything in Tray that is this very thing by its name, as listed now.
    fn look(&self) -> impl Future<Output = Result<Vec<Self::Found>, LookError>> + Send;

    /// Whether not to be listed is not to be there, when it has not been listed for long enough.
    fn absence_is_proof(
        &self,
        _ctx: &Context<T>,
    ) -> impl Future<Output = Result<(), StepError>> + Send {
        async { Ok(()) }
    }

    /// There are several of it.
    fn several(&self) -> StepError;
}

pub(super) enum Caller<'a, T> {
    Organisation(&'a Organisation<T>),
    User(&'a UserSession<T>),
}

/// Why a look brought nothing to go by.
pub(super) enum LookError {
    Trouble(Trouble),
    /// What is looked for is not on the list, and the list is not whole.
    CutShort,
}

impl From<Trouble> for LookError {
    fn from(trouble: Trouble) -> LookError {
        LookError::Trouble(trouble)
    }
}

/// Something that is listed with its id.
pub(super) trait Listed {
    fn id(&self) -> &str;
}

impl Listed for String {
    fn id(&self) -> &str {
        self
    }
}

impl Listed for ListedInstance {
    fn id(&self) -> &str {
        &self.id
    }
}

/// The only one of these, if there is any. The same id listed twice is one thing; two ids are never resolved by
/// guessing.
pub(super) fn only<F: Listed>(
    mut found: Vec<F>,
    several: impl FnOnce() -> StepError,
) -> Result<Option<F>, StepError> {
    let last = found.pop();
    let same = |other: &F| last.as_ref().is_some_and(|last| last.id() == other.id());
    if found.iter().all(same) {
        Ok(last)
    } else {
        Err(several())
    }
}

/// What there is now, once.
pub(super) struct Created<F> {
    pub(super) id: String,
    /// As it was listed, where it was found by looking rather than known by the answer.
    pub(super) found: Option<F>,
    pub(super) whose: Whose,
    /// Whether this run has sent it, and nobody before.
    pub(super) sent_here: bool,
}

/// Creates something, unless it turns out to have been created already. The only function in the program that
/// sends a creation.
///
/// A creation cannot be repeated: Tray would have two of a kind, both at work for a customer. And its answer can
/// get lost: a timeout, a broken connection, a 5xx or an unreadable body say nothing about what Tray has done; and
/// this process can die at any moment, and know nothing afterwards but what is on disk. So, for all creations:
///
/// 1. No creating call leaves before a `sent` line of its rows is on disk. The line is written only when the
///    call has its permit and is all but on its way, so that few rows are `sent` at a time.
/// 2. No step begins before the outcome of the one that it builds on is on disk: callers record what is returned
///    here before they go on, and the next `sent` line repeats the ids.
/// 3. A creation is sent only when it is known not to have been done: because nothing of its kind was ever sent
///    (`open` is none), because Tray has refused it, or because Tray was asked for long enough and does not have
///    it ([`settle`]). An answer that holds the new id is a success, whatever stands beside it.
/// 4. What Tray has already is adopted: callers look at what an end user owns who was not created by this run
///    before they come here.
/// 5. Network, disk, clock and randomness are reached only through the client, the journal, tokio's clock and the
///    generator that the client was given: so a simulation can drive this through any fault.
///
/// What was never sent, or surely not done, stays open for nobody: where the run stops then, the rows go back to
/// the step before ([`StepError::NotDone`]). What is still open after all questions fails the rows as
/// `unsettled`, and the next run asks again before it sends anything.
pub(super) async fn create_once<T: Transport, C: Creation<T>>(
    ctx: &Context<T>,
    creation: &C,
    rows: &mut [RowInFlight],
    mut open: Option<Whose>,
) -> Result<Created<C::Found>, StepError> {
    let mut sent_here = false;
    for sends_left in (0..=ctx.settings.sends).rev() {
        if let Some(whose) = open {
            if let Some(found) = settle(ctx, creation, &rows[0], whose).await? {
                return Ok(Created {
                    id: found.id().to_owned(),
                    found: Some(found),
                    whose,
                    sent_here,
                });
            }
            if ctx.stop().is_set() || ctx.settings.ends_before(C::STEP) {
                return Err(StepError::NotDone);
            }
        }
        if sends_left == 0 {
            break;
        }
        let why = match send(ctx, creation, rows).await? {
            Answer::Created(id) => {
                return Ok(Created {
                    id,
                    found: None,
                    whose: Whose::Ours,
                    sent_here: true,
                });
            }
            Answer::Open(why) => why,
        };
        let (row, step) = (rows[0].row, C::STEP);
        tracing::info!(row, %step, "no usable answer; Tray is asked what exists: {why}");
        sent_here = true;
        open = Some(Whose::Ours);
    }
    Err(StepError::failed(
        code::NO_ANSWER,
        C::STEP,
        true,
        "the call was sent several times, and each time Tray gave no usable answer and did nothing"
            .to_owned(),
    ))
}

enum Answer {
    Created(String),
    /// Nobody knows whether it was done; why not.
    Open(String),
}

/// Waits for a permit, writes `sent`, and calls. A run that stops meanwhile sends nothing.
async fn send<T: Transport, C: Creation<T>>(
    ctx: &Context<T>,
    creation: &C,
    rows: &mut [RowInFlight],
) -> Result<Answer, StepError> {
    let was_sent = rows.iter().any(RowInFlight::is_sent);
    let stopped = |error: StepError| if was_sent { error.not_done() } else { error };
    if let Caller::User(session) = creation.caller() {
        // before the permit: minting a token is a call of its own
        let authorized = session.authorize().await;
        authorized.map_err(|trouble| stopped(ctx.error(&trouble, C::STEP)))?;
    }
    let permit = tokio::select! {
        biased;
        () = ctx.stop().wait() => return Err(stopped(StepError::Stopped)),
        permit = ctx.tray.client().reserve() => permit,
    };
    ctx.enter(rows, State::Sent, Some(C::STEP)).await?;
    let permit = Some(permit);
    let answer = match creation.caller() {
        Caller::Organisation(organisation) => {
            let variables = creation.variables();
            organisation
                .call_with(permit, C::OPERATION, variables)
                .await
        }
        Caller::User(session) => {
            let variables = || creation.variables();
            session.call_with(permit, C::OPERATION, variables).await
        }
    };
    match answer {
        Ok(data) => Ok(match C::OPERATION.created(&data) {
            Some(id) => Answer::Created(id.to_owned()),
            None => Answer::Open("the answer holds no id".to_owned()),
        }),
        Err(Trouble::Open(why)) => Ok(Answer::Open(why)),
        Err(trouble) => Err(ctx.error(&trouble, C::STEP).not_done()),
    }
}

/// Finds out by asking what a creation without a usable answer has done: wait, ask, wait twice as long, ask. Only
/// when the last question finds nothing was it not done.
pub(super) async fn settle<T: Transport, C: Creation<T>>(
    ctx: &Context<T>,
    creation: &C,
    row: &RowInFlight,
    whose: Whose,
) -> Result<Option<C::Found>, StepError> {
    let mut found = None;
    for wait in ctx.settings.patience().waits() {
        tokio::time::sleep(wait).await;
        let look = creation.look().await;
        found = only(
            look.map_err(|error| unsettled::<T, C>(ctx, error, whose))?,
            || creation.several(),
        )?;
        if found.is_some() {
            break;
        }
    }
    if found.is_none() {
        creation.absence_is_proof(ctx).await?;
    }
    ctx.tally.counts().settled += 1;
    tracing::info!(row = row.row, step = %C::STEP, found = found.is_some(), "an open outcome is settled");
    Ok(found)
}

/// A question that brought no answer leaves the outcome open.
fn unsettled<T: Transport, C: Creation<T>>(
    ctx: &Context<T>,
    error: LookError,
    whose: Whose,
) -> StepError {
    let code = match whose {
        Whose::Ours => code::UNSETTLED,
        Whose::Anybodys => code::AMBIGUOUS,
    };
    let trouble = match error {
        LookError::Trouble(trouble) => trouble,
        LookError::CutShort => {
            let why = format!("Tray lists only a part of the end user's {}s", C::STEP);
            return may_have_been_created(code, C::STEP, &why);
        }
    };
    // a run that stops leaves the row `sent`: the next one asks
    ctx.error(&trouble, C::STEP).under(code, |message| {
        format!("a creation may have happened, and asking Tray failed: {message}; --retry-failed asks again before it sends anything")
    })
}

/// Tray cannot be asked in a way that tells.
pub(super) fn may_have_been_created(code: &'static str, step: Step, why: &str) -> StepError {
    StepError::failed(
        code,
        step,
        true,
        format!(
            "the {step} may have been created: no usable answer came, and {why}. Nothing is sent again on a guess; find out from Tray whether the end user has it (--retry-failed asks again)"
        ),
    )
}
