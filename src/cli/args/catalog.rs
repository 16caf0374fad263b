//! What was typed after `catalog`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Rate, parse_duration, parse_rate};

/// `catalog`.
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: CatalogCommand,
}

/// The commands of `catalog`.
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Read every entry and say what is wrong with it, or had to be read past
    #[command(after_long_help = "\
Examples:
  tray-import catalog check
  tray-import catalog check --catalog samples/catalog --json")]
    Check,
    /// Write entries as Tray publishes them, keeping what you wrote in them
    #[command(after_long_help = "\
Needs the master token (TRAY_MASTER_TOKEN or --master-token-file); reads Tray and changes nothing there.
Versions of a connector that share a service share a file. `ownService`, `allowExtraFields`, notes of your
own and schemas that you mended are kept; what changed is listed. Without a version it pulls every version of
the connector; without a connector it brings up to date what the catalog has.

Examples:
  tray-import catalog pull --connector sqs
  tray-import catalog pull --connector sqs@2.1 --connector zendesk@6.1
  tray-import catalog pull
  tray-import catalog pull --dry-run")]
    Pull(PullArgs),
    /// Show an entry: fields, types, what is required, what is secret, and an example row
    #[command(after_long_help = "\
Examples:
  tray-import catalog show sqs@2.1
  tray-import catalog show sqs@2.1 --json | jq -r '.environments[0].example.jsonl'")]
    Show(ShowArgs),
}

/// `catalog pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// A connector, and the version where not all of them are wanted; may be repeated
    #[arg(long, value_name = "NAME[@VERSION]")]
    pub connector: Vec<String>,
    /// Say what would change and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Calls a second, or `unlimited`; Tray allows an organisation 30
    #[arg(long, value_name = "R", default_value = "25", value_parser = parse_rate, env = "TRAY_IMPORT_RATE")]
    pub rate: Rate,
    /// The longest that a call may take
    #[arg(long, value_name = "D", default_value = "30s", value_parser = parse_duration, env = "TRAY_IMPORT_TIMEOUT")]
    pub timeout: Duration,
}

/// `catalog show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A connector and its version; without the version, where the catalog has one entry only
    #[arg(value_name = "CONNECTOR@VERSION")]
    pub connector: String,
}
