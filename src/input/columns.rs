//! Columns of the input that are not imported, by name and as they stand: for an export that goes back to where
//! the customers came from. What is or makes a credential or a config value is refused by name.

use serde_json::Value;

use super::cells::Cells;
use super::fields::{Field, Target};
use super::layout::Layout;
use super::open::Format;
use crate::json::parse::parse;
use crate::json::{Kind, Tree};

/// A column that somebody asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// One of the contract's fields, as the import understands it.
    Field(Field),
    /// A column of the customer's own; for CSV its place, for JSON Lines its dotted path.
    Own(ColumnAt),
}

/// Where a column of the customer's own stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnAt {
    /// The cell of this number.
    Cell(usize),
    /// The value at this key, or at this dotted path.
    Path(String),
}

/// Words in the name of a column that is a credential, whoever it is for; names are compared without case,
/// spaces, `-` and `_`.
const SECRET_WORDS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "authkey",
    "clientkey",
    "cookie",
];

impl Column {
    /// What a column of this name is, in an input of this layout.
    ///
    /// # Errors
    /// Why it cannot be shown: there is no such column, or it is or makes a credential or a config value.
    pub fn find(name: &str, layout: &Layout) -> Result<Column, String> {
        let mapped = layout.mapping.target_of(name);
        if let Some(target) = mapped.or_else(|| Target::parse(name)) {
            return match target {
                Target::Field(field) => Ok(Column::Field(field)),
                other => Err(format!(
                    "the column \"{name}\" fills {}, which may be secret; credentials, form fields and config values are not exported",
                    other.name()
                )),
            };
        }
        if let Some(target) = made_of(name, layout) {
            return Err(format!(
                "the column \"{name}\" is a part of {}, which may be secret; credentials, form fields and config values are not exported",
                target.name()
            ));
        }
        let letters: String = name
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        if let Some(word) = SECRET_WORDS.iter().find(|word| letters.contains(**word)) {
            return Err(format!(
                "the column \"{name}\" is a credential by its name (\"{word}\"); credentials are not exported"
            ));
        }
        if layout.format == Format::Jsonl {
            return Ok(Column::Own(ColumnAt::Path(name.to_owned())));
        }
        match layout.column(name) {
            Some(index) => Ok(Column::Own(ColumnAt::Cell(index))),
            None => Err(format!(
                "the input has no column \"{name}\"{}",
                crate::issue::did_you_mean(name, layout.header.iter().map(String::as_str))
            )),
        }
    }
}

/// What may be secret and is made of this column: an object that the mapping takes its parts from, a part of an
/// object that it takes whole, or what a template reads.
fn made_of<'l>(name: &str, layout: &'l Layout) -> Option<&'l Target> {
    let within = |outer: &str, inner: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let touches = |theirs: &str| within(name, theirs) || within(theirs, name);
    let secret = |target: &Target| !matches!(target, Target::Field(_));
    let mapping = &layout.mapping;
    let renamed = mapping
        .columns
        .iter()
        .find(|(theirs, target)| secret(target) && touches(theirs))
        .map(|(_, target)| target);
    renamed.or_else(|| {
        let mut templates = mapping.templates.iter();
        let found =
            templates.find(|(target, template)| secret(target) && template.columns().any(touches));
        found.map(|(target, _)| target)
    })
}

/// The values at these places of one record, in their order; without a delimiter it is one of JSON Lines. Absent and empty ones are `null`.
///
/// # Errors
/// The number of a place that holds an object or an array: what is in it has no name to judge it by.
pub fn values(
    raw: &[u8],
    delimiter: Option<u8>,
    places: &[&ColumnAt],
) -> Result<Vec<Value>, usize> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let Some(delimiter) = delimiter else {
        let mut tree = Tree::default();
        let text = std::str::from_utf8(raw).unwrap_or_default();
        let Ok(object) = parse(&mut tree, text) else {
            return Ok(vec![Value::Null; places.len()]);
        };
        let value = |(number, place): (usize, &&ColumnAt)| match place {
            ColumnAt::Cell(_) => Ok(Value::Null),
            ColumnAt::Path(path) => {
                let found = tree.find(object, path);
                let found = found.and_then(|(parent, name)| tree.child(parent, name));
                match found.map(|found| (found, tree.kind(found))) {
                    Some((_, Kind::Object(_) | Kind::Array(_))) => Err(number),
                    Some((found, _)) => Ok(tree.to_value(found)),
                    None => Ok(Value::Null),
                }
            }
        };
        return places.iter().enumerate().map(value).collect();
    };
    let mut cells = Cells::default();
    let text = std::str::from_utf8(raw).unwrap_or_default();
    let cells = cells.cut(text, delimiter).unwrap_or_default();
    let cell = |place: &&ColumnAt| match place {
        ColumnAt::Cell(index) => cells.get(*index).filter(|cell| !cell.is_empty()),
        ColumnAt::Path(_) => None,
    };
    let value = |place| cell(place).map_or(Value::Null, |cell| Value::from(cell.as_ref()));
    Ok(places.iter().map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::super::mapping::Mapping;
    use super::*;

    fn layout(mapping: &str) -> Layout {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.toml");
        std::fs::write(&path, mapping).unwrap();
        Layout::of_json_lines(Mapping::load(&path).unwrap())
    }

    #[test]
    fn what_may_be_secret_is_refused_by_name() {
        let layout = layout(
            "ignore = [\"account\"]\n[columns]\n\"data.key\" = \"aws.key\"\nformData = \"form\"\n\
             authName = \"title\"\n[templates]\n\"data.user\" = \"{login}@x\"\n",
        );
        for name in [
            "data",
            "data.x",
            "formData",
            "config.s",
            "aws.key",
            "aws",
            "form",
            "form.region",
            "login",
            "Old Password",
            "api-key",
            "refresh_token",
        ] {
            assert!(Column::find(name, &layout).is_err(), "{name}");
        }
        let own = |name: &str| Ok(Column::Own(ColumnAt::Path(name.to_owned())));
        for name in ["account", "aws2", "formula", "crm.id"] {
            assert_eq!(Column::find(name, &layout), own(name));
        }
        let field = Column::find("title", &layout);
        assert_eq!(field, Ok(Column::Field(Field::AuthName)));
    }

    #[test]
    fn values_are_found_and_objects_are_not_shown() {
        let path = |path: &str| ColumnAt::Path(path.to_owned());
        let (a, b, c) = (path("a"), path("b.c"), path("b"));
        let raw = br#"{"a":7,"b":{"c":"x"}}"#;
        let found = values(raw, None, &[&a, &b]).unwrap();
        assert_eq!(found, [Value::from(7), Value::from("x")]);
        assert_eq!(values(raw, None, &[&a, &c]), Err(1));
        let found = values(
            b"1,\"a\nb\",",
            Some(b','),
            &[&ColumnAt::Cell(1), &ColumnAt::Cell(2)],
        );
        assert_eq!(found.unwrap(), [Value::from("a\nb"), Value::Null]);
    }
}
