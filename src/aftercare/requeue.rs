//! What is missing in Tray goes back to where it was before it was made, so that the next import makes it
//! again: a pure function. What is not missing stays known.

use std::collections::BTreeSet;

use super::difference::{Difference, What};
use crate::model::{Progress, State, Step};
use crate::results::rows::KnownRow;
use crate::results::users::EndUser;

/// The rows of an end user that have to be done again, and as what the results are to know them.
pub fn requeued<'u>(
    user: &'u EndUser,
    differences: &[&Difference],
) -> Vec<(&'u KnownRow, Progress)> {
    let rows_of = |wanted: &dyn Fn(&Difference) -> bool| -> BTreeSet<u64> {
        let found = differences.iter().filter(|found| wanted(found));
        found.flat_map(|found| found.rows.iter().copied()).collect()
    };
    let users = rows_of(&|found| found.what == What::UserMissing);
    let instances = rows_of(&|found| found.what == What::InstanceMissing);
    // whoever put something else there, or renamed the instance, has seen to it
    let taken = rows_of(&|found| {
        found.what == What::SlotChanged && found.found.is_some()
            || found.what == What::InstanceNameChanged
    });
    let mut authentications = rows_of(&|found| found.what == What::AuthenticationMissing);
    authentications.retain(|row| !taken.contains(row) || instances.contains(row));
    let mut again = Vec::new();
    for row in &user.rows {
        let is_in = |rows: &BTreeSet<u64>| rows.contains(&row.row);
        let mut progress = row.progress.clone();
        if is_in(&users) {
            progress = Progress {
                attempts: progress.attempts,
                ..Progress::none()
            };
            progress.lost.add(Step::User);
        } else {
            if is_in(&instances) {
                progress.instance_id = None;
                progress.enabled = None;
                lose(&mut progress, Step::Instance);
            }
            if is_in(&authentications) {
                progress.authentication_id = None;
                lose(&mut progress, Step::Authentication);
            }
            let last = if progress.authentication_id.is_some() {
                Step::Authentication
            } else {
                Step::User
            };
            progress.enter(State::Partial, Some(last));
        }
        if progress.lost != row.progress.lost || is_in(&users) {
            again.push((row, progress));
        }
    }
    again
}

fn lose(progress: &mut Progress, step: Step) {
    progress.lost.add(step);
    progress.created.remove(step);
    progress.adopted.remove(step);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Id, Key};

    fn done(row: u64) -> KnownRow {
        let mut progress = Progress::none();
        progress.enter(State::Done, Some(Step::Enable));
        progress.user_id = Some(Id::new("u"));
        progress.authentication_id = Some(Id::new("a"));
        progress.instance_id = Some(Id::new("i"));
        progress.enabled = Some(true);
        for step in [Step::User, Step::Authentication, Step::Instance] {
            progress.created.add(step);
        }
        KnownRow {
            row,
            key: Key(row.into()),
            progress,
        }
    }

    fn difference(what: What, rows: &[u64]) -> Difference {
        Difference {
            what,
            rows: rows.to_vec(),
            external_user_id: "c".into(),
            id: String::new(),
            slot: None,
            expected: None,
            found: None,
        }
    }

    fn of(differences: &[Difference]) -> Vec<(u64, Progress)> {
        let user = EndUser {
            external_user_id: "c".into(),
            rows: vec![done(1), done(2)],
        };
        let differences: Vec<_> = differences.iter().collect();
        let again = requeued(&user, &differences);
        let again = again.into_iter().map(|(row, progress)| (row.row, progress));
        again.collect()
    }

    #[test]
    fn only_what_is_missing_is_forgotten() {
        let again = of(&[difference(What::InstanceMissing, &[1, 2])]);
        assert_eq!(again.len(), 2);
        for (_, progress) in again {
            assert_eq!(progress.step, Some(Step::Authentication));
            assert!(progress.authentication_id.is_some() && progress.instance_id.is_none());
            assert_eq!(progress.enabled, None);
            assert!(!progress.created.has(Step::Instance) && progress.created.has(Step::User));
        }
        let again = of(&[difference(What::AuthenticationMissing, &[2])]);
        let [(2, progress)] = again.as_slice() else {
            panic!("{again:?}")
        };
        assert_eq!(progress.step, Some(Step::User));
        assert!(progress.authentication_id.is_none() && progress.instance_id.is_some());
        assert!(progress.lost.has(Step::Authentication));
        let again = of(&[difference(What::UserMissing, &[1, 2])]);
        assert!(again.iter().all(|(_, progress)| progress.step.is_none()
            && progress.user_id.is_none()
            && progress.lost.has(Step::User)));
    }

    #[test]
    fn what_others_have_seen_to_is_left_to_them() {
        let mut slot = difference(What::SlotChanged, &[1]);
        slot.found = Some("another".into());
        let gone = difference(What::AuthenticationMissing, &[1]);
        assert_eq!(of(&[slot, gone]), []);
        for what in [What::Disabled, What::ConfigChanged, What::InstanceExtra] {
            assert_eq!(of(&[difference(what, &[1])]), []);
        }
    }
}
