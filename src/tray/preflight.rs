//! What is asked of Tray before anything is created.
//!
//! A migration must not find out at row 40,000 that a slot's External ID has another case. The checks read
//! only; where the API does not show what a check needs, the check is left out and says so.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Client, Failed};
use super::operations::{
    self as ops, INTROSPECTION, ListedSolution, SOLUTIONS, SOLUTIONS_WITHOUT_AUTH_SLOTS,
};
use super::outcome::{ReadError, Trouble};
use super::paginate::paginate;
use super::platform;
use super::transport::Transport;
use crate::issue::nearest;
use crate::secret::{SecretText, SecretValue};

/// What the batch will refer to.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Solutions, each with the slots that will be filled.
    pub solutions: BTreeMap<String, WantedSlots>,
    /// Services, by name and version, each with the environments that will be used.
    pub services: BTreeMap<(String, i64), BTreeSet<String>>,
    /// Whether end users are to be marked as test users.
    pub test_users: bool,
    /// Whether `formData` is to be sent.
    pub form_data: bool,
    /// Whether the platform API's address is known.
    pub has_api: bool,
}

#[derive(Clone, Debug, Default)]
pub struct WantedSlots {
    pub auth: BTreeSet<String>,
    pub config: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub struct Report {
    /// What must be fixed before the run can start.
    pub findings: Vec<String>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
    /// What was checked and is well.
    pub passed: Vec<String>,
}

/// Runs every check that the batch calls for.
///
/// # Errors
/// When the token is refused, or there is no answer at all.
pub async fn run<T: Transport>(
    client: &Client<T>,
    master: &SecretText,
    wanted: &Wanted,
) -> Result<Report, ReadError> {
    let mut report = Report::default();
    let auth_slots = introspect(client, master, wanted, &mut report).await?;
    if !wanted.solutions.is_empty() {
        let listed = solutions(client, master, auth_slots, &mut report).await?;
        for (id, slots) in &wanted.solutions {
            check_solution(id, slots, &listed, &mut report);
        }
    }
    environments(client, master, wanted, &mut report).await?;
    // they quote titles and ids of Tray's
    for text in report.findings.iter_mut().chain(&mut report.passed) {
        *text = client.clean(text);
    }
    Ok(report)
}

/// Whether `Solution.authSlots` exists; `None` where introspection is refused.
async fn introspect<T: Transport>(
    client: &Client<T>,
    master: &SecretText,
    wanted: &Wanted,
    report: &mut Report,
) -> Result<Option<bool>, ReadError> {
    let empty = SecretValue(serde_json::json!({}));
    let data = match client.call(&INTROSPECTION, empty, master).await {
        Ok((data, _)) => data,
        Err(failed) => match failed.trouble {
            // one that is refused as a query may still be a good token
            Trouble::Refused(_)
            | Trouble::TokenRefused {
                by_gateway: false, ..
            } => {
                let note = "the API's schema (introspection is refused)";
                report.unchecked.push(note.to_owned());
                return Ok(None);
            }
            trouble => return Err(fatal(trouble)),
        },
    };
    let names = |of: &str, list: &str| -> Option<Vec<String>> {
        let fields = data[of][list].as_array()?.iter();
        let names = fields.filter_map(|field| field["name"].as_str());
        Some(names.map(str::to_owned).collect())
    };
    let (user, authentication) = ("CreateExternalUserInput", "CreateUserAuthenticationInput");
    let (creation, update) = ("CreateSolutionInstanceInput", "UpdateSolutionInstanceInput");
    let instances = !wanted.solutions.is_empty();
    let needs = [
        (user, "externalUserId", true, ""),
        (user, "isTestUser", wanted.test_users, " for --test-users"),
        (authentication, "serviceEnvironmentId", true, ""),
        (authentication, "formData", wanted.form_data, ""),
        (creation, "authValues", instances, ""),
        (update, "errorOnEnablingWithMissingValues", instances, ""),
    ];
    let mut seen = false;
    for (of, field, needed, what_for) in needs {
        let Some(fields) = names(of, "inputFields") else {
            continue;
        };
        seen = true;
        if needed && !fields.iter().any(|name| name == field) {
            report.findings.push(format!(
                "the API's {of} has no field {field}, which this run needs{what_for}"
            ));
        }
    }
    if seen {
        let note = "the API's schema has what the run needs";
        report.passed.push(note.to_owned());
    }
    Ok(names("Solution", "fields").map(|fields| fields.iter().any(|name| name == "authSlots")))
}

/// All published solutions, with auth slots where the API shows them.
async fn solutions<T: Transport>(
    client: &Client<T>,
    master: &SecretText,
    auth_slots: Option<bool>,
    report: &mut Report,
) -> Result<BTreeMap<String, ListedSolution>, ReadError> {
    let mut operation = if auth_slots == Some(false) {
        &SOLUTIONS_WITHOUT_AUTH_SLOTS
    } else {
        &SOLUTIONS
    };
    let mut pages = paginate::<ListedSolution>(&["viewer", "solutions"]);
    let mut listed = BTreeMap::new();
    while pages.more() {
        let variables = ops::paged(None, pages.after());
        let data = match client.call(operation, variables, master).await {
            Ok((data, _)) => data,
            Err(Failed {
                trouble: Trouble::Refused(_),
                ..
            }) if operation == &SOLUTIONS && pages.count() == 0 => {
                operation = &SOLUTIONS_WITHOUT_AUTH_SLOTS;
                continue;
            }
            Err(failed) => return Err(fatal(failed.trouble)),
        };
        let page = pages.receive(&data).map_err(fatal)?;
        listed.extend(page.map(|solution| (solution.id.clone(), solution)));
    }
    if operation == &SOLUTIONS_WITHOUT_AUTH_SLOTS {
        let note = "the External IDs of auth slots (the API does not show them)";
        report.unchecked.push(note.to_owned());
    }
    Ok(listed)
}

fn check_solution(
    id: &str,
    slots: &WantedSlots,
    listed: &BTreeMap<String, ListedSolution>,
    report: &mut Report,
) {
    let Some(solution) = listed.get(id) else {
        let near = nearest(id, listed.keys().map(String::as_str));
        let hint = near.map_or_else(
            || "; only published solutions are listed".to_owned(),
            |near| format!("; did you mean {near}?"),
        );
        report
            .findings
            .push(format!("there is no solution {id}{hint}"));
        return;
    };
    let before = report.findings.len();
    let mut compare = |kind: &str, wanted: &BTreeSet<String>, have: &[ops::ListedSlot]| {
        let have: Vec<&str> = have
            .iter()
            .filter_map(|s| s.external_id.as_deref())
            .collect();
        for slot in wanted {
            if !have.contains(&slot.as_str()) {
                let hint = near_slot(slot, &have);
                report.findings.push(format!(
                    "solution {id} (\"{}\") has no {kind} slot with the External ID {slot}{hint}",
                    solution.title
                ));
            }
        }
    };
    if let Some(auth_slots) = &solution.auth_slots {
        compare("auth", &slots.auth, auth_slots);
    }
    compare("config", &slots.config, &solution.config_slots);
    if report.findings.len() == before {
        report.passed.push(format!(
            "solution {id} (\"{}\") exists with the slots that are to be filled",
            solution.title
        ));
    }
}

fn near_slot(slot: &str, have: &[&str]) -> String {
    if let Some(same) = have.iter().find(|h| h.eq_ignore_ascii_case(slot)) {
        return format!("; it has {same}: External IDs are case-sensitive");
    }
    match nearest(slot, have.iter().copied()) {
        Some(near) => format!("; did you mean {near}?"),
        None if have.is_empty() => "; it has none".to_owned(),
        None => format!("; it has {}", have.join(", ")),
    }
}

async fn environments<T: Transport>(
    client: &Client<T>,
    master: &SecretText,
    wanted: &Wanted,
    report: &mut Report,
) -> Result<(), ReadError> {
    if !wanted.has_api {
        let note = "service environments (an --endpoint is given without --api)";
        report.unchecked.push(note.to_owned());
        return Ok(());
    }
    for ((name, version), ids) in &wanted.services {
        let listed = match platform::environments(client, master, name, *version).await {
            Ok(listed) => listed,
            Err(ReadError::Refused(why)) => {
                report.findings.push(why);
                continue;
            }
            Err(error) => return Err(error),
        };
        let is_missing = |id: &&String| listed.iter().all(|environment| environment.id != **id);
        let missing: Vec<_> = ids.iter().filter(is_missing).collect();
        for id in &missing {
            report.findings.push(format!(
                "service {name} version {version} has no environment {id}; ids differ between Tray organisations and regions (pull the catalog again)"
            ));
        }
        if missing.is_empty() {
            report.passed.push(format!(
                "service {name} version {version} has the environments used"
            ));
        }
    }
    Ok(())
}

fn fatal(trouble: Trouble) -> ReadError {
    match trouble.into() {
        ReadError::Refused(why) => ReadError::Refused(format!("Tray refuses the preflight: {why}")),
        other => other,
    }
}
