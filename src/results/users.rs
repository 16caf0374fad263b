//! End users, as a results file knows them.

use std::collections::HashMap;
use std::io;

use rayon::prelude::*;

use super::replay::Replay;
use super::rows::KnownRow;
use crate::model::{DigestMap, Id, Progress, State, Step, user_digest};

/// An end user of the batch, with all rows of theirs that the results know.
#[derive(Clone, Debug)]
pub struct EndUser {
    pub external_user_id: String,
    pub rows: Vec<KnownRow>,
}

/// The rows of a results file, grouped by end user, in the order of their numbers: for what is done to a batch
/// after its import.
///
/// # Errors
/// The file is not what it was.
pub fn end_users(replay: &Replay) -> io::Result<Vec<EndUser>> {
    let mut rows: Vec<_> = replay.rows(|_, _| true).collect::<io::Result<_>>()?;
    rows.sort_by_key(|(_, row)| row.row);
    let mut users: Vec<EndUser> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (external_user_id, row) in rows {
        let place = *places.entry(external_user_id).or_insert_with_key(|name| {
            users.push(EndUser {
                external_user_id: name.clone(),
                rows: Vec::new(),
            });
            users.len() - 1
        });
        users[place].rows.push(row);
    }
    Ok(users)
}

/// What the results know of an end user, whatever has become of the rows that said so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenUser {
    /// Tray's id, once it is known.
    pub id: Option<Id>,
    /// Whether they were there before this batch.
    pub adopted: bool,
    /// Whether a creation of this batch may be in flight.
    pub open: bool,
}

impl SeenUser {
    pub(super) fn see(&mut self, progress: &Progress) {
        let gone = progress.lost.has(Step::User) || progress.is_rolled_back();
        if progress.user_id.is_none() && gone {
            // whom earlier lines knew does not exist any more
            *self = SeenUser::default();
            return;
        }
        match &progress.user_id {
            Some(id) => {
                self.id = Some(id.clone());
                self.adopted = progress.adopted.has(Step::User);
                self.open = false;
            }
            None if self.id.is_none() => {
                self.open = progress.state == State::Sent && progress.step == Some(Step::User);
            }
            None => {}
        }
    }
}

/// What the results know of each end user, by the digest of their `externalUserId`.
///
/// # Errors
/// The file is not what it was.
pub fn seen_users(replay: &Replay) -> io::Result<DigestMap<SeenUser>> {
    const AT_A_TIME: usize = 65_536;
    let mut users: DigestMap<SeenUser> = DigestMap::default();
    for lines in replay.lines_on_users().chunks(AT_A_TIME) {
        let read = |at: &u64| {
            let (name, row) = replay.read_at(*at)?;
            Ok((user_digest(&name), row.progress))
        };
        let rows: Vec<_> = lines.par_iter().map(read).collect::<io::Result<_>>()?;
        for (user, progress) in rows {
            users.entry(user).or_default().see(&progress);
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::Key;
    use crate::results::facts::Facts;
    use crate::results::header::Header;
    use crate::results::line::write_line;
    use crate::results::replay::replay_bytes;

    #[test]
    fn rows_stand_with_their_end_user_in_their_last_state() {
        let mut bytes = Header::new("e").to_line();
        for (key, user, state) in [
            (1, "c-1", State::Sent),
            (2, "c-\"2\"", State::Partial),
            (3, "c-1", State::Partial),
            (1, "c-1", State::Done),
        ] {
            let mut progress = Progress::none();
            progress.enter(state, Some(Step::User));
            let (row, at) = ((key as u64, Key(key)), Timestamp::UNIX_EPOCH);
            write_line(&mut bytes, row, user, &progress, at, Facts::default());
        }
        let users = end_users(&replay_bytes(&bytes).unwrap()).unwrap();
        let shown: Vec<_> = users
            .iter()
            .map(|user| {
                let rows = user.rows.iter().map(|row| (row.key.0, row.progress.state));
                (user.external_user_id.as_str(), rows.collect::<Vec<_>>())
            })
            .collect();
        let one = ("c-1", vec![(1, State::Done), (3, State::Partial)]);
        assert_eq!(shown, [one, ("c-\"2\"", vec![(2, State::Partial)])]);
    }
}
