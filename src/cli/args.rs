//! What was typed.

mod calls;
mod catalog;
pub mod completions;
pub mod export;
mod init;
pub mod report;
mod rollback;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::import::tally::MaxFailures;
use crate::input::open::Format;
use crate::model::Step;
pub use calls::Calls;
pub use catalog::{CatalogArgs, CatalogCommand, PullArgs, ShowArgs};
pub use init::InitArgs;
pub use rollback::RollbackArgs;
pub use verify::VerifyArgs;

/// Moves an existing customer base into Tray Embedded.
#[derive(Debug, Parser)]
#[command(
    name = "tray-import",
    version,
    about = "Moves an existing customer base into Tray Embedded",
    long_about = "Moves an existing customer base into Tray Embedded: for each row of a CSV or JSON Lines file \
        it creates the Tray end user, the authentication and the solution instance, and enables it. Rows are \
        validated first, calls are rate-limited, and a results file makes every run resumable: nothing is \
        created twice.",
    after_long_help = EXIT_CODES,
    max_term_width = 80,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub shared: Shared,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
A weekend in five commands:
  tray-import validate customers.csv
  tray-import import customers.csv --sandbox --results rehearsal.jsonl
  tray-import import customers.csv --results results.jsonl --dry-run
  tray-import import customers.csv --results results.jsonl --limit 10
  tray-import import customers.csv --results results.jsonl

Exit codes:
  0    all done
  1    I/O or internal failure
  2    wrong usage, configuration or catalog
  3    invalid rows
  4    finished, some rows failed
  5    Tray refused the run (token, preflight)
  6    stopped by --max-failures
  130  interrupted; run the same command again to go on";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every row of a file, without calling Tray
    #[command(after_long_help = "\
Examples:
  tray-import validate customers.csv
  tray-import validate customers.csv --report issues.csv
  tray-import validate customers.csv --invalid to-mend.csv --valid good.csv
  tray-import validate export.csv --mapping mapping.toml --explain 17
  zcat customers.jsonl.gz | tray-import validate - --format jsonl --json")]
    Validate(ValidateArgs),
    /// Create end users, authentications and instances in Tray
    #[command(after_long_help = "\
The master token comes from TRAY_MASTER_TOKEN or --master-token-file, never from
a flag's value. The same command with the same --results file goes on where the
last run stopped.

Input fields (CSV columns, or JSON keys):
  externalUserId, userName, connector, connectorVersion, environment, authName,
  data.<key> (or data), formData.<key> (or formData), scopes, hidden,
  solutionId, instanceName, authExternalId, config.<externalId>,
  configJson.<externalId>, enabled

Examples:
  tray-import import customers.csv --sandbox --results rehearsal.jsonl
  tray-import import customers.csv --results results.jsonl --dry-run
  tray-import import customers.csv --results results.jsonl --limit 10
  tray-import import customers.csv --results results.jsonl --until instance
  tray-import import customers.csv --results results.jsonl --retry-failed")]
    Import(ImportArgs),
    /// Show what a results file holds, and what a re-run would do
    #[command(after_long_help = "\
Examples:
  tray-import status results.jsonl
  tray-import status results.jsonl --failed
  tray-import status results.jsonl --json | jq .rows")]
    Status(StatusArgs),
    /// Write each row of the input with its ids and its state, for your own database
    #[command(after_long_help = export::EXAMPLES)]
    Export(export::ExportArgs),
    /// Compare Tray with the results: what is missing, changed, or one too many
    #[command(after_long_help = verify::EXAMPLES)]
    Verify(VerifyArgs),
    /// Take a batch back: remove what it created, and only that
    #[command(after_long_help = rollback::EXAMPLES)]
    Rollback(RollbackArgs),
    /// Propose a mapping for a customer's own export
    #[command(after_long_help = "\
Looks at the header, the first rows and the catalog, and writes a commented mapping file for you to finish.
No value of the export is shown or written, only what kind of thing a column holds.

Examples:
  tray-import init export.csv -o mapping.toml
  tray-import validate export.csv --mapping mapping.toml
  zcat export.csv.gz | tray-import init - > mapping.toml")]
    Init(InitArgs),
    /// Make one HTML page of a batch: how it went, what failed, what to do
    #[command(after_long_help = report::EXAMPLES)]
    Report(report::ReportArgs),
    /// Work with the catalog of credential schemas
    #[command(after_long_help = "\
Examples:
  tray-import catalog pull --connector sqs --connector zendesk@6.1
  tray-import catalog check
  tray-import catalog show sqs@2.1")]
    Catalog(CatalogArgs),
    /// Serve an emulation of Tray's API on loopback, to rehearse against
    #[command(after_long_help = "\
Examples:
  tray-import sandbox --catalog samples/catalog --listen 127.0.0.1:8080
  tray-import sandbox --catalog samples/catalog --fault-rate 3% --seed 7
  tray-import sandbox --catalog samples/catalog --fault drop_after=10%
  tray-import sandbox --catalog samples/catalog --assume hidden_listed=false

