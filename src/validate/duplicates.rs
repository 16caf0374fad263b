//! What only shows when rows are seen together: duplicates, and rows that disagree about what they share.
//!
//! Rows that are valid by themselves are noted as they come, and compared once the last has come: of rows that conflict,
//! all are invalid, since nobody knows which of them is right, and of the first of them that is not known before. All
//! that is compared belongs to one end user, so an end user's rows are chained to each other and sorted by what must
//! not be the same: 20 bytes a row, and for an end user 12 bytes and an entry of a table.

use hashbrown::HashMap;

use super::fingerprints::{ConfigFingerprint, RowFingerprint};
use super::invalid_rows::InvalidRows;
use crate::issue::{Code, Problem};
use crate::validate::user_numbers::UserNumbers;

/// The rows so far.
pub struct Duplicates {
    users: UserNumbers,
    /// For each end user, the place of their latest row in `rows`.
    latest: Vec<u32>,
    rows: Vec<ValidRow>,
    config: Vec<ConfigValue>,
    invalid: InvalidRows,
    /// Invalid rows that name an instance: its end user's digest and fingerprint, and the row.
    unplaced: Vec<(u128, u32, u32)>,
    lines: Lines,
    /// End users whose ids are not written in the plainest form: its half digest, and their number.
    alike: Vec<(u64, u32)>,
    /// Places of the rows whose ids end in `.0`.
    decimal: Vec<u32>,
    with_groups: bool,
}

struct ValidRow {
    authentication: u32,
    /// The instance's fingerprint; once rows are compared, its group.
    instance: u32,
    slot: u32,
    user_name: u32,
    /// The place of the row before it of the same end user, and two flags.
    link: Link,
}

#[derive(Clone, Copy)]
struct Link(u32);

const NONE: u32 = (1 << 30) - 1;
const ENABLED: u32 = 1 << 30;
const HAS_INSTANCE: u32 = 1 << 31;

impl Link {
    fn before(self) -> Option<u32> {
        Some(self.0 & NONE).filter(|at| *at != NONE)
    }

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }
}

struct ConfigValue {
    at: u32,
    slot: u32,
    value: u32,
}

/// Why a row cannot stand beside another one, whose place comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Conflict {
    /// The same end user under another name.
    UserName(u32),
    /// The same end user, service environment and authentication name.
    Authentication(u32),
    /// The same slot of the same instance.
    Slot(u32),
    /// The same instance, enabled or not otherwise than here.
    Enabled(u32, bool),
    /// The same config slot, by its fingerprint, of the same instance with another value.
    Config(u32, u32),
    /// A warning: another end user, whose id looks the same.
    SimilarId(u32),
    /// A warning: an id that ends in `.0`.
    DecimalId,
}

/// A row that conflicts with another one.
pub struct ConflictingRow {
    pub(crate) row: u32,
    pub(crate) line: u64,
    pub(crate) problem: Problem,
}

/// An instance.
pub(crate) struct Group {
    pub(crate) enabled: bool,
    /// An invalid row of it.
    pub(crate) blocked_by: Option<u32>,
}

/// What comparing the rows came to.
pub struct Compared {
    pub(crate) users: UserNumbers,
    pub(crate) invalid: InvalidRows,
    /// In file order; a row may stand here more than once.
    pub(crate) conflicts: Vec<ConflictingRow>,
    /// The places of the rows that conflict, ascending.
    pub(crate) gone: Vec<u32>,
    /// The instances of the rows that stay.
    pub(crate) groups: Vec<Group>,
    rows: Vec<ValidRow>,
}

impl Compared {
    /// The group of the row at this place, which stays.
    pub(crate) fn group(&self, at: usize) -> Option<u32> {
        let row = &self.rows[at];
        row.link.has(HAS_INSTANCE).then_some(row.instance)
    }
}

impl Duplicates {
    /// Before the first row. With `identities`, end users are told by their whole digests, and instances are numbered.
    pub fn new(identities: bool) -> Duplicates {
        Duplicates {
            users: UserNumbers::new(identities),
            latest: Vec::new(),
            rows: Vec::new(),
            config: Vec::new(),
            invalid: InvalidRows::default(),
            unplaced: Vec::new(),
            lines: Lines::default(),
            alike: Vec::new(),
            decimal: Vec::new(),
            with_groups: identities,
        }
    }

