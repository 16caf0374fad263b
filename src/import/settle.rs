//! Settling: finding out by asking what a creation with no usable answer has done.
//!
//! A question asked at once proves little: the creation may still be on its way to be committed, and a
//! read may come from a replica that lags. So there is a wait before each question, twice as long each
//! time, and only when the last of them finds nothing is the creation sent again. Two matches are never
//! resolved by guessing.

use std::time::Duration;

use super::ending::Ending;
use super::engine::{Engine, Run};
use super::feed::WorkRow;
use crate::model::{Step, code};
use crate::secret::Redactor;
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;

/// What Tray has of the thing in question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Exactly one; its id.
    Found(String),
    /// None, as far as can be seen.
    Nothing,
    /// More than one.
    Several,
}

impl Settled {
    /// By the ids that match.
    pub fn of(mut matches: Vec<String>) -> Settled {
        match (matches.pop(), matches.is_empty()) {
            (None, _) => Settled::Nothing,
            (Some(id), true) => Settled::Found(id),
            (Some(_), false) => Settled::Several,
        }
    }
}

impl<T: Transport> Engine<T> {
    /// The wait before the question of this number, counted from 0.
    pub(super) fn settle_wait(&self, question: u32) -> Duration {
        self.settings.settle.saturating_mul(1 << question.min(16))
    }

    /// Settles an open creation of an end user.
    pub(super) async fn settle_user(
        &self,
        row: &WorkRow,
        run: &mut Run,
    ) -> Result<Settled, Ending> {
        let redactor = Redactor::default();
        for question in 0..self.settings.asks {
            tokio::time::sleep(self.settle_wait(question)).await;
            match self.ask_user(row, run).await {
                Ok(Settled::Nothing) => {}
                Ok(settled) => return Ok(self.settled(run, Step::User, settled)),
                Err(trouble) => return Err(self.unsettled(&trouble, Step::User, &redactor)),
            }
        }
        Ok(self.settled(run, Step::User, Settled::Nothing))
    }

    pub(super) fn left_open(&self, run: &Run, step: Step, why: &str) {
        tracing::info!(row = run.row, %step, "no usable answer; Tray is asked what exists: {why}");
    }

    pub(super) fn settled(&self, run: &Run, step: Step, settled: Settled) -> Settled {
        self.tally.settled();
        tracing::info!(
            row = run.row,
            %step,
            found = matches!(settled, Settled::Found(_)),
            "an open outcome is settled"
        );
        settled
    }

    /// A question that brought no answer leaves the outcome open; the next run asks again.
    pub(super) fn unsettled(&self, trouble: &Trouble, step: Step, redactor: &Redactor) -> Ending {
        match self.ending(trouble, step, redactor) {
            Ending::Failed(mut error) => {
                error.message = format!(
                    "a creation may have happened, and asking Tray failed: {}; --retry-failed asks again before it sends anything",
                    error.message
                );
                error.code = code::UNSETTLED.into();
                error.retryable = true;
                Ending::Failed(error)
            }
            // left `sent` in the results: the next run asks
            other => other,
        }
    }
}
