//! Holding Tray against the results: one combined read per end user, and a second one where something differs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::compare::{Compared, Expected};
use super::difference::{Difference, Doubt};
use crate::import::error::StepError;
use crate::model::{DigestMap, Step};
use crate::results::facts::{Checker, RowFacts};
use crate::results::users::EndUser;
use crate::stop::Stop;
use crate::tray::client::Client;
use crate::tray::outcome::Trouble;
use crate::tray::session::{NOT_ENABLED, Organisation, UserSession};
use crate::tray::transport::Transport;

/// A verification under way.
pub struct Verify<T> {
    tray: Organisation<T>,
    facts: DigestMap<RowFacts>,
    checker: Checker,
    /// The wait before a difference is looked at once more: a listing may lag behind.
    settle: Duration,
    /// What came of it so far.
    pub tally: Arc<Tally>,
}

/// What came of a verification so far.
#[derive(Default)]
pub struct Tally {
    /// End users who were compared, or of whom there is nothing to compare yet.
    pub ended: AtomicU64,
    /// Rows that were compared.
    pub rows: AtomicU64,
    lists_hidden: AtomicBool,
    findings: Mutex<Findings>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Differences.
    pub differences: Vec<Difference>,
    /// What cannot be told.
    pub doubts: BTreeMap<Doubt, u64>,
    /// End users who could not be compared.
    pub unchecked: Vec<Unchecked>,
    unlisted: Vec<Difference>,
}

/// An end user who could not be compared.
#[derive(Clone, Debug)]
pub struct Unchecked {
    /// The end user.
    pub external_user_id: String,
    /// Why.
    pub message: String,
}

impl<T: Transport> Verify<T> {
    /// A verification that has not begun.
    pub fn new(tray: Organisation<T>, facts: DigestMap<RowFacts>, settle: Duration) -> Verify<T> {
        Verify {
            checker: Checker::new(tray.master()),
            tray,
            facts,
            settle,
            tally: Arc::default(),
        }
    }

    /// What it calls with, and what stops it.
    pub fn calls(&self) -> (Arc<Client<T>>, Arc<Stop>) {
        (Arc::clone(self.tray.client()), Arc::clone(self.tray.stop()))
    }

    /// Compares one end user. A run that is to stop leaves them out.
    pub async fn end_user(&self, user: &EndUser) {
        let expected = Expected::new(user, &self.facts);
        if let Some(id) = expected.user_id() {
            let session = self.tray.session(id);
            match self.compare(user, &expected, &session).await {
                Ok(Some(compared)) => {
                    let rows = user.rows.iter();
                    let begun = rows.filter(|row| row.progress.user_id.is_some()).count();
                    self.tally.rows.fetch_add(begun as u64, Ordering::Relaxed);
                    self.tally.add(compared);
                }
                Ok(None) => return,
                Err(trouble) => {
                    if self.tray.stop().token_is_refused() {
                        return;
                    }
                    self.tally.findings().unchecked.push(Unchecked {
                        external_user_id: user.external_user_id.clone(),
                        message: message(&trouble),
                    });
                }
            }
        }
        self.tally.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks, and where something differs, waits and looks again. `None` where the run is to stop meanwhile.
    async fn compare(
        &self,
        user: &EndUser,
        expected: &Expected<'_>,
        session: &UserSession<T>,
    ) -> Result<Option<Compared>, Trouble> {
        let compared = self.look(user, expected, session).await?;
        if compared.lists_hidden {
            self.tally.lists_hidden.store(true, Ordering::Relaxed);
        }
        let hidden =
            !compared.unlisted.is_empty() && self.tally.lists_hidden.load(Ordering::Relaxed);
        if compared.differences.is_empty() && !hidden {
            return Ok(Some(compared));
        }
        tokio::select! {
            biased;
            () = self.tray.stop().wait() => return Ok(None),
            () = tokio::time::sleep(self.settle) => {}
        }
        self.look(user, expected, session).await.map(Some)
    }

    async fn look(
        &self,
        user: &EndUser,
        expected: &Expected<'_>,
        session: &UserSession<T>,
    ) -> Result<Compared, Trouble> {
        let id = session.user_id().to_owned();
        let looked = session.look().await;
        match &looked {
            Ok(owned) if !expected.nothing_left(owned) => {
                return Ok(expected.compare(owned, &self.checker));
            }
            // Tray refuses, or shows nothing: the end user may be gone
            Ok(_) | Err(Trouble::Refused(_)) => {}
            Err(trouble) => return Err(trouble.clone()),
        }
        let listed = self.tray.users_of(&user.external_user_id).await?;
        if !listed.contains(&id) {
            return Ok(Compared {
                differences: vec![expected.user_missing(&id, &listed)],
                ..Compared::default()
            });
        }
        looked.map(|owned| expected.compare(&owned, &self.checker))
    }

    /// Enables an instance that was disabled.
    ///
    /// # Errors
    /// What Tray says against it, in words.
    pub async fn enable(&self, user_id: &str, instance_id: &str) -> Result<(), String> {
        let session = self.tray.session(user_id);
        match session.enable(instance_id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NOT_ENABLED.to_owned()),
            Err(trouble) => Err(message(&trouble)),
        }
    }
}

fn message(trouble: &Trouble) -> String {
    match StepError::of_trouble(trouble, Step::User) {
        StepError::Failed(error) => error.message,
        StepError::Stopped | StepError::NotDone => "the run was stopped".to_owned(),
    }
}

impl Tally {
    fn add(&self, compared: Compared) {
        if compared.lists_hidden {
            self.lists_hidden.store(true, Ordering::Relaxed);
        }
        let mut findings = self.findings();
        findings.differences.extend(compared.differences);
        findings.unlisted.extend(compared.unlisted);
        for (doubt, count) in compared.doubts {
            *findings.doubts.entry(doubt).or_default() += count;
        }
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Differences so far.
    pub fn differences(&self) -> u64 {
        self.findings().differences.len() as u64
    }

    /// End users who could not be compared.
    pub fn unchecked(&self) -> u64 {
        self.findings().unchecked.len() as u64
    }

    /// Everything that was found, in the order of the rows. Hidden authentications that are not listed are
    /// missing if any hidden one is listed; else it cannot be told.
    pub fn finish(&self) -> Findings {
        let mut findings = std::mem::take(&mut *self.findings());
        let unlisted = std::mem::take(&mut findings.unlisted);
        if self.lists_hidden.load(Ordering::Relaxed) {
            findings.differences.extend(unlisted);
        } else if !unlisted.is_empty() {
            findings.doubts.insert(Doubt::Hidden, unlisted.len() as u64);
        }
        let place = |found: &Difference| found.rows.first().copied().unwrap_or(u64::MAX);
        findings.differences.sort_by(|a, b| {
            let by_user = a.external_user_id.cmp(&b.external_user_id);
            (place(a).cmp(&place(b)))
                .then(by_user)
                .then(a.what.cmp(&b.what))
                .then_with(|| a.slot.cmp(&b.slot))
        });
        findings
            .unchecked
            .sort_by(|a, b| a.external_user_id.cmp(&b.external_user_id));
        findings
    }
}
