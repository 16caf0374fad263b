//! Counting: what the summary, the progress display and `--max-failures` go by.

use std::collections::BTreeMap;

use parking_lot::{Mutex, MutexGuard};

use crate::batch::plan::Plan;
use crate::model::{State, Step};

/// When a run is going so wrong that it stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxFailures {
    /// Once so many rows have failed.
    Rows(u64),
    /// Once more than this percentage of the ended rows have failed, and [`ENOUGH`] have ended.
    Percent(f64),
}

/// A percentage of fewer rows says nothing.
pub const ENOUGH: u64 = 100;

/// Figures of a run; shared and updated as it goes.
#[derive(Default)]
pub struct Tally {
    counts: Mutex<Counts>,
}

#[derive(Default)]
pub(super) struct Counts {
    /// Rows of the whole batch, by state.
    states: [u64; 5],
    failures: BTreeMap<String, u64>,
    steps: [u64; 4],
    created: [u64; 4],
    adopted: [u64; 4],
    pub(super) ended: u64,
    failed: u64,
    pub(super) settled: u64,
    /// Config values of adopted instances that are not the input's, and were left alone.
    pub(super) differing_config: u64,
}

impl Counts {
    pub(super) fn moved(&mut self, from: Option<State>, to: State) {
        if let Some(from) = from {
            self.states[from as usize] = self.states[from as usize].saturating_sub(1);
        }
        self.states[to as usize] += 1;
    }

    pub(super) fn failed(&mut self, code: &str) {
        self.failed += 1;
        *self.failures.entry(code.to_owned()).or_default() += 1;
    }

    pub(super) fn stepped(&mut self, step: Step) {
        self.steps[step as usize] += 1;
    }

    /// A step has brought something; whether this batch made it.
    pub(super) fn brought(&mut self, step: Step, ours: bool) {
        self.stepped(step);
        let count = if ours {
            &mut self.created
        } else {
            &mut self.adopted
        };
        count[step as usize] += 1;
    }

    pub(super) fn exceeds(&self, most: MaxFailures) -> bool {
        match most {
            MaxFailures::Rows(rows) => self.failed >= rows.max(1),
            MaxFailures::Percent(percent) => {
                self.ended >= ENOUGH && self.failed as f64 * 100.0 > percent * self.ended as f64
            }
        }
    }
}

impl Tally {
    /// Starts from where the results have the rows of the input.
    pub fn begin(&self, plan: &Plan) {
        self.counts.lock().states = plan.states;
    }

    /// To count something.
    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock()
    }

    /// Rows in a state, over the whole batch.
    pub fn in_state(&self, state: State) -> u64 {
        self.counts().states[state as usize]
    }

    /// Failures of this run by code.
    pub fn failures(&self) -> BTreeMap<String, u64> {
        self.counts().failures.clone()
    }

    /// Rows that failed in this run.
    pub fn failures_total(&self) -> u64 {
        self.counts().failed
    }

    /// Rows that came to an end in this run.
    pub fn ended_total(&self) -> u64 {
        self.counts().ended
    }

    /// How many rows have passed a step in this run.
    pub fn steps(&self, step: Step) -> u64 {
        self.counts().steps[step as usize]
    }

    /// How many of a kind this run created.
    pub fn created_total(&self, step: Step) -> u64 {
        self.counts().created[step as usize]
    }

    /// How many of a kind this run adopted.
    pub fn adopted_total(&self, step: Step) -> u64 {
        self.counts().adopted[step as usize]
    }

    /// How many open outcomes this run settled.
    pub fn settled_total(&self) -> u64 {
        self.counts().settled
    }

    /// How many adopted config values differ from the input.
    pub fn differing_config_total(&self) -> u64 {
        self.counts().differing_config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_counts_once_enough_rows_have_ended() {
        let mut counts = Counts::default();
        for _ in 0..11 {
            counts.ended += 1;
            counts.failed("refused");
        }
        assert!(!counts.exceeds(MaxFailures::Percent(10.0)));
        assert!(counts.exceeds(MaxFailures::Rows(11)));
        assert!(!counts.exceeds(MaxFailures::Rows(12)));
        counts.ended += 89;
        assert!(counts.exceeds(MaxFailures::Percent(10.0)));
        assert!(!counts.exceeds(MaxFailures::Percent(11.0)));
    }
}
