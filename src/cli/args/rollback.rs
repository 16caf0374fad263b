//! `rollback`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Calls, parse_duration};

/// `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The results file of the batch that is to be taken back
    pub results: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Print what would be removed, by how many calls; make none, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How Tray is called.
    #[command(flatten)]
    pub calls: Calls,
    /// The wait before Tray is asked again about what it does not list
    #[arg(long, value_name = "D", default_value = "2s", value_parser = parse_duration, env = "TRAY_IMPORT_SETTLE")]
    pub settle: Duration,
}

/// What `rollback --help` ends with.
pub const EXAMPLES: &str = "\
Removes what the batch of this results file created, and only that: instances, then authentications,
then end users. What it found and used stays, and so does an end user who owns anything that the batch
did not make: it is named. The results are kept up to date, so that a rollback that was stopped goes on
with the same command, and the import command makes everything anew.

Before a rollback after a crash of the import, run the import once more and stop it with Ctrl-C: it
finds out what became of the calls that were under way, which a rollback cannot always tell.

Examples:
  tray-import rollback results.jsonl --dry-run
  tray-import rollback results.jsonl
  tray-import rollback results.jsonl --yes --rate 10
  tray-import rollback results.jsonl --yes --json | jq .kept

Exit codes: 0 all that may be removed is removed; 4 something that the batch made still stands, and is named";
