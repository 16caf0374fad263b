//! Which column goes to which field.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};

use super::names::{Name, Names, of_credential, of_field, weak_of_field};
use super::sample::Column;
use crate::catalog::Entry;
use crate::catalog::outline::{Outlined, words};
use crate::catalog::schema::Schema;
use crate::input::row::parse_bool;

/// A field that a column may fill.
#[derive(Clone)]
pub struct Candidate {
    /// The contract's name of it.
    pub target: String,
    names: Names,
    fits: Fits,
}

/// What a column's values must be.
#[derive(Clone)]
enum Fits {
    /// Anything.
    Any,
    /// Whoever it is, it is not the same in every row.
    Id,
    /// True or false.
    Flag,
    /// One of these; anything, where the column has the field's very name.
    OneOf(BTreeSet<String>),
    /// What the schema takes for its field `v`.
    Schema(Rc<Schema>),
}

/// A column that a field was found for.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The number of the column.
    pub column: usize,
    /// The field.
    pub target: String,
    /// How sure it is, up to about 100.
    pub score: u32,
}

/// Less alike than this is another thing.
const ENOUGH: u32 = 65;

impl Candidate {
    /// One of the contract's plain fields.
    pub fn plain(field: &str, entries: &[Entry]) -> Candidate {
        let all =
            |of: fn(&Entry) -> Vec<String>| Fits::OneOf(entries.iter().flat_map(of).collect());
        Candidate {
            target: field.to_owned(),
            names: Names {
                own: vec![Name::of(field)],
                others: of_field(field).iter().map(|name| Name::of(name)).collect(),
                weak: weak_of_field(field)
                    .iter()
                    .map(|name| Name::of(name))
                    .collect(),
                without: Vec::new(),
                partly: false,
            },
            fits: match field {
                "externalUserId" => Fits::Id,
                "hidden" | "enabled" => Fits::Flag,
                "connector" => all(|entry| vec![entry.connector.clone()]),
                "connectorVersion" => all(|entry| entry.versions.clone()),
                "environment" => all(|entry| {
                    let both = entry
                        .environments
                        .iter()
                        .flat_map(|e| [e.title.clone(), e.id.clone()]);
                    both.collect()
                }),
                _ => Fits::Any,
            },
        }
    }

    /// A field of an entry's schema.
    pub fn credential(prefix: &str, field: &Outlined, schema: &Schema, entry: &Entry) -> Candidate {
        let last = field.keys.last().map_or("", String::as_str);
        let mut own = vec![
            Name::of(&field.path),
            Name::of(&format!("{prefix}.{}", field.path)),
        ];
        if field.keys.len() == 1 {
            own.push(Name::of(last));
            own.push(Name::of(&field.title));
        }
        let mut without = words(&entry.connector);
        without.extend(words(&entry.service.name));
        let mut property = &schema.reduced;
        for key in &field.keys {
            property = &property["properties"][key];
        }
        let mut alone = json!({ "properties": { "v": property } });
        if let Some(definitions) = schema.reduced.get("definitions") {
            alone["definitions"] = definitions.clone();
        }
        let fits = Schema::compile(&alone, false)
            .map_or(Fits::Any, |schema| Fits::Schema(Rc::new(schema)));
        Candidate {
            target: format!("{prefix}.{}", field.path),
            names: Names {
                own,
                others: of_credential(last)
                    .iter()
                    .map(|name| Name::of(name))
                    .collect(),
                weak: Vec::new(),
                without,
                // a field inside a field wants the whole of its name
                partly: field.keys.len() == 1,
            },
            fits,
        }
    }

    fn score(&self, column: &Column) -> u32 {
        let likeness = self.names.likeness(&column.name);
        if likeness < ENOUGH - 10 {
            return 0;
        }
        self.fits.judged(column, likeness)
    }
}

impl Fits {
    /// The likeness of the names, after a look at the values.
    fn judged(&self, column: &Column, likeness: u32) -> u32 {
        let distinct: BTreeSet<&str> = column.texts().collect();
        match self {
            Fits::Any => likeness,
            Fits::Id => {
                let mail = distinct.iter().all(|text| text.contains('@'));
                if column.values.len() > 1 && distinct.len() == 1 {
                    0
                } else if mail && likeness < 100 {
                    // an address is whom one writes to; it is an id where there is no better one
                    likeness - 20
                } else {
                    likeness
                }
            }
            Fits::Flag => {
                let flag = |value: &Value| {
                    value.is_boolean()
                        || (!column.typed
                            && value.as_str().is_some_and(|t| parse_bool(t).is_some()))
                };
                if column.values.iter().all(|value| flag(&value.0)) {
                    likeness
                } else {
                    0
                }
            }
            Fits::OneOf(known) => {
                let any = distinct.iter().any(|text| known.contains(*text));
                match likeness {
                    100 => 100,
                    _ if any => likeness + 5,
                    _ => 0,
                }
            }
            Fits::Schema(schema) => {
                if schema.validator().is_none() {
                    return likeness;
                }
                let types = schema.types_at("v");
                let texts = types.is_open() || types.allows("string");
                let fit = |value: &Value| match value.as_str() {
                    Some(text) if !column.typed && !texts => {
                        let read =
                            serde_json::from_str(&text.to_ascii_lowercase()).unwrap_or(Value::Null);
                        schema.accepts(&json!({ "v": read }))
                    }
                    _ => schema.accepts(&json!({ "v": value })),
                };
                let fitting = column.values.iter().filter(|value| fit(&value.0)).count();
                let telling = {
                    let property = &schema.reduced["properties"]["v"];
                    property.get("enum").is_some() || property.get("pattern").is_some()
                };
                if 2 * fitting < column.values.len() {
                    0
                } else if telling && fitting > 0 {
                    likeness + 8
                } else {
                    likeness
                }
            }
        }
    }
}

/// Gives each field the column that fits it best, the surest first; a column fills one field.
pub fn place(columns: &[&Column], candidates: &[Candidate]) -> Vec<Placed> {
    let mut pairs = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        for (number, candidate) in candidates.iter().enumerate() {
            let score = candidate.score(column);
            if score >= ENOUGH {
                pairs.push((score, at, number));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    let mut placed: Vec<Placed> = Vec::new();
    for (score, column, number) in pairs {
        let target = &candidates[number].target;
        if placed
            .iter()
            .all(|other| other.column != column && other.target != *target)
        {
            placed.push(Placed {
                column,
                target: target.clone(),
                score,
            });
        }
    }
    placed
}
