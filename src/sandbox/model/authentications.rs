//! Operations on authentications.

use std::sync::Arc;
use std::time::Duration;

use super::super::behaviour::RemovalToken;
use super::{Authentication, Caller, Model, NewAuthentication, Page, Refusal};
use crate::secret::SecretText;

impl Model {
    /// `createUserAuthentication`: the new authentication's id.
    ///
    /// # Errors
    ///
    /// Unknown or mismatched service and environment, credentials that are not a string of a JSON object, and by their
    /// switches credentials against the schema, a name that is taken, and a master token.
    pub fn create_user_authentication(
        &mut self,
        now: Duration,
        caller: &Caller,
        new: NewAuthentication,
    ) -> Result<String, Refusal> {
        let owner = match caller {
            Caller::User(user) => Some(user.to_string()),
            Caller::Master if self.behaviour.master_create_authentication => None,
            Caller::Master => return Err(Refusal::Forbidden),
        };
        if let Err(refusal) = self.check_authentication(owner.as_deref(), &new) {
            return Err(match self.behaviour.error_echoes_input {
                true => Refusal::Echoing(Box::new(refusal), SecretText::new(new.data.into_text())),
                false => refusal,
            });
        }
        Ok(self.seed_authentication(now, owner, new))
    }

    /// Puts an authentication there as if made before, by hand; without an owner into the organisation's own account.
    pub fn seed_authentication(
        &mut self,
        created_at: Duration,
        owner: Option<String>,
        new: NewAuthentication,
    ) -> String {
        let id = self.new_id();
        self.authentications.insert(Authentication {
            id: id.clone(),
            owner,
            name: new.name,
            service_id: new.service_id,
            environment_id: new.environment_id,
            data: SecretText::new(new.data.into_text()),
            form_data: new.form_data.map(|json| SecretText::new(json.into_text())),
            scopes: new.scopes,
            hidden: new.hidden,
            created_at,
        });
        id
    }

    fn check_authentication(
        &self,
        owner: Option<&str>,
        new: &NewAuthentication,
    ) -> Result<(), Refusal> {
        if self.offer.service(&new.service_id).is_none() {
            return Err(Refusal::NotFound("Service", new.service_id.clone()));
        }
        let Some((service_id, _)) = self.offer.environment(&new.environment_id) else {
            return Err(Refusal::NotFound(
                "Service environment",
                new.environment_id.clone(),
            ));
        };
        if self.behaviour.environment_service_must_match && service_id != new.service_id {
            return Err(Refusal::ServiceMismatch);
        }
        let data = new.data.object().ok_or(Refusal::NotJson("data"))?;
        if let Some(form_data) = &new.form_data {
            form_data.object().ok_or(Refusal::NotJson("formData"))?;
        }
        if self.behaviour.validate_credentials
            && let Some(check) = &self.check
        {
            check(&new.environment_id, &data).map_err(Refusal::Credentials)?;
        }
        let same = |other: &Arc<Authentication>| {
            other.name == new.name && other.environment_id == new.environment_id
        };
        if self.behaviour.names_unique
            && self
                .authentications
                .with_key(owner.unwrap_or_default())
                .any(same)
        {
            return Err(Refusal::NameTaken);
        }
        Ok(())
    }

    /// `removeAuthentication`: of the caller's own account; by its switch, an end user's by the master token.
    ///
    /// # Errors
    ///
    /// An authentication that is unknown or not the caller's; by its switch, one in use by an enabled instance.
    pub fn remove_authentication(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let account = account(caller);
        let taken = self.behaviour.authentication_removal_token;
        let may = |found: &Authentication| match (&found.owner, account) {
            (Some(_), None) => taken != RemovalToken::User,
            (Some(owner), Some(user)) => owner == user && taken != RemovalToken::Master,
            (None, account) => account.is_none(),
        };
        let Some(found) = self.authentications.get(id).filter(|found| may(found)) else {
            return self.unknown_removal("Authentication", id);
        };
        let owner = found.owner.clone().unwrap_or_default();
        let mut instances = self.instances.with_key(&owner);
        let used = instances.any(|instance| {
            instance.enabled && instance.auth_values.iter().any(|value| value.auth_id == id)
        });
        drop(instances);
        if used && !self.behaviour.remove_used_authentications {
            return Err(Refusal::InUse);
        }
        self.authentications.remove(id);
        Ok(())
    }

    /// Removes an authentication by hand.
    pub fn drop_authentication(&mut self, id: &str) -> bool {
        self.authentications.remove(id).is_some()
    }

    /// `viewer.authentications`: the caller's own, in one page.
    pub fn list_authentications(&self, now: Duration, caller: &Caller) -> Page<Authentication> {
        let mut items: Vec<_> = (self.authentications)
            .with_key(account(caller).unwrap_or_default())
            .filter(|found| {
                self.listed(now, &***found) && (self.behaviour.hidden_listed || !found.hidden)
            })
            .cloned()
            .collect();
        let most = self.behaviour.authentications_listed.unwrap_or(usize::MAX);
        let has_next = items.len() > most;
        items.truncate(most);
        Page {
            items,
            has_next,
            has_previous: false,
        }
    }

    /// The authentication with this id, listed or not.
    pub fn authentication(&self, id: &str) -> Option<&Arc<Authentication>> {
        self.authentications.get(id)
    }
}

/// The end user whose account a caller acts in, or the organisation's own.
fn account(caller: &Caller) -> Option<&str> {
    match caller {
        Caller::Master => None,
        Caller::User(user) => Some(user),
    }
}
