//! What was found, in words and as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::aftercare::difference::{Difference, Doubt, What};
use crate::aftercare::verify::Findings;
use crate::report::summary::thousands;
use crate::secret::Redactor;

/// The differences, so many of them, and whatever could not be compared.
pub(super) fn listed(findings: &Findings, most: usize, fix: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(findings.differences.iter().take(most).map(|d| line(d, fix)));
    if findings.differences.len() > most {
        let more = thousands((findings.differences.len() - most) as u64);
        lines.push(format!("… and {more} more; --max-differences lists more"));
    }
    for unchecked in findings.unchecked.iter().take(most) {
        lines.push(format!(
            "{}: could not be compared: {}",
            unchecked.external_user_id, unchecked.message
        ));
    }
    if findings.unchecked.len() > most {
        let more = thousands((findings.unchecked.len() - most) as u64);
        lines.push(format!("… and {more} more end users"));
    }
    lines
}

/// How many there are of each kind.
pub(super) fn counted(findings: &Findings) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push(format!("  {name:<12}{value}"));
    for (kind, counts) in counts(findings) {
        let some: Vec<String> = counts
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{} {what}", thousands(count)))
            .collect();
        if !some.is_empty() {
            line(kind, some.join(", "));
        }
    }
    for (doubt, count) in &findings.doubts {
        let (_, why) = of_doubt(*doubt);
        line("not told", format!("{} {why}", thousands(*count)));
    }
    if !findings.unchecked.is_empty() {
        let count = thousands(findings.unchecked.len() as u64);
        line(
            "unchecked",
            format!("{count} end users; the same command again asks about them once more"),
        );
    }
    lines
}

/// The figures and, so many of them, the differences.
pub(super) fn to_json(findings: &Findings, most: usize) -> Map<String, Value> {
    let mut differences = json!(counts(findings));
    differences["total"] = json!(findings.differences.len());
    let listed = findings.differences.iter().take(most).map(of_difference);
    let doubts = |doubt| findings.doubts.get(&doubt).copied().unwrap_or_default();
    let untold: Map<String, Value> = [Doubt::Hidden, Doubt::Truncated, Doubt::OtherKey]
        .into_iter()
        .map(|doubt| (of_doubt(doubt).0.to_owned(), json!(doubts(doubt))))
        .collect();
    let unchecked = findings.unchecked.iter().take(most).map(|unchecked| {
        json!({"externalUserId": unchecked.external_user_id, "message": unchecked.message})
    });
    let mut object = Map::new();
    object.insert("differences".to_owned(), differences);
    object.insert("listed".to_owned(), listed.collect());
    object.insert("cannotBeTold".to_owned(), untold.into());
    object.insert(
        "unchecked".to_owned(),
        json!({"users": findings.unchecked.len(), "listed": unchecked.collect::<Vec<_>>()}),
    );
    object
}

type Counts = BTreeMap<&'static str, BTreeMap<&'static str, u64>>;

fn counts(findings: &Findings) -> Counts {
    let mut counts = Counts::new();
    for what in What::ALL {
        let (kind, of) = what.names();
        counts.entry(kind).or_default().entry(of).or_default();
    }
    for difference in &findings.differences {
        let (kind, of) = difference.what.names();
        *counts.entry(kind).or_default().entry(of).or_default() += 1;
    }
    counts
}

fn of_difference(difference: &Difference) -> Value {
    let (kind, what) = difference.what.names();
    let mut value = json!({
        "kind": kind,
        "what": what,
        "rows": difference.rows,
        "externalUserId": difference.external_user_id,
        "id": difference.id,
    });
    for (key, text) in [
        ("slot", &difference.slot),
        ("expected", &difference.expected),
        ("found", &difference.found),
    ] {
        if let Some(text) = text {
            value[key] = json!(clean(text));
        }
    }
    match difference.what {
        What::Disabled => value["found"] = json!(false),
        What::Enabled => value["found"] = json!(true),
        _ => {}
    }
    value
}

fn of_doubt(doubt: Doubt) -> (&'static str, &'static str) {
    match doubt {
        Doubt::Hidden => (
            "hidden",
            "authentications are hidden and not listed, and Tray was not seen to list hidden ones: whether they exist cannot be told",
        ),
        Doubt::Truncated => (
            "truncated",
            "authentications are not in a list that Tray cut short: whether they exist cannot be told",
        ),
        Doubt::OtherKey => (
            "config",
            "rows have config values that were imported with another master token: whether they changed cannot be told",
        ),
    }
}

/// Names in Tray are whatever anybody made of them: on one line, and bounded.
fn clean(text: &str) -> String {
    Redactor::default().clean(text)
}

/// One difference, and what to do.
fn line(difference: &Difference, fix: bool) -> String {
    let Difference {
        what,
        rows,
        external_user_id: user,
        id,
        ..
    } = difference;
    let text = |text: &Option<String>| text.as_deref().map(clean).unwrap_or_default();
    let (slot, expected, found) = (
        text(&difference.slot),
        text(&difference.expected),
        text(&difference.found),
    );
    let named = if expected.is_empty() {
        id.clone()
    } else {
        format!("\"{expected}\" ({id})")
    };
    let mending = |how: &str| {
        if fix {
            String::new()
        } else {
            format!("; --fix {how}")
        }
    };
    let again = mending("has the next import make it again");
    let said = match what {
        What::UserMissing if found.is_empty() => format!("the end user {id} is gone{again}"),
        What::UserMissing => format!(
            "the end user {id} is gone, and Tray has another one of this externalUserId ({found}){again}"
        ),
        What::AuthenticationMissing => format!("the authentication {named} is gone{again}"),
        What::InstanceMissing => format!("the instance {named} is gone{again}"),
        What::AuthNameChanged => format!(
            "the authentication {id} is called \"{found}\", not \"{expected}\"; rename it in Tray if that was not meant"
        ),
        What::EnvironmentChanged => format!(
            "the authentication {id} is in the service environment {found}, not {expected}; if that was not meant, remove it in Tray, then --fix"
        ),
        What::InstanceNameChanged => format!(
            "the instance {id} is called \"{found}\", not \"{expected}\"; rename it in Tray if that was not meant"
        ),
        What::SlotChanged if found.is_empty() => format!(
            "the slot {slot} of the instance {id} is empty; fill it with the authentication {expected}"
        ),
        What::SlotChanged => format!(
            "the slot {slot} of the instance {id} holds the authentication {found}, not {expected}; put it back unless the end user chose the other"
        ),
        What::ConfigChanged => {
            let now = if found.is_empty() {
                "is empty"
            } else {
                "holds another value"
            };
            format!(
                "the config slot {slot} of the instance {id} {now}; set it again unless the end user chose that"
            )
        }
        What::Disabled => format!(
            "the instance {id} is disabled{}",
            mending("enables it again")
        ),
        What::Enabled => format!(
            "the instance {id} is enabled, and was not to be; disable it in Tray if nobody meant that"
        ),
        What::AuthenticationExtra => format!(
            "the authentication \"{found}\" ({id}) is not of this batch; remove it in Tray if it should not be there, since Tray may bill it"
        ),
        What::InstanceExtra => format!(
            "the instance \"{found}\" ({id}) is not of this batch; remove it in Tray if it should not be there, since Tray bills it"
        ),
    };
    match rows.as_slice() {
        [] => format!("{user}: {said}"),
        [row] => format!("row {row}, {user}: {said}"),
        many => {
            let many: Vec<String> = many.iter().map(u64::to_string).collect();
            format!("rows {}, {user}: {said}", many.join(", "))
        }
    }
}
