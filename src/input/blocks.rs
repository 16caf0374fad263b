//! Cutting a stream into blocks at record boundaries, without parsing it.
//!
//! The cutter follows CSV quoting exactly as far as it must to know which newline ends a record; parsing
//! is left to whoever gets the block, on another core. A record that never ends (an open quote) or is
//! longer than [`MAX_RECORD`] becomes a [`Block`] of its own that says what is wrong with it, and reading
//! goes on at the next physical line, so that one bad row does not hide those after it.

use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr, memchr2, memrchr};
use zeroize::Zeroizing;

use super::MAX_RECORD;
use super::open::Format;
use crate::issue::Code;

/// A run of whole records.
#[derive(Debug)]
pub struct Block {
    /// The records' bytes, line ends included. Wiped on drop: they hold credentials.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The physical line, counted from 1, on which the block starts.
    pub line: u64,
    /// Set where this is one record that cannot be parsed, with the reason.
    pub broken: Option<Code>,
}

/// An iterator over the blocks of an input.
pub struct Blocks<R> {
    reader: R,
    delimiter: Option<u8>,
    target: usize,
    /// Read but not handed out yet; starts at a record boundary.
    pending: Zeroizing<Vec<u8>>,
    line: u64,
    ended: bool,
    expected: Option<u64>,
    /// Inside an over-long line whose end has not been seen.
    skipping: bool,
    /// Memory of blocks that have been dealt with, for those to come.
    spare: Vec<Zeroizing<Vec<u8>>>,
}

/// How much is gathered before a block is cut.
const TARGET: usize = 512 * 1024;

impl<R: Read> Blocks<R> {
    /// Blocks of about half a MiB.
    pub fn new(reader: R, format: Format) -> Blocks<R> {
        Blocks::with_target(reader, format, TARGET)
    }

    fn with_target(reader: R, format: Format, target: usize) -> Blocks<R> {
        Blocks {
            reader,
            delimiter: format.delimiter(),
            target,
            pending: Zeroizing::new(Vec::new()),
            line: 1,
            ended: false,
            expected: None,
            skipping: false,
            spare: Vec::new(),
        }
    }

    /// Says how many bytes there will be, where that is known.
    pub fn expecting(mut self, bytes: Option<u64>) -> Blocks<R> {
        self.expected = bytes;
        self
    }

    /// How many bytes there will be, where that is known.
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// Takes a block's memory back. What stands in it is overwritten by what is read next, and wiped at last.
    pub fn recycle(&mut self, block: Block) {
        self.spare.push(block.bytes);
    }

    /// The first record alone: the header of a CSV file. `None` for an empty input.
    ///
    /// # Errors
    /// When reading fails.
    pub fn header(&mut self) -> io::Result<Option<Block>> {
        loop {
            let start = self
                .pending
                .iter()
                .position(|b| !matches!(b, b'\n' | b'\r'))
                .unwrap_or(self.pending.len());
            match self.first_end(start) {
                Some(end) => return Ok(Some(self.cut(end, None))),
                None if self.pending.len() - start > MAX_RECORD => {
                    return Ok(Some(self.cut_line(Code::FieldTooLong)));
                }
                None if self.ended && start == self.pending.len() => return Ok(None),
                None if self.ended => {
                    let open = Scan::new(&self.pending[start..], self.delimiter).quoted_at_end();
                    return Ok(Some(if open {
                        self.cut_line(Code::UnclosedQuote)
                    } else {
                        self.cut(self.pending.len(), None)
                    }));
                }
                None => self.fill()?,
            }
        }
    }

    fn first_end(&self, start: usize) -> Option<usize> {
        let mut scan = Scan::new(&self.pending[start..], self.delimiter);
        scan.next_end().map(|end| start + end)
    }

