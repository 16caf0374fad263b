//! The authentication of a row: adopted, or created once.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::adopt::{authentication_of, several, truncated};
use super::ending::Ending;
use super::engine::{Engine, Run};
use super::feed::WorkRow;
use super::settle::Settled;
use super::user::never_there;
use super::users::{Cell, Origin};
use crate::model::{Id, Step, code};
use crate::secret::{Redactor, SecretValue};
use crate::tray::operations::{self as ops, CREATE_USER_AUTHENTICATION, NewAuthentication};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;

const STEP: Step = Step::Authentication;

/// Whether Tray lists hidden authentications: nobody documents it (`tray-api.md` 7), so it is found out
/// when it matters.
#[derive(Default)]
pub struct HiddenListing {
    state: Mutex<Hidden>,
}

/// Whose, the end user's id, and the authentication's.
type Witness = (Arc<Cell>, String, String);

#[derive(Default)]
struct Hidden {
    /// What was found out.
    listed: Option<bool>,
    /// A hidden authentication that surely exists: whose, and its id.
    witness: Option<Witness>,
}

impl<T: Transport> Engine<T> {
    /// Brings the row to where its authentication exists and its id is known.
    pub(super) async fn authentication(
        &self,
        row: &WorkRow,
        run: &mut Run,
        cell: &Arc<Cell>,
        user_id: &str,
    ) -> Result<(), Ending> {
        if run.progress.authentication_id.is_some() {
            return Ok(());
        }
        let mut open = run.progress.is_open(STEP);
        if self.stop.is_set() {
            let stopped = Ending::Stopped;
            return Err(if open || !run.is_sent() {
                stopped
            } else {
                stopped.of_creation()
            });
        }
        if !open && let Some(id) = self.existing(row, run, cell, user_id).await? {
            run.progress.authentication_id = Some(Id::new(&id));
            run.progress.adopted.add(STEP);
            self.tally.adopted(STEP);
            self.tally.stepped(STEP);
            return Ok(());
        }
        let id = self
            .create_authentication(row, run, cell, user_id, &mut open)
            .await?;
        run.progress.authentication_id = Some(Id::new(&id));
        if run.progress.is_ours(STEP) {
            run.progress.created.add(STEP);
            self.tally.created(STEP);
        } else {
            run.progress.adopted.add(STEP);
            self.tally.adopted(STEP);
        }
        self.tally.stepped(STEP);
        if row.hidden {
            self.hidden.saw(cell, user_id, &id);
        }
        Ok(())
    }

    /// What an end user who was not created by this run has already.
    async fn existing(
        &self,
        row: &WorkRow,
        run: &mut Run,
        cell: &Cell,
        user_id: &str,
    ) -> Result<Option<String>, Ending> {
        if !self.may_own(cell).await {
            return Ok(None);
        }
        let owned = self
            .owned(cell, user_id, run)
            .await
            .map_err(|trouble| self.ending(&trouble, STEP, &redactor(row)))?;
        match authentication_of(&owned, &row.auth_name, &row.environment_id) {
            Settled::Found(id) => Ok(Some(id)),
            Settled::Several => Err(several_authentications()),
            Settled::Nothing if owned.truncated => Err(truncated()),
            Settled::Nothing
                if row.hidden
                    && self.was_found(cell).await
                    && self.lists_hidden(run).await? == Some(false) =>
            {
                Err(hidden_unknown())
            }
            Settled::Nothing => Ok(None),
        }
    }

    pub(super) async fn may_own(&self, cell: &Cell) -> bool {
        let user = cell.user.lock().await;
        !matches!(user.id, Some((_, Origin::ThisRun)))
    }

    /// Whether the end user was there before this batch, so that nobody knows what was made for them.
    async fn was_found(&self, cell: &Cell) -> bool {
        let user = cell.user.lock().await;
        matches!(user.id, Some((_, Origin::Found)))
    }

