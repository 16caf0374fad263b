//! Exit codes, and the failures that end a command.

use std::process::ExitCode;

use crate::results::file::FileError;

/// How a command ended. Where several apply, the first of 130, 1, 5, 6, 4, 3 wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Done,
    /// An I/O or internal failure.
    Internal,
    /// Wrong usage, configuration or catalog.
    Usage,
    /// Invalid rows.
    Invalid,
    /// Finished, but some rows failed.
    Failed,
    /// Tray refused the run: token or preflight.
    Refused,
    /// Stopped by `--max-failures`.
    MaxFailures,
    /// Interrupted.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Internal => 1,
            Exit::Usage => 2,
            Exit::Invalid => 3,
            Exit::Failed => 4,
            Exit::Refused => 5,
            Exit::MaxFailures => 6,
            Exit::Interrupted => 130,
        }
    }

    /// The one that counts of several.
    pub fn worst(exits: impl IntoIterator<Item = Exit>) -> Exit {
        let rank = |exit: &Exit| match exit {
            Exit::Done => 0,
            Exit::Invalid => 1,
            Exit::Failed => 2,
            Exit::MaxFailures => 3,
            Exit::Refused => 4,
            Exit::Usage => 5,
            Exit::Internal => 6,
            Exit::Interrupted => 7,
        };
        exits.into_iter().max_by_key(rank).unwrap_or(Exit::Done)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// A failure that ends a command: what happened, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened, where.
    pub message: String,
    /// What to do, where the message does not say.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            hint: None,
        }
    }

    /// Wrong usage, configuration or catalog.
    pub fn usage(message: impl std::fmt::Display) -> Failure {
        Failure::new(Exit::Usage, message.to_string())
    }

    /// An I/O or internal failure.
    pub fn internal(message: impl std::fmt::Display) -> Failure {
        Failure::new(Exit::Internal, message.to_string())
    }

    /// With a word on what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Failure {
        match error {
            FileError::Endpoint { .. } => Failure::usage(error),
            other => Failure::internal(other),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        // `| head` closing the pipe is the reader's choice, but what was to be said is not said
        Failure::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_130_1_5_6_4_3_wins() {
        let order = [130, 1, 5, 6, 4, 3, 0];
        let all = [
            Exit::Done,
            Exit::Invalid,
            Exit::Failed,
            Exit::MaxFailures,
            Exit::Refused,
            Exit::Internal,
            Exit::Interrupted,
        ];
        for (skip, want) in order.into_iter().enumerate() {
            let some = all.into_iter().take(all.len() - skip);
            assert_eq!(Exit::worst(some).code(), want);
        }
    }
}
