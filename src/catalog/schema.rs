//! Credential schemas as Tray publishes them, made fit for use.
//!
//! What is published (`tray-api.md` 4.2) is draft-03 and draft-04 in one, with misspelt keywords, an `id`
//! that points to a site of somebody else's, and often just `{}`. So a schema is first reduced to the
//! keywords that can be understood, each in a form that today's drafts agree on, with a remark for
//! whatever was left out; then it is compiled once. A `$ref` is followed only inside the schema itself.

use hashbrown::HashMap;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value, json};

use crate::json::Tree;
use crate::json::instance::{Instance, RowJson};

/// A schema ready to check rows with.
#[derive(Debug)]
pub struct Schema {
    validator: Option<Validator<RowJson>>,
    /// By dotted path; and whether that is the name of a field, dots and all.
    places: HashMap<String, (Types, bool)>,
    names: Vec<String>,
    required: Vec<String>,
    /// What had to be read past: for `catalog check`.
    pub remarks: Vec<String>,
    /// The schema as the catalog has it.
    pub published: Value,
    /// What could be understood of it, in the form of draft 7.
    pub reduced: Value,
}

/// The JSON types that a schema allows at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    const NAMES: [(&'static str, u8); 7] = [
        ("null", 1),
        ("boolean", 2),
        ("integer", 4),
        ("number", 8),
        ("string", 16),
        ("array", 32),
        ("object", 64),
    ];

    fn named(name: &str) -> Option<Types> {
        let (_, bit) = Types::NAMES.into_iter().find(|(known, _)| *known == name)?;
        Some(Types(bit))
    }

    fn of(value: &Value) -> Types {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Types::named(name).unwrap_or_default()
    }

    fn union(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// Whether the type of this name is allowed.
    pub fn allows(self, name: &str) -> bool {
        Types::named(name).is_some_and(|bit| self.0 & bit.0 != 0)
    }

    /// Whether nothing is said, so that anything goes.
    pub fn is_open(self) -> bool {
        self.0 == 0
    }
}

impl std::fmt::Display for Types {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = Types::NAMES
            .into_iter()
            .filter(|(_, bit)| self.0 & bit != 0)
            .map(|(name, _)| name)
            .collect();
        f.write_str(&names.join(" or "))
    }
}

impl Schema {
    /// Reads a published schema. With `allow_extra_fields`, a top-level `additionalProperties: false` does
    /// not count: own services may pass custom fields.
    ///
    /// # Errors
    /// When what is left of the schema cannot be compiled.
    pub fn compile(published: &Value, allow_extra_fields: bool) -> Result<Schema, String> {
        let mut remarks = Vec::new();
        let mut clean = reduce(published, "", published, &mut remarks);
        if let Some(map) = clean.as_object_mut() {
            if allow_extra_fields {
                map.remove("additionalProperties");
            }
            if map.keys().any(|key| key != "definitions") {
                // credentials are an object, also where the schema forgets to say so
                map.entry("type").or_insert(json!("object"));
            }
        }
        let mut places = HashMap::new();
        collect_types(&clean, "", &mut places);
        let names: Vec<String> = clean["properties"]
            .as_object()
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default();
        let required = clean["required"].as_array();
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        let required = required.map(str::to_owned).collect();
        for name in &names {
            places.entry(name.clone()).or_default().1 = true;
        }
        let empty = clean.as_object().is_none_or(Map::is_empty);
        let validator = if empty { None } else { Some(build(&clean)?) };
        Ok(Schema {
            validator,
            places,
            names,
            required,
            remarks,
            published: published.clone(),
            reduced: clean,
        })
    }

    /// The compiled schema; `None` for `{}`, which says nothing.
    pub fn validator(&self) -> Option<&Validator<RowJson>> {
        self.validator.as_ref()
    }

    /// Whether a value that is not a row's is valid. Rows are checked where they stand.
    pub fn accepts(&self, value: &Value) -> bool {
        let Some(validator) = &self.validator else {
            return true;
        };
        let mut tree = Tree::default();
        let place = tree.add_value(value);
        validator.is_valid(Instance::Value(&tree, place))
    }

    /// The types allowed at a dotted path; open where the schema says nothing.
    pub fn types_at(&self, path: &str) -> Types {
        self.place(path).0
    }

    /// The types allowed at a dotted path, and whether the path is a field's name, dots and all.
    pub fn place(&self, path: &str) -> (Types, bool) {
        self.places.get(path).copied().unwrap_or_default()
    }

