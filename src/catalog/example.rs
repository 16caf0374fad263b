//! Rows that an entry would accept: made up from the schema, and held against it before they are shown.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Number, Value, json};

use super::schema::Schema;
use super::{Entry, Environment};

/// One row in both forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Header and row.
    pub csv: String,
    /// The row as a line of JSON Lines.
    pub jsonl: String,
}

/// A row for this environment; none where rows of the entry cannot be imported, or where the schema asks for
/// something that cannot be made up (an entry whose patterns look around, say).
pub fn example(entry: &Entry, version: &str, environment: &Environment) -> Option<Example> {
    if !entry.importable() {
        return None;
    }
    let mut row = Map::new();
    row.insert("externalUserId".to_owned(), json!("customer-1"));
    row.insert("userName".to_owned(), json!("Example Company"));
    row.insert("connector".to_owned(), json!(entry.connector));
    row.insert("connectorVersion".to_owned(), json!(version));
    if entry.environments.len() > 1 {
        let titled = |other: &&Environment| other.title == environment.title;
        let unique = entry.environments.iter().filter(titled).count() == 1;
        let name = if unique && !environment.title.is_empty() {
            &environment.title
        } else {
            &environment.id
        };
        row.insert("environment".to_owned(), json!(name));
    }
    let mut data = object(&environment.credentials)?;
    if data.is_empty() && environment.credentials.validator().is_none() {
        // a schema that says nothing takes anything
        data.insert("key".to_owned(), json!("value"));
    }
    let form_data = object(&environment.user_data)?;
    for (key, value) in [("data", data), ("formData", form_data)] {
        if !value.is_empty() {
            row.insert(key.to_owned(), Value::Object(value));
        }
    }
    Some(Example {
        csv: csv(&row, environment)?,
        jsonl: Value::Object(row).to_string(),
    })
}

/// An object that the schema accepts: with all its fields, else with the required ones only.
fn object(schema: &Schema) -> Option<Map<String, Value>> {
    let maker = Maker {
        root: &schema.reduced,
        published: &schema.published,
    };
    [true, false].into_iter().find_map(|all| {
        let value = maker.object(&schema.reduced, &schema.published, all, 0)?;
        let object = Value::Object(value);
        let valid = schema.accepts(&object);
        match object {
            Value::Object(map) if valid => Some(map),
            _ => None,
        }
    })
}

/// Header and row. Objects are spread over columns of their own as far as their keys have no dots.
fn csv(row: &Map<String, Value>, environment: &Environment) -> Option<String> {
    let (mut header, mut cells) = (Vec::new(), Vec::new());
    for (key, value) in row {
        let schema = match key.as_str() {
            "data" => &environment.credentials,
            "formData" => &environment.user_data,
            _ => {
                header.push(key.clone());
                cells.push(value.as_str()?.to_owned());
                continue;
            }
        };
        let mut columns = Vec::new();
        if spread(value, "", schema, &mut columns).is_some() {
            for (path, cell) in columns {
                header.push(format!("{key}.{path}"));
                cells.push(cell);
            }
        } else {
            header.push(key.clone());
            cells.push(value.to_string());
        }
    }
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(&header).ok()?;
    writer.write_record(&cells).ok()?;
    String::from_utf8(writer.into_inner().ok()?).ok()
}

/// The columns of an object; none where a cell would not become the same value again.
fn spread(
    value: &Value,
    path: &str,
    schema: &Schema,
    columns: &mut Vec<(String, String)>,
) -> Option<()> {
    for (key, value) in value.as_object()? {
        if key.is_empty() || key.contains('.') {
            return None;
        }
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let types = schema.types_at(&path);
        let text = types.is_open() || types.allows("string");
        match value {
            Value::Object(map) if !map.is_empty() => spread(value, &path, schema, columns)?,
            Value::String(cell) if text && !cell.is_empty() => columns.push((path, cell.clone())),
            Value::String(_) | Value::Null => return None,
            _ if text => return None,
            other => columns.push((path, other.to_string())),
        }
    }
    Some(())
}

struct Maker<'s> {
    root: &'s Value,
    published: &'s Value,
}

/// Deeper than any credential; a schema that refers to itself ends here.
const DEEPEST: usize = 8;

