//! JSON as the input means it: no key twice, no number that would change.
//!
//! JSON allows a key to stand twice in an object and parsers keep one of the two in silence. In a file of
//! credentials that is a lost or a wrong credential, so it is an issue here. `serde_json` parses; this module
//! says what becomes of what it finds.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::{Chain, Kind, NodeId, Tree};

/// Why a text is not JSON that can be used.
#[derive(Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON; the byte column, counted from 1, and the parser's words, which quote nothing.
    Syntax {
        /// Byte column within the text.
        column: usize,
        /// The parser's words.
        cause: String,
    },
    /// An object names a key twice; its dotted path.
    DuplicateKey(String),
    /// A whole number too large to be kept to the last digit; its dotted path.
    LargeNumber(String),
}

/// Parses one JSON text into `tree`; an object that names a key twice is an error.
///
/// # Errors
/// The first syntax error or duplicate key.
pub fn parse<'a>(tree: &mut Tree<'a>, text: &'a str) -> Result<NodeId, JsonError> {
    read(tree, &mut serde_json::Deserializer::from_str(text))
}

/// [`parse`], for text that does not live as long as the tree: everything is copied.
///
/// # Errors
/// As [`parse`].
pub fn parse_copy(tree: &mut Tree<'_>, text: &str) -> Result<NodeId, JsonError> {
    // a reader lends nothing, so that every text is copied out of it
    read(
        tree,
        &mut serde_json::Deserializer::from_reader(text.as_bytes()),
    )
}

/// [`parse`], to a value that stands by itself. Credentials in it are the caller's to wipe.
///
/// # Errors
/// As [`parse`]; text that is not UTF-8 is a syntax error.
pub fn parse_value(text: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(text).map_err(|error| JsonError::Syntax {
        column: error.valid_up_to() + 1,
        cause: "not UTF-8".to_owned(),
    })?;
    let mut tree = Tree::default();
    parse(&mut tree, text).map(|place| tree.to_value(place))
}

fn read<'a, 'de: 'a, R: serde_json::de::Read<'de>>(
    tree: &mut Tree<'a>,
    parser: &mut serde_json::Deserializer<R>,
) -> Result<NodeId, JsonError> {
    let mut fault = None;
    let seed = Strict {
        tree,
        fault: &mut fault,
        path: &Path::Root,
    };
    let parsed = seed
        .deserialize(&mut *parser)
        .and_then(|at| parser.end().map(|()| at));
    match (parsed, fault) {
        (Ok(at), None) => Ok(at),
        (Ok(_), Some(fault)) => Err(fault),
        (Err(error), _) => {
            let full = error.to_string();
            let cause = full.split(" at line ").next().unwrap_or("not JSON");
            Err(JsonError::Syntax {
                column: error.column(),
                cause: cause.to_owned(),
            })
        }
    }
}

/// From here on, whole numbers are parsed as fractions.
const EXACT: f64 = 9_223_372_036_854_775_808.0;

/// From so many keys on, a set finds the duplicates rather than a look at each.
const MANY: usize = 16;

/// The way to a value, told only where something is wrong with it.
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, last): (_, &dyn fmt::Display) = match self {
            Path::Root => return Ok(()),
            Path::Key(before, name) => (before, name),
            Path::Item(before, number) => (before, number),
        };
        match before {
            Path::Root => write!(f, "{last}"),
            _ => write!(f, "{before}.{last}"),
        }
    }
}

