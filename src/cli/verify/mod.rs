//! `verify`: compares Tray with the results, and mends what can be mended.

mod mending;
mod saying;

use std::io::{self, BufReader, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::aftercare::{Access, Batch, runtime};
use super::args::{Shared, VerifyArgs};
use super::exit::{Exit, Failure};
use super::import::refused_token;
use super::printer::Printer;
use super::{interrupt, progress};
use crate::aftercare::verify::{Findings, Tally, Verify};
use crate::aftercare::walk::walk;
use crate::report::summary::{Summary, duration, thousands};
use crate::results::file::open_to_read;
use crate::results::lines::row_facts;
use crate::stop::Reason;
use crate::tray::http::Http;
use mending::Mended;

/// Runs the command.
///
/// # Errors
/// What keeps the verification from being begun.
pub fn run(args: &VerifyArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    interrupt::listen(printer);
    let started = Instant::now();
    if args.fix && !args.yes && !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "--fix asks before it changes anything, and there is no terminal to ask at",
        )
        .hint("look without --fix, then say --fix --yes"));
    }
    let access = Access::of(shared)?;
    access.master()?;
    // either way no import writes the file meanwhile
    let (batch, _held) = if args.fix {
        (access.open(&args.results, true)?, None)
    } else {
        let (batch, held) = access.hold(&args.results)?;
        (batch, Some(held))
    };
    let told = row_facts(BufReader::new(open_to_read(&args.results)?)).map_err(|error| {
        Failure::internal(format!(
            "the results file {}: {error}",
            args.results.display()
        ))
    })?;
    let command = Command {
        args,
        printer,
        started,
        rows: batch.users.iter().map(|user| user.rows.len() as u64).sum(),
        users: batch.users.len() as u64,
    };
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let verify = Verify::new(access.organisation(&args.calls)?, told, args.settle);
        command.verify(Arc::new(verify), batch).await
    });
    // a blocking write that hangs must not keep the process
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

struct Command<'a> {
    args: &'a VerifyArgs,
    printer: &'a Printer,
    started: Instant,
    rows: u64,
    users: u64,
}

impl Command<'_> {
    async fn verify(&self, verify: Arc<Verify<Http>>, mut batch: Batch) -> Result<Exit, Failure> {
        let (client, stop) = verify.calls();
        let users = Arc::new(std::mem::take(&mut batch.users));
        let shown = tokio::spawn(progress::show(
            self.printer.clone(),
            Arc::clone(&verify.tally),
            Arc::clone(&client),
            self.users,
        ));
        let at_once = self.args.calls.concurrency as usize;
        walk(0..users.len(), at_once, &stop, |number| {
            let (verify, users) = (Arc::clone(&verify), Arc::clone(&users));
            async move { verify.end_user(&users[number]).await }
        })
        .await;
        shown.abort();
        // the bar is taken away when the task is gone
        let _ = shown.await;
        let findings = verify.tally.finish();
        let mut mended = Mended::default();
        if self.args.fix && !stop.is_set() {
            let file = batch.file.take();
            mended = self.mend(&verify, &users, &findings, file).await?;
        }
        let mut exits = vec![Exit::Done];
        let mut stopped = None;
        for reason in stop.reasons() {
            let (exit, words) = match reason {
                Reason::Interrupted => (Exit::Interrupted, "Interrupted."),
                Reason::TokenRefused(message) => {
                    self.printer.failure(&refused_token(&message));
                    (Exit::Refused, "Stopped: Tray refused the master token.")
                }
                Reason::Failed(message) => {
                    self.printer.failure(&Failure::internal(message));
                    (Exit::Internal, "Stopped by the error above.")
                }
                Reason::MaxFailures => (Exit::MaxFailures, "Stopped: too much failed."),
            };
            exits.push(exit);
            stopped.get_or_insert(words);
        }
        if findings.differences.len() > mended.enabled.len() || !findings.unchecked.is_empty() {
            exits.push(Exit::Failed);
        }
        let exit = Exit::worst(exits);
        let counters = &client.counters;
        let calls = json!({
            "calls": counters.calls(),
            "throttled": counters.throttled(),
            "retried": counters.retried(),
        });
        self.close(&verify.tally, &findings, &mended, stopped, calls, exit);
        Ok(exit)
    }

    fn close(
        &self,
        tally: &Tally,
        findings: &Findings,
        mended: &Mended,
        stopped: Option<&str>,
        calls: Value,
        exit: Exit,
    ) {
        let rows = tally.rows.load(Ordering::Relaxed);
        let users = tally.ended.load(Ordering::Relaxed) - findings.unchecked.len() as u64;
        if self.printer.is_json() {
            let mut summary = Summary::new("verify", exit.code(), self.started.elapsed());
            summary.add("rows", json!({"total": self.rows, "compared": rows}));
            summary.add("users", json!({"total": self.users, "compared": users}));
            let most = self.args.max_differences;
            for (key, value) in saying::to_json(findings, most) {
                summary.add(&key, value);
            }
            if self.args.fix {
                summary.add("fixed", mended.to_json());
            }
            for (key, value) in calls.as_object().into_iter().flatten() {
                summary.add(key, value.clone());
            }
            self.printer.object(&summary.to_json());
            return;
        }
        let mut lines = Vec::new();
        if !mended.listed {
            lines = saying::listed(findings, self.args.max_differences, self.args.fix);
        }
        lines.extend(mended.said());
        let compared = format!(
            "{} of {} rows, of {} of {} end users, compared with Tray in {}",
            thousands(rows),
            thousands(self.rows),
            thousands(users),
            thousands(self.users),
            duration(self.started.elapsed())
        );
        let verdict = match (stopped, findings.differences.len()) {
            (Some(stopped), _) => format!("{stopped} What has been compared until then:"),
            (None, 0) if findings.unchecked.is_empty() => "No difference.".to_owned(),
            (None, 0) => "No difference, as far as Tray could be asked.".to_owned(),
            (None, 1) => "1 difference:".to_owned(),
            (None, many) => format!("{} differences:", thousands(many as u64)),
        };
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(verdict);
        lines.push(String::new());
        lines.extend(saying::counted(findings));
        lines.push(format!("  {compared}"));
        self.printer.result(&lines.join("\n"));
    }
}

impl progress::Work for Tally {
    const UNITS: &'static str = "end users";

    fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    fn parts(&self) -> Vec<String> {
        vec![format!("{} differences", thousands(self.differences()))]
    }

    fn failed(&self) -> u64 {
        self.unchecked()
    }
}
