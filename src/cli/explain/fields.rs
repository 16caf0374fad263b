//! A row's fields as they are after mapping and conversion.

use serde_json::{Value, json};

use super::origin::Origins;
use crate::catalog::outline::{Outlined, outline};
use crate::catalog::schema::Schema;
use crate::catalog::{Catalog, Entry, Environment};
use strum::VariantArray as _;

use crate::input::fields::{Field, Part};
use crate::input::row::{Piece, Row};
use crate::secret::SecretValue;
use crate::validate::convert::assemble;

/// What a row's fields are.
pub(super) struct Explained {
    lines: Vec<Line>,
    /// What the row leads to: entry, environment, instance.
    chosen: Vec<(&'static str, String)>,
    unused: Vec<String>,
}

/// One field.
struct Line {
    field: String,
    /// What it is: for a secret the type and length only.
    value: String,
    /// The value itself, where it is no secret.
    shown: Option<Value>,
    from: String,
}

impl Explained {
    /// Looks at every field. The row's credentials are used up.
    pub(super) fn of(row: &mut Row<'_>, catalog: &Catalog, origins: &Origins) -> Explained {
        let mut explained = Explained {
            lines: Vec::new(),
            chosen: Vec::new(),
            unused: origins.unused.clone(),
        };
        explained.plain(row, origins);
        let named = (
            row.text(Field::Connector),
            row.text(Field::ConnectorVersion),
        );
        let entry = match named {
            (Some(connector), Some(version)) => catalog.entry(connector, version).ok(),
            _ => None,
        };
        let environment =
            entry.and_then(|entry| entry.environment(row.text(Field::Environment)).ok());
        let schema = environment.map(|e| &e.credentials);
        explained.given(Part::Data, row, schema, origins);
        let schema = environment.map(|e| &e.user_data);
        explained.given(Part::FormData, row, schema, origins);
        for (slot, value) in &row.config {
            let value = SecretValue(row.tree.to_value(*value));
            let field = format!("config.{slot}");
            let from = origins
                .find(&field)
                .or_else(|| origins.find(&format!("configJson.{slot}")))
                .unwrap_or_default()
                .to_owned();
            explained.masked(field, masked(&value.0), from);
        }
        explained.chosen(row, entry, environment);
        explained
    }

    fn masked(&mut self, field: String, value: String, from: String) {
        self.lines.push(Line {
            field,
            value,
            shown: None,
            from,
        });
    }

    /// The contract's plain fields, those that are absent too.
    fn plain(&mut self, row: &Row<'_>, origins: &Origins) {
        for &field in Field::VARIANTS {
            let own = match field {
                Field::Scopes => (!row.scopes.is_empty()).then(|| json!(row.scopes.join(" "))),
                Field::Hidden => row.hidden.map(Value::from),
                Field::Enabled => row.enabled.map(Value::from),
                field => row.text(field).map(Value::from),
            };
            let name = field.name();
            let from = origins.find(name).unwrap_or_default().to_owned();
            let (shown, from) = match (own, from) {
                (Some(own), from) => (Some(own), from),
                (None, from) if origins.is_cell(name) => (None, format!("{from}: REFUSED")),
                (None, template) => {
                    let (value, why) = default(field, row).unzip();
                    let why = why.unwrap_or("absent");
                    let because = match origins.empty(name) {
                        Some(empty) => format!("{why} ({empty} is empty)"),
                        None if template.is_empty() => why.to_owned(),
                        None => format!("{why} ({template} is empty)"),
                    };
                    (value, because)
                }
            };
            let value = match &shown {
                Some(Value::String(text)) => format!("{text:?}"),
                Some(other) => other.to_string(),
                None => "–".to_owned(),
            };
            self.lines.push(Line {
                field: name.to_owned(),
                value,
                shown,
                from,
            });
        }
    }

