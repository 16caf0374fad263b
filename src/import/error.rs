//! How a row ends when it does not end well, in words for the person at the keyboard.

use crate::model::{Progress, RowError, Step, code};
use crate::tray::outcome::Trouble;

/// Why a row went no further.
#[derive(Clone, Debug)]
pub enum StepError {
    /// It failed, and the results say so.
    Failed(RowError),
    /// The run is stopping; the row stays as the results have it and goes on in the next run.
    Stopped,
    /// The run is stopping, and the creation that the results have as `sent` was surely not done: the row goes
    /// back to the step before.
    NotDone,
}

impl StepError {
    /// A failure.
    pub fn failed(code: &'static str, step: Step, retryable: bool, message: String) -> StepError {
        StepError::Failed(RowError {
            code: code.into(),
            message,
            step,
            retryable,
        })
    }

    /// A call that brought no result and never will.
    pub fn of_trouble(trouble: &Trouble, step: Step) -> StepError {
        let failed = |code, retryable, what: &str, message: &str| {
            let message = format!("{what}{message}");
            StepError::failed(code, step, retryable, message)
        };
        match trouble {
            Trouble::Refused(message) => failed(code::REFUSED, false, "Tray refused: ", message),
            Trouble::TokenRefused { message, .. } => {
                let what = "Tray refused the end user's token, also a new one: ";
                failed(code::UNAUTHORIZED, true, what, message)
            }
            Trouble::NotSent(message) | Trouble::Open(message) => failed(
                code::NO_ANSWER,
                true,
                "no usable answer from Tray: ",
                message,
            ),
            Trouble::Throttled(_) => StepError::failed(
                code::NO_ANSWER,
                step,
                true,
                "Tray kept throttling".to_owned(),
            ),
        }
    }

    /// Tray has two of what should be one.
    pub(super) fn several(step: Step, what: &str) -> StepError {
        StepError::failed(
            code::AMBIGUOUS,
            step,
            true,
            format!("{what}; remove all but one in Tray, then run with --retry-failed"),
        )
    }

    /// Where the results have the row as `sent`, and surely nothing was done.
    pub(super) fn not_done(self) -> StepError {
        match self {
            StepError::Stopped => StepError::NotDone,
            other => other,
        }
    }

    /// The same failure under another code, to be tried again, with more to say.
    pub(super) fn under(self, code: &'static str, say: impl FnOnce(&str) -> String) -> StepError {
        match self {
            StepError::Failed(error) => {
                StepError::failed(code, error.step, true, say(&error.message))
            }
            other => other,
        }
    }
}

/// Whose it is what turns up where a creation is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This batch's: it was about to create it, because it did not exist.
    Ours,
    /// Nobody can say: there were two of a kind, and somebody has removed one. A rollback must not touch it.
    Anybodys,
}

/// Whether a creation of this step may have been done without the results knowing its outcome, and whose it is
/// then.
pub(super) fn open_creation(progress: &Progress, step: Step) -> Option<Whose> {
    let whose = if progress.is_ours(step) {
        Whose::Ours
    } else {
        Whose::Anybodys
    };
    progress.is_open(step).then_some(whose)
}
