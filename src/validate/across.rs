//! What only shows when rows are seen together: duplicates, and rows of one instance that disagree.
//!
//! Rows are compared in file order, and only rows that are valid by themselves take part. Of two rows
//! that cannot both stand, the later one has the issue and the earlier one stays. Everything that is
//! compared belongs to one end user, so a row is held against the rows of its end user, which are chained to
//! each other: 16 bytes a row, and for an end user 12 bytes and their place in a table.

use std::collections::HashMap;

pub use super::clash::Clash;
use super::left_out::LeftOut;
use super::marks::{ConfigMark, Marks};
use crate::validate::identity::UserNumbers;

/// The rows admitted so far.
pub struct Across {
    users: UserNumbers,
    /// For each end user, the place of their latest row in `rows`.
    latest: Vec<u32>,
    rows: Vec<Admitted>,
    /// The rows that were not admitted.
    left_out: LeftOut,
    config: Vec<ConfigValue>,
    /// End users with so many rows that a walk along all of them for each would not end.
    crowds: HashMap<u32, Crowd>,
    /// What the last row that was not admitted clashed with.
    clashes: Vec<Clash>,
}

struct Admitted {
    authentication: u32,
    instance: u32,
    slot: u32,
    /// The row before it of the same end user.
    before: Before,
}

/// A place in `rows` and two flags, in four bytes.
#[derive(Clone, Copy)]
struct Before(u32);

/// Room is made for so many at most: how a file begins does not say for sure how it goes on.
const MOST_EXPECTED: usize = 1 << 24;

const PLACE: u32 = (1 << 30) - 1;
const NONE: u32 = PLACE;
const ENABLED: u32 = 1 << 30;
const PLACED: u32 = 1 << 31;

struct ConfigValue {
    at: u32,
    mark: ConfigMark,
}

/// The rows of an end user, found by what they are compared by. Values are places in `rows`.
#[derive(Default)]
struct Crowd {
    authentications: HashMap<u32, u32>,
    instances: HashMap<u32, u32>,
    slots: HashMap<(u32, u32), u32>,
    config: HashMap<(u32, u32), (u32, u32)>,
}

/// From so many rows of one end user on, they are a crowd.
const CROWD: usize = if cfg!(test) { 3 } else { 256 };

/// A row's standing among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The number of its end user, counted from 0 as they came.
    pub user: u32,
    instance: u32,
}

const NO_INSTANCE: u32 = u32::MAX;
const NEW_INSTANCE: u32 = u32::MAX - 1;

impl Standing {
    /// Its instance, where it has one.
    pub fn instance(self) -> Option<Instance> {
        match self.instance {
            NO_INSTANCE => None,
            NEW_INSTANCE => Some(Instance::New),
            at => Some(Instance::Of(at)),
        }
    }
}

/// Whether a row is the first of its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// It is.
    New,
    /// The valid row at this place, counted from 0, was before it.
    Of(u32),
}

/// What of a row was there before: places in `rows`.
#[derive(Default)]
struct Seen {
    authentication: Option<u32>,
    instance: Option<u32>,
    slot: Option<u32>,
    /// Config slots to which an earlier row gives another value.
    config: Vec<(u32, u32)>,
}

impl Across {
    /// Before the first row. With `identities`, end users are told by their whole digests.
    pub fn new(identities: bool) -> Across {
        Across {
            users: UserNumbers::new(identities),
            latest: Vec::new(),
            rows: Vec::new(),
            left_out: LeftOut::default(),
            config: Vec::new(),
            crowds: HashMap::new(),
            clashes: Vec::new(),
        }
    }

    /// Makes room for as many rows as there will be, going by how many of `bytes` bytes there have been, of
    /// `expected`. More or fewer may come.
    pub fn expect(&mut self, bytes: u64, expected: u64) {
        let more = |count: usize| {
            let whole = u128::from(expected) * count as u128 / u128::from(bytes.max(1));
            let whole = usize::try_from(whole).unwrap_or(MOST_EXPECTED);
            whole.min(MOST_EXPECTED).saturating_sub(count)
        };
        let (users, rows) = (more(self.users.len()), more(self.rows.len()));
        self.users.reserve(users);
        // without room made ahead, they grow as they come
        let _ = self.latest.try_reserve(users);
        let _ = self.rows.try_reserve(rows);
    }

