//! `status`: what a results file holds, and what a re-run would do.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use super::args::StatusArgs;
use super::exit::{Exit, Failure};
use super::printer::Printer;
use crate::model::{State, Step};
use crate::report::summary::{Summary, thousands};
use crate::results::file::read;
use crate::results::rows::KnownRow;

/// Runs the command.
///
/// # Errors
/// A results file that cannot be read.
pub fn run(args: &StatusArgs, printer: &Printer) -> Result<Exit, Failure> {
    let started = Instant::now();
    let replay = read(&args.results).map_err(Failure::internal)?;
    let Some(header) = &replay.header else {
        return Err(Failure::internal(format!(
            "{} is empty: no run has got as far as writing to it",
            args.results.display()
        )));
    };
    let mut by_state: BTreeMap<State, u64> = BTreeMap::new();
    let mut by_step: BTreeMap<(State, Option<Step>), u64> = BTreeMap::new();
    let mut failures: BTreeMap<String, u64> = BTreeMap::new();
    let (mut retryable, mut taken_back) = (0, 0);
    for row in replay.standings() {
        *by_state.entry(row.state).or_default() += 1;
        *by_step.entry((row.state, row.step)).or_default() += 1;
    }
    // of the others, all that counts is where they stand
    let tells = [State::Failed, State::Held, State::Partial];
    let mut listed = Vec::new();
    for row in replay.rows(|_, row| tells.contains(&row.state)) {
        let (_, row) = row.map_err(Failure::internal)?;
        if let (State::Failed, Some(error)) = (row.progress.state, &row.progress.error) {
            *failures.entry(error.code.to_string()).or_default() += 1;
            retryable += u64::from(error.retryable);
        }
        taken_back += u64::from(row.progress.is_rolled_back());
        if row.progress.state != State::Partial {
            listed.push(row);
        }
    }
    listed.sort_by_key(|row| row.row);
    let of = |state: State| by_state.get(&state).copied().unwrap_or_default();
    let total = replay.len() as u64;
    let rows = vec![
        ("total", total),
        ("done", of(State::Done)),
        ("partial", of(State::Partial)),
        ("failed", of(State::Failed)),
        ("held", of(State::Held)),
        ("sent", of(State::Sent)),
    ];
    let rerun = rerun(&of, retryable);
    if printer.is_json() {
        let mut summary = Summary::new("status", 0, started.elapsed());
        summary.states(rows, failures);
        let steps: Vec<_> = by_step
            .iter()
            .map(|((state, step), count)| json!({"state": state, "step": step, "rows": count}))
            .collect();
        summary.add("steps", json!(steps));
        if taken_back > 0 {
            summary.add("takenBack", json!(taken_back));
        }
        summary.add("endpoint", json!(header.endpoint));
        summary.add("batchId", json!(header.batch_id));
        summary.add("tornBytes", json!(replay.torn));
        if !replay.damaged.is_empty() {
            let lines: Vec<_> = replay.damaged.iter().map(|damaged| damaged.line).collect();
            summary.add("damagedLines", json!(lines));
        }
        if args.failed {
            let rows: Vec<_> = listed.iter().map(failed_json).collect();
            summary.add("failedRows", json!(rows));
        }
        printer.object(&summary.to_json());
        return Ok(Exit::Done);
    }
    printer.result(&format!(
        "Batch {} of {}, to {}",
        header.batch_id,
        header.created_at.strftime("%Y-%m-%d %H:%M UTC"),
        header.endpoint
    ));
    if args.failed {
        if listed.is_empty() {
            printer.result("No row has failed, and none is held.");
        }
        for row in &listed {
            printer.result(&failed_line(row));
        }
        return Ok(Exit::Done);
    }
    printer.result(&format!("{} rows:", thousands(total)));
    for ((state, step), count) in &by_step {
        let step = step.map_or_else(|| "nothing yet".to_owned(), |step| step.to_string());
        printer.result(&format!("  {:>9}  {state:<8} {step}", thousands(*count)));
    }
    if taken_back > 0 {
        let rows = thousands(taken_back);
        printer.result(&format!(
            "  of which {rows} rows were taken back by a rollback"
        ));
    }
    if !failures.is_empty() {
        printer.result("Failures by code:");
        for (code, count) in &failures {
            printer.result(&format!("  {:>9}  {code}", thousands(*count)));
        }
    }
    for damaged in &replay.damaged {
        printer.result(&format!("Line {} is not what was written: its checksum does not match; the next run looks up in Tray what it was about.", damaged.line));
    }
    if replay.torn > 0 {
        printer.result("The last line is torn (a crash, a full disk, or a run that is writing it now); the next run drops it.");
    }
    for line in rerun {
        printer.result(&line);
    }
    Ok(Exit::Done)
}

fn rerun(of: &impl Fn(State) -> u64, retryable: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("  {:>9}  {what}", thousands(count)));
        }
    };
    say(of(State::Done), "rows would be left alone: they are done");
    say(of(State::Partial), "rows would go on from where they are");
    say(
        of(State::Sent),
        "rows would be asked about first: a call of theirs has no known outcome",
    );
    say(
        of(State::Held),
        "rows would go on once the row that holds them back is mended",
    );
    say(
        of(State::Failed),
        "rows would be left failed; --retry-failed tries them again",
    );
    say(
        retryable,
        "of them may work without a change (Tray gave no answer)",
    );
    if !lines.is_empty() {
        lines.insert(
            0,
            "The same import command again, with the same input:".to_owned(),
        );
    }
    lines
}

fn failed_line(KnownRow { row, progress, .. }: &KnownRow) -> String {
    match (&progress.error, &progress.why) {
        (Some(error), _) => format!(
            "row {row}, {}: {} [{}]{}",
            error.step,
            error.message,
            error.code,
            if error.retryable { " (retryable)" } else { "" }
        ),
        (None, why) => format!("row {row}: held: {}", why.as_deref().unwrap_or("unknown")),
    }
}

fn failed_json(KnownRow { row, progress, .. }: &KnownRow) -> serde_json::Value {
    json!({"row": row, "state": progress.state, "error": progress.error, "why": progress.why})
}
