//! What becomes of each file.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::change::{digest, of_schema};
use super::places::{Place, holder, places, versions_at};
use super::{LocalFile, Published, PublishedEnvironment, Update, by_version};
use crate::catalog::Service;

/// What is to be written so that the catalog in `directory` says what Tray publishes. Versions that share
/// a service stand in one file; a version whose service changed moves to the file of that service, or to a
/// new one that takes over what the owner had written. Files that come first must be written first.
pub fn merge(directory: &Path, local: &[LocalFile], published: &[Published]) -> Vec<Update> {
    let places = places(local, published);
    let mut updates = Vec::new();
    for (at, file) in local.iter().enumerate() {
        updates.extend(of_file(at, file, published, &places));
    }
    // what loses a version before what gets it: a crash in between leaves it missing, which the next pull
    // mends, rather than there twice
    updates.sort_by_key(|update| {
        let before = local.iter().find(|file| file.path == update.path);
        before.is_some_and(|file| {
            file.entry
                .versions
                .iter()
                .all(|v| update.versions.contains(v))
        })
    });
    let mut taken: Vec<PathBuf> = local.iter().map(|file| file.path.clone()).collect();
    for (group, from) in published.iter().enumerate() {
        let versions = versions_at(Place::New(group), &places);
        if versions.is_empty() {
            continue;
        }
        let alone = published
            .iter()
            .filter(|other| other.connector == from.connector)
            .count()
            == 1;
        let path = free_name(directory, from, alone, &versions, &taken);
        taken.push(path.clone());
        // what the owner said of the connector holds for a version that moves
        let moved = versions
            .iter()
            .find_map(|version| holder(local, &from.connector, version));
        updates.push(new_file(path, from, versions, moved.map(|at| &local[at])));
    }
    updates
}

fn of_file(
    at: usize,
    file: &LocalFile,
    published: &[Published],
    places: &BTreeMap<(usize, String), Place>,
) -> Option<Update> {
    let entry = &file.entry;
    let coming = versions_at(Place::File(at), places);
    let moves_on = |version: &&String| {
        places.iter().any(|((group, own), to)| {
            published[*group].connector == entry.connector
                && own == *version
                && *to != Place::File(at)
        })
    };
    let leaving: Vec<&String> = entry.versions.iter().filter(moves_on).collect();
    if coming.is_empty() && leaving.is_empty() {
        return None;
    }
    let mut update = Update {
        path: file.path.clone(),
        connector: entry.connector.clone(),
        versions: entry.versions.clone(),
        content: file.content.clone(),
        changes: Vec::new(),
        kept: Vec::new(),
        existed: true,
    };
    for version in &leaving {
        update.changes.push(format!(
            "version {version} has another service now and moves to another file"
        ));
    }
    update
        .versions
        .retain(|version| !leaving.contains(&version));
    let before = update.versions.clone();
    for version in coming.iter().filter(|version| !before.contains(version)) {
        update.changes.push(format!("version {version} is new"));
        update.versions.push((*version).clone());
    }
    if update.versions != entry.versions {
        update.versions.sort_by(|a, b| by_version(a, b));
        update
            .content
            .insert("versions".to_owned(), json!(update.versions));
    }
    let from = places
        .iter()
        .find(|(_, to)| **to == Place::File(at))
        .map(|((group, _), _)| &published[*group]);
    if let Some(from) = from {
        take_over(&mut update, from);
    }
    Some(update)
}

