//! `rollback`: takes a batch back.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::aftercare::{Access, Batch, runtime};
use super::args::{RollbackArgs, Shared};
use super::exit::{Exit, Failure};
use super::import::refused_token;
use super::printer::Printer;
use super::{interrupt, progress};
use crate::aftercare::plan::Plan;
use crate::aftercare::rollback::{Rollback, Settings};
use crate::aftercare::share::has_open;
use crate::aftercare::tally::{Note, Tally, kept};
use crate::aftercare::walk::walk;
use crate::import::context;
use crate::report::summary::{Summary, duration, thousands};
use crate::results::file::ResultsFile;
use crate::results::journal::Journal;
use crate::stop::Reason;

/// Runs the command.
///
/// # Errors
/// What keeps the rollback from being begun.
pub fn run(args: &RollbackArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    interrupt::listen(printer);
    let started = Instant::now();
    let asks = !args.yes && !args.dry_run;
    if asks && !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "a rollback cannot be undone, and there is no terminal to ask at",
        )
        .hint("look at it with --dry-run, then say --yes"));
    }
    let access = Access::of(shared)?;
    if !args.dry_run {
        access.master()?;
    }
    let mut batch = access.open(&args.results, !args.dry_run)?;
    let plan = Plan::of(&batch.users);
    let command = Command {
        args,
        printer,
        started,
        rate: args.calls.rate.0,
    };
    if args.dry_run {
        return Ok(command.dry_run(&batch, &plan));
    }
    let Some(file) = batch.file.take().filter(|_| !plan.is_empty()) else {
        let tally = Tally::default();
        let verdict = "Nothing to take back: nothing that this batch made is in the results.";
        return Ok(command.close(verdict, &plan, &tally, json!({}), Exit::Done));
    };
    if asks {
        printer.result(&command.shown(&batch, &plan));
        let question = "\nThis cannot be undone. Type \"yes\" to remove them:";
        if printer.ask(question)? != "yes" {
            printer.result("Nothing was changed.");
            return Ok(Exit::Interrupted);
        }
    }
    let runtime = runtime()?;
    let exit = runtime.block_on(command.take_back(&access, batch, file, &plan));
    // a blocking write that hangs must not keep the process
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

struct Command<'a> {
    args: &'a RollbackArgs,
    printer: &'a Printer,
    started: Instant,
    rate: Option<f64>,
}

