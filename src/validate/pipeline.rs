//! The whole file, checked on all cores; what comes of its rows is received in file order.

use std::io::{self, Read};

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;

use super::check::{self, RowChecker};
use super::duplicates::{Compared, Duplicates};
use super::fingerprints::{ConfigFingerprint, Fingerprinter, RowFingerprint};
use super::references::References;
use crate::catalog::Catalog;
use crate::input::blocks::{Block, Blocks};
use crate::input::fields::Field;
use crate::input::layout::Layout;
use crate::input::records::for_each_row;
use crate::input::row::Row;
use crate::issue::Problem;
use crate::model::{Key, user_digest};
use crate::ordered;

/// What came of one row by itself; whether it can stand beside the others is known at the end.
pub struct CheckedRow<'b> {
    /// The data row, counted from 1.
    pub row: u64,
    /// The physical line on which it starts.
    pub line: u64,
    /// The row as it stands in the file, without its line end.
    pub raw: &'b [u8],
    /// Whether it can be imported.
    pub valid: bool,
    /// What is wrong.
    pub problems: &'b [Problem],
    /// Where identities are kept and the row is valid: its key, and the number of its end user.
    pub identity: Option<(Key, u32)>,
}

/// What the whole file came to.
pub struct Totals {
    /// How many rows there are.
    pub rows: u64,
    /// Lines that are no rows: separators alone, a footer.
    pub skipped: u64,
    /// What the valid rows refer to in Tray.
    pub references: References,
    duplicates: Duplicates,
    /// External IDs of config slots by their fingerprints.
    slots: HashMap<u32, String>,
    deny_warnings: bool,
}

impl Totals {
    /// Compares the valid rows with each other.
    pub fn compare(self) -> Compared {
        let slot = |fingerprint| self.slots.get(&fingerprint).map_or("", String::as_str);
        self.duplicates.compare(slot, self.deny_warnings)
    }
}

/// Checks every row and calls `receive` with each, in file order. With `identify`, valid rows come with their
/// keys, and end users are known by their digests. With `deny_warnings`, a row with a warning is invalid.
///
/// # Errors
/// When reading fails, or what `receive` returns: either ends the run.
pub fn run<R: Read, E: From<io::Error>>(
    blocks: &mut Blocks<R>,
    layout: &Layout,
    catalog: &Catalog,
    identify: bool,
    deny_warnings: bool,
    mut receive: impl FnMut(CheckedRow<'_>) -> Result<(), E>,
) -> Result<Totals, E> {
    let fingerprinter = Fingerprinter::default();
    let idle: Mutex<Vec<Worker<'_>>> = Mutex::default();
    let new = || Worker {
        checker: RowChecker::new(catalog).deny_warnings(deny_warnings),
        fingerprinter: fingerprinter.clone(),
        identify,
        references: References::default(),
        referred: HashSet::new(),
        slots: HashMap::new(),
    };
    let (mut rows, mut skipped) = (0, 0);
    let mut duplicates = Duplicates::new(identify);
    ordered::run(
        blocks,
        |blocks| blocks.next_block().map_err(E::from),
        |block| {
            let waiting = idle.lock().pop();
            let mut worker = waiting.unwrap_or_else(new);
            let found = worker.check(&block, layout);
            idle.lock().push(worker);
            (block, found)
        },
        |blocks, (block, found)| {
            skipped += found.skipped;
            receive_block(&block, &found, &mut rows, &mut duplicates, &mut receive)?;
            blocks.recycle(block);
            Ok(())
        },
    )?;
    let mut totals = Totals {
        rows,
        skipped,
        references: References::default(),
        duplicates,
        slots: HashMap::new(),
        deny_warnings,
    };
    for worker in idle.into_inner() {
        totals.references.merge(worker.references);
        totals.slots.extend(worker.slots);
    }
    Ok(totals)
}

/// Who checks blocks, one after the other.
struct Worker<'c> {
    checker: RowChecker<'c>,
    fingerprinter: Fingerprinter,
    identify: bool,
    references: References,
    /// What is among the references already, by fingerprint.
    referred: HashSet<u64>,
    slots: HashMap<u32, String>,
}

/// The rows of one block: their numbers in the file are not known yet.
#[derive(Default)]
struct BlockRows {
    rows: Vec<BlockRow>,
    /// Lines that are none.
    skipped: u64,
    /// Of the valid rows, where identities are kept: key, and digest of the end user.
    identities: Vec<(Key, u128)>,
    /// Of the valid rows, each row's one behind the other's.
    config: Vec<ConfigFingerprint>,
}

