//! `report`: a batch as one HTML page.

use std::io::{self, BufReader, Write};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;

use super::args::report::ReportArgs;
use super::exit::{Exit, Failure};
use super::interrupt;
use super::printer::Printer;
use crate::files::WholeFile;
use crate::model::State;
use crate::report::history;
use crate::report::outcome::{Counts, outcome};
use crate::report::page::page;
use crate::report::summary::Summary;
use crate::results::error::ReplayError;
use crate::results::file::open_to_read;

/// Runs the command.
///
/// # Errors
/// A results file that cannot be read, or a page that cannot be written.
pub fn run(args: &ReportArgs, printer: &Printer) -> Result<Exit, Failure> {
    interrupt::listen(printer);
    let started = Instant::now();
    let stdout = args.output.as_os_str() == "-";
    if stdout && printer.is_json() {
        return Err(
            Failure::usage("standard output cannot hold both the page and the summary")
                .hint("name a file for the page with -o FILE.html"),
        );
    }
    let ending = args.output.extension().and_then(|ending| ending.to_str());
    let html = matches!(ending, Some("html" | "htm" | "xhtml"));
    // a device or a pipe has no ending to go by
    let device = args.output.exists() && !args.output.is_file();
    if !(stdout || html || device) {
        return Err(Failure::usage(format!(
            "a report ends in .html, {} does not",
            args.output.display()
        )));
    }
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::internal(format!(
            "the results file {}: {error}",
            args.results.display()
        ))
    };
    let file = open_to_read(&args.results)?;
    let history = history::read(BufReader::with_capacity(256 * 1024, file));
    let history = history.map_err(|error| match error {
        ReplayError::Io(error) => wrong(&error),
        error => Failure::internal(format!("{}: {error}", args.results.display())),
    })?;
    if history.header.is_none() {
        return Err(Failure::internal(format!(
            "{} is empty: no run has got as far as writing to it",
            args.results.display()
        )));
    }
    let name = args.results.file_name().unwrap_or_default();
    let page =
        page(&history, &name.to_string_lossy(), Timestamp::now()).map_err(Failure::internal)?;
    if stdout {
        // a closed pipe is the reader's choice
        let _ = io::stdout().write_all(page.as_bytes());
        return Ok(Exit::Done);
    }
    let write = || {
        let mut file = WholeFile::create(&args.output)?;
        file.write_all(page.as_bytes())?;
        file.finish()
    };
    write().map_err(|error| {
        Failure::internal(format!("cannot write {}: {error}", args.output.display()))
    })?;
    let counts = Counts::of(&history);
    if printer.is_json() {
        let mut summary = Summary::new("report", 0, started.elapsed());
        let of = |state: State| counts.of_state(state);
        let failures = history.failures.iter();
        summary.states(
            vec![
                ("total", counts.total() - counts.not_begun),
                ("done", of(State::Done)),
                ("partial", of(State::Partial)),
                ("failed", of(State::Failed)),
                ("held", of(State::Held)),
                ("sent", of(State::Sent)),
            ],
            failures.map(|(code, r)| (code.clone(), r.rows)).collect(),
        );
        summary.add("notBegun", json!(counts.not_begun));
        summary.add("outcome", json!(outcome(&counts)));
        summary.add("file", json!(args.output.display().to_string()));
        printer.object(&summary.to_json());
    } else {
        printer.result(&outcome(&counts));
        printer.result(&format!("The report is in {}.", args.output.display()));
    }
    Ok(Exit::Done)
}