impl Command<'_> {
    fn dry_run(&self, batch: &Batch, plan: &Plan) -> Exit {
        if self.printer.is_json() {
            let mut summary = Summary::new("rollback", 0, self.started.elapsed());
            let [users, authentications, instances] = plan.made;
            summary.add("dryRun", json!(true));
            summary.add("batchId", json!(batch.header.batch_id));
            summary.add(
                "plan",
                json!({
                    "users": users,
                    "authentications": authentications,
                    "instances": instances,
                    "openRows": plan.open_rows,
                    "calls": plan.calls,
                    "callsTotal": plan.total_calls(),
                    "seconds": self.time(plan).map(|time| time.as_secs_f64().ceil()),
                }),
            );
            self.printer.object(&summary.to_json());
            return Exit::Done;
        }
        self.printer.result(&self.shown(batch, plan));
        self.printer
            .result("\nNothing was changed: this was a dry run.");
        Exit::Done
    }

    fn time(&self, plan: &Plan) -> Option<Duration> {
        let seconds = plan.total_calls() as f64 / self.rate?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// What would be removed, for people.
    fn shown(&self, batch: &Batch, plan: &Plan) -> String {
        let header = &batch.header;
        let mut lines = vec![format!(
            "Batch {} of {}, in {}",
            header.batch_id,
            header.created_at.strftime("%Y-%m-%d %H:%M UTC"),
            header.endpoint
        )];
        lines.push("\nThis would be removed:\n".to_owned());
        let mut line = |count: u64, what: &str| {
            lines.push(format!("  {:>9}  {what}", thousands(count)));
        };
        let [users, authentications, instances] = plan.made;
        line(instances, "solution instances");
        line(authentications, "authentications");
        line(
            users,
            "end users, but for those who turn out to own anything else",
        );
        if plan.found_users > 0 {
            line(plan.found_users, "end users were there before and stay");
        }
        if plan.open_rows > 0 {
            line(
                plan.open_rows,
                "rows have a call without a known outcome: Tray is asked, and what cannot be told apart is kept.\n             To be certain, first run the import again and stop it with Ctrl-C: it finds out",
            );
        }
        lines.push("\nBy these calls:\n".to_owned());
        for (name, count) in &plan.calls {
            lines.push(format!("  {:>9}  {name}", thousands(*count)));
        }
        let total = thousands(plan.total_calls());
        lines.push(match (self.rate, self.time(plan)) {
            (Some(rate), Some(time)) => {
                format!(
                    "  {total:>9}  in all: {} at {rate} a second",
                    duration(time)
                )
            }
            _ => format!("  {total:>9}  in all, as fast as Tray answers"),
        });
        lines.join("\n")
    }

    async fn take_back(
        &self,
        access: &Access,
        mut batch: Batch,
        file: ResultsFile,
        plan: &Plan,
    ) -> Result<Exit, Failure> {
        let tray = access.organisation(&self.args.calls)?;
        let (client, stop) = (Arc::clone(tray.client()), Arc::clone(tray.stop()));
        let settings = Settings {
            settle: self.args.settle,
            asks: context::Settings::default().asks,
        };
        let journal = Journal::start(file);
        let rollback = Arc::new(Rollback::new(tray, journal, settings, jiff::Timestamp::now));
        let tally = Arc::clone(&rollback.tally);
        // what others show of Tray helps with these
        batch.users.sort_by_key(|user| has_open(&user.rows));
        let shown = tokio::spawn(progress::show(
            self.printer.clone(),
            Arc::clone(&tally),
            Arc::clone(&client),
            batch.users.len() as u64,
        ));
        let at_once = self.args.calls.concurrency as usize;
        walk(batch.users, at_once, &stop, |user| {
            let rollback = Arc::clone(&rollback);
            async move { rollback.end_user(user).await }
        })
        .await;
        shown.abort();
        // the bar is taken away when the task is gone
        let _ = shown.await;
        let mut exits = vec![Exit::Done];
        let mut verdict = None;
        for reason in stop.reasons() {
            let (exit, words) = match reason {
                Reason::Interrupted => (
                    Exit::Interrupted,
                    "Interrupted: the same command goes on from here.",
                ),
                Reason::TokenRefused(message) => {
                    self.printer.failure(&refused_token(&message));
                    (
                        Exit::Refused,
                        "Stopped: Tray refused the master token. The same command goes on from here.",
                    )
                }
                Reason::Failed(message) => {
                    self.printer.failure(&Failure::internal(message));
                    (
                        Exit::Internal,
                        "Stopped by the error above. The same command goes on from here.",
                    )
                }
                Reason::MaxFailures => (Exit::MaxFailures, "Stopped: too much failed."),
            };
            exits.push(exit);
            verdict.get_or_insert(words);
        }
        let standing = tally.kept().iter().any(|note| note.code != kept::NOT_OURS);
        if standing || !tally.failed().is_empty() {
            exits.push(Exit::Failed);
            verdict.get_or_insert("Finished, but something that this batch made still stands.");
        }
        let verdict = verdict.unwrap_or(match tally.kept().is_empty() {
            true => "Finished: everything that this batch made is removed.",
            false => "Finished: everything is removed but end users who own what this batch did not make.",
        });
        let counters = &client.counters;
        let calls = json!({
            "calls": counters.calls(),
            "throttled": counters.throttled(),
            "retried": counters.retried(),
        });
        Ok(self.close(verdict, plan, &tally, calls, Exit::worst(exits)))
    }

    fn close(&self, verdict: &str, plan: &Plan, tally: &Tally, calls: Value, exit: Exit) -> Exit {
        let (kept, failed) = (tally.kept(), tally.failed());
        if self.printer.is_json() {
            let mut summary = Summary::new("rollback", exit.code(), self.started.elapsed());
            let taken = tally.rows.load(Ordering::Relaxed);
            summary.add("rows", json!({"total": plan.rows, "takenBack": taken}));
            summary.add("removed", three(&tally.removed));
            summary.add("alreadyGone", three(&tally.before));
            summary.add("kept", kept.iter().map(note).collect());
            summary.add("failed", failed.iter().map(note).collect());
            for (key, value) in calls.as_object().into_iter().flatten() {
                summary.add(key, value.clone());
            }
            self.printer.object(&summary.to_json());
            return exit;
        }
        let mut lines = vec![String::new(), verdict.to_owned(), String::new()];
        let mut line = |name: &str, value: String| lines.push(format!("  {name:<13}{value}"));
        for (name, counts) in [("removed", &tally.removed), ("already gone", &tally.before)] {
            let counts = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
            if counts.iter().sum::<u64>() > 0 || name == "removed" {
                let [users, authentications, instances] = counts.map(thousands);
                line(
                    name,
                    format!(
                        "{instances} instances, {authentications} authentications, {users} end users"
                    ),
                );
            }
        }
        let total = calls["calls"].as_object().into_iter().flatten();
        let total: u64 = total.filter_map(|(_, count)| count.as_u64()).sum();
        if total > 0 {
            let elapsed = self.started.elapsed().as_secs_f64().max(0.001);
            let mut value = format!(
                "{} ({:.1} a second)",
                thousands(total),
                total as f64 / elapsed
            );
            for name in ["throttled", "retried"] {
                let count = calls[name].as_u64().unwrap_or_default();
                if count > 0 {
                    value.push_str(&format!(", {} {name}", thousands(count)));
                }
            }
            line("calls", value);
        }
        line("time", duration(self.started.elapsed()));
        for (what, notes) in [("Kept", kept), ("Not removed", failed)] {
            if notes.is_empty() {
                continue;
            }
            lines.push(format!("\n{what}:"));
            lines.extend(notes.iter().take(LISTED).map(|note| format!("  {note}")));
            if notes.len() > LISTED {
                let more = thousands((notes.len() - LISTED) as u64);
                lines.push(format!("  … and {more} more; --json lists all"));
            }
        }
        self.printer.result(&lines.join("\n"));
        exit
    }
}

/// So many kept things are listed for people.
const LISTED: usize = 20;

fn three(counts: &[AtomicU64; 3]) -> Value {
    let [users, authentications, instances] =
        counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    json!({"users": users, "authentications": authentications, "instances": instances})
}

fn note(note: &Note) -> Value {
    json!({
        "externalUserId": note.external_user_id,
        "userId": note.user_id,
        "kind": note.kind.name(),
        "id": note.id,
        "code": note.code,
        "why": note.why,
    })
}

impl progress::Work for Tally {
    const UNITS: &'static str = "end users";

    fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    fn parts(&self) -> Vec<String> {
        let [users, authentications, instances] = self
            .removed
            .each_ref()
            .map(|count| thousands(count.load(Ordering::Relaxed)));
        vec![format!(
            "removed: {instances} instances, {authentications} auths, {users} users"
        )]
    }

    fn failed(&self) -> u64 {
        self.failed_total()
    }
}
