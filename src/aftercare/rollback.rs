//! Taking a batch back: what it made for each end user is removed in the reverse order, instances first, then
//! authentications, then the end user; nothing else is.
//!
//! # Invariants
//!
//! 1. Only ids are removed that a row's line names as created by this batch, or that belong to a row's open creation
//!    for certain ([`share`](super::share)).
//! 2. An end user is removed only if this batch made them, nothing of theirs could be seen that it did not make, and
//!    everything that it made for them is gone and on disk as gone.
//! 3. What is gone is written down after it is gone. A crash in between leaves a line that names a thing which does not
//!    exist: the next run finds that out and goes on.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::removal::{Hitch, Removed, kept};
use super::session::{Desk, Session};
use super::share::{
    Account, Gone, Share, accounts, attribute, clear, has_open, ids, is_attributed, open_step,
    take_back,
};
use crate::import::stop::Reason;
use crate::import::users::is_ours;
use crate::results::journal::Journal;
use crate::results::record::{Id, Step, write_line};
use crate::results::users::{EndUser, KnownRow};
use crate::tray::operations::{self as ops, REMOVE_AUTHENTICATION};
use crate::tray::outcome::Trouble;
use crate::tray::owned::Owned;
use crate::tray::transport::Transport;
use crate::validate::identity::Key;

/// How the run was asked to go.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The wait before a thing that is not listed is asked about again.
    pub settle: Duration,
    /// How often an open creation is asked about before it counts as not done; each wait is twice the one before.
    pub asks: u32,
}

/// The kinds of things that are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An end user.
    User,
    /// An authentication.
    Authentication,
    /// A solution instance.
    Instance,
}

impl Kind {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Kind::User => "end user",
            Kind::Authentication => "authentication",
            Kind::Instance => "instance",
        }
    }
}

/// Something that still stands, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose.
    pub external_user_id: String,
    /// Tray's id of the end user, where it is known.
    pub user_id: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// Its id, where it is known.
    pub id: Option<String>,
    /// A code: of [`kept`], or of a failed row.
    pub code: String,
    /// Why, in words.
    pub why: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.external_user_id)?;
        if let Some(user_id) = &self.user_id {
            write!(f, " ({user_id})")?;
        }
        match (&self.id, self.kind) {
            (Some(id), kind) => write!(f, ", {} {id}", kind.name())?,
            (None, kind) => write!(f, ", {}", kind.name())?,
        }
        write!(f, ": {} [{}]", self.why, self.code)
    }
}

/// What a run has done.
#[derive(Debug, Default)]
pub struct Tally {
    /// End users, authentications, instances that Tray removed.
    pub removed: [AtomicU64; 3],
    /// Those that did not exist any more.
    pub before: [AtomicU64; 3],
    /// End users visited.
    pub ended: AtomicU64,
    /// Rows whose lines were changed.
    pub rows: AtomicU64,
    kept: Mutex<Vec<Note>>,
    failed: Mutex<Vec<Note>>,
}

impl Tally {
    /// What is kept.
    pub fn kept(&self) -> Vec<Note> {
        locked(&self.kept)
    }

    /// What could not be removed.
    pub fn failed(&self) -> Vec<Note> {
        locked(&self.failed)
    }

    fn count(&self, kind: Kind, removed: Removed) {
        let counts = match removed {
            Removed::Now => &self.removed,
            Removed::Before => &self.before,
        };
        counts[kind as usize].fetch_add(1, Ordering::Relaxed);
    }
}

fn locked(notes: &Mutex<Vec<Note>>) -> Vec<Note> {
    notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A run of the rollback.
pub struct Rollback<T> {
    pub(super) desk: Desk<T>,
    journal: Journal,
    pub(super) settings: Settings,
    now: fn() -> Timestamp,
    /// What it has done.
    pub tally: Arc<Tally>,
    /// Whether Tray takes the master token for the removal of authentications.
    pub(super) by_master: AtomicBool,
    /// Whether an authentication was seen to exist that Tray did not list: a hidden one, perhaps.
    pub(super) unlisted: AtomicBool,
}

/// So old may a look be by which an end user is removed.
const FRESH: Duration = Duration::from_secs(10);

/// The visit of one account.
struct Visit<'r, T> {
    name: &'r str,
    user_id: Id,
    session: Session<'r, T>,
    rows: Vec<KnownRow>,
    owned: Owned,
    looked: Instant,
    share: Share,
    gone: Gone,
    /// Rows whose open creation was found not done.
    taken_back: HashSet<Key>,
    /// Whether something that this batch made still stands.
    stands: bool,
}

