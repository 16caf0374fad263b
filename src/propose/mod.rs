//! A mapping for a customer's own export, proposed from its column names, its first rows and the catalog.
//!
//! [`sample`] reads the beginning of the export, [`names`] says how alike two names are, [`placing`] gives
//! each column the field that it fits best, and [`writing`] puts it all into a commented mapping file.
//! Cells are looked at to see what kind of thing a column holds; no cell's content ever leaves this room.

pub mod looks;
pub mod names;
pub mod placing;
pub mod sample;
pub mod writing;

use std::collections::BTreeSet;

use strum::VariantArray as _;

use crate::catalog::outline::{Outlined, outline};
use crate::catalog::pull::by_version;
use crate::catalog::{Catalog, Entry};
use crate::input::fields::{Field, Target};
use placing::{Candidate, Placed, place};
use sample::{Column, Sample};

/// What is proposed.
#[derive(Debug, Default)]
pub struct Proposal {
    /// Columns that already have a name of the contract.
    pub known: Vec<String>,
    /// Column and field.
    pub columns: Vec<(String, String)>,
    /// Columns that nothing was found for.
    pub unplaced: Vec<String>,
    /// Fields that are the same in every row.
    pub constants: Vec<(&'static str, String)>,
    /// The entry whose credentials the rows seem to hold, and its version.
    pub entry: Option<(String, String)>,
    /// Fields that the entry requires and no column was found for.
    pub missing: Vec<String>,
    /// Its environments, where it has several and no column names one.
    pub environments: Vec<String>,
    /// What the person must see to, a sentence each.
    pub todo: Vec<String>,
}

/// Proposes a mapping; without a catalog, credentials cannot be placed.
pub fn propose(sample: &Sample, catalog: Option<&Catalog>) -> Proposal {
    let mut proposal = Proposal::default();
    let entries = catalog.map_or(&[][..], Catalog::entries);
    let known: BTreeSet<String> = sample
        .columns
        .iter()
        .filter(|column| column.known)
        .map(|column| column.name.clone())
        .collect();
    let fields: Vec<&str> = Field::VARIANTS.iter().map(|field| field.name()).collect();
    let plain: Vec<Candidate> = fields
        .iter()
        .filter(|name| !known.contains(**name))
        .map(|name| Candidate::plain(name, entries))
        .collect();
    let free: Vec<&Column> = sample
        .columns
        .iter()
        .filter(|column| !column.known)
        .collect();
    let chosen = choose(sample, entries, &free, &plain, &known, &mut proposal);
    for (at, column) in free.iter().enumerate() {
        match chosen.iter().find(|placed| placed.column == at) {
            Some(placed) => proposal
                .columns
                .push((column.name.clone(), placed.target.clone())),
            None => proposal.unplaced.push(column.name.clone()),
        }
    }
    // as the fields are listed in the documentation
    let order = |target: &str| {
        fields
            .iter()
            .position(|name| *name == target)
            .unwrap_or(fields.len())
    };
    proposal.columns.sort_by_key(|(_, target)| order(target));
    proposal.known = known.into_iter().collect();
    proposal
}

/// Whether a column fills the field, by its own name or by the proposal.
fn filled(target: &str, known: &BTreeSet<String>, placed: &[Placed]) -> bool {
    known.contains(target) || placed.iter().any(|placed| placed.target == target)
}

/// Decides which connector the rows are for, and places the columns by its fields.
fn choose(
    sample: &Sample,
    entries: &[Entry],
    free: &[&Column],
    plain: &[Candidate],
    known: &BTreeSet<String>,
    proposal: &mut Proposal,
) -> Vec<Placed> {
    let first = place(free, plain);
    let values = |target: &str| -> Option<BTreeSet<&str>> {
        let by_name = sample.columns.iter().find(|column| column.name == target);
        let placed = first.iter().find(|placed| placed.target == target);
        let column = by_name.or_else(|| placed.map(|placed| free[placed.column]))?;
        Some(column.texts().collect())
    };
    let connectors = values(Field::Connector.name());
    let versions = values(Field::ConnectorVersion.name());
    if let Some(connectors) = connectors {
        return of_column(
            entries,
            free,
            plain,
            known,
            proposal,
            &connectors,
            versions.is_some(),
        );
    }
    let judged: Vec<Judged<'_>> = entries
        .iter()
        .filter(|entry| entry.importable())
        .map(|entry| Judged::of(entry, free, plain, known))
        .collect();
    let Some(best) = best(&judged) else {
        proposal.todo.push(if entries.is_empty() {
            "there is no catalog, so that no column can be told to be a credential: name one with --catalog DIR (`tray-import catalog pull` writes it), and run init again".to_owned()
        } else {
            "connector and connectorVersion: the columns do not tell which connector of the catalog they are for".to_owned()
        });
        return first;
    };
    let entry = best.entry;
    let version = if versions.is_some() {
        None
    } else {
        latest(entry)
    };
    proposal
        .constants
        .push((Field::Connector.name(), entry.connector.clone()));
    if let Some(version) = &version {
        proposal
            .constants
            .push((Field::ConnectorVersion.name(), version.clone()));
    }
    let shown = version.unwrap_or_else(|| entry.versions.join(", "));
    let alone = entries.len() == 1;
    proposal.todo.push(if alone {
        format!(
            "{} {shown} is all that the catalog has: see that the rows are for it",
            entry.connector
        )
    } else {
        format!(
            "{} {shown} is a guess, by the columns: see that it is right",
            entry.connector
        )
    });
    proposal.entry = Some((entry.connector.clone(), shown));
    proposal.missing.clone_from(&best.missing);
    environment(entry, known, &best.placed, proposal);
    best.placed.clone()
}

/// Places the columns of an export whose rows name their connectors.
fn of_column(
    entries: &[Entry],
    free: &[&Column],
    plain: &[Candidate],
    known: &BTreeSet<String>,
    proposal: &mut Proposal,
    connectors: &BTreeSet<&str>,
    has_versions: bool,
) -> Vec<Placed> {
    let meant: Vec<&Entry> = entries
        .iter()
        .filter(|entry| connectors.contains(entry.connector.as_str()))
        .collect();
    let there = |name: &&&str| entries.iter().any(|entry| entry.connector == ***name);
    let unknown = connectors.len() - connectors.iter().filter(there).count();
    if unknown > 0 {
        proposal.todo.push(format!(
            "the connector column names {unknown} {} that the catalog does not have",
            if unknown == 1 {
                "connector"
            } else {
                "connectors"
            }
        ));
    }
    let mut candidates = plain.to_vec();
    for entry in &meant {
        for candidate in credentials(entry) {
            if candidates.iter().all(|own| own.target != candidate.target) {
                candidates.push(candidate);
            }
        }
    }
    let placed = place(free, &candidates);
    if let [entry] = meant.as_slice() {
        let version = if has_versions { None } else { latest(entry) };
        let shown = version.clone().unwrap_or_else(|| entry.versions.join(", "));
        if let Some(version) = version {
            proposal
                .constants
                .push((Field::ConnectorVersion.name(), version));
        }
        proposal.entry = Some((entry.connector.clone(), shown));
        proposal.missing = missing(entry, known, &placed);
        environment(entry, known, &placed, proposal);
    } else if !has_versions {
        proposal.todo.push(
            "connectorVersion: the rows are for several connectors, so a column must say the version of each".to_owned(),
        );
    }
    placed
}

fn latest(entry: &Entry) -> Option<String> {
    entry
        .versions
        .iter()
        .max_by(|a, b| by_version(a, b))
        .cloned()
}

/// How well an entry explains the columns.
struct Judged<'c> {
    entry: &'c Entry,
    placed: Vec<Placed>,
    /// Fields of its credentials that columns were found for.
    found: usize,
    score: u32,
    missing: Vec<String>,
}

