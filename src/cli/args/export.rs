//! What was typed for `export`.

use std::path::PathBuf;

use clap::Args;

use super::FormatArg;

/// `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A results file
    pub results: PathBuf,
    /// The customers that were imported; their credentials need not be in it any more
    #[arg(long, value_name = "INPUT")]
    pub input: PathBuf,
    /// Where to: .csv or .jsonl; `-` is standard output, as CSV
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// Further columns of the input, by name; never credentials
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Put an apostrophe before cells that a spreadsheet would take for formulas
    #[arg(long)]
    pub spreadsheet: bool,
    /// Format of INPUT, where its name does not say
    #[arg(long, value_enum)]
    pub format: Option<FormatArg>,
}

/// How it is used.
pub(super) const EXAMPLES: &str = "\
Each line has externalUserId, userId, authenticationId, instanceId, state and
error, in the order of the input. A row of which the results hold nothing is
`pending`, or `invalid` with the reason. --columns adds columns of the input by
name (your own account number, say), fields such as authName as the import
understands them, and `row`. Credentials, form fields and config values are
refused.

Examples:
  tray-import export results.jsonl --input customers.csv -o ids.csv
  tray-import export results.jsonl --input customers.csv -o ids.jsonl
  tray-import export results.jsonl --input export.csv --mapping mapping.toml
  tray-import export results.jsonl --input customers.csv --columns row,authName";
