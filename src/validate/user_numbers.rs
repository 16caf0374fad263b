//! Numbers for end users, by the digests of their `externalUserId`s.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Numbers for end users, counted from 0 as they come.
#[derive(Debug)]
pub struct UserNumbers {
    digests: Digests,
    /// Numbers, found by the low half of the digest.
    table: HashTable<u32>,
}

/// A digest for each number.
#[derive(Debug)]
enum Digests {
    Whole(Vec<u128>),
    /// Their low halves, which are all that there is of a hash.
    Half(Vec<u64>),
}

impl Digests {
    fn is(&self, number: u32, digest: u128) -> bool {
        match self {
            Digests::Whole(all) => all[number as usize] == digest,
            Digests::Half(all) => all[number as usize] == digest as u64,
        }
    }

    fn hash(&self, number: u32) -> u64 {
        match self {
            Digests::Whole(all) => all[number as usize] as u64,
            Digests::Half(all) => all[number as usize],
        }
    }
}

impl Default for UserNumbers {
    fn default() -> UserNumbers {
        UserNumbers::new(true)
    }
}

impl UserNumbers {
    /// Nobody yet. With `whole`, digests are kept whole; else their low halves are all that counts.
    pub fn new(whole: bool) -> UserNumbers {
        UserNumbers {
            digests: match whole {
                true => Digests::Whole(Vec::new()),
                false => Digests::Half(Vec::new()),
            },
            table: HashTable::new(),
        }
    }

    /// The number of the end user with this digest.
    pub fn number(&self, digest: u128) -> Option<u32> {
        let is = |number: &u32| self.digests.is(*number, digest);
        self.table.find(digest as u64, is).copied()
    }

    /// The number of the end user whose digest has this low half.
    pub(crate) fn number_by_half(&self, half: u64) -> Option<u32> {
        let is = |number: &u32| self.digests.hash(*number) == half;
        self.table.find(half, is).copied()
    }

    /// The number of the end user with this digest, who is added where they are not there yet.
    pub fn number_or_insert(&mut self, digest: u128) -> u32 {
        let next = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let digests = &self.digests;
        let entry = self.table.entry(
            digest as u64,
            |number| digests.is(*number, digest),
            |number| digests.hash(*number),
        );
        match entry {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(place) => {
                place.insert(next);
                match &mut self.digests {
                    Digests::Whole(all) => all.push(digest),
                    Digests::Half(all) => all.push(digest as u64),
                }
                next
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.digests {
            Digests::Whole(all) => all.len(),
            Digests::Half(all) => all.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every end user's digest and number, where digests are kept whole.
    pub fn iter(&self) -> impl Iterator<Item = (u128, u32)> {
        let digests: &[u128] = match &self.digests {
            Digests::Whole(all) => all,
            Digests::Half(_) => &[],
        };
        digests.iter().copied().zip(0..)
    }
}
