//! From the lines of a results file to what decides about every row.
//!
//! Each line of a row has all that is known of it, so its last line is its state. A finished batch of a million
//! rows is some six million lines and two gigabytes, which no start of a run may wait long for, or keep. Hence:
//!
//! - The file is read in pieces of whole lines, on all cores; their outcomes are put together in order.
//! - A piece is read from its end. A line whose checksum holds is known to be whole without being parsed, and only
//!   the first that is met of each row counts. So of six lines five are not parsed. A line without a checksum, of
//!   an older version, is parsed whatever it is: every line is checked.
//! - Of a row 24 bytes are kept: its key, where its last line stands, and the three things by which
//!   [`crate::batch::plan`] decides. Who needs more of a row has that line read again.
//!
//! A line that reads well and whose checksum does not match is left out and named, and its row is reopened
//! ([`Progress::reopen`]): the next run asks Tray about it. Which row it is about may be what is damaged; then no
//! row is reopened, and an import looks at what the end user owns before it creates anything, as ever.

use std::collections::HashSet;
use std::fs::File;
use std::hash::BuildHasherDefault;
use std::io;

use hashbrown::HashTable;
use memchr::{memmem, memrchr};

use super::checksum::{BatchTag, Checksum, check};
use super::error::ReplayError;
use super::header::{Header, is_torn_header};
use super::line::{key_of, read_line};
use super::pieces::{Piece, Pieces, Source};
use super::rows::{KnownRow, PriorRows};
use super::run::read_run;
use crate::model::{DigestHasher, Key, Progress, ROLLED_BACK, Standing};
use crate::ordered;

/// A results file, read.
#[derive(Debug, Default)]
pub struct Replay {
    /// The header; absent where the file is empty or holds only a torn header.
    pub header: Option<Header>,
    rows: Vec<Entry>,
    /// Places in `rows`, by their keys.
    places: HashTable<u32>,
    /// Where lines stand that take back what earlier ones said.
    taken_back: Vec<u64>,
    /// Rows whose last line is damaged.
    reopened: Keys,
    /// Lines that are not as they were written, in order.
    pub damaged: Vec<DamagedLine>,
    /// How many bytes are whole lines; what lies behind them is torn.
    pub whole: u64,
    /// How many bytes of a torn last line follow, or of the NULs that some file systems leave after a power cut.
    pub torn: u64,
    source: Source,
}

type Keys = HashSet<Key, BuildHasherDefault<DigestHasher>>;

/// A line that reads well and is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedLine {
    pub line: usize,
    /// The number of the row that it says it is about, unless it is about a run.
    pub row: Option<u64>,
}

/// What is kept of a row. Bytes, so that nothing is padded.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: [u8; 16],
    at: [u8; 5],
    standing: Standing,
}

impl Entry {
    fn new(key: Key, at: u64, standing: Standing) -> Entry {
        // a terabyte holds two billion lines
        let [a, b, c, d, e, ..] = at.to_le_bytes();
        Entry {
            key: key.0.to_le_bytes(),
            at: [a, b, c, d, e],
            standing,
        }
    }

    fn key(&self) -> Key {
        Key(u128::from_le_bytes(self.key))
    }

    fn at(&self) -> u64 {
        let [a, b, c, d, e] = self.at;
        u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])
    }
}

/// Replays a file.
///
/// # Errors
/// It cannot be read, or a line of it is neither whole nor torn.
pub fn replay_file(file: File) -> Result<Replay, ReplayError> {
    replay(Source::File(file))
}

/// Replays a file that is in memory.
///
/// # Errors
/// As [`replay_file`].
pub fn replay_bytes(bytes: &[u8]) -> Result<Replay, ReplayError> {
    replay(Source::Memory(bytes.into()))
}

