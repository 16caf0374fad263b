//! The rows of a results file: a list of what is known of them, and a table of their places in it.
//!
//! There may be millions of them. A list grows without being copied to new places one by one, and a table of numbers
//! is small enough to be looked up without waiting long for memory.

use hashbrown::HashTable;

use crate::model::{Key, Progress};

/// Rows by their keys, each with its number at the time and what is known of it.
#[derive(Debug, Default)]
pub struct Rows {
    list: Vec<Row>,
    /// Places in the list, by their keys' marks.
    places: HashTable<Place>,
}

#[derive(Debug)]
struct Row {
    /// In bytes: a number of this size would have the list padded.
    key: [u8; 16],
    /// Until it is taken out.
    known: Option<(u64, Progress)>,
}

impl Row {
    fn key(&self) -> Key {
        Key(u128::from_le_bytes(self.key))
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// A part of the key, so that a table that grows need not look at the list.
    mark: u32,
    at: u32,
}

/// A digest needs no further hashing. Both ends count: the table takes its places from the one and tells
/// neighbours apart by the other.
fn hash(mark: u32) -> u64 {
    u64::from(mark) << 32 | u64::from(mark)
}

fn mark(key: Key) -> u32 {
    key.0 as u32
}

/// Whether a place is the row's of this key.
fn is(list: &[Row], key: Key) -> impl Fn(&Place) -> bool {
    move |place| place.mark == mark(key) && list[place.at as usize].key() == key
}

impl Rows {
    fn place(&self, key: Key) -> Option<usize> {
        let found = self.places.find(hash(mark(key)), is(&self.list, key));
        found.map(|place| place.at as usize)
    }

    /// What is known of a row, with its number at the time.
    pub fn get(&self, key: Key) -> Option<&(u64, Progress)> {
        self.list[self.place(key)?].known.as_ref()
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: Key) -> Option<(u64, Progress)> {
        let entry = self.places.find_entry(hash(mark(key)), is(&self.list, key));
        let (place, _) = entry.ok()?.remove();
        self.list[place.at as usize].known.take()
    }

    /// Puts in what is known of a row now. Its place among those that ever came, and what was known before.
    pub fn insert(&mut self, key: Key, known: (u64, Progress)) -> (usize, Option<Progress>) {
        if let Some(place) = self.place(key) {
            let before = self.list[place].known.replace(known);
            return (place, before.map(|(_, progress)| progress));
        }
        let place = Place {
            mark: mark(key),
            // each takes more than a hundred bytes: there are never so many
            at: u32::try_from(self.list.len()).unwrap_or(u32::MAX),
        };
        self.list.push(Row {
            key: key.0.to_le_bytes(),
            known: Some(known),
        });
        let rehash = |place: &Place| hash(place.mark);
        self.places.insert_unique(hash(place.mark), place, rehash);
        (place.at as usize, None)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What is known of all of them, in the order in which they came.
    pub fn values(&self) -> impl Iterator<Item = &(u64, Progress)> {
        self.list.iter().filter_map(|row| row.known.as_ref())
    }

    /// What is known of the row at this place, unless it was taken out.
    pub(super) fn at(&self, place: usize) -> Option<&Progress> {
        let (_, progress) = self.list.get(place)?.known.as_ref()?;
        Some(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use proptest::prelude::*;

    #[test]
    fn a_row_takes_few_bytes() {
        assert_eq!(size_of::<Row>(), 136);
    }

    proptest! {
        #[test]
        fn as_a_map_would(steps in prop::collection::vec((any::<bool>(), 0..24_u128), 0..200)) {
            let (mut rows, mut map) = (Rows::default(), HashMap::new());
            for (number, (put, key)) in (0..).zip(steps) {
                // most of them have a mark that another has too
                let key = Key(key << 30);
                if put {
                    let (_, before) = rows.insert(key, (number, Progress::none()));
                    prop_assert_eq!(before.is_some(), map.insert(key, number).is_some());
                } else {
                    prop_assert_eq!(rows.remove(key).map(|known| known.0), map.remove(&key));
                }
                prop_assert_eq!(rows.len(), map.len());
                prop_assert_eq!(rows.get(key).map(|known| known.0), map.get(&key).copied());
            }
            prop_assert_eq!(rows.is_empty(), map.is_empty());
            let (mut ours, mut theirs) = (
                rows.values().map(|known| known.0).collect::<Vec<_>>(),
                map.into_values().collect::<Vec<_>>(),
            );
            ours.sort_unstable();
            theirs.sort_unstable();
            prop_assert_eq!(ours, theirs);
        }
    }
}
