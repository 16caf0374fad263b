//! What a run that was stopped left behind: its results file, held against what Tray has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use tray_import::sandbox::Model;

/// The steps of a row, and the calls that take them.
pub const STEPS: [(&str, &str); 4] = [
    ("user", "createExternalUser"),
    ("authentication", "createUserAuthentication"),
    ("instance", "createSolutionInstance"),
    ("enable", "updateSolutionInstance"),
];
/// The place of `enable` in [`STEPS`].
pub const ENABLE: usize = 3;

/// What a row makes, by the names that tell one thing from another.
pub struct Customer {
    /// The customer's id of the end user.
    pub user: String,
    /// Name.
    pub authentication: String,
    /// Solution and name of the instance.
    pub instance: Option<(String, String)>,
    /// Whether the instance is to be enabled.
    pub enabled: bool,
}

impl Customer {
    /// By the contract's rules.
    pub fn of(row: &Value) -> Self {
        let text = |key: &str| row[key].as_str().map(str::to_owned);
        let (user, connector) = (text("externalUserId").unwrap(), text("connector").unwrap());
        let name = || text("userName").unwrap_or_else(|| user.clone());
        Self {
            authentication: text("authName").unwrap_or_else(|| format!("{connector} {user}")),
            instance: text("solutionId")
                .map(|solution| (solution, text("instanceName").unwrap_or_else(name))),
            enabled: row["enabled"] != false,
            user,
        }
    }

    /// Whether Tray has made each of the four steps.
    pub fn made(&self, model: &Model) -> [bool; 4] {
        let mut users = model.all_users();
        let Some(user) = users.find(|user| user.external_user_id == self.user) else {
            return [false; 4];
        };
        let mut authentications = model.all_authentications();
        let authentication = authentications.any(|found| {
            found.owner.as_ref() == Some(&user.id) && found.name == self.authentication
        });
        let mut instances = model.all_instances();
        let instance = instances.find(|found| {
            let own = self.instance.as_ref();
            own.is_some_and(|(solution, name)| {
                *solution == found.solution_id && *name == found.name
            }) && found.owner == user.id
        });
        let enabled = instance.is_some_and(|instance| instance.enabled);
        [true, authentication, instance.is_some(), enabled]
    }

    /// Whether a step is to be made at all.
    pub fn wants(&self, step: usize) -> bool {
        step < 2 || self.instance.is_some() && (step < ENABLE || self.enabled)
    }

    /// What a step of this row makes: rows that share it have the same.
    pub fn thing(&self, step: usize) -> (&str, &str, &str) {
        let (solution, name) = match &self.instance {
            Some((solution, name)) => (&**solution, &**name),
            None => ("", ""),
        };
        match step {
            0 => (&self.user, "", ""),
            1 => (&self.user, &self.authentication, ""),
            _ => (&self.user, solution, name),
        }
    }
}

/// What a killed run left of its results file.
pub struct Left {
    /// The last line of each row, by the row's number, and where it stands.
    pub last: BTreeMap<usize, (usize, Value)>,
    /// Rows and steps that were ever `sent`.
    pub sent: BTreeSet<(usize, usize)>,
}

impl Left {
    /// Reads what is there, a torn last line aside; nothing where there is no file yet.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let (mut last, mut sent) = (BTreeMap::new(), BTreeSet::new());
        for (at, line) in whole.lines().enumerate().skip(1) {
            let line: Value = serde_json::from_str(line).unwrap();
            if line["type"] == "run" {
                continue;
            }
            let row = usize::try_from(line["row"].as_u64().unwrap()).unwrap() - 1;
            if line["state"] == "sent" {
                sent.insert((row, step_of(&line).unwrap()));
            }
            last.insert(row, (at, line));
        }
        Self { last, sent }
    }

    /// Makes sure that whatever Tray has was announced in the file before.
    pub fn covers(&self, model: &Model, customers: &[Customer]) {
        for step in 0..ENABLE {
            let sent = self.sent.iter().filter(|(_, other)| *other == step);
            let sent: BTreeSet<_> = sent.map(|(row, _)| customers[*row].thing(step)).collect();
            for customer in customers.iter().filter(|c| c.wants(step)) {
                let thing = customer.thing(step);
                assert!(
                    !customer.made(model)[step] || sent.contains(&thing),
                    "{thing:?} was made without a `sent`"
                );
            }
        }
    }
}

/// The step of a line.
pub fn step_of(line: &Value) -> Option<usize> {
    STEPS.iter().position(|(step, _)| line["step"] == *step)
}
