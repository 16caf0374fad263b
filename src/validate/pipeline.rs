//! The whole file, checked on all cores, heard in file order.
//!
//! The calling thread cuts blocks and hears verdicts; rayon's threads parse and check. A bounded number of
//! blocks is under way at a time, so memory does not grow with the file.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

use super::across::Across;
use super::check::{self, Facts};
use super::references::References;
use crate::catalog::Catalog;
use crate::input::blocks::{Block, Blocks};
use crate::input::layout::Layout;
use crate::input::records::{At, for_each_row};
use crate::issue::Problem;

/// What came of one row.
pub struct Verdict<'b> {
    /// The data row, counted from 1.
    pub row: u64,
    /// The physical line on which it starts.
    pub line: u64,
    /// The row as it stands in the file, without its line end.
    pub raw: &'b [u8],
    /// What is wrong; empty for a valid row.
    pub problems: Vec<Problem>,
    /// What the batch must know; present for a valid row.
    pub facts: Option<Facts>,
    /// The instance that the row belongs to, valid or not, as far as it can be told.
    pub group: Option<u128>,
}

/// A row as a worker leaves it: its place in the file is not known yet, only that in its block.
struct Judged {
    at: At,
    problems: Vec<Problem>,
    facts: Option<Facts>,
    group: Option<u128>,
}

/// What the whole file came to.
#[derive(Debug, Default)]
pub struct Totals {
    /// How many rows there are.
    pub rows: u64,
    /// What the valid rows refer to in Tray.
    pub references: References,
}

/// Checks every row and calls `hear` with each, in file order.
///
/// # Errors
/// When reading fails, or what `hear` returns: either ends the run.
pub fn run<R: Read, E: From<io::Error>>(
    blocks: &mut Blocks<R>,
    layout: &Layout,
    catalog: &Catalog,
    mut hear: impl FnMut(Verdict<'_>) -> Result<(), E>,
) -> Result<Totals, E> {
    let most = 2 * rayon::current_num_threads() + 1;
    let (sender, results) = mpsc::channel();
    let mut across = Across::default();
    let mut totals = Totals::default();
    rayon::in_place_scope(|scope| -> Result<(), E> {
        let (mut next_in, mut next_out, mut under_way) = (0_u64, 0_u64, 0_usize);
        let mut ended = false;
        let mut failed = None;
        let mut waiting = BTreeMap::new();
        loop {
            while !ended && under_way < most {
                let block = match blocks.next_block() {
                    Ok(Some(block)) => block,
                    Ok(None) => {
                        ended = true;
                        break;
                    }
                    // what was read before is heard first
                    Err(error) => {
                        failed = Some(error);
                        ended = true;
                        break;
                    }
                };
                let (sender, number) = (sender.clone(), next_in);
                scope.spawn(move |_| {
                    let judged = catch_unwind(AssertUnwindSafe(|| judge(&block, layout, catalog)));
                    // nobody listens any more once `hear` has failed
                    let _ = sender.send((number, block, judged));
                });
                next_in += 1;
                under_way += 1;
            }
            if under_way == 0 {
                return failed.map_or(Ok(()), |error| Err(error.into()));
            }
            let Ok((number, block, judged)) = results.recv() else {
                return Ok(());
            };
            under_way -= 1;
            waiting.insert(number, (block, judged));
            while let Some((block, judged)) = waiting.remove(&next_out) {
                next_out += 1;
                let (judged, references) = judged.unwrap_or_else(|panic| resume_unwind(panic));
                totals.references.merge(references);
                for one in judged {
                    totals.rows += 1;
                    hear(verdict(totals.rows, one, &block, &mut across))?;
                }
            }
        }
    })?;
    Ok(totals)
}

fn judge(block: &Block, layout: &Layout, catalog: &Catalog) -> (Vec<Judged>, References) {
    let mut out = Vec::new();
    let mut references = References::default();
    for_each_row(block, layout, |at, mut row, mut problems| {
        let group = row.as_ref().and_then(check::group_of);
        let checked = row
            .as_mut()
            .and_then(|row| check::check(catalog, row, &mut problems));
        let facts = row.zip(checked).map(|(row, checked)| {
            references.add(&row, &checked);
            check::facts(&row, checked.environment)
        });
        out.push(Judged {
            at,
            problems,
            facts,
            group,
        });
    });
    (out, references)
}

fn verdict<'b>(row: u64, mut one: Judged, block: &'b Block, across: &mut Across) -> Verdict<'b> {
    if let Some(facts) = &one.facts {
        let number = u32::try_from(row).unwrap_or(u32::MAX);
        one.problems = across.admit(number, facts);
        if !one.problems.is_empty() {
            one.facts = None;
        }
    }
    Verdict {
        row,
        line: one.at.line,
        raw: &block.bytes[one.at.bytes],
        problems: one.problems,
        facts: one.facts,
        group: one.group,
    }
}
