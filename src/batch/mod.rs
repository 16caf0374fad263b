//! The batch: which rows there are, whose they are, and what is left to do.
//!
//! [`Index`] is what pass one leaves behind: a few bytes a row, and nothing of its credentials.
//! [`plan`] holds it against the results and says, as a pure function, what this run has to do.

pub mod plan;

use crate::validate::check::Facts;
use crate::validate::identity::{DigestMap, Key};
use crate::validate::pipeline::Verdict;

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
    pub users: DigestMap<u32>,
    /// All rows, invalid ones too.
    pub total: u64,
    /// Invalid rows.
    pub invalid: u64,
}

/// Builds an [`Index`] from verdicts in file order.
#[derive(Default)]
pub struct IndexBuilder {
    index: Index,
    groups: DigestMap<u32>,
    blocked: DigestMap<u32>,
}

impl IndexBuilder {
    /// Adds a row.
    pub fn add(&mut self, verdict: &Verdict<'_>) {
        self.index.total += 1;
        let row = u32::try_from(verdict.row).unwrap_or(u32::MAX);
        match &verdict.facts {
            Some(facts) => self.valid(row, facts),
            None => {
                self.index.invalid += 1;
                if let Some(group) = verdict.group {
                    self.blocked.entry(group).or_insert(row);
                }
            }
        }
    }

    fn valid(&mut self, row: u32, facts: &Facts) {
        let index = &mut self.index;
        let users = index.users.len();
        let user = *index
            .users
            .entry(facts.user)
            .or_insert_with(|| u32::try_from(users).unwrap_or(NONE));
        let group = facts.group.map_or(NONE, |group| {
            let number = *self.groups.entry(group).or_insert_with(|| {
                index.groups.push(Group {
                    size: 0,
                    enabled: facts.enabled,
                    blocked_by: None,
                });
                u32::try_from(index.groups.len() - 1).unwrap_or(NONE)
            });
            if let Some(group) = index.groups.get_mut(number as usize) {
                group.size += 1;
            }
            number
        });
        index.rows.push(IndexRow {
            key: facts.key.0.to_le_bytes(),
            row,
            user,
            group,
        });
    }

    /// The finished index.
    pub fn finish(mut self) -> Index {
        for (digest, row) in &self.blocked {
            if let Some(number) = self.groups.get(digest) {
                self.index.groups[*number as usize].blocked_by = Some(*row);
            }
        }
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
