//! One removal: sent until it is known that the thing does not exist any more.
//!
//! Removals are by id, so that they may be sent again. Whatever a removal is answered that is not success — an
//! error in words that nobody documents, or nothing usable at all — what Tray lists decides.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::rollback::Rollback;
use super::tally::Removed;
use crate::import::error::StepError;
use crate::model::{Id, RowError, Step};
use crate::tray::operations::{
    self as ops, REMOVE_AUTHENTICATION, REMOVE_EXTERNAL_USER, REMOVE_SOLUTION_INSTANCE,
    UPDATE_SOLUTION_INSTANCE,
};
use crate::tray::outcome::Trouble;
use crate::tray::owned::Owned;
use crate::tray::session::UserSession;
use crate::tray::transport::Transport;

/// Why something is not done.
#[derive(Debug)]
pub enum Hitch {
    /// The run is stopping.
    Stopped,
    /// Tray said no, or nothing usable.
    Failed(Box<RowError>),
}

impl<T: Transport> Rollback<T> {
    pub(super) async fn remove_instance(
        &self,
        session: &UserSession<T>,
        id: &Id,
    ) -> Result<Removed, Hitch> {
        let text = id.to_string();
        let remove = || ops::remove_solution_instance(&text);
        let Err(mut trouble) = session.call(&REMOVE_SOLUTION_INSTANCE, remove).await else {
            return Ok(Removed::Now);
        };
        // an enabled one may have to be disabled first, and what was just disabled may need a moment
        for _ in 0..2 {
            let listed = |owned: &Owned| {
                let found = owned.instances.iter().find(|i| i.id == text);
                found.map(|found| found.enabled)
            };
            match self.still_listed(session, listed, &trouble).await? {
                None => return Ok(Removed::Before),
                Some(true) => {
                    let disable = || ops::disable(&text);
                    let disabled = session.call(&UPDATE_SOLUTION_INSTANCE, disable).await;
                    if let Err(trouble) = disabled {
                        tracing::debug!(instance_id = text, ?trouble, "cannot be disabled");
                    }
                }
                Some(false) => self.pause(self.settings.settle).await?,
            }
            match session.call(&REMOVE_SOLUTION_INSTANCE, remove).await {
                Ok(_) => return Ok(Removed::Now),
                Err(again) => trouble = again,
            }
        }
        Err(self.hitch(&trouble))
    }

    /// `was_listed`: whether the first look at the end user showed it.
    pub(super) async fn remove_authentication(
        &self,
        session: &UserSession<T>,
        id: &Id,
        was_listed: bool,
    ) -> Result<Removed, Hitch> {
        let text = id.to_string();
        let mut trouble = match self.send_removal(session, &text).await {
            Ok(()) => {
                if !was_listed {
                    self.unlisted.store(true, Ordering::Relaxed);
                }
                return Ok(Removed::Now);
            }
            Err(trouble) => trouble,
        };
        for question in 0..2 {
            let listed = |owned: &Owned| {
                owned
                    .authentications
                    .iter()
                    .find_map(|a| (a.id == text).then_some(()))
            };
            if self
                .still_listed(session, listed, &trouble)
                .await?
                .is_none()
            {
                // one that was never listed may be hidden rather than gone
                let hides = !was_listed && self.unlisted.load(Ordering::Relaxed);
                if hides && !says_not_found(&trouble) {
                    break;
                }
                return Ok(Removed::Before);
            }
            if question == 0 {
                // it may have been in use a moment ago
                self.pause(self.settings.settle).await?;
                match self.send_removal(session, &text).await {
                    Ok(()) => return Ok(Removed::Now),
                    Err(again) => trouble = again,
                }
            }
        }
        Err(self.hitch(&trouble))
    }

