//! Counting: what the summary, the progress display and `--max-failures` go by.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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
    states: Mutex<BTreeMap<State, u64>>,
    failures: Mutex<BTreeMap<String, u64>>,
    steps: [AtomicU64; 4],
    created: [AtomicU64; 4],
    adopted: [AtomicU64; 4],
    ended: AtomicU64,
    failed: AtomicU64,
    settled: AtomicU64,
    differing_config: AtomicU64,
}

impl Tally {
    /// Starts from where the results have the rows of the input.
    pub fn begin(&self, plan: &Plan) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for (state, rows) in State::ALL.into_iter().zip(plan.states) {
            *states.entry(state).or_default() += rows;
        }
    }

    /// A row is in another state than before.
    pub fn moved(&self, from: Option<State>, to: State) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = from.and_then(|from| states.get_mut(&from)) {
            *count = count.saturating_sub(1);
        }
        *states.entry(to).or_default() += 1;
    }

    /// A row has come to an end in this run.
    pub fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// A row has failed in this run.
    pub fn failed(&self, code: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures.entry(code.to_owned()).or_default() += 1;
    }

    /// A step of a row is done.
    pub fn stepped(&self, step: Step) {
        self.steps[step as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Something was created in Tray.
    pub fn created(&self, step: Step) {
        self.created[step as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Something was found in Tray.
    pub fn adopted(&self, step: Step) {
        self.adopted[step as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// An open outcome was settled by asking.
    pub fn settled(&self) {
        self.settled.fetch_add(1, Ordering::Relaxed);
    }

    /// An adopted instance has a config value other than the input's; it was left alone.
    pub fn differing_config(&self) {
        self.differing_config.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is time to stop.
    pub fn exceeds(&self, most: MaxFailures) -> bool {
        let (failed, ended) = (self.failures_total(), self.ended_total());
        match most {
            MaxFailures::Rows(rows) => failed >= rows.max(1),
            MaxFailures::Percent(percent) => {
                ended >= ENOUGH && failed as f64 * 100.0 > percent * ended as f64
            }
        }
    }

    /// Rows in a state, over the whole batch.
    pub fn in_state(&self, state: State) -> u64 {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&state).copied().unwrap_or_default()
    }

    /// Failures of this run by code.
    pub fn failures(&self) -> BTreeMap<String, u64> {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Rows that failed in this run.
    pub fn failures_total(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Rows that came to an end in this run.
    pub fn ended_total(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// How many rows have passed a step in this run.
    pub fn steps(&self, step: Step) -> u64 {
        self.steps[step as usize].load(Ordering::Relaxed)
    }

    /// How many of a kind this run created.
    pub fn created_total(&self, step: Step) -> u64 {
        self.created[step as usize].load(Ordering::Relaxed)
    }

    /// How many of a kind this run adopted.
    pub fn adopted_total(&self, step: Step) -> u64 {
        self.adopted[step as usize].load(Ordering::Relaxed)
    }

    /// How many open outcomes this run settled.
    pub fn settled_total(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// How many adopted config values differ from the input.
    pub fn differing_config_total(&self) -> u64 {
        self.differing_config.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_counts_once_enough_rows_have_ended() {
        let tally = Tally::default();
        for _ in 0..11 {
            tally.ended();
            tally.failed("refused");
        }
        assert!(!tally.exceeds(MaxFailures::Percent(10.0)));
        assert!(tally.exceeds(MaxFailures::Rows(11)));
        assert!(!tally.exceeds(MaxFailures::Rows(12)));
        for _ in 0..89 {
            tally.ended();
        }
        assert!(tally.exceeds(MaxFailures::Percent(10.0)));
        assert!(!tally.exceeds(MaxFailures::Percent(11.0)));
    }
}
