//! What one end user owns: read in one call, and more only where there are many instances.

use serde_json::Value;

use super::operations::{
    self as ops, ListedAuthentication, ListedInstance, OWNED, Operation, Page, SOLUTION_INSTANCES,
};
use super::outcome::Trouble;
use super::paginate::{Pages, paginate};
use crate::secret::SecretValue;

/// What an end user owned when they were looked at.
#[derive(Debug, Default)]
pub struct Owned {
    pub authentications: Vec<ListedAuthentication>,
    /// Whether Tray's list of authentications was cut short: it cannot be paged (`tray-api.md` 2.2).
    pub truncated: bool,
    pub instances: Vec<ListedInstance>,
}

/// A look at an end user. It makes no call itself: whoever looks has the user's token, and calls
/// [`Reading::operation`] until there is none.
#[derive(Debug)]
pub struct Reading {
    owned: Owned,
    instances: Pages<ListedInstance>,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading {
            owned: Owned::default(),
            instances: paginate(&["viewer", "solutionInstances"]),
        }
    }
}

impl Reading {
    /// The next call, with the end user's own token; none once everything is read.
    pub fn operation(&self) -> Option<&'static Operation> {
        let first = self.instances.after().is_none();
        let next = if first { &OWNED } else { &SOLUTION_INSTANCES };
        self.instances.more().then_some(next)
    }

    pub fn variables(&self) -> SecretValue {
        ops::paged(None, self.instances.after())
    }

    /// Takes in the answer to the call.
    ///
    /// # Errors
    /// An answer that is not what was asked for, or a list that cannot be read to its end.
    pub fn take(&mut self, data: &Value) -> Result<(), Trouble> {
        if self.operation() == Some(&OWNED) {
            let page: Page<ListedAuthentication> =
                ops::part(data, &["viewer", "authentications"]).map_err(Trouble::Open)?;
            self.owned.truncated = page.has_more();
            self.owned.authentications = page.nodes().collect();
        }
        self.owned.instances.extend(self.instances.receive(data)?);
        Ok(())
    }

    pub fn finish(self) -> Owned {
        self.owned
    }
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
        let mut reading = Reading::default();
        let none = json!({"edges": [], "pageInfo": {"hasNextPage": false}});
        let same =
            json!({"viewer": {"authentications": none, "solutionInstances": page(&[], Some("c"))}});
        reading.take(&same).unwrap();
        assert!(reading.take(&same).is_err());
    }
}
