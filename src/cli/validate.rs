//! `validate`: every issue of every row.

use std::io;
use std::time::Instant;

use super::args::{Shared, ValidateArgs};
use super::exit::{Exit, Failure};
use super::load::{Listener, load};
use super::printer::Printer;
use super::{explain, interrupt};
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
    let mut loaded = load(&args.input, args.format, shared)?;
    let header = loaded.header.clone();
    let rows = |path: &Option<std::path::PathBuf>| {
        path.as_ref()
            .map(|path| RowFile::create(path, header.as_deref()))
            .transpose()
            .map_err(Failure::internal)
    };
    let mut output = Output {
        printer,
        listed: 0,
        most: args.max_issues,
        report: args
            .report
            .as_ref()
            .map(|path| IssueFile::create(path))
            .transpose()
            .map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput => Failure::usage(error),
                _ => Failure::internal(error),
            })?,
        invalid: rows(&args.invalid)?,
        valid: rows(&args.valid)?,
    };
    let outcome = loaded.check(false, &mut output)?;
    let unlisted = output.finish(outcome.issues.values().sum())?;
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
    summary.valid(totals, &outcome.issues);
    if printer.is_json() {
        printer.object(&summary.to_json());
    } else {
        printer.result(&summary.of_validation(outcome.broken));
        if outcome.broken && header.is_some() && shared.mapping.is_none() {
            printer.note(&format!(
                "hint: if these are columns of your own, `tray-import init {} -o mapping.toml` proposes a mapping",
                args.input.display()
            ));
        }
    }
    Ok(exit)
}

struct Output<'p> {
    printer: &'p Printer,
    listed: u64,
    most: u64,
    report: Option<IssueFile>,
    invalid: Option<RowFile>,
    valid: Option<RowFile>,
}

impl Output<'_> {
    /// Closes the files; how many of `total` issues were not listed.
    fn finish(self, total: u64) -> Result<u64, Failure> {
        let close = || -> io::Result<()> {
            self.report.map(IssueFile::finish).transpose()?;
            self.invalid.map(RowFile::finish).transpose()?;
            self.valid.map(RowFile::finish).transpose()?;
            Ok(())
        };
        close()
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

    fn row(&mut self, raw: &[u8], valid: bool) -> io::Result<()> {
        let file = if valid {
            &mut self.valid
        } else {
            &mut self.invalid
        };
        match file {
            Some(file) => file.write(raw),
            None => Ok(()),
        }
    }
}
