//! How an import ended: exit code, verdict, summary.

use super::{Import, Ready};
use crate::batch::plan::Todo;
use crate::cli::args::ImportArgs;
use crate::cli::exit::{Exit, Failure};
use crate::import::tally::Tally;
use crate::model::{State, Step};
use crate::report::summary::{Figures, Summary, thousands};
use crate::stop::Reason;

impl Import<'_> {
    pub(super) fn exit(&self, tally: &Tally, reasons: &[Reason]) -> Exit {
        let mut exits = vec![Exit::Done];
        exits.extend(reasons.iter().map(|reason| match reason {
            Reason::Interrupted => Exit::Interrupted,
            Reason::Failed(_) => Exit::Internal,
            Reason::TokenRefused(_) => Exit::Refused,
            Reason::MaxFailures => Exit::MaxFailures,
        }));
        if tally.in_state(State::Failed) > 0 {
            exits.push(Exit::Failed);
        }
        if !self.outcome.issues.is_empty() {
            exits.push(Exit::Invalid);
        }
        Exit::worst(exits)
    }

    pub(super) fn verdict(&self, tally: &Tally, reasons: &[Reason], run: &Ready) -> String {
        let reason = reasons.iter().find_map(|reason| match reason {
            Reason::Interrupted => Some("Interrupted. Nothing is lost: the same command goes on from here."),
            Reason::Failed(_) => Some("Stopped by the error above. Nothing that Tray has made is lost: the same command goes on from here."),
            Reason::TokenRefused(_) => Some("Stopped: Tray refused the master token."),
            Reason::MaxFailures => None,
        });
        if let Some(reason) = reason {
            return reason.to_owned();
        }
        if reasons.contains(&Reason::MaxFailures) {
            return "Stopped by --max-failures: too many rows failed.".to_owned();
        }
        let (failed, held) = (tally.in_state(State::Failed), tally.in_state(State::Held));
        if failed + held > 0 {
            return format!(
                "Finished, but {} rows failed and {} are held back by others.",
                thousands(failed),
                thousands(held)
            );
        }
        if run.plan.todo.contains(&Todo::Later) {
            return "Stopped where --limit said.".to_owned();
        }
        format!(
            "Finished: {}.",
            as_far_as_asked(self.args, tally, run.index.total)
        )
    }

    /// Prints the summary.
    pub(super) fn close(
        &self,
        verdict: &str,
        tally: &Tally,
        figures: Figures,
        exit: Exit,
        ran: bool,
    ) -> Result<Exit, Failure> {
        let mut summary = Summary::new("import", exit.code(), self.started.elapsed());
        summary.valid(self.totals, &self.outcome.issues, &self.outcome.warnings);
        summary.import(figures);
        if self.printer.is_json() {
            self.printer.object(&summary.to_json());
            return Ok(exit);
        }
        let results = self.args.results.display();
        let mut next = Vec::new();
        if tally.in_state(State::Failed) + tally.in_state(State::Held) > 0 {
            next.push(format!(
                "Which rows and why: tray-import status {results} --failed\nTry them again: the same command with --retry-failed"
            ));
        }
        if tally.differing_config_total() > 0 {
            next.push(format!(
                "{} config values of instances that existed before differ from the input and were left alone (see the warnings above).",
                thousands(tally.differing_config_total())
            ));
        }
        if ran {
            next.push(format!("Ids of every row: {results}"));
        }
        self.printer.result(&summary.of_import(verdict, &next));
        Ok(exit)
    }
}

pub(super) fn states(tally: &Tally) -> [u64; 4] {
    let partial = tally.in_state(State::Partial) + tally.in_state(State::Sent);
    [
        tally.in_state(State::Done),
        partial,
        tally.in_state(State::Failed),
        tally.in_state(State::Held),
    ]
}

pub(super) fn as_far_as_asked(args: &ImportArgs, tally: &Tally, total: u64) -> String {
    match args.until {
        Some(until) if tally.in_state(State::Partial) > 0 => {
            format!("every row has come to the step \"{}\"", Step::from(until))
        }
        _ if tally.in_state(State::Done) == total => {
            format!("all {} rows are done", thousands(total))
        }
        _ => format!(
            "{} of {} rows are done",
            thousands(tally.in_state(State::Done)),
            thousands(total)
        ),
    }
}
