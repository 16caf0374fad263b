//! What one end user owns: read in one call, and more only where there are many instances.

use super::operations::{
    self as ops, Connection, ListedAuthentication, ListedInstance, OWNED, Operation,
    SOLUTION_INSTANCES,
};
use super::outcome::Trouble;
use crate::secret::SecretValue;

/// What an end user owned when they were looked at.
#[derive(Debug, Default)]
pub struct Owned {
    /// Their authentications.
    pub authentications: Vec<ListedAuthentication>,
    /// Whether Tray's list of authentications was cut short: it cannot be paged (`tray-api.md` 2.2).
    pub truncated: bool,
    /// Their solution instances, all of them.
    pub instances: Vec<ListedInstance>,
}

/// A look at an end user under way. It makes no call itself: whoever looks has the user's token, and calls
/// [`Reading::operation`] until there is none.
#[derive(Debug, Default)]
pub struct Reading {
    owned: Owned,
    begun: bool,
    after: Option<String>,
}

impl Reading {
    /// The next call, with the end user's own token; none once everything is read.
    pub fn operation(&self) -> Option<&'static Operation> {
        match (self.begun, &self.after) {
            (false, _) => Some(&OWNED),
            (true, Some(_)) => Some(&SOLUTION_INSTANCES),
            (true, None) => None,
        }
    }

    /// Its variables.
    pub fn variables(&self) -> SecretValue {
        ops::paged(None, self.after.as_deref())
    }

    /// Takes the call's answer in.
    ///
    /// # Errors
    /// An answer that is not what was asked for, or that names no way to the next page.
    pub fn take(&mut self, data: &serde_json::Value) -> Result<(), Trouble> {
        if !self.begun {
            let listed: Connection<ListedAuthentication> =
                ops::part(data, &["viewer", "authentications"]).map_err(Trouble::Open)?;
            self.owned.truncated = listed.has_more();
            self.owned.authentications = listed.nodes().collect();
        }
        let page: Connection<ListedInstance> =
            ops::part(data, &["viewer", "solutionInstances"]).map_err(Trouble::Open)?;
        let (more, next) = (page.has_more(), page.next());
        self.owned.instances.extend(page.nodes());
        if more && (next.is_none() || next == self.after) {
            return Err(cannot_be_paged());
        }
        self.begun = true;
        self.after = next;
        Ok(())
    }

    /// Everything that was read.
    pub fn finish(self) -> Owned {
        self.owned
    }
}

/// More of a list, and no way to it.
pub fn cannot_be_paged() -> Trouble {
    Trouble::Refused("the list of instances cannot be paged".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn instance(id: &str) -> serde_json::Value {
        json!({"node": {"id": id, "name": "n", "enabled": true, "solution": {"id": "s"},
            "authValues": [], "configValues": []}})
    }

    fn page(ids: &[&str], next: Option<&str>) -> serde_json::Value {
        let edges: Vec<_> = ids.iter().map(|id| instance(id)).collect();
        json!({"edges": edges, "pageInfo": {"hasNextPage": next.is_some(), "endCursor": next}})
    }

    #[test]
    fn one_call_is_enough_unless_there_are_many_instances() {
        let authentications = json!({"edges": [{"node": {"id": "a", "name": "n", "serviceEnvironment": {"id": "e"}}}],
            "pageInfo": {"hasNextPage": false}});
        let mut reading = Reading::default();
        assert_eq!(reading.operation(), Some(&OWNED));
        let first = json!({"viewer": {"authentications": authentications, "solutionInstances": page(&["1"], Some("c"))}});
        reading.take(&first).unwrap();
        assert_eq!(reading.operation(), Some(&SOLUTION_INSTANCES));
        assert_eq!(reading.variables().0["after"], "c");
        let last = json!({"viewer": {"solutionInstances": page(&["2"], None)}});
        reading.take(&last).unwrap();
        assert_eq!(reading.operation(), None);
        let owned = reading.finish();
        assert_eq!((owned.authentications.len(), owned.instances.len()), (1, 2));
        assert!(!owned.truncated);
    }

    #[test]
    fn a_page_that_leads_to_itself_is_an_error() {
        let mut reading = Reading {
            begun: true,
            after: Some("c".into()),
            ..Reading::default()
        };
        let same = json!({"viewer": {"solutionInstances": page(&[], Some("c"))}});
        assert!(reading.take(&same).is_err());
    }
}
