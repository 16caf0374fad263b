//! What becomes of rows, written down: every change of state goes through here to the journal.

use super::ending::Ending;
use super::engine::{Engine, Run};
use super::stop::Reason;
use crate::model::{State, Step};
use crate::results::line::write_line;
use crate::tray::client::Slot;
use crate::tray::transport::Transport;

impl<T: Transport> Engine<T> {
    /// Writes the present state of rows and returns once it is on disk.
    pub(super) async fn record(&self, runs: &mut [&mut Run]) -> Result<(), Ending> {
        let mut lines = Vec::with_capacity(320 * runs.len());
        let now = (self.now)();
        for run in runs.iter() {
            write_line(
                &mut lines,
                (run.row, run.key),
                &run.external_user_id,
                &run.progress,
                now,
                run.telling.due(&run.progress),
            );
        }
        if let Err(error) = self.journal.write(lines).await {
            for run in runs.iter() {
                self.lost_line(run);
            }
            self.stop.because(Reason::Failed(error.to_string()));
            return Err(Ending::Stopped);
        }
        for run in runs.iter_mut() {
            self.tally.moved(run.recorded, run.progress.state);
            run.recorded = Some(run.progress.state);
            run.telling.told(&run.progress);
        }
        Ok(())
    }

    /// What Tray has made and the results could not take: on disk the row is `sent`, so that the next run
    /// finds it; the ids are said here as well, for the worst case.
    fn lost_line(&self, run: &Run) {
        if run.progress.state != State::Sent {
            tracing::error!(
                row = run.row,
                user_id = run.progress.user_id.as_ref().map(tracing::field::display),
                authentication_id = run
                    .progress
                    .authentication_id
                    .as_ref()
                    .map(tracing::field::display),
                instance_id = run
                    .progress
                    .instance_id
                    .as_ref()
                    .map(tracing::field::display),
                "this could not be written to the results; the next run will look it up in Tray"
            );
        }
    }

    /// Records that a step is done and more are to come.
    pub(super) async fn partial(&self, run: &mut Run, step: Step) -> Result<(), Ending> {
        self.enter(&mut [run], State::Partial, step).await
    }

    /// Moves rows to a state at a step, and records it.
    pub(super) async fn enter(
        &self,
        runs: &mut [&mut Run],
        state: State,
        step: Step,
    ) -> Result<(), Ending> {
        for run in runs.iter_mut() {
            run.progress.enter(state, Some(step));
        }
        self.record(runs).await
    }

    /// Records how a row ended badly, as far as that is anything to record.
    pub(super) async fn end_badly(&self, run: &mut Run, ending: Ending) {
        let anybodys = |step| run.progress.is_open(step) && !run.progress.is_ours(step);
        let ending = match &ending {
            Ending::Failed(error) if anybodys(error.step) => ending.of_anybodys(),
            _ => ending,
        };
        match ending {
            Ending::Failed(error) => {
                self.tally.failed(&error.code);
                tracing::warn!(
                    row = run.row,
                    line = run.line,
                    external_user_id = run.external_user_id,
                    code = %error.code,
                    step = %error.step,
                    "row failed: {}",
                    error.message
                );
                run.progress.enter(State::Failed, Some(error.step));
                run.progress.error = Some(Box::new(error));
                // a write error stops the run by itself
                let _ = self.record(&mut [run]).await;
                self.ended();
            }
            Ending::TakenBack if !self.cannot_write() => {
                run.progress.enter(State::Partial, run.progress.last_done());
                let _ = self.record(&mut [run]).await;
            }
            Ending::Stopped | Ending::TakenBack => {}
        }
    }

    pub(super) fn cannot_write(&self) -> bool {
        self.journal.failure().is_some()
    }

    /// Counts a row that has come to its end in this run, and stops the run if too many ended badly.
    pub(super) fn ended(&self) {
        self.tally.ended();
        if self.tally.exceeds(self.settings.max_failures) {
            self.stop.because(Reason::MaxFailures);
        }
    }

    /// Waits for a slot for a creating call, and records that the call is about to leave: only then, so that
    /// `sent` means that the call is all but on its way. A run that stops meanwhile sends nothing.
    pub(super) async fn about_to_send(
        &self,
        runs: &mut [&mut Run],
        step: Step,
    ) -> Result<Slot<'_>, Ending> {
        let taken_back = runs.iter().any(|run| run.is_sent());
        let slot = tokio::select! {
            biased;
            () = self.stop.wait() => {
                return Err(if taken_back { Ending::TakenBack } else { Ending::Stopped });
            }
            slot = self.client.reserve() => slot,
        };
        self.enter(runs, State::Sent, step).await?;
        Ok(slot)
    }
}