impl<T: Transport> Rollback<T> {
    /// A run that has not begun.
    pub fn new(
        desk: Desk<T>,
        journal: Journal,
        settings: Settings,
        now: fn() -> Timestamp,
    ) -> Rollback<T> {
        Rollback {
            desk,
            journal,
            settings,
            now,
            tally: Arc::default(),
            by_master: AtomicBool::default(),
            unlisted: AtomicBool::default(),
        }
    }

    /// Where calls go.
    pub fn desk(&self) -> &Desk<T> {
        &self.desk
    }

    /// Takes back what the batch made for one end user.
    pub async fn end_user(&self, user: EndUser) {
        let name = user.external_user_id.clone();
        for account in accounts(user) {
            let user_id = account.user_id.clone();
            match self.account(&name, account).await {
                Ok(()) => {}
                Err(Hitch::Stopped) => return,
                Err(Hitch::Failed(error)) => {
                    let (failed, code) = (&self.tally.failed, &error.code);
                    self.note(
                        failed,
                        &name,
                        user_id.as_ref(),
                        Kind::User,
                        None,
                        code,
                        error.message,
                    );
                }
            }
        }
        self.tally.ended.fetch_add(1, Ordering::Relaxed);
    }

    async fn account(&self, name: &str, account: Account) -> Result<(), Hitch> {
        let Account { user_id, mut rows } = account;
        if Share::of(&rows).is_empty() && !has_open(&rows) {
            return Ok(());
        }
        self.go_on()?;
        let user_id = match user_id {
            Some(user_id) => user_id,
            None => match self.find_user(name, &mut rows).await? {
                Some(user_id) => user_id,
                None => return Ok(()),
            },
        };
        // another row knows who came of it
        let known = |row: &&KnownRow| {
            open_step(&row.progress) == Some(Step::User) && row.progress.user_id.is_none()
        };
        let taken_back = rows.iter().filter(known).map(|row| row.key).collect();
        let mut visit = Visit {
            name,
            session: self.desk.session(user_id.to_string()),
            share: Share::of(&rows),
            user_id,
            rows,
            owned: Owned::default(),
            looked: Instant::now(),
            gone: Gone::default(),
            taken_back,
            stands: false,
        };
        match visit.session.owned().await {
            Ok(owned) => visit.owned = owned,
            Err(trouble @ (Trouble::Refused(_) | Trouble::TokenRefused { .. })) => {
                let user_id = visit.user_id.to_string();
                return match self.user_is_gone(name, &user_id, &trouble).await? {
                    true => self.went_before(&mut visit).await,
                    false => Err(self.hitch(&trouble)),
                };
            }
            Err(trouble) => return Err(self.hitch(&trouble)),
        }
        let taken = self.take_things(&mut visit).await;
        // what is gone is written down, however it went on
        self.record(&mut visit).await?;
        taken?;
        if visit.share.user && !visit.stands {
            self.take_user(&mut visit).await?;
        }
        Ok(())
    }

    /// Instances, then authentications.
    async fn take_things(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        self.settle(visit).await?;
        visit.share = Share::of(&visit.rows);
        for id in visit.share.instances.clone() {
            self.go_on()?;
            let removed = self.remove_instance(&mut visit.session, &id).await;
            self.took(visit, Kind::Instance, id, removed)?;
        }
        for id in visit.share.authentications.clone() {
            self.go_on()?;
            let text = id.to_string();
            let user = visit.owned.instances.iter().find(|instance| {
                !visit.gone.things.contains(&Id::new(&instance.id))
                    && instance
                        .auth_values
                        .iter()
                        .any(|value| value.auth_id == text)
                    && (instance.enabled || visit.share.instances.contains(&Id::new(&instance.id)))
            });
            if let Some(instance) = user {
                visit.stands = true;
                // one of ours that stands is named already
                if !visit.share.instances.contains(&Id::new(&instance.id)) {
                    let why = format!(
                        "the enabled instance \"{}\" ({}), which this batch did not make, uses it; disable it or fill its slot otherwise, then roll back again",
                        instance.name, instance.id
                    );
                    self.keep(visit, Kind::Authentication, Some(text), kept::IN_USE, why);
                }
                continue;
            }
            let listed = visit.owned.authentications.iter().any(|a| a.id == text);
            let removed = self
                .remove_authentication(&mut visit.session, &id, listed)
                .await;
            self.took(visit, Kind::Authentication, id, removed)?;
        }
        Ok(())
    }

