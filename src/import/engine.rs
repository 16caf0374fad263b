//! The pool: rows in, steps done, every change on disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::authentication::HiddenListing;
use super::ending::Ending;
use super::feed::{Item, WorkRow};
use super::instance::{Gathering, Member};
use super::stop::{Reason, Stop};
use super::tally::{MaxFailures, Tally};
use super::users::{Cell, Users, is_open, is_ours};
use crate::batch::Index;
use crate::batch::plan::Plan;
use crate::results::fold::SeenUser;
use crate::results::journal::Journal;
use crate::results::record::{Progress, State, Step, write_line};
use crate::secret::{Redactor, SecretText, SecretValue};
use crate::tray::client::{Client, Failed, Slot};
use crate::tray::operations::{self as ops, AUTHORIZE, Operation};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;
use crate::validate::identity::{DigestMap, Key};

/// How the run was asked to go.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rows under way: those that hold credentials or calls. Waiting instances are not counted.
    pub rows_under_way: usize,
    /// How long to wait before an open outcome is asked about.
    pub settle: Duration,
    /// How often it is asked about before it counts as not done; each wait is twice the one before.
    pub asks: u32,
    /// How often a creation is sent that was each time found not done.
    pub sends: u32,
    /// The pause between creating and enabling an instance.
    pub enable_delay: Duration,
    /// The step after which every row stops.
    pub until: Option<Step>,
    /// Create end users as test users.
    pub test_users: bool,
    /// When to stop a run that is going wrong.
    pub max_failures: MaxFailures,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            rows_under_way: 128,
            settle: Duration::from_secs(2),
            // 2 + 4 + 8 + 16 s: past the 29 s that a gateway gives a call (`tray-api.md` 5.2)
            asks: 4,
            sends: 5,
            enable_delay: Duration::from_secs(2),
            until: None,
            test_users: false,
            max_failures: MaxFailures::Percent(10.0),
        }
    }
}

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
    pub prior: DigestMap<(u64, Progress)>,
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

/// Refused tokens of one call, with nothing that explains it, after which it is given up.
const MOST_REFUSALS: u32 = 10;

/// A run of the import.
pub struct Engine<T> {
    pub(super) client: Arc<Client<T>>,
    journal: Journal,
    pub(super) master: SecretText,
    pub(super) index: Arc<Index>,
    prior: Mutex<DigestMap<(u64, Progress)>>,
    pub(super) settings: Settings,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: Arc<Stop>,
    now: fn() -> Timestamp,
    pub(super) users: Users,
    pub(super) hidden: HiddenListing,
    /// How many rows the feed is to bring.
    work: u64,
    gatherings: Mutex<HashMap<u32, Gathering>>,
}

/// A row under way: who it is, and what is known of it.
pub struct Run {
    pub(super) row: u64,
    line: u64,
    pub(super) key: Key,
    pub(super) external_user_id: String,
    pub(super) user: u32,
    pub(super) progress: Progress,
    /// The state that the results hold.
    recorded: Option<State>,
}

impl Run {
    /// Whether the results have a creation of this row under way.
    pub(super) fn is_sent(&self) -> bool {
        self.recorded == Some(State::Sent)
    }
}

impl<T: Transport> Engine<T> {
    /// A run that has not begun.
    pub fn new(parts: Parts<T>) -> Engine<T> {
        let users = Users::new(&parts.index, &parts.plan, &parts.prior, &parts.seen);
        for row in &parts.index.rows {
            if let Some((_, progress)) = parts.prior.get(&row.key().0) {
                parts.tally.moved(None, progress.state);
            }
        }
        Engine {
            client: parts.client,
            journal: parts.journal,
            master: parts.master,
            index: parts.index,
            prior: Mutex::new(parts.prior),
            settings: parts.settings,
            tally: parts.tally,
            stop: parts.stop,
            now: parts.now,
            users,
            hidden: HiddenListing::default(),
            work: parts.plan.work,
            gatherings: Mutex::default(),
        }
    }

