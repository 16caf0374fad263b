//! `verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Calls, parse_duration};

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The results file of the batch that Tray is compared with
    pub results: PathBuf,
    /// Enable again what is disabled, and have the next import make again what is missing; asks first
    #[arg(long)]
    pub fix: bool,
    /// With --fix: do not ask
    #[arg(long, requires = "fix")]
    pub yes: bool,
    /// List at most N differences; all are counted
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        env = "TRAY_IMPORT_MAX_DIFFERENCES"
    )]
    pub max_differences: usize,
    /// How Tray is called.
    #[command(flatten)]
    pub calls: Calls,
    /// The wait before a difference is looked at once more: what Tray lists may lag behind
    #[arg(long, value_name = "D", default_value = "2s", value_parser = parse_duration, env = "TRAY_IMPORT_SETTLE")]
    pub settle: Duration,
}

/// What `verify --help` ends with.
pub const EXAMPLES: &str = "\
Reads what each end user of the batch owns, with their own token, and compares it with the results: what is
missing, what has changed (name, service environment, auth slot, config value, enabled), and what is there
that the results know nothing of. The last is looked for only with end users whom this batch created: what
others had before, or made since, is their own. Config values are compared by a check that needs the master
token of the import. Neither Tray nor the results file is changed without --fix.

--fix enables what was disabled, and takes what is missing out of the results: the same import command as
before then makes it again, once. Names, slots, config values and what is extra are left to you.

Examples:
  tray-import verify results.jsonl
  tray-import verify results.jsonl --json | jq .differences
  tray-import verify results.jsonl --fix
  tray-import verify results.jsonl --fix --yes --rate 10

Exit codes: 0 no difference; 4 something differs or could not be compared, also where --fix has left a part
of it to the next import";