fn new_file(
    path: PathBuf,
    from: &Published,
    versions: Vec<String>,
    moved: Option<&LocalFile>,
) -> Update {
    let mut content = Map::new();
    for (key, value) in [
        ("connector", json!(from.connector)),
        ("versions", json!(versions)),
        ("service", json!({})),
        ("authType", json!(from.auth_type)),
        ("ownService", json!(false)),
        ("environments", json!([])),
        ("allowExtraFields", json!(false)),
    ] {
        content.insert(key.to_owned(), value);
    }
    if let Some(moved) = moved {
        for (key, value) in &moved.content {
            let of_tray = ["versions", "service", "authType", "environments", "pulled"];
            if !of_tray.contains(&key.as_str()) {
                content.insert(key.clone(), value.clone());
            }
        }
    }
    let mut update = Update {
        path,
        connector: from.connector.clone(),
        versions,
        content,
        changes: Vec::new(),
        kept: Vec::new(),
        existed: false,
    };
    take_over(&mut update, from);
    let environments = from.environments.len();
    update.changes = vec![format!(
        "new: {} {}, service {} {}, {}, {environments} {}",
        from.connector,
        update.versions.join(", "),
        from.service.name,
        from.service.version,
        from.auth_type,
        if environments == 1 {
            "environment"
        } else {
            "environments"
        },
    )];
    update
}

/// Puts what Tray publishes into a file's content.
fn take_over(update: &mut Update, from: &Published) {
    let pulled = update.content.get("pulled").cloned().unwrap_or_default();
    service(update, &from.service);
    let noted = |value: &Value| value.as_str().map(str::to_owned);
    let auth_type = json!(from.auth_type);
    let known = update.content.get("authType").cloned();
    let taken = Taken::of(
        known.as_ref(),
        noted(&pulled["authType"]).as_deref(),
        &auth_type,
    );
    match taken {
        Taken::Theirs => {
            let was = known.unwrap_or_default();
            update
                .changes
                .push(format!("authType: {was} is now {auth_type}"));
            update
                .content
                .insert("authType".to_owned(), auth_type.clone());
        }
        Taken::Ours { .. } => update
            .kept
            .push(format!("authType is yours; Tray says {auth_type}")),
        Taken::Same => {}
    }
    let mut note = json!({ "authType": digest(&auth_type), "environments": {} });
    let own = update
        .content
        .get("environments")
        .and_then(Value::as_array)
        .cloned();
    let own = own.unwrap_or_default();
    let is = |value: &Value, id: &str| value["id"] == id;
    let mut environments = Vec::new();
    // in the file's order, then what is new
    for value in &own {
        match from.environments.iter().find(|e| is(value, &e.id)) {
            Some(published) => environments.push((value.clone(), published)),
            None => update.changes.push(format!(
                "environment {} is gone",
                described(value["title"].as_str(), value["id"].as_str())
            )),
        }
    }
    for published in &from.environments {
        if !own.iter().any(|value| is(value, &published.id)) {
            update.changes.push(format!(
                "environment {} is new",
                described(Some(published.title()), Some(&published.id))
            ));
            environments.push((json!({ "id": published.id }), published));
        }
    }
    let mut written = Vec::new();
    for (mut value, published) in environments {
        let base = &pulled["environments"][&published.id];
        let new = !own.iter().any(|known| is(known, &published.id));
        environment(update, &mut value, published, base, new);
        let digests = published
            .parts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(digest(value))));
        note["environments"][&published.id] = Value::Object(digests.collect());
        written.push(value);
    }
    update
        .content
        .insert("environments".to_owned(), Value::Array(written));
    if update.content.get("pulled") != Some(&note) {
        if update.changes.is_empty() && update.existed && pulled.is_null() {
            update.changes.push(
                "what Tray publishes is noted under `pulled`, so that your later edits are told from its own".to_owned(),
            );
        }
        update.content.insert("pulled".to_owned(), note);
    }
}