    /// Imports what the feed delivers, until it ends or the run is stopped. What is under way then is
    /// brought to the end of its step, so that no row stays `sent`.
    pub async fn run(self: &Arc<Self>, mut items: mpsc::Receiver<Item>) {
        if let Err(error) = self.list_users().await {
            self.give_up(&error);
            return;
        }
        let places = Arc::new(Semaphore::new(self.settings.rows_under_way.max(1)));
        let mut tasks = JoinSet::new();
        let mut begun = 0;
        loop {
            while let Some(ended) = tasks.try_join_next() {
                self.joined(ended);
            }
            let place = tokio::select! {
                biased;
                () = self.stop.wait() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let item = tokio::select! {
                biased;
                () = self.stop.wait() => break,
                item = items.recv() => item,
            };
            match (item, place) {
                (Some(Item::Work(row)), Ok(place)) => {
                    begun += 1;
                    let engine = Arc::clone(self);
                    tasks.spawn(async move { engine.row(*row, place).await });
                }
                (Some(Item::Pass(index)), _) => {
                    if let Some(group) = self.passed(index) {
                        let engine = Arc::clone(self);
                        tasks.spawn(async move { engine.complete(group, None).await });
                    }
                }
                (Some(Item::Broken(message)), _) => {
                    self.stop.because(Reason::Failed(message));
                    break;
                }
                (None, _) => {
                    if begun < self.work {
                        let message = "the input ended before its last row was read";
                        self.stop.because(Reason::Failed(message.to_owned()));
                    }
                    break;
                }
                (_, Err(_)) => break,
            }
        }
        if self.stop.is_set() {
            self.client.halt();
        }
        drop(items);
        while let Some(ended) = tasks.join_next().await {
            self.joined(ended);
        }
    }

    fn joined(&self, ended: Result<(), tokio::task::JoinError>) {
        if ended.is_err_and(|error| error.is_panic()) {
            let message = "an internal error ended a row; its state is in the results";
            self.stop.because(Reason::Failed(message.to_owned()));
        }
    }

    fn give_up(&self, failed: &Failed) {
        let mut redactor = Redactor::default();
        redactor.add(self.master.expose());
        match &failed.trouble {
            Trouble::TokenRefused { message, .. } => {
                let message = redactor.clean(message);
                self.stop.because(Reason::TokenRefused(message));
            }
            Trouble::NotSent(why) | Trouble::Open(why) | Trouble::Refused(why) => {
                let why = redactor.clean(why);
                let message = format!("the end users cannot be listed: {why}");
                self.stop.because(Reason::Failed(message));
            }
            Trouble::Throttled(_) => {}
        }
    }

    /// One row, from the feed to its authentication and, as the last of its group, to its instance.
    async fn row(self: &Arc<Self>, row: WorkRow, place: OwnedSemaphorePermit) {
        let mut run = self.run_of(&row);
        let cell = self.users.cell(run.user);
        let group = self.index.rows[row.index].group();
        let outcome = self.until_authentication(&row, &mut run, &cell).await;
        let placement = row.placement.clone();
        // the credentials are not needed any more: wiped here
        drop(row);
        match (outcome, placement, group) {
            (Ok(Reached::Gather), Some(placement), Some(group)) => {
                let member = Member::Ready(Box::new((run, placement)));
                if let Some(gathering) = self.gather(group, member) {
                    self.complete(gathering, Some(place)).await;
                }
                return;
            }
            (Ok(_), _, _) => self.ended(),
            (Err(ending), _, _) => {
                let stopped = !matches!(ending, Ending::Failed(_));
                let number = run.row;
                self.end_badly(&mut run, ending).await;
                if let Some(group) = group {
                    let member = if stopped {
                        Member::Unfinished
                    } else {
                        Member::Failed { row: number }
                    };
                    if let Some(gathering) = self.gather(group, member) {
                        self.complete(gathering, Some(place)).await;
                    }
                }
            }
        }
        self.users.row_ended(run.user);
    }

    async fn until_authentication(
        &self,
        row: &WorkRow,
        run: &mut Run,
        cell: &Arc<Cell>,
    ) -> Result<Reached, Ending> {
        let user_id = self.user(row, run, cell).await?;
        let until = self.settings.until;
        let begun = run.progress.authentication_id.is_some()
            || is_open(&run.progress, Step::Authentication);
        if until == Some(Step::User) && !begun {
            if run.progress.state != State::Partial || run.progress.step.is_none() {
                self.partial(run, Step::User).await?;
            }
            return Ok(Reached::Asked);
        }
        let fresh = run.progress.authentication_id.is_none();
        self.authentication(row, run, cell, &user_id).await?;
        if row.placement.is_none() {
            run.progress.state = State::Done;
            run.progress.step = Some(Step::Authentication);
            run.progress.error = None;
            self.record(&mut [run]).await?;
            return Ok(Reached::Asked);
        }
        if fresh {
            self.partial(run, Step::Authentication).await?;
        }
        // an instance that may be under way is settled even by a run that would not create it
        let open = is_open(&run.progress, Step::Instance);
        Ok(match until {
            Some(Step::User | Step::Authentication) if !open => Reached::Asked,
            _ => Reached::Gather,
        })
    }

    fn run_of(&self, row: &WorkRow) -> Run {
        let mut prior = self.prior.lock().unwrap_or_else(PoisonError::into_inner);
        let known = prior.remove(&row.key.0).map(|(_, progress)| progress);
        Run {
            row: row.row,
            line: row.line,
            key: row.key,
            external_user_id: row.external_user_id.clone(),
            user: self.index.rows[row.index].user,
            recorded: known.as_ref().map(|progress| progress.state),
            progress: known.unwrap_or_else(Progress::none),
        }
    }

    /// A row without work whose instance has work; the gathering, if it was the last.
    fn passed(&self, index: usize) -> Option<Gathering> {
        let row = &self.index.rows[index];
        let group = row.group()?;
        let prior = self.prior.lock().unwrap_or_else(PoisonError::into_inner);
        let known = prior.get(&row.key().0).map(|(_, progress)| progress);
        let member = match known {
            Some(progress) if progress.state == State::Failed => Member::Failed {
                row: u64::from(row.row),
            },
            Some(progress) if progress.state == State::Done => Member::Done {
                instance: progress
                    .instance_id
                    .as_ref()
                    .map(|id| (id.to_string(), progress.created.has(Step::Instance))),
            },
            _ => Member::Unfinished,
        };
        drop(prior);
        self.gather(group, member)
    }

    /// Adds a row to its instance's gathering; hands the gathering out when it is complete.
    fn gather(&self, group: u32, member: Member) -> Option<Gathering> {
        let size = self.index.groups[group as usize].size as usize;
        let mut gatherings = self
            .gatherings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let gathering = gatherings.entry(group).or_insert_with(|| Gathering {
            group,
            members: Vec::with_capacity(size),
        });
        gathering.members.push(member);
        if gathering.members.len() < size {
            return None;
        }
        gatherings.remove(&group)
    }

    /// Writes the present state of rows and returns once it is on disk.
    pub(super) async fn record(&self, runs: &mut [&mut Run]) -> Result<(), Ending> {
        let mut lines = Vec::with_capacity(320 * runs.len());
        let now = (self.now)();
        for run in runs.iter() {
            write_line(
                &mut lines,
                run.row,
                run.key,
                &run.external_user_id,
                &run.progress,
                now,
            );
        }
        if let Err(error) = self.journal.write(lines).await {
            for run in runs.iter() {
                self.lost_line(run);
            }
            self.stop.because(Reason::Failed(error.to_string()));
            return Err(Ending::Stopped);
        }
        for run in runs.iter_mut() {
            self.tally.moved(run.recorded, run.progress.state);
            run.recorded = Some(run.progress.state);
        }
        Ok(())
    }

    /// What Tray has made and the results could not take: on disk the row is `sent`, so that the next run
    /// finds it; the ids are said here as well, for the worst case.
    fn lost_line(&self, run: &Run) {
        if run.progress.state != State::Sent {
            tracing::error!(
                row = run.row,
                user_id = run.progress.user_id.as_ref().map(tracing::field::display),
                authentication_id = run
                    .progress
                    .authentication_id
                    .as_ref()
                    .map(tracing::field::display),
                instance_id = run
                    .progress
                    .instance_id
                    .as_ref()
                    .map(tracing::field::display),
                "this could not be written to the results; the next run will look it up in Tray"
            );
        }
    }

    /// Records that a step is done and more are to come.
    pub(super) async fn partial(&self, run: &mut Run, step: Step) -> Result<(), Ending> {
        run.progress.state = State::Partial;
        run.progress.step = Some(step);
        run.progress.error = None;
        run.progress.why = None;
        self.record(&mut [run]).await
    }

    /// Records that a creating call of these rows is about to leave.
    async fn sent(&self, runs: &mut [&mut Run], step: Step) -> Result<(), Ending> {
        for run in runs.iter_mut() {
            run.progress.state = State::Sent;
            run.progress.step = Some(step);
            run.progress.error = None;
            run.progress.why = None;
        }
        self.record(runs).await
    }

    /// Records how a row ended badly, as far as that is anything to record.
    pub(super) async fn end_badly(&self, run: &mut Run, ending: Ending) {
        let anybodys = |step| is_open(&run.progress, step) && !is_ours(&run.progress, step);
        let ending = match &ending {
            Ending::Failed(error) if anybodys(error.step) => ending.of_anybodys(),
            _ => ending,
        };
        match ending {
            Ending::Failed(error) => {
                self.tally.failed(&error.code);
                tracing::warn!(
                    row = run.row,
                    line = run.line,
                    external_user_id = run.external_user_id,
                    code = %error.code,
                    step = %error.step,
                    "row failed: {}",
                    error.message
                );
                run.progress.state = State::Failed;
                run.progress.step = Some(error.step);
                run.progress.error = Some(Box::new(error));
                run.progress.why = None;
                // a write error stops the run by itself
                let _ = self.record(&mut [run]).await;
                self.ended();
            }
            Ending::TakenBack if !self.cannot_write() => {
                run.progress.error = None;
                run.progress.why = None;
                run.progress.state = State::Partial;
                run.progress.step = self.last_done(run);
                let _ = self.record(&mut [run]).await;
            }
            Ending::Stopped | Ending::TakenBack => {}
        }
    }

    pub(super) fn last_done(&self, run: &Run) -> Option<Step> {
        let progress = &run.progress;
        if progress.instance_id.is_some() {
            Some(Step::Instance)
        } else if progress.authentication_id.is_some() {
            Some(Step::Authentication)
        } else {
            progress.user_id.as_ref().map(|_| Step::User)
        }
    }

    pub(super) fn cannot_write(&self) -> bool {
        self.journal.failure().is_some()
    }

    /// Counts a row that has come to its end in this run, and stops the run if too many ended badly.
    pub(super) fn ended(&self) {
        self.tally.ended();
        if self.tally.exceeds(self.settings.max_failures) {
            self.stop.because(Reason::MaxFailures);
        }
    }

    /// Waits for a slot for a creating call, and records that the call is about to leave: only then, so that
    /// `sent` means that the call is all but on its way. A run that stops meanwhile sends nothing.
    pub(super) async fn about_to_send(
        &self,
        runs: &mut [&mut Run],
        step: Step,
    ) -> Result<Slot<'_>, Ending> {
        let taken_back = runs.iter().any(|run| run.is_sent());
        let slot = tokio::select! {
            biased;
            () = self.stop.wait() => {
                return Err(if taken_back { Ending::TakenBack } else { Ending::Stopped });
            }
            slot = self.client.reserve() => slot,
        };
        self.sent(runs, step).await?;
        Ok(slot)
    }