The master token that it accepts is TRAY_MASTER_TOKEN or --master-token-file,
else `sandbox-master-token`. GET /admin/state shows what it holds, without
secrets.")]
    Sandbox(SandboxArgs),
    /// Print a completion script for a shell
    #[command(after_long_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for every command
    #[command(after_long_help = completions::MAN_EXAMPLES)]
    Man(completions::ManArgs),
}

impl Command {
    /// The command's name, as typed.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Validate(_) => "validate",
            Command::Import(_) => "import",
            Command::Status(_) => "status",
            Command::Export(_) => "export",
            Command::Verify(_) => "verify",
            Command::Rollback(_) => "rollback",
            Command::Init(_) => "init",
            Command::Report(_) => "report",
            Command::Catalog(_) => "catalog",
            Command::Sandbox(_) => "sandbox",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
        }
    }
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Shared options")]
pub struct Shared {
    /// Tray's region
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "us",
        env = "TRAY_IMPORT_REGION"
    )]
    pub region: Region,
    /// GraphQL endpoint, instead of the region's
    #[arg(long, global = true, value_name = "URL", env = "TRAY_IMPORT_ENDPOINT")]
    pub endpoint: Option<String>,
    /// Base of the platform API, instead of the region's
    #[arg(long, global = true, value_name = "URL", env = "TRAY_IMPORT_API")]
    pub api: Option<String>,
    /// Directory of credential schemas [default: `catalog` beside INPUT, else in the working directory]
    #[arg(long, global = true, value_name = "DIR", env = "TRAY_IMPORT_CATALOG")]
    pub catalog: Option<PathBuf>,
    /// Mapping file (TOML) that fits the input's columns to the contract's fields
    #[arg(long, global = true, value_name = "FILE", env = "TRAY_IMPORT_MAPPING")]
    pub mapping: Option<PathBuf>,
    /// What separates the cells of a CSV input, where it is not found by itself: a character, or `tab`
    #[arg(long, global = true, value_name = "CHAR", env = "TRAY_IMPORT_DELIMITER", value_parser = delimiter)]
    pub delimiter: Option<u8>,
    /// Configuration file (TOML, the names of the flags) [default: tray-import.toml where it exists]
    #[arg(long, global = true, value_name = "FILE", env = "TRAY_IMPORT_CONFIG")]
    pub config: Option<PathBuf>,
    /// File that holds the master token (else TRAY_MASTER_TOKEN)
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "TRAY_IMPORT_MASTER_TOKEN_FILE"
    )]
    pub master_token_file: Option<PathBuf>,
    /// Print one machine-readable summary on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// How progress and logs are written to standard error
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "TRAY_IMPORT_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
    /// Say less: errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for every decision, thrice for every call
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Tray's regions. They are segregated: a token of one means nothing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Region {
    /// United States
    Us,
    /// Europe (Ireland)
    Eu,
    /// Asia Pacific (Sydney)
    Ap,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The input's format, where its name does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Comma-separated, with a header
    Csv,
    /// Tab-separated, with a header
    Tsv,
    /// One JSON object a line
    Jsonl,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Format {
        match format {
            FormatArg::Csv => Format::Csv,
            FormatArg::Tsv => Format::Tsv,
            FormatArg::Jsonl => Format::Jsonl,
        }
    }
}

/// `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Customers: CSV, TSV or JSON Lines, plain, .gz or .zst; `-` is standard input
    pub input: PathBuf,
    /// Format, where the file's name does not say
    #[arg(long, value_enum)]
    pub format: Option<FormatArg>,
    /// Warnings make a row invalid too
    #[arg(long, env = "TRAY_IMPORT_DENY_WARNINGS")]
    pub deny_warnings: bool,
    /// Write every issue and warning to FILE (.csv or .jsonl)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write the invalid rows to FILE as they are, to mend and feed back
    #[arg(long, value_name = "FILE")]
    pub invalid: Option<PathBuf>,
    /// Write the valid rows to FILE as they are
    #[arg(long, value_name = "FILE")]
    pub valid: Option<PathBuf>,
    /// List at most N issues; all are counted, and all are in --report
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        env = "TRAY_IMPORT_MAX_ISSUES"
    )]
    pub max_issues: u64,
    /// Show one row after mapping and conversion, field by field, with secrets masked
    #[arg(long, value_name = "ROW", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["report", "invalid", "valid"])]
    pub explain: Option<u64>,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" | b"\t" => Ok(b'\t'),
        [byte @ (b',' | b';' | b'|' | b':' | b'^' | b'~')] => Ok(*byte),
        _ => Err("one of , ; | : ^ ~ or tab".to_owned()),
    }
}

