//! Calls of an import of which nobody knows the outcome: a rollback asks what became of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::removal::Hitch;
use super::rollback::{Rollback, Visit, described};
use super::share::{attribute, ids, is_attributed, open_step, take_back};
use super::tally::{Kind, Note, kept};
use crate::model::{Id, Step};
use crate::results::rows::KnownRow;
use crate::tray::transport::Transport;

impl<T: Transport> Rollback<T> {
    /// Finds out what became of creations that were left open: theirs, not done, or nobody can say.
    pub(super) async fn settle(&self, visit: &mut Visit<'_, T>) -> Result<(), Hitch> {
        let mut question = 0;
        loop {
            attribute(visit.name, &mut visit.rows, &visit.owned);
            let open: Vec<&KnownRow> = visit
                .rows
                .iter()
                .filter(|row| !is_attributed(&row.progress) && !visit.taken_back.contains(&row.key))
                .collect();
            if open.is_empty() {
                return Ok(());
            }
            let known = ids(&visit.rows);
            let strangers = described(&visit.owned, |id| !known.contains(&Id::new(id)));
            let asked_enough = question == self.settings.asks;
            // what hides may be there all the same
            let hides = asked_enough
                && (visit.owned.truncated || self.unlisted.load(Ordering::Relaxed))
                && open
                    .iter()
                    .any(|row| open_step(&row.progress) == Some(Step::Authentication));
            // with a stranger among the end user's things, waiting shows nothing more
            if !strangers.is_empty() || hides {
                let rows: Vec<_> = open.iter().map(|row| row.row.to_string()).collect();
                let things = if strangers.is_empty() {
                    "hidden things, perhaps".to_owned()
                } else {
                    strangers.join(" and ")
                };
                let why = format!(
                    "a call of row {} has no known outcome, and they own {things}: nobody can tell whether the call made it. Remove by hand what is the batch's, then roll back again",
                    rows.join(", ")
                );
                visit.stands = true;
                self.tally
                    .keep(visit.note(Kind::User, None, kept::UNSETTLED, why));
                return Ok(());
            }
            if asked_enough {
                let keys: Vec<_> = open.iter().map(|row| row.key).collect();
                visit.taken_back.extend(keys);
                return Ok(());
            }
            self.pause(self.wait(question)).await?;
            self.look(visit).await?;
            question += 1;
        }
    }

    /// The end user of rows that do not know them: made by a call without a known outcome, or never made.
    pub(super) async fn find_user(
        &self,
        name: &str,
        rows: &mut [KnownRow],
    ) -> Result<Option<Id>, Hitch> {
        let ours = rows.iter().any(|row| row.progress.is_ours(Step::User));
        for question in 0..=self.settings.asks {
            let found = self.tray.users_of(name).await;
            let mut found = found.map_err(|trouble| self.hitch(&trouble))?;
            match (found.pop(), found.is_empty()) {
                (Some(id), true) if ours => {
                    let id = Id::new(&id);
                    for row in rows.iter_mut() {
                        if row.progress.is_ours(Step::User) {
                            row.progress.user_id = Some(id.clone());
                            row.progress.created.add(Step::User);
                        }
                    }
                    return Ok(Some(id));
                }
                (Some(_), _) => {
                    let why = "a call that creates them has no known outcome, and Tray has several of this externalUserId; remove by hand what is the batch's, then roll back again";
                    self.tally.keep(Note {
                        external_user_id: name.to_owned(),
                        user_id: None,
                        kind: Kind::User,
                        id: None,
                        code: kept::AMBIGUOUS.to_owned(),
                        why: why.to_owned(),
                    });
                    return Ok(None);
                }
                (None, _) if question == self.settings.asks => {}
                (None, _) => self.pause(self.wait(question)).await?,
            }
        }
        let open = rows
            .iter_mut()
            .filter(|row| open_step(&row.progress).is_some());
        let open: Vec<&KnownRow> = open
            .map(|row| {
                take_back(&mut row.progress);
                &*row
            })
            .collect();
        self.write(name, &open).await?;
        let count = open.len() as u64;
        self.tally.rows.fetch_add(count, Ordering::Relaxed);
        Ok(None)
    }

    fn wait(&self, question: u32) -> Duration {
        self.settings.settle.saturating_mul(1 << question.min(16))
    }
}