    /// The next block, or `None` at the end of the input.
    ///
    /// # Errors
    /// When reading or decompressing fails.
    pub fn next_block(&mut self) -> io::Result<Option<Block>> {
        loop {
            while !self.ended && self.pending.len() < self.target {
                self.fill()?;
            }
            if self.skipping {
                match memchr(b'\n', &self.pending) {
                    Some(at) => {
                        self.drop_front(at + 1);
                        self.skipping = false;
                    }
                    None => {
                        let all = self.pending.len();
                        self.drop_front(all);
                    }
                }
                if self.ended && self.pending.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            if self.pending.is_empty() {
                return Ok(None);
            }
            let (end, open) = self.last_end();
            if end > 0 {
                return Ok(Some(self.cut(end, None)));
            }
            if self.pending.len() > MAX_RECORD {
                return Ok(Some(self.cut_line(Code::FieldTooLong)));
            }
            if !self.ended {
                self.fill()?;
                continue;
            }
            return Ok(Some(if open {
                self.cut_line(Code::UnclosedQuote)
            } else {
                self.cut(self.pending.len(), None)
            }));
        }
    }

    /// Where the last whole record ends, and whether a quote is open at the end of what was read.
    fn last_end(&self) -> (usize, bool) {
        if self.delimiter.is_none() {
            return (memrchr(b'\n', &self.pending).map_or(0, |at| at + 1), false);
        }
        // no record of it can be too long, so that only the last end counts
        if self.pending.len() <= MAX_RECORD {
            return self.last_end_of_short();
        }
        let mut scan = Scan::new(&self.pending, self.delimiter);
        let mut last = 0;
        while let Some(end) = scan.next_end() {
            // a record this long is reported by itself, even where its end is in sight
            if end - last > MAX_RECORD && last > 0 {
                return (last, false);
            }
            last = end;
        }
        (last, scan.quoted)
    }

    /// [`Blocks::last_end`], from one quote to the next rather than from line to line.
    fn last_end_of_short(&self) -> (usize, bool) {
        let mut scan = Scan::new(&self.pending, self.delimiter);
        let mut outside = Vec::new();
        while let Some(run) = scan.next_outside() {
            outside.push(run);
        }
        let end = |run: Range<usize>| {
            let found = memrchr(b'\n', &self.pending[run.clone()])?;
            Some(run.start + found + 1)
        };
        let last = outside.into_iter().rev().find_map(end).unwrap_or(0);
        (last, scan.quoted)
    }

    fn fill(&mut self) -> io::Result<()> {
        let held = self.pending.len();
        let want = self.target.max(64);
        // `Vec` growth would leave unwiped copies of credentials behind: move by hand
        if self.pending.capacity() < held + want {
            let mut larger = Zeroizing::new(Vec::with_capacity((held + want) * 2));
            larger.extend_from_slice(&self.pending);
            self.pending = larger;
        }
        let read = (&mut self.reader)
            .take(want as u64)
            .read_to_end(&mut self.pending);
        self.ended = read.as_ref().is_ok_and(|count| *count < want);
        read.map(|_| ())
    }

    fn cut(&mut self, end: usize, broken: Option<Code>) -> Block {
        let new = || Zeroizing::new(Vec::with_capacity(self.pending.len().max(self.target * 2)));
        // too small, it would grow, and leave what it held behind unwiped
        let behind = self.pending.len() - end;
        let large = |rest: &Zeroizing<Vec<u8>>| rest.capacity() >= behind;
        let mut rest = self.spare.pop().filter(large).unwrap_or_else(new);
        rest.clear();
        rest.extend_from_slice(&self.pending[end..]);
        let mut bytes = std::mem::replace(&mut self.pending, rest);
        bytes.truncate(end);
        let line = self.line;
        self.line += count_newlines(&bytes);
        Block {
            bytes,
            line,
            broken,
        }
    }

    /// Cuts off the first physical line as a record that cannot be parsed.
    fn cut_line(&mut self, code: Code) -> Block {
        match memchr(b'\n', &self.pending) {
            Some(at) => self.cut(at + 1, Some(code)),
            None => {
                self.skipping = !self.ended;
                self.cut(self.pending.len(), Some(code))
            }
        }
    }

    fn drop_front(&mut self, count: usize) {
        self.line += count_newlines(&self.pending[..count]);
        self.pending.drain(..count);
    }
}

/// How many newlines `bytes` holds.
pub fn count_newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Walks CSV bytes and finds the newlines that end records. With no delimiter, every newline does.
struct Scan<'a> {
    bytes: &'a [u8],
    delimiter: Option<u8>,
    at: usize,
    quoted: bool,
}

