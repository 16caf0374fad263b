//! Rows in, their steps done in tasks, several at a time, until the end or a stop.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};

use super::context::{Context, Settings};
use super::error::{StepError, open_creation};
use super::group::{Member, PendingGroups, complete};
use super::hidden::HiddenListing;
use super::row::{RowInFlight, WorkRow};
use super::row_source::Item;
use super::steps::authentication::authentication;
use super::steps::user::{list_users, user};
use super::tally::Tally;
use super::users::EndUsers;
use crate::batch::Index;
use crate::batch::plan::Plan;
use crate::model::DigestMap;
use crate::model::{State, Step, Steps};
use crate::results::facts::Checker;
use crate::results::journal::Journal;
use crate::results::rows::PriorRows;
use crate::results::users::SeenUser;
use crate::secret::SecretText;
use crate::stop::{Reason, Stop};
use crate::tray::client::Client;
use crate::tray::outcome::Trouble;
use crate::tray::session::Organisation;
use crate::tray::transport::Transport;

/// What a run works with.
pub struct Parts<T> {
    /// Calls Tray.
    pub client: Arc<Client<T>>,
    /// Writes the results.
    pub journal: Journal,
    /// The master token.
    pub master: SecretText,
    /// The rows.
    pub index: Arc<Index>,
    /// What is to be done with them.
    pub plan: Arc<Plan>,
    /// What the results knew at the start.
    pub prior: PriorRows,
    /// What the results knew of end users.
    pub seen: DigestMap<SeenUser>,
    /// How the run was asked to go.
    pub settings: Settings,
    /// Counts.
    pub tally: Arc<Tally>,
    /// Says when to stop.
    pub stop: Arc<Stop>,
    /// Tells the time of day, for the results.
    pub now: fn() -> Timestamp,
}

/// A run of the import.
pub struct Executor<T> {
    ctx: Context<T>,
    checker: Checker,
    index: Arc<Index>,
    /// How many rows the row source is to bring.
    work: u64,
    prior: Mutex<PriorRows>,
    groups: PendingGroups,
}

impl<T: Transport> Executor<T> {
    /// A run that has not begun.
    pub fn new(parts: Parts<T>) -> Executor<T> {
        parts.tally.begin(&parts.plan);
        Executor {
            checker: Checker::new(&parts.master),
            ctx: Context {
                users: EndUsers::new(&parts.index, &parts.plan, &parts.prior, &parts.seen),
                tray: Organisation::new(parts.client, parts.master, parts.stop),
                journal: parts.journal,
                settings: parts.settings,
                tally: parts.tally,
                hidden: HiddenListing::default(),
                now: parts.now,
            },
            index: parts.index,
            work: parts.plan.work,
            prior: Mutex::new(parts.prior),
            groups: PendingGroups::default(),
        }
    }

    /// Imports what the row source delivers, until it ends or the run is stopped. What is in flight then is
    /// brought to the end of its step, so that no row stays `sent` whose call was answered; but not for longer
    /// than the reason to stop allows, whatever a row is waiting for: an answer, the journal, the next question
    /// about an open outcome.
    pub async fn run(self: &Arc<Self>, items: mpsc::Receiver<Item>) {
        let mut tasks = JoinSet::new();
        let overdue = async {
            self.ctx.stop().wait().await;
            self.ctx.tray.client().halt();
            self.ctx.stop().overdue().await;
        };
        tokio::select! {
            biased;
            () = self.import(items, &mut tasks) => {}
            () = overdue => tracing::warn!(rows = tasks.len(), "waited long enough; what is open is settled by the next run"),
        }
        tasks.shutdown().await;
    }

    async fn import(self: &Arc<Self>, mut items: mpsc::Receiver<Item>, tasks: &mut JoinSet<()>) {
        if let Err(trouble) = list_users(&self.ctx, &self.index).await {
            return stop_unlisted(self.ctx.stop(), &trouble);
        }
        self.start_rows(&mut items, tasks).await;
        drop(items);
        while let Some(ended) = tasks.join_next().await {
            self.joined(ended);
        }
    }

