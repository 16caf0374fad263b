//! `validate`: every issue of every row.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use super::args::{Shared, ValidateArgs};
use super::exit::{Exit, Failure};
use super::load::{Listener, Loaded, load, load_for_two_passes};
use super::printer::Printer;
use super::{explain, interrupt};
use crate::batch::Index;
use crate::issue::Issue;
use crate::report::summary::{Summary, thousands};
use crate::validate::report::{IssueFile, RowFile};

/// Runs the command.
///
/// # Errors
/// What keeps the rows from being checked.
pub fn run(args: &ValidateArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    interrupt::listen(printer);
    if let Some(row) = args.explain {
        return explain::run(args, row, shared, printer);
    }
    let started = Instant::now();
    let load = match args.valid.is_some() || args.invalid.is_some() {
        true => load_for_two_passes,
        false => load,
    };
    let mut loaded = load(&args.input, args.format, shared)?;
    loaded.deny_warnings = args.deny_warnings;
    let report = args.report.as_ref().map(|path| IssueFile::create(path));
    let report = report.transpose().map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::usage(error),
        _ => Failure::internal(error),
    })?;
    let mut output = Output {
        printer,
        listed: 0,
        most: args.max_issues,
        report,
    };
    let outcome = loaded.check(false, &mut output)?;
    loaded.print_notes(&outcome, printer);
    let unlisted = output.finish(
        outcome
            .issues
            .values()
            .chain(outcome.warnings.values())
            .sum(),
    )?;
    set_aside(args, &mut loaded, &outcome.index)?;
    let exit = if outcome.issues.is_empty() {
        Exit::Done
    } else {
        Exit::Invalid
    };
    if unlisted > 0 {
        printer.result(&format!(
            "… and {} more; --report FILE.csv has them all",
            thousands(unlisted)
        ));
    }
    let mut summary = Summary::new("validate", exit.code(), started.elapsed());
    let totals = (outcome.index.total, outcome.index.invalid);
    summary.valid(totals, &outcome.issues, &outcome.warnings);
    if printer.is_json() {
        printer.object(&summary.to_json());
    } else {
        printer.result(&summary.of_validation(outcome.broken));
        if outcome.broken && loaded.header.is_some() && shared.mapping.is_none() {
            printer.note(&format!(
                "hint: if these are columns of your own, `tray-import init {} -o mapping.toml` proposes a mapping",
                args.input.display()
            ));
        }
    }
    Ok(exit)
}

/// Writes the valid and the invalid rows, each as it stands in the input.
fn set_aside(args: &ValidateArgs, loaded: &mut Loaded, index: &Index) -> Result<(), Failure> {
    let create = |path: &Option<PathBuf>| {
        let file = path
            .as_ref()
            .map(|path| RowFile::create(path, loaded.header.as_deref()));
        file.transpose().map_err(Failure::internal)
    };
    let (mut valid, mut invalid) = (create(&args.valid)?, create(&args.invalid)?);
    let cannot_write =
        |error| Failure::internal(format!("cannot write the rows set aside: {error}"));
    if (valid.is_some() || invalid.is_some()) && index.total > 0 {
        loaded.rewind()?;
        let read = loaded.each_row(|at, _, _| {
            let file = match index.is_invalid(at.row) {
                true => &mut invalid,
                false => &mut valid,
            };
            match file {
                // what stands behind the place where the input breaks off was never checked
                Some(file) if at.row <= index.total => file.write(at.raw).map_err(cannot_write),
                _ => Ok(()),
            }
        });
        match read {
            // it breaks off, which has been said
            Err(failure) if failure.exit == Exit::Invalid => {}
            other => other?,
        }
    }
    for file in [valid, invalid].into_iter().flatten() {
        file.finish().map_err(cannot_write)?;
    }
    Ok(())
}

struct Output<'p> {
    printer: &'p Printer,
    listed: u64,
    most: u64,
    report: Option<IssueFile>,
}

impl Output<'_> {
    /// Closes the report; how many of `total` issues were not listed.
    fn finish(self, total: u64) -> Result<u64, Failure> {
        let closed = self.report.map(IssueFile::finish).transpose();
        closed
            .map_err(|error| Failure::internal(format!("cannot write what was found: {error}")))?;
        Ok(total - self.listed)
    }
}

impl Listener for Output<'_> {
    fn issue(&mut self, issue: &Issue<'_>) -> io::Result<()> {
        if self.listed < self.most {
            self.listed += 1;
            self.printer.result(&issue.to_string());
        }
        match &mut self.report {
            Some(report) => report.write(issue),
            None => Ok(()),
        }
    }
}
