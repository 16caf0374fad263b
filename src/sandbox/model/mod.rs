//! The emulated Tray itself: users, tokens, authentications and instances in memory.
//!
//! Pure: no network, no clock, no global randomness. Every operation takes the time since the start, and every id
//! comes from the seed, so one seed and one order of calls always give the same world.

mod authentications;
mod calls;
mod instances;
mod objects;
mod refusal;
mod table;
mod users;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::behaviour::{Behaviour, UnknownRemoval};
use super::platform::{Offer, Platform};
use crate::secret::SecretText;
pub use objects::{
    AuthValue, Authentication, Caller, ConfigValue, Instance, InstanceChanges, InstanceCriteria,
    Json, NewAuthentication, NewConfigValue, NewInstance, NewUser, User, UserChanges, UserCriteria,
};
pub use refusal::Refusal;
use table::{Object, Sizes, Table};
pub use table::{Page, Paging, cursor};

/// Checks credentials against the schema of a service environment: its id, the credentials.
pub type CredentialCheck = Arc<dyn Fn(&str, &Value) -> Result<(), String> + Send + Sync>;

/// The emulated Tray.
pub struct Model {
    behaviour: Arc<Behaviour>,
    offer: Arc<Offer>,
    check: Option<CredentialCheck>,
    master_token: SecretText,
    /// The wall clock's time at which the model's time is zero.
    started: Timestamp,
    random: fastrand::Rng,
    tokens: HashMap<String, Token>,
    users: Table<User>,
    authentications: Table<Authentication>,
    instances: Table<Instance>,
}

/// A user token. How often it was used counts against the switch of that name.
struct Token {
    user: Arc<str>,
    issued: Duration,
    uses: u64,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("users", &self.users)
            .field("authentications", &self.authentications)
            .field("instances", &self.instances)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// An organisation without end users.
    pub fn new(platform: Platform, behaviour: Behaviour, master_token: &str, seed: u64) -> Self {
        Self::with_offer(
            Arc::new(Offer::new(platform)),
            Arc::new(behaviour),
            master_token,
            seed,
        )
    }

    pub(super) fn with_offer(
        offer: Arc<Offer>,
        behaviour: Arc<Behaviour>,
        master_token: &str,
        seed: u64,
    ) -> Self {
        Self {
            behaviour,
            offer,
            check: None,
            master_token: SecretText::new(master_token.to_owned()),
            started: Timestamp::UNIX_EPOCH,
            random: fastrand::Rng::with_seed(seed),
            tokens: HashMap::new(),
            users: Table::default(),
            authentications: Table::default(),
            instances: Table::default(),
        }
    }

    /// Sets what `validate_credentials` calls.
    pub fn set_credential_check(&mut self, check: CredentialCheck) {
        self.check = Some(check);
    }

    /// Sets the wall clock's time at which the model's time is zero.
    pub(super) fn set_started(&mut self, started: Timestamp) {
        self.started = started;
    }

    /// The wall clock's time at a time of the model.
    pub(super) fn timestamp(&self, at: Duration) -> Timestamp {
        self.started.checked_add(at).unwrap_or(Timestamp::MAX)
    }

    /// Who a bearer token belongs to. This counts as one use of the token.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forbidden`] where the token is unknown, expired or used up.
    pub fn authenticate(&mut self, now: Duration, token: &str) -> Result<Caller, Refusal> {
        if token == self.master_token.expose() {
            return Ok(Caller::Master);
        }
        let state = self.tokens.get_mut(token).ok_or(Refusal::Forbidden)?;
        let expired = now
            >= state
                .issued
                .saturating_add(self.behaviour.user_token_lifetime);
        let used_up = self
            .behaviour
            .user_token_uses
            .is_some_and(|uses| state.uses >= uses);
        let gone = self.users.get(&state.user).is_none();
        if expired || used_up || gone {
            self.tokens.remove(token);
            return Err(Refusal::Forbidden);
        }
        state.uses += 1;
        Ok(Caller::User(Arc::clone(&state.user)))
    }

    /// Puts a user back as it was, id included.
    pub fn restore_user(&mut self, user: User) {
        self.users.insert(user);
    }

    /// Puts an authentication back as it was, id included.
    pub fn restore_authentication(&mut self, authentication: Authentication) {
        self.authentications.insert(authentication);
    }

    /// Puts an instance back as it was, id included.
    pub fn restore_instance(&mut self, instance: Instance) {
        self.instances.insert(instance);
    }

    /// Ends every user token.
    pub fn expire_user_tokens(&mut self) {
        self.tokens.clear();
    }

    /// All end users, in order of creation, those that listings do not show yet included.
    pub fn all_users(&self) -> impl DoubleEndedIterator<Item = &User> {
        self.users.iter().map(|user| &**user)
    }

    /// All authentications, in order of creation.
    pub fn all_authentications(&self) -> impl DoubleEndedIterator<Item = &Authentication> {
        self.authentications
            .iter()
            .map(|authentication| &**authentication)
    }

    /// All instances, in order of creation.
    pub fn all_instances(&self) -> impl DoubleEndedIterator<Item = &Instance> {
        self.instances.iter().map(|instance| &**instance)
    }

    /// The platform that the organisation is on.
    pub fn platform(&self) -> &Platform {
        &self.offer.platform
    }

    /// The answer to the removal of what does not exist.
    fn unknown_removal(&self, kind: &'static str, id: &str) -> Result<(), Refusal> {
        match self.behaviour.unknown_removal {
            UnknownRemoval::NotFound => Err(Refusal::NotFound(kind, id.into())),
            UnknownRemoval::Done => Ok(()),
            UnknownRemoval::Forbidden => Err(Refusal::Forbidden),
        }
    }

    /// Whether a listing at `now` shows an object already.
    fn listed(&self, now: Duration, object: &impl Object) -> bool {
        now >= object.created_at().saturating_add(self.behaviour.read_lag)
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            default: self.behaviour.default_page_size,
            max: self.behaviour.max_page_size,
        }
    }

    /// A new id in the shape of a version 4 UUID.
    fn new_id(&mut self) -> String {
        let bits = self.random.u128(..);
        let part = |shift: u32, mask: u128| (bits >> shift) & mask;
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            part(96, 0xffff_ffff),
            part(80, 0xffff),
            part(64, 0xfff),
            part(48, 0x3fff) | 0x8000,
            part(0, 0xffff_ffff_ffff),
        )
    }

    /// A new user token: 64 hex digits.
    fn new_token(&mut self) -> String {
        format!("{:032x}{:032x}", self.random.u128(..), self.random.u128(..))
    }
}