impl<'c> Judged<'c> {
    fn of(
        entry: &'c Entry,
        free: &[&Column],
        plain: &[Candidate],
        known: &BTreeSet<String>,
    ) -> Judged<'c> {
        let mut candidates = plain.to_vec();
        candidates.extend(
            credentials(entry)
                .into_iter()
                .filter(|c| !known.contains(&c.target)),
        );
        let placed = place(free, &candidates);
        let is_secret =
            |target: &str| Target::parse(target).is_some_and(|target| target.is_secret());
        let found: Vec<&Placed> = placed.iter().filter(|one| is_secret(&one.target)).collect();
        let by_name = credentials(entry)
            .iter()
            .filter(|c| known.contains(&c.target))
            .count();
        Judged {
            found: found.len() + by_name,
            score: found.iter().map(|one| one.score).sum::<u32>()
                + 100 * u32::try_from(by_name).unwrap_or(0),
            missing: missing(entry, known, &placed),
            placed,
            entry,
        }
    }
}

/// The entry that the columns are for: the only one, or the one of which the most was found and nothing is
/// missing. Of versions of one connector the latest; between connectors nothing is guessed at.
fn best<'j, 'c>(judged: &'j [Judged<'c>]) -> Option<&'j Judged<'c>> {
    if let [only] = judged {
        return Some(only);
    }
    let rank = |one: &Judged<'_>| (one.missing.is_empty(), one.score);
    let most = judged
        .iter()
        .filter(|one| one.found > 0 && one.found > one.missing.len())
        .max_by(|a, b| {
            let newer = || {
                let of = |one: &Judged<'_>| latest(one.entry).unwrap_or_default();
                by_version(&of(a), &of(b))
            };
            rank(a).cmp(&rank(b)).then_with(newer)
        })?;
    let rivals = |other: &&Judged<'_>| {
        other.entry.connector != most.entry.connector && rank(other) == rank(most)
    };
    judged.iter().find(rivals).is_none().then_some(most)
}