/// `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Customers: CSV, TSV or JSON Lines, plain, .gz or .zst
    pub input: PathBuf,
    /// Where the outcome of every row is kept; the same file resumes the batch
    #[arg(long, value_name = "FILE", env = "TRAY_IMPORT_RESULTS")]
    pub results: PathBuf,
    /// Format, where the file's name does not say
    #[arg(long, value_enum)]
    pub format: Option<FormatArg>,
    /// Validate, read Tray where a token is given, and print the plan; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Import the valid rows although others are invalid
    #[arg(long)]
    pub skip_invalid: bool,
    /// Warnings make a row invalid too
    #[arg(long, env = "TRAY_IMPORT_DENY_WARNINGS")]
    pub deny_warnings: bool,
    /// Try rows again that failed in an earlier run
    #[arg(long)]
    pub retry_failed: bool,
    /// Import into an emulation of Tray inside this process: a rehearsal
    #[arg(long)]
    pub sandbox: bool,
    /// With --sandbox: the solutions that it has [default: `solutions.json` beside the catalog, else what the rows name]
    #[arg(long, value_name = "FILE", requires = "sandbox")]
    pub solutions: Option<PathBuf>,
    /// Import the first N unfinished rows and stop: a canary
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Stop every row after this step
    #[arg(long, value_enum, value_name = "STEP")]
    pub until: Option<Until>,
    /// Mark created end users as test users, whom Tray does not bill
    #[arg(long)]
    pub test_users: bool,
    /// How Tray is called.
    #[command(flatten)]
    pub calls: Calls,
    /// The wait before Tray is asked what became of a call without an answer
    #[arg(long, value_name = "D", default_value = "2s", value_parser = parse_duration, env = "TRAY_IMPORT_SETTLE")]
    pub settle: Duration,
    /// The wait between creating and enabling an instance
    #[arg(long, value_name = "D", default_value = "2s", value_parser = parse_duration, env = "TRAY_IMPORT_ENABLE_DELAY")]
    pub enable_delay: Duration,
    /// Stop once N rows, or more than P% of at least 100 ended rows, have failed
    #[arg(long, value_name = "N|P%", default_value = "10%", value_parser = parse_max_failures, env = "TRAY_IMPORT_MAX_FAILURES")]
    pub max_failures: MaxFailures,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A results file
    pub results: PathBuf,
    /// List the rows that failed or are held, with the reason
    #[arg(long)]
    pub failed: bool,
}

/// `sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Calls a second that it allows, or `unlimited`
    #[arg(long, value_name = "R", default_value = "30", value_parser = parse_rate)]
    pub rate: Rate,
    /// Calls that it allows at once after a pause
    #[arg(long, value_name = "B", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: u32,
    /// How long every answer takes
    #[arg(long, value_name = "D", default_value = "0ms", value_parser = parse_duration)]
    pub latency: Duration,
    /// Share of calls that go wrong, spread over all kinds of faults: `0.03` or `3%`
    #[arg(long, value_name = "P", default_value = "0", value_parser = parse_share)]
    pub fault_rate: f64,
    /// One kind of fault and its share: `drop_after=10%`; may be repeated
    #[arg(long, value_name = "KIND=P")]
    pub fault: Vec<String>,
    /// How it answers a question that nobody documents: `hidden_listed=false`; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub assume: Vec<String>,
    /// What ids and faults are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The solutions that it has [default: `solutions.json` beside the catalog]
    #[arg(long, value_name = "FILE")]
    pub solutions: Option<PathBuf>,
}

/// A step that `--until` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// End users exist
    User,
    /// Authentications exist
    Authentication,
    /// Instances exist, disabled
    Instance,
}

impl From<Until> for Step {
    fn from(until: Until) -> Step {
        match until {
            Until::User => Step::User,
            Until::Authentication => Step::Authentication,
            Until::Instance => Step::Instance,
        }
    }
}

/// Calls a second; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub Option<f64>);

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "unlimited" {
        return Ok(Rate(None));
    }
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Rate(Some(rate))),
        _ => Err("must be calls a second, such as 25 or 0.5, or `unlimited`".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a duration, such as 500ms, 2s or 5m".to_owned();
    let duration: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    match share {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be a share, such as 0.03 or 3%".to_owned()),
    }
}

fn parse_max_failures(text: &str) -> Result<MaxFailures, String> {
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.trim().parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(MaxFailures::Percent(percent)),
            _ => Err("must be a percentage between 0% and 100%".to_owned()),
        };
    }
    text.parse()
        .map(MaxFailures::Rows)
        .map_err(|_| "must be a number of rows, or a percentage such as 10%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_read_as_documented() {
        assert_eq!(parse_rate("unlimited"), Ok(Rate(None)));
        assert_eq!(parse_rate("0.5"), Ok(Rate(Some(0.5))));
        assert!(
            parse_rate("0").is_err() && parse_rate("-1").is_err() && parse_rate("inf").is_err()
        );
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert!(parse_duration("5").is_err() && parse_duration("-5s").is_err());
        assert_eq!(parse_max_failures("10%"), Ok(MaxFailures::Percent(10.0)));
        assert_eq!(parse_max_failures("3"), Ok(MaxFailures::Rows(3)));
        assert!(parse_max_failures("101%").is_err());
        assert_eq!(parse_share("3%"), Ok(0.03));
    }
}