    async fn create_authentication(
        &self,
        row: &WorkRow,
        run: &mut Run,
        cell: &Cell,
        user_id: &str,
        open: &mut bool,
    ) -> Result<String, Ending> {
        let mut sends = self.settings.sends;
        loop {
            if *open {
                match self.settle_authentication(row, run, cell, user_id).await? {
                    Settled::Found(id) => return Ok(id),
                    Settled::Several => return Err(several_authentications()),
                    Settled::Nothing
                        if self.stop.is_set() || self.settings.until == Some(Step::User) =>
                    {
                        return Err(Ending::TakenBack);
                    }
                    Settled::Nothing => *open = false,
                }
            }
            if sends == 0 {
                return Err(never_there(STEP));
            }
            sends -= 1;
            // the token before the slot: minting it is a call of its own
            self.token(cell, user_id, run)
                .await
                .map_err(|trouble| self.before_sending(&trouble, run, STEP))?;
            let slot = self.about_to_send(&mut [run], STEP).await?;
            let variables = || {
                ops::create_user_authentication(&NewAuthentication {
                    name: &row.auth_name,
                    service_id: &row.service_id,
                    environment_id: &row.environment_id,
                    data: &row.data,
                    form_data: row.form_data.as_ref(),
                    scopes: &row.scopes,
                    hidden: row.hidden,
                })
            };
            let answer = self
                .as_user(
                    cell,
                    user_id,
                    &CREATE_USER_AUTHENTICATION,
                    variables,
                    run,
                    Some(slot),
                )
                .await;
            match answer {
                Ok(data) => {
                    match ops::part(&data, &["createUserAuthentication", "authenticationId"]) {
                        Ok(id) => return Ok(id),
                        Err(why) => self.left_open(run, STEP, &why),
                    }
                }
                Err(Trouble::Open(why)) => self.left_open(run, STEP, &redactor(row).clean(&why)),
                Err(trouble) => {
                    return Err(self.ending(&trouble, STEP, &redactor(row)).of_creation());
                }
            }
            *open = true;
        }
    }

    async fn settle_authentication(
        &self,
        row: &WorkRow,
        run: &mut Run,
        cell: &Cell,
        user_id: &str,
    ) -> Result<Settled, Ending> {
        for question in 0..self.settings.asks {
            tokio::time::sleep(self.settle_wait(question)).await;
            let asked = self
                .ask_authentication(cell, user_id, &row.auth_name, &row.environment_id, run)
                .await;
            match asked {
                Ok((Settled::Nothing, true)) => {
                    return Err(unsettled(
                        "Tray lists only a part of the end user's authentications",
                    ));
                }
                Ok((Settled::Nothing, false)) => {}
                Ok((settled, _)) => {
                    if row.hidden && matches!(settled, Settled::Found(_)) {
                        self.hidden.found_out(true);
                    }
                    return Ok(self.settled(run, STEP, settled));
                }
                Err(trouble) => return Err(self.unsettled(&trouble, STEP, &redactor(row))),
            }
        }
        if row.hidden && self.lists_hidden(run).await? != Some(true) {
            return Err(unsettled(
                "the authentication is hidden, and Tray does not list hidden ones",
            ));
        }
        Ok(self.settled(run, STEP, Settled::Nothing))
    }

    /// Whether Tray lists hidden authentications: found out with one that surely exists; `None` where there
    /// is none yet.
    async fn lists_hidden(&self, run: &mut Run) -> Result<Option<bool>, Ending> {
        let (known, witness) = self.hidden.look();
        if known.is_some() {
            return Ok(known);
        }
        let Some((cell, user_id, id)) = witness else {
            return Ok(None);
        };
        let listed = self
            .list_authentications(&cell, &user_id, run)
            .await
            .map_err(|trouble| self.unsettled(&trouble, STEP, &Redactor::default()))?;
        let listed = listed.nodes().any(|a| a.id == id);
        self.hidden.found_out(listed);
        Ok(Some(listed))
    }
}

impl HiddenListing {
    fn found_out(&self, listed: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // once seen, they are listed; a lagging listing must not unsay that
        if state.listed != Some(true) {
            state.listed = Some(listed);
        }
    }

    fn saw(&self, cell: &Arc<Cell>, user_id: &str, id: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // the first one: the older, the less a lagging listing can hide it
        if state.witness.is_none() {
            state.witness = Some((Arc::clone(cell), user_id.to_owned(), id.to_owned()));
        }
    }

    fn look(&self) -> (Option<bool>, Option<Witness>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.listed, state.witness.clone())
    }
}

/// Knows the row's credentials; made only when something foreign is to be shown.
fn redactor(row: &WorkRow) -> Redactor {
    let parse = |text: &str| SecretValue(serde_json::from_str(text).unwrap_or(Value::Null));
    let data = parse(row.data.expose());
    let form_data = row.form_data.as_ref().map(|text| parse(text.expose()));
    Redactor::new(std::iter::once(&data.0).chain(form_data.as_ref().map(|f| &f.0)))
}

fn several_authentications() -> Ending {
    several(STEP, "authentications of this name and environment")
}

/// A hidden authentication of an end user who was there before: absent from a list that does not show it.
fn hidden_unknown() -> Ending {
    Ending::failed(
        code::UNSETTLED,
        STEP,
        true,
        "the end user existed before this batch, and Tray does not list hidden authentications: whether this one exists already cannot be told, and nothing was sent. If it surely does not, import the row with hidden = false".to_owned(),
    )
}

fn unsettled(why: &str) -> Ending {
    Ending::failed(
        code::UNSETTLED,
        STEP,
        true,
        format!(
            "the authentication may have been created: no usable answer came, and {why}. Nothing is sent again on a guess; find out from Tray whether the end user has it (--retry-failed asks again)"
        ),
    )
}
