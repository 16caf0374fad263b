//! The slots of an instance that exists already: what is empty is filled, what is filled is respected.

use serde_json::Value;

use super::ending::Ending;
use super::engine::{Engine, Run};
use super::instance::Wanted;
use super::users::Cell;
use crate::model::{Step, code};
use crate::secret::Redactor;
use crate::tray::operations::{
    self as ops, ListedInstance, SlotValue, UPDATE_SOLUTION_INSTANCE, readings,
};
use crate::tray::transport::Transport;

impl<T: Transport> Engine<T> {
    /// An open creation that is found was sent for the group as it was then; rows that came since are filled
    /// in. Where that fails, the creation stays open, so that the next run finds it again as this batch's.
    pub(super) async fn fill_what_was_sent(
        &self,
        runs: &mut [Run],
        wanted: &Wanted,
        found: &ListedInstance,
        cell: &Cell,
        user_id: &str,
    ) -> Result<(), Ending> {
        let filled = self.fill(runs, wanted, found, cell, user_id).await;
        filled.map_err(|ending| match ending {
            Ending::Failed(mut error) if error.code != code::INSTANCE_CONFLICT => {
                error.message = format!(
                    "the instance was created, and filling its slots failed: {}",
                    error.message
                );
                error.code = code::UNSETTLED.into();
                error.retryable = true;
                Ending::Failed(error)
            }
            other => other,
        })
    }

    /// Fills the slots of an existing instance that are empty. A slot that holds another authentication
    /// is a conflict; a config value that differs may be the end user's own choice and is left alone.
    pub(super) async fn fill(
        &self,
        runs: &mut [Run],
        wanted: &Wanted,
        found: &ListedInstance,
        cell: &Cell,
        user_id: &str,
    ) -> Result<(), Ending> {
        let mut auths: Vec<SlotValue> = found
            .auth_values
            .iter()
            .map(|value| (value.external_id.clone(), value.auth_id.clone()))
            .collect();
        let mut config: Vec<SlotValue> = found
            .config_values
            .iter()
            .map(|value| (value.external_id.clone(), as_json_text(&value.value)))
            .collect();
        let before = (auths.clone(), config.len());
        for (slot, id) in &wanted.auths {
            let at = auths.iter().position(|(name, _)| name == slot);
            let held = at.map(|at| auths[at].1.clone());
            match (held, at) {
                (None, _) | (_, None) => auths.push((slot.clone(), id.clone())),
                (Some(other), _) if other == *id => {}
                (Some(other), Some(at))
                    if wanted.lost.contains(slot)
                        && self.is_gone(cell, user_id, &other, &mut runs[0]).await? =>
                {
                    auths[at].1.clone_from(id);
                }
                (Some(other), _) => {
                    return Err(Ending::failed(
                        code::INSTANCE_CONFLICT,
                        Step::Instance,
                        false,
                        format!(
                            "instance {} of this name exists with another authentication ({other}) in the slot {slot}; remove it, or give this row another instanceName",
                            found.id
                        ),
                    ));
                }
            }
        }
        for (slot, value) in &wanted.config {
            let listed = found.config_values.iter().find(|v| v.external_id == *slot);
            match listed {
                None => config.push((slot.clone(), value.clone())),
                Some(listed) if same_config(&listed.value, value) => {}
                Some(_) => {
                    self.tally.differing_config();
                    leave_alone(runs, std::slice::from_ref(slot));
                    tracing::warn!(
                        row = runs[0].row,
                        instance_id = found.id,
                        slot,
                        "the instance exists with another value in this config slot; it is left as it is"
                    );
                }
            }
        }
        if (&auths, config.len()) == (&before.0, before.1) {
            return Ok(());
        }
        // a list that is as it was is left out: Tray then leaves those slots alone, to the letter
        let auths = (auths != before.0).then_some(auths.as_slice());
        let config = (config.len() > before.1).then_some(config.as_slice());
        let variables = || ops::fill_slots(&found.id, auths, config);
        self.as_user(
            cell,
            user_id,
            &UPDATE_SOLUTION_INSTANCE,
            variables,
            &mut runs[0],
            None,
        )
        .await
        .map(|_| ())
        .map_err(|trouble| self.ending(&trouble, Step::Instance, &Redactor::default()))
    }

    /// Whether the end user does not have this authentication any more.
    async fn is_gone(
        &self,
        cell: &Cell,
        user_id: &str,
        id: &str,
        run: &mut Run,
    ) -> Result<bool, Ending> {
        let listed = self
            .list_authentications(cell, user_id, run)
            .await
            .map_err(|trouble| self.ending(&trouble, Step::Instance, &Redactor::default()))?;
        Ok(!listed.has_more() && listed.nodes().all(|own| own.id != id))
    }
}

/// Config slots that an instance does not have as wanted.
pub(super) fn differing(found: &ListedInstance, wanted: &Wanted) -> Vec<String> {
    let as_wanted = |slot: &str, value: &str| {
        let mut own = found.config_values.iter();
        own.any(|own| own.external_id == slot && same_config(&own.value, value))
    };
    let differs = |(slot, value): &&SlotValue| !as_wanted(slot, value);
    let differing = wanted.config.iter().filter(differs);
    differing.map(|(slot, _)| slot.clone()).collect()
}

/// The values of these config slots are the end user's own affair.
pub(super) fn leave_alone(runs: &mut [Run], slots: &[String]) {
    for run in runs {
        slots.iter().for_each(|slot| run.telling.leave_alone(slot));
    }
}

/// Whether a config value as listed is the wanted one, in either reading.
fn same_config(listed: &Value, wanted: &str) -> bool {
    let wanted: Value = serde_json::from_str(wanted).unwrap_or(Value::Null);
    readings(listed).contains(&wanted)
}

/// A config value as read back, as JSON text to send again.
fn as_json_text(listed: &Value) -> String {
    match listed.as_str() {
        Some(text) if serde_json::from_str::<Value>(text).is_ok() => text.to_owned(),
        _ => listed.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn config_is_compared_in_either_form() {
        assert!(same_config(&json!("\"a@b.c\""), "\"a@b.c\""));
        assert!(same_config(&json!("a@b.c"), "\"a@b.c\""));
        assert!(same_config(&json!("{\"k\": 5}"), "{\"k\":5}"));
        assert!(same_config(&json!(7), "7"));
        assert!(same_config(&json!("7"), "7"));
        assert!(!same_config(&json!("8"), "7"));
        assert_eq!(as_json_text(&json!("a@b.c")), "\"a@b.c\"");
        assert_eq!(as_json_text(&json!("7")), "7");
    }
}
