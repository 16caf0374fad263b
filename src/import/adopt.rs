//! Adoption: what an end user owns already is used, not made a second time.

use std::sync::Arc;

use super::ending::{Ending, code};
use super::engine::{Engine, Run};
use super::settle::Settled;
use super::users::Cell;
use crate::results::record::Step;
use crate::secret::SecretValue;
use crate::tray::operations::{
    self as ops, AUTHENTICATIONS, Connection, ListedAuthentication, ListedInstance, OWNED,
    SOLUTION_INSTANCES,
};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;

/// What an end user owned when this run first had to do with them.
#[derive(Debug)]
pub struct Owned {
    authentications: Vec<ListedAuthentication>,
    /// Whether Tray's list of authentications was cut short: it cannot be paged (`tray-api.md` 2.2).
    truncated: bool,
    instances: Vec<ListedInstance>,
}

impl Owned {
    /// The authentication of this name in this environment.
    pub fn authentication(&self, name: &str, environment_id: &str) -> Settled {
        matching(&self.authentications, name, environment_id)
    }

    /// Whether an authentication that is not listed may exist all the same.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The instances of this name of this solution.
    pub fn instances(&self, solution_id: &str, name: &str) -> Vec<&ListedInstance> {
        self.instances
            .iter()
            .filter(|i| i.solution.id == solution_id && i.name == name)
            .collect()
    }
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
        let variables = || ops::paged(None, None);
        let data = self
            .as_user(cell, user_id, &OWNED, variables, run, None)
            .await?;
        let listed: Connection<ListedAuthentication> =
            ops::part(&data, &["viewer", "authentications"]).map_err(Trouble::Open)?;
        let page: Connection<ListedInstance> =
            ops::part(&data, &["viewer", "solutionInstances"]).map_err(Trouble::Open)?;
        let (truncated, more, next) = (listed.has_more(), page.has_more(), page.next());
        let mut instances: Vec<ListedInstance> = page.nodes().collect();
        if more && next.is_none() {
            return Err(cannot_be_paged());
        }
        if let Some(after) = next {
            instances.extend(
                self.instances_from(cell, user_id, None, Some(after), run)
                    .await?,
            );
        }
        let owned = Arc::new(Owned {
            authentications: listed.nodes().collect(),
            truncated,
            instances,
        });
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
        let mut found = self
            .instances_from(cell, user_id, Some(solution_id), None, run)
            .await?;
        found.retain(|i| i.solution.id == solution_id && i.name == name);
        Ok(found)
    }

    async fn instances_from(
        &self,
        cell: &Cell,
        user_id: &str,
        solution_id: Option<&str>,
        mut after: Option<String>,
        run: &mut Run,
    ) -> Result<Vec<ListedInstance>, Trouble> {
        let mut found = Vec::new();
        loop {
            let variables = || ops::solution_instances(solution_id, after.as_deref());
            let data = self
                .as_user(cell, user_id, &SOLUTION_INSTANCES, variables, run, None)
                .await?;
            let page: Connection<ListedInstance> =
                ops::part(&data, &["viewer", "solutionInstances"]).map_err(Trouble::Open)?;
            let (more, next) = (page.has_more(), page.next());
            found.extend(page.nodes());
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

fn cannot_be_paged() -> Trouble {
    Trouble::Refused("the list of instances cannot be paged".to_owned())
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
