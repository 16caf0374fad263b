//! Calls with the two kinds of token: the organisation's, which is given, and an end user's, which is minted
//! with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

use super::client::{Client, Failed, Permit};
use super::operations::{
    self as ops, AUTHENTICATIONS, AUTHORIZE, ListedAuthentication, ListedInstance, ListedUser,
    Operation, Page, SOLUTION_INSTANCES, UPDATE_SOLUTION_INSTANCE, USERS,
};
use super::outcome::Trouble;
use super::owned::{Owned, Reading};
use super::paginate::paginate;
use super::transport::Transport;
use crate::secret::{SecretText, SecretValue};
use crate::stop::{Reason, Stop};

/// How long and how often to ask about what a creation without a usable answer has done. A question asked at
/// once proves little: the creation may still be on its way to be committed, and a read may come from a replica
/// that lags. So there is a wait before each question, twice as long each time.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The first wait.
    pub settle: Duration,
    /// How many questions.
    pub asks: u32,
}

impl Patience {
    /// The wait before each question about what may be on its way.
    pub fn waits(self) -> impl Iterator<Item = Duration> {
        (0..self.asks).map(move |question| self.settle.saturating_mul(1 << question.min(16)))
    }

    /// The same, after a question at once: about what is known to be there.
    pub fn at_once_and_later(self) -> impl Iterator<Item = Duration> {
        std::iter::once(Duration::ZERO).chain(self.waits())
    }
}

/// Tray as the organisation sees it: a handle, of which each counts the calls that are made through it.
pub struct Organisation<T> {
    shared: Arc<Shared<T>>,
    calls: Arc<AtomicU32>,
}

struct Shared<T> {
    client: Arc<Client<T>>,
    master: SecretText,
    stop: Arc<Stop>,
}

impl<T> Clone for Organisation<T> {
    fn clone(&self) -> Organisation<T> {
        self.counting(&self.calls)
    }
}

impl<T> Organisation<T> {
    /// `stop` is told when Tray refuses the master token.
    pub fn new(client: Arc<Client<T>>, master: SecretText, stop: Arc<Stop>) -> Organisation<T> {
        Organisation {
            shared: Arc::new(Shared {
                client,
                master,
                stop,
            }),
            calls: Arc::default(),
        }
    }

    /// The same, counting elsewhere.
    #[must_use]
    pub fn counting(&self, calls: &Arc<AtomicU32>) -> Organisation<T> {
        Organisation {
            shared: Arc::clone(&self.shared),
            calls: Arc::clone(calls),
        }
    }

    /// What makes the calls.
    pub fn client(&self) -> &Arc<Client<T>> {
        &self.shared.client
    }

    /// What stops the run.
    pub fn stop(&self) -> &Arc<Stop> {
        &self.shared.stop
    }

    /// The master token.
    pub fn master(&self) -> &SecretText {
        &self.shared.master
    }
}

impl<T: Transport> Organisation<T> {
    /// A session of the end user with this id, with a token of its own. No call is made yet.
    pub fn session(&self, user_id: impl Into<String>) -> UserSession<T> {
        self.resume(&Arc::new(User::new(user_id.into())))
    }

    /// A session that shares the end user's token.
    pub fn resume(&self, user: &Arc<User>) -> UserSession<T> {
        UserSession {
            organisation: self.clone(),
            user: Arc::clone(user),
        }
    }

    /// Calls with the master token. Where the gateway refuses the token itself, the run is told to stop.
    ///
    /// # Errors
    /// How the call ended; [`Trouble::TokenRefused`] only where the run is stopping for it.
    pub async fn call(
        &self,
        operation: &'static Operation,
        variables: SecretValue,
    ) -> Result<Value, Trouble> {
        self.call_with(None, operation, variables).await
    }

    /// [`Organisation::call`] whose first attempt leaves with a permit that was reserved before.
    ///
    /// # Errors
    /// As [`Organisation::call`].
    pub async fn call_with(
        &self,
        permit: Option<Permit<'_>>,
        operation: &'static Operation,
        variables: SecretValue,
    ) -> Result<Value, Trouble> {
        let answer = self.send(permit, operation, variables, self.master()).await;
        let (message, by_gateway) = match answer.map_err(|failed| failed.trouble) {
            Err(Trouble::TokenRefused {
                message,
                by_gateway,
            }) => (message, by_gateway),
            other => return other,
        };
        // what is refused may be about one end user who does not exist any more: a question that is about
        // nobody tells the token's fault from theirs
        let about_one = operation.repeatable() && operation != &USERS;
        if !by_gateway || about_one && !self.is_refused().await {
            return Err(Trouble::Refused(message));
        }
        let shown = message.clone();
        self.shared.stop.because(Reason::TokenRefused(shown));
        Err(Trouble::TokenRefused {
            message,
            by_gateway,
        })
    }