    /// `data` or `formData`: each field as it was converted, and the required ones that are not there.
    fn given(&mut self, part: Part, row: &mut Row<'_>, schema: Option<&Schema>, origins: &Origins) {
        let prefix = part.name();
        let given = row.part(part);
        let as_they_stand: Vec<(String, String)> = given
            .pieces
            .iter()
            .map(|(path, piece)| {
                let what = match piece {
                    Piece::Text(text) => format!("text, {}", characters(text)),
                    Piece::Json(value) => masked(&SecretValue(row.tree.to_value(*value)).0),
                };
                (path.to_string(), what)
            })
            .collect();
        let from = |field: &str| origins.find(field).unwrap_or_default().to_owned();
        let Some(schema) = schema else {
            // without an environment there is no schema to convert by
            for (path, what) in as_they_stand {
                let field = format!("{prefix}.{path}");
                let origin = from(&field);
                self.masked(field, what, origin);
            }
            if let Some(whole) = given.whole {
                let what = masked_map(row.tree.len(whole));
                self.masked(prefix.to_owned(), what, from(prefix));
            }
            return;
        };
        let (object, failed) = assemble(row, part, schema, &mut Vec::new());
        let value = SecretValue(row.tree.to_value(object));
        let outlined = outline(schema);
        self.converted(prefix, "", &value.0, &outlined, origins);
        for (path, what) in as_they_stand {
            if failed.contains(&path) {
                let field = format!("{prefix}.{path}");
                let origin = from(&field);
                self.masked(field, format!("{what}; NOT CONVERTED"), origin);
            }
        }
        for field in outlined.iter().filter(|field| field.required) {
            if lacks(&value.0, &field.keys) && !failed.contains(&field.path) {
                let name = format!("{prefix}.{}", field.path);
                let from = match origins.empty(&name) {
                    Some(empty) => format!("REQUIRED, and {empty} is empty"),
                    None => "REQUIRED and absent".to_owned(),
                };
                self.masked(name, "–".to_owned(), from);
            }
        }
    }