fn replay(source: Source) -> Result<Replay, ReplayError> {
    let mut replay = Replay::default();
    let mut pieces = Pieces::new(&source);
    let (mut lines, mut tag) = (0, None);
    ordered::run(
        &mut pieces,
        |pieces| pieces.next_piece().map_err(ReplayError::Io),
        |piece| (last_lines(&piece), piece.bytes),
        |pieces, (last, bytes)| {
            let last = last.map_err(|(line, error)| error.at(lines + line))?;
            replay.header = replay.header.take().or(last.header);
            tag = tag.or(replay.header.as_ref().map(Header::tag));
            let other = last.tags.iter().filter(|(_, theirs)| Some(*theirs) != tag);
            if let Some((line, _)) = other.min_by_key(|(line, _)| *line) {
                return Err(ReplayError::OtherBatch { line: lines + line });
            }
            replay.taken_back.extend(last.taken_back);
            for line in last.rows {
                match line {
                    LastLine::Row(entry) => replay.insert(entry),
                    LastLine::Damaged { line, row, key } => replay.damage(lines + line, row, key),
                }
            }
            lines += last.lines;
            replay.whole += bytes.len() as u64;
            pieces.give_back(bytes);
            Ok(())
        },
    )?;
    let rest = pieces.into_rest();
    // a file that never was a results file must not be taken for one with a torn header
    if lines == 0 && !is_torn_header(&rest) {
        return Err(ReplayError::Foreign("it has no end"));
    }
    replay.torn = rest.len() as u64;
    replay.source = source;
    replay.stand_reopened()?;
    Ok(replay)
}

/// What a piece of a file comes to. Lines are counted from 1, within the piece.
#[derive(Default)]
struct LastLines {
    lines: usize,
    header: Option<Header>,
    /// The last line of each row, and the damaged ones, in their order.
    rows: Vec<LastLine>,
    taken_back: Vec<u64>,
    /// The batches that the lines belong to, each with its first line.
    tags: Vec<(usize, BatchTag)>,
}

enum LastLine {
    Row(Entry),
    Damaged {
        line: usize,
        row: Option<u64>,
        key: Option<Key>,
    },
}

/// What a piece comes to; or the first of its lines that cannot be read, and why.
fn last_lines(piece: &Piece) -> Result<LastLines, (usize, ReplayError)> {
    let mut last = LastLines::default();
    // a row leaves some six lines of some 400 bytes each
    let mut seen = Keys::with_capacity_and_hasher(piece.bytes.len() / 2048, Default::default());
    // of lines that cannot be read, the first counts: the one that is met last
    let mut broken = None;
    let mut end = piece.bytes.len();
    while let Some(whole) = piece.bytes.get(..end).and_then(|b| b.strip_suffix(b"\n")) {
        let start = memrchr(b'\n', whole).map_or(0, |at| at + 1);
        let (line, at) = (&whole[start..], piece.at + start as u64);
        (end, last.lines) = (start, last.lines + 1);
        if at == 0 {
            match Header::read(line) {
                Ok(header) => last.header = Some(header),
                Err(error) => broken = Some((last.lines, error)),
            }
            continue;
        }
        let checksum = check(line);
        if let Checksum::Holds(tag) = checksum {
            match last.tags.iter_mut().find(|(_, own)| *own == tag) {
                Some((first, _)) => *first = last.lines,
                None => last.tags.push((last.lines, tag)),
            }
            if key_of(line).is_some_and(|key| seen.contains(&key)) && !may_take_back(line) {
                continue;
            }
        }
        let damaged = checksum == Checksum::Broken;
        match read_line(line) {
            Ok(row) if damaged => last.rows.push(LastLine::Damaged {
                line: last.lines,
                row: Some(row.row),
                key: Some(row.key),
            }),
            Ok(row) => {
                if row.progress.takes_back() {
                    last.taken_back.push(at);
                }
                if seen.insert(row.key) {
                    let standing = row.progress.standing();
                    (last.rows).push(LastLine::Row(Entry::new(row.key, at, standing)));
                }
            }
            // what a run says of itself changes no row
            Err(cause) => match read_run(line) {
                Ok(_) if damaged => last.rows.push(LastLine::Damaged {
                    line: last.lines,
                    row: None,
                    key: None,
                }),
                Ok(_) => {}
                Err(_) if Header::read(line).is_ok() => {
                    broken = Some((last.lines, ReplayError::OtherBatch { line: 0 }));
                }
                Err(_) => broken = Some((last.lines, ReplayError::line(0, cause))),
            },
        }
    }
    last.rows.reverse();
    // from here on counted from the first line of the piece
    let count = |from_end: usize| last.lines + 1 - from_end;
    if let Some((from_end, error)) = broken {
        return Err((count(from_end), error));
    }
    for row in &mut last.rows {
        if let LastLine::Damaged { line, .. } = row {
            *line = count(*line);
        }
    }
    for (line, _) in &mut last.tags {
        *line = count(*line);
    }
    Ok(last)
}

