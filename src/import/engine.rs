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
use super::group::{Gathering, Member};
use super::stop::{Reason, Stop};
use super::tally::{MaxFailures, Tally};
use super::telling::Telling;
use super::users::{Cell, Users};
use crate::batch::Index;
use crate::batch::plan::Plan;
use crate::model::{DigestMap, Key, Progress, State, Step, Steps};
use crate::results::facts::Checker;
use crate::results::journal::Journal;
use crate::results::rows::PriorRows;
use crate::results::users::SeenUser;
use crate::secret::{Redactor, SecretText};
use crate::tray::client::{Client, Failed};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;

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
pub struct Engine<T> {
    pub(super) client: Arc<Client<T>>,
    pub(super) journal: Journal,
    pub(super) master: SecretText,
    pub(super) index: Arc<Index>,
    prior: Mutex<PriorRows>,
    pub(super) settings: Settings,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: Arc<Stop>,
    pub(super) now: fn() -> Timestamp,
    pub(super) users: Users,
    pub(super) hidden: HiddenListing,
    pub(super) checker: Checker,
    /// How many rows the feed is to bring.
    work: u64,
    gatherings: Mutex<HashMap<u32, Gathering>>,
}

/// A row under way: who it is, and what is known of it.
pub struct Run {
    pub(super) row: u64,
    pub(super) line: u64,
    pub(super) key: Key,
    pub(super) external_user_id: String,
    pub(super) user: u32,
    pub(super) progress: Progress,
    /// The state that the results hold.
    pub(super) recorded: Option<State>,
    pub(super) telling: Telling,
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
        parts.tally.begin(&parts.plan);
        Engine {
            client: parts.client,
            journal: parts.journal,
            checker: Checker::new(&parts.master),
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
        let redactor = Redactor::default();
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
        let begun =
            run.progress.authentication_id.is_some() || run.progress.is_open(Step::Authentication);
        if until == Some(Step::User) && !begun {
            if run.progress.state != State::Partial || run.progress.step.is_none() {
                self.partial(run, Step::User).await?;
            }
            return Ok(Reached::Asked);
        }
        let fresh = run.progress.authentication_id.is_none();
        self.authentication(row, run, cell, &user_id).await?;
        if row.placement.is_none() {
            run.progress.lost = Steps::default();
            self.enter(&mut [run], State::Done, Step::Authentication)
                .await?;
            return Ok(Reached::Asked);
        }
        if fresh {
            self.partial(run, Step::Authentication).await?;
        }
        // an instance that may be under way is settled even by a run that would not create it
        let open = run.progress.is_open(Step::Instance);
        Ok(match until {
            Some(Step::User | Step::Authentication) if !open => Reached::Asked,
            _ => Reached::Gather,
        })
    }

    fn run_of(&self, row: &WorkRow) -> Run {
        let mut prior = self.prior.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = prior.remove(&row.key);
        if let Some(progress) = &mut known {
            // the replay has seen it, and a later line must not unsay the end user's new id
            progress.lost.remove(Step::User);
        }
        Run {
            telling: Telling::of(row, known.as_ref()),
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
        let known = prior.get(&row.key());
        let member = match known {
            Some(progress) if progress.state == State::Failed => Member::Failed {
                row: u64::from(self.index.number(index)),
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
        let size = self.index.groups[group as usize].size() as usize;
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
}

/// How far a row got by itself.
enum Reached {
    /// As far as the run was asked to bring it.
    Asked,
    /// To where its instance gathers.
    Gather,
}
