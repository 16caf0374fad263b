//! Operations on solutions and their instances.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;

use super::super::behaviour::UpdateValues;
use super::super::platform::Solution;
use super::table::Object as _;
use super::{
    AuthValue, Caller, ConfigValue, Instance, InstanceChanges, InstanceCriteria, Json, Model,
    NewConfigValue, NewInstance, Page, Paging, Refusal,
};

impl Model {
    /// `createSolutionInstance`: the new instance, which is not enabled.
    ///
    /// # Errors
    ///
    /// A master token, an unknown solution, slots that are not the solution's or stand twice, authentications that are not
    /// the caller's, config values that are not JSON text, and by its switch a name that is taken.
    pub fn create_solution_instance(
        &mut self,
        now: Duration,
        caller: &Caller,
        new: NewInstance,
    ) -> Result<Arc<Instance>, Refusal> {
        let owner = only_user(caller)?;
        let solution = self.solution(&new.solution_id)?;
        self.check_auth_values(owner, solution, &new.auth_values)?;
        let config_values = self.read_config_values(solution, new.config_values)?;
        let same =
            |other: &Arc<Instance>| other.name == new.name && other.solution_id == new.solution_id;
        if self.behaviour.names_unique && self.instances.with_key(owner).any(same) {
            return Err(Refusal::NameTaken);
        }
        let id = self.seed_instance(Instance {
            id: String::new(),
            solution_id: new.solution_id,
            name: new.name,
            enabled: false,
            owner: owner.to_owned(),
            auth_values: new.auth_values,
            config_values: config_values.into_iter().filter_map(set).collect(),
            created_at: now,
        });
        self.instance(&id).cloned()
    }

    /// Puts an instance there as if made before, by hand, and gives it an id.
    pub fn seed_instance(&mut self, mut instance: Instance) -> String {
        instance.id = self.new_id();
        let id = instance.id.clone();
        self.instances.insert(instance);
        id
    }

    /// `updateSolutionInstance`: the instance after it.
    ///
    /// # Errors
    ///
    /// Those of its creation; enabling with missing values where that is to be an error; by its switch, enabling too soon.
    pub fn update_solution_instance(
        &mut self,
        now: Duration,
        caller: &Caller,
        id: &str,
        changes: InstanceChanges,
    ) -> Result<Arc<Instance>, Refusal> {
        let owner = only_user(caller)?;
        let mut instance = Instance::clone(self.own_instance(owner, id)?);
        let solution = self.solution(&instance.solution_id)?;
        let merge = self.behaviour.update_values == UpdateValues::Merge;
        if let Some(values) = changes.auth_values {
            self.check_auth_values(owner, solution, &values)?;
            let given =
                |old: &AuthValue| values.iter().any(|new| new.external_id == old.external_id);
            instance.auth_values.retain(|old| merge && !given(old));
            instance.auth_values.extend(values);
        }
        if let Some(values) = changes.config_values {
            let values = self.read_config_values(solution, values)?;
            let given = |old: &ConfigValue| values.iter().any(|(slot, _)| *slot == old.external_id);
            instance.config_values.retain(|old| merge && !given(old));
            instance
                .config_values
                .extend(values.into_iter().filter_map(set));
        }
        if changes.enabled == Some(true) && !instance.enabled {
            let delay = self.behaviour.enable_needs_delay.unwrap_or_default();
            if now < instance.created_at.saturating_add(delay) {
                return Err(Refusal::TooSoon);
            }
            let missing = missing_values(solution, &instance);
            if changes.error_on_missing_values && !missing.is_empty() {
                return Err(Refusal::MissingValues(missing));
            }
        }
        instance.name = changes.name.unwrap_or(instance.name);
        instance.enabled = changes.enabled.unwrap_or(instance.enabled);
        let changed = self.instances.update(id, |stored| *stored = instance);
        changed.ok_or_else(|| Refusal::NotFound("Solution instance", id.into()))
    }

    /// `removeSolutionInstance`.
    ///
    /// # Errors
    ///
    /// A master token; an instance that is unknown or not the caller's; by its switch, one that is enabled.
    pub fn remove_solution_instance(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let Ok(instance) = self.own_instance(only_user(caller)?, id) else {
            return self.unknown_removal("Solution instance", id);
        };
        if instance.enabled && !self.behaviour.remove_enabled_instances {
            return Err(Refusal::InUse);
        }
        self.instances.remove(id);
        Ok(())
    }

    /// Removes an instance by hand.
    pub fn drop_instance(&mut self, id: &str) -> bool {
        self.instances.remove(id).is_some()
    }

    /// Enables or disables an instance by hand.
    pub fn set_enabled(&mut self, id: &str, enabled: bool) -> bool {
        self.instances
            .update(id, |instance| instance.enabled = enabled)
            .is_some()
    }