    /// A row that is not valid by itself: it takes no part.
    pub fn leave_out(&mut self, row: u32) {
        self.left_out.add(row);
    }

    /// The numbers of the end users of some rows to come, in their order: by their digests, or by their marks where
    /// identities are not kept. In a short loop for many rows, one wait for memory overlaps the next.
    pub fn number_users(&mut self, digests: impl Iterator<Item = u128>) -> Vec<u32> {
        digests.map(|digest| self.number_user(digest)).collect()
    }

    /// The number of one end user.
    #[inline]
    pub fn number_user(&mut self, digest: u128) -> u32 {
        let number = self.users.number_or_insert(digest);
        if number as usize == self.latest.len() {
            self.latest.push(NONE);
        }
        number
    }

    /// Compares a row, of the end user with this number, with those before it. A row that has no problem counts from
    /// now on; of another one, [`Across::clashes`] tells what it clashes with.
    pub fn admit(
        &mut self,
        row: u32,
        user: u32,
        marks: &Marks,
        config: &[ConfigMark],
    ) -> Option<Standing> {
        if self.latest[user as usize] == NONE {
            self.insert(user, marks, config);
            let instance = marks.instance.map_or(NO_INSTANCE, |_| NEW_INSTANCE);
            return Some(Standing { user, instance });
        }
        let seen = self.seen(user, marks, config);
        self.clashes = self.clashes_with(&seen, marks, config);
        if !self.clashes.is_empty() {
            self.leave_out(row);
            return None;
        }
        self.insert(user, marks, config);
        let instance = match (marks.instance, seen.instance) {
            (None, _) => NO_INSTANCE,
            (Some(_), None) => NEW_INSTANCE,
            (Some(_), Some(at)) => at,
        };
        Some(Standing { user, instance })
    }

    /// What the last row that was not admitted clashes with.
    pub fn clashes(&mut self) -> Vec<Clash> {
        std::mem::take(&mut self.clashes)
    }

    /// The place of the first valid row of an instance, for a row that was left out.
    pub fn first_of(&self, user: u128, instance: u32) -> Option<u32> {
        let user = self.users.number(user)?;
        if let Some(crowd) = self.crowds.get(&user) {
            return crowd.instances.get(&instance).copied();
        }
        self.chain(user)
            .filter(|at| self.is_of(*at, instance))
            .last()
    }

    /// The end users, by their digests, numbered as they came, and the rows that were not admitted.
    pub fn into_parts(self) -> (UserNumbers, LeftOut) {
        (self.users, self.left_out)
    }

    fn chain(&self, user: u32) -> impl Iterator<Item = u32> {
        let there = |at: u32| (at != NONE).then_some(at);
        let latest = self.latest.get(user as usize).copied().and_then(there);
        std::iter::successors(latest, move |at| {
            there(self.rows[*at as usize].before.place())
        })
    }

    fn is_of(&self, at: u32, instance: u32) -> bool {
        let row = &self.rows[at as usize];
        row.before.has(PLACED) && row.instance == instance
    }

    fn seen(&self, user: u32, marks: &Marks, config: &[ConfigMark]) -> Seen {
        if let Some(crowd) = self.crowds.get(&user) {
            return crowd.seen(marks, config);
        }
        let mut seen = Seen::default();
        // from the latest to the first: what is found last stands first in the file
        for at in self.chain(user) {
            let row = &self.rows[at as usize];
            if row.authentication == marks.authentication {
                seen.authentication = Some(at);
            }
            if marks
                .instance
                .is_none_or(|instance| !self.is_of(at, instance))
            {
                continue;
            }
            seen.instance = Some(at);
            if row.slot == marks.slot {
                seen.slot = Some(at);
            }
            for value in self.config_of(at) {
                let ConfigMark { slot, value } = value.mark;
                if config.iter().any(|m| m.slot == slot && m.value != value) {
                    match seen.config.iter_mut().find(|(other, _)| *other == slot) {
                        Some((_, first)) => *first = at,
                        None => seen.config.push((slot, at)),
                    }
                }
            }
        }
        seen
    }

