//! `catalog`: entries checked, shown, and brought up to date.

mod asking;
mod check;
mod choice;
mod pull;
mod show;

use super::args::{CatalogArgs, CatalogCommand, Shared};
use super::exit::{Exit, Failure};
use super::printer::Printer;

/// Runs the command.
///
/// # Errors
/// What keeps it from being done.
pub fn run(args: &CatalogArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    match &args.command {
        CatalogCommand::Check => check::run(shared, printer),
        CatalogCommand::Pull(args) => pull::run(args, shared, printer),
        CatalogCommand::Show(args) => show::run(args, shared, printer),
    }
}