    /// Whether a top-level field is required.
    pub(crate) fn requires(&self, name: &str) -> bool {
        self.required.iter().any(|required| required == name)
    }

    /// The names of the top-level fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

fn build(schema: &Value) -> Result<Validator<RowJson>, String> {
    let options = || {
        jsonschema::options_for::<RowJson>()
            .with_draft(Draft::Draft7)
            .should_validate_formats(false)
    };
    // patterns that take linear time alone; look-around needs the other engine
    let linear = options().with_pattern_options(PatternOptions::regex());
    let built = linear.build(schema).or_else(|_| options().build(schema));
    built.map_err(|error| format!("the schema cannot be used: {}", error.masked()))
}

/// The dotted path of every typed field, objects inside objects included.
fn collect_types(schema: &Value, path: &str, places: &mut HashMap<String, (Types, bool)>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for (name, property) in properties {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        collect_types(property, &path, places);
        places.insert(path, (types_of(property), false));
    }
}

fn types_of(schema: &Value) -> Types {
    let listed = |values: &[Value]| values.iter().map(Types::of).fold(Types(0), Types::union);
    match (&schema["type"], &schema["enum"], schema.get("const")) {
        (Value::String(name), _, _) => Types::named(name).unwrap_or_default(),
        (Value::Array(names), _, _) => names
            .iter()
            .filter_map(|name| Types::named(name.as_str()?))
            .fold(Types(0), Types::union),
        (_, Value::Array(values), _) => listed(values),
        (_, _, Some(value)) => Types::of(value),
        _ if schema["properties"].is_object() => Types::named("object").unwrap_or_default(),
        _ => Types::default(),
    }
}

/// A copy of `schema` with the keywords that can be understood, in the form of draft 7.
fn reduce(schema: &Value, at: &str, root: &Value, remarks: &mut Vec<String>) -> Value {
    let map = match schema {
        Value::Object(map) => map,
        Value::Bool(false) => return json!(false),
        Value::Bool(true) => return json!({}),
        _ => {
            remarks.push(format!("{at}: is not a schema; read as {{}}"));
            return json!({});
        }
    };
    let mut out = Map::new();
    let mut required: Vec<Value> = Vec::new();
    for (key, value) in map {
        let here = format!("{at}/{key}");
        let mut sub = |value: &Value| reduce(value, &here, root, remarks);
        let kept = match key.as_str() {
            "type" => clean_type(value),
            "properties" | "patternProperties" | "definitions" | "$defs" => {
                value.as_object().map(|map| {
                    let mut out = Map::new();
                    for (name, property) in map {
                        // draft-03 says `required` inside the property
                        if key == "properties" && property["required"] == json!(true) {
                            required.push(json!(name));
                        }
                        out.insert(name.clone(), sub(property));
                    }
                    Value::Object(out)
                })
            }
            "additionalProperties"
            | "not"
            | "if"
            | "then"
            | "else"
            | "contains"
            | "propertyNames" => (value.is_object() || value.is_boolean()).then(|| sub(value)),
            "items" | "additionalItems" => match value {
                Value::Array(items) => Some(Value::Array(items.iter().map(sub).collect())),
                _ => (value.is_object() || value.is_boolean()).then(|| sub(value)),
            },
            "allOf" | "anyOf" | "oneOf" => value
                .as_array()
                .filter(|list| !list.is_empty())
                .map(|list| Value::Array(list.iter().map(sub).collect())),
            "required" => match value {
                Value::Array(names) => {
                    required.extend(names.iter().filter(|n| n.is_string()).cloned());
                    continue;
                }
                Value::Bool(_) => continue,
                _ => None,
            },
            "enum" => value
                .as_array()
                .filter(|l| !l.is_empty())
                .map(|_| value.clone()),
            "const" => Some(value.clone()),
            "pattern" => value
                .as_str()
                .filter(|pattern| build(&json!({"pattern": pattern})).is_ok())
                .map(|_| value.clone()),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => value.as_u64().map(|_| value.clone()),
            "minimum" | "maximum" => {
                let exclusive = if key == "minimum" {
                    "exclusiveMinimum"
                } else {
                    "exclusiveMaximum"
                };
                if value.is_number() && map.get(exclusive) == Some(&json!(true)) {
                    out.insert(exclusive.to_owned(), value.clone());
                    continue;
                }
                value.is_number().then(|| value.clone())
            }
            // the boolean form of drafts 3 and 4 is dealt with beside `minimum` and `maximum`
            "exclusiveMinimum" | "exclusiveMaximum" if value.is_boolean() => continue,
            "exclusiveMinimum" | "exclusiveMaximum" => value.is_number().then(|| value.clone()),
            "multipleOf" | "divisibleBy" => {
                if let Some(number) = value.as_f64()
                    && number > 0.0
                {
                    out.insert("multipleOf".to_owned(), value.clone());
                    continue;
                }
                None
            }
            "uniqueItems" => value.is_boolean().then(|| value.clone()),
            "$ref" => value
                .as_str()
                .and_then(|pointer| pointer.strip_prefix('#'))
                .filter(|pointer| root.pointer(pointer).is_some())
                .map(|_| value.clone()),
            // says nothing about what is valid
            "id" | "$id" | "$schema" | "schema" | "title" | "description" | "format"
            | "default" | "advanced" | "lookup" | "enumLabels" | "examples" | "order"
            | "$comment" | "readOnly" | "writeOnly" | "placeholder" => continue,
            _ => {
                remarks.push(format!(
                    "{here}: is not a keyword of JSON Schema; passed over"
                ));
                continue;
            }
        };
        match kept {
            Some(value) => {
                out.insert(key.clone(), value);
            }
            None => remarks.push(format!(
                "{here}: has a form that JSON Schema does not know; passed over"
            )),
        }
    }
    required.dedup();
    if !required.is_empty() {
        out.insert("required".to_owned(), Value::Array(required));
    }
    Value::Object(out)
}

/// `type` without the names that mean nothing; draft-03's `any` allows everything.
fn clean_type(value: &Value) -> Option<Value> {
    let known = |value: &Value| value.as_str().is_some_and(|n| Types::named(n).is_some());
    match value {
        Value::String(_) => known(value).then(|| value.clone()),
        Value::Array(names) if !names.is_empty() && names.iter().all(known) => Some(value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(schema: &Value, instance: &Value) -> bool {
        Schema::compile(schema, false).unwrap().accepts(instance)
    }

    #[test]
    fn netsuite_as_published() {
        let published = json!({"id": "http://jsonschema.net", "type": "object",
            "schema": "http://json-schema.org/draft-03/schema",
            "properties": {
                "email": {"id": "http://jsonschema.net/key", "type": "string"},
                "account": {"title": "Account", "tytpe": "string"},
                "role": {"title": "Role", "type": "integer"}},
            "additionalProperties": false, "required": ["email", "account", "role"]});
        let schema = Schema::compile(&published, false).unwrap();
        assert!(schema.types_at("account").is_open());
        assert!(schema.types_at("role").allows("integer"));
        assert_eq!(schema.remarks.len(), 1, "{:?}", schema.remarks);
        assert!(schema.remarks[0].contains("tytpe"));
        assert!(valid(
            &published,
            &json!({"email": "a", "account": 1, "role": 3})
        ));
        assert!(!valid(&published, &json!({"email": "a", "account": "1"})));
        assert!(!valid(
            &published,
            &json!({"email": "a", "account": "1", "role": 3, "x": 1})
        ));
    }

    #[test]
    fn old_forms_mean_what_they_meant() {
        let three = json!({"properties": {"key": {"type": "string", "required": true},
            "any": {"type": "any"}, "n": {"minimum": 1, "exclusiveMinimum": true}}});
        assert!(!valid(&three, &json!({})));
        assert!(!valid(&three, &json!({"key": "k", "n": 1})));
        assert!(valid(&three, &json!({"key": "k", "any": [1], "n": 2})));
    }

    #[test]
    fn nothing_is_fetched_and_nonsense_is_passed_over() {
        for schema in [
            json!({}),
            json!({"properties": {"a": {"$ref": "http://example.com/schema.json"}}}),
            json!({"properties": {"a": {"pattern": "("}, "b": "text"}, "required": "a"}),
            json!({"properties": {"a": {"$ref": "#/definitions/nowhere"}}}),
        ] {
            assert!(valid(&schema, &json!({"a": "x", "b": 1})), "{schema}");
        }
        let local = json!({"properties": {"a": {"$ref": "#/definitions/n"}},
            "definitions": {"n": {"type": "integer"}}});
        assert!(!valid(&local, &json!({"a": "x"})));
    }

    #[test]
    fn extra_fields_of_own_services() {
        let closed = json!({"properties": {"a": {}}, "additionalProperties": false});
        assert!(!valid(&closed, &json!({"b": 1})));
        let open = Schema::compile(&closed, true).unwrap();
        assert!(open.accepts(&json!({"b": 1})));
    }
}