struct BlockRow {
    /// Lines before it in the block.
    line: u32,
    /// Where its bytes begin and end.
    start: u32,
    end: u32,
    problems: Vec<Problem>,
    state: RowState,
}

enum RowState {
    /// With so many config values.
    Valid(RowFingerprint, u32),
    /// The end user and the instance that it would have belonged to, as far as they can be told and identities are
    /// kept.
    Invalid(Option<(u128, u32)>),
}

impl<'c> Worker<'c> {
    fn check(&mut self, block: &Block, layout: &Layout) -> BlockRows {
        let mut found = BlockRows::default();
        // a block is a few MiB at most
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let skipped = for_each_row(block, layout, |at, row, mut problems| {
            let state = match row {
                Some(row) => self.check_row(row, &mut problems, &mut found),
                None => RowState::Invalid(None),
            };
            found.rows.push(BlockRow {
                line: u32::try_from(at.line - block.line).unwrap_or(u32::MAX),
                start: short(at.bytes.start),
                end: short(at.bytes.end),
                problems,
                state,
            });
        });
        found.skipped = skipped;
        found
    }

    fn check_row(
        &mut self,
        row: &mut Row<'_>,
        problems: &mut Vec<Problem>,
        found: &mut BlockRows,
    ) -> RowState {
        let Some(checked) = self.checker.check(row, problems) else {
            let id = row.text(Field::ExternalUserId).filter(|_| self.identify);
            let instance = id.and_then(|id| {
                let instance = self.fingerprinter.instance(row)?;
                Some((user_digest(id), instance))
            });
            return RowState::Invalid(instance);
        };
        let environment = checked.environment;
        if self.identify {
            let user = user_digest(row.text(Field::ExternalUserId).unwrap_or_default());
            let identity = (check::key(row, environment), user);
            found.identities.push(identity);
        }
        self.references.form_data |= row.has_form_data();
        if self
            .referred
            .insert(self.fingerprinter.references(row, checked))
        {
            self.references.add(row, checked);
        }
        for (slot, value) in &row.config {
            let config = self.fingerprinter.config(slot, &row.tree, *value);
            self.slots
                .entry(config.slot)
                .or_insert_with(|| slot.to_string());
            found.config.push(config);
        }
        let config = u32::try_from(row.config.len()).unwrap_or(u32::MAX);
        RowState::Valid(
            self.fingerprinter.row(row, environment, self.identify),
            config,
        )
    }
}

fn receive_block<E>(
    block: &Block,
    found: &BlockRows,
    rows: &mut u64,
    duplicates: &mut Duplicates,
    receive: &mut impl FnMut(CheckedRow<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let fingerprints = found.rows.iter().filter_map(|row| match row.state {
        RowState::Valid(fingerprint, _) => Some(u128::from(fingerprint.user)),
        RowState::Invalid(_) => None,
    });
    // all of them first: in a short loop, one wait for memory overlaps the next
    let users: Vec<u32> = match found.identities.as_slice() {
        [] => fingerprints
            .map(|user| duplicates.number_user(user))
            .collect(),
        identities => {
            let digests = identities.iter().map(|(_, digest)| *digest);
            digests.map(|user| duplicates.number_user(user)).collect()
        }
    };
    let (mut valid, mut configured) = (0, 0);
    for at in &found.rows {
        *rows += 1;
        let row = u32::try_from(*rows).unwrap_or(u32::MAX);
        let line = block.line + u64::from(at.line);
        duplicates.at_line(row, line);
        let mut identity = None;
        match &at.state {
            RowState::Valid(fingerprint, config) => {
                let user = users[valid];
                let config = &found.config[configured..configured + *config as usize];
                duplicates.add(user, fingerprint, config);
                identity = found.identities.get(valid).map(|(key, _)| (*key, user));
                (valid, configured) = (valid + 1, configured + config.len());
            }
            RowState::Invalid(instance) => duplicates.add_invalid(row, *instance),
        }
        receive(CheckedRow {
            row: *rows,
            line,
            raw: &block.bytes[at.start as usize..at.end as usize],
            valid: matches!(at.state, RowState::Valid(..)),
            problems: &at.problems,
            identity,
        })?;
    }
    Ok(())
}
