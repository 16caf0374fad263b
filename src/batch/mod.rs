//! The batch: which rows there are, whose they are, and what is left to do.
//!
//! [`Index`] is what pass one leaves behind: a few bytes a row, and nothing of its credentials.
//! [`plan`] holds it against the results and says, as a pure function, what this run has to do.

pub mod plan;

use crate::validate::across::{Across, Instance};
use crate::validate::identity::{Key, UserNumbers};
use crate::validate::pipeline::{Judgement, Verdict};

/// One valid row: 40 bytes at most.
#[derive(Clone, Copy, Debug)]
pub struct IndexRow {
    key: [u8; 16],
    /// The data row, counted from 1.
    pub row: u32,
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

/// The rows of one solution instance.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// How many valid rows it has.
    pub size: u32,
    /// Whether the instance is to be enabled.
    pub enabled: bool,
    /// An invalid row of the same instance, by its number: the instance cannot be completed.
    pub blocked_by: Option<u32>,
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
                let group = match standing.instance {
                    None => NONE,
                    Some(Instance::Of(first)) => index.rows[first as usize].group,
                    Some(Instance::New) => {
                        index.groups.push(Group {
                            size: 0,
                            enabled: *enabled,
                            blocked_by: None,
                        });
                        u32::try_from(index.groups.len() - 1).unwrap_or(NONE)
                    }
                };
                if let Some(group) = index.groups.get_mut(group as usize) {
                    group.size += 1;
                }
                index.rows.push(IndexRow {
                    key: key.0.to_le_bytes(),
                    row,
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
                self.index.groups[group as usize].blocked_by = Some(row);
            }
        }
        self.index.users = across.into_users();
        self.index.rows.shrink_to_fit();
        self.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_few_bytes() {
        assert!(size_of::<IndexRow>() <= 28);
    }
}
