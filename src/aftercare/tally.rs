//! What a rollback has done, and what it left standing and why.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How a thing has come to be no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Tray took the removal.
    Now,
    /// It did not exist any more: an earlier run was stopped before it could say so, or somebody removed it.
    Before,
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
        write!(f, ", {}", self.kind.name())?;
        if let Some(id) = &self.id {
            write!(f, " {id}")?;
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
    /// Rows of which something was taken back.
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

    /// How much could not be removed.
    pub fn failed_total(&self) -> u64 {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.len() as u64
    }

    /// Notes what is kept, and says so.
    pub(super) fn keep(&self, note: Note) {
        tracing::warn!("kept: {note}");
        push(&self.kept, note);
    }

    /// Notes what could not be removed, and says so.
    pub(super) fn fail(&self, note: Note) {
        tracing::warn!("not removed: {note}");
        push(&self.failed, note);
    }

    pub(super) fn count(&self, kind: Kind, removed: Removed) {
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

fn push(notes: &Mutex<Vec<Note>>, note: Note) {
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.push(note);
}

/// The codes of what is kept, beside those of failed rows.
pub mod kept {
    use crate::model::code;

    /// The end user owns something that this batch did not make.
    pub const NOT_OURS: &str = "not_ours";
    /// An enabled instance that stays uses the authentication.
    pub const IN_USE: &str = "in_use";
    /// A call of a row has no known outcome, and what is there cannot be told to be its.
    pub const UNSETTLED: &str = code::UNSETTLED;
    /// Tray has several end users of the same `externalUserId`.
    pub const AMBIGUOUS: &str = code::AMBIGUOUS;
    /// Tray's list of authentications is cut short.
    pub const LISTING_TRUNCATED: &str = code::LISTING_TRUNCATED;

    /// Every code.
    pub const ALL: [&str; 5] = [NOT_OURS, IN_USE, UNSETTLED, AMBIGUOUS, LISTING_TRUNCATED];
}
