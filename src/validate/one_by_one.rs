//! Rows checked one after the other, by whoever reads the file for another purpose and wants to know which of
//! its rows are valid. Judged as the [`pipeline`](super::pipeline) judges them, every row
//! put together.

use super::across::Across;
use super::check::{self, Checked, Entries};
use super::marks::{ConfigMark, Marker};
use crate::catalog::Catalog;
use crate::input::row::Row;
use crate::issue::Problem;

/// The rows of a file so far.
pub struct OneByOne<'c> {
    entries: Entries<'c>,
    across: Across,
    marker: Marker,
    marks: Vec<ConfigMark>,
    scratch: String,
}

impl<'c> OneByOne<'c> {
    /// Before the first row.
    pub fn new(catalog: &'c Catalog) -> OneByOne<'c> {
        OneByOne {
            entries: Entries::new(catalog),
            across: Across::new(false),
            marker: Marker::default(),
            marks: Vec::new(),
            scratch: String::new(),
        }
    }

    /// Checks the next row, by itself and against those before it: what is wrong with it is added to `problems`,
    /// and where nothing is, its entry comes back.
    pub fn check(
        &mut self,
        number: u64,
        row: Option<&mut Row<'_>>,
        problems: &mut Vec<Problem>,
    ) -> Option<Checked<'c>> {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let checked = row.and_then(|row| {
            let checked = check::check(&mut self.entries, row, problems)?;
            Some((row, checked))
        });
        let Some((row, checked)) = checked else {
            self.across.leave_out(number);
            return None;
        };
        let config = row.config_by_slot();
        self.marks.clear();
        self.marks.extend(
            config
                .iter()
                .map(|(slot, value)| self.marker.config(slot, &row.tree, *value)),
        );
        let marks = self.marker.mark(
            row,
            checked.environment,
            row.enabled.unwrap_or(true),
            row.config.len(),
            &mut self.scratch,
        );
        let user = self.across.number_user(marks.user.into());
        let admitted = self.across.admit(number, user, &marks, &self.marks);
        if admitted.is_some() {
            return Some(checked);
        }
        let name = |mark| {
            let mut slots = self.marks.iter().zip(&config);
            let found = slots.find(|(known, _)| known.slot == mark);
            found.map_or("", |(_, (slot, _))| slot.as_ref())
        };
        let clashes = self.across.clashes();
        problems.extend(clashes.into_iter().map(|clash| clash.problem(name)));
        None
    }
}
