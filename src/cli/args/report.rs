//! What was typed for `report`.

use std::path::PathBuf;

use clap::Args;

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A results file
    pub results: PathBuf,
    /// Where to: an .html file; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// How it is used.
pub(super) const EXAMPLES: &str = "\
The page needs no network and no script, and is made for the screen, the phone
and paper. It names rows by their numbers, and holds no credentials.

Examples:
  tray-import report results.jsonl -o report.html
  tray-import report results.jsonl -o report.html --json";
