//! Operations on end users and their tokens. All of them take the master token.

use std::sync::Arc;
use std::time::Duration;

use super::super::behaviour::CriteriaMatch;
use super::{
    Caller, Model, NewUser, Page, Paging, Refusal, Token, User, UserChanges, UserCriteria,
};

impl Model {
    /// `createExternalUser`: the new user's id.
    ///
    /// # Errors
    ///
    /// With `unique_external_ids`, an `externalUserId` that is taken.
    pub fn create_external_user(
        &mut self,
        now: Duration,
        caller: &Caller,
        new: NewUser,
    ) -> Result<String, Refusal> {
        only_master(caller)?;
        self.check_external_id(&new.external_user_id)?;
        Ok(self.seed_user(now, new))
    }

    /// Puts a user there as if made before, by hand.
    pub fn seed_user(&mut self, created_at: Duration, new: NewUser) -> String {
        let id = self.new_id();
        self.users.insert(User {
            id: id.clone(),
            name: new.name,
            external_user_id: new.external_user_id,
            is_test_user: new.is_test_user,
            created_at,
        });
        id
    }

    /// `updateExternalUser`: the user after it.
    ///
    /// # Errors
    ///
    /// An unknown user; with `unique_external_ids`, an `externalUserId` that is taken.
    pub fn update_external_user(
        &mut self,
        caller: &Caller,
        id: &str,
        changes: UserChanges,
    ) -> Result<Arc<User>, Refusal> {
        only_master(caller)?;
        let user = self.user(id)?;
        if let Some(external_id) = &changes.external_user_id
            && *external_id != user.external_user_id
        {
            self.check_external_id(external_id)?;
        }
        let changed = self.users.update(id, |user| {
            user.name = changes
                .name
                .unwrap_or_else(|| std::mem::take(&mut user.name));
            user.external_user_id = (changes.external_user_id)
                .unwrap_or_else(|| std::mem::take(&mut user.external_user_id));
            user.is_test_user = changes.is_test_user.unwrap_or(user.is_test_user);
        });
        changed.ok_or_else(|| Refusal::NotFound("User", id.into()))
    }

    /// `removeExternalUser`: the user, their tokens and instances, and by its switch their authentications.
    ///
    /// # Errors
    ///
    /// An unknown user; by its switch, one who still owns something.
    pub fn remove_external_user(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        only_master(caller)?;
        if self.user(id).is_err() {
            return self.unknown_removal("User", id);
        }
        let owns = self.instances.with_key(id).next().is_some()
            || self.authentications.with_key(id).next().is_some();
        if owns && !self.behaviour.remove_users_with_things {
            return Err(Refusal::InUse);
        }
        self.users.remove(id);
        let instances: Vec<_> = self.instances.with_key(id).cloned().collect();
        for instance in instances {
            self.instances.remove(&instance.id);
        }
        if self.behaviour.user_removal_takes_authentications {
            let authentications: Vec<_> = self.authentications.with_key(id).cloned().collect();
            for authentication in authentications {
                self.authentications.remove(&authentication.id);
            }
        }
        Ok(())
    }

    /// `authorize`: a new user token.
    ///
    /// # Errors
    ///
    /// An unknown user.
    pub fn authorize(
        &mut self,
        now: Duration,
        caller: &Caller,
        user_id: &str,
    ) -> Result<String, Refusal> {
        only_master(caller)?;
        let user: Arc<str> = self.user(user_id)?.id.as_str().into();
        if self.behaviour.authorize_invalidates_earlier {
            self.tokens.retain(|_, token| token.user != user);
        }
        let token = self.new_token();
        self.tokens.insert(
            token.clone(),
            Token {
                user,
                issued: now,
                uses: 0,
            },
        );
        Ok(token)
    }

    /// `generateAuthorizationCode`: a code that nothing here takes, since there is no wizard.
    ///
    /// # Errors
    ///
    /// An unknown user.
    pub fn generate_authorization_code(
        &mut self,
        caller: &Caller,
        user_id: &str,
    ) -> Result<String, Refusal> {
        only_master(caller)?;
        self.user(user_id)?;
        Ok(self.new_token())
    }

    /// `users`.
    ///
    /// # Errors
    ///
    /// Paging arguments that make no sense.
    pub fn list_users(
        &self,
        now: Duration,
        caller: &Caller,
        criteria: &UserCriteria,
        paging: &Paging,
    ) -> Result<Page<User>, Refusal> {
        only_master(caller)?;
        let how = self.behaviour.criteria_match;
        let wanted = |user: &User| {
            self.listed(now, user)
                && criteria.user_id.as_ref().is_none_or(|id| *id == user.id)
                && criteria
                    .is_test_user
                    .is_none_or(|test| test == user.is_test_user)
                && (criteria.name.as_ref()).is_none_or(|name| matches(how, name, &user.name))
                && (criteria.external_user_id.as_ref())
                    .is_none_or(|id| matches(how, id, &user.external_user_id))
        };
        let key = criteria
            .external_user_id
            .as_deref()
            .filter(|_| how == CriteriaMatch::Exact);
        self.users.page(key, wanted, paging, self.sizes())
    }

    /// The end user with this id, listed or not.
    ///
    /// # Errors
    ///
    /// An unknown user.
    pub fn user(&self, id: &str) -> Result<&Arc<User>, Refusal> {
        self.users
            .get(id)
            .ok_or_else(|| Refusal::NotFound("User", id.into()))
    }

    fn check_external_id(&self, external_id: &str) -> Result<(), Refusal> {
        match self.behaviour.unique_external_ids
            && self.users.with_key(external_id).next().is_some()
        {
            true => Err(Refusal::ExternalUserIdTaken),
            false => Ok(()),
        }
    }
}

fn only_master(caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::Master => Ok(()),
        Caller::User(_) => Err(Refusal::Forbidden),
    }
}

fn matches(how: CriteriaMatch, wanted: &str, found: &str) -> bool {
    match how {
        CriteriaMatch::Exact => found == wanted,
        CriteriaMatch::Prefix => found.starts_with(wanted),
        CriteriaMatch::CaseInsensitive => found.to_lowercase() == wanted.to_lowercase(),
    }
}
