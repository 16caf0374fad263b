//! End users: one creation and one token for each, however many rows they have.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

use super::adopt::Owned;
use super::ending::{Ending, code, leaves_open, leaves_ours};
use super::engine::{Engine, Run};
use super::feed::WorkRow;
use super::settle::Settled;
use crate::batch::Index;
use crate::batch::plan::{Plan, Todo};
use crate::results::fold::SeenUser;
use crate::results::record::{Id, Progress, State, Step};
use crate::secret::{Redactor, SecretText};
use crate::tray::client::Failed;
use crate::tray::operations::{self as ops, CREATE_EXTERNAL_USER, Connection, ListedUser, USERS};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;
use crate::validate::identity::{DigestMap, user_digest};

/// How we came by an end user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Created by this run: owns nothing that this run has not made.
    ThisRun,
    /// Created by an earlier run of this batch.
    EarlierRun,
    /// Was there before this batch.
    Found,
}

/// An end user with rows under way.
#[derive(Default)]
pub struct Cell {
    pub(super) user: AsyncMutex<UserState>,
    pub(super) token: AsyncMutex<Option<(SecretText, u64)>>,
    pub(super) owned: AsyncMutex<Option<Arc<Owned>>>,
    generations: AtomicU64,
}

/// What is known of an end user.
#[derive(Default)]
pub struct UserState {
    pub(super) id: Option<(String, Origin)>,
    /// Tray has several of the same `externalUserId`.
    several: bool,
    /// Known from Tray's list alone, and not counted as adopted yet.
    listed: bool,
    /// Why the user could not be had: the same for every row of theirs in this run.
    failed: Option<super::ending::Ending>,
    /// A creation may be under way from an earlier run.
    open: Option<Open>,
}

/// Whose an end user is who turns up although no results know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// This batch's: it was about to create them, because they did not exist.
    Ours,
    /// Nobody can say: there were several.
    Anybodys,
}

impl Cell {
    /// Forgets a token that was refused, unless somebody has renewed it already.
    pub(super) async fn forget_token(&self, generation: u64) {
        let mut held = self.token.lock().await;
        if held.as_ref().is_some_and(|(_, held)| *held == generation) {
            *held = None;
        }
    }

    pub(super) fn next_generation(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Known {
    id: String,
    origin: Origin,
    several: bool,
    /// Known from Tray's list alone, not from the results.
    listed: bool,
}

/// All end users of the batch, as far as they have work.
pub struct Users {
    known: Mutex<HashMap<u32, Known>>,
    open: HashMap<u32, Open>,
    cells: Mutex<HashMap<u32, Arc<Cell>>>,
    rows_left: Mutex<Vec<u32>>,
    /// End users with work of whom the results know nothing.
    unknown: usize,
    /// Whether the listing reached its end, so that who is not in it does not exist.
    all_listed: AtomicBool,
}

impl Users {
    /// What the results say about the end users of the rows that have work.
    pub(super) fn new(
        index: &Index,
        plan: &Plan,
        prior: &DigestMap<(u64, Progress)>,
        seen: &DigestMap<SeenUser>,
    ) -> Users {
        let mut known = HashMap::new();
        let mut open = HashMap::new();
        let mut with_work = HashSet::new();
        for (at, row) in index.rows.iter().enumerate() {
            if plan.work_of_user[row.user as usize] == 0 {
                continue;
            }
            if plan.todo[at] == Todo::Work {
                with_work.insert(row.user);
            }
            let Some((_, progress)) = prior.get(&row.key().0) else {
                continue;
            };
            if let Some(id) = &progress.user_id {
                let origin = if progress.adopted.has(Step::User) {
                    Origin::Found
                } else {
                    Origin::EarlierRun
                };
                let id = id.to_string();
                known.insert(
                    row.user,
                    Known {
                        id,
                        origin,
                        several: false,
                        listed: false,
                    },
                );
            } else if is_ours(progress, Step::User) {
                open.insert(row.user, Open::Ours);
            } else if is_open(progress, Step::User) {
                open.entry(row.user).or_insert(Open::Anybodys);
            }
        }
        // rows may have left the input, or changed what they are known by, since they told this
        for (digest, user) in &index.users {
            let Some(seen) = seen.get(digest).filter(|_| with_work.contains(user)) else {
                continue;
            };
            if let Some(id) = &seen.id {
                known.entry(*user).or_insert_with(|| Known {
                    id: id.to_string(),
                    origin: if seen.adopted {
                        Origin::Found
                    } else {
                        Origin::EarlierRun
                    },
                    several: false,
                    listed: false,
                });
            } else if seen.open {
                open.entry(*user).or_insert(Open::Ours);
            }
        }
        open.retain(|user, _| !known.contains_key(user));
        let unknown = with_work
            .iter()
            .filter(|user| !known.contains_key(user))
            .count();
        Users {
            known: Mutex::new(known),
            open,
            cells: Mutex::default(),
            rows_left: Mutex::new(plan.work_of_user.clone()),
            unknown,
            all_listed: AtomicBool::new(false),
        }
    }

    /// The end user's cell, shared by all rows of theirs that are under way.
    pub(super) fn cell(&self, user: u32) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(user).or_insert_with(|| {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let known = known.get(&user);
            Arc::new(Cell {
                user: AsyncMutex::new(UserState {
                    id: known.map(|known| (known.id.clone(), known.origin)),
                    several: known.is_some_and(|known| known.several),
                    listed: known.is_some_and(|known| known.listed),
                    failed: None,
                    open: self.open.get(&user).copied(),
                }),
                ..Cell::default()
            })
        }))
    }

