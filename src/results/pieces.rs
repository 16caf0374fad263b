//! Cutting a results file into pieces of whole lines, for all cores to read.

use std::io::{self, Read};

use memchr::memrchr;

/// A file in pieces of whole lines.
pub(super) struct Pieces<R> {
    reader: R,
    pending: Vec<u8>,
    first: bool,
}

/// Whole lines.
pub(super) struct Piece {
    /// The lines, with their ends.
    pub(super) bytes: Vec<u8>,
    /// Whether the header stands in it.
    pub(super) first: bool,
}

/// How much is read before a piece is cut.
const PIECE: usize = 512 * 1024;

impl<R: Read> Pieces<R> {
    pub(super) fn new(reader: R) -> Pieces<R> {
        Pieces {
            reader,
            pending: Vec::new(),
            first: true,
        }
    }

    /// The next lines; `None` where no line end follows any more.
    pub(super) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let held = self.pending.len();
            self.pending.reserve(2 * PIECE);
            let read = (&mut self.reader)
                .take(PIECE as u64)
                .read_to_end(&mut self.pending)?;
            match memrchr(b'\n', &self.pending[held..]) {
                Some(at) => {
                    let rest = self.pending.split_off(held + at + 1);
                    return Ok(Some(Piece {
                        bytes: std::mem::replace(&mut self.pending, rest),
                        first: std::mem::take(&mut self.first),
                    }));
                }
                None if read == 0 => return Ok(None),
                None => {}
            }
        }
    }

    /// What is left behind the last line end.
    pub(super) fn rest(&self) -> &[u8] {
        &self.pending
    }
}
