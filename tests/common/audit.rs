//! What must hold of Tray after an import: everything once, nothing else, and exactly as the rows have it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tray_import::sandbox::model::{Authentication, Instance, Model};

use super::tray::catalog;
use super::{Results, Tray};

/// How far the rows were to be brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Upto {
    /// End users exist.
    User,
    /// Authentications exist.
    Authentication,
    /// Instances exist, and none is enabled.
    Instance,
    /// All there is to do.
    Enable,
}

/// Makes sure that Tray holds exactly what the rows say, and that the results agree.
#[track_caller]
pub fn audit(tray: &Tray, rows: &[Value], results: &Results) {
    audit_upto(tray, rows, Upto::Enable);
    results.all_done(rows.len());
    agrees(tray, rows, results);
}

/// Makes sure that Tray holds exactly what the rows say up to a step.
#[track_caller]
pub fn audit_upto(tray: &Tray, rows: &[Value], upto: Upto) {
    let catalog = catalog();
    let wanted: Vec<_> = rows.iter().map(|row| Wanted::of(row, &catalog)).collect();
    let problems = tray.model(|model| {
        let mut problems = users(model, &wanted);
        if upto >= Upto::Authentication {
            problems.extend(authentications(model, &wanted));
        }
        if upto >= Upto::Instance {
            problems.extend(instances(model, &wanted, upto));
        }
        problems
    });
    let [_, authentications, instances] = tray.holds();
    assert!(
        problems.is_empty(),
        "seed {}: {} problems\n{}",
        tray.seed(),
        problems.len(),
        problems.join("\n")
    );
    assert!(upto >= Upto::Authentication || authentications == 0);
    assert!(upto >= Upto::Instance || instances == 0);
}

/// Makes sure that the ids in the results are those of Tray's objects for the row.
#[track_caller]
pub fn agrees(tray: &Tray, rows: &[Value], results: &Results) {
    let catalog = catalog();
    let mut by_place = BTreeMap::new();
    for line in results.last.values() {
        let id = |key: &str| line[key].as_str().map(str::to_owned);
        let ids = [id("userId"), id("authenticationId"), id("instanceId")];
        by_place.insert(line["row"].as_u64().unwrap(), (ids, line));
    }
    for (number, row) in (1..).zip(rows) {
        let wanted = Wanted::of(row, &catalog);
        let (ids, line) = &by_place[&number];
        assert_eq!(line["externalUserId"], wanted.user, "{line}");
        tray.model(|model| {
            let [user, authentication, instance] = ids;
            let user = model.user(user.as_ref().expect("a userId")).unwrap();
            assert_eq!(user.external_user_id, wanted.user, "{line}");
            let id = authentication.as_ref().expect("an authenticationId");
            let authentication = model.authentication(id).expect("the authentication");
            assert!(wanted.is(authentication), "{line}");
            assert_eq!(instance.is_some(), wanted.solution.is_some(), "{line}");
            if let Some(instance) = instance {
                let instance = model.instance(instance).unwrap();
                assert_eq!(
                    Some(&instance.solution_id),
                    wanted.solution.as_ref(),
                    "{line}"
                );
                assert_eq!(instance.name, wanted.instance_name, "{line}");
                assert_eq!(line["enabled"], instance.enabled, "{line}");
                let own = |value: &&_| Wanted::slot_value(value) == (&wanted.slot, id);
                assert!(
                    instance.auth_values.iter().any(|value| own(&value)),
                    "{line}"
                );
            }
        });
    }
}

/// A row by the contract's rules, worked out without the tool.
struct Wanted {
    user: String,
    user_name: String,
    name: String,
    service: String,
    environment: String,
    data: Value,
    form_data: Value,
    scopes: Vec<String>,
    hidden: bool,
    solution: Option<String>,
    instance_name: String,
    slot: String,
    config: Map<String, Value>,
    enabled: bool,
}

impl Wanted {
    fn of(row: &Value, catalog: &[Value]) -> Self {
        let text = |key: &str| row[key].as_str().map(str::to_owned);
        let user = text("externalUserId").unwrap();
        let connector = text("connector").unwrap();
        let entry = catalog
            .iter()
            .find(|entry| {
                let mut versions = entry["versions"].as_array().unwrap().iter();
                entry["connector"] == row["connector"]
                    && versions.any(|version| *version == row["connectorVersion"])
            })
            .expect("the row's connector is in the catalog");
        let environments = entry["environments"].as_array().unwrap();
        let environment = match text("environment") {
            None => &environments[0],
            Some(named) => environments
                .iter()
                .find(|e| e["id"] == named.as_str() || e["title"] == named.as_str())
                .expect("the row's environment is in the catalog"),
        };
        let user_name = text("userName").unwrap_or_else(|| user.clone());
        let scopes = row["scopes"].as_array().cloned().unwrap_or_default();
        let mut config = row["config"].as_object().cloned().unwrap_or_default();
        config.retain(|_, value| !value.is_null());
        Self {
            name: text("authName").unwrap_or_else(|| format!("{connector} {user}")),
            service: entry["service"]["id"].as_str().unwrap().to_owned(),
            environment: environment["id"].as_str().unwrap().to_owned(),
            data: row["data"].clone(),
            form_data: row["formData"].clone(),
            scopes: scopes
                .iter()
                .map(|s| s.as_str().unwrap().to_owned())
                .collect(),
            hidden: row["hidden"].as_bool().unwrap_or(false),
            solution: text("solutionId"),
            instance_name: text("instanceName").unwrap_or_else(|| user_name.clone()),
            slot: text("authExternalId").unwrap_or_default(),
            config,
            enabled: row["enabled"].as_bool().unwrap_or(true),
            user,
            user_name,
        }
    }

