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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::removal::Hitch;
use super::share::{Account, Gone, Share, accounts, clear, has_open, open_step, take_back};
use super::tally::{Kind, Note, Removed, Tally, kept};
use crate::model::{Id, Key, Step};
use crate::results::facts::Facts;
use crate::results::journal::Journal;
use crate::results::line::write_line;
use crate::results::rows::KnownRow;
use crate::results::users::EndUser;
use crate::stop::Reason;
use crate::tray::operations::{self as ops, REMOVE_AUTHENTICATION};
use crate::tray::outcome::Trouble;
use crate::tray::owned::Owned;
use crate::tray::session::{Organisation, UserSession};
use crate::tray::transport::Transport;

/// How the run was asked to go.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The wait before a thing that is not listed is asked about again.
    pub settle: Duration,
    /// How often an open creation is asked about before it counts as not done; each wait is twice the one before.
    pub asks: u32,
}

/// A run of the rollback.
pub struct Rollback<T> {
    pub(super) tray: Organisation<T>,
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
pub(super) struct Visit<'r, T> {
    pub(super) name: &'r str,
    pub(super) user_id: Id,
    pub(super) session: UserSession<T>,
    pub(super) rows: Vec<KnownRow>,
    pub(super) owned: Owned,
    pub(super) looked: Instant,
    pub(super) share: Share,
    pub(super) gone: Gone,
    /// Rows whose open creation was found not done.
    pub(super) taken_back: HashSet<Key>,
    /// Rows that were counted.
    counted: HashSet<Key>,
    /// Whether something that this batch made still stands.
    pub(super) stands: bool,
}

impl<T: Transport> Rollback<T> {
    /// A run that has not begun.
    pub fn new(
        tray: Organisation<T>,
        journal: Journal,
        settings: Settings,
        now: fn() -> Timestamp,
    ) -> Rollback<T> {
        Rollback {
            tray,
            journal,
            settings,
            now,
            tally: Arc::default(),
            by_master: AtomicBool::default(),
            unlisted: AtomicBool::default(),
        }
    }

    /// Where calls go.
    pub fn tray(&self) -> &Organisation<T> {
        &self.tray
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
                    self.tally.fail(Note {
                        external_user_id: name.clone(),
                        user_id: user_id.as_ref().map(ToString::to_string),
                        kind: Kind::User,
                        id: None,
                        code: error.code.into_owned(),
                        why: error.message,
                    });
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
            session: self.tray.session(user_id.to_string()),
            share: Share::of(&rows),
            user_id,
            rows,
            owned: Owned::default(),
            looked: Instant::now(),
            gone: Gone::default(),
            taken_back,
            counted: HashSet::new(),
            stands: false,
        };
        match visit.session.look().await {
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
            let removed = self.remove_instance(&visit.session, &id).await;
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
                    self.tally.keep(visit.note(
                        Kind::Authentication,
                        Some(text),
                        kept::IN_USE,
                        why,
                    ));
                }
                continue;
            }
            let listed = visit.owned.authentications.iter().any(|a| a.id == text);
            let removed = self
                .remove_authentication(&visit.session, &id, listed)
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
                self.tally
                    .fail(visit.note(kind, id, &error.code, error.message));
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
        self.write(visit.name, &changed).await?;
        let fresh = changed.iter().filter(|row| visit.counted.insert(row.key));
        let fresh = fresh.count() as u64;
        self.tally.rows.fetch_add(fresh, Ordering::Relaxed);
        Ok(())
    }

    pub(super) async fn write(&self, name: &str, rows: &[&KnownRow]) -> Result<(), Hitch> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::with_capacity(320 * rows.len());
        let now = (self.now)();
        for row in rows {
            write_line(
                &mut lines,
                (row.row, row.key),
                name,
                &row.progress,
                now,
                Facts::default(),
            );
        }
        if let Err(error) = self.journal.write(lines).await {
            self.tray.stop().because(Reason::Failed(error.to_string()));
            return Err(Hitch::Stopped);
        }
        Ok(())
    }

    /// An end user whom Tray does not have any more: their instances went with them, and nobody documents whether
    /// their authentications did (`tray-api.md` 3.9).
    async fn went_before(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        for id in &visit.share.authentications {
            self.go_on()?;
            let variables = ops::remove_authentication(&id.to_string());
            let tray = &self.tray;
            let call = tray
                .client()
                .call(&REMOVE_AUTHENTICATION, variables, tray.master());
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
        // a list that was cut short may be whole now
        if visit.looked.elapsed() > FRESH || visit.owned.truncated {
            self.look(visit).await?;
        }
        // what is adopted may be hidden, and then it is in no list
        let adopted = visit.rows.iter().any(|row| {
            row.progress.authentication_id.is_some() || row.progress.instance_id.is_some()
        });
        let others = self.others(visit);
        let reason = if !others.is_empty() {
            let things = others.join(" and ");
            Some((
                kept::NOT_OURS,
                format!("they own {things}, not made by this batch"),
            ))
        } else if adopted {
            let why = "they own what this batch found, and did not make";
            Some((kept::NOT_OURS, why.to_owned()))
        } else if visit.owned.truncated {
            let why = "Tray lists only a part of their authentications, so nobody can tell whether all are the batch's";
            Some((kept::LISTING_TRUNCATED, why.to_owned()))
        } else {
            None
        };
        if let Some((code, why)) = reason {
            self.tally.keep(visit.note(Kind::User, None, code, why));
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

    pub(super) async fn look(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        let owned = visit.session.look().await;
        visit.owned = owned.map_err(|trouble| self.hitch(&trouble))?;
        visit.looked = Instant::now();
        Ok(())
    }

    /// A run that stops begins nothing more.
    fn go_on(&self) -> Result<(), Hitch> {
        match self.tray.stop().is_set() {
            true => Err(Hitch::Stopped),
            false => Ok(()),
        }
    }
}

impl<T> Visit<'_, T> {
    /// A note about something of this account.
    pub(super) fn note(&self, kind: Kind, id: Option<String>, code: &str, why: String) -> Note {
        Note {
            external_user_id: self.name.to_owned(),
            user_id: Some(self.user_id.to_string()),
            kind,
            id,
            code: code.to_owned(),
            why,
        }
    }
}

/// The authentications and instances that are `wanted`, in words.
pub(super) fn described(owned: &Owned, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let authentications = owned.authentications.iter().filter(|a| wanted(&a.id));
    let instances = owned.instances.iter().filter(|i| wanted(&i.id));
    let authentications =
        authentications.map(|a| format!("the authentication \"{}\" ({})", a.name, a.id));
    authentications
        .chain(instances.map(|i| format!("the instance \"{}\" ({})", i.name, i.id)))
        .collect()
}