    async fn is_refused(&self) -> bool {
        let nobody = ops::users(Some("tray-import"), None);
        let answer = self.send(None, &USERS, nobody, self.master()).await;
        matches!(
            answer.map_err(|failed| failed.trouble),
            Err(Trouble::TokenRefused {
                by_gateway: true,
                ..
            })
        )
    }

    async fn send(
        &self,
        permit: Option<Permit<'_>>,
        operation: &'static Operation,
        variables: SecretValue,
        token: &SecretText,
    ) -> Result<Value, Failed> {
        let client = &self.shared.client;
        let answer = client.call_in(permit, operation, variables, token).await;
        let attempts = match &answer {
            Ok((_, attempts)) => *attempts,
            Err(failed) => failed.attempts,
        };
        self.calls.fetch_add(attempts, Ordering::Relaxed);
        answer.map(|(data, _)| data)
    }

    /// The ids of all end users with exactly this `externalUserId`: compared again here, since how Tray
    /// compares is not known (`tray-api.md` 7).
    ///
    /// # Errors
    /// How a question ended, or a list that cannot be read to its end.
    pub async fn users_of(&self, external_user_id: &str) -> Result<Vec<String>, Trouble> {
        let mut found = Vec::new();
        let mut pages = paginate::<ListedUser>(&["users"]);
        while pages.more() {
            let variables = ops::users(Some(external_user_id), pages.after());
            let data = self.call(&USERS, variables).await?;
            let same =
                |user: &ListedUser| user.external_user_id.as_deref() == Some(external_user_id);
            found.extend(pages.receive(&data)?.filter(same).map(|user| user.id));
        }
        Ok(found)
    }
}

/// An end user as their sessions share them: the token, and what they owned when somebody looked.
#[derive(Debug)]
pub struct User {
    id: String,
    token: Mutex<Option<Token>>,
    generations: AtomicU64,
    owned: Mutex<Option<Arc<Owned>>>,
}

#[derive(Clone, Debug)]
struct Token {
    text: SecretText,
    generation: u64,
}

impl User {
    /// The end user with this id in Tray.
    pub fn new(id: String) -> User {
        User {
            id,
            token: Mutex::default(),
            generations: AtomicU64::new(0),
            owned: Mutex::default(),
        }
    }

    /// Forgets a token that was refused, unless somebody has renewed it already.
    async fn forget(&self, generation: u64) {
        let mut token = self.token.lock().await;
        if token.as_ref().is_some_and(|t| t.generation == generation) {
            *token = None;
        }
    }
}

/// An end user's calls, with their own token. What a listing by master token does not show of an end user may
/// exist all the same; what theirs does not show, does not.
pub struct UserSession<T> {
    organisation: Organisation<T>,
    user: Arc<User>,
}

/// What is said where [`UserSession::enable`] brought nothing.
pub const NOT_ENABLED: &str = "Tray took the call, but says that the instance is not enabled";

/// Refused tokens of one call, with nothing that explains it, after which it is given up.
const MOST_REFUSALS: u32 = 10;

impl<T: Transport> UserSession<T> {
    /// Tray's id of the end user.
    pub fn user_id(&self) -> &str {
        &self.user.id
    }

    /// Calls with the master token, on behalf of the same caller.
    pub fn organisation(&self) -> &Organisation<T> {
        &self.organisation
    }

    /// Calls as the end user.
    ///
    /// # Errors
    /// How the call ended; where it was the master token that was refused, the run is stopping.
    pub async fn call(
        &self,
        operation: &'static Operation,
        variables: impl Fn() -> SecretValue,
    ) -> Result<Value, Trouble> {
        self.call_with(None, operation, variables).await
    }

    /// [`UserSession::call`] whose first attempt leaves with a permit that was reserved before.
    ///
    /// The token is minted once and shared by all who call for this end user; each token has a generation. A
    /// refused token is forgotten, and whoever comes first mints the next. But the refusal of a shared token says
    /// little about the call: a token may end with time or after some uses, and where minting one ends the
    /// earlier ones, an `authorize` that a dead process has sent can end ours. So a refused call takes a newer
    /// token of somebody else's once, if there is one; else it mints one and keeps it to itself until the answer
    /// is there (the lock on the token stays taken). If that one is refused on its first use, it is the call that
    /// Tray refuses, and trying again would give the same answer. If the refusal came after other attempts of the
    /// same call, one of those may have used the token up; this is tried [`MOST_REFUSALS`] times.
    ///
    /// Minting is a call of its own, and calls in flight are limited. Who waits for the token's lock, or mints,
    /// therefore gives its permit back first: the holder of the lock might be waiting for that very permit.
    ///
    /// # Errors
    /// As [`UserSession::call`].
    pub async fn call_with(
        &self,
        mut permit: Option<Permit<'_>>,
        operation: &'static Operation,
        variables: impl Fn() -> SecretValue,
    ) -> Result<Value, Trouble> {
        let (mut refusals, mut unexplained, mut last_refused) = (0, 0, None);
        loop {
            let mut held = match self.user.token.try_lock() {
                Ok(held) => held,
                Err(_) => {
                    permit = None;
                    self.user.token.lock().await
                }
            };
            let shared = (held.clone())
                .filter(|token| refusals < 2 && last_refused != Some(token.generation));
            let alone = shared.is_none() && refusals > 0;
            let token = match shared {
                Some(token) => token,
                None => {
                    permit = None;
                    self.mint(&mut held).await?
                }
            };
            let held = alone.then_some(held);
            let answer = self
                .organisation
                .send(permit.take(), operation, variables(), &token.text)
                .await;
            drop(held);
            let failed = match answer {
                Err(failed) if matches!(failed.trouble, Trouble::TokenRefused { .. }) => failed,
                other => return other.map_err(|failed| failed.trouble),
            };
            self.user.forget(token.generation).await;
            refusals += 1;
            if failed.attempts == 1 {
                unexplained += 1;
                if alone || unexplained > MOST_REFUSALS {
                    return Err(failed.trouble);
                }
            }
            last_refused = Some(token.generation);
        }
    }

