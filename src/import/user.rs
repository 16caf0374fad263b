//! The end user of a row: listed, found or created, once for all rows of theirs.

use std::sync::atomic::Ordering;

use super::ending::Ending;
use super::engine::{Engine, Run};
use super::feed::WorkRow;
use super::settle::Settled;
use super::users::{Cell, Open, Origin};
use crate::model::{Id, Step, code, user_digest};
use crate::secret::Redactor;
use crate::tray::client::Failed;
use crate::tray::operations::{self as ops, CREATE_EXTERNAL_USER, Connection, ListedUser, USERS};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;

impl<T: Transport> Engine<T> {
    /// Lists the end users that exist, by pages, unless asking for each one would cost less: so that no row
    /// pays a look-up for what cannot exist.
    pub(super) async fn list_users(&self) -> Result<(), Failed> {
        let mut pages = 0;
        let mut after = None;
        while pages < self.users.unknown && !self.stop.is_set() {
            let variables = ops::users(None, after.as_deref());
            let (data, attempts) = self.client.call(&USERS, variables, &self.master).await?;
            pages += 1;
            let unusable = |message| Failed {
                trouble: Trouble::Open(message),
                attempts,
            };
            let page: Connection<ListedUser> = ops::part(&data, &["users"]).map_err(unusable)?;
            let more = page.has_more();
            let next = page.next();
            for user in page.nodes() {
                let Some(external_user_id) = user.external_user_id else {
                    continue;
                };
                if let Some(number) = self.index.users.number(user_digest(&external_user_id)) {
                    self.users.found(number, user.id);
                }
            }
            if !more {
                self.users.all_listed.store(true, Ordering::Relaxed);
                tracing::debug!(pages, "all end users of Tray are listed");
                break;
            }
            if next.is_none() || next == after {
                // more, but no way to it: ask for each end user instead
                break;
            }
            after = next;
        }
        if !self.users.all_listed.load(Ordering::Relaxed) {
            self.users.forget_listed();
        }
        Ok(())
    }

    /// The end user of a row: known, found or created. All rows of one end user wait here for the first.
    pub(super) async fn user(
        &self,
        row: &WorkRow,
        run: &mut Run,
        cell: &Cell,
    ) -> Result<String, Ending> {
        let mut user = cell.user.lock().await;
        if let Some(failed) = &user.failed {
            return Err(failed.clone());
        }
        if user.several {
            return Err(several_users(&row.external_user_id));
        }
        if user.id.is_none() {
            match self.find_or_create(row, run, user.open).await {
                Ok(found) => {
                    self.tally.stepped(Step::User);
                    user.id = Some(found);
                }
                Err(ending) => {
                    if matches!(ending, Ending::Failed(_)) {
                        user.failed = Some(ending.clone());
                    }
                    return Err(ending);
                }
            }
        }
        if std::mem::take(&mut user.listed) {
            self.tally.stepped(Step::User);
            match user.id {
                Some((_, Origin::Found)) => self.tally.adopted(Step::User),
                _ => self.tally.created(Step::User),
            }
        }
        let Some((id, origin)) = &user.id else {
            return Err(Ending::Stopped);
        };
        if run.progress.user_id.is_none() {
            run.progress.user_id = Some(Id::new(id));
            match origin {
                Origin::Found => run.progress.adopted.add(Step::User),
                _ => run.progress.created.add(Step::User),
            }
        }
        Ok(id.clone())
    }

