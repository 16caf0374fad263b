//! How a row ends when it does not end well, in words for the person at the keyboard.

use crate::results::record::{RowError, Step};
use crate::secret::Redactor;
use crate::tray::outcome::Trouble;

/// Why a row went no further.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It failed, and the results say so.
    Failed(RowError),
    /// The run is stopping; the row stays as the results have it and goes on in the next run.
    Stopped,
    /// The run is stopping, and the creation that the results have as `sent` was surely not done: the row
    /// goes back to the step before.
    TakenBack,
}

/// Codes of failed rows. Part of the contract: scripts match on them.
pub mod code {
    /// Tray said no.
    pub const REFUSED: &str = "refused";
    /// The end user's token was refused again right after it was renewed.
    pub const UNAUTHORIZED: &str = "unauthorized";
    /// No connection, or no usable answer, in all attempts.
    pub const NO_ANSWER: &str = "no_answer";
    /// Tray has two of what should be one.
    pub const AMBIGUOUS: &str = "ambiguous";
    /// A creation may have happened and Tray cannot be asked in a way that tells.
    pub const UNSETTLED: &str = "unsettled";
    /// Tray's list of what exists is cut short.
    pub const LISTING_TRUNCATED: &str = "listing_truncated";
    /// An instance of that name exists with another authentication in the slot.
    pub const INSTANCE_CONFLICT: &str = "instance_conflict";
    /// Tray accepted the call but the instance is not enabled.
    pub const NOT_ENABLED: &str = "not_enabled";

    /// Every code.
    pub const ALL: [&str; 8] = [
        REFUSED,
        UNAUTHORIZED,
        NO_ANSWER,
        AMBIGUOUS,
        UNSETTLED,
        LISTING_TRUNCATED,
        INSTANCE_CONFLICT,
        NOT_ENABLED,
    ];
}

impl Ending {
    /// A failure.
    pub fn failed(code: &'static str, step: Step, retryable: bool, message: String) -> Ending {
        Ending::Failed(RowError {
            code: code.into(),
            message,
            step,
            retryable,
        })
    }

    /// A call that brought no result and never will.
    pub fn of_trouble(trouble: &Trouble, step: Step, redactor: &Redactor) -> Ending {
        match trouble {
            Trouble::Refused(message) => Ending::failed(
                code::REFUSED,
                step,
                false,
                format!("Tray refused: {}", redactor.clean(message)),
            ),
            Trouble::TokenRefused { message, .. } => Ending::failed(
                code::UNAUTHORIZED,
                step,
                true,
                format!(
                    "Tray refused the end user's token, also a new one: {}",
                    redactor.clean(message)
                ),
            ),
            Trouble::NotSent(message) | Trouble::Open(message) => Ending::failed(
                code::NO_ANSWER,
                step,
                true,
                format!("no usable answer from Tray: {}", redactor.clean(message)),
            ),
            Trouble::Throttled(_) => Ending::failed(
                code::NO_ANSWER,
                step,
                true,
                "Tray kept throttling".to_owned(),
            ),
        }
    }
}

impl Ending {
    /// Of a question that failed about something of which there were several: nobody can say whose it is, still.
    pub fn of_anybodys(mut self) -> Ending {
        if let Ending::Failed(error) = &mut self
            && error.code == code::UNSETTLED
        {
            error.code = code::AMBIGUOUS.into();
        }
        self
    }

    /// Of a creating call that surely was not done: what would leave the row `sent` takes it back.
    pub fn of_creation(self) -> Ending {
        match self {
            Ending::Stopped => Ending::TakenBack,
            other => other,
        }
    }
}

/// Whether a failure left a creation open, so that a retry has to ask before it sends.
pub fn leaves_open(error: &RowError, step: Step) -> bool {
    leaves_ours(error, step) || error.step == step && error.code == code::AMBIGUOUS
}

/// Whether what a retry then finds was made by this batch. Of two of a kind nobody can say whose they are,
/// so that what is left when somebody has removed the other counts as found: a rollback must not touch it.
pub fn leaves_ours(error: &RowError, step: Step) -> bool {
    error.step == step && error.code == code::UNSETTLED
}
