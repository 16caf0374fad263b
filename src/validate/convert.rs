//! From cells to JSON: text becomes what the schema names for its field.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::catalog::schema::{Schema, Types};
use crate::input::json;
use crate::input::row::{Given, Piece, parse_bool};
use crate::issue::{Code, Problem};
use crate::secret::{SecretValue, wipe};

/// Puts an object together from what a row gives, converted by `schema`. Fields that failed to convert
/// are left out and their paths returned, so that they are not also reported as missing.
pub fn assemble(
    given: &mut Given<'_>,
    prefix: &str,
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> (SecretValue, Vec<String>) {
    let mut object = given.whole.take().unwrap_or_default();
    let mut failed = Vec::new();
    for (path, piece) in given.pieces.drain(..) {
        let types = schema.types_at(&path);
        let value = match piece {
            Piece::Json(value) => Ok(value),
            Piece::Text(text) => convert(text, types),
        };
        match value {
            Ok(value) => {
                let whole = schema.names().any(|name| name == path);
                if !insert(&mut object, &path, whole, value) {
                    problems.push(Problem::new(
                        format!("{prefix}.{path}"),
                        Code::ConflictingField,
                        format!("is given twice: by itself and inside another {prefix} field"),
                    ));
                    failed.push(path.into_owned());
                }
            }
            Err((code, message)) => {
                problems.push(Problem::new(format!("{prefix}.{path}"), code, message));
                failed.push(path.into_owned());
            }
        }
    }
    (SecretValue(Value::Object(object)), failed)
}

/// Puts `value` at a dotted path; false where something else stands there already.
fn insert(object: &mut Map<String, Value>, path: &str, whole: bool, mut value: Value) -> bool {
    match path.split_once('.').filter(|_| !whole) {
        Some((first, rest)) if !first.is_empty() && !rest.is_empty() => {
            let inner = object
                .entry(first)
                .or_insert_with(|| Value::Object(Map::new()));
            match inner.as_object_mut() {
                Some(inner) => insert(inner, rest, false, value),
                None => {
                    wipe(&mut value);
                    false
                }
            }
        }
        _ if object.contains_key(path) => {
            wipe(&mut value);
            false
        }
        _ => {
            object.insert(path.to_owned(), value);
            true
        }
    }
}

/// A CSV cell as the schema's type. Text stays text wherever the schema allows text or says nothing.
fn convert(text: Cow<'_, str>, types: Types) -> Result<Value, (Code, String)> {
    if types.is_open() || types.allows("string") {
        return Ok(Value::String(text.into_owned()));
    }
    if (types.allows("integer") || types.allows("number"))
        && let Some(number) = integer(&text)
    {
        return Ok(Value::Number(number));
    }
    if types.allows("number")
        && let Some(number) = fraction(&text)
    {
        return Ok(Value::Number(number));
    }
    if types.allows("boolean")
        && let Some(flag) = parse_bool(&text)
    {
        return Ok(Value::Bool(flag));
    }
    if types.allows("array") || types.allows("object") {
        match json::parse(text.as_bytes()) {
            Ok(value) if value.is_array() && types.allows("array") => return Ok(value),
            Ok(value) if value.is_object() && types.allows("object") => return Ok(value),
            Ok(mut value) => wipe(&mut value),
            Err(json::JsonError::DuplicateKey(path)) => {
                let message = format!("names the key {path} twice");
                return Err((Code::DuplicateKey, message));
            }
            Err(json::JsonError::LargeNumber(path)) => {
                let message =
                    format!("the number {path} is too large to be kept to its last digit");
                return Err((Code::OutOfRange, message));
            }
            Err(json::JsonError::Syntax { column, cause }) => {
                let message = format!("must be {types} as JSON: {cause} at byte {column}");
                return Err((Code::BadJson, message));
            }
        }
    }
    Err((Code::WrongType, format!("must be {types}")))
}

/// A whole number as JSON writes it: no `+5`, no `007`, which may be an identifier that is more than a number.
fn integer(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.starts_with('+') || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    text.parse::<u64>().ok().map(Number::from)
}

/// A decimal number as JSON writes it: no `inf`, no `NaN`, no `1e`, no `.5`.
fn fraction(text: &str) -> Option<Number> {
    let starts = text.strip_prefix('-').unwrap_or(text);
    // only digits: a whole number that fits no integer, and would lose its last digits as a fraction
    let fractional = starts.bytes().any(|b| !b.is_ascii_digit());
    if !starts.starts_with(|c: char| c.is_ascii_digit()) || !fractional {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn as_type(text: &str, schema: Value) -> Result<Value, Code> {
        let schema = json!({"properties": {"k": schema}});
        let schema = Schema::compile(&schema, false).unwrap();
        convert(Cow::Borrowed(text), schema.types_at("k")).map_err(|(code, _)| code)
    }

    #[test]
    fn text_becomes_what_the_schema_names() {
        let integer = || json!({"type": "integer"});
        assert_eq!(
            as_type("0022", json!({"type": "string"})),
            Ok(json!("0022"))
        );
        assert_eq!(as_type("22", json!({"title": "untyped"})), Ok(json!("22")));
        assert_eq!(as_type("22", integer()), Ok(json!(22)));
        assert_eq!(as_type("22.0", integer()), Err(Code::WrongType));
        for text in ["", "+5", "007", "-"] {
            assert_eq!(as_type(text, integer()), Err(Code::WrongType), "{text}");
        }
        assert_eq!(as_type("0", integer()), Ok(json!(0)));
        assert_eq!(as_type("1.5", json!({"type": "number"})), Ok(json!(1.5)));
        assert_eq!(
            as_type("NaN", json!({"type": "number"})),
            Err(Code::WrongType)
        );
        assert_eq!(as_type("TRUE", json!({"type": "boolean"})), Ok(json!(true)));
        assert_eq!(
            as_type("yes", json!({"type": "boolean"})),
            Err(Code::WrongType)
        );
        assert_eq!(as_type("[1]", json!({"type": "array"})), Ok(json!([1])));
        assert_eq!(
            as_type("{}", json!({"type": "array"})),
            Err(Code::WrongType)
        );
        assert_eq!(as_type("[1", json!({"type": "array"})), Err(Code::BadJson));
        assert_eq!(as_type("2", json!({"enum": [1, 2]})), Ok(json!(2)));
        assert_eq!(
            as_type("7", json!({"type": ["integer", "string"]})),
            Ok(json!("7"))
        );
    }

    #[test]
    fn dots_nest_unless_the_schema_has_the_name_itself() {
        let schema =
            json!({"properties": {"a.b": {}, "p": {"properties": {"q": {"type": "integer"}}}}});
        let schema = Schema::compile(&schema, false).unwrap();
        let mut given = Given::default();
        for (path, text) in [("a.b", "1"), ("p.q", "2"), ("x.y", "3")] {
            let piece = Piece::Text(Cow::Borrowed(text));
            given.pieces.push((Cow::Borrowed(path), piece));
        }
        let mut problems = Vec::new();
        let (value, _) = assemble(&mut given, "data", &schema, &mut problems);
        assert_eq!(value.0, json!({"a.b": "1", "p": {"q": 2}, "x": {"y": "3"}}));
        assert!(problems.is_empty());
    }
}
