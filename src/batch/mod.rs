//! The batch: which rows there are, whose they are, and what is left to do.
//!
//! [`Index`] is what pass one leaves behind: a few bytes a row, and nothing of its credentials.
//! [`plan`] holds it against the results and says, as a pure function, what this run has to do.

pub mod plan;

use std::collections::HashMap;

use crate::model::Key;
use crate::validate::across::{Across, Instance};
use crate::validate::identity::UserNumbers;
use crate::validate::left_out::LeftOut;
use crate::validate::pipeline::{Judgement, Verdict};

/// One valid row: 24 bytes.
#[derive(Clone, Copy, Debug)]
pub struct IndexRow {
    key: [u8; 16],
    /// Its end user's number.
    pub user: u32,
    group: u32,
}

/// No group.
const NONE: u32 = u32::MAX;

impl IndexRow {
    /// The row's identity.
    pub fn key(&self) -> Key {
        Key(u128::from_le_bytes(self.key))
    }

    /// The number of its instance, where it has one.
    pub fn group(&self) -> Option<u32> {
        (self.group != NONE).then_some(self.group)
    }
}

/// The rows of one solution instance: how many valid ones there are, and in the highest bit whether it is to be
/// enabled.
#[derive(Clone, Copy, Debug)]
pub struct Group(u32);

const ENABLED: u32 = 1 << 31;

impl Group {
    fn new(enabled: bool) -> Group {
        Group(if enabled { ENABLED } else { 0 })
    }

    /// How many valid rows it has.
    pub fn size(self) -> u32 {
        self.0 & !ENABLED
    }

    /// Whether the instance is to be enabled.
    pub fn enabled(self) -> bool {
        self.0 & ENABLED != 0
    }
}

/// All valid rows of an input.
#[derive(Debug, Default)]
pub struct Index {
    /// In file order.
    pub rows: Vec<IndexRow>,
    /// The instances.
    pub groups: Vec<Group>,
    /// End users by the digest of their `externalUserId`.
    pub users: UserNumbers,
    /// All rows, invalid ones too.
    pub total: u64,
    /// Invalid rows.
    pub invalid: u64,
    /// The rows that are not in `rows`.
    left_out: LeftOut,
    /// The first invalid row of an instance that has one, by the number of the instance.
    blocked: HashMap<u32, u32>,
}

impl Index {
    /// The number of the data row, counted from 1, that stands at this place of `rows`.
    pub fn number(&self, at: usize) -> u32 {
        self.left_out.number(at)
    }

    /// An invalid row of this instance, by its number: the instance cannot be completed.
    pub fn blocked_by(&self, group: u32) -> Option<u32> {
        self.blocked.get(&group).copied()
    }
}

/// Builds an [`Index`] from verdicts in file order.
#[derive(Default)]
pub struct IndexBuilder {
    index: Index,
    /// Invalid rows that would have belonged to an instance: its end user, its mark, the row.
    blocked: Vec<(u128, u32, u32)>,
}

impl IndexBuilder {
    /// Adds a row.
    pub fn add(&mut self, verdict: &Verdict<'_>) {
        let index = &mut self.index;
        index.total += 1;
        let row = u32::try_from(verdict.row).unwrap_or(u32::MAX);
        match &verdict.judgement {
            Judgement::Valid {
                key: Some(key),
                standing,
                enabled,
            } => {
                let group = match standing.instance() {
                    None => NONE,
                    Some(Instance::Of(first)) => index.rows[first as usize].group,
                    Some(Instance::New) => {
                        index.groups.push(Group::new(*enabled));
                        u32::try_from(index.groups.len() - 1).unwrap_or(NONE)
                    }
                };
                if let Some(group) = index.groups.get_mut(group as usize) {
                    group.0 += 1;
                }
                index.rows.push(IndexRow {
                    key: key.0.to_le_bytes(),
                    user: standing.user,
                    group,
                });
            }
            Judgement::Valid { .. } => {}
            Judgement::Invalid { instance, .. } => {
                index.invalid += 1;
                if let Some((user, instance)) = *instance {
                    self.blocked.push((user, instance, row));
                }
            }
        }
    }

    /// The finished index. `across`: what was heard with the rows.
    pub fn finish(mut self, across: Across) -> Index {
        // from the last to the first, so that the first invalid row of an instance is the one that is named
        for (user, instance, row) in self.blocked.into_iter().rev() {
            if let Some(first) = across.first_of(user, instance) {
                let group = self.index.rows[first as usize].group;
                self.index.blocked.insert(group, row);
            }
        }
        (self.index.users, self.index.left_out) = across.into_parts();
        self.index.rows.shrink_to_fit();
        self.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_few_bytes() {
        assert_eq!(size_of::<IndexRow>(), 24);
        assert_eq!(size_of::<Group>(), 4);
    }
}
