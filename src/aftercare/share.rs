//! Whose an end user's things are: what the results say of them, and of those that no line names.

use std::collections::HashSet;

use crate::model::{Id, Identity, Progress, ROLLED_BACK, State, Step};
use crate::results::rows::KnownRow;
use crate::results::users::EndUser;
use crate::tray::owned::Owned;

/// The rows of one end user in Tray. The results may know several of one `externalUserId`, when one was removed
/// by hand and made anew.
#[derive(Debug)]
pub struct Account {
    /// Tray's id, where the results know it.
    pub user_id: Option<Id>,
    /// The rows.
    pub rows: Vec<KnownRow>,
}

/// An end user's rows by account. Rows that know no account stand with the last one, if there is any.
pub fn accounts(user: EndUser) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::with_capacity(1);
    let mut without = Vec::new();
    for row in user.rows {
        let Some(id) = &row.progress.user_id else {
            without.push(row);
            continue;
        };
        match accounts.iter_mut().find(|a| a.user_id.as_ref() == Some(id)) {
            Some(account) => account.rows.push(row),
            None => accounts.push(Account {
                user_id: Some(id.clone()),
                rows: vec![row],
            }),
        }
    }
    match accounts.last_mut() {
        Some(last) => last.rows.append(&mut without),
        None if without.is_empty() => {}
        None => accounts.push(Account {
            user_id: None,
            rows: without,
        }),
    }
    accounts
}

/// What of an account this batch made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The end user.
    pub user: bool,
    /// Authentications.
    pub authentications: Vec<Id>,
    /// Solution instances.
    pub instances: Vec<Id>,
}

impl Share {
    /// By the rows' word: an id that one row created was made by the batch, although another may have found it
    /// afterwards.
    pub fn of(rows: &[KnownRow]) -> Share {
        let mut share = Share::default();
        let add = |ids: &mut Vec<Id>, id: &Option<Id>| {
            if let Some(id) = id
                && !ids.contains(id)
            {
                ids.push(id.clone());
            }
        };
        for KnownRow { progress, .. } in rows {
            share.user |= progress.user_id.is_some() && progress.created.has(Step::User);
            if progress.created.has(Step::Authentication) {
                add(&mut share.authentications, &progress.authentication_id);
            }
            if progress.created.has(Step::Instance) {
                add(&mut share.instances, &progress.instance_id);
            }
        }
        share
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Share::default()
    }
}

/// Whether a creation may have been done of which the results know no id.
pub fn has_open(rows: &[KnownRow]) -> bool {
    rows.iter().any(|row| open_step(&row.progress).is_some())
}

/// The step whose creation is open.
pub fn open_step(progress: &Progress) -> Option<Step> {
    [Step::User, Step::Authentication, Step::Instance]
        .into_iter()
        .find(|step| progress.is_open(*step))
}

/// Finds among an end user's things those that open creations made, and notes them in their rows. A thing is a
/// row's for certain where its names are the row's identity: the row's key is their digest.
pub fn attribute(external_user_id: &str, rows: &mut [KnownRow], owned: &Owned) {
    let known = ids(rows);
    for row in rows {
        let ours = |step| row.progress.is_ours(step);
        if ours(Step::Authentication) {
            let mut matches = owned.authentications.iter().filter(|a| {
                let identity = Identity {
                    external_user_id,
                    environment_id: &a.service_environment.id,
                    auth_name: &a.name,
                    ..Identity::default()
                };
                !known.contains(&Id::new(&a.id)) && identity.key() == row.key
            });
            if let (Some(only), None) = (matches.next(), matches.next()) {
                row.progress.authentication_id = Some(Id::new(&only.id));
                row.progress.created.add(Step::Authentication);
            }
        } else if ours(Step::Instance) {
            let mut matches = owned.instances.iter().filter(|i| {
                let ours = i.auth_values.iter().any(|slot| {
                    let id = Some(Id::new(&slot.auth_id));
                    let filler = owned.authentications.iter().find(|a| a.id == slot.auth_id);
                    id == row.progress.authentication_id
                        && filler.is_some_and(|a| {
                            let identity = Identity {
                                external_user_id,
                                environment_id: &a.service_environment.id,
                                auth_name: &a.name,
                                solution_id: &i.solution.id,
                                instance_name: &i.name,
                                slot: &slot.external_id,
                            };
                            identity.key() == row.key
                        })
                });
                !known.contains(&Id::new(&i.id)) && ours
            });
            if let (Some(only), None) = (matches.next(), matches.next()) {
                row.progress.instance_id = Some(Id::new(&only.id));
                row.progress.created.add(Step::Instance);
            }
        }
    }
}

