//! A results file as bytes: in pieces of whole lines, for all cores to read, and single lines again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use memchr::{memchr, memrchr};

/// Where the bytes are.
#[derive(Debug)]
pub(super) enum Source {
    File(File),
    Memory(Arc<[u8]>),
}

impl Default for Source {
    fn default() -> Source {
        Source::Memory(Arc::new([]))
    }
}

impl Source {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Source::File(file) => loop {
                match file.read_at(buffer, at) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read,
                }
            },
            Source::Memory(bytes) => {
                let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
                let rest = rest.unwrap_or_default();
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                Ok(length)
            }
        }
    }

    /// The line that begins there, without its end.
    pub(super) fn line_at(&self, at: u64) -> io::Result<Vec<u8>> {
        let mut line = vec![0; 1024];
        let mut filled = 0;
        loop {
            let read = self.read_at(&mut line[filled..], at + filled as u64)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = memchr(b'\n', &line[filled..filled + read]) {
                line.truncate(filled + end);
                return Ok(line);
            }
            filled += read;
            line.resize(2 * filled.max(512), 0);
        }
    }
}

/// Whole lines, with their ends.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Where they stand in the file.
    pub(super) at: u64,
}

/// The pieces of a file, one after the other.
pub(super) struct Pieces<'s> {
    source: &'s Source,
    at: u64,
    /// What was read behind the last line end.
    rest: Vec<u8>,
    /// Memory of pieces that are done with: to be written to again while it is still mapped.
    spare: Vec<Vec<u8>>,
}

/// How much is read before a piece is cut. The larger it is, the more lines of a row find their last one in it, and
/// the less of it is still in a core's cache when it is read.
const PIECE: usize = 1024 * 1024;

impl<'s> Pieces<'s> {
    pub(super) fn new(source: &'s Source) -> Pieces<'s> {
        Pieces {
            source,
            at: 0,
            rest: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// The next lines; `None` where no line end follows any more.
    pub(super) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.resize(PIECE, 0);
        let mut filled = 0;
        loop {
            let read = (self.source).read_at(&mut bytes[filled..], self.at + filled as u64)?;
            if let Some(end) = memrchr(b'\n', &bytes[filled..filled + read]) {
                bytes.truncate(filled + end + 1);
                let at = self.at;
                self.at += bytes.len() as u64;
                return Ok(Some(Piece { bytes, at }));
            }
            filled += read;
            if read == 0 {
                bytes.truncate(filled);
                self.rest = bytes;
                return Ok(None);
            }
            if filled == bytes.len() {
                bytes.resize(2 * filled, 0);
            }
        }
    }

    /// Takes the memory of a piece that is done with.
    pub(super) fn give_back(&mut self, bytes: Vec<u8>) {
        self.spare.push(bytes);
    }

    /// What is left behind the last line end.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.rest
    }
}
