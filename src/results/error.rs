//! Why a results file cannot be read.

use std::io;

/// Why a results file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line that is neither torn nor readable.
    #[error(
        "line {line} of the results file cannot be read ({cause}); it was damaged or edited by hand. Restore it from a copy, or remove the line: its row is then looked up in Tray"
    )]
    Line { line: usize, cause: String },
    #[error(
        "line {line} of the results file belongs to another batch: lines of two results files were put into one. Restore it from a copy, or remove the lines that are not its own"
    )]
    OtherBatch { line: usize },
    /// A file that does not begin as a results file does.
    #[error(
        "it is not a results file: line 1 is not the header of a batch ({0}). If it was one, restore it from a copy"
    )]
    Foreign(&'static str),
    /// Written by a later version of this tool.
    #[error(
        "the results file has format version {found}; this version of tray-import reads {known}"
    )]
    Version { found: u32, known: u32 },
}

impl ReplayError {
    pub(super) fn line(line: usize, cause: impl Into<String>) -> ReplayError {
        ReplayError::Line {
            line,
            cause: cause.into(),
        }
    }

    /// The error of a line of a piece, with the line's number in the file.
    pub(super) fn at(self, number: usize) -> ReplayError {
        match self {
            ReplayError::Line { cause, .. } => ReplayError::line(number, cause),
            ReplayError::OtherBatch { .. } => ReplayError::OtherBatch { line: number },
            other => other,
        }
    }
}
