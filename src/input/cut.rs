//! From the bytes of a block to the cells of its CSV records.
//!
//! Nearly every record is plain: cells between separators, some of them inside quotes. Those are cut here,
//! without a copy. Whatever else the csv crate would take (text behind a closing quote, a carriage return
//! that ends a line by itself) is left to the csv crate, so that there is one judge of what a record is.

use std::borrow::Cow;
use std::ops::Range;

use csv::ByteRecord;
use memchr::memchr_iter;

use super::blocks::count_newlines;
use super::open::Format;
use super::stops::Stops;
use crate::secret::wipe_text;

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The physical line, counted from 1.
    pub line: u64,
    /// The record's bytes within its block, without the line end.
    pub bytes: Range<usize>,
}

/// The records of one block.
pub struct Records<'b> {
    bytes: &'b [u8],
    format: Format,
    /// The whole block as text, if it is text and its lines end as most files' do.
    plain: Option<&'b str>,
    at: usize,
    line: u64,
    delimiter: u8,
    stops: Stops<'b>,
    lent: Vec<&'b str>,
    copied: Vec<Cow<'b, str>>,
}

/// The cells of a record.
#[derive(Clone, Copy)]
pub enum Cells<'r, 'b> {
    /// As they stand in the block.
    Lent(&'r [&'b str]),
    /// Some of them copied; of JSON Lines, the texts of the keys that were learnt, empty where there is none.
    Copied(&'r [Cow<'b, str>]),
}

impl<'r, 'b> Cells<'r, 'b> {
    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Cells::Lent(cells) => cells.len(),
            Cells::Copied(cells) => cells.len(),
        }
    }

    /// The text of a column.
    pub fn text(self, column: usize) -> Option<&'r str> {
        match self {
            Cells::Lent(cells) => cells.get(column).copied(),
            Cells::Copied(cells) => cells.get(column).map(Cow::as_ref),
        }
    }

    /// The cell of a column.
    pub fn get(self, column: usize) -> Option<Cow<'b, str>> {
        match self {
            Cells::Lent(cells) => cells.get(column).map(|cell| Cow::Borrowed(*cell)),
            Cells::Copied(cells) => cells.get(column).cloned(),
        }
    }
}