    /// With the token that Tray takes, once that is known.
    async fn send_removal(&self, session: &UserSession<T>, id: &str) -> Result<(), Trouble> {
        let variables = || ops::remove_authentication(id);
        let master_first = self.by_master.load(Ordering::Relaxed);
        let mut refused = None;
        for by_master in [master_first, !master_first] {
            let answer = if by_master {
                // refused, it says nothing about the token as such
                let tray = &self.tray;
                let call = tray
                    .client()
                    .call(&REMOVE_AUTHENTICATION, variables(), tray.master());
                call.await.map(|_| ()).map_err(|failed| failed.trouble)
            } else {
                let call = session.call(&REMOVE_AUTHENTICATION, variables);
                call.await.map(|_| ())
            };
            match answer {
                Ok(()) => {
                    self.by_master.store(by_master, Ordering::Relaxed);
                    return Ok(());
                }
                Err(trouble @ (Trouble::Refused(_) | Trouble::TokenRefused { .. })) => {
                    // the end user's own answer says more
                    if refused.is_none() || !by_master {
                        refused = Some(trouble);
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Err(refused.unwrap_or(Trouble::Refused(String::new())))
    }

    pub(super) async fn remove_user(&self, name: &str, id: &Id) -> Result<Removed, Hitch> {
        let text = id.to_string();
        let variables = ops::remove_external_user(&text);
        match self.tray.call(&REMOVE_EXTERNAL_USER, variables).await {
            Ok(_) => Ok(Removed::Now),
            Err(trouble) => match self.user_is_gone(name, &text, &trouble).await? {
                true => Ok(Removed::Before),
                false => Err(self.hitch(&trouble)),
            },
        }
    }

    /// Whether Tray does not list the end user: asked twice, since a listing may lag.
    pub(super) async fn user_is_gone(
        &self,
        name: &str,
        id: &str,
        trouble: &Trouble,
    ) -> Result<bool, Hitch> {
        self.unless_stopped(trouble)?;
        for question in 0..2 {
            if question > 0 {
                self.pause(self.settings.settle).await?;
            }
            let listed = self.tray.users_of(name).await;
            if listed
                .map_err(|trouble| self.hitch(&trouble))?
                .iter()
                .any(|other| other == id)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What a new look at the end user shows of a thing; nothing only where a second look shows nothing either.
    async fn still_listed<F>(
        &self,
        session: &UserSession<T>,
        find: impl Fn(&Owned) -> Option<F>,
        trouble: &Trouble,
    ) -> Result<Option<F>, Hitch> {
        self.unless_stopped(trouble)?;
        for question in 0..2 {
            if question > 0 {
                self.pause(self.settings.settle).await?;
            }
            let owned = session
                .look()
                .await
                .map_err(|trouble| self.hitch(&trouble))?;
            if let Some(found) = find(&owned) {
                return Ok(Some(found));
            }
            if owned.truncated {
                return Err(self.hitch(trouble));
            }
        }
        Ok(None)
    }

    /// Waits, unless the run stops meanwhile.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), Hitch> {
        tokio::select! {
            biased;
            () = self.tray.stop().wait() => Err(Hitch::Stopped),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    /// A refused master token has stopped the run: nothing that is refused then says anything.
    fn unless_stopped(&self, trouble: &Trouble) -> Result<(), Hitch> {
        match self.hitch(trouble) {
            Hitch::Stopped => Err(Hitch::Stopped),
            Hitch::Failed(_) => Ok(()),
        }
    }

    pub(super) fn hitch(&self, trouble: &Trouble) -> Hitch {
        let of_token = matches!(trouble, Trouble::TokenRefused { .. });
        if of_token && self.tray.stop().token_is_refused() {
            return Hitch::Stopped;
        }
        match StepError::of_trouble(trouble, Step::User) {
            StepError::Failed(error) => Hitch::Failed(Box::new(error)),
            StepError::Stopped | StepError::NotDone => Hitch::Stopped,
        }
    }
}

/// Whether an error says that there is no such thing. Its words are nobody's promise: only where the listing
/// leaves it open do they count.
fn says_not_found(trouble: &Trouble) -> bool {
    let Trouble::Refused(message) = trouble else {
        return false;
    };
    let text = message.to_ascii_lowercase();
    ["not found", "not exist", "no such"]
        .iter()
        .any(|part| text.contains(part))
}
