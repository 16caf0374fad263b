//! The whole file, checked on all cores, heard in file order.

use std::collections::HashMap;
use std::io::{self, Read};

use super::across::{Across, Standing};
use super::check::{self, Digests, Entries};
use super::identity::{Key, user_digest};
use super::marks::{ConfigMark, Marker, Marks};
use super::references::References;
use crate::catalog::Catalog;
use crate::input::blocks::{Block, Blocks};
use crate::input::fields::Field;
use crate::input::layout::Layout;
use crate::input::records::{At, for_each_row};
use crate::issue::Problem;
use crate::ordered;

/// What came of one row.
pub struct Verdict<'b> {
    /// The data row, counted from 1.
    pub row: u64,
    /// The physical line on which it starts.
    pub line: u64,
    /// The row as it stands in the file, without its line end.
    pub raw: &'b [u8],
    /// Valid, or what is wrong.
    pub judgement: Judgement,
}

/// Valid or not.
pub enum Judgement {
    /// A row that can be imported.
    Valid {
        /// Its key, where identities are kept.
        key: Option<Key>,
        /// Its end user and its instance.
        standing: Standing,
        /// Whether the instance is to be enabled.
        enabled: bool,
    },
    /// A row that cannot.
    Invalid {
        /// What is wrong; never empty.
        problems: Vec<Problem>,
        /// The end user and the instance that it would have belonged to, as far as they can be told and
        /// identities are kept.
        instance: Option<(u128, u32)>,
    },
}

/// The rows of one block as a worker leaves them: their places in the file are not known yet. Short lists that
/// a block fills again and again, rather than a value with everything for each row.
#[derive(Default)]
struct Judged {
    rows: Vec<Judging>,
    /// Of the valid rows.
    marks: Vec<Marks>,
    /// Of the valid rows, where identities are kept.
    digests: Vec<Digests>,
    /// Of the valid rows, each row's one behind the other's.
    config: Vec<ConfigMark>,
    invalid: Vec<Invalid>,
    /// External IDs of config slots by their marks.
    slots: HashMap<u32, String>,
    references: References,
}

/// Where a row stands in its block, and whether it is valid.
struct Judging {
    line: u32,
    start: u32,
    end: u32,
    valid: bool,
}

struct Invalid {
    problems: Vec<Problem>,
    instance: Option<(u128, u32)>,
}

impl Judged {
    fn row(&mut self, block: &Block, at: &At, valid: bool) {
        // a block is a few MiB at most
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.rows.push(Judging {
            line: u32::try_from(at.line - block.line).unwrap_or(u32::MAX),
            start: short(at.bytes.start),
            end: short(at.bytes.end),
            valid,
        });
    }

    /// The end user of each valid row.
    fn digest(&self, number: usize) -> u128 {
        match self.digests.get(number) {
            Some(digests) => digests.user,
            None => self.marks.get(number).map_or(0, |marks| marks.user.into()),
        }
    }
}

/// What the whole file came to.
pub struct Totals {
    /// How many rows there are.
    pub rows: u64,
    /// What the valid rows refer to in Tray.
    pub references: References,
    /// The valid rows among each other.
    pub across: Across,
}

/// Checks every row and calls `hear` with each, in file order. With `identify`, valid rows come with their
/// keys, and end users are known by their digests.
///
/// # Errors
/// When reading fails, or what `hear` returns: either ends the run.
pub fn run<R: Read, E: From<io::Error>>(
    blocks: &mut Blocks<R>,
    layout: &Layout,
    catalog: &Catalog,
    identify: bool,
    mut hear: impl FnMut(Verdict<'_>) -> Result<(), E>,
) -> Result<Totals, E> {
    let marker = Marker::default();
    let mut slots = HashMap::new();
    let mut totals = Totals {
        rows: 0,
        references: References::default(),
        across: Across::new(identify),
    };
    ordered::run(
        blocks,
        |blocks| blocks.next_block().map_err(E::from),
        |block| {
            let judged = judge(&block, layout, catalog, &marker, identify);
            (block, judged)
        },
        |blocks, (block, mut judged)| {
            totals
                .references
                .merge(std::mem::take(&mut judged.references));
            slots.extend(judged.slots.drain());
            hear_block(&block, judged, &slots, &mut totals, &mut hear)?;
            blocks.recycle(block);
            Ok(())
        },
    )?;
    Ok(totals)
}

fn judge(
    block: &Block,
    layout: &Layout,
    catalog: &Catalog,
    marker: &Marker,
    identify: bool,
) -> Judged {
    let mut judged = Judged::default();
    let mut entries = Entries::new(catalog);
    let mut scratch = String::new();
    for_each_row(block, layout, |at, row, mut problems| {
        let mut instance = None;
        if let Some(row) = row {
            if let Some(checked) = check::check(&mut entries, row, &mut problems) {
                judged.row(block, &at, true);
                judged.references.add(row, checked);
                if identify {
                    let digests = check::digests(row, checked.environment);
                    judged.digests.push(digests);
                }
                let start = judged.config.len();
                let marks = marker.mark(row, checked, &mut judged.config, &mut scratch);
                judged.marks.push(marks);
                for (mark, (slot, _)) in judged.config[start..].iter().zip(&row.config) {
                    let name = || slot.to_string();
                    judged.slots.entry(mark.slot).or_insert_with(name);
                }
                return;
            }
            if identify && let Some(id) = row.text(Field::ExternalUserId) {
                instance = marker.instance(row).map(|mark| (user_digest(id), mark));
            }
        }
        judged.row(block, &at, false);
        judged.invalid.push(Invalid { problems, instance });
    });
    judged
}

fn hear_block<E>(
    block: &Block,
    mut judged: Judged,
    slots: &HashMap<u32, String>,
    totals: &mut Totals,
    hear: &mut impl FnMut(Verdict<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let across = &mut totals.across;
    across.look_ahead((0..judged.marks.len()).map(|number| judged.digest(number)));
    let mut invalid = std::mem::take(&mut judged.invalid).into_iter();
    let (mut valid, mut configured) = (0, 0);
    for at in &judged.rows {
        totals.rows += 1;
        let row = u32::try_from(totals.rows).unwrap_or(u32::MAX);
        let judgement = if at.valid
            && let Some(marks) = judged.marks.get(valid)
        {
            let digests = judged.digests.get(valid);
            let digest = judged.digest(valid);
            let config = &judged.config[configured..configured + marks.config as usize];
            valid += 1;
            configured += config.len();
            match across.admit(row, digest, marks, config) {
                Ok(standing) => Judgement::Valid {
                    key: digests.map(|digests| digests.key),
                    standing,
                    enabled: marks.enabled,
                },
                Err(clashes) => {
                    let name = |mark| slots.get(&mark).map_or("", String::as_str);
                    Judgement::Invalid {
                        problems: clashes.into_iter().map(|c| c.problem(name)).collect(),
                        instance: digests.and(marks.instance).map(|mark| (digest, mark)),
                    }
                }
            }
        } else {
            across.leave_out(row);
            let (problems, instance) = invalid
                .next()
                .map_or_else(Default::default, |row| (row.problems, row.instance));
            Judgement::Invalid { problems, instance }
        };
        hear(Verdict {
            row: totals.rows,
            line: block.line + u64::from(at.line),
            raw: &block.bytes[at.start as usize..at.end as usize],
            judgement,
        })?;
    }
    Ok(())
}