/// Whether the row has no open creation, or one that was found by [`attribute`].
pub fn is_attributed(progress: &Progress) -> bool {
    match open_step(progress) {
        Some(Step::User) => progress.user_id.is_some(),
        Some(Step::Authentication) => progress.authentication_id.is_some(),
        Some(Step::Instance) => progress.instance_id.is_some(),
        _ => true,
    }
}

/// Every authentication and instance that the rows name.
pub fn ids(rows: &[KnownRow]) -> HashSet<Id> {
    let of = |row: &KnownRow| {
        let progress = &row.progress;
        [&progress.authentication_id, &progress.instance_id].map(Clone::clone)
    };
    rows.iter().flat_map(of).flatten().collect()
}

/// What of an account does not exist any more.
#[derive(Debug, Default)]
pub struct Gone {
    /// The end user.
    pub user: bool,
    /// Authentications and instances.
    pub things: HashSet<Id>,
}

/// Takes what is gone out of a row, and what cannot stand without it. Whether that changed anything.
pub fn clear(progress: &mut Progress, gone: &Gone) -> bool {
    let is_gone = |id: &Option<Id>| id.as_ref().is_some_and(|id| gone.things.contains(id));
    let user = gone.user && progress.user_id.is_some();
    let authentication = user || is_gone(&progress.authentication_id);
    // of an instance that stays, another import must ask again: it has lost what filled its slot
    let instance = authentication || is_gone(&progress.instance_id);
    if !instance {
        return false;
    }
    let mut forget = |id: &mut Option<Id>, step| {
        *id = None;
        progress.created.remove(step);
        progress.adopted.remove(step);
    };
    forget(&mut progress.instance_id, Step::Instance);
    if authentication {
        forget(&mut progress.authentication_id, Step::Authentication);
    }
    if user {
        forget(&mut progress.user_id, Step::User);
    }
    progress.enabled = None;
    take_back(progress);
    true
}

