//! How Tray is called: the same for every command that calls it.

use std::time::Duration;

use clap::Args;

use super::{Rate, parse_duration, parse_rate};

/// How fast Tray is called, and with what patience.
#[derive(Clone, Debug, Args)]
pub struct Calls {
    /// Calls a second, or `unlimited`; Tray allows an organisation 30
    #[arg(long, value_name = "R", default_value = "25", value_parser = parse_rate, env = "TRAY_IMPORT_RATE")]
    pub rate: Rate,
    /// How many calls may leave at once after a pause
    #[arg(long, value_name = "B", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..), env = "TRAY_IMPORT_BURST")]
    pub burst: u32,
    /// Calls under way at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..), env = "TRAY_IMPORT_CONCURRENCY")]
    pub concurrency: u32,
    /// The longest that a call may take
    #[arg(long, value_name = "D", default_value = "30s", value_parser = parse_duration, env = "TRAY_IMPORT_TIMEOUT")]
    pub timeout: Duration,
}
