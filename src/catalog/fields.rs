//! What a schema says of each field by itself.
//!
//! Most credential schemas are lists of fields. Of those, a text can be checked without the object that it belongs
//! to, by the same library and the part of the schema that speaks of it.

use hashbrown::HashMap;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::schema::{build, build_linear};
use crate::json::instance::{Instance, RowJson};

/// A schema that says of an object only which fields it must have and may have, and of each field by itself what
/// it may be: an object is valid where it has the right fields and each of them is valid.
#[derive(Debug)]
pub struct Fields {
    /// By the names of the fields of which something is said.
    named: HashMap<String, Field>,
    required: Vec<String>,
    closed: bool,
}

impl Fields {
    /// Of a reduced schema; `closed`: whether an object may have no other fields. `None` where it says more.
    pub(super) fn of(schema: &Value, closed: bool) -> Option<Fields> {
        let mut fields = Fields {
            named: HashMap::new(),
            required: Vec::new(),
            closed,
        };
        for (keyword, value) in schema.as_object()? {
            match (keyword.as_str(), value) {
                ("type", Value::String(name)) if name == "object" => {}
                ("additionalProperties", Value::Bool(_)) | ("definitions", _) => {}
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        // it would point out of what is compiled here
                        if refers(property) {
                            return None;
                        }
                        fields.named.insert(name.clone(), Field::of(property)?);
                    }
                }
                ("required", Value::Array(names)) => {
                    let names = names.iter().map(|name| name.as_str().map(str::to_owned));
                    fields.required = names.collect::<Option<_>>()?;
                }
                _ => return None,
            }
        }
        Some(fields)
    }

    /// The names of the fields that an object must have.
    pub fn required(&self) -> &[String] {
        &self.required
    }

    /// What is said of the field of this name: nothing, where anything goes.
    ///
    /// # Errors
    /// Where an object may not have the field.
    pub fn field(&self, name: &str) -> Result<Option<&Field>, NoSuchField> {
        match self.named.get(name) {
            None if self.closed => Err(NoSuchField),
            field => Ok(field),
        }
    }
}

/// What a schema says of one field.
#[derive(Debug)]
pub struct Field {
    /// All of it.
    pub validator: Validator<RowJson>,
    by_keyword: Option<Vec<Validator<RowJson>>>,
}

impl Field {
    /// The keywords that say something of text.
    const OF_TEXT: [&str; 6] = ["type", "enum", "const", "pattern", "minLength", "maxLength"];
    /// The keywords that apply other schemas to the value itself.
    const APPLYING: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

    fn of(schema: &Value) -> Option<Field> {
        let by_keyword = schema.as_object().and_then(|map| {
            let alone = |keyword: &&String| Field::OF_TEXT.contains(&keyword.as_str());
            let applying = |keyword: &String| Field::APPLYING.contains(&keyword.as_str());
            // a pattern for the other engine may also fail to be decided, and that is said otherwise
            let one = |keyword: &String| build_linear(&json!({keyword: map[keyword]})).ok();
            (!map.keys().any(applying)).then(|| map.keys().filter(alone).map(one).collect())?
        });
        Some(Field {
            validator: build(schema).ok()?,
            by_keyword,
        })
    }

    /// Which keywords a text fails, as bits: texts that fail the same ones have the same errors. `None` where it is
    /// not keywords alone that decide.
    pub fn failed(&self, text: &str) -> Option<u8> {
        let mut failed = 0;
        for (number, keyword) in self.by_keyword.as_ref()?.iter().enumerate() {
            failed |= u8::from(!keyword.is_valid(Instance::Name(text))) << number;
        }
        Some(failed)
    }
}

/// An object may not have this field.
#[derive(Clone, Copy, Debug)]
pub struct NoSuchField;

fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("$ref") || map.values().any(refers),
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}