    async fn find_or_create(
        &self,
        row: &WorkRow,
        run: &mut Run,
        mut open: Option<Open>,
    ) -> Result<(String, Origin), Ending> {
        let redactor = Redactor::default();
        if self.stop.is_set() {
            return Err(Ending::Stopped);
        }
        if open.is_none() && !self.users.all_listed.load(Ordering::Relaxed) {
            match self
                .ask_user(row, run)
                .await
                .map_err(|t| self.ending(&t, Step::User, &redactor))?
            {
                Settled::Found(id) => {
                    self.tally.adopted(Step::User);
                    return Ok((id, Origin::Found));
                }
                Settled::Several => return Err(several_users(&row.external_user_id)),
                Settled::Nothing => {}
            }
        }
        let mut sends = self.settings.sends;
        // what was sent by this run, for a user who did not exist, owns nothing yet
        let mut sent_here = false;
        loop {
            if let Some(whose) = open {
                let settled = self.settle_user(row, run).await;
                let settled = settled.map_err(|ending| match whose {
                    Open::Ours => ending,
                    Open::Anybodys => ending.of_anybodys(),
                });
                match settled? {
                    Settled::Found(id) if whose == Open::Ours => {
                        let origin = if sent_here {
                            Origin::ThisRun
                        } else {
                            Origin::EarlierRun
                        };
                        return self.user_created(run, id, origin).await;
                    }
                    Settled::Found(id) => {
                        self.tally.adopted(Step::User);
                        return Ok((id, Origin::Found));
                    }
                    Settled::Several => return Err(several_users(&row.external_user_id)),
                    Settled::Nothing if self.stop.is_set() => return Err(Ending::TakenBack),
                    Settled::Nothing => {}
                }
            }
            if sends == 0 {
                return Err(never_there(Step::User));
            }
            sends -= 1;
            let slot = self.about_to_send(&mut [run], Step::User).await?;
            sent_here = true;
            let variables = ops::create_external_user(
                &row.external_user_id,
                &row.user_name,
                self.settings.test_users,
            );
            let answer = self
                .client
                .call_in(Some(slot), &CREATE_EXTERNAL_USER, variables, &self.master)
                .await;
            match answer {
                Ok((data, attempts)) => {
                    run.progress.attempts += attempts;
                    if let Ok(id) = ops::part(&data, &["createExternalUser", "userId"]) {
                        return self.user_created(run, id, Origin::ThisRun).await;
                    }
                    open = Some(Open::Ours);
                }
                Err(failed) => {
                    run.progress.attempts += failed.attempts;
                    match self.master_trouble(failed.trouble) {
                        Trouble::Open(why) => {
                            self.left_open(run, Step::User, &redactor.clean(&why));
                            open = Some(Open::Ours);
                        }
                        trouble => {
                            let ending = self.ending(&trouble, Step::User, &redactor);
                            return Err(ending.of_creation());
                        }
                    }
                }
            }
        }
    }

    async fn user_created(
        &self,
        run: &mut Run,
        id: String,
        origin: Origin,
    ) -> Result<(String, Origin), Ending> {
        self.tally.created(Step::User);
        run.progress.user_id = Some(Id::new(&id));
        run.progress.created.add(Step::User);
        self.partial(run, Step::User).await?;
        Ok((id, origin))
    }

    /// Asks Tray for the end users with exactly this `externalUserId`: how Tray matches is not known
    /// (`tray-api.md` 7), so they are compared again here.
    pub(super) async fn ask_user(&self, row: &WorkRow, run: &mut Run) -> Result<Settled, Trouble> {
        let mut matches: Vec<String> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let variables = ops::users(Some(&row.external_user_id), after.as_deref());
            let answer = self.client.call(&USERS, variables, &self.master).await;
            let (data, attempts) = answer.map_err(|failed| {
                run.progress.attempts += failed.attempts;
                self.master_trouble(failed.trouble)
            })?;
            run.progress.attempts += attempts;
            let page: Connection<ListedUser> =
                ops::part(&data, &["users"]).map_err(Trouble::Open)?;
            let (more, next) = (page.has_more(), page.next());
            matches.extend(
                page.nodes()
                    .filter(|u| u.external_user_id.as_deref() == Some(&row.external_user_id))
                    .map(|u| u.id),
            );
            if !more {
                return Ok(Settled::of(matches));
            }
            if next.is_none() || next == after {
                return Err(Trouble::Refused(
                    "the list of end users cannot be paged".to_owned(),
                ));
            }
            after = next;
        }
    }
}

/// A creation that was sent several times and each time found not done.
pub(super) fn never_there(step: Step) -> Ending {
    Ending::failed(
        code::NO_ANSWER,
        step,
        true,
        "the call was sent several times, and each time Tray gave no usable answer and did nothing"
            .to_owned(),
    )
}

fn several_users(external_user_id: &str) -> Ending {
    Ending::failed(
        code::AMBIGUOUS,
        Step::User,
        true,
        format!(
            "Tray has several end users with the externalUserId {external_user_id}; remove all but one, then run with --retry-failed"
        ),
    )
}
