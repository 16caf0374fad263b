//! The batch: which rows there are, whose they are, and what is left to do.
//!
//! [`Index`] is what pass one leaves behind: a few bytes a row, and nothing of its credentials.
//! [`plan`] holds it against the results and says, as a pure function, what this run has to do.

pub mod plan;

use std::collections::HashMap;

use crate::model::Key;
use crate::validate::duplicates::{Compared, ConflictingRow};
use crate::validate::invalid_rows::InvalidRows;
use crate::validate::pipeline::CheckedRow;
use crate::validate::user_numbers::UserNumbers;

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
    invalid_rows: InvalidRows,
    /// The first invalid row of an instance that has one, by the number of the instance.
    blocked: HashMap<u32, u32>,
}

impl Index {
    /// The number of the data row, counted from 1, that stands at this place of `rows`.
    pub fn number(&self, at: usize) -> u32 {
        self.invalid_rows.number_of(at)
    }

    /// Whether the data row of this number is invalid.
    pub fn is_invalid(&self, row: u64) -> bool {
        u32::try_from(row).is_ok_and(|row| self.invalid_rows.contains(row))
    }

    /// An invalid row of this instance, by its number: the instance cannot be completed.
    pub fn blocked_by(&self, group: u32) -> Option<u32> {
        self.blocked.get(&group).copied()
    }
}

/// Builds an [`Index`] from checked rows in file order.
#[derive(Default)]
pub struct IndexBuilder {
    index: Index,
}

impl IndexBuilder {
    /// Adds a row.
    pub fn add(&mut self, row: &CheckedRow<'_>) {
        self.index.total += 1;
        self.index.invalid += u64::from(!row.valid);
        if let Some((key, user)) = row.identity {
            self.index.rows.push(IndexRow {
                key: key.0.to_le_bytes(),
                user,
                group: NONE,
            });
        }
    }

    /// The finished index, of the rows that stay beside each other, and the others.
    pub fn finish(mut self, mut compared: Compared) -> (Index, Vec<ConflictingRow>) {
        let index = &mut self.index;
        let conflicts = std::mem::take(&mut compared.conflicts);
        index.invalid += compared.gone.len() as u64;
        for group in &compared.groups {
            let number = u32::try_from(index.groups.len()).unwrap_or(NONE);
            index.groups.push(Group::new(group.enabled));
            index
                .blocked
                .extend(group.blocked_by.map(|row| (number, row)));
        }
        let (mut at, mut gone) = (0, compared.gone.iter().peekable());
        index.rows.retain_mut(|row| {
            at += 1;
            if gone.next_if(|gone| **gone as usize == at - 1).is_some() {
                return false;
            }
            if let Some(group) = compared.group(at - 1) {
                row.group = group;
                index.groups[group as usize].0 += 1;
            }
            true
        });
        index.rows.shrink_to_fit();
        (index.users, index.invalid_rows) = (compared.users, compared.invalid);
        (self.index, conflicts)
    }

    /// How many rows there are, of an input that cannot be read to its end.
    pub fn counts(self) -> Index {
        Index {
            total: self.index.total,
            invalid: self.index.invalid,
            ..Index::default()
        }
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