fn service(update: &mut Update, service: &Service) {
    let known = update.content.get("service").cloned().unwrap_or_default();
    let mut map = known.as_object().cloned().unwrap_or_default();
    let version = &known["version"];
    let in_text = version.as_str().and_then(|text| text.parse().ok());
    let same_version = version.as_i64().or(in_text) == Some(service.version);
    for (key, value, same) in [
        ("id", json!(service.id), known["id"] == service.id),
        ("name", json!(service.name), known["name"] == service.name),
        ("version", json!(service.version), same_version),
    ] {
        if !same {
            if update.existed {
                let was = known.get(key).cloned().unwrap_or_default();
                update
                    .changes
                    .push(format!("service.{key}: {was} is now {value}"));
            }
            map.insert(key.to_owned(), value);
        }
    }
    update
        .content
        .insert("service".to_owned(), Value::Object(map));
}

fn environment(
    update: &mut Update,
    value: &mut Value,
    published: &PublishedEnvironment,
    base: &Value,
    new: bool,
) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    let name = described(Some(published.title()), Some(&published.id));
    for (part, theirs) in &published.parts {
        let ours = map.get(*part).cloned();
        // what the file leaves out says nothing, as does what Tray leaves empty
        if ours.is_none() && is_empty(theirs) && *part != "credentials" && *part != "userData" {
            continue;
        }
        match Taken::of(ours.as_ref(), base[*part].as_str(), theirs) {
            Taken::Same => {}
            Taken::Theirs => {
                let ours = ours.unwrap_or_default();
                let changes = match *part {
                    "credentials" | "userData" => of_schema(&ours, theirs),
                    "title" => vec![format!("{ours} is now {theirs}")],
                    _ => vec!["changed".to_owned()],
                };
                if !new {
                    update
                        .changes
                        .extend(changes.iter().map(|change| format!("environment {name}: {part}: {change}")));
                }
                map.insert((*part).to_owned(), theirs.clone());
            }
            Taken::Ours { changed } => update.kept.push(format!(
                "environment {name}: {part}: edited by you and kept{}",
                if changed { ", although Tray's has changed since; remove it from the file and pull again to take Tray's" } else { "" }
            )),
        }
    }
}

/// Whose value stands.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// Both are the same.
    Same,
    /// Tray's: the file's own is absent, or what Tray published before, or nobody knows.
    Theirs,
    /// The owner's edit; whether Tray has published something else since.
    Ours { changed: bool },
}

impl Taken {
    fn of(ours: Option<&Value>, base: Option<&str>, theirs: &Value) -> Taken {
        match (ours, base) {
            (Some(ours), _) if ours == theirs => Taken::Same,
            (Some(ours), Some(base)) if digest(ours) != base => Taken::Ours {
                changed: digest(theirs) != base,
            },
            _ => Taken::Theirs,
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => value.is_null(),
    }
}

fn described(title: Option<&str>, id: Option<&str>) -> String {
    match title.filter(|title| !title.is_empty()) {
        Some(title) => format!("{title:?}"),
        None => id.unwrap_or("without an id").to_owned(),
    }
}

/// `sqs.json`; where the connector has several files, `sqs-2.0.json`, by the first version.
fn free_name(
    directory: &Path,
    from: &Published,
    alone: bool,
    versions: &[String],
    taken: &[PathBuf],
) -> PathBuf {
    let safe = |text: &str| -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let text: String = text
            .chars()
            .map(|c| if plain(c) { c } else { '-' })
            .collect();
        // neither hidden nor a way out of the directory
        text.trim_start_matches('.').to_owned()
    };
    let name = safe(&from.connector);
    let name = if name.is_empty() {
        "connector".to_owned()
    } else {
        name
    };
    let first = versions.first().map_or("", String::as_str);
    let longer = format!("{name}-{}", safe(first));
    let plain = (alone && !taken.contains(&directory.join(format!("{name}.json")))).then_some(name);
    let numbered = (2..).map(|n: u32| format!("{longer}-{n}"));
    plain
        .into_iter()
        .chain([longer.clone()])
        .chain(numbered)
        .map(|name| directory.join(format!("{name}.json")))
        .find(|path| !taken.contains(path) && !path.exists())
        .unwrap_or_else(|| directory.join(format!("{longer}.json")))
}