impl<'b> Records<'b> {
    /// The records of `bytes`, which begin on `line`.
    pub fn new(bytes: &'b [u8], format: Format, line: u64) -> Records<'b> {
        let delimiter = format.delimiter().unwrap_or(b',');
        Records {
            bytes,
            format,
            plain: std::str::from_utf8(bytes)
                .ok()
                .filter(|_| !has_lone_return(bytes)),
            at: 0,
            line,
            delimiter,
            stops: Stops::new(bytes, delimiter),
            lent: Vec::new(),
            copied: Vec::new(),
        }
    }

    /// Whether every record of the block is text.
    pub fn is_text(&self) -> bool {
        self.plain.is_some()
    }

    /// The next record: where it stands and, unless it is not text, its cells. Blank lines are no records.
    pub fn next_record(&mut self) -> Option<(At, Option<Cells<'_, 'b>>)> {
        let from = self.at;
        while let Some(end @ (b'\n' | b'\r')) = self.bytes.get(self.at) {
            self.line += u64::from(*end == b'\n');
            self.at += 1;
        }
        if self.at >= self.bytes.len() {
            return None;
        }
        if self.at != from {
            self.stops.go_to(self.at);
        }
        let (start, line) = (self.at, self.line);
        let cells = if self.lend().is_some() {
            Some(Cells::Lent(&self.lent))
        } else {
            self.stops.go_to(start);
            let is_text = self.copy().is_some() || {
                let is_text = self.parse(start, line);
                self.stops.go_to(self.at);
                is_text
            };
            is_text.then_some(Cells::Copied(&self.copied))
        };
        let bytes = start..trimmed(self.bytes, start, self.at);
        Some((At { line, bytes }, cells))
    }

    /// Cuts a plain record of which no cell has to be copied.
    fn lend(&mut self) -> Option<()> {
        let mut cells = std::mem::take(&mut self.lent);
        cells.clear();
        let done = self.cut(&mut cells, |cell, doubled| (!doubled).then_some(cell));
        self.lent = cells;
        done
    }

    /// Cuts a plain record in which quotes are doubled.
    fn copy(&mut self) -> Option<()> {
        let mut cells = std::mem::take(&mut self.copied);
        forget(&mut cells);
        let done = self.cut(&mut cells, |cell, doubled| {
            Some(match doubled {
                true => Cow::Owned(cell.replace("\"\"", "\"")),
                false => Cow::Borrowed(cell),
            })
        });
        self.copied = cells;
        done
    }

    /// Cuts a plain record and goes on behind it; `None`, and nowhere, where it is not plain, or `make` has no use for
    /// one of its cells.
    fn cut<C>(
        &mut self,
        cells: &mut Vec<C>,
        make: impl Fn(&'b str, bool) -> Option<C>,
    ) -> Option<()> {
        let text = self.plain?;
        let bytes = text.as_bytes();
        // in a copy, so that it stays in registers
        let mut stops = self.stops;
        let (mut start, mut line) = (self.at, self.line);
        loop {
            let mut stop = stops.pass();
            // most cells stand without quotes and before another one
            if let Some(at) = stop
                && bytes[at] == self.delimiter
            {
                cells.push(make(&text[start..at], false)?);
                start = at + 1;
                continue;
            }
            let quoted = bytes.get(start) == Some(&b'"');
            let (mut cell, mut doubled) = ("", false);
            if quoted {
                let end = loop {
                    let at = stops.pass()?;
                    match bytes[at] {
                        b'\n' => line += 1,
                        b'"' if bytes.get(at + 1) == Some(&b'"') => {
                            doubled = true;
                            stops.pass();
                        }
                        b'"' => break at,
                        _ => {}
                    }
                };
                cell = &text[start + 1..end];
                start = end + 1;
                stop = stops.pass();
            }
            // within a cell, a quote stands for itself
            while let Some(at) = stop
                && bytes[at] == b'"'
                && !quoted
            {
                stop = stops.pass();
            }
            let end = stop.unwrap_or(bytes.len());
            let mut rest = &text[start..end];
            let ends = stop.is_none_or(|at| bytes[at] == b'\n');
            if ends && stop.is_some() {
                rest = rest.strip_suffix('\r').unwrap_or(rest);
            }
            if !quoted {
                cell = rest;
            } else if !rest.is_empty() {
                return None;
            }
            cells.push(make(cell, doubled)?);
            if ends {
                self.stops = stops;
                (self.at, self.line) = match stop {
                    Some(at) => (at + 1, line + 1),
                    None => (end, line),
                };
                return Some(());
            }
            start = end + 1;
        }
    }

    /// Has the csv crate parse one record; whether it is text.
    fn parse(&mut self, start: usize, line: u64) -> bool {
        forget(&mut self.copied);
        let mut record = ByteRecord::new();
        // the csv crate would take a byte order mark off here and count on without it
        let mark = "\u{feff}".as_bytes();
        let from = start + usize::from(self.bytes[start..].starts_with(mark)) * mark.len();
        let mut reader = csv_reader(self.format, &self.bytes[from..]);
        // reading from memory cannot fail, and `flexible` leaves no other error
        let read = reader.read_byte_record(&mut record).unwrap_or(false);
        let length = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        let end = from.saturating_add(length).min(self.bytes.len());
        self.at = if read && end > start {
            end
        } else {
            self.bytes.len()
        };
        self.line = line + count_newlines(&self.bytes[start..self.at]);
        for cell in &record {
            match std::str::from_utf8(cell) {
                Ok(cell) => self.copied.push(Cow::Owned(cell.to_owned())),
                Err(_) => return false,
            }
        }
        true
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        forget(&mut self.copied);
    }
}

/// Whether a carriage return stands anywhere but before a line feed.
pub(super) fn has_lone_return(bytes: &[u8]) -> bool {
    memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}

/// Empties a record's cells, and wipes those that were copied.
pub(super) fn forget(cells: &mut Vec<Cow<'_, str>>) {
    cells.iter_mut().for_each(wipe_text);
    cells.clear();
}

/// A reader of the dialect that [`super::blocks`] cuts by.
pub(super) fn csv_reader(format: Format, bytes: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(format.delimiter().unwrap_or(b','))
        .from_reader(bytes)
}

/// The end of the record's text: `end` without the line end before it.
pub(super) fn trimmed(bytes: &[u8], start: usize, end: usize) -> usize {
    let tail = bytes[start..end]
        .iter()
        .rev()
        .take_while(|b| matches!(b, b'\n' | b'\r'))
        .count();
    end - tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the csv crate alone makes of it: the line, the bytes and the cells of every record.
    fn theirs(bytes: &[u8]) -> Vec<(At, Option<Vec<String>>)> {
        let mut reader = csv_reader(Format::Csv, bytes);
        let mut record = ByteRecord::new();
        let (mut out, mut behind) = (Vec::new(), 0);
        while reader.read_byte_record(&mut record).unwrap() {
            let blank = |b: &&u8| matches!(b, b'\n' | b'\r');
            let start = behind + bytes[behind..].iter().take_while(blank).count();
            behind = usize::try_from(reader.position().byte()).unwrap();
            let at = At {
                line: 7 + count_newlines(&bytes[..start]),
                bytes: start..trimmed(bytes, start, behind),
            };
            let cells = record
                .iter()
                .map(|cell| String::from_utf8(cell.to_vec()).ok())
                .collect();
            out.push((at, cells));
        }
        out
    }

    fn texts(cells: Cells<'_, '_>) -> Vec<String> {
        let cell = |column| cells.get(column).map(Cow::into_owned);
        (0..cells.count()).map_while(cell).collect()
    }

    fn ours(bytes: &[u8]) -> Vec<(At, Option<Vec<String>>)> {
        let mut records = Records::new(bytes, Format::Csv, 7);
        let mut out = Vec::new();
        while let Some((at, cells)) = records.next_record() {
            let cells = cells.map(|cells| texts(cells));
            out.push((at, cells));
        }
        out
    }

    #[test]
    fn plain_records_are_cut_without_a_copy() {
        let bytes = b"a,\"b,\nc\",\xc3\xa4,\r\n\n\"d\"\"e\",\"\",\"f\"";
        let mut records = Records::new(bytes, Format::Csv, 1);
        let (at, cells) = records.next_record().unwrap();
        assert_eq!((at.line, at.bytes), (1, 0..12));
        let Some(Cells::Lent(cells)) = cells else {
            panic!("copied");
        };
        assert_eq!(cells, ["a", "b,\nc", "\u{e4}", ""]);
        let (at, cells) = records.next_record().unwrap();
        assert_eq!(at.line, 4);
        assert_eq!(texts(cells.unwrap()), ["d\"e", "", "f"]);
        assert!(records.next_record().is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn records_are_what_the_csv_crate_says(text in "[a\",\n\r\u{e4}]{0,24}") {
            prop_assert_eq!(ours(text.as_bytes()), theirs(text.as_bytes()));
        }

        #[test]
        fn also_where_they_are_not_text(bytes in prop::collection::vec(
            prop::sample::select(vec![b'a', b'"', b',', b'\n', b'\r', 0xff]), 0..16,
        )) {
            prop_assert_eq!(ours(&bytes), theirs(&bytes));
        }
    }
}