impl Maker<'_> {
    fn object(
        &self,
        schema: &Value,
        published: &Value,
        all: bool,
        depth: usize,
    ) -> Option<Map<String, Value>> {
        if depth > DEEPEST {
            return None;
        }
        let mut map = Map::new();
        let listed = schema["required"].as_array();
        let required = |name: &str| listed.is_some_and(|names| names.iter().any(|own| own == name));
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if !all && !required(name) {
                continue;
            }
            let published = &published["properties"][name];
            match self.value(name, property, published, all, depth + 1) {
                Some(value) => {
                    map.insert(name.clone(), value);
                }
                None if required(name) => return None,
                None => {}
            }
        }
        for name in listed.into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                map.insert(name.to_owned(), json!(placeholder(name)));
            }
        }
        // alternatives: the first that can be made up
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let alternatives = schema[keyword].as_array().map_or(&[][..], Vec::as_slice);
            for alternative in alternatives {
                if let Some(more) = self.object(alternative, &Value::Null, all, depth + 1) {
                    for (name, value) in more {
                        map.entry(name).or_insert(value);
                    }
                    if keyword != "allOf" {
                        break;
                    }
                }
            }
        }
        Some(map)
    }

    fn value(
        &self,
        name: &str,
        schema: &Value,
        published: &Value,
        all: bool,
        depth: usize,
    ) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        if let Some(pointer) = schema["$ref"].as_str() {
            let pointer = pointer.strip_prefix('#')?;
            let published = self.published.pointer(pointer).unwrap_or(&Value::Null);
            let referred = self.root.pointer(pointer)?;
            return self.value(name, referred, published, all, depth + 1);
        }
        if let Some(value) = schema.get("const") {
            return Some(value.clone());
        }
        if let Some(first) = schema["enum"].as_array().and_then(|list| list.first()) {
            return Some(first.clone());
        }
        let default = published
            .get("default")
            .filter(|value| !value.is_null() && **value != "");
        let kind = match &schema["type"] {
            Value::String(kind) => kind.as_str(),
            Value::Array(kinds) => kinds
                .iter()
                .filter_map(Value::as_str)
                .find(|kind| *kind != "null")?,
            _ if schema["properties"].is_object() => "object",
            _ => "string",
        };
        match kind {
            "object" => self
                .object(schema, published, all, depth)
                .map(Value::Object),
            "array" => {
                let least = schema["minItems"].as_u64().unwrap_or(1).max(1);
                let item = self.value(name, &schema["items"], &Value::Null, all, depth + 1)?;
                let items = (0..least).map(|_| item.clone());
                Some(Value::Array(items.collect()))
            }
            "boolean" => Some(
                default
                    .filter(|value| value.is_boolean())
                    .cloned()
                    .unwrap_or(json!(true)),
            ),
            "integer" | "number" => match default.filter(|value| value.is_number()) {
                Some(default) => Some(default.clone()),
                None => number(schema, kind == "integer"),
            },
            "null" => Some(Value::Null),
            _ => match default.filter(|value| value.is_string()) {
                Some(default) => Some(default.clone()),
                None => text(name, schema).map(Value::String),
            },
        }
    }
}

fn number(schema: &Value, whole: bool) -> Option<Value> {
    let bound = |keyword: &str| schema[keyword].as_f64();
    let step = bound("multipleOf").unwrap_or(1.0);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + step));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - step));
    let wanted = match (least, most) {
        (Some(least), _) => (least / step).ceil() * step,
        (None, Some(most)) if most < 1.0 => (most / step).floor() * step,
        _ => step.max(1.0),
    };
    if whole || wanted.fract() == 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an example; held against the schema later"
        )]
        let wanted = wanted.ceil() as i64;
        return Some(json!(wanted));
    }
    Number::from_f64(wanted).map(Value::Number)
}