impl<'a> Scan<'a> {
    fn new(bytes: &'a [u8], delimiter: Option<u8>) -> Scan<'a> {
        Scan {
            bytes,
            delimiter,
            at: 0,
            quoted: false,
        }
    }

    /// The next run of bytes outside quotes; behind the last, `quoted` says whether a quote is open.
    fn next_outside(&mut self) -> Option<Range<usize>> {
        if self.quoted {
            self.quoted = !self.close();
        }
        if self.quoted || self.at == self.bytes.len() {
            return None;
        }
        let start = self.at;
        while let Some(found) = memchr(b'"', &self.bytes[self.at..]) {
            let at = self.at + found;
            self.at = at + 1;
            if self.opens(at) {
                self.quoted = true;
                return Some(start..at);
            }
        }
        self.at = self.bytes.len();
        Some(start..self.at)
    }

    /// Goes on behind the quote that closes what is open; whether there is one.
    fn close(&mut self) -> bool {
        while let Some(found) = memchr(b'"', &self.bytes[self.at..]) {
            self.at += found + 1;
            if self.bytes.get(self.at) != Some(&b'"') {
                return true;
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
        false
    }

    /// Whether a quote, where none is open, opens a field: only at the field's very start; elsewhere it is a plain
    /// character.
    fn opens(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map(|at| self.bytes[at]);
        before.is_none_or(|b| Some(b) == self.delimiter || b == b'\n' || b == b'\r')
    }

    fn quoted_at_end(mut self) -> bool {
        while self.next_end().is_some() {}
        self.quoted
    }

    /// The offset just after the newline that ends the next record.
    fn next_end(&mut self) -> Option<usize> {
        if self.delimiter.is_none() {
            let found = memchr(b'\n', &self.bytes[self.at..])?;
            self.at += found + 1;
            return Some(self.at);
        }
        loop {
            if self.quoted {
                self.quoted = !self.close();
                if self.quoted {
                    return None;
                }
            }
            let rest = &self.bytes[self.at..];
            let Some(found) = memchr2(b'\n', b'"', rest) else {
                self.at = self.bytes.len();
                return None;
            };
            let at = self.at + found;
            self.at = at + 1;
            if rest[found] == b'\n' {
                return Some(self.at);
            }
            self.quoted = self.opens(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8], format: Format, target: usize) -> Vec<(u64, Option<Code>, Vec<u8>)> {
        let mut blocks = Blocks::with_target(text, format, target);
        let mut out = Vec::new();
        while let Some(block) = blocks.next_block().unwrap() {
            out.push((block.line, block.broken, block.bytes.to_vec()));
        }
        out
    }

    #[test]
    fn quoted_newlines_do_not_end_a_record() {
        let text = b"a,\"x\ny\"\nb,2\" disk\nc,\"q\"\"\n\"\n";
        let got = all(text, Format::Csv, 1);
        let joined: Vec<u8> = got.iter().flat_map(|b| b.2.clone()).collect();
        assert_eq!(joined, text);
        assert!(got.iter().all(|b| b.1.is_none()));
        for (_, _, bytes) in &got {
            let starts = [b'a', b'b', b'c'];
            assert!(starts.contains(&bytes[0]), "{bytes:?}");
        }
    }

    #[test]
    fn an_open_quote_is_one_bad_line_and_reading_goes_on() {
        let got = all(b"a,1\nb,\"open\nc,3\nd,4\n", Format::Csv, 1 << 20);
        assert_eq!(got[0].2, b"a,1\n");
        assert_eq!((got[1].0, got[1].1), (2, Some(Code::UnclosedQuote)));
        assert_eq!(got[1].2, b"b,\"open\n");
        assert_eq!(got[2], (3, None, b"c,3\nd,4\n".to_vec()));
    }

    #[test]
    fn an_over_long_line_is_skipped_with_its_position() {
        let mut text = b"{}\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * MAX_RECORD));
        text.extend(b"\n{}\n");
        let got = all(&text, Format::Jsonl, 1 << 16);
        let broken: Vec<_> = got.iter().filter(|b| b.1.is_some()).collect();
        assert_eq!(broken.len(), 1);
        assert_eq!((broken[0].0, broken[0].1), (2, Some(Code::FieldTooLong)));
        let last = got.last().unwrap();
        assert_eq!((last.0, last.2.as_slice()), (3, &b"{}\n"[..]));
    }

    proptest! {
        /// However the stream is cut, parsing the blocks one by one gives what parsing the whole gives.
        #[test]
        fn cutting_changes_nothing(
            cells in proptest::collection::vec("[a\"\n\r, é]{0,6}", 1..40),
            target in 1usize..200,
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            for pair in cells.chunks(2) {
                writer.write_record([&pair[0], pair.get(1).unwrap_or(&pair[0])]).unwrap();
            }
            let text = writer.into_inner().unwrap();
            let parse = |bytes: &[u8]| -> Vec<csv::ByteRecord> {
                csv::ReaderBuilder::new().has_headers(false).flexible(true)
                    .from_reader(bytes).byte_records().collect::<Result<_, _>>().unwrap()
            };
            let mut got = Vec::new();
            let mut line = 1;
            for (at, broken, bytes) in all(&text, Format::Csv, target) {
                prop_assert_eq!(at, line);
                prop_assert!(broken.is_none());
                line += count_newlines(&bytes);
                got.extend(parse(&bytes));
            }
            prop_assert_eq!(got, parse(&text));
        }
    }
}
