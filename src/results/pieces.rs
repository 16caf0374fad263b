//! Cutting a results file into pieces of whole lines, for all cores to read.

use std::io::{self, Read};

use memchr::memrchr;

/// A file in pieces of whole lines.
pub(super) struct Pieces<R> {
    reader: R,
    /// What was read behind the last line end.
    rest: Vec<u8>,
    /// Memory of pieces that are done with: to be written to again while it is still mapped.
    spare: Vec<Vec<u8>>,
    first: bool,
}

/// Whole lines.
pub(super) struct Piece {
    /// The lines, with their ends.
    pub(super) bytes: Vec<u8>,
    /// Whether the header stands in it.
    pub(super) first: bool,
}

/// How much is read before a piece is cut. The larger it is, the more lines of a row find their last one in it, and
/// the less of it is still in a core's cache when it is read.
const PIECE: usize = 1024 * 1024;

impl<R: Read> Pieces<R> {
    pub(super) fn new(reader: R) -> Pieces<R> {
        Pieces {
            reader,
            rest: Vec::new(),
            spare: Vec::new(),
            first: true,
        }
    }

    /// The next lines; `None` where no line end follows any more.
    pub(super) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.append(&mut self.rest);
        loop {
            let held = bytes.len();
            // and some more, so that the lines behind the last end find room the next time
            bytes.reserve(PIECE + PIECE / 8);
            let read = (&mut self.reader)
                .take(PIECE as u64)
                .read_to_end(&mut bytes)?;
            match memrchr(b'\n', &bytes[held..]) {
                Some(at) => {
                    self.rest.extend_from_slice(&bytes[held + at + 1..]);
                    bytes.truncate(held + at + 1);
                    return Ok(Some(Piece {
                        bytes,
                        first: std::mem::take(&mut self.first),
                    }));
                }
                None if read == 0 => {
                    self.rest = bytes;
                    return Ok(None);
                }
                None => {}
            }
        }
    }

    /// Takes the memory of a piece back.
    pub(super) fn give_back(&mut self, bytes: Vec<u8>) {
        self.spare.push(bytes);
    }

    /// What is left behind the last line end.
    pub(super) fn rest(&self) -> &[u8] {
        &self.rest
    }
}
