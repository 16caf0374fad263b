//! Calls on behalf of one end user of a batch: the token, its renewal, and the look at what they own.

use std::sync::Arc;

use serde_json::Value;

use crate::import::calls::{MOST_REFUSALS, master_trouble};
use crate::import::stop::Stop;
use crate::secret::{SecretText, SecretValue};
use crate::tray::client::Client;
use crate::tray::operations::{self as ops, AUTHORIZE, Connection, ListedUser, Operation, USERS};
use crate::tray::outcome::Trouble;
use crate::tray::owned::{Owned, Reading};
use crate::tray::transport::Transport;

/// Tray as seen from outside of an import.
pub struct Desk<T> {
    /// Calls Tray.
    pub client: Arc<Client<T>>,
    /// The master token.
    pub master: SecretText,
    /// Says when to stop; a refused master token is said here.
    pub stop: Arc<Stop>,
}

impl<T: Transport> Desk<T> {
    /// Calls with the master token. Where the gateway refuses the token itself, the run is told to stop.
    ///
    /// # Errors
    /// How the call ended.
    pub async fn as_master(
        &self,
        operation: &'static Operation,
        variables: SecretValue,
    ) -> Result<Value, Trouble> {
        let answer = self.client.call(operation, variables, &self.master).await;
        match answer.map_err(|failed| failed.trouble) {
            Ok((data, _)) => Ok(data),
            // what is refused like this may not exist any more: one question tells the token's fault from its
            Err(Trouble::TokenRefused { message, .. }) if operation != &USERS => {
                let nobody = ops::users(Some("tray-import"), None);
                let probe = self.client.call(&USERS, nobody, &self.master).await;
                match probe.map_err(|failed| failed.trouble) {
                    Err(refused @ Trouble::TokenRefused { .. }) => {
                        Err(master_trouble(&self.stop, refused))
                    }
                    _ => Err(Trouble::Refused(message)),
                }
            }
            Err(trouble) => Err(master_trouble(&self.stop, trouble)),
        }
    }

    /// The ids of all end users with exactly this `externalUserId`; compared again here, since how Tray
    /// compares is not known (`tray-api.md` 7).
    ///
    /// # Errors
    /// How the question ended, or a list that cannot be paged.
    pub async fn users_of(&self, external_user_id: &str) -> Result<Vec<String>, Trouble> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let variables = ops::users(Some(external_user_id), after.as_deref());
            let data = self.as_master(&USERS, variables).await?;
            let page: Connection<ListedUser> =
                ops::part(&data, &["users"]).map_err(Trouble::Open)?;
            let (more, next) = (page.has_more(), page.next());
            let same =
                |user: &ListedUser| user.external_user_id.as_deref() == Some(external_user_id);
            found.extend(page.nodes().filter(same).map(|user| user.id));
            if !more {
                return Ok(found);
            }
            if next.is_none() || next == after {
                let why = "the list of end users cannot be paged";
                return Err(Trouble::Refused(why.to_owned()));
            }
            after = next;
        }
    }

    /// A session of the end user with this id. No call is made yet.
    pub fn session(&self, user_id: impl Into<String>) -> Session<'_, T> {
        Session {
            desk: self,
            user_id: user_id.into(),
            token: None,
        }
    }
}

/// An end user's calls. One task has it, so that nobody else uses its token up.
pub struct Session<'d, T> {
    desk: &'d Desk<T>,
    user_id: String,
    token: Option<SecretText>,
}

impl<T: Transport> Session<'_, T> {
    /// Tray's id of the end user.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// What the end user owns: one call, and one more for each further hundred instances.
    ///
    /// # Errors
    /// How the look ended. [`Trouble::Refused`] also where the end user does not exist.
    pub async fn owned(&mut self) -> Result<Owned, Trouble> {
        let mut reading = Reading::default();
        while let Some(operation) = reading.operation() {
            let data = self.call(operation, || reading.variables()).await?;
            reading.take(&data)?;
        }
        Ok(reading.finish())
    }

    /// Calls as the end user. A refused token is renewed; the refusal is final once it met a token that was
    /// minted for this very call and used for nothing else.
    ///
    /// # Errors
    /// How the call ended; [`Trouble::TokenRefused`] with `by_gateway` and a stopped run where it was the
    /// master token.
    pub async fn call(
        &mut self,
        operation: &'static Operation,
        variables: impl Fn() -> SecretValue,
    ) -> Result<Value, Trouble> {
        let mut refusals = 0;
        loop {
            let (token, fresh) = match self.token.take() {
                Some(token) => (token, false),
                None => (self.mint().await?, true),
            };
            let answer = self.desk.client.call(operation, variables(), &token).await;
            let failed = match answer {
                Ok((data, _)) => {
                    self.token = Some(token);
                    return Ok(data);
                }
                Err(failed) => failed,
            };
            if !matches!(failed.trouble, Trouble::TokenRefused { .. }) {
                self.token = Some(token);
                return Err(failed.trouble);
            }
            refusals += 1;
            // of several attempts, an earlier one (throttled, perhaps) may have used the token up
            if fresh && failed.attempts == 1 || refusals > MOST_REFUSALS {
                return Err(failed.trouble);
            }
        }
    }

    async fn mint(&self) -> Result<SecretText, Trouble> {
        let variables = ops::authorize(&self.user_id);
        let data = self.desk.as_master(&AUTHORIZE, variables).await?;
        let text: String =
            ops::part(&data, &["authorize", "accessToken"]).map_err(Trouble::Refused)?;
        Ok(SecretText::new(text))
    }
}