/// The required fields of the entry's first environment that nothing fills.
fn missing(entry: &Entry, known: &BTreeSet<String>, placed: &[Placed]) -> Vec<String> {
    let whole = |prefix: &str| known.contains(prefix);
    entry
        .environments
        .iter()
        .take(1)
        .flat_map(|environment| {
            let of = |prefix, schema| {
                outline(schema)
                    .into_iter()
                    .map(move |field| (prefix, field))
            };
            of("data", &environment.credentials).chain(of("formData", &environment.user_data))
        })
        .filter(|(prefix, field)| field.required && field.keys.len() == 1 && !whole(prefix))
        .map(|(prefix, field)| format!("{prefix}.{}", field.path))
        .filter(|target| !filled(target, known, placed))
        .collect()
}

fn environment(
    entry: &Entry,
    known: &BTreeSet<String>,
    placed: &[Placed],
    proposal: &mut Proposal,
) {
    if entry.environments.len() > 1 && !filled(Field::Environment.name(), known, placed) {
        let name = |title: &str, id: &str| {
            if title.is_empty() {
                id.to_owned()
            } else {
                title.to_owned()
            }
        };
        let names = entry
            .environments
            .iter()
            .map(|one| name(&one.title, &one.id));
        proposal.environments = names.collect();
        proposal.todo.push(format!(
            "environment: {} has several service environments; say which",
            entry.connector
        ));
    }
}

/// The entry's credential and form fields that a column may fill.
fn credentials(entry: &Entry) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for environment in &entry.environments {
        for (prefix, schema) in [
            ("data", &environment.credentials),
            ("formData", &environment.user_data),
        ] {
            let fields: Vec<Outlined> = outline(schema);
            for field in fields.iter().filter(|field| !field.parent) {
                let candidate = Candidate::credential(prefix, field, schema, entry);
                if candidates.iter().all(|own| own.target != candidate.target) {
                    candidates.push(candidate);
                }
            }
        }
    }
    candidates
}
