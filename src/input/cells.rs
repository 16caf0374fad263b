//! Where CSV records end, and the cells that they are made of.
//!
//! The csv crate is lenient: it takes the secret `"pa\"ss"` for `pa\ss"`. A credential must not be altered on its
//! way, so records are cut here, strictly; a property test holds what is accepted to what the csv crate reads. Cells
//! are lent from the block, since a copy of a credential would have to be wiped, which is also why this is faster.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::issue::{Code, Problem};
use crate::secret::wipe_text;

/// The offsets behind the newlines that end records. Without a delimiter (JSON Lines), every newline ends one.
pub(super) struct RecordEnds<'b> {
    bytes: &'b [u8],
    delimiter: Option<u8>,
    at: usize,
    quoted: bool,
}

impl<'b> RecordEnds<'b> {
    /// `bytes` begin with a record.
    pub(super) fn new(bytes: &'b [u8], delimiter: Option<u8>) -> RecordEnds<'b> {
        RecordEnds {
            bytes,
            delimiter,
            at: 0,
            quoted: false,
        }
    }

    /// Behind the last record: whether a quote was never closed.
    pub(super) fn is_quoted(&self) -> bool {
        self.quoted
    }
}

impl Iterator for RecordEnds<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let rest = &self.bytes[self.at..];
            let found = match self.delimiter {
                Some(_) if self.quoted => memchr(b'"', rest),
                Some(_) => memchr2(b'\n', b'"', rest),
                None => memchr(b'\n', rest),
            };
            let Some(found) = found else {
                self.at = self.bytes.len();
                return None;
            };
            let at = self.at + found;
            self.at = at + 1;
            if self.bytes[at] == b'\n' {
                return Some(self.at);
            }
            self.quoted = if !self.quoted {
                // elsewhere than at the beginning of a cell, a quote is a character like any other
                let before = at.checked_sub(1).map(|before| self.bytes[before]);
                before.is_none_or(|before| before == b'\n' || Some(before) == self.delimiter)
            } else if self.bytes.get(self.at) == Some(&b'"') {
                self.at += 1;
                true
            } else {
                false
            };
        }
    }
}

/// The cells of a record; those in which quotes were doubled are copies.
#[derive(Default)]
pub(super) struct Cells<'b>(Vec<Cow<'b, str>>);

impl<'b> Cells<'b> {
    /// Cuts a record, without its line end.
    ///
    /// # Errors
    /// Where a reader could take its quotes for something else than was meant.
    pub(super) fn cut(
        &mut self,
        record: &'b str,
        delimiter: u8,
    ) -> Result<&[Cow<'b, str>], Problem> {
        self.clear();
        let bytes = record.as_bytes();
        let has_return = memchr(b'\r', bytes).is_some();
        let mut start = 0;
        loop {
            let end = if bytes.get(start) == Some(&b'"') {
                let (cell, end) = quoted(record, start).ok_or_else(|| stray_quote(start))?;
                self.0.push(cell);
                if bytes.get(end).is_some_and(|byte| *byte != delimiter) {
                    return Err(stray_quote(end));
                }
                end
            } else {
                let end = memchr(delimiter, &bytes[start..]).map_or(bytes.len(), |at| start + at);
                let cell = &record[start..end];
                let spaced = bytes
                    .get(start)
                    .is_some_and(|byte| !byte.is_ascii_graphic());
                if spaced && cell.trim_start().starts_with('"') {
                    return Err(stray_quote(start));
                }
                if has_return && let Some(at) = memchr(b'\r', cell.as_bytes()) {
                    return Err(stray_return(start + at));
                }
                self.0.push(Cow::Borrowed(cell));
                end
            };
            if end == bytes.len() {
                return Ok(&self.0);
            }
            start = end + 1;
        }
    }

    fn clear(&mut self) {
        self.0.iter_mut().for_each(wipe_text);
        self.0.clear();
    }
}

impl Drop for Cells<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The cell whose quotes open at `start`, and where it ends.
fn quoted(record: &str, start: usize) -> Option<(Cow<'_, str>, usize)> {
    let bytes = record.as_bytes();
    let (mut at, mut doubled) = (start + 1, false);
    loop {
        at += memchr(b'"', &bytes[at..])?;
        if bytes.get(at + 1) != Some(&b'"') {
            break;
        }
        doubled = true;
        at += 2;
    }
    let text = &record[start + 1..at];
    let cell = match doubled {
        true => Cow::Owned(text.replace("\"\"", "\"")),
        false => Cow::Borrowed(text),
    };
    Some((cell, at + 1))
}

fn stray_quote(at: usize) -> Problem {
    let message = format!(
        "has text before or behind the quotes of a cell (byte {} of the row); quote the whole cell, and double each quote that is part of its text",
        at + 1
    );
    Problem::new("", Code::StrayQuote, message)
}

fn stray_return(at: usize) -> Problem {
    let message = format!(
        "has a carriage return that ends no line (byte {} of the row); save the file with LF or CRLF line ends, and quote a cell of several lines",
        at + 1
    );
    Problem::new("", Code::RaggedRow, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(record: &str) -> Result<Vec<String>, Code> {
        let mut cells = Cells::default();
        let cut = cells.cut(record, b',').map_err(|problem| problem.code)?;
        Ok(cut.iter().map(|cell| cell.to_string()).collect())
    }

    /// What the csv crate makes of some records.
    fn theirs(text: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).flexible(true);
        let records = reader.from_reader(text.as_bytes()).into_records();
        let cells = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
        records.map(|record| cells(record.unwrap())).collect()
    }

    #[test]
    fn cells_are_lent_and_quotes_are_taken_at_their_word() {
        let read = |cells: &[&str]| Ok(cells.iter().map(|cell| (*cell).to_owned()).collect());
        assert_eq!(
            cut("a,\"b,\nc\",\u{e4},"),
            read(&["a", "b,\nc", "\u{e4}", ""])
        );
        assert_eq!(
            cut("\"d\"\"e\",\"\",5\" pipe"),
            read(&["d\"e", "", "5\" pipe"])
        );
        for refused in ["a, \"b\"", "\"pa\\\"ss\"", "\"abc\"def", "\"abc\" ", "\"a"] {
            assert_eq!(cut(refused), Err(Code::StrayQuote), "{refused}");
        }
        assert_eq!(cut("a\rb,c"), Err(Code::RaggedRow));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Whatever is accepted, the csv crate reads alike; and whatever it writes is accepted.
        #[test]
        fn records_are_what_the_csv_crate_says(text in "[ a\",\n\u{e4}]{0,24}", cells in prop::collection::vec("[ a\",\n\r\u{e4}]{0,6}", 2..5)) {
            let mut start = 0;
            for end in RecordEnds::new(text.as_bytes(), Some(b',')).chain([text.len()]) {
                let record = text[start..end].trim_end_matches('\n');
                if let (false, Ok(cells)) = (record.is_empty(), cut(record)) {
                    prop_assert_eq!(theirs(record), vec![cells]);
                }
                start = end;
            }
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(&cells).unwrap();
            let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(cut(written.trim_end_matches('\n')), Ok(cells));
        }
    }
}
