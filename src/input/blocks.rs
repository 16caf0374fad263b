//! Cutting a stream into blocks at record boundaries, without parsing it.
//!
//! The cutter follows CSV quoting exactly as far as it must to know which newline ends a record; parsing
//! is left to whoever gets the block, on another core. A record that never ends (an open quote) or is
//! longer than [`MAX_RECORD`] becomes a [`Block`] of its own that says what is wrong with it, and reading
//! goes on at the next physical line, so that one bad row does not hide those after it.

use std::io::{self, Read};

use memchr::{memchr, memrchr};
use zeroize::Zeroizing;

use super::MAX_RECORD;
use super::cells::RecordEnds;
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
            skipping: false,
            spare: Vec::new(),
        }
    }

    /// What separates cells from here on.
    pub(super) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = Some(delimiter);
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
            let is_blank = |byte: &&u8| matches!(byte, b'\n' | b'\r');
            let start = self.pending.iter().take_while(is_blank).count();
            if self.ended && start == self.pending.len() {
                return Ok(None);
            }
            let mut ends = RecordEnds::new(&self.pending[start..], self.delimiter);
            let end = ends.next().map_or(0, |end| start + end);
            let quoted = ends.is_quoted();
            match self.cut_at(end, quoted) {
                Some(block) => return Ok(Some(block)),
                None => self.fill()?,
            }
        }
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
                let line_end = memchr(b'\n', &self.pending);
                self.drop_front(line_end.map_or(self.pending.len(), |at| at + 1));
                self.skipping = line_end.is_none() && !self.ended;
                continue;
            }
            if self.pending.is_empty() {
                return Ok(None);
            }
            let (end, quoted) = self.last_end();
            match self.cut_at(end, quoted) {
                Some(block) => return Ok(Some(block)),
                None => self.fill()?,
            }
        }
    }

    /// Where the last whole record ends, and whether a quote is open at the end of what was read.
    fn last_end(&self) -> (usize, bool) {
        if self.delimiter.is_none() {
            return (memrchr(b'\n', &self.pending).map_or(0, |at| at + 1), false);
        }
        let mut ends = RecordEnds::new(&self.pending, self.delimiter);
        let mut last = 0;
        for end in ends.by_ref() {
            // a record this long is reported by itself, even where its end is in sight
            if end - last > MAX_RECORD && last > 0 {
                return (last, false);
            }
            last = end;
        }
        (last, ends.is_quoted())
    }

    fn fill(&mut self) -> io::Result<()> {
        let before = self.pending.len();
        let want = self.target.max(64);
        // `Vec` growth would leave unwiped copies of credentials behind: move by hand
        if self.pending.capacity() < before + want {
            let mut larger = Zeroizing::new(Vec::with_capacity((before + want) * 2));
            larger.extend_from_slice(&self.pending);
            self.pending = larger;
        }
        let read = (&mut self.reader)
            .take(want as u64)
            .read_to_end(&mut self.pending);
        self.ended = read.as_ref().is_ok_and(|count| *count < want);
        read.map(|_| ())
    }

    /// Cuts off what is whole: up to `end`, or what cannot be. `None` where more has to be read first.
    fn cut_at(&mut self, end: usize, quoted: bool) -> Option<Block> {
        if end > 0 {
            Some(self.cut(end, None))
        } else if self.pending.len() > MAX_RECORD {
            Some(self.cut_line(Code::FieldTooLong))
        } else if !self.ended {
            None
        } else if quoted {
            Some(self.cut_line(Code::UnclosedQuote))
        } else {
            Some(self.cut(self.pending.len(), None))
        }
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
        let line_end = memchr(b'\n', &self.pending);
        self.skipping = line_end.is_none() && !self.ended;
        self.cut(line_end.map_or(self.pending.len(), |at| at + 1), Some(code))
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