    /// Notes where the next row starts.
    pub(crate) fn at_line(&mut self, row: u32, line: u64) {
        self.lines.add(row, line);
    }

    /// A row that is not valid by itself, and the instance that it names: its end user's digest, its fingerprint.
    pub fn add_invalid(&mut self, row: u32, instance: Option<(u128, u32)>) {
        self.invalid.add(row);
        let unplaced = instance.map(|(user, instance)| (user, instance, row));
        self.unplaced.extend(unplaced);
    }

    /// The number of an end user, counted from 0 as they come: by their digest, or by their fingerprint where
    /// identities are not kept. Asked for many rows in a short loop, one wait for memory overlaps the next.
    #[inline]
    pub fn number_user(&mut self, digest: u128) -> u32 {
        let number = self.users.number_or_insert(digest);
        if number as usize == self.latest.len() {
            self.latest.push(NONE);
        }
        number
    }

    /// Adds a row that is valid by itself, of the end user with this number.
    pub fn add(&mut self, user: u32, row: &RowFingerprint, config: &[ConfigFingerprint]) {
        let at = u32::try_from(self.rows.len()).unwrap_or(NONE);
        let before = std::mem::replace(&mut self.latest[user as usize], at);
        if let (NONE, Some(alike)) = (before, row.alike) {
            self.alike.push((alike, user));
        }
        if row.decimal {
            self.decimal.push(at);
        }
        let flags =
            u32::from(row.enabled) * ENABLED + u32::from(row.instance.is_some()) * HAS_INSTANCE;
        self.rows.push(ValidRow {
            authentication: row.authentication,
            instance: row.instance.unwrap_or_default(),
            slot: row.slot,
            user_name: row.user_name,
            link: Link(before | flags),
        });
        self.config.extend(config.iter().map(|config| ConfigValue {
            at,
            slot: config.slot,
            value: config.value,
        }));
    }