    /// Notes how a removal went.
    fn took(
        &self,
        visit: &mut Visit<'_, T>,
        kind: Kind,
        id: Id,
        removed: Result<Removed, Hitch>,
    ) -> Result<(), Hitch> {
        match removed {
            Ok(removed) => {
                self.tally.count(kind, removed);
                visit.gone.things.insert(id);
                Ok(())
            }
            Err(Hitch::Stopped) => Err(Hitch::Stopped),
            Err(Hitch::Failed(error)) => {
                visit.stands = true;
                let id = Some(id.to_string()).filter(|_| kind != Kind::User);
                let (failed, user) = (&self.tally.failed, Some(&visit.user_id));
                self.note(
                    failed,
                    visit.name,
                    user,
                    kind,
                    id,
                    &error.code,
                    error.message,
                );
                Ok(())
            }
        }
    }

    /// Writes down what is gone.
    async fn record(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        let changed: Vec<&KnownRow> = visit
            .rows
            .iter_mut()
            .filter_map(|row| {
                let cleared = clear(&mut row.progress, &visit.gone);
                let taken_back = visit.taken_back.remove(&row.key);
                if taken_back && !cleared {
                    take_back(&mut row.progress);
                }
                (cleared || taken_back).then_some(&*row)
            })
            .collect();
        self.write(visit.name, &changed).await
    }

    async fn write(&self, name: &str, rows: &[&KnownRow]) -> Result<(), Hitch> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::with_capacity(320 * rows.len());
        let now = (self.now)();
        for row in rows {
            write_line(&mut lines, row.row, row.key, name, &row.progress, now);
        }
        if let Err(error) = self.journal.write(lines).await {
            self.desk.stop.because(Reason::Failed(error.to_string()));
            return Err(Hitch::Stopped);
        }
        let count = rows.len() as u64;
        self.tally.rows.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    /// An end user whom Tray does not have any more: their instances went with them, and nobody documents whether
    /// their authentications did (`tray-api.md` 3.9).
    async fn went_before(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        for id in &visit.share.authentications {
            self.go_on()?;
            let variables = ops::remove_authentication(&id.to_string());
            let desk = &self.desk;
            let call = desk
                .client
                .call(&REMOVE_AUTHENTICATION, variables, &desk.master);
            if let Err(failed) = call.await {
                tracing::debug!(authentication_id = %id, trouble = ?failed.trouble, "of an end user who is gone");
            }
            self.tally.count(Kind::Authentication, Removed::Before);
        }
        for _ in &visit.share.instances {
            self.tally.count(Kind::Instance, Removed::Before);
        }
        if visit.share.user {
            self.tally.count(Kind::User, Removed::Before);
        }
        visit.gone.user = true;
        for row in &visit.rows {
            if open_step(&row.progress).is_some() {
                visit.taken_back.insert(row.key);
            }
        }
        self.record(visit).await
    }

    /// The end user, once nothing else of theirs stands.
    async fn take_user(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        self.go_on()?;
        if visit.looked.elapsed() > FRESH {
            self.look(visit).await?;
        }
        if visit.owned.truncated {
            let why = "Tray lists only a part of their authentications, so nobody can tell whether all are the batch's";
            self.keep(
                visit,
                Kind::User,
                None,
                kept::LISTING_TRUNCATED,
                why.to_owned(),
            );
            return Ok(());
        }
        // what is adopted may be hidden, and then it is in no list
        let adopted = visit.rows.iter().any(|row| {
            row.progress.authentication_id.is_some() || row.progress.instance_id.is_some()
        });
        let others = self.others(visit);
        if adopted || !others.is_empty() {
            let things = if others.is_empty() {
                "things".to_owned()
            } else {
                others.join(" and ")
            };
            let why = format!("they own {things}, not made by this batch");
            self.keep(visit, Kind::User, None, kept::NOT_OURS, why);
            return Ok(());
        }
        let id = visit.user_id.clone();
        let removed = self.remove_user(visit.name, &id).await;
        let gone = removed.is_ok();
        self.took(visit, Kind::User, id, removed)?;
        visit.gone.user = gone;
        self.record(visit).await
    }

    /// What the last look showed beside what is gone.
    fn others(&self, visit: &Visit<'_, T>) -> Vec<String> {
        let stands = |id: &str| !visit.gone.things.contains(&Id::new(id));
        described(&visit.owned, stands)
    }