    /// Sees to it that there is a token.
    ///
    /// # Errors
    /// How minting one ended.
    pub async fn authorize(&self) -> Result<(), Trouble> {
        let mut held = self.user.token.lock().await;
        if held.is_none() {
            self.mint(&mut held).await?;
        }
        Ok(())
    }

    async fn mint(&self, held: &mut Option<Token>) -> Result<Token, Trouble> {
        *held = None;
        let variables = ops::authorize(self.user_id());
        let data = self.organisation.call(&AUTHORIZE, variables).await?;
        let text: String =
            ops::part(&data, &["authorize", "accessToken"]).map_err(Trouble::Refused)?;
        let token = Token {
            text: SecretText::new(text),
            generation: self.user.generations.fetch_add(1, Ordering::Relaxed),
        };
        Ok(held.insert(token).clone())
    }

    /// What the end user owns: one call, and one more for each further hundred instances.
    ///
    /// # Errors
    /// How a call ended; [`Trouble::Refused`] also where the end user does not exist.
    pub async fn look(&self) -> Result<Owned, Trouble> {
        let mut reading = Reading::default();
        while let Some(operation) = reading.operation() {
            let data = self.call(operation, || reading.variables()).await?;
            reading.take(&data)?;
        }
        Ok(reading.finish())
    }

    /// What the end user owned when it was first asked for: one look for all their sessions.
    ///
    /// # Errors
    /// As [`UserSession::look`].
    pub async fn owned(&self) -> Result<Arc<Owned>, Trouble> {
        let mut owned = self.user.owned.lock().await;
        if let Some(owned) = &*owned {
            return Ok(Arc::clone(owned));
        }
        let look = Arc::new(self.look().await?);
        Ok(Arc::clone(owned.insert(look)))
    }

    /// The end user's authentications, and whether the list is cut short: it cannot be paged.
    ///
    /// # Errors
    /// How the call ended.
    pub async fn authentications(&self) -> Result<(Vec<ListedAuthentication>, bool), Trouble> {
        let variables = || SecretValue(serde_json::json!({}));
        let data = self.call(&AUTHENTICATIONS, variables).await?;
        let page: Page<ListedAuthentication> =
            ops::part(&data, &["viewer", "authentications"]).map_err(Trouble::Open)?;
        let truncated = page.has_more();
        Ok((page.nodes().collect(), truncated))
    }

    /// The end user's instances of this name of this solution.
    ///
    /// # Errors
    /// How a call ended, or a list that cannot be read to its end.
    pub async fn instances_of(
        &self,
        solution_id: &str,
        name: &str,
    ) -> Result<Vec<ListedInstance>, Trouble> {
        let mut found = Vec::new();
        let mut pages = paginate::<ListedInstance>(&["viewer", "solutionInstances"]);
        while pages.more() {
            let variables = || ops::solution_instances(Some(solution_id), pages.after());
            let data = self.call(&SOLUTION_INSTANCES, variables).await?;
            let same = |instance: &ListedInstance| instance.is_of(solution_id, name);
            found.extend(pages.receive(&data)?.filter(same));
        }
        Ok(found)
    }

    /// Enables an instance; whether Tray says that it is enabled ([`NOT_ENABLED`]). It can be done twice.
    ///
    /// # Errors
    /// How the call ended.
    pub async fn enable(&self, instance_id: &str) -> Result<bool, Trouble> {
        let variables = || ops::enable(instance_id);
        let data = self.call(&UPDATE_SOLUTION_INSTANCE, variables).await?;
        let path = ["updateSolutionInstance", "solutionInstance", "enabled"];
        Ok(ops::part(&data, &path) == Ok(true))
    }
}
