//! What was typed after `init`.

use std::path::PathBuf;

use clap::Args;

use super::FormatArg;

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The export: CSV, TSV or JSON Lines, plain, .gz or .zst; `-` is standard input
    pub input: PathBuf,
    /// Write the mapping to FILE [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace FILE where it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Format, where the file's name does not say
    #[arg(long, value_enum)]
    pub format: Option<FormatArg>,
}
