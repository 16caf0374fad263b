//! The lines of a results file, one after the other: for those who ask for more than the last line of every row.

use std::io::BufRead;

use jiff::Timestamp;

use super::checksum::{Checksum, check};
use super::error::ReplayError;
use super::facts::RowFacts;
use super::header::{Header, is_torn_header};
use super::line::{RowLine, read_facts, read_line};
use super::run::{RunLine, read_run};
use crate::model::DigestMap;

/// One line of a results file.
#[derive(Debug)]
pub enum AnyLine<'a> {
    Header(Header),
    Row(RowLine<'a>, Timestamp, RowFacts),
    Run(RunLine),
}

/// Reads all whole lines, but for those whose checksum does not match: see [`super::replay`] for who says so.
///
/// # Errors
/// The first line that is neither whole nor torn.
pub fn for_each_line(
    mut reader: impl BufRead,
    mut visit: impl FnMut(AnyLine<'_>),
) -> Result<(), ReplayError> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        if line.pop_if(|end| *end == b'\n').is_none() {
            // a file that never was a results file must not be taken for one with a torn header
            if number == 1 && !is_torn_header(&line) {
                return Err(ReplayError::Foreign("it has no end"));
            }
            break;
        }
        if number == 1 {
            visit(AnyLine::Header(Header::read(&line)?));
        } else if let Ok(row) = read_line(&line) {
            if check(&line) == Checksum::Broken {
                continue;
            }
            let facts = read_facts(&line);
            let (at, facts) = facts.map_err(|cause| ReplayError::line(number, cause))?;
            visit(AnyLine::Row(row, at, facts));
        } else {
            visit(AnyLine::Run(
                read_run(&line).map_err(|cause| ReplayError::line(number, cause))?,
            ));
        }
    }
    Ok(())
}

/// What the lines of each row record besides its progress, the latest of each fact.
///
/// # Errors
/// The first line that is neither whole nor torn.
pub fn row_facts(reader: impl BufRead) -> Result<DigestMap<RowFacts>, ReplayError> {
    let mut facts: DigestMap<RowFacts> = DigestMap::default();
    for_each_line(reader, |line| {
        if let AnyLine::Row(row, _, later) = line {
            facts.entry(row.key.0).or_default().update(later);
        }
    })?;
    Ok(facts)
}
