//! What a run has, and the only way to its journal.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::error::{StepError, Whose, open_creation};
use super::hidden::HiddenListing;
use super::row::RowInFlight;
use super::tally::{MaxFailures, Tally};
use super::users::EndUsers;
use crate::model::{RowError, State, Step, code};
use crate::results::journal::Journal;
use crate::results::line::write_line;
use crate::stop::{Reason, Stop};
use crate::tray::outcome::Trouble;
use crate::tray::session::{Organisation, Patience, User, UserSession};
use crate::tray::transport::Transport;

/// How the run was asked to go.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rows that hold credentials or calls at a time. Waiting instances are not counted.
    pub rows_in_flight: usize,
    /// How long to wait before an open outcome is asked about.
    pub settle: Duration,
    /// How often it is asked about before it counts as not done; each wait is twice the one before.
    pub asks: u32,
    /// How often a creation is sent that was each time found not done.
    pub sends: u32,
    /// The pause between creating and enabling an instance.
    pub enable_delay: Duration,
    /// The step after which every row stops.
    pub until: Option<Step>,
    /// Create end users as test users.
    pub test_users: bool,
    /// When to stop a run that is going wrong.
    pub max_failures: MaxFailures,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            rows_in_flight: 128,
            settle: Duration::from_secs(2),
            // 2 + 4 + 8 + 16 s: past the 29 s that a gateway gives a call (`tray-api.md` 5.2)
            asks: 4,
            sends: 5,
            enable_delay: Duration::from_secs(2),
            until: None,
            test_users: false,
            max_failures: MaxFailures::Percent(10.0),
        }
    }
}

impl Settings {
    pub(super) fn patience(&self) -> Patience {
        Patience {
            settle: self.settle,
            asks: self.asks,
        }
    }

    /// Whether rows stop before this step.
    pub(super) fn ends_before(&self, step: Step) -> bool {
        self.until.is_some_and(|until| until < step)
    }
}

/// What all steps of a run share.
pub(super) struct Context<T> {
    pub(super) tray: Organisation<T>,
    pub(super) journal: Journal,
    pub(super) settings: Settings,
    pub(super) tally: Arc<Tally>,
    pub(super) users: EndUsers,
    pub(super) hidden: HiddenListing,
    /// Tells the time of day, for the results.
    pub(super) now: fn() -> Timestamp,
}

impl<T: Transport> Context<T> {
    pub(super) fn stop(&self) -> &Stop {
        self.tray.stop()
    }

    /// Calls with the master token, counted for the row.
    pub(super) fn organisation(&self, row: &RowInFlight) -> Organisation<T> {
        self.tray.counting(&row.calls)
    }

    /// Calls as the row's end user, counted for the row.
    pub(super) fn session(&self, row: &RowInFlight) -> UserSession<T> {
        let id = || row.progress.user_id.as_ref().map(ToString::to_string);
        let shared =
            (row.user.shared).get_or_init(|| Arc::new(User::new(id().unwrap_or_default())));
        self.organisation(row).resume(shared)
    }

    /// Writes the present state of rows and returns once it is on disk.
    pub(super) async fn record(&self, rows: &mut [RowInFlight]) -> Result<(), StepError> {
        let mut lines = Vec::with_capacity(320 * rows.len());
        let now = (self.now)();
        for row in rows.iter_mut() {
            row.count_calls();
            write_line(
                &mut lines,
                (row.row, row.key),
                &row.external_user_id,
                &row.progress,
                now,
                row.facts.with(&row.progress),
            );
        }
        if let Err(error) = self.journal.write(lines).await {
            rows.iter().for_each(log_unwritten);
            self.stop().because(Reason::Failed(error.to_string()));
            return Err(StepError::Stopped);
        }
        for row in rows {
            self.tally.counts().moved(row.recorded, row.progress.state);
            row.recorded = Some(row.progress.state);
            row.facts.written(&row.progress);
        }
        Ok(())
    }

    /// Moves rows to a state at a step, and records it.
    pub(super) async fn enter(
        &self,
        rows: &mut [RowInFlight],
        state: State,
        step: Option<Step>,
    ) -> Result<(), StepError> {
        for row in rows.iter_mut() {
            row.progress.enter(state, step);
        }
        self.record(rows).await
    }

    /// Records why rows go no further, as far as that is anything to record. A write error stops the run by
    /// itself.
    pub(super) async fn record_error(&self, rows: &mut [RowInFlight], error: &StepError) {
        match error {
            StepError::Failed(failure) => {
                for row in rows.iter_mut() {
                    self.fail(row, failure.clone());
                }
                let _ = self.record(rows).await;
                rows.iter().for_each(|_| self.row_ended());
            }
            StepError::NotDone if self.journal.failure().is_none() => {
                for row in rows.iter_mut() {
                    row.progress.enter(State::Partial, row.progress.last_done());
                }
                let _ = self.record(rows).await;
            }
            StepError::NotDone | StepError::Stopped => {}
        }
    }

    fn fail(&self, row: &mut RowInFlight, mut failure: RowError) {
        let whose = open_creation(&row.progress, failure.step);
        if whose == Some(Whose::Anybodys) && failure.code == code::UNSETTLED {
            failure.code = code::AMBIGUOUS.into();
        }
        self.tally.counts().failed(&failure.code);
        tracing::warn!(
            row = row.row,
            line = row.line,
            external_user_id = row.external_user_id,
            code = %failure.code,
            step = %failure.step,
            "row failed: {}",
            failure.message
        );
        row.progress.enter(State::Failed, Some(failure.step));
        row.progress.error = Some(Box::new(failure));
    }

    /// Counts a row that has come to its end in this run, and stops the run if too many ended badly.
    pub(super) fn row_ended(&self) {
        let mut counts = self.tally.counts();
        counts.ended += 1;
        if counts.exceeds(self.settings.max_failures) {
            self.stop().because(Reason::MaxFailures);
        }
    }

    /// What a call's trouble means for the row. While the run stops for a refused master token, rows are left as
    /// they are rather than failed; and a stopping run gives up on what is throttled, which was not done either.
    pub(super) fn error(&self, trouble: &Trouble, step: Step) -> StepError {
        let stopped = match trouble {
            Trouble::Throttled(_) => self.stop().is_set(),
            Trouble::TokenRefused { .. } => self.stop().token_is_refused(),
            _ => false,
        };
        if stopped {
            return StepError::Stopped;
        }
        StepError::of_trouble(trouble, step)
    }
}

/// What Tray has made and the results could not take: on disk the row is `sent`, so that the next run finds it;
/// the ids are said here as well, for the worst case.
fn log_unwritten(row: &RowInFlight) {
    if row.progress.state == State::Sent {
        return;
    }
    let progress = &row.progress;
    tracing::error!(
        row = row.row,
        user_id = progress.user_id.as_ref().map(tracing::field::display),
        authentication_id = progress
            .authentication_id
            .as_ref()
            .map(tracing::field::display),
        instance_id = progress.instance_id.as_ref().map(tracing::field::display),
        "this could not be written to the results; the next run will look it up in Tray"
    );
}