struct Strict<'s, 'a> {
    tree: &'s mut Tree<'a>,
    /// The first thing that the parser lets pass and we do not.
    fault: &'s mut Option<JsonError>,
    path: &'s Path<'s>,
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for Strict<'_, 'a> {
    type Value = NodeId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeId, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Strict<'_, 'a> {
    type Value = NodeId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<NodeId, E> {
        Ok(self.tree.add(Kind::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeId, E> {
        Ok(self.tree.add(Kind::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeId, E> {
        Ok(self.tree.add(Kind::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeId, E> {
        Ok(self.tree.add(Kind::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeId, E> {
        // a whole number that fits no integer arrives here with its last digits gone
        if value.fract() == 0.0 && value.abs() >= EXACT && self.fault.is_none() {
            *self.fault = Some(JsonError::LargeNumber(self.path.to_string()));
        }
        // JSON has no other number than a finite one
        let number = Number::from_f64(value).map_or(Kind::Null, Kind::Number);
        Ok(self.tree.add(number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<NodeId, E> {
        Ok(self.tree.text(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeId, E> {
        Ok(self.tree.text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NodeId, A::Error> {
        let Strict { tree, fault, path } = self;
        let array = tree.add(Kind::Array(Chain::EMPTY));
        for number in 0.. {
            let path = &Path::Item(path, number);
            let (tree, fault) = (&mut *tree, &mut *fault);
            match seq.next_element_seed(Strict { tree, fault, path })? {
                Some(item) => tree.push(array, Cow::Borrowed(""), item),
                None => break,
            }
        }
        Ok(array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<NodeId, A::Error> {
        let Strict { tree, fault, path } = self;
        let object = tree.object();
        let mut names: HashSet<Cow<'a, str>> = HashSet::new();
        while let Some(name) = entries.next_key_seed(Name)? {
            let path = &Path::Key(path, &name);
            let length = tree.len(object);
            if length == MANY {
                names = tree
                    .children(object)
                    .map(|at| tree.name(at).clone())
                    .collect();
            }
            let twice = match length {
                0..MANY => tree.child(object, &name).is_some(),
                _ => !names.insert(name.clone()),
            };
            if twice && fault.is_none() {
                *fault = Some(JsonError::DuplicateKey(path.to_string()));
            }
            let (subtree, fault) = (&mut *tree, &mut *fault);
            let value = entries.next_value_seed(Strict {
                tree: subtree,
                fault,
                path,
            })?;
            tree.push(object, name, value);
        }
        Ok(object)
    }
}

/// A key, borrowed where it is written without escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Result<Value, JsonError> {
        let mut tree = Tree::default();
        let at = parse(&mut tree, text)?;
        let mut copied = Tree::default();
        let copy = parse_copy(&mut copied, text).unwrap();
        assert_eq!(copied.to_value(copy), tree.to_value(at));
        Ok(tree.to_value(at))
    }

    #[test]
    fn duplicates_are_found_at_any_depth_and_in_objects_of_any_size() {
        assert_eq!(
            value(r#"{"a":1,"data":{"k":"x","k":"y"}}"#),
            Err(JsonError::DuplicateKey("data.k".into()))
        );
        assert!(value(r#"{"a":{"k":1},"b":{"k":2}}"#).is_ok());
        assert_eq!(
            value(r#"{"a":[0,{"k":"x","\u006b":"y"}]}"#),
            Err(JsonError::DuplicateKey("a.1.k".into()))
        );
        for (first, second) in [(0, 40), (3, 15), (15, 16), (16, 17), (20, 39)] {
            let pairs: Vec<String> = (0..=40)
                .map(|n| format!("\"k{}\":{n}", if n == second { first } else { n }))
                .collect();
            assert_eq!(
                value(&format!("{{{}}}", pairs.join(","))),
                Err(JsonError::DuplicateKey(format!("k{first}")))
            );
        }
    }

    #[test]
    fn numbers_that_would_change_are_refused() {
        assert_eq!(
            value(r#"{"data":{"id":123456789012345678901}}"#),
            Err(JsonError::LargeNumber("data.id".into()))
        );
        assert!(value("[18446744073709551615, -9223372036854775808, 1.5, 12e2]").is_ok());
    }

    #[test]
    fn syntax_errors_have_a_column_and_quote_nothing() {
        let Err(JsonError::Syntax { column, cause }) = value(r#"{"k": "CANARY" x}"#) else {
            panic!("accepted");
        };
        assert_eq!(column, 16);
        assert!(!cause.contains("CANARY"));
        assert!(value("{} {}").is_err());
    }

    proptest! {
        #[test]
        fn whatever_serde_json_takes_is_the_same_here(text in "[\\[\\]{}\",:a1 .truefalsn\\\\-]{0,24}") {
            let theirs = serde_json::from_str::<Value>(&text);
            match value(&text) {
                Ok(ours) => prop_assert_eq!(ours, theirs.unwrap()),
                Err(JsonError::DuplicateKey(_) | JsonError::LargeNumber(_)) => {
                    prop_assert!(theirs.is_ok());
                }
                Err(JsonError::Syntax { .. }) => prop_assert!(theirs.is_err()),
            }
        }
    }
}