    /// Calls Tray as an end user. A refused token is renewed; `run` pays for the calls. The first attempt
    /// leaves in `slot`, where there is one.
    ///
    /// Tokens are shared, so a refusal says little: the other rows may have used the token up, or renewed it
    /// meanwhile. It is final once a token was refused that was minted here and that nobody had used before.
    pub(super) async fn as_user(
        &self,
        cell: &Cell,
        user_id: &str,
        operation: &'static Operation,
        variables: impl Fn() -> SecretValue,
        run: &mut Run,
        mut slot: Option<Slot<'_>>,
    ) -> Result<serde_json::Value, Trouble> {
        let (mut refusals, mut unexplained, mut last_refused) = (0, 0, None);
        loop {
            let mut held = match cell.token.try_lock() {
                Ok(held) => held,
                Err(_) => {
                    // whoever holds the token makes a call, and could wait for this very slot
                    slot = None;
                    cell.token.lock().await
                }
            };
            let shared = held
                .clone()
                .filter(|(_, generation)| refusals < 2 && last_refused != Some(*generation));
            let alone = shared.is_none() && refusals > 0;
            let (token, generation) = match shared {
                Some(token) => token,
                None => {
                    slot = None;
                    self.mint(cell, user_id, run, &mut held).await?
                }
            };
            // where the answer is to be final, nobody else gets the token before it is there
            let held = alone.then_some(held);
            let answer = self
                .client
                .call_in(slot.take(), operation, variables(), &token)
                .await;
            drop(held);
            let failed = match answer {
                Ok((data, attempts)) => {
                    run.progress.attempts += attempts;
                    return Ok(data);
                }
                Err(failed) => failed,
            };
            run.progress.attempts += failed.attempts;
            if !matches!(failed.trouble, Trouble::TokenRefused { .. }) {
                return Err(failed.trouble);
            }
            cell.forget_token(generation).await;
            refusals += 1;
            // of several attempts, an earlier one (throttled, perhaps) may have used the token up
            if failed.attempts == 1 {
                unexplained += 1;
                if alone || unexplained > MOST_REFUSALS {
                    return Err(failed.trouble);
                }
            }
            last_refused = Some(generation);
        }
    }

