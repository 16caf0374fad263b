//! What a rollback would do, by the results alone: no call is made for it.

use std::collections::BTreeMap;

use super::share::{Share, accounts, open_step};
use crate::model::Step;
use crate::results::users::EndUser;

/// What is to be removed, as far as the results know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Rows in the results.
    pub rows: u64,
    /// End users that are looked at.
    pub visits: u64,
    /// End users, authentications, instances that this batch made.
    pub made: [u64; 3],
    /// End users that this batch found, and which stay.
    pub found_users: u64,
    /// Rows with a creating call of which nobody knows the outcome.
    pub open_rows: u64,
    /// Calls by operation, if nothing goes wrong.
    pub calls: BTreeMap<&'static str, u64>,
}

impl Plan {
    /// Of these end users.
    pub fn of(users: &[EndUser]) -> Plan {
        let mut plan = Plan::default();
        for user in users {
            plan.rows += user.rows.len() as u64;
            for account in accounts(user.clone()) {
                let share = Share::of(&account.rows);
                let open = account.rows.iter();
                let open = open
                    .filter(|row| open_step(&row.progress).is_some())
                    .count() as u64;
                let found = |step| {
                    account
                        .rows
                        .iter()
                        .any(|row| row.progress.adopted.has(step))
                };
                plan.found_users += u64::from(!share.user && found(Step::User));
                if share.is_empty() && open == 0 {
                    continue;
                }
                plan.visits += 1;
                plan.open_rows += open;
                let sent = account.user_id.is_none()
                    && account
                        .rows
                        .iter()
                        .any(|row| row.progress.is_ours(Step::User));
                let made = [
                    u64::from(share.user),
                    share.authentications.len() as u64,
                    share.instances.len() as u64,
                ];
                for (sum, made) in plan.made.iter_mut().zip(made) {
                    *sum += made;
                }
                for (name, count) in [
                    ("users", u64::from(sent)),
                    ("authorize", 1),
                    ("viewer", 1),
                    ("removeSolutionInstance", made[2]),
                    ("removeAuthentication", made[1]),
                    ("removeExternalUser", made[0]),
                ] {
                    if count > 0 {
                        *plan.calls.entry(name).or_default() += count;
                    }
                }
            }
        }
        plan
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.visits == 0
    }

    /// Calls in all.
    pub fn total_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Id, Key, Progress, State};
    use crate::results::rows::KnownRow;

    #[test]
    fn shared_things_are_counted_once_and_found_ones_not() {
        let row = |user: &str, auth: &str, created: Vec<Step>, adopted: Vec<Step>| {
            let mut progress = Progress::none();
            progress.enter(State::Done, Some(Step::Enable));
            progress.user_id = Some(Id::new(user));
            progress.authentication_id = Some(Id::new(auth));
            progress.instance_id = Some(Id::new("i"));
            progress.created = created.into();
            progress.adopted = adopted.into();
            KnownRow {
                row: 1,
                key: Key(0),
                progress,
            }
        };
        let all = vec![Step::User, Step::Authentication, Step::Instance];
        let users = [
            EndUser {
                external_user_id: "c-1".into(),
                rows: vec![
                    row("u", "a", all.clone(), vec![]),
                    row("u", "b", all.clone(), vec![]),
                ],
            },
            EndUser {
                external_user_id: "c-2".into(),
                rows: vec![row("v", "c", vec![], all)],
            },
        ];
        let plan = Plan::of(&users);
        assert_eq!(plan.made, [1, 2, 1]);
        assert_eq!((plan.visits, plan.found_users, plan.rows), (1, 1, 3));
        assert_eq!(plan.total_calls(), 6);
    }
}