fn text(name: &str, schema: &Value) -> Option<String> {
    let least = schema["minLength"].as_u64().unwrap_or(0);
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    let fits = |text: &String| (least..=most).contains(&(text.chars().count() as u64));
    let Some(pattern) = schema["pattern"].as_str() else {
        let mut text = placeholder(name);
        let least = usize::try_from(least)
            .ok()
            .filter(|least| *least < 10_000)?;
        while text.chars().count() < least {
            text.push('x');
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        return Some(text.chars().take(most).collect());
    };
    let hir = regex_syntax::parse(pattern).ok()?;
    // what may be repeated is repeated until the text is long enough
    let longest = u32::try_from(least).unwrap_or(0).min(200) + 8;
    (0..=longest).find_map(|extra| {
        let mut text = String::new();
        spell(&hir, extra, &mut text)?;
        fits(&text).then_some(text)
    })
}

fn placeholder(name: &str) -> String {
    let lower = name.to_lowercase();
    let is = |word: &str| lower.contains(word);
    if is("email") {
        "someone@example.com".to_owned()
    } else if is("url") || is("uri") || is("endpoint") {
        "https://example.com".to_owned()
    } else if lower == "host" || is("hostname") || is("domain") {
        "example.com".to_owned()
    } else {
        format!("example-{name}")
    }
}

/// A text that the pattern matches; `extra` more of whatever may be repeated.
fn spell(hir: &Hir, extra: u32, out: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => out.push(character(class)?),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            let times = repetition.min.saturating_add(extra).min(most);
            for _ in 0..times.min(10_000) {
                spell(&repetition.sub, extra, out)?;
            }
        }
        HirKind::Capture(capture) => spell(&capture.sub, extra, out)?,
        HirKind::Concat(parts) => {
            for part in parts {
                spell(part, extra, out)?;
            }
        }
        HirKind::Alternation(parts) => spell(parts.first()?, extra, out)?,
    }
    Some(())
}

/// A character of the class, a plain one where it has one.
fn character(class: &Class) -> Option<char> {
    let has = |c: char| match class {
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .any(|r| (r.start()..=r.end()).contains(&c)),
        Class::Bytes(class) => {
            let in_range = |r: &regex_syntax::hir::ClassBytesRange| {
                u32::from(r.start()) <= u32::from(c) && u32::from(c) <= u32::from(r.end())
            };
            class.ranges().iter().any(in_range)
        }
    };
    let plain = ('a'..='z')
        .chain('A'..='Z')
        .chain('1'..='9')
        .chain(['0', '-', '_']);
    plain.into_iter().find(|c| has(*c)).or_else(|| match class {
        Class::Unicode(class) => class.ranges().first().map(|range| range.start()),
        Class::Bytes(class) => class
            .ranges()
            .first()
            .map(|range| char::from(range.start())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(schema: Value) -> Option<Value> {
        object(&Schema::compile(&schema, false).unwrap()).map(Value::Object)
    }

    #[test]
    fn texts_match_their_patterns_and_lengths() {
        for schema in [
            json!({"pattern": "^[0-9]{3}-[A-Z]{3}-[0-9]{3}$"}),
            json!({"pattern": "^[a-z0-9][a-z0-9-]*$", "minLength": 20}),
            json!({"pattern": "^(?:sk|pk)_(live|test)_\\w+$", "minLength": 30, "maxLength": 40}),
            json!({"pattern": "@"}),
            json!({"minLength": 50}),
            json!({"maxLength": 3}),
            json!({"enum": ["b", "a"]}),
            json!({"type": ["null", "string"]}),
        ] {
            let whole = json!({"properties": {"k": schema}, "required": ["k"]});
            assert!(made(whole.clone()).is_some(), "{whole}");
        }
    }

    #[test]
    fn numbers_arrays_objects_and_references() {
        let made = made(json!({
            "properties": {
                "a": {"type": "integer", "minimum": 3, "multipleOf": 5},
                "b": {"type": "number", "exclusiveMaximum": 0},
                "c": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
                "d": {"properties": {"e": {"type": "boolean"}}, "required": ["e"]},
                "f": {"$ref": "#/definitions/f"},
                "g": {"type": "string", "default": "given"},
            },
            "definitions": {"f": {"enum": [7]}},
            "required": ["a", "b", "c", "d", "f", "g", "h"],
        }));
        let made = made.unwrap();
        assert_eq!(made["a"], 5);
        assert_eq!(made["g"], "given");
        assert_eq!(made["h"], "example-h");
    }

    #[test]
    fn one_of_two_ways_and_what_cannot_be_made_up() {
        let either = json!({"properties": {"a": {}, "b": {}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert_eq!(made(either), Some(json!({"a": "example-a"})));
        let looks_around = json!({"properties": {"a": {"pattern": "^(?=.*[0-9])(?=.*[a-z]).{8}$"}}, "required": ["a"]});
        assert_eq!(made(looks_around), None);
    }
}
