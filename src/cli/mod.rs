//! The command line: arguments, configuration, terminal, exit codes. One file per command.
//!
//! Two layers: [`args`] is what was typed (flags, environment, configuration file, in this order of
//! precedence), [`settings`] is what it means. Nothing touches the disk or the network before the second
//! exists. Every command returns an [`exit::Exit`] or an [`exit::Failure`]; [`main`] alone prints the
//! failure and ends the process.

pub mod aftercare;
pub mod args;
pub mod catalog;
pub mod completions;
pub mod config;
pub mod exit;
pub mod explain;
pub mod export;
pub mod import;
pub mod init;
pub mod interrupt;
pub mod load;
pub mod logging;
pub mod preview;
pub mod printer;
pub mod progress;
pub mod rehearsal;
pub mod report;
pub mod rollback;
pub mod sandbox;
pub mod settings;
pub mod status;
pub mod validate;
pub mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches;

use args::{Cli, Command};
use exit::{Exit, Failure};
use printer::Printer;

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    std::panic::set_hook(Box::new(printer::panicked));
    std::panic::catch_unwind(|| run(arguments)).unwrap_or(Exit::Internal.into())
}

fn run(arguments: Vec<OsString>) -> ExitCode {
    match parse(arguments) {
        Ok(cli) => {
            let printer = Printer::new(&cli.shared);
            logging::start(&cli.shared, &printer);
            let name = cli.command.name();
            match dispatch(cli, &printer) {
                Ok(exit) => exit.into(),
                Err(failure) => {
                    printer.failure(&failure);
                    if printer.is_json() {
                        printer.object(&serde_json::json!({
                            "command": name,
                            "exitCode": failure.exit.code(),
                            "error": failure.message,
                        }));
                    }
                    failure.exit.into()
                }
            }
        }
        Err(Parsed::Clap(error)) => {
            // help and version go to standard output and are no error
            let _ = error.print();
            if let Some(hint) = hint_of(&error) {
                printer::hint(hint);
            }
            if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            }
        }
        Err(Parsed::Config(failure)) => {
            printer::failure(&failure);
            failure.exit.into()
        }
    }
}

enum Parsed {
    Clap(clap::Error),
    Config(Failure),
}

fn parse(arguments: Vec<OsString>) -> Result<Cli, Parsed> {
    let command = config::apply(&arguments).map_err(Parsed::Config)?;
    let matches = command
        .try_get_matches_from(arguments)
        .map_err(Parsed::Clap)?;
    Cli::from_arg_matches(&matches).map_err(Parsed::Clap)
}

/// A word where somebody is about to type a token for every process of the machine to read.
fn hint_of(error: &clap::Error) -> Option<&'static str> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let token = argument.starts_with("--token") || argument.starts_with("--master-token");
    (error.kind() == ErrorKind::UnknownArgument && token).then_some(
        "a token is never given on the command line: set TRAY_MASTER_TOKEN, or put it into a file and name that with --master-token-file",
    )
}

fn dispatch(cli: Cli, printer: &Printer) -> Result<Exit, Failure> {
    match cli.command {
        Command::Validate(args) => validate::run(&args, &cli.shared, printer),
        Command::Import(args) => import::run(&args, &cli.shared, printer),
        Command::Status(args) => status::run(&args, printer),
        Command::Export(args) => export::run(&args, &cli.shared, printer),
        Command::Init(args) => init::run(&args, &cli.shared, printer),
        Command::Catalog(args) => catalog::run(&args, &cli.shared, printer),
        Command::Verify(args) => verify::run(&args, &cli.shared, printer),
        Command::Rollback(args) => rollback::run(&args, &cli.shared, printer),
        Command::Report(args) => report::run(&args, printer),
        Command::Sandbox(args) => sandbox::run(&args, &cli.shared, printer),
        Command::Completions(args) => Ok(completions::run(&args, printer)),
        Command::Man(args) => completions::man(&args, printer),
    }
}