/// Puts a row back to the last step that still stands.
pub fn take_back(progress: &mut Progress) {
    let step = progress.last_done();
    progress.enter(State::Partial, step);
    progress.why = Some(ROLLED_BACK.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Key, RowError};
    use crate::tray::operations::{ListedAuthValue, ListedAuthentication, ListedInstance, WithId};

    fn row(user: &str, authentication: Option<&str>, instance: Option<&str>) -> KnownRow {
        let mut progress = Progress::none();
        progress.user_id = Some(Id::new(user));
        progress.authentication_id = authentication.map(Id::new);
        progress.instance_id = instance.map(Id::new);
        KnownRow {
            row: 1,
            key: Key(0),
            progress,
        }
    }

    fn authentication(id: &str, name: &str) -> ListedAuthentication {
        ListedAuthentication {
            id: id.into(),
            name: name.into(),
            service_environment: WithId { id: "env".into() },
        }
    }

    fn instance(id: &str, name: &str, auth_id: &str) -> ListedInstance {
        ListedInstance {
            id: id.into(),
            name: name.into(),
            enabled: false,
            solution: WithId { id: "s".into() },
            auth_values: vec![ListedAuthValue {
                external_id: "slot".into(),
                auth_id: auth_id.into(),
            }],
            config_values: vec![],
        }
    }

    #[test]
    fn what_one_row_made_and_another_found_was_made() {
        let mut made = row("u", Some("a"), Some("i"));
        made.progress.created = vec![Step::Authentication].into();
        let mut found = row("u", Some("a"), Some("j"));
        found.progress.adopted = vec![Step::User, Step::Authentication].into();
        found.progress.created = vec![Step::Instance].into();
        assert_eq!(
            Share::of(&[found, made]),
            Share {
                user: false,
                authentications: vec![Id::new("a")],
                instances: vec![Id::new("j")],
            }
        );
    }

    #[test]
    fn an_account_for_each_id_and_the_others_with_the_last() {
        let mut without = row("", None, None);
        without.progress.user_id = None;
        let user = EndUser {
            external_user_id: "c".into(),
            rows: vec![
                row("u", None, None),
                without,
                row("v", None, None),
                row("u", None, None),
            ],
        };
        let shown: Vec<_> = accounts(user)
            .into_iter()
            .map(|account| (account.user_id.unwrap().to_string(), account.rows.len()))
            .collect();
        assert_eq!(shown, [("u".to_owned(), 2), ("v".to_owned(), 2)]);
    }

    #[test]
    fn a_row_keeps_what_stands() {
        let mut done = row("u", Some("a"), Some("i"));
        done.progress.created = vec![Step::Authentication, Step::Instance].into();
        done.progress.adopted = vec![Step::User].into();
        done.progress.enabled = Some(true);
        done.progress.state = State::Done;
        let gone = |things: &[&str], user| Gone {
            user,
            things: things.iter().map(|id| Id::new(id)).collect(),
        };
        let mut progress = done.progress.clone();
        assert!(!clear(&mut progress, &gone(&["x"], false)));
        assert_eq!(progress, done.progress);
        assert!(clear(&mut progress, &gone(&["i"], false)));
        assert!(progress.is_rolled_back() && progress.enabled.is_none());
        assert_eq!(progress.step, Some(Step::Authentication));
        assert_eq!(progress.created, vec![Step::Authentication].into());
        assert!(clear(&mut progress, &gone(&["a"], false)));
        assert_eq!(progress.step, Some(Step::User));
        assert!(progress.adopted.has(Step::User) && progress.created.is_empty());
        assert!(clear(&mut progress, &gone(&[], true)));
        assert_eq!((progress.step, progress.user_id.clone()), (None, None));
        assert!(!clear(&mut progress, &gone(&["a", "i"], true)));
    }

    #[test]
    fn open_creations_are_known_by_their_rows_keys() {
        let identity = Identity {
            external_user_id: "c",
            environment_id: "env",
            auth_name: "mine",
            ..Identity::default()
        };
        let mut alone = row("u", None, None);
        alone.key = identity.key();
        alone
            .progress
            .enter(State::Sent, Some(Step::Authentication));
        let mut placed = row("u", Some("a-2"), None);
        placed.key = Identity {
            auth_name: "other",
            solution_id: "s",
            instance_name: "n",
            slot: "slot",
            ..identity
        }
        .key();
        placed.progress.enter(State::Sent, Some(Step::Instance));
        let owned = Owned {
            authentications: vec![
                authentication("a-1", "mine"),
                authentication("a-2", "other"),
            ],
            truncated: false,
            instances: vec![instance("i-1", "n", "a-2"), instance("i-2", "m", "a-2")],
        };
        let mut rows = [alone, placed];
        attribute("c", &mut rows, &owned);
        let share = Share::of(&rows);
        assert_eq!(share.authentications, [Id::new("a-1")]);
        assert_eq!(share.instances, [Id::new("i-1")]);
        assert!(rows.iter().all(|row| is_attributed(&row.progress)));
        // another customer's row, or two of a kind, are nobody's
        rows[0].progress.authentication_id = None;
        rows[0].progress.created = Default::default();
        attribute("d", &mut rows[..1], &owned);
        let mut twice = owned;
        twice.authentications.push(authentication("a-3", "mine"));
        attribute("c", &mut rows[..1], &twice);
        assert!(!is_attributed(&rows[0].progress));
    }

    #[test]
    fn what_nobody_can_tell_apart_is_not_attributed() {
        let mut rows = [row("u", None, None)];
        rows[0].key = Identity {
            external_user_id: "c",
            environment_id: "env",
            auth_name: "mine",
            ..Identity::default()
        }
        .key();
        rows[0]
            .progress
            .enter(State::Failed, Some(Step::Authentication));
        rows[0].progress.error = Some(Box::new(RowError {
            code: "ambiguous".into(),
            message: String::new(),
            step: Step::Authentication,
            retryable: true,
        }));
        let owned = Owned {
            authentications: vec![authentication("a", "mine")],
            ..Owned::default()
        };
        attribute("c", &mut rows, &owned);
        assert!(has_open(&rows) && Share::of(&rows).is_empty());
    }
}
