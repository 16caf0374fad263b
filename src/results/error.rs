//! Why a results file cannot be read.

use super::header::VERSION;

/// Why a results file cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A line that is neither torn nor readable.
    #[error(
        "line {line} of the results file cannot be read ({cause}); it was damaged or edited by hand. Restore it from a copy, or remove the line: its row is then looked up in Tray"
    )]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// The parser's words.
        cause: String,
    },
    /// A file that does not begin as a results file does.
    #[error(
        "it is not a results file: line 1 is not the header of a batch ({0}). If it was one, restore it from a copy"
    )]
    Foreign(&'static str),
    /// Written by a later version of this tool.
    #[error(
        "the results file has format version {found}; this version of tray-import reads {VERSION}"
    )]
    Version {
        /// The version found.
        found: u32,
    },
}