    fn config_of(&self, at: u32) -> &[ConfigValue] {
        let start = self.config.partition_point(|value| value.at < at);
        let length = self.config[start..].partition_point(|value| value.at == at);
        &self.config[start..start + length]
    }

    fn clashes_with(&self, seen: &Seen, marks: &Marks, config: &[ConfigMark]) -> Vec<Clash> {
        let mut clashes = Vec::new();
        if let Some(at) = seen.authentication {
            clashes.push(Clash::Authentication(self.row_at(at)));
        }
        if let Some(at) = seen.slot {
            clashes.push(Clash::Slot(self.row_at(at)));
        }
        if let Some(at) = seen.instance {
            let enabled = self.rows[at as usize].before.has(ENABLED);
            if enabled != marks.enabled {
                clashes.push(Clash::Enabled(self.row_at(at), enabled));
            }
        }
        // by their External IDs
        clashes.extend(config.iter().filter_map(|mark| {
            let (slot, at) = seen.config.iter().find(|(slot, _)| *slot == mark.slot)?;
            Some(Clash::Config(self.row_at(*at), *slot))
        }));
        clashes
    }

    fn insert(&mut self, user: u32, marks: &Marks, config: &[ConfigMark]) {
        let at = u32::try_from(self.rows.len()).unwrap_or(NONE);
        let before = std::mem::replace(&mut self.latest[user as usize], at);
        let flags =
            u32::from(marks.enabled) * ENABLED + u32::from(marks.instance.is_some()) * PLACED;
        self.rows.push(Admitted {
            authentication: marks.authentication,
            instance: marks.instance.unwrap_or_default(),
            slot: marks.slot,
            before: Before(before | flags),
        });
        if !config.is_empty() {
            let values = config.iter().map(|mark| ConfigValue { at, mark: *mark });
            self.config.extend(values);
        }
        if let Some(crowd) = self.crowds.get_mut(&user) {
            crowd.add(at, marks, config);
        } else if before != NONE && self.chain(user).nth(CROWD).is_some() {
            self.gather(user);
        }
    }

    fn gather(&mut self, user: u32) {
        let mut chain: Vec<u32> = self.chain(user).collect();
        chain.reverse();
        let mut crowd = Crowd::default();
        for at in chain {
            let row = &self.rows[at as usize];
            let marks = Marks {
                user: 0,
                authentication: row.authentication,
                instance: row.before.has(PLACED).then_some(row.instance),
                slot: row.slot,
                enabled: row.before.has(ENABLED),
                config: 0,
            };
            let config: Vec<ConfigMark> = self.config_of(at).iter().map(|v| v.mark).collect();
            crowd.add(at, &marks, &config);
        }
        self.crowds.insert(user, crowd);
    }

    fn row_at(&self, at: u32) -> u32 {
        self.left_out.number(at as usize)
    }
}

impl Before {
    fn place(self) -> u32 {
        self.0 & PLACE
    }

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }
}

impl Crowd {
    fn add(&mut self, at: u32, marks: &Marks, config: &[ConfigMark]) {
        self.authentications
            .entry(marks.authentication)
            .or_insert(at);
        if let Some(instance) = marks.instance {
            self.instances.entry(instance).or_insert(at);
            self.slots.entry((instance, marks.slot)).or_insert(at);
            for mark in config {
                let value = (mark.value, at);
                self.config.entry((instance, mark.slot)).or_insert(value);
            }
        }
    }

