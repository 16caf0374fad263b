//! From the lines of a results file to the state of every row.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::io::{self, Read};
use std::ops::Range;

use memchr::memrchr;

use super::error::FoldError;
use super::header::{Header, is_torn_header, read_header};
use super::line::{Change, read_wanted_line};
use super::pieces::{Piece, Pieces};
use super::rows::Rows;
use super::run::read_run;
use super::seen::{SeenUser, Sightings};
use crate::model::{DigestHasher, DigestMap, Key, Progress};
use crate::ordered;

/// A results file, read.
#[derive(Debug, Default)]
pub struct Folded {
    /// The header; absent where the file is empty or holds only a torn header.
    pub header: Option<Header>,
    /// Each row's last line: the row's number at the time, and what was known.
    pub rows: Rows,
    sightings: Sightings,
    /// How many bytes are whole lines; what lies behind them is torn.
    pub whole: u64,
    /// How many bytes of a torn last line follow.
    pub torn: u64,
}

/// Reads all lines of a file in memory; see [`fold_from`].
///
/// # Errors
/// The first line that is neither whole nor torn.
pub fn fold(bytes: &[u8]) -> Result<Folded, FoldError> {
    match fold_from(bytes) {
        Ok(folded) => folded,
        // memory can be read
        Err(_) => Ok(Folded::default()),
    }
}

/// Reads all lines, on all cores. A last line without its line end is torn and left out; so are the NULs that
/// some file systems leave at the end after a power cut.
///
/// Every line has all that is known of its row, so of a row's lines in one piece of the file only the last is
/// looked into, unless an earlier one takes something back; but every line must be one that can be read.
///
/// # Errors
/// Outside: the file cannot be read. Inside: the first line that is neither whole nor torn.
pub fn fold_from(reader: impl Read) -> io::Result<Result<Folded, FoldError>> {
    let mut pieces = Pieces::new(reader);
    let mut folded = Folded::default();
    let mut lines = 0;
    let done = ordered::run(
        &mut pieces,
        |pieces| pieces.next_piece().map_err(Stopped::Reading),
        |piece| (latest(&piece), piece.bytes),
        |pieces, (latest, bytes)| {
            let latest = latest.map_err(|broken| Stopped::Line(broken.at(lines)))?;
            lines += latest.lines;
            folded.whole += bytes.len() as u64;
            pieces.give_back(bytes);
            folded.header = folded.header.take().or(latest.header);
            for read in latest.rows {
                let known = (read.row, read.progress);
                let (place, before) = folded.rows.insert(read.key, known);
                let name = latest.names.get(read.name).unwrap_or_default();
                folded.sightings.hear(place, name, before);
            }
            Ok(())
        },
    );
    match done {
        Ok(()) => Ok(torn(pieces.rest(), lines == 0).map(|torn| Folded { torn, ..folded })),
        Err(Stopped::Line(error)) => Ok(Err(error)),
        Err(Stopped::Reading(error)) => Err(error),
    }
}

enum Stopped {
    Reading(io::Error),
    Line(FoldError),
}

/// What a piece of a file comes to.
struct Latest {
    lines: usize,
    header: Option<Header>,
    /// The last line of each row, and others that take something back, in their order.
    rows: Vec<Change<Range<usize>>>,
    /// The `externalUserId`s of these lines, one behind the other.
    names: String,
}

impl Latest {
    fn keep(&mut self, line: Change<Cow<'_, str>>) {
        let begin = self.names.len();
        self.names.push_str(&line.name);
        self.rows.push(Change {
            row: line.row,
            key: line.key,
            progress: line.progress,
            name: begin..self.names.len(),
        });
    }
}

/// A line that cannot be read, counted from the first of its piece.
struct Broken {
    line: usize,
    error: FoldError,
}

impl Broken {
    /// The error with the line's number in the file.
    fn at(self, before: usize) -> FoldError {
        match self.error {
            FoldError::Line { cause, .. } => FoldError::Line {
                line: before + self.line + 1,
                cause,
            },
            other => other,
        }
    }
}

fn latest(piece: &Piece) -> Result<Latest, Broken> {
    let mut latest = Latest {
        lines: 0,
        header: None,
        rows: Vec::new(),
        names: String::new(),
    };
    // a row leaves some six lines of some 400 bytes each
    let rows = piece.bytes.len() / 2048;
    let mut seen: HashSet<u128, BuildHasherDefault<DigestHasher>> =
        HashSet::with_capacity_and_hasher(rows, BuildHasherDefault::default());
    let mut broken = None;
    // from the last to the first, so that the line that counts comes first; of broken ones, the first counts
    let mut end = piece.bytes.len();
    while let Some(whole) = piece.bytes.get(..end).and_then(|b| b.strip_suffix(b"\n")) {
        let start = memrchr(b'\n', whole).map_or(0, |at| at + 1);
        let line = &whole[start..];
        (end, latest.lines) = (start, latest.lines + 1);
        let read = if piece.first && start == 0 {
            read_header(line).map(|header| latest.header = Some(header))
        } else {
            match read_wanted_line(line, |key| !seen.contains(&key.0)) {
                Ok(row) => {
                    if let Some(row) = row {
                        seen.insert(row.key.0);
                        latest.keep(row);
                    }
                    Ok(())
                }
                // what a run says of itself changes no row
                Err(_) if read_run(line).is_some() => Ok(()),
                Err(cause) => Err(FoldError::Line { line: 0, cause }),
            }
        };
        broken = read.err().map(|error| (latest.lines, error)).or(broken);
    }
    latest.rows.reverse();
    match broken {
        Some((from_end, error)) => Err(Broken {
            line: latest.lines - from_end,
            error,
        }),
        None => Ok(latest),
    }
}

