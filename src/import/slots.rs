//! The slots of an instance that exists already: what is empty is filled, what is filled is respected.

use serde_json::Value;

use super::ending::{Ending, code};
use super::engine::{Engine, Run};
use super::instance::Wanted;
use super::users::Cell;
use crate::results::record::Step;
use crate::secret::Redactor;
use crate::tray::operations::{self as ops, ListedInstance, SlotValue, UPDATE_SOLUTION_INSTANCE};
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
        let filled = self.fill(&mut runs[0], wanted, found, cell, user_id).await;
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
        run: &mut Run,
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
        let before = (auths.len(), config.len());
        for (slot, id) in &wanted.auths {
            match auths.iter().find(|(name, _)| name == slot) {
                None => auths.push((slot.clone(), id.clone())),
                Some((_, other)) if other == id => {}
                Some((_, other)) => {
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
                    tracing::warn!(
                        row = run.row,
                        instance_id = found.id,
                        slot,
                        "the instance exists with another value in this config slot; it is left as it is"
                    );
                }
            }
        }
        if (auths.len(), config.len()) == before {
            return Ok(());
        }
        // a list that has not grown is left out: Tray then leaves those slots alone, to the letter
        let auths = (auths.len() > before.0).then_some(auths.as_slice());
        let config = (config.len() > before.1).then_some(config.as_slice());
        let variables = || ops::fill_slots(&found.id, auths, config);
        self.as_user(
            cell,
            user_id,
            &UPDATE_SOLUTION_INSTANCE,
            variables,
            run,
            None,
        )
        .await
        .map(|_| ())
        .map_err(|trouble| self.ending(&trouble, Step::Instance, &Redactor::default()))
    }
}

/// A config value as read back is JSON text or plain text (`tray-api.md` 3.1): equal if either reading is.
fn same_config(listed: &Value, wanted: &str) -> bool {
    let wanted: Value = serde_json::from_str(wanted).unwrap_or(Value::Null);
    if *listed == wanted {
        return true;
    }
    let Some(text) = listed.as_str() else {
        return false;
    };
    serde_json::from_str::<Value>(text).is_ok_and(|value| value == wanted)
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