    fn seen(&self, marks: &Marks, config: &[ConfigMark]) -> Seen {
        let mut seen = Seen {
            authentication: self.authentications.get(&marks.authentication).copied(),
            ..Seen::default()
        };
        if let Some(instance) = marks.instance {
            seen.instance = self.instances.get(&instance).copied();
            seen.slot = self.slots.get(&(instance, marks.slot)).copied();
            for mark in config {
                if let Some((value, at)) = self.config.get(&(instance, mark.slot))
                    && *value != mark.value
                {
                    seen.config.push((mark.slot, *at));
                }
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same in the plainest way: every row against every row before it.
    fn plainly(rows: &[(Option<Marks>, Vec<ConfigMark>)]) -> Vec<Option<Vec<Clash>>> {
        let mut admitted: Vec<(u32, &Marks, &[ConfigMark])> = Vec::new();
        let mut out = Vec::new();
        for (number, (marks, config)) in (1..).zip(rows) {
            let Some(marks) = marks else {
                out.push(None);
                continue;
            };
            let mut clashes = Vec::new();
            let of_user = || {
                admitted
                    .iter()
                    .filter(|(_, other, _)| other.user == marks.user)
            };
            let of_instance = || {
                of_user().filter(|(_, other, _)| {
                    marks.instance.is_some() && other.instance == marks.instance
                })
            };
            clashes.extend(
                of_user()
                    .find(|(_, other, _)| other.authentication == marks.authentication)
                    .map(|(first, ..)| Clash::Authentication(*first)),
            );
            clashes.extend(
                of_instance()
                    .find(|(_, other, _)| other.slot == marks.slot)
                    .map(|(first, ..)| Clash::Slot(*first)),
            );
            clashes.extend(
                of_instance()
                    .next()
                    .filter(|(_, other, _)| other.enabled != marks.enabled)
                    .map(|(first, other, _)| Clash::Enabled(*first, other.enabled)),
            );
            for mark in config {
                let clash = of_instance().find_map(|(first, _, config)| {
                    let other = config.iter().find(|other| other.slot == mark.slot)?;
                    (other.value != mark.value).then_some(Clash::Config(*first, mark.slot))
                });
                clashes.extend(clash);
            }
            if clashes.is_empty() {
                admitted.push((number, marks, config));
            }
            out.push(Some(clashes));
        }
        out
    }

    fn row() -> impl Strategy<Value = (Option<Marks>, Vec<ConfigMark>)> {
        let marks = (
            0..3_u64,
            0..9_u32,
            prop::option::of((0..3_u32, 0..4_u32)),
            prop::bool::weighted(0.9),
        );
        let config = prop::collection::btree_map(0..3_u32, 0..2_u32, 0..3);
        (prop::option::weighted(0.9, marks), config).prop_map(|(marks, config)| {
            let marks = marks.map(|(user, authentication, instance, enabled)| Marks {
                user,
                authentication,
                instance: instance.map(|(instance, _)| instance),
                slot: instance.map_or(0, |(_, slot)| slot),
                enabled,
                config: 0,
            });
            let config: Vec<ConfigMark> = config
                .into_iter()
                .map(|(slot, value)| ConfigMark { slot, value })
                .collect();
            (marks, config)
        })
    }

    proptest! {
        #[test]
        fn rows_are_held_against_all_before_them(rows in prop::collection::vec(row(), 0..60)) {
            let mut across = Across::new(false);
            let mut out = Vec::new();
            for (number, (marks, config)) in (1..).zip(&rows) {
                out.push(match marks {
                    None => {
                        across.leave_out(number);
                        None
                    }
                    Some(marks) => {
                        let digest = u128::from(marks.user);
                        let user = across.number_user(digest);
                        match across.admit(number, user, marks, config) {
                            Some(_) => Some(Vec::new()),
                            None => Some(across.clashes()),
                        }
                    }
                });
            }
            prop_assert_eq!(out, plainly(&rows));
        }
    }

    #[test]
    fn a_row_takes_few_bytes() {
        assert_eq!(size_of::<Admitted>(), 16);
        assert_eq!(size_of::<ConfigValue>(), 12);
    }
}