    /// Finds out what became of creations that were left open: theirs, not done, or nobody can say.
    async fn settle(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        let mut question = 0;
        loop {
            attribute(visit.name, &mut visit.rows, &visit.owned);
            let open: Vec<&KnownRow> = visit
                .rows
                .iter()
                .filter(|row| !is_attributed(&row.progress) && !visit.taken_back.contains(&row.key))
                .collect();
            if open.is_empty() {
                return Ok(());
            }
            let known = ids(&visit.rows);
            let strangers = described(&visit.owned, |id| !known.contains(&Id::new(id)));
            let asked_enough = question == self.settings.asks;
            // what hides may be there all the same
            let hides = asked_enough
                && (visit.owned.truncated || self.unlisted.load(Ordering::Relaxed))
                && open
                    .iter()
                    .any(|row| open_step(&row.progress) == Some(Step::Authentication));
            // with a stranger among the end user's things, waiting shows nothing more
            if !strangers.is_empty() || hides {
                let rows: Vec<_> = open.iter().map(|row| row.row.to_string()).collect();
                let things = if strangers.is_empty() {
                    "hidden things, perhaps".to_owned()
                } else {
                    strangers.join(" and ")
                };
                let why = format!(
                    "a call of row {} has no known outcome, and they own {things}: nobody can tell whether the call made it. Remove by hand what is the batch's, then roll back again",
                    rows.join(", ")
                );
                visit.stands = true;
                self.keep(visit, Kind::User, None, kept::UNSETTLED, why);
                return Ok(());
            }
            if asked_enough {
                let keys: Vec<_> = open.iter().map(|row| row.key).collect();
                visit.taken_back.extend(keys);
                return Ok(());
            }
            self.pause(self.wait(question)).await?;
            self.look(visit).await?;
            question += 1;
        }
    }

    /// The end user of rows that do not know them: made by a call without a known outcome, or never made.
    async fn find_user(&self, name: &str, rows: &mut [KnownRow]) -> Result<Option<Id>, Hitch> {
        let ours = rows.iter().any(|row| is_ours(&row.progress, Step::User));
        for question in 0..=self.settings.asks {
            let found = self.desk.users_of(name).await;
            let mut found = found.map_err(|trouble| self.hitch(&trouble))?;
            match (found.pop(), found.is_empty()) {
                (Some(id), true) if ours => {
                    let id = Id::new(&id);
                    for row in rows.iter_mut() {
                        if is_ours(&row.progress, Step::User) {
                            row.progress.user_id = Some(id.clone());
                            row.progress.created.add(Step::User);
                        }
                    }
                    return Ok(Some(id));
                }
                (Some(_), _) => {
                    let why = "a call that creates them has no known outcome, and Tray has several of this externalUserId; remove by hand what is the batch's, then roll back again";
                    self.note(
                        &self.tally.kept,
                        name,
                        None,
                        Kind::User,
                        None,
                        kept::AMBIGUOUS,
                        why.to_owned(),
                    );
                    return Ok(None);
                }
                (None, _) if question == self.settings.asks => {}
                (None, _) => self.pause(self.wait(question)).await?,
            }
        }
        let open = rows
            .iter_mut()
            .filter(|row| open_step(&row.progress).is_some());
        let open: Vec<&KnownRow> = open
            .map(|row| {
                take_back(&mut row.progress);
                &*row
            })
            .collect();
        self.write(name, &open).await?;
        Ok(None)
    }

    async fn look(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        let owned = visit.session.owned().await;
        visit.owned = owned.map_err(|trouble| self.hitch(&trouble))?;
        visit.looked = Instant::now();
        Ok(())
    }

    fn wait(&self, question: u32) -> Duration {
        self.settings.settle.saturating_mul(1 << question.min(16))
    }

    /// A run that stops begins nothing more.
    fn go_on(&self) -> Result<(), Hitch> {
        match self.desk.stop.is_set() {
            true => Err(Hitch::Stopped),
            false => Ok(()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a note")]
    fn note(
        &self,
        notes: &Mutex<Vec<Note>>,
        name: &str,
        user_id: Option<&Id>,
        kind: Kind,
        id: Option<String>,
        code: &str,
        why: String,
    ) {
        let note = Note {
            external_user_id: name.to_owned(),
            user_id: user_id.map(ToString::to_string),
            kind,
            id,
            code: code.to_owned(),
            why,
        };
        tracing::warn!("{note}");
        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
    }

    fn keep(&self, visit: &Visit<'_, T>, kind: Kind, id: Option<String>, code: &str, why: String) {
        let user = Some(&visit.user_id);
        self.note(&self.tally.kept, visit.name, user, kind, id, code, why);
    }
}

/// The authentications and instances that are `wanted`, in words.
fn described(owned: &Owned, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let authentications = owned.authentications.iter().filter(|a| wanted(&a.id));
    let instances = owned.instances.iter().filter(|i| wanted(&i.id));
    let authentications =
        authentications.map(|a| format!("the authentication \"{}\" ({})", a.name, a.id));
    authentications
        .chain(instances.map(|i| format!("the instance \"{}\" ({})", i.name, i.id)))
        .collect()
}
