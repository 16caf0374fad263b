//! Why rows did not get through, by what they have in common.

use std::collections::HashMap;

use crate::model::RowError;

/// Rows that did not get through for one kind of reason.
#[derive(Debug, Default)]
pub(crate) struct FailureGroup {
    pub rows: u64,
    /// How many of them may work without a change.
    pub retryable: u64,
    pub steps: [u64; 4],
    /// Messages, the most frequent first: the message, how many rows, the first of them.
    pub messages: Vec<(String, u64, u64)>,
}

/// Counts the reasons of rows.
#[derive(Default)]
pub(super) struct Grouping<'r> {
    reasons: FailureGroup,
    messages: HashMap<&'r str, (u64, u64)>,
}

impl<'r> Grouping<'r> {
    pub(super) fn add(&mut self, message: &'r str, row: u64, error: Option<&RowError>) {
        self.reasons.rows += 1;
        if let Some(error) = error {
            self.reasons.retryable += u64::from(error.retryable);
            self.reasons.steps[error.step as usize] += 1;
        }
        let (count, first) = self.messages.entry(message).or_insert((0, row));
        *count += 1;
        *first = row.min(*first);
    }

    /// All of them, the messages in order.
    pub(super) fn finish(mut self) -> FailureGroup {
        let mut messages: Vec<_> = self.messages.drain().collect();
        messages.sort_by_key(|(message, (count, row))| (std::cmp::Reverse(*count), *row, *message));
        self.reasons.messages = messages
            .into_iter()
            .map(|(message, (count, row))| (message.to_owned(), count, row))
            .collect();
        self.reasons
    }
}