    fn converted(
        &mut self,
        prefix: &str,
        above: &str,
        value: &Value,
        outlined: &[Outlined],
        origins: &Origins,
    ) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let path = if above.is_empty() {
                key.clone()
            } else {
                format!("{above}.{key}")
            };
            // the keys of an object that the schema does not describe may be anything
            let described = outlined
                .iter()
                .any(|field| field.path == path && field.parent);
            if described && value.as_object().is_some_and(|map| !map.is_empty()) {
                self.converted(prefix, &path, value, outlined, origins);
                continue;
            }
            let field = format!("{prefix}.{path}");
            let from = origins.find(&field).unwrap_or_default().to_owned();
            self.masked(field, masked(value), from);
        }
    }

    fn chosen(&mut self, row: &Row<'_>, entry: Option<&Entry>, environment: Option<&Environment>) {
        let version = row.text(Field::ConnectorVersion).unwrap_or_default();
        self.chosen.push((
            "Catalog entry",
            entry.map_or_else(
                || "none".to_owned(),
                |entry| {
                    format!(
                        "{} {version} in {}, service {} {}, by {}",
                        entry.connector,
                        entry.file.display(),
                        entry.service.name,
                        entry.service.version,
                        entry.auth_type.as_str()
                    )
                },
            ),
        ));
        let how = match row.text(Field::Environment) {
            Some(_) => "named by the row",
            None => "the only one",
        };
        self.chosen.push((
            "Environment",
            environment.map_or_else(
                || "none".to_owned(),
                |environment| format!("{:?} ({}), {how}", environment.title, environment.id),
            ),
        ));
        self.chosen.push((
            "Instance",
            match (row.text(Field::SolutionId), row.text(Field::AuthExternalId)) {
                (None, _) => {
                    "none: without a solutionId, the authentication is imported and nothing else"
                        .to_owned()
                }
                (Some(solution), slot) => format!(
                    "{:?} of solution {solution:?}, slot {}",
                    row.instance_name(),
                    slot.map_or_else(|| "–".to_owned(), |slot| format!("{slot:?}"))
                ),
            },
        ));
    }

    /// The lines of a table and what follows it.
    pub(super) fn to_text(&self) -> Vec<String> {
        /// A longer cell pushes its own line only.
        const WIDEST: usize = 40;
        let width = |of: fn(&Line) -> &String| {
            let widths = self.lines.iter().map(|line| of(line).chars().count());
            widths
                .filter(|width| *width <= WIDEST)
                .max()
                .unwrap_or_default()
        };
        let (first, second) = (width(|line| &line.field), width(|line| &line.value));
        let mut lines: Vec<String> = self
            .lines
            .iter()
            .map(|line| {
                let text = format!(
                    "  {:first$}  {:second$}  {}",
                    line.field, line.value, line.from
                );
                text.trim_end().to_owned()
            })
            .collect();
        lines.push(String::new());
        for (what, value) in &self.chosen {
            lines.push(format!("{what}: {value}"));
        }
        if !self.unused.is_empty() {
            let names: Vec<String> = self.unused.iter().map(|name| format!("{name:?}")).collect();
            lines.push(format!("Not imported: {}", names.join(", ")));
        }
        lines
    }

    /// The same for `--json`.
    pub(super) fn add_to(&self, object: &mut Value) {
        let fields = self.lines.iter().map(|line| {
            let mut field = json!({ "field": line.field, "from": line.from });
            match &line.shown {
                Some(value) => field["value"] = value.clone(),
                None if line.value == "–" => field["value"] = Value::Null,
                None => field["is"] = json!(line.value),
            }
            field
        });
        object["fields"] = fields.collect();
        for (what, value) in &self.chosen {
            let key = match *what {
                "Catalog entry" => "entry",
                "Environment" => "environment",
                _ => "instance",
            };
            object[key] = json!(value);
        }
        object["notImported"] = json!(self.unused);
    }
}

/// Whether the field is absent although the object that it belongs in is there.
fn lacks(object: &Value, keys: &[String]) -> bool {
    let Some((last, above)) = keys.split_last() else {
        return false;
    };
    let parent = above.iter().try_fold(object, |at, key| at.get(key));
    parent.is_some_and(|parent| parent.is_object() && parent.get(last).is_none())
}

/// What an absent field stands for, and by which rule.
fn default(field: Field, row: &Row<'_>) -> Option<(Value, &'static str)> {
    let known = |field: Field| row.text(field).is_some();
    let solution = known(Field::SolutionId);
    match field {
        Field::UserName if known(Field::ExternalUserId) => {
            Some((json!(row.user_name()), "default: the externalUserId"))
        }
        Field::AuthName if known(Field::ExternalUserId) && known(Field::Connector) => Some((
            json!(row.auth_name()),
            "default: connector and externalUserId",
        )),
        Field::InstanceName if solution && known(Field::ExternalUserId) => {
            Some((json!(row.instance_name()), "default: the userName"))
        }
        Field::Hidden => Some((json!(false), "default")),
        Field::Enabled if solution => Some((json!(true), "default")),
        _ => None,
    }
}

/// What a value is, without showing it.
fn masked(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(number) if number.is_f64() => "number".to_owned(),
        Value::Number(_) => "integer".to_owned(),
        Value::String(text) => format!("string, {}", characters(text)),
        Value::Array(items) if items.len() == 1 => "array of 1 item".to_owned(),
        Value::Array(items) => format!("array of {} items", items.len()),
        Value::Object(map) => masked_map(map.len()),
    }
}

fn masked_map(fields: usize) -> String {
    match fields {
        1 => "object with 1 field".to_owned(),
        count => format!("object with {count} fields"),
    }
}

fn characters(text: &str) -> String {
    match text.chars().count() {
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    }
}
