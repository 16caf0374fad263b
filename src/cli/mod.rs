//! The command line: arguments, configuration, terminal, exit codes. One file per command.
//!
//! Two layers: [`args`] is what was typed (flags, environment, configuration file, in this order of
//! precedence), [`settings`] is what it means. Nothing touches the disk or the network before the second
//! exists. Every command returns an [`exit::Exit`] or an [`exit::Failure`]; [`main`] alone prints the
//! failure and ends the process.

pub mod args;
pub mod catalog;
pub mod config;
pub mod exit;
pub mod explain;
pub mod import;
pub mod init;
pub mod interrupt;
pub mod load;
pub mod logging;
pub mod preview;
pub mod printer;
pub mod progress;
pub mod rehearsal;
pub mod sandbox;
pub mod settings;
pub mod status;
pub mod validate;

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

fn dispatch(cli: Cli, printer: &Printer) -> Result<Exit, Failure> {
    match cli.command {
        Command::Validate(args) => validate::run(&args, &cli.shared, printer),
        Command::Import(args) => import::run(&args, &cli.shared, printer),
        Command::Status(args) => status::run(&args, printer),
        Command::Init(args) => init::run(&args, &cli.shared, printer),
        Command::Catalog(args) => catalog::run(&args, &cli.shared, printer),
        Command::Sandbox(args) => sandbox::run(&args, &cli.shared, printer),
    }
}
