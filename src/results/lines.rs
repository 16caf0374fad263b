//! The lines of a results file, one after the other: for those who ask for more than the state of every row.

use std::io::{self, BufRead};

use super::error::FoldError;
use super::header::{Header, is_torn_header, read_header};
use super::line::{RowLine, read_line};
use super::run::{RunLine, read_run};

/// One line of a results file.
#[derive(Debug)]
pub enum Known {
    /// The first one.
    Header(Header),
    /// A change of a row.
    Row(RowLine),
    /// What a run says of itself.
    Run(RunLine),
}

/// Where a results file ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// How many bytes are whole lines.
    pub whole: u64,
    /// How many bytes of a torn last line follow.
    pub torn: u64,
}

/// Reads all lines, one at a time, and has `hear` told of each; for the rest, as [`super::fold::fold_from`].
///
/// # Errors
/// Outside: the file cannot be read. Inside: the first line that is neither whole nor torn.
pub fn read_lines(
    mut reader: impl BufRead,
    mut hear: impl FnMut(Known),
) -> io::Result<Result<Ends, FoldError>> {
    let mut ends = Ends::default();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.pop_if(|end| *end == b'\n').is_none() {
            ends.torn = length as u64;
            // a file that never was a results file must not be taken for one with a torn header
            let foreign = number == 0 && !is_torn_header(&line);
            return Ok(if foreign {
                Err(FoldError::Foreign("it has no end"))
            } else {
                Ok(ends)
            });
        }
        number += 1;
        match known(number, &line) {
            Ok(known) => hear(known),
            Err(error) => return Ok(Err(error)),
        }
        ends.whole += length as u64;
    }
}

fn known(number: usize, line: &[u8]) -> Result<Known, FoldError> {
    if number == 1 {
        return read_header(line).map(Known::Header);
    }
    match read_line(line) {
        Ok(row) => Ok(Known::Row(row)),
        Err(cause) => match read_run(line) {
            Some(run) => Ok(Known::Run(run)),
            None => Err(FoldError::Line {
                line: number,
                cause,
            }),
        },
    }
}