    /// One row less to come for this end user; after the last, nothing of theirs is kept, the token least.
    pub(super) fn row_ended(&self, user: u32) {
        let mut left = self
            .rows_left
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = left.get_mut(user as usize) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
                cells.remove(&user);
            }
        }
    }

    fn found(&self, user: u32, id: String) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(&user) {
            None => {
                let origin = match self.open.get(&user) {
                    Some(Open::Ours) => Origin::EarlierRun,
                    Some(Open::Anybodys) | None => Origin::Found,
                };
                known.insert(
                    user,
                    Known {
                        id,
                        origin,
                        several: false,
                        listed: true,
                    },
                );
            }
            // two of the same id, and nothing but the list to go by
            Some(known) if known.listed && known.id != id => known.several = true,
            // whom the results know is who they say, whoever else has the same id
            Some(_) => {}
        }
    }

    /// A list that was not read to its end may hide a second one of whoever was on it.
    fn forget_listed(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| !known.listed);
    }
}

/// Whether a creation of this step may have happened without the results knowing its outcome.
pub(super) fn is_open(progress: &Progress, step: Step) -> bool {
    match progress.state {
        State::Sent => progress.step == Some(step),
        State::Failed => progress
            .error
            .as_ref()
            .is_some_and(|e| leaves_open(e, step)),
        _ => false,
    }
}

/// Whether what turns up where a creation of this step is open was made by this batch.
pub(super) fn is_ours(progress: &Progress, step: Step) -> bool {
    match progress.state {
        State::Sent => progress.step == Some(step),
        State::Failed => progress
            .error
            .as_ref()
            .is_some_and(|e| leaves_ours(e, step)),
        _ => false,
    }
}

impl<T: Transport> Engine<T> {
    /// Lists the end users that exist, by pages, unless asking for each one would cost less: so that no row
    /// pays a look-up for what cannot exist.
    pub(super) async fn list_users(&self) -> Result<(), Failed> {
        let mut pages = 0;
        let mut after = None;
        while pages < self.users.unknown && !self.stop.is_set() {
            let variables = ops::users(None, after.as_deref());
            let (data, attempts) = self.client.call(&USERS, variables, &self.master).await?;
            pages += 1;
            let unusable = |message| Failed {
                trouble: Trouble::Open(message),
                attempts,
            };
            let page: Connection<ListedUser> = ops::part(&data, &["users"]).map_err(unusable)?;
            let more = page.has_more();
            let next = page.next();
            for user in page.nodes() {
                let Some(external_user_id) = user.external_user_id else {
                    continue;
                };
                if let Some(number) = self.index.users.get(&user_digest(&external_user_id)) {
                    self.users.found(*number, user.id);
                }
            }
            if !more {
                self.users.all_listed.store(true, Ordering::Relaxed);
                tracing::debug!(pages, "all end users of Tray are listed");
                break;
            }
            if next.is_none() || next == after {
                // more, but no way to it: ask for each end user instead
                break;
            }
            after = next;
        }
        if !self.users.all_listed.load(Ordering::Relaxed) {
            self.users.forget_listed();
        }
        Ok(())
    }

    /// The end user of a row: known, found or created. All rows of one end user wait here for the first.
    pub(super) async fn user(
        &self,
        row: &WorkRow,
        run: &mut Run,
        cell: &Cell,
    ) -> Result<String, Ending> {
        let mut user = cell.user.lock().await;
        if let Some(failed) = &user.failed {
            return Err(failed.clone());
        }
        if user.several {
            return Err(several_users(&row.external_user_id));
        }
        if user.id.is_none() {
            match self.find_or_create(row, run, user.open).await {
                Ok(found) => {
                    self.tally.stepped(Step::User);
                    user.id = Some(found);
                }
                Err(ending) => {
                    if matches!(ending, Ending::Failed(_)) {
                        user.failed = Some(ending.clone());
                    }
                    return Err(ending);
                }
            }
        }
        if std::mem::take(&mut user.listed) {
            self.tally.stepped(Step::User);
            match user.id {
                Some((_, Origin::Found)) => self.tally.adopted(Step::User),
                _ => self.tally.created(Step::User),
            }
        }
        let Some((id, origin)) = &user.id else {
            return Err(Ending::Stopped);
        };
        if run.progress.user_id.is_none() {
            run.progress.user_id = Some(Id::new(id));
            match origin {
                Origin::Found => run.progress.adopted.add(Step::User),
                _ => run.progress.created.add(Step::User),
            }
        }
        Ok(id.clone())
    }

