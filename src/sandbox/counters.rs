//! What the server counts.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// GraphQL requests that arrived.
    pub requests: u64,
    /// Executed root fields by name, those that Tray refused included.
    pub calls: BTreeMap<String, u64>,
    /// Root fields by name whose request was throttled; not executed.
    pub throttled: BTreeMap<String, u64>,
    /// Requests without a token that may do what they ask for.
    pub unauthorized: u64,
    /// Requests that do not parse or validate.
    pub invalid: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// How many requests met the rate limit, as one root field each.
    pub fn throttled(&self) -> u64 {
        self.throttled.values().sum()
    }

    /// How often a root field was executed.
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or(0)
    }
}

/// Counts one under a name, without a new string where there is one.
pub(super) fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}
