//! What Tray has before the batch: some of the batch's own things, some of them twice, and strangers.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use tray_import::sandbox::Model;
use tray_import::sandbox::model::{
    AuthValue, Authentication, Caller, ConfigValue, Instance, Json, NewAuthentication, NewUser,
    User,
};

use crate::rows::{SimRow, groups};
use crate::world::{Existing, Scenario};

/// Everything that was there before, as it was; by id.
#[derive(Default)]
pub(crate) struct Before {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) authentications: BTreeMap<String, Authentication>,
    pub(crate) instances: BTreeMap<String, Instance>,
}

/// Puts it there.
pub(crate) fn seed(scenario: &Scenario, model: &mut Model, rng: &mut Rng) -> Before {
    let chances = scenario.existing;
    let at = |percent: u8, rng: &mut Rng| rng.u8(0..100) < percent;
    for stranger in 0..chances.strangers {
        user(model, &format!("stranger-{stranger}"), "A stranger");
    }
    let mut users: BTreeMap<&str, &SimRow> = BTreeMap::new();
    for row in &scenario.rows {
        users.entry(&row.external_user_id).or_insert(row);
    }
    let mut owners: BTreeMap<&str, String> = BTreeMap::new();
    for (id, row) in users {
        if !at(chances.users, rng) {
            continue;
        }
        owners.insert(id, user(model, id, &row.user_name));
        if at(chances.awkward, rng) && !scenario.behaviour.unique_external_ids {
            user(model, id, &row.user_name);
        }
    }
    let mut authentications: BTreeMap<u128, String> = BTreeMap::new();
    for row in &scenario.rows {
        let Some(owner) = owners.get(&*row.external_user_id) else {
            continue;
        };
        // one that Tray hides from listings cannot be found by anybody: no tool can adopt it
        let unseen = row.hidden && !scenario.behaviour.hidden_listed;
        if row.refused || unseen || !at(chances.authentications, rng) {
            continue;
        }
        let id = authentication(model, owner, row);
        authentications.insert(row.key().0, id);
        if at(chances.awkward, rng) {
            authentication(model, owner, row);
        }
    }
    for rows in groups(&scenario.rows).into_values() {
        let Some(owner) = owners.get(&*rows[0].external_user_id) else {
            continue;
        };
        if at(chances.instances, rng) {
            instance(model, owner, &rows, &authentications, chances, rng);
            if at(chances.awkward, rng) {
                instance(model, owner, &rows, &authentications, chances, rng);
            }
        }
    }
    Before::of(model)
}

/// Somebody follows the tool's advice and removes one of two of a kind, where nothing hangs on it: what is
/// left was there before the batch all the same.
pub(crate) fn tidy(before: &mut Before, model: &mut Model, rng: &mut Rng) -> usize {
    let is_used = |id: &str, model: &Model| {
        let mut instances = model.all_instances();
        instances.any(|one| one.auth_values.iter().any(|value| value.auth_id == id))
    };
    let mut doomed = Vec::new();
    let mut kept: BTreeMap<_, &str> = BTreeMap::new();
    for one in model.all_authentications() {
        let kind = (&one.owner, &one.name, &one.environment_id);
        let Some(other) = kept.insert(kind, &one.id) else {
            continue;
        };
        let pair = [other, &one.id];
        let one = pair[rng.usize(..2)];
        if before.authentications.contains_key(one) && !is_used(one, model) {
            doomed.push(one.to_owned());
        }
    }
    for id in &doomed {
        model.drop_authentication(id);
        before.authentications.remove(id);
    }
    let mut users = Vec::new();
    let mut kept: BTreeMap<&str, &str> = BTreeMap::new();
    for user in model.all_users() {
        let Some(other) = kept.insert(&user.external_user_id, &user.id) else {
            continue;
        };
        let owns = |id: &str| {
            let mut all = model.all_authentications();
            all.any(|one| one.owner.as_deref() == Some(id))
                || model.all_instances().any(|one| one.owner == id)
        };
        let bare = [other, &user.id].into_iter().find(|id| !owns(id));
        users.extend(bare.map(str::to_owned));
    }
    users.retain(|id| before.users.remove(id).is_some());
    for id in &users {
        let removed = model.remove_external_user(&Caller::Master, id);
        assert!(removed.is_ok(), "an end user who is there can be removed");
    }
    doomed.len() + users.len()
}

impl Before {
    fn of(model: &Model) -> Before {
        let mut before = Before::default();
        for user in model.all_users() {
            before.users.insert(user.id.clone(), user.clone());
        }
        for one in model.all_authentications() {
            before.authentications.insert(one.id.clone(), one.clone());
        }
        for one in model.all_instances() {
            before.instances.insert(one.id.clone(), one.clone());
        }
        before
    }
}

fn user(model: &mut Model, external_user_id: &str, name: &str) -> String {
    let new = NewUser {
        name: name.to_owned(),
        external_user_id: external_user_id.to_owned(),
        is_test_user: false,
    };
    model.seed_user(Duration::ZERO, new)
}

fn authentication(model: &mut Model, owner: &str, row: &SimRow) -> String {
    let new = NewAuthentication {
        name: row.auth_name.clone(),
        service_id: row.service_id.clone(),
        environment_id: row.environment_id.clone(),
        data: Json::Text("{\"made\":\"by hand\"}".to_owned()),
        form_data: None,
        scopes: Vec::new(),
        hidden: row.hidden,
    };
    model.seed_authentication(Duration::ZERO, Some(owner.to_owned()), new)
}

/// An instance that fills some of the slots, rarely with something that is in the batch's way.
fn instance(
    model: &mut Model,
    owner: &str,
    rows: &[&SimRow],
    authentications: &BTreeMap<u128, String>,
    chances: Existing,
    rng: &mut Rng,
) {
    let (mut auth_values, mut config_values) = (Vec::new(), Vec::<ConfigValue>::new());
    let mut solution_id = String::new();
    let mut name = String::new();
    for row in rows {
        let Some(place) = &row.placement else {
            continue;
        };
        solution_id.clone_from(&place.solution_id);
        name.clone_from(&place.instance_name);
        let own = authentications.get(&row.key().0).cloned();
        let other = rng.u8(0..100) < chances.awkward;
        let auth_id = match (own, other) {
            (_, true) => Some(authentication(model, owner, &stray(row, rng))),
            (own, _) => own,
        };
        if let Some(auth_id) = auth_id
            && rng.u8(0..4) > 0
        {
            auth_values.push(AuthValue {
                external_id: place.slot.clone(),
                auth_id,
            });
        }
        for (slot, value) in &place.config {
            let has = config_values.iter().any(|known| known.external_id == *slot);
            if !has && rng.bool() {
                // the end user's own choice, now and then
                let value = if rng.bool() { value } else { "\"their own\"" };
                config_values.push(ConfigValue {
                    external_id: slot.clone(),
                    value: value.to_owned(),
                });
            }
        }
    }
    model.seed_instance(Instance {
        id: String::new(),
        solution_id,
        name,
        enabled: rng.u8(0..4) == 0,
        owner: owner.to_owned(),
        auth_values,
        config_values,
        created_at: Duration::ZERO,
    });
}

/// An authentication that is not the batch's, and can be seen: one that hides in the slot of a hidden row cannot be
/// told from the row's own.
fn stray(row: &SimRow, rng: &mut Rng) -> SimRow {
    SimRow {
        auth_name: format!("stray {}", rng.u32(..)),
        hidden: false,
        ..row.clone()
    }
}