/// How many bytes lie behind the last line end. `alone`: there was no line at all.
fn torn(rest: &[u8], alone: bool) -> Result<u64, FoldError> {
    // a file that never was a results file must not be taken for one with a torn header
    if alone && !is_torn_header(rest) {
        return Err(FoldError::Foreign("it has no end"));
    }
    Ok(rest.len() as u64)
}

impl Folded {
    /// What is known of a row.
    pub fn progress(&self, key: Key) -> Option<&Progress> {
        self.rows.get(key).map(|(_, progress)| progress)
    }

    /// What is known of each end user, whatever has become of the rows that told it. To be asked before rows are
    /// taken out.
    pub fn seen_users(&self) -> DigestMap<SeenUser> {
        self.sightings.users(&self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::VERSION;
    use super::super::line::write_line;
    use super::*;
    use crate::model::{Id, State, Step};
    use jiff::Timestamp;

    fn file() -> Vec<u8> {
        let header = Header {
            r#type: "batch".into(),
            version: VERSION,
            batch_id: "b".into(),
            endpoint: "https://tray.io/graphql".into(),
            created_at: Timestamp::UNIX_EPOCH,
            tool: "t".into(),
        };
        let mut bytes = serde_json::to_vec(&header).unwrap();
        bytes.push(b'\n');
        for (key, state, step) in [
            (1, State::Sent, Step::User),
            (2, State::Sent, Step::User),
            (1, State::Partial, Step::User),
        ] {
            let progress = Progress {
                state,
                step: Some(step),
                ..Progress::none()
            };
            write_line(
                &mut bytes,
                1,
                Key(key),
                "c",
                &progress,
                Timestamp::UNIX_EPOCH,
            );
        }
        bytes
    }

    #[test]
    fn an_end_user_who_was_taken_back_is_not_known_any_more() {
        let mut bytes = file();
        let mut progress = Progress::none();
        progress.user_id = Some(Id::new("u"));
        let at = Timestamp::UNIX_EPOCH;
        write_line(&mut bytes, 1, Key(1), "c", &progress, at);
        let user = crate::model::user_digest("c");
        assert_eq!(
            fold(&bytes).unwrap().seen_users()[&user].id,
            Some(Id::new("u"))
        );
        progress.user_id = None;
        progress.why = Some(crate::model::ROLLED_BACK.into());
        write_line(&mut bytes, 1, Key(1), "c", &progress, at);
        assert_eq!(
            fold(&bytes).unwrap().seen_users()[&user],
            SeenUser::default()
        );
    }

    #[test]
    fn the_last_line_of_a_row_is_its_state() {
        let folded = fold(&file()).unwrap();
        assert_eq!(folded.progress(Key(1)).unwrap().state, State::Partial);
        assert_eq!(folded.progress(Key(2)).unwrap().state, State::Sent);
        assert_eq!((folded.rows.len(), folded.torn), (2, 0));
        assert_eq!(folded.seen_users().len(), 1);
    }

    #[test]
    fn cut_anywhere_the_whole_lines_before_the_cut_are_read() {
        let bytes = file();
        for cut in 0..bytes.len() {
            let folded = fold(&bytes[..cut]).unwrap();
            let whole = bytes[..cut]
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |at| at + 1);
            assert_eq!(folded.whole as usize, whole);
            assert_eq!(folded.torn as usize, cut - whole);
            let mut with_nuls = bytes[..cut].to_vec();
            with_nuls.extend([0; 100]);
            assert_eq!(fold(&with_nuls).unwrap().whole as usize, whole);
        }
    }

    #[test]
    fn damage_in_the_middle_names_the_line() {
        let mut bytes = file();
        let third = bytes
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'\n')
            .nth(1)
            .unwrap()
            .0
            + 3;
        bytes[third] = b'#';
        let Err(FoldError::Line { line, .. }) = fold(&bytes) else {
            panic!("read past damage");
        };
        assert_eq!(line, 3);
    }

    #[test]
    fn a_foreign_file_is_not_taken_for_a_torn_one() {
        for text in [
            "my-token",
            "{\"type\":\"row\"}",
            "externalUserId,connector\nc-1,sqs\n",
        ] {
            assert!(matches!(fold(text.as_bytes()), Err(FoldError::Foreign(_))));
        }
        assert!(fold(b"{\"ty").is_ok());
    }

    #[test]
    fn a_later_format_is_refused() {
        let text = String::from_utf8(file())
            .unwrap()
            .replacen("\"version\":1", "\"version\":2", 1);
        assert_eq!(
            fold(text.as_bytes()).unwrap_err(),
            FoldError::Version { found: 2 }
        );
    }
}
