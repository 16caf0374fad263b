//! From the bytes of a block to the cells of its CSV records.
//!
//! Nearly every record is plain: cells between separators, some of them inside quotes. Those are cut here,
//! without a copy. Whatever else the csv crate would take (text behind a closing quote, a carriage return
//! that ends a line by itself) is left to the csv crate, so that there is one judge of what a record is.

use std::borrow::Cow;
use std::ops::Range;

use csv::ByteRecord;
use memchr::{memchr, memchr_iter, memchr2};

use super::blocks::count_newlines;
use super::open::Format;

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
    delimiter: u8,
    format: Format,
    /// The whole block as text, if it is text and its lines end as most files' do.
    plain: Option<&'b str>,
    at: usize,
    line: u64,
    cells: Vec<Cow<'b, str>>,
}

impl<'b> Records<'b> {
    /// The records of `bytes`, which begin on `line`.
    pub fn new(bytes: &'b [u8], format: Format, line: u64) -> Records<'b> {
        let lone_return = memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'));
        Records {
            bytes,
            delimiter: format.delimiter().unwrap_or(b','),
            format,
            plain: std::str::from_utf8(bytes).ok().filter(|_| !lone_return),
            at: 0,
            line,
            cells: Vec::new(),
        }
    }

    /// Whether every record of the block is text.
    pub fn is_text(&self) -> bool {
        self.plain.is_some()
    }

    /// The next record: where it stands and, unless it is not text, its cells. Blank lines are no records.
    pub fn next_record(&mut self) -> Option<(At, Option<&[Cow<'b, str>]>)> {
        while let Some(end @ (b'\n' | b'\r')) = self.bytes.get(self.at) {
            self.line += u64::from(*end == b'\n');
            self.at += 1;
        }
        if self.at >= self.bytes.len() {
            return None;
        }
        let (start, line) = (self.at, self.line);
        self.cells.clear();
        let text = match self.plain.and_then(|text| self.cut(text)) {
            Some(()) => true,
            None => self.parse(start, line),
        };
        let bytes = start..trimmed(self.bytes, start, self.at);
        Some((At { line, bytes }, text.then_some(&self.cells)))
    }

    /// Cuts a plain record; `None` where it is not plain: it is not read past then.
    fn cut(&mut self, text: &'b str) -> Option<()> {
        let (mut at, mut line) = (self.at, self.line);
        loop {
            let (cell, end) = if self.bytes.get(at) == Some(&b'"') {
                let (cell, end) = quoted(text, at + 1)?;
                line += count_newlines(&self.bytes[at..end]);
                (cell, end)
            } else {
                let rest = &self.bytes[at..];
                let length = memchr2(self.delimiter, b'\n', rest).unwrap_or(rest.len());
                (Cow::Borrowed(&text[at..at + length]), at + length)
            };
            match self.bytes.get(end) {
                Some(b'\n') => {
                    let cell = match cell {
                        Cow::Borrowed(cell) if self.bytes[end - 1] == b'\r' => {
                            Cow::Borrowed(cell.strip_suffix('\r').unwrap_or(cell))
                        }
                        cell => cell,
                    };
                    self.cells.push(cell);
                    (self.at, self.line) = (end + 1, line + 1);
                    return Some(());
                }
                Some(b'\r') if self.bytes.get(end + 1) == Some(&b'\n') => {
                    self.cells.push(cell);
                    (self.at, self.line) = (end + 2, line + 1);
                    return Some(());
                }
                None => {
                    self.cells.push(cell);
                    (self.at, self.line) = (end, line);
                    return Some(());
                }
                Some(next) if *next == self.delimiter => self.cells.push(cell),
                Some(_) => return None,
            }
            at = end + 1;
        }
    }

    /// Has the csv crate parse one record; whether it is text.
    fn parse(&mut self, start: usize, line: u64) -> bool {
        self.cells.clear();
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
                Ok(cell) => self.cells.push(Cow::Owned(cell.to_owned())),
                Err(_) => return false,
            }
        }
        true
    }
}

/// The cell that begins just after an opening quote, and where its closing quote ends.
fn quoted(text: &str, start: usize) -> Option<(Cow<'_, str>, usize)> {
    let bytes = text.as_bytes();
    let (mut at, mut doubled) = (start, false);
    loop {
        at += memchr(b'"', &bytes[at..])?;
        if bytes.get(at + 1) != Some(&b'"') {
            break;
        }
        doubled = true;
        at += 2;
    }
    let cell = &text[start..at];
    let cell = if doubled {
        Cow::Owned(cell.replace("\"\"", "\""))
    } else {
        Cow::Borrowed(cell)
    };
    Some((cell, at + 1))
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

    fn ours(bytes: &[u8]) -> Vec<(At, Option<Vec<String>>)> {
        let mut records = Records::new(bytes, Format::Csv, 7);
        let mut out = Vec::new();
        while let Some((at, cells)) = records.next_record() {
            let cells = cells.map(|cells| cells.iter().map(|c| c.to_string()).collect());
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
        let cells = cells.unwrap();
        assert_eq!(cells, ["a", "b,\nc", "\u{e4}", ""]);
        assert!(cells.iter().all(|cell| matches!(cell, Cow::Borrowed(_))));
        let (at, cells) = records.next_record().unwrap();
        assert_eq!(
            (at.line, cells.unwrap()),
            (4, &["d\"e", "", "f"].map(Cow::from)[..])
        );
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
