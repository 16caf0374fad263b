//! The rows of one block: which are valid by themselves, and what they are compared by.

use std::collections::HashMap;

use super::check::{self, Checked, Digests, Entries};
use super::known::Known;
use super::marks::{ConfigMark, Marker, Marks};
use super::plain::{Plain, PlainRow, Plainly};
use super::references::References;
use crate::catalog::Catalog;
use crate::input::blocks::Block;
use crate::input::fields::{Field, Texts};
use crate::input::layout::Layout;
use crate::input::records::{At, Cells, Taker, take_records};
use crate::input::row::Row;
use crate::input::shapes::Shapes;
use crate::issue::Problem;
use crate::model::user_digest;

/// The rows of one block as a worker leaves them: their places in the file are not known yet. Short lists that
/// a block fills again and again, rather than a value with everything for each row.
#[derive(Default)]
pub struct Judged {
    /// Every record.
    pub rows: Vec<Judging>,
    /// Of the valid rows.
    pub marks: Vec<Marks>,
    /// Of the valid rows, where identities are kept.
    pub digests: Vec<Digests>,
    /// Of the valid rows, each row's one behind the other's.
    pub config: Vec<ConfigMark>,
    /// The other rows.
    pub invalid: Vec<Invalid>,
    /// What is wrong with rows: the same for all rows that have the same wrong with them, or each row's own.
    pub problems: Vec<Vec<Problem>>,
    /// External IDs of config slots by their marks.
    pub slots: HashMap<u32, String>,
    /// What the valid rows refer to.
    pub references: References,
}

/// Where a row stands in its block, and whether it is valid.
pub struct Judging {
    /// Lines before it in the block.
    pub line: u32,
    /// Where its bytes begin.
    pub start: u32,
    /// Where they end.
    pub end: u32,
    /// Whether it is valid by itself.
    pub valid: bool,
}

/// A row that is not valid.
pub struct Invalid {
    /// What is wrong with it, by its place among the block's problems.
    pub problems: u32,
    /// The end user and the instance that it would have belonged to.
    pub instance: Option<(u128, u32)>,
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

    /// Forgets everything but the room that it took.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.marks.clear();
        self.digests.clear();
        self.config.clear();
        self.invalid.clear();
        self.problems.clear();
        self.slots.clear();
        self.references = References::default();
    }

    /// Adds the mark of a config value, and the name of its slot.
    fn configure(&mut self, mark: ConfigMark, slot: &str) {
        self.config.push(mark);
        let name = || slot.to_owned();
        self.slots.entry(mark.slot).or_insert_with(name);
    }

    fn add_problems(&mut self, problems: Vec<Problem>) -> u32 {
        self.problems.push(problems);
        u32::try_from(self.problems.len() - 1).unwrap_or(u32::MAX)
    }

    /// The end user of a valid row.
    pub fn digest(&self, number: usize) -> u128 {
        match self.digests.get(number) {
            Some(digests) => digests.user,
            None => self.marks.get(number).map_or(0, |marks| marks.user.into()),
        }
    }
}

/// Judges the rows of one block, into `judged`, which is empty but may have room. Shapes of lines are learnt on from
/// block to block. With `identify`, valid rows get their digests.
pub fn judge<'c>(
    block: &'c Block,
    layout: &'c Layout,
    catalog: &'c Catalog,
    shapes: &mut Shapes,
    marker: &Marker,
    identify: bool,
    judged: Judged,
) -> Judged {
    let mut judge = Judge {
        layout,
        entries: Entries::new(catalog),
        plain: Plain::of_columns(layout),
        found: Found {
            block,
            marker,
            identify,
            judged,
            referred: Known::default(),
            scratch: String::new(),
        },
    };
    take_records(block, layout, Some(shapes), &mut judge);
    judge.found.judged
}

struct Judge<'c, 'm> {
    layout: &'c Layout,
    entries: Entries<'c>,
    plain: Plain<'c>,
    found: Found<'c, 'm>,
}

/// What is found of the rows, and what is needed to say it.
struct Found<'c, 'm> {
    block: &'c Block,
    marker: &'m Marker,
    identify: bool,
    judged: Judged,
    /// Solutions and slots that are among the references already.
    referred: Known<2, ()>,
    /// For names that have to be put together.
    scratch: String,
}

impl<'c> Taker<'c> for Judge<'c, '_> {
    fn keys(&mut self, shapes: &Shapes) {
        self.plain = Plain::of_keys(self.layout, shapes);
    }

    fn cells(&mut self, at: &At, cells: Cells<'_, 'c>) -> bool {
        let names = self.plain.names(cells);
        let found = &mut self.found;
        let problems = &mut found.judged.problems;
        let row = match self.plain.check(&mut self.entries, &names, cells, problems) {
            Plainly::Valid(row) => row,
            Plainly::Invalid(problems) => {
                found.invalid(at, Some(&names), problems);
                return true;
            }
            Plainly::Untold => return false,
        };
        let solution = names.of(Field::SolutionId);
        found.refer(&row, solution, names.of(Field::AuthExternalId));
        let mut configured = 0;
        for (slot, text) in self.plain.config(cells) {
            configured += 1;
            found.judged.references.add_config_slot(solution, slot);
            let mark = found.marker.config_text(slot, text);
            found.judged.configure(mark, slot);
        }
        found.valid(at, &names, row.checked, row.enabled, configured);
        true
    }

    fn row(&mut self, at: At, row: Option<&mut Row<'c>>, mut problems: Vec<Problem>) {
        let found = &mut self.found;
        if let Some(row) = row {
            if let Some(checked) = check::check(&mut self.entries, row, &mut problems) {
                found.judged.references.add(row, checked);
                for (slot, value) in row.config_by_slot() {
                    let mark = found.marker.config(slot, &row.tree, *value);
                    found.judged.configure(mark, slot);
                }
                let enabled = row.enabled.unwrap_or(true);
                found.valid(&at, row, checked, enabled, row.config.len());
            } else {
                let problems = found.judged.add_problems(problems);
                found.invalid(&at, Some(row), problems);
            }
        } else {
            let problems = found.judged.add_problems(problems);
            found.invalid(&at, None::<&Row<'_>>, problems);
        }
    }
}

impl Found<'_, '_> {
    fn valid(
        &mut self,
        at: &At,
        row: &impl Texts,
        checked: Checked<'_>,
        enabled: bool,
        configured: usize,
    ) {
        let judged = &mut self.judged;
        judged.row(self.block, at, true);
        if self.identify {
            let digests = check::digests(row, checked.environment);
            judged.digests.push(digests);
        }
        let (marker, scratch) = (self.marker, &mut self.scratch);
        let marks = marker.mark(row, checked.environment, enabled, configured, scratch);
        judged.marks.push(marks);
    }

    fn invalid(&mut self, at: &At, row: Option<&impl Texts>, problems: u32) {
        let mut instance = None;
        if self.identify
            && let Some(row) = row
            && let Some(id) = row.text(Field::ExternalUserId)
        {
            let mark = self.marker.instance(row);
            instance = mark.map(|mark| (user_digest(id), mark));
        }
        self.judged.row(self.block, at, false);
        self.judged.invalid.push(Invalid { problems, instance });
    }

    fn refer(&mut self, row: &PlainRow<'_>, solution: &str, slot: &str) {
        let references = &mut self.judged.references;
        references.form_data |= row.form_data;
        if row.first {
            references.add_service(row.checked);
        }
        let names = [solution, slot];
        if !solution.is_empty() && self.referred.place(names).is_none() {
            references.add_slot(solution, slot);
            self.referred.add(names, ());
        }
    }
}
