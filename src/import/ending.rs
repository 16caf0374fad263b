//! How a row ends when it does not end well, in words for the person at the keyboard.

use crate::model::{RowError, Step, code};
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
