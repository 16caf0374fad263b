//! Adoption: what an end user owns already is used, not made a second time.

use std::sync::Arc;

use super::ending::Ending;
use super::engine::{Engine, Run};
use super::settle::Settled;
use super::users::Cell;
use crate::model::{Step, code};
use crate::secret::SecretValue;
use crate::tray::operations::{
    self as ops, AUTHENTICATIONS, Connection, ListedAuthentication, ListedInstance,
    SOLUTION_INSTANCES,
};
use crate::tray::outcome::Trouble;
use crate::tray::owned::{Owned, Reading, cannot_be_paged};
use crate::tray::transport::Transport;

/// The authentication of this name in this environment.
pub(super) fn authentication_of(owned: &Owned, name: &str, environment_id: &str) -> Settled {
    matching(&owned.authentications, name, environment_id)
}

/// The instances of this name of this solution.
pub(super) fn instances_of<'o>(
    owned: &'o Owned,
    solution_id: &str,
    name: &str,
) -> Vec<&'o ListedInstance> {
    let same = |i: &&ListedInstance| i.solution.id == solution_id && i.name == name;
    owned.instances.iter().filter(same).collect()
}

fn matching(listed: &[ListedAuthentication], name: &str, environment_id: &str) -> Settled {
    let same =
        |a: &&ListedAuthentication| a.name == name && a.service_environment.id == environment_id;
    Settled::of(listed.iter().filter(same).map(|a| a.id.clone()).collect())
}

impl<T: Transport> Engine<T> {
    /// What the end user owns: looked up once, in one call unless there are many instances.
    pub(super) async fn owned(
        &self,
        cell: &Cell,
        user_id: &str,
        run: &mut Run,
    ) -> Result<Arc<Owned>, Trouble> {
        let mut held = cell.owned.lock().await;
        if let Some(owned) = &*held {
            return Ok(Arc::clone(owned));
        }
        let mut reading = Reading::default();
        while let Some(operation) = reading.operation() {
            let variables = || reading.variables();
            let data = self
                .as_user(cell, user_id, operation, variables, run, None)
                .await?;
            reading.take(&data)?;
        }
        let owned = Arc::new(reading.finish());
        *held = Some(Arc::clone(&owned));
        Ok(owned)
    }

    /// Asks for the end user's authentication of this name in this environment.
    pub(super) async fn ask_authentication(
        &self,
        cell: &Cell,
        user_id: &str,
        name: &str,
        environment_id: &str,
        run: &mut Run,
    ) -> Result<(Settled, bool), Trouble> {
        let listed = self.list_authentications(cell, user_id, run).await?;
        let truncated = listed.has_more();
        let listed: Vec<_> = listed.nodes().collect();
        Ok((matching(&listed, name, environment_id), truncated))
    }

    pub(super) async fn list_authentications(
        &self,
        cell: &Cell,
        user_id: &str,
        run: &mut Run,
    ) -> Result<Connection<ListedAuthentication>, Trouble> {
        let variables = || SecretValue(serde_json::json!({}));
        let data = self
            .as_user(cell, user_id, &AUTHENTICATIONS, variables, run, None)
            .await?;
        ops::part(&data, &["viewer", "authentications"]).map_err(Trouble::Open)
    }

    /// Asks for the end user's instances of this name of this solution.
    pub(super) async fn ask_instances(
        &self,
        cell: &Cell,
        user_id: &str,
        solution_id: &str,
        name: &str,
        run: &mut Run,
    ) -> Result<Vec<ListedInstance>, Trouble> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let variables = || ops::solution_instances(Some(solution_id), after.as_deref());
            let data = self
                .as_user(cell, user_id, &SOLUTION_INSTANCES, variables, run, None)
                .await?;
            let page: Connection<ListedInstance> =
                ops::part(&data, &["viewer", "solutionInstances"]).map_err(Trouble::Open)?;
            let (more, next) = (page.has_more(), page.next());
            let same = |i: &ListedInstance| i.solution.id == solution_id && i.name == name;
            found.extend(page.nodes().filter(same));
            if !more {
                return Ok(found);
            }
            if next.is_none() || next == after {
                return Err(cannot_be_paged());
            }
            after = next;
        }
    }
}

/// Tray has two of what should be one.
pub(super) fn several(step: Step, what: &str) -> Ending {
    Ending::failed(
        code::AMBIGUOUS,
        step,
        true,
        format!(
            "the end user has several {what}; remove all but one in Tray, then run with --retry-failed"
        ),
    )
}

/// Tray's list is cut short, so that absence proves nothing.
pub(super) fn truncated() -> Ending {
    Ending::failed(
        code::LISTING_TRUNCATED,
        Step::Authentication,
        false,
        "Tray lists only a part of the end user's authentications and offers no way to the rest, so nobody can tell whether this one exists; nothing was sent".to_owned(),
    )
}
