//! JSON as the input means it: no key twice.
//!
//! JSON allows a key to stand twice in an object and parsers keep one of the two in silence. In a file of
//! credentials that is a lost or a wrong credential, so it is an issue here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::secret::wipe;

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

/// Parses one JSON text; an object that names a key twice is an error.
///
/// # Errors
/// The first syntax error or duplicate key.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let mut fault = None;
    let mut parser = serde_json::Deserializer::from_slice(text);
    let seed = Strict {
        path: Vec::new(),
        fault: &mut fault,
    };
    let parsed = seed.deserialize(&mut parser).and_then(|mut value| {
        parser
            .end()
            .map(|()| value.take())
            .inspect_err(|_| wipe(&mut value))
    });
    match (parsed, fault) {
        (Ok(value), None) => Ok(value),
        (Ok(mut value), Some(fault)) => {
            wipe(&mut value);
            Err(fault)
        }
        (Err(error), _) => {
            let full = error.to_string();
            let cause = full
                .split(" at line ")
                .next()
                .unwrap_or("not JSON")
                .to_owned();
            Err(JsonError::Syntax {
                column: error.column(),
                cause,
            })
        }
    }
}

/// From here on, whole numbers are parsed as fractions.
const EXACT: f64 = 9_223_372_036_854_775_808.0;

struct Strict<'d> {
    path: Vec<String>,
    /// The first thing that the parser lets pass and we do not.
    fault: &'d mut Option<JsonError>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // a whole number that fits no integer arrives here with its last digits gone
        if value.fract() == 0.0 && value.abs() >= EXACT && self.fault.is_none() {
            *self.fault = Some(JsonError::LargeNumber(self.path.join(".")));
        }
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let mut path = self.path.clone();
            path.push(items.len().to_string());
            let seed = Strict {
                path,
                fault: &mut *self.fault,
            };
            match seq.next_element_seed(seed)? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let mut path = self.path.clone();
            path.push(key.clone());
            if map.contains_key(&key) && self.fault.is_none() {
                *self.fault = Some(JsonError::DuplicateKey(path.join(".")));
            }
            let seed = Strict {
                path,
                fault: &mut *self.fault,
            };
            let value = entries.next_value_seed(seed)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn duplicates_are_found_at_any_depth() {
        assert_eq!(
            parse(br#"{"a":1,"data":{"k":"x","k":"y"}}"#),
            Err(JsonError::DuplicateKey("data.k".into()))
        );
        assert!(parse(br#"{"a":{"k":1},"b":{"k":2}}"#).is_ok());
    }

    #[test]
    fn numbers_that_would_change_are_refused() {
        assert_eq!(
            parse(br#"{"data":{"id":123456789012345678901}}"#),
            Err(JsonError::LargeNumber("data.id".into()))
        );
        assert!(parse(b"[18446744073709551615, -9223372036854775808, 1.5, 12e2]").is_ok());
    }

    #[test]
    fn syntax_errors_have_a_column_and_quote_nothing() {
        let Err(JsonError::Syntax { column, cause }) = parse(br#"{"k": "CANARY" x}"#) else {
            panic!("accepted");
        };
        assert_eq!(column, 16);
        assert!(!cause.contains("CANARY"));
        assert!(parse(b"{} {}").is_err());
    }

    proptest! {
        #[test]
        fn whatever_serde_json_takes_is_the_same_here(text in "[\\[\\]{}\",:a1 .truefalsn-]{0,24}") {
            let theirs = serde_json::from_str::<Value>(&text);
            match parse(text.as_bytes()) {
                Ok(ours) => prop_assert_eq!(ours, theirs.unwrap()),
                Err(JsonError::DuplicateKey(_) | JsonError::LargeNumber(_)) => {
                    prop_assert!(theirs.is_ok());
                }
                Err(JsonError::Syntax { .. }) => prop_assert!(theirs.is_err()),
            }
        }
    }
}
