//! Which rows of a file are invalid, so that a valid row's number follows from its place among the valid ones.

/// The numbers of the invalid rows, ascending; rows are counted from 1.
#[derive(Debug, Default)]
pub struct InvalidRows(Vec<u32>);

impl InvalidRows {
    /// Adds a row, which stands behind all that were added before.
    pub(crate) fn add(&mut self, row: u32) {
        self.0.push(row);
    }

    /// Adds rows from anywhere.
    pub(crate) fn add_all(&mut self, rows: impl IntoIterator<Item = u32>) {
        self.0.extend(rows);
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// Whether this row is invalid.
    pub(crate) fn contains(&self, row: u32) -> bool {
        self.0.binary_search(&row).is_ok()
    }

    /// The number of the valid row at this place, counted from 0.
    pub(crate) fn number_of(&self, valid: usize) -> u32 {
        // how many invalid rows stand before it
        let (mut before, mut end) = (0, self.0.len());
        while before < end {
            let middle = before.midpoint(end);
            if (self.0[middle] as usize) <= valid + middle + 1 {
                before = middle + 1;
            } else {
                end = middle;
            }
        }
        u32::try_from(valid + before + 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_knows_its_number_whatever_is_invalid() {
        for invalid in [
            vec![],
            vec![1],
            vec![1, 2, 3],
            vec![2, 5, 6, 11],
            vec![10],
            vec![11],
        ] {
            let valid = (1..=10).filter(|number| !invalid.contains(number));
            let rows = InvalidRows(invalid.clone());
            for (at, number) in valid.enumerate() {
                assert_eq!(rows.number_of(at), number, "{at} without {invalid:?}");
            }
        }
    }
}