    /// Compares the rows. `slot` tells the External ID of a config slot by its fingerprint. With `deny_warnings`, rows
    /// with warnings are invalid too.
    pub fn compare<'n>(mut self, slot: impl Fn(u32) -> &'n str, deny_warnings: bool) -> Compared {
        let mut conflicts = Vec::new();
        let mut of_user = Vec::new();
        for user in 0..self.latest.len() {
            if self.rows_of(user, &mut of_user) {
                self.compare_rows(&of_user, &mut conflicts);
            }
        }
        self.compare_ids(&mut conflicts);
        conflicts.sort_unstable();
        let is_error = |conflict: &Conflict| deny_warnings || !conflict.is_warning();
        let invalid = conflicts.iter().filter(|(_, conflict)| is_error(conflict));
        let mut gone: Vec<u32> = invalid.map(|(at, _)| *at).collect();
        gone.dedup();
        let number = |at: u32| self.invalid.number_of(at as usize);
        let conflicts = conflicts.into_iter().map(|(at, conflict)| ConflictingRow {
            row: number(at),
            line: self.lines.line_of(number(at)),
            problem: conflict.problem(number, &slot),
        });
        let conflicts: Vec<ConflictingRow> = conflicts.collect();
        let groups = match self.with_groups {
            true => self.number_groups(&gone),
            false => Vec::new(),
        };
        let invalid: Vec<u32> = gone
            .iter()
            .map(|at| self.invalid.number_of(*at as usize))
            .collect();
        self.invalid.add_all(invalid);
        Compared {
            users: self.users,
            invalid: self.invalid,
            conflicts,
            gone,
            groups,
            rows: self.rows,
        }
    }

    /// Lists an end user's rows in file order; whether there are several.
    fn rows_of(&self, user: usize, list: &mut Vec<u32>) -> bool {
        let latest = Link(self.latest[user]).before();
        let before = |at: &u32| self.rows[*at as usize].link.before();
        list.clear();
        list.extend(std::iter::successors(latest, before));
        list.reverse();
        list.len() > 1
    }

    /// Finds ids that differ in what people do not see, at the first row of each.
    fn compare_ids(&mut self, conflicts: &mut Vec<(u32, Conflict)>) {
        self.alike.sort_unstable();
        let first = |user: u32| {
            let mut rows = Vec::new();
            self.rows_of(user as usize, &mut rows);
            rows.first().copied()
        };
        for same in self.alike.chunk_by(|a, b| a.0 == b.0) {
            let plain = self.users.number_by_half(same[0].0);
            let users: Vec<u32> = same.iter().map(|(_, user)| *user).chain(plain).collect();
            let mut rows: Vec<u32> = match users.len() {
                1 => continue,
                _ => users.into_iter().filter_map(first).collect(),
            };
            rows.sort_unstable();
            conflicts.extend(repeated(&rows, Conflict::SimilarId));
        }
        if self.decimal.len() < self.rows.len() {
            let decimal = self.decimal.iter();
            conflicts.extend(decimal.map(|at| (*at, Conflict::DecimalId)));
        }
    }

    fn compare_rows(&self, places: &[u32], conflicts: &mut Vec<(u32, Conflict)>) {
        let row = |at: u32| &self.rows[at as usize];
        let names = places.iter().map(|at| (*at, row(*at).user_name));
        let (unnamed, named): (Vec<_>, Vec<_>) = names.partition(|(_, name)| *name == 0);
        let pairs = differing(&named);
        if let Some((first, _)) = pairs.first() {
            // a row that gives no name does not say whose it is
            let unnamed = unnamed
                .iter()
                .map(|(at, _)| (*at, Conflict::UserName(*first)));
            conflicts.extend(unnamed);
        }
        conflicts.extend(
            pairs
                .into_iter()
                .map(|(at, other)| (at, Conflict::UserName(other))),
        );

        let mut places = places.to_vec();
        places.sort_by_key(|at| row(*at).authentication);
        for same in places.chunk_by(|a, b| row(*a).authentication == row(*b).authentication) {
            conflicts.extend(repeated(same, Conflict::Authentication));
        }
        places.retain(|at| row(*at).link.has(HAS_INSTANCE));
        places.sort_by_key(|at| (row(*at).instance, row(*at).slot, *at));
        for instance in places.chunk_by(|a, b| row(*a).instance == row(*b).instance) {
            for same in instance.chunk_by(|a, b| row(*a).slot == row(*b).slot) {
                conflicts.extend(repeated(same, Conflict::Slot));
            }
            let enabled = |at: u32| row(at).link.has(ENABLED);
            let mut flags: Vec<_> = instance.iter().map(|at| (*at, enabled(*at))).collect();
            flags.sort_unstable();
            let conflict = |(at, other)| (at, Conflict::Enabled(other, enabled(other)));
            conflicts.extend(differing(&flags).into_iter().map(conflict));
            let values = instance.iter().flat_map(|at| self.config_of(*at));
            let mut values: Vec<_> = values.map(|v| (v.slot, v.at, v.value)).collect();
            values.sort_unstable();
            for same in values.chunk_by(|a, b| a.0 == b.0) {
                let (slot, ..) = same[0];
                let of_slot: Vec<_> = same.iter().map(|(_, at, value)| (*at, *value)).collect();
                let conflict = |(at, other)| (at, Conflict::Config(other, slot));
                conflicts.extend(differing(&of_slot).into_iter().map(conflict));
            }
        }
    }

    /// Numbers the instances of the rows that stay, from 0; the numbers take the place of the fingerprints.
    fn number_groups(&mut self, gone: &[u32]) -> Vec<Group> {
        // an invalid row for each instance that has one: the first in the file
        let mut blocking: HashMap<(usize, u32), u32> = HashMap::new();
        for (user, instance, row) in &self.unplaced {
            if let Some(user) = self.users.number(*user) {
                let blocking = blocking.entry((user as usize, *instance)).or_insert(*row);
                *blocking = *row.min(blocking);
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        let (mut places, mut numbers) = (Vec::new(), HashMap::new());
        for user in 0..self.latest.len() {
            self.rows_of(user, &mut places);
            places.retain(|at| self.rows[*at as usize].link.has(HAS_INSTANCE));
            for at in places.iter().filter(|at| gone.binary_search(at).is_ok()) {
                let (instance, row) = (
                    self.rows[*at as usize].instance,
                    self.invalid.number_of(*at as usize),
                );
                let blocking = blocking.entry((user, instance)).or_insert(row);
                *blocking = row.min(*blocking);
            }
            places.retain(|at| gone.binary_search(at).is_err());
            numbers.clear();
            for at in &places {
                let row = &mut self.rows[*at as usize];
                row.instance = *numbers.entry(row.instance).or_insert_with_key(|instance| {
                    groups.push(Group {
                        enabled: row.link.has(ENABLED),
                        blocked_by: blocking.get(&(user, *instance)).copied(),
                    });
                    u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
                });
            }
        }
        groups
    }

    fn config_of(&self, at: u32) -> &[ConfigValue] {
        let start = self.config.partition_point(|value| value.at < at);
        let length = self.config[start..].partition_point(|value| value.at == at);
        &self.config[start..start + length]
    }
}

/// Pairs each of some rows with one that has another value, where not all have the same.
fn differing<T: Copy + PartialEq>(rows: &[(u32, T)]) -> Vec<(u32, u32)> {
    let first = rows.first();
    let other = first.and_then(|(_, value)| rows.iter().find(|(_, other)| other != value));
    let (Some((first, value)), Some((other, _))) = (first, other) else {
        return Vec::new();
    };
    let pair = |(at, own): &(u32, T)| (*at, if own == value { *other } else { *first });
    rows.iter().map(pair).collect()
}

/// Pairs each of some rows that are the same with another one of them.
fn repeated(
    rows: &[u32],
    conflict: impl Fn(u32) -> Conflict,
) -> impl Iterator<Item = (u32, Conflict)> {
    let several = rows.iter().take_while(|_| rows.len() > 1);
    several.map(move |at| {
        let other = if *at == rows[0] { rows[1] } else { rows[0] };
        (*at, conflict(other))
    })
}

impl Conflict {
    fn is_warning(self) -> bool {
        matches!(self, Conflict::SimilarId(_) | Conflict::DecimalId)
    }

    /// It in words. `number` tells a row's number by its place.
    fn problem<'n>(self, number: impl Fn(u32) -> u32, slot: impl Fn(u32) -> &'n str) -> Problem {
        match self {
            Conflict::UserName(other) => Problem::new(
                "userName",
                Code::ConflictingUserName,
                format!(
                    "row {} gives the same externalUserId another userName: two customers in one? Give each an id of its own, or the same name",
                    number(other)
                ),
            ),
            Conflict::Authentication(other) => Problem::new(
                "authName",
                Code::DuplicateAuthentication,
                format!(
                    "row {} has the same end user, service environment and authentication name; remove one, or give each a name of its own",
                    number(other)
                ),
            ),
            Conflict::Slot(other) => Problem::new(
                "authExternalId",
                Code::DuplicateSlot,
                format!(
                    "row {} fills the same slot of the same instance; give the instances different names, or remove one",
                    number(other)
                ),
            ),
            Conflict::Enabled(other, enabled) => Problem::new(
                "enabled",
                Code::ConflictingEnabled,
                format!(
                    "row {} of the same instance says {enabled}; all rows of an instance must agree (absent means true)",
                    number(other)
                ),
            ),
            Conflict::Config(other, fingerprint) => Problem::new(
                format!("config.{}", slot(fingerprint)),
                Code::ConflictingConfig,
                format!(
                    "row {} of the same instance gives this slot another value",
                    number(other)
                ),
            ),
            Conflict::SimilarId(other) => Problem::new(
                "externalUserId",
                Code::SimilarId,
                format!(
                    "the id of row {} differs from this one only in case, white space or the form of a letter; they are imported as two end users",
                    number(other)
                ),
            ),
            Conflict::DecimalId => Problem::new(
                "externalUserId",
                Code::DecimalId,
                "ends in .0 where other ids do not, as where a number was read as a decimal; it is imported as it stands",
            ),
        }
    }
}

