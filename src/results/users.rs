//! The rows of a results file, gathered by end user: for what is done to a batch after its import.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::fold::Folded;
use super::line::read_names;
use crate::model::{Key, Progress, user_digest};

/// An end user of the batch, with all rows of theirs that the results know.
#[derive(Clone, Debug)]
pub struct EndUser {
    /// The customer's id.
    pub external_user_id: String,
    /// Their rows, in the order in which the results came to know them.
    pub rows: Vec<KnownRow>,
}

/// A row as the results know it.
#[derive(Clone, Debug)]
pub struct KnownRow {
    /// The row's number in the input, at the time.
    pub row: u64,
    /// The row's identity.
    pub key: Key,
    /// What is known.
    pub progress: Progress,
}

/// Gathers the rows of a results file that has been read already. Only the names are read again: the fold
/// does not keep them, since an import has them from its input.
///
/// # Errors
/// The file cannot be read, or has lost lines since.
pub fn end_users(path: &Path, folded: Folded) -> io::Result<Vec<EndUser>> {
    gather(
        BufReader::with_capacity(256 * 1024, File::open(path)?),
        folded,
    )
}

fn gather(mut reader: impl BufRead, mut folded: Folded) -> io::Result<Vec<EndUser>> {
    let mut users: Vec<EndUser> = Vec::new();
    let mut places: HashMap<u128, usize> = HashMap::new();
    let mut line = Vec::new();
    let mut header = true;
    while !folded.rows.is_empty() {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        if line.pop_if(|end| *end == b'\n').is_none() {
            let gone = "the results file has become shorter while it was read";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, gone));
        }
        if std::mem::take(&mut header) {
            continue;
        }
        // the fold has read every line of these before
        let Ok((key, external_user_id)) = read_names(&line) else {
            continue;
        };
        let Some((row, progress)) = folded.rows.remove(key) else {
            continue;
        };
        let place = *places
            .entry(user_digest(&external_user_id))
            .or_insert_with(|| {
                users.push(EndUser {
                    external_user_id: external_user_id.into_owned(),
                    rows: Vec::new(),
                });
                users.len() - 1
            });
        users[place].rows.push(KnownRow { row, key, progress });
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::super::fold::fold;
    use super::super::line::write_line;
    use super::*;
    use crate::model::{State, Step};
    use crate::results::header::Header;
    use crate::results::header::VERSION;
    use jiff::Timestamp;

    #[test]
    fn rows_stand_with_their_end_user_in_their_last_state() {
        let header = Header {
            r#type: "batch".into(),
            version: VERSION,
            batch_id: "b".into(),
            endpoint: "e".into(),
            created_at: Timestamp::UNIX_EPOCH,
            tool: "t".into(),
        };
        let mut bytes = serde_json::to_vec(&header).unwrap();
        bytes.push(b'\n');
        for (key, user, state) in [
            (1, "c-1", State::Sent),
            (2, "c-\"2\"", State::Partial),
            (3, "c-1", State::Partial),
            (1, "c-1", State::Done),
        ] {
            let mut progress = Progress::none();
            progress.enter(state, Some(Step::User));
            let at = Timestamp::UNIX_EPOCH;
            write_line(&mut bytes, key as u64, Key(key), user, &progress, at);
        }
        let folded = fold(&bytes).unwrap();
        let users = gather(&bytes[..], folded).unwrap();
        let shown: Vec<_> = users
            .iter()
            .map(|user| {
                let rows = user.rows.iter().map(|row| (row.key.0, row.progress.state));
                (user.external_user_id.as_str(), rows.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("c-1", vec![(1, State::Done), (3, State::Partial)]),
                ("c-\"2\"", vec![(2, State::Partial)]),
            ]
        );
    }
}