    /// `viewer.solutionInstances`: a page, and how many there are in all.
    ///
    /// # Errors
    ///
    /// Paging arguments that make no sense.
    pub fn list_instances(
        &self,
        now: Duration,
        caller: &Caller,
        criteria: &InstanceCriteria,
        paging: &Paging,
    ) -> Result<(Page<Instance>, usize), Refusal> {
        let visible = match caller {
            Caller::Master => self.behaviour.master_sees_instances,
            Caller::User(_) => true,
        };
        let wanted = |instance: &Instance| {
            visible
                && self.listed(now, instance)
                && criteria.id.as_ref().is_none_or(|id| *id == instance.id)
                && criteria
                    .name
                    .as_ref()
                    .is_none_or(|name| *name == instance.name)
                && criteria
                    .owner
                    .as_ref()
                    .is_none_or(|owner| *owner == instance.owner)
                && (criteria.solution_id.as_ref())
                    .is_none_or(|solution| *solution == instance.solution_id)
        };
        let key = match caller {
            Caller::Master => criteria.owner.as_deref(),
            Caller::User(user) => Some(&**user),
        };
        let page = self.instances.page(key, wanted, paging, self.sizes())?;
        let total = match key {
            Some(key) => self
                .instances
                .with_key(key)
                .filter(|instance| wanted(instance))
                .count(),
            None => self
                .instances
                .iter()
                .filter(|instance| wanted(instance))
                .count(),
        };
        Ok((page, total))
    }

    /// `viewer.solutions`: a page, forwards only, and whether more follow.
    ///
    /// # Errors
    ///
    /// Paging arguments that make no sense.
    pub fn list_solutions(&self, paging: &Paging) -> Result<(&[Solution], bool), Refusal> {
        let solutions = &self.offer.platform.solutions;
        let from = match &paging.after {
            None => 0,
            Some(after) => {
                let place = solutions
                    .iter()
                    .position(|solution| super::cursor(&solution.id) == *after);
                place.ok_or(Refusal::Paging)? + 1
            }
        };
        let size = match paging.first {
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|&size| size > 0)
                .ok_or(Refusal::Paging)?,
            None => self.behaviour.default_page_size,
        };
        let to = (from + size.min(self.behaviour.max_page_size)).min(solutions.len());
        Ok((&solutions[from..to], to < solutions.len()))
    }

    /// The instance with this id, listed or not.
    ///
    /// # Errors
    ///
    /// An unknown instance.
    pub fn instance(&self, id: &str) -> Result<&Arc<Instance>, Refusal> {
        (self.instances.get(id)).ok_or_else(|| Refusal::NotFound("Solution instance", id.into()))
    }

    fn own_instance(&self, owner: &str, id: &str) -> Result<&Arc<Instance>, Refusal> {
        let instance = self.instance(id)?;
        match instance.owner == owner {
            true => Ok(instance),
            false => Err(Refusal::NotFound("Solution instance", id.into())),
        }
    }

    fn solution(&self, id: &str) -> Result<&Solution, Refusal> {
        (self.offer.solution(id)).ok_or_else(|| Refusal::NotFound("Solution", id.into()))
    }

    fn check_auth_values(
        &self,
        owner: &str,
        solution: &Solution,
        values: &[AuthValue],
    ) -> Result<(), Refusal> {
        check_slots(values.iter().map(|value| &*value.external_id), |slot| {
            solution.has_auth_slot(slot)
        })?;
        for value in values {
            let own = self
                .authentications
                .get(&value.auth_id)
                .filter(|found| found.key() == owner);
            if own.is_none() {
                return Err(Refusal::NotFound("Authentication", value.auth_id.clone()));
            }
        }
        Ok(())
    }

    /// The slots of the values with their JSON text, or without one where they are cleared.
    fn read_config_values(
        &self,
        solution: &Solution,
        values: Vec<NewConfigValue>,
    ) -> Result<Vec<(String, Option<String>)>, Refusal> {
        check_slots(values.iter().map(|value| &*value.external_id), |slot| {
            solution.has_config_slot(slot)
        })?;
        let strict = self.behaviour.strict_config;
        let read = |json| match json {
            Json::Text(text) if !strict || serde_json::from_str::<IgnoredAny>(&text).is_ok() => {
                Ok(text)
            }
            other @ Json::Other(_) if !strict => Ok(other.into_text()),
            _ => Err(Refusal::NotJson("configValues")),
        };
        values
            .into_iter()
            .map(|value| Ok((value.external_id, value.value.map(read).transpose()?)))
            .collect()
    }
}

fn only_user(caller: &Caller) -> Result<&str, Refusal> {
    match caller {
        Caller::User(user) => Ok(user),
        Caller::Master => Err(Refusal::Forbidden),
    }
}

/// Every slot exists, and none is given twice.
fn check_slots<'a>(
    slots: impl Iterator<Item = &'a str>,
    exists: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for slot in slots {
        if !exists(slot) {
            return Err(Refusal::UnknownSlot(slot.into()));
        }
        if !seen.insert(slot) {
            return Err(Refusal::RepeatedSlot(slot.into()));
        }
    }
    Ok(())
}

/// A config value, unless it is cleared.
fn set((external_id, value): (String, Option<String>)) -> Option<ConfigValue> {
    Some(ConfigValue {
        external_id,
        value: value?,
    })
}

/// External ids of the solution's auth slots that the instance leaves empty.
fn missing_values(solution: &Solution, instance: &Instance) -> Vec<String> {
    let filled = |slot: &str| {
        instance
            .auth_values
            .iter()
            .any(|value| value.external_id == slot)
    };
    (solution.auth_slots.iter())
        .filter(|slot| !filled(&slot.external_id))
        .map(|slot| slot.external_id.clone())
        .collect()
}