    /// Whether an authentication is this row's to the letter.
    fn is(&self, found: &Authentication) -> bool {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let form_data = found.form_data.as_ref();
        let form_data = form_data.map_or(Value::Null, |text| parse(text.expose()));
        found.name == self.name
            && found.service_id == self.service
            && found.environment_id == self.environment
            && parse(found.data.expose()) == self.data
            && form_data == self.form_data
            && found.scopes == self.scopes
            && found.hidden == self.hidden
    }

    fn slot_value(value: &tray_import::sandbox::model::AuthValue) -> (&String, &String) {
        (&value.external_id, &value.auth_id)
    }
}

fn users(model: &Model, wanted: &[Wanted]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for row in wanted {
        names.entry(&row.user).or_insert(&row.user_name);
    }
    for user in model.all_users() {
        match names.remove(&*user.external_user_id) {
            Some(name) if name == user.name => {}
            Some(_) => problems.push(format!("{} has another name", user.external_user_id)),
            None => problems.push(format!("{} is one too many", user.external_user_id)),
        }
    }
    problems.extend(names.keys().map(|user| format!("{user} does not exist")));
    problems
}

/// The Tray id of an end user; of several, the first.
fn id_of(model: &Model, user: &str) -> Option<String> {
    let mut users = model.all_users();
    users
        .find(|found| found.external_user_id == user)
        .map(|found| found.id.clone())
}

fn authentications(model: &Model, wanted: &[Wanted]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut left: Vec<&Authentication> = model.all_authentications().collect();
    for row in wanted {
        let owner = id_of(model, &row.user);
        let mut own = left.iter().enumerate().filter(|(_, found)| {
            found.owner == owner
                && found.name == row.name
                && found.environment_id == row.environment
        });
        let name = format!("authentication {:?} of {}", row.name, row.user);
        match own.next() {
            None => problems.push(format!("{name} does not exist")),
            Some((at, found)) => {
                if !row.is(found) {
                    problems.push(format!("{name} is not as the row has it"));
                }
                left.remove(at);
            }
        }
    }
    let extra = left
        .iter()
        .map(|found| format!("{:?} is one too many", found.name));
    problems.extend(extra);
    problems
}

fn instances(model: &Model, wanted: &[Wanted], upto: Upto) -> Vec<String> {
    let mut problems = Vec::new();
    let mut left: Vec<&Instance> = model.all_instances().collect();
    let mut groups: BTreeMap<(&str, &str, &str), Vec<&Wanted>> = BTreeMap::new();
    for row in wanted {
        if let Some(solution) = &row.solution {
            let group = (&*row.user, &**solution, &*row.instance_name);
            groups.entry(group).or_default().push(row);
        }
    }
    for ((user, solution, name), rows) in groups {
        let owner = id_of(model, user).unwrap_or_default();
        let place = left.iter().position(|found| {
            found.owner == owner && found.solution_id == solution && found.name == name
        });
        let what = format!("instance {name:?} of {user}");
        match place {
            None => problems.push(format!("{what} does not exist")),
            Some(at) => {
                let found = left.remove(at);
                problems
                    .extend(differences(model, found, &rows, upto).map(|p| format!("{what}: {p}")));
            }
        }
    }
    let extra = left
        .iter()
        .map(|found| format!("instance {:?} is one too many", found.name));
    problems.extend(extra);
    problems
}

/// Where an instance is not what its rows make it.
fn differences(
    model: &Model,
    found: &Instance,
    rows: &[&Wanted],
    upto: Upto,
) -> impl Iterator<Item = &'static str> {
    let slots: BTreeSet<_> = rows.iter().map(|row| (&*row.slot, &*row.name)).collect();
    let filled: BTreeSet<_> = (found.auth_values.iter())
        .map(|value| {
            let authentication = model.authentication(&value.auth_id).unwrap();
            (&*value.external_id, &*authentication.name)
        })
        .collect();
    let mut config = BTreeMap::new();
    for row in rows {
        config.extend(
            row.config
                .iter()
                .map(|(slot, value)| (&**slot, value.clone())),
        );
    }
    let given: BTreeMap<_, _> = (found.config_values.iter())
        .map(|value| {
            let parsed = serde_json::from_str(&value.value).expect("config values are JSON text");
            (&*value.external_id, parsed)
        })
        .collect();
    let enabled = rows[0].enabled && upto == Upto::Enable;
    [
        (filled != slots || found.auth_values.len() != rows.len()).then_some("other slots"),
        (given != config).then_some("other config values"),
        (found.enabled != enabled).then_some("enabled is not as wanted"),
    ]
    .into_iter()
    .flatten()
}
