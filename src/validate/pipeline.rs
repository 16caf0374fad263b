//! The whole file, checked on all cores, heard in file order.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use super::across::{Across, Standing};
use super::judge::{Judged, judge};
use super::marks::Marker;
use super::references::References;
use crate::catalog::Catalog;
use crate::input::blocks::{Block, Blocks};
use crate::input::layout::Layout;
use crate::input::shapes::Shapes;
use crate::issue::Problem;
use crate::model::Key;
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
    pub judgement: Judgement<'b>,
}

/// Valid or not.
pub enum Judgement<'b> {
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
        problems: &'b [Problem],
        /// The end user and the instance that it would have belonged to, as far as they can be told and
        /// identities are kept.
        instance: Option<(u128, u32)>,
    },
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
    // what has been learnt of lines, and lists to be filled again, taken by whoever works on a block
    let learnt: Mutex<Vec<Shapes>> = Mutex::default();
    let learnt = || learnt.lock().unwrap_or_else(PoisonError::into_inner);
    let spare: Mutex<Vec<Judged>> = Mutex::default();
    let spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
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
            let mut shapes = learnt().pop().unwrap_or_default();
            let room = spare().pop().unwrap_or_default();
            let judged = judge(
                &block,
                layout,
                catalog,
                &mut shapes,
                &marker,
                identify,
                room,
            );
            learnt().push(shapes);
            (block, judged)
        },
        |blocks, (block, mut judged)| {
            totals
                .references
                .merge(std::mem::take(&mut judged.references));
            slots.extend(judged.slots.drain());
            let first = totals.rows == 0;
            hear_block(&block, &judged, &slots, &mut totals, &mut hear)?;
            if let Some(expected) = blocks.expected().filter(|_| first) {
                totals.across.expect(block.bytes.len() as u64, expected);
            }
            blocks.recycle(block);
            judged.clear();
            spare().push(judged);
            Ok(())
        },
    )?;
    Ok(totals)
}

fn hear_block<E>(
    block: &Block,
    judged: &Judged,
    slots: &HashMap<u32, String>,
    totals: &mut Totals,
    hear: &mut impl FnMut(Verdict<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let across = &mut totals.across;
    let digests = (0..judged.marks.len()).map(|number| judged.digest(number));
    let users = across.number_users(digests);
    let mut invalid = judged.invalid.iter();
    let (mut valid, mut configured) = (0, 0);
    for at in &judged.rows {
        totals.rows += 1;
        let row = u32::try_from(totals.rows).unwrap_or(u32::MAX);
        let clashes: Vec<Problem>;
        let judgement = if at.valid
            && let Some((marks, user)) = judged.marks.get(valid).zip(users.get(valid))
        {
            let digests = judged.digests.get(valid);
            let config = &judged.config[configured..configured + marks.config as usize];
            configured += config.len();
            let judgement = match across.admit(row, *user, marks, config) {
                Some(standing) => Judgement::Valid {
                    key: digests.map(|digests| digests.key),
                    standing,
                    enabled: marks.enabled,
                },
                None => {
                    let name = |mark| slots.get(&mark).map_or("", String::as_str);
                    let found = across.clashes().into_iter();
                    clashes = found.map(|clash| clash.problem(name)).collect();
                    Judgement::Invalid {
                        problems: &clashes,
                        instance: digests
                            .zip(marks.instance)
                            .map(|(digests, mark)| (digests.user, mark)),
                    }
                }
            };
            valid += 1;
            judgement
        } else {
            across.leave_out(row);
            let row = invalid.next();
            let problems = row.and_then(|row| judged.problems.get(row.problems as usize));
            Judgement::Invalid {
                problems: problems.map_or(&[], Vec::as_slice),
                instance: row.and_then(|row| row.instance),
            }
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
