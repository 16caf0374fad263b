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
