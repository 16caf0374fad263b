//! From cells to JSON: text becomes what the schema names for its field.

use std::borrow::Cow;

use serde_json::Number;

use crate::catalog::schema::{Schema, Types};
use crate::input::fields::Part;
use crate::input::row::{Piece, Row, parse_bool, parse_cell};
use crate::issue::{Code, Problem};
use crate::json::parse::JsonError;
use crate::json::{Kind, NodeId, Tree};

/// Puts an object together from what a row gives, converted by `schema`; from then on it stands whole in the
/// row. Fields that failed to convert are left out and their paths returned, so that they are not also
/// reported as missing.
pub(crate) fn assemble(
    row: &mut Row<'_>,
    part: Part,
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> (NodeId, Vec<String>) {
    let prefix = part.name();
    let tree = &mut row.tree;
    let given = match part {
        Part::Data => &mut row.data,
        Part::FormData => &mut row.form_data,
    };
    // columns have different names: only an object that comes whole, or dots, can make two of them meet
    let mut may_meet = given.whole.is_some();
    let object = given.whole.unwrap_or_else(|| tree.object());
    given.whole = Some(object);
    let mut failed = Vec::new();
    for (path, piece) in given.pieces.drain(..) {
        let (types, whole) = schema.place(&path);
        let value = match piece {
            Piece::Json(value) => Ok(value),
            Piece::Text(text) => convert(tree, text, types),
        };
        may_meet |= path.contains('.');
        let wrong = match value {
            Ok(value) if !may_meet => {
                tree.push(object, path, value);
                continue;
            }
            Ok(value) => match insert(tree, object, path, whole, value) {
                Ok(()) => continue,
                Err(path) => (
                    path,
                    Code::ConflictingField,
                    format!("is given twice: by itself and inside another {prefix} field"),
                ),
            },
            Err((code, message)) => (path, code, message),
        };
        let (path, code, message) = wrong;
        problems.push(Problem::new(format!("{prefix}.{path}"), code, message));
        failed.push(path.into_owned());
    }
    (object, failed)
}

/// Puts `value` at a dotted path; gives the path back where something else stands there already.
fn insert<'a>(
    tree: &mut Tree<'a>,
    mut object: NodeId,
    path: Cow<'a, str>,
    whole: bool,
    value: NodeId,
) -> Result<(), Cow<'a, str>> {
    let mut start = 0;
    while let Some((first, rest)) = path[start..].split_once('.').filter(|_| !whole)
        && !first.is_empty()
        && !rest.is_empty()
    {
        object = match tree.child(object, first) {
            Some(inner) if tree.is_object(inner) => inner,
            Some(_) => return Err(path),
            None => {
                let inner = tree.object();
                tree.push(object, part_of(&path, start, first.len()), inner);
                inner
            }
        };
        start += first.len() + 1;
    }
    if tree.child(object, &path[start..]).is_some() {
        return Err(path);
    }
    let name = part_of(&path, start, path.len() - start);
    tree.push(object, name, value);
    Ok(())
}

fn part_of<'a>(path: &Cow<'a, str>, start: usize, length: usize) -> Cow<'a, str> {
    match path {
        Cow::Borrowed(path) => Cow::Borrowed(&path[start..start + length]),
        Cow::Owned(path) => Cow::Owned(path[start..start + length].to_owned()),
    }
}

/// A CSV cell as the schema's type. Text stays text wherever the schema allows text or says nothing.
fn convert<'a>(
    tree: &mut Tree<'a>,
    text: Cow<'a, str>,
    types: Types,
) -> Result<NodeId, (Code, String)> {
    if types.is_open() || types.allows("string") {
        return Ok(tree.text(text));
    }
    if (types.allows("integer") || types.allows("number"))
        && let Some(number) = integer(&text)
    {
        return Ok(tree.add(Kind::Number(number)));
    }
    if types.allows("number")
        && let Some(number) = fraction(&text)
    {
        return Ok(tree.add(Kind::Number(number)));
    }
    if types.allows("boolean")
        && let Some(flag) = parse_bool(&text)
    {
        return Ok(tree.add(Kind::Bool(flag)));
    }
    if types.allows("array") || types.allows("object") {
        match parse_cell(tree, text) {
            Ok(value) => match tree.kind(value) {
                Kind::Array(_) if types.allows("array") => return Ok(value),
                Kind::Object(_) if types.allows("object") => return Ok(value),
                _ => {}
            },
            Err(JsonError::DuplicateKey(path)) => {
                let message = format!("names the key {path} twice");
                return Err((Code::DuplicateKey, message));
            }
            Err(JsonError::LargeNumber(path)) => {
                let message =
                    format!("the number {path} is too large to be kept to its last digit");
                return Err((Code::OutOfRange, message));
            }
            Err(JsonError::Syntax { column, cause }) => {
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
    use serde_json::{Value, json};

    fn as_type(text: &str, schema: Value) -> Result<Value, Code> {
        let schema = json!({"properties": {"k": schema}});
        let schema = Schema::compile(&schema, false).unwrap();
        let mut tree = Tree::default();
        convert(&mut tree, Cow::Borrowed(text), schema.types_at("k"))
            .map(|value| tree.to_value(value))
            .map_err(|(code, _)| code)
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
        let mut row = Row::default();
        for (path, text) in [("a.b", "1"), ("p.q", "2"), ("x.y", "3")] {
            let piece = Piece::Text(Cow::Borrowed(text));
            row.data.pieces.push((Cow::Borrowed(path), piece));
        }
        let mut problems = Vec::new();
        let (value, _) = assemble(&mut row, Part::Data, &schema, &mut problems);
        assert_eq!(
            row.tree.to_value(value),
            json!({"a.b": "1", "p": {"q": 2}, "x": {"y": "3"}})
        );
        assert!(problems.is_empty());
    }
}