    async fn find_or_create(
        &self,
        row: &WorkRow,
        run: &mut Run,
        mut open: Option<Open>,
    ) -> Result<(String, Origin), Ending> {
        let redactor = self.master_redactor();
        if self.stop.is_set() {
            return Err(Ending::Stopped);
        }
        if open.is_none() && !self.users.all_listed.load(Ordering::Relaxed) {
            match self
                .ask_user(row, run)
                .await
                .map_err(|t| self.ending(&t, Step::User, &redactor))?
            {
                Settled::Found(id) => {
                    self.tally.adopted(Step::User);
                    return Ok((id, Origin::Found));
                }
                Settled::Several => return Err(several_users(&row.external_user_id)),
                Settled::Nothing => {}
            }
        }
        let mut sends = self.settings.sends;
        // what was sent by this run, for a user who did not exist, owns nothing yet
        let mut sent_here = false;
        loop {
            if let Some(whose) = open {
                let settled = self.settle_user(row, run).await;
                let settled = settled.map_err(|ending| match whose {
                    Open::Ours => ending,
                    Open::Anybodys => ending.of_anybodys(),
                });
                match settled? {
                    Settled::Found(id) if whose == Open::Ours => {
                        let origin = if sent_here {
                            Origin::ThisRun
                        } else {
                            Origin::EarlierRun
                        };
                        return self.user_created(run, id, origin).await;
                    }
                    Settled::Found(id) => {
                        self.tally.adopted(Step::User);
                        return Ok((id, Origin::Found));
                    }
                    Settled::Several => return Err(several_users(&row.external_user_id)),
                    Settled::Nothing if self.stop.is_set() => return Err(Ending::TakenBack),
                    Settled::Nothing => {}
                }
            }
            if sends == 0 {
                return Err(never_there(Step::User));
            }
            sends -= 1;
            let slot = self.about_to_send(&mut [run], Step::User).await?;
            sent_here = true;
            let variables = ops::create_external_user(
                &row.external_user_id,
                &row.user_name,
                self.settings.test_users,
            );
            let answer = self
                .client
                .call_in(Some(slot), &CREATE_EXTERNAL_USER, variables, &self.master)
                .await;
            match answer {
                Ok((data, attempts)) => {
                    run.progress.attempts += attempts;
                    if let Ok(id) = ops::part(&data, &["createExternalUser", "userId"]) {
                        return self.user_created(run, id, Origin::ThisRun).await;
                    }
                    open = Some(Open::Ours);
                }
                Err(failed) => {
                    run.progress.attempts += failed.attempts;
                    match self.master_trouble(failed.trouble) {
                        Trouble::Open(why) => {
                            self.left_open(run, Step::User, &redactor.clean(&why));
                            open = Some(Open::Ours);
                        }
                        trouble => {
                            let ending = self.ending(&trouble, Step::User, &redactor);
                            return Err(ending.of_creation());
                        }
                    }
                }
            }
        }
    }

    async fn user_created(
        &self,
        run: &mut Run,
        id: String,
        origin: Origin,
    ) -> Result<(String, Origin), Ending> {
        self.tally.created(Step::User);
        run.progress.user_id = Some(Id::new(&id));
        run.progress.created.add(Step::User);
        self.partial(run, Step::User).await?;
        Ok((id, origin))
    }

    /// Asks Tray for the end users with exactly this `externalUserId`: how Tray matches is not known
    /// (`tray-api.md` 7), so they are compared again here.
    pub(super) async fn ask_user(&self, row: &WorkRow, run: &mut Run) -> Result<Settled, Trouble> {
        let mut matches: Vec<String> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let variables = ops::users(Some(&row.external_user_id), after.as_deref());
            let answer = self.client.call(&USERS, variables, &self.master).await;
            let (data, attempts) = answer.map_err(|failed| {
                run.progress.attempts += failed.attempts;
                self.master_trouble(failed.trouble)
            })?;
            run.progress.attempts += attempts;
            let page: Connection<ListedUser> =
                ops::part(&data, &["users"]).map_err(Trouble::Open)?;
            let (more, next) = (page.has_more(), page.next());
            matches.extend(
                page.nodes()
                    .filter(|u| u.external_user_id.as_deref() == Some(&row.external_user_id))
                    .map(|u| u.id),
            );
            if !more {
                return Ok(Settled::of(matches));
            }
            if next.is_none() || next == after {
                return Err(Trouble::Refused(
                    "the list of end users cannot be paged".to_owned(),
                ));
            }
            after = next;
        }
    }

    pub(super) fn master_redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        redactor.add(self.master.expose());
        redactor
    }
}

/// A creation that was sent several times and each time found not done.
pub(super) fn never_there(step: Step) -> Ending {
    Ending::failed(
        code::NO_ANSWER,
        step,
        true,
        "the call was sent several times, and each time Tray gave no usable answer and did nothing"
            .to_owned(),
    )
}

fn several_users(external_user_id: &str) -> Ending {
    Ending::failed(
        code::AMBIGUOUS,
        Step::User,
        true,
        format!(
            "Tray has several end users with the externalUserId {external_user_id}; remove all but one, then run with --retry-failed"
        ),
    )
}