    /// Starts the rows one after the other, each as soon as there is a permit for it.
    async fn start_rows(
        self: &Arc<Self>,
        items: &mut mpsc::Receiver<Item>,
        tasks: &mut JoinSet<()>,
    ) {
        let stop = self.ctx.stop();
        let failed = |message: &str| stop.because(Reason::Failed(message.to_owned()));
        let permits = Arc::new(Semaphore::new(self.ctx.settings.rows_in_flight.max(1)));
        let mut started = 0;
        loop {
            while let Some(ended) = tasks.try_join_next() {
                self.joined(ended);
            }
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned().await.ok();
                (items.recv().await, permit)
            };
            let (item, permit) = tokio::select! {
                biased;
                () = stop.wait() => return,
                next = next => next,
            };
            let executor = Arc::clone(self);
            match item {
                Some(Item::Work(work)) => {
                    started += 1;
                    tasks.spawn(async move { executor.row(work, permit).await });
                }
                Some(Item::Pass(at)) => {
                    if let Some((group, members)) = self.pass(at) {
                        tasks.spawn(async move {
                            complete(&executor.ctx, &executor.index, group, members, None).await;
                        });
                    }
                }
                Some(Item::Broken(message)) => return failed(&message),
                None if started < self.work => {
                    return failed("the input ended before its last row was read");
                }
                None => return,
            }
        }
    }

    fn joined(&self, ended: Result<(), JoinError>) {
        if ended.is_err_and(|error| error.is_panic()) {
            let message = "an internal error ended a row; its state is in the results";
            self.ctx.stop().because(Reason::Failed(message.to_owned()));
        }
    }

    /// One row, from the row source to its authentication and, as the last of its group, to its instance.
    async fn row(&self, work: Box<WorkRow>, permit: Option<OwnedSemaphorePermit>) {
        let ctx = &self.ctx;
        let at = &self.index.rows[work.index];
        let known = self.prior.lock().remove(&work.key);
        let mut row = RowInFlight::new(&work, ctx.users.end_user(at.user), known, &self.checker);
        let outcome = until_authentication(ctx, &work, &mut row).await;
        // the credentials are not needed any more: wiped here
        drop(work);
        let member = match outcome {
            Ok(Reached::Barrier) => Member::Ready(Box::new(row)),
            Ok(Reached::End) => {
                ctx.row_ended();
                return ctx.users.row_ended(&row.user);
            }
            Err(error) => {
                ctx.record_error(std::slice::from_mut(&mut row), &error)
                    .await;
                ctx.users.row_ended(&row.user);
                match error {
                    StepError::Failed(_) => Member::Failed(row.row),
                    StepError::Stopped | StepError::NotDone => Member::Unfinished,
                }
            }
        };
        if let Some(group) = at.group()
            && let Some(members) = self.groups.add(&self.index, group, member)
        {
            complete(ctx, &self.index, group, members, permit).await;
        }
    }

    /// Hands in a row without work whose instance has work; the group, if it was the last.
    fn pass(&self, at: usize) -> Option<(u32, Vec<Member>)> {
        let row = &self.index.rows[at];
        let group = row.group()?;
        let prior = self.prior.lock();
        let known = prior.get(&row.key());
        let member = Member::passed(u64::from(self.index.number(at)), known);
        drop(prior);
        let members = self.groups.add(&self.index, group, member)?;
        Some((group, members))
    }
}

fn stop_unlisted(stop: &Stop, trouble: &Trouble) {
    // a refused token has stopped the run already
    if let Trouble::NotSent(why) | Trouble::Open(why) | Trouble::Refused(why) = trouble {
        stop.because(Reason::Failed(format!(
            "the end users cannot be listed: {why}"
        )));
    }
}

/// How far a row got by itself.
enum Reached {
    /// As far as the run was asked to bring it.
    End,
    /// To where its instance is created.
    Barrier,
}

async fn until_authentication<T: Transport>(
    ctx: &Context<T>,
    work: &WorkRow,
    row: &mut RowInFlight,
) -> Result<Reached, StepError> {
    user(ctx, work, row).await?;
    let fresh = row.progress.authentication_id.is_none();
    // what may have been created is settled even by a run that would not create it
    let is_open = |row: &RowInFlight, step| open_creation(&row.progress, step).is_some();
    let until = ctx.settings.until;
    let rows = std::slice::from_mut(row);
    if until == Some(Step::User) && fresh && !is_open(&rows[0], Step::Authentication) {
        if rows[0].progress.state != State::Partial || rows[0].progress.step.is_none() {
            ctx.enter(rows, State::Partial, Some(Step::User)).await?;
        }
        return Ok(Reached::End);
    }
    authentication(ctx, work, &mut rows[0]).await?;
    if work.placement.is_none() {
        rows[0].progress.lost = Steps::default();
        ctx.enter(rows, State::Done, Some(Step::Authentication))
            .await?;
        return Ok(Reached::End);
    }
    if fresh {
        ctx.enter(rows, State::Partial, Some(Step::Authentication))
            .await?;
    }
    let ends = ctx.settings.ends_before(Step::Instance) && !is_open(&rows[0], Step::Instance);
    Ok(if ends { Reached::End } else { Reached::Barrier })
}