    /// Sees to it that the end user has a token: minted once for all rows of the user.
    pub(super) async fn token(
        &self,
        cell: &Cell,
        user_id: &str,
        run: &mut Run,
    ) -> Result<(), Trouble> {
        let mut held = cell.token.lock().await;
        if held.is_none() {
            self.mint(cell, user_id, run, &mut held).await?;
        }
        Ok(())
    }

    async fn mint(
        &self,
        cell: &Cell,
        user_id: &str,
        run: &mut Run,
        held: &mut Option<(SecretText, u64)>,
    ) -> Result<(SecretText, u64), Trouble> {
        *held = None;
        let answer = self
            .client
            .call(&AUTHORIZE, ops::authorize(user_id), &self.master)
            .await;
        let (data, attempts) = match answer {
            Ok(answer) => answer,
            Err(failed) => {
                run.progress.attempts += failed.attempts;
                return Err(self.master_trouble(failed.trouble));
            }
        };
        run.progress.attempts += attempts;
        let text: String =
            ops::part(&data, &["authorize", "accessToken"]).map_err(Trouble::Refused)?;
        let token = (SecretText::new(text), cell.next_generation());
        *held = Some(token.clone());
        Ok(token)
    }

    /// A refused master token ends the run at once; anything else is the row's affair.
    pub(super) fn master_trouble(&self, trouble: Trouble) -> Trouble {
        match trouble {
            Trouble::TokenRefused {
                message,
                by_gateway: true,
            } => {
                let mut redactor = Redactor::default();
                redactor.add(self.master.expose());
                self.stop
                    .because(Reason::TokenRefused(redactor.clean(&message)));
                Trouble::TokenRefused {
                    message,
                    by_gateway: true,
                }
            }
            // a GraphQL error that reads like it may be about this one user
            Trouble::TokenRefused { message, .. } => Trouble::Refused(message),
            other => other,
        }
    }

    /// Trouble before a creating call could leave. What the results have as `sent` from a send that was found
    /// not done is taken back.
    pub(super) fn before_sending(&self, trouble: &Trouble, run: &Run, step: Step) -> Ending {
        let ending = self.ending(trouble, step, &self.master_redactor());
        if run.is_sent() {
            ending.of_creation()
        } else {
            ending
        }
    }

    /// A call's trouble as the row's ending. While the run stops for a refused master token, rows are
    /// left as they are rather than failed.
    pub(super) fn ending(&self, trouble: &Trouble, step: Step, redactor: &Redactor) -> Ending {
        let stopping_for_token = self
            .stop
            .reasons()
            .iter()
            .any(|reason| matches!(reason, Reason::TokenRefused(_)));
        // a stopping run gives up on what is throttled, which was not done either
        let halted = self.stop.is_set() && matches!(trouble, Trouble::Throttled(_));
        if halted || stopping_for_token && matches!(trouble, Trouble::TokenRefused { .. }) {
            return Ending::Stopped;
        }
        Ending::of_trouble(trouble, step, redactor)
    }
}

/// How far a row got by itself.
enum Reached {
    /// As far as the run was asked to bring it.
    Asked,
    /// To where its instance gathers.
    Gather,
}