/// Whether a line that is whole may take back what earlier ones said; strings have their quotes escaped.
fn may_take_back(line: &[u8]) -> bool {
    memmem::find(line, br#","lost":["#).is_some()
        || memmem::find(line, ROLLED_BACK.as_bytes()).is_some()
}

impl Replay {
    fn place(&self, key: Key) -> Option<usize> {
        let is = |at: &u32| self.rows[*at as usize].key() == key;
        self.places.find(key.0 as u64, is).map(|at| *at as usize)
    }

    fn insert(&mut self, entry: Entry) {
        let key = entry.key();
        self.reopened.remove(&key);
        if let Some(at) = self.place(key) {
            self.rows[at] = entry;
            return;
        }
        let at = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(entry);
        let hash = |at: &u32| self.rows[*at as usize].key().0 as u64;
        self.places.insert_unique(key.0 as u64, at, hash);
    }

    fn damage(&mut self, line: usize, row: Option<u64>, key: Option<Key>) {
        self.damaged.push(DamagedLine { line, row });
        if let Some(key) = key.filter(|key| self.place(*key).is_some()) {
            self.reopened.insert(key);
        }
    }

    fn stand_reopened(&mut self) -> io::Result<()> {
        for key in self.reopened.clone() {
            if let Some(at) = self.place(key) {
                self.rows[at].standing = self.read(&self.rows[at])?.1.progress.standing();
            }
        }
        Ok(())
    }

    /// How many rows it knows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What decides about a row.
    pub fn standing(&self, key: Key) -> Option<Standing> {
        self.place(key).map(|at| self.rows[at].standing)
    }

    /// What decides about each row.
    pub fn standings(&self) -> impl Iterator<Item = Standing> {
        self.rows.iter().map(|row| row.standing)
    }

    /// All that is known of a row.
    ///
    /// # Errors
    /// The file is not what it was.
    pub fn progress(&self, key: Key) -> io::Result<Option<Progress>> {
        let known = self.place(key).map(|at| self.read(&self.rows[at]));
        Ok(known.transpose()?.map(|(_, row)| row.progress))
    }

    /// All that is known of those rows that are wanted, each with its `externalUserId`, in no order to rely on.
    ///
    /// # Errors
    /// The file is not what it was.
    pub fn rows(
        &self,
        mut wanted: impl FnMut(Key, Standing) -> bool,
    ) -> impl Iterator<Item = io::Result<(String, KnownRow)>> {
        let wanted = (self.rows.iter()).filter(move |row| wanted(row.key(), row.standing));
        wanted.map(|row| self.read(row))
    }

    /// [`Replay::rows`], by their keys.
    ///
    /// # Errors
    /// The file is not what it was.
    pub fn prior(&self, wanted: impl FnMut(Key, Standing) -> bool) -> io::Result<PriorRows> {
        let rows = self.rows(wanted);
        rows.map(|row| row.map(|(_, row)| (row.key, row.progress)))
            .collect()
    }

    fn read(&self, entry: &Entry) -> io::Result<(String, KnownRow)> {
        let (name, mut row) = self.read_at(entry.at())?;
        if !self.reopened.is_empty() && self.reopened.contains(&row.key) {
            row.progress.reopen();
        }
        Ok((name, row))
    }

    /// The row whose line stands there, as that line has it.
    pub(super) fn read_at(&self, at: u64) -> io::Result<(String, KnownRow)> {
        let line = self.source.line_at(at)?;
        let changed = |cause| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the results file changed while it was read ({cause})"),
            )
        };
        let row = read_line(&line).map_err(changed)?;
        let name = row.external_user_id.into_owned();
        Ok((
            name,
            KnownRow {
                row: row.row,
                key: row.key,
                progress: row.progress,
            },
        ))
    }

    /// Where those lines stand that together say all that is known of end users, in order: the last of each row,
    /// and those that take back what other rows' lines had said.
    pub(super) fn lines_on_users(&self) -> Vec<u64> {
        let last = self.rows.iter().map(Entry::at);
        let mut lines: Vec<u64> = last.chain(self.taken_back.iter().copied()).collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

#[cfg(test)]
mod tests;
