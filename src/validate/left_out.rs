//! Which rows of a file are not among those that count, so that a row's number follows from its place among them.

/// The numbers of rows that do not count, ascending; rows are counted from 1.
#[derive(Debug, Default)]
pub struct LeftOut(Vec<u32>);

impl LeftOut {
    /// Adds a row, which stands behind all that were added before.
    pub fn add(&mut self, row: u32) {
        self.0.push(row);
    }

    /// The number of the row at this place, counted from 0, of those that count.
    pub fn number(&self, at: usize) -> u32 {
        // how many rows were left out before it
        let (mut before, mut end) = (0, self.0.len());
        while before < end {
            let middle = before.midpoint(end);
            if (self.0[middle] as usize) <= at + middle + 1 {
                before = middle + 1;
            } else {
                end = middle;
            }
        }
        u32::try_from(at + before + 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_knows_its_number_whatever_was_left_out() {
        for left_out in [
            vec![],
            vec![1],
            vec![1, 2, 3],
            vec![2, 5, 6, 11],
            vec![10],
            vec![11],
        ] {
            let valid = (1..=10).filter(|number| !left_out.contains(number));
            let index = LeftOut(left_out.clone());
            for (at, number) in valid.enumerate() {
                assert_eq!(index.number(at), number, "{at} without {left_out:?}");
            }
        }
    }
}
