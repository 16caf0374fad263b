//! The slots of an instance: what is empty is filled, what is filled is respected.

use serde_json::Value;

use crate::import::context::Context;
use crate::import::error::StepError;
use crate::import::row::RowInFlight;
use crate::model::{Step, code};
use crate::tray::operations::{
    self as ops, ListedInstance, SlotValue, UPDATE_SOLUTION_INSTANCE, readings,
};
use crate::tray::outcome::Trouble;
use crate::tray::session::UserSession;
use crate::tray::transport::Transport;

/// What a group of rows is to become.
pub(super) struct WantedInstance<T> {
    pub(super) session: UserSession<T>,
    pub(super) solution_id: String,
    pub(super) name: String,
    pub(super) auths: Vec<SlotValue>,
    pub(super) config: Vec<SlotValue>,
    /// Auth slots whose authentication was lost and made again: what they hold is no more.
    lost: Vec<String>,
}

impl<T: Transport> WantedInstance<T> {
    pub(super) fn of(ctx: &Context<T>, rows: &[RowInFlight]) -> WantedInstance<T> {
        let mut wanted = WantedInstance {
            session: ctx.session(&rows[0]),
            solution_id: String::new(),
            name: String::new(),
            auths: Vec::with_capacity(rows.len()),
            config: Vec::new(),
            lost: Vec::new(),
        };
        for row in rows {
            let Some(placement) = &row.placement else {
                continue;
            };
            wanted.solution_id.clone_from(&placement.solution_id);
            wanted.name.clone_from(&placement.instance_name);
            if row.progress.lost.has(Step::Authentication) {
                wanted.lost.push(placement.slot.clone());
            }
            if let Some(id) = &row.progress.authentication_id {
                wanted.auths.push((placement.slot.clone(), id.to_string()));
            }
            for (slot, value) in &placement.config {
                // the same slot with two values was refused in validation
                if !wanted.config.iter().any(|(name, _)| name == slot) {
                    wanted.config.push((slot.clone(), value.clone()));
                }
            }
        }
        wanted
    }

    /// Fills the slots of an existing instance that are empty. A slot that holds another authentication is a
    /// conflict; a config value that differs may be the end user's own choice and is left alone.
    ///
    /// A list that is sent must be complete, for whether Tray merges or replaces is not known; one that is as it
    /// was is not sent: Tray then leaves those slots alone, to the letter.
    pub(super) async fn fill(
        &self,
        ctx: &Context<T>,
        rows: &mut [RowInFlight],
        found: &ListedInstance,
    ) -> Result<(), StepError> {
        let error = |trouble: Trouble| ctx.error(&trouble, Step::Instance);
        let held = found.auth_values.iter();
        let mut auths: Vec<SlotValue> = held
            .map(|value| (value.external_id.clone(), value.auth_id.clone()))
            .collect();
        let before = auths.clone();
        for (slot, id) in &self.auths {
            match auths.iter_mut().find(|(name, _)| name == slot) {
                None => auths.push((slot.clone(), id.clone())),
                Some((_, held)) if held == id => {}
                Some((_, held)) => {
                    let is_lost = self.lost.contains(slot);
                    if !is_lost || !self.is_gone(held).await.map_err(error)? {
                        return Err(conflict(&found.id, slot, held));
                    }
                    held.clone_from(id);
                }
            }
        }
        let mut config: Vec<SlotValue> = (found.config_values.iter())
            .map(|value| (value.external_id.clone(), as_json_text(&value.value)))
            .collect();
        let filled = config.len();
        for (slot, value) in &self.config {
            match has_config(found, slot, value) {
                None => config.push((slot.clone(), value.clone())),
                Some(true) => {}
                Some(false) => {
                    ctx.tally.counts().differing_config += 1;
                    leave_alone(rows, slot);
                    tracing::warn!(
                        row = rows[0].row,
                        instance_id = found.id,
                        slot,
                        "the instance exists with another value in this config slot; it is left as it is"
                    );
                }
            }
        }
        let auths = (auths != before).then_some(auths.as_slice());
        let config = (config.len() > filled).then_some(config.as_slice());
        if auths.is_none() && config.is_none() {
            return Ok(());
        }
        let variables = || ops::fill_slots(&found.id, auths, config);
        let answer = self
            .session
            .call(&UPDATE_SOLUTION_INSTANCE, variables)
            .await;
        answer.map(|_| ()).map_err(error)
    }

    /// Whether the end user does not have this authentication any more.
    async fn is_gone(&self, id: &str) -> Result<bool, Trouble> {
        let (listed, cut_short) = self.session.authentications().await?;
        Ok(!cut_short && listed.iter().all(|own| own.id != id))
    }

    /// The config slots that an instance does not have as wanted are the end user's own affair.
    pub(super) fn leave_differing_alone(&self, rows: &mut [RowInFlight], found: &ListedInstance) {
        for (slot, value) in &self.config {
            if has_config(found, slot, value) != Some(true) {
                leave_alone(rows, slot);
            }
        }
    }
}

fn conflict(instance_id: &str, slot: &str, held: &str) -> StepError {
    StepError::failed(
        code::INSTANCE_CONFLICT,
        Step::Instance,
        false,
        format!(
            "instance {instance_id} of this name exists with another authentication ({held}) in the slot {slot}; remove it, or give this row another instanceName"
        ),
    )
}

fn leave_alone(rows: &mut [RowInFlight], slot: &str) {
    rows.iter_mut().for_each(|row| row.facts.leave_alone(slot));
}

/// Whether an instance has the wanted value in a config slot; `None` where the slot is empty.
fn has_config(found: &ListedInstance, slot: &str, wanted: &str) -> Option<bool> {
    let mut listed = found.config_values.iter();
    let value = listed.find(|value| value.external_id == slot)?;
    Some(same_config(&value.value, wanted))
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
