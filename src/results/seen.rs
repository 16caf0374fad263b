//! What a results file knows of end users, whatever has become of the rows that told it.

use rayon::prelude::*;

use super::rows::Rows;
use crate::model::{DigestMap, Id, Progress, State, Step, user_digest};

/// What the results know of an end user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenUser {
    /// Tray's id, once it is known.
    pub id: Option<Id>,
    /// Whether they were there before this batch.
    pub adopted: bool,
    /// Whether a creation may be under way.
    pub open: bool,
}

impl SeenUser {
    fn see(&mut self, progress: &Progress) {
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

/// What is kept to know end users by. Most runs that read a results file never ask, so nothing is made of it
/// until one does.
///
/// Every line of a row has all that is known of it. So what a row's last line says is enough, and earlier ones matter
/// only where they take back what other rows' lines said before them.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// The last line of each row, by the row's place.
    last: Vec<Sighting>,
    /// Lines that took something back and were not their row's last.
    taken_back: Vec<(Sighting, Progress)>,
    /// Customers' ids of end users, each behind its length.
    names: Vec<u8>,
    heard: u64,
}

/// Where a line stood among those that were heard, and the end user whom it is about.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    at: u64,
    name: u64,
}

impl Sightings {
    /// Hears of a line of the row at this place, of which was known what was known `before`.
    pub(super) fn hear(&mut self, place: usize, name: &str, before: Option<Progress>) {
        let at = self.heard;
        self.heard += 1;
        let Some(last) = self.last.get(place).copied() else {
            let name = self.keep(name);
            self.last.push(Sighting { at, name });
            return;
        };
        if let Some(before) = before.filter(Progress::takes_back) {
            self.taken_back.push((last, before));
        }
        // a row is known by its end user, among other things, so it has the same one
        let name = match self.name(last) == name {
            true => last.name,
            false => self.keep(name),
        };
        self.last[place] = Sighting { at, name };
    }

    fn keep(&mut self, name: &str) -> u64 {
        let at = self.names.len() as u64;
        self.names
            .extend_from_slice(&(name.len() as u64).to_le_bytes());
        self.names.extend_from_slice(name.as_bytes());
        at
    }

    fn name(&self, sighting: Sighting) -> &str {
        let kept = usize::try_from(sighting.name).ok();
        let kept = kept.and_then(|at| self.names.get(at..)?.split_first_chunk());
        let (length, rest) = kept.unwrap_or((&[0; 8], &[]));
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or_default();
        let name = rest.get(..length).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The end users that the rows and what was heard of them tell of.
    pub(super) fn users(&self, rows: &Rows) -> DigestMap<SeenUser> {
        let last = self.last.iter().enumerate();
        let last = last.filter_map(|(place, sighting)| Some((*sighting, rows.at(place)?)));
        let earlier = self.taken_back.iter();
        let mut lines: Vec<_> = last
            .chain(earlier.map(|(sighting, progress)| (*sighting, progress)))
            .collect();
        lines.sort_unstable_by_key(|(sighting, _)| sighting.at);
        let digests: Vec<u128> = lines
            .par_iter()
            .map(|(sighting, _)| user_digest(self.name(*sighting)))
            .collect();
        let mut users: DigestMap<SeenUser> = DigestMap::default();
        for (digest, (_, progress)) in digests.into_iter().zip(lines) {
            users.entry(digest).or_default().see(progress);
        }
        users
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Key, ROLLED_BACK};

    use proptest::prelude::*;

    /// A line: which of four rows, and what becomes of its end user, of whom there are two.
    fn line() -> impl Strategy<Value = (u128, u8)> {
        (0..4_u128, 0..6_u8)
    }

    fn progress(known: &Progress, what: u8) -> Progress {
        let mut progress = known.clone();
        let step = Some(Step::User);
        match what {
            0 => progress.enter(State::Sent, step),
            1 | 2 => {
                progress.enter(State::Partial, step);
                progress.user_id = Some(Id::new(if what == 1 { "u-1" } else { "u-2" }));
                progress.lost = Default::default();
            }
            3 => {
                progress.enter(State::Partial, None);
                progress.user_id = None;
                progress.lost.add(Step::User);
            }
            4 => {
                progress.enter(State::Partial, None);
                progress.user_id = None;
                progress.why = Some(ROLLED_BACK.into());
            }
            _ => progress.enter(State::Failed, step),
        }
        progress
    }

    proptest! {
        /// As if every line had been seen when it was read.
        #[test]
        fn end_users_are_what_all_lines_say_in_their_order(lines in prop::collection::vec(line(), 0..40)) {
            let (mut rows, mut sightings) = (Rows::default(), Sightings::default());
            let mut expected: DigestMap<SeenUser> = DigestMap::default();
            for (row, what) in lines {
                let name = ["c-1", "ü-2"][(row % 2) as usize];
                let key = Key(row);
                let known = rows.get(key).map_or_else(Progress::none, |known| known.1.clone());
                let progress = progress(&known, what);
                expected.entry(user_digest(name)).or_default().see(&progress);
                let (place, before) = rows.insert(key, (1, progress));
                sightings.hear(place, name, before);
            }
            prop_assert_eq!(sightings.users(&rows), expected);
        }
    }
}