/// The lines on which rows start: only those are noted that do not follow from the row before.
#[derive(Default)]
struct Lines(Vec<(u32, u64)>);

impl Lines {
    fn add(&mut self, row: u32, line: u64) {
        if self.line_of(row) != line {
            self.0.push((row, line));
        }
    }

    fn line_of(&self, row: u32) -> u64 {
        let known = self.0.partition_point(|(known, _)| *known <= row);
        let (first, line) = known.checked_sub(1).map_or((0, 0), |at| self.0[at]);
        line + u64::from(row - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Row = (RowFingerprint, Vec<ConfigFingerprint>);

    /// The kinds of conflict that each row has, in the plainest way: every row against every other one.
    fn plainly(rows: &[Option<Row>]) -> Vec<BTreeSet<Code>> {
        let against = |at: usize, (row, config): &Row| {
            let others = rows.iter().enumerate().filter(|(other, _)| *other != at);
            let others = others.filter_map(|(_, other)| other.as_ref());
            let same_user: Vec<&Row> = others.filter(|(other, _)| other.user == row.user).collect();
            let mut found = BTreeSet::new();
            let named = same_user.iter().map(|(other, _)| other.user_name);
            let names: BTreeSet<u32> = named.chain([row.user_name]).filter(|n| *n != 0).collect();
            if names.len() > 1 {
                found.insert(Code::ConflictingUserName);
            }
            for (other, values) in same_user {
                if other.authentication == row.authentication {
                    found.insert(Code::DuplicateAuthentication);
                }
                if row.instance.is_none() || other.instance != row.instance {
                    continue;
                }
                if other.slot == row.slot {
                    found.insert(Code::DuplicateSlot);
                }
                if other.enabled != row.enabled {
                    found.insert(Code::ConflictingEnabled);
                }
                let differs = |own: &ConfigFingerprint| {
                    let mut same = values.iter().filter(|other| other.slot == own.slot);
                    same.any(|other| other.value != own.value)
                };
                if config.iter().any(differs) {
                    found.insert(Code::ConflictingConfig);
                }
            }
            found
        };
        let rows = rows.iter().enumerate();
        rows.map(|(at, row)| row.as_ref().map(|row| against(at, row)).unwrap_or_default())
            .collect()
    }

    fn row() -> impl Strategy<Value = Option<Row>> {
        let fingerprint = (
            0..3_u64,
            0..9_u32,
            prop::option::of((0..3_u32, 0..4_u32)),
            prop::bool::weighted(0.9),
            prop::sample::select(vec![0_u32, 0, 1, 1, 1, 1, 2]),
        );
        let config = prop::collection::btree_map(0..3_u32, 0..2_u32, 0..3);
        (prop::option::weighted(0.9, fingerprint), config).prop_map(|(fingerprint, config)| {
            let (user, authentication, instance, enabled, user_name) = fingerprint?;
            let row = RowFingerprint {
                user,
                authentication,
                instance: instance.map(|(instance, _)| instance),
                slot: instance.map_or(0, |(_, slot)| slot),
                user_name,
                enabled,
                alike: None,
                decimal: false,
            };
            let config = config.into_iter().filter(|_| row.instance.is_some());
            let config = config.map(|(slot, value)| ConfigFingerprint { slot, value });
            Some((row, config.collect()))
        })
    }

    proptest! {
        #[test]
        fn rows_are_compared_with_all_others(rows in prop::collection::vec(row(), 0..40)) {
            let mut duplicates = Duplicates::new(true);
            for (number, row) in (1..).zip(&rows) {
                duplicates.at_line(number, u64::from(number) * 2);
                match row {
                    None => duplicates.add_invalid(number, None),
                    Some((row, config)) => {
                        let user = duplicates.number_user(row.user.into());
                        duplicates.add(user, row, config);
                    }
                }
            }
            let compared = duplicates.compare(|_| "slot", false);
            let mut found = vec![BTreeSet::new(); rows.len()];
            for conflict in &compared.conflicts {
                prop_assert_eq!(conflict.line, u64::from(conflict.row) * 2);
                found[conflict.row as usize - 1].insert(conflict.problem.code);
            }
            prop_assert_eq!(&found, &plainly(&rows));
            // what stays is grouped by end user and instance
            let mut groups = std::collections::BTreeMap::new();
            let mut at = 0;
            for (number, row) in (1..).zip(&rows) {
                let Some((row, _)) = row else { continue };
                if !compared.invalid.contains(number) {
                    let group = compared.group(at);
                    prop_assert_eq!(group.is_some(), row.instance.is_some());
                    if let Some(group) = group {
                        let known = *groups.entry((row.user, row.instance)).or_insert(group);
                        prop_assert_eq!(known, group);
                        prop_assert_eq!(compared.groups[group as usize].enabled, row.enabled);
                    }
                }
                at += 1;
            }
            prop_assert_eq!(groups.len(), compared.groups.len());
        }
    }

    #[test]
    fn a_row_takes_few_bytes() {
        assert_eq!(size_of::<ValidRow>(), 20);
        assert_eq!(size_of::<ConfigValue>(), 12);
    }
}
