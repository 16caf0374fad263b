//! What changed, in words.

use serde_json::Value;

/// What is different between two schemas: fields that came, went, changed, or became required or optional.
pub(super) fn of_schema(old: &Value, new: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    let (before, after) = (&old["properties"], &new["properties"]);
    for (name, property) in after.as_object().into_iter().flatten() {
        let now = required(new, name);
        match before.get(name) {
            None if now => changes.push(format!("field {name} is new, and required")),
            None => changes.push(format!("field {name} is new")),
            Some(was) => {
                if without_required(was) != without_required(property) {
                    changes.push(format!("field {name} changed"));
                }
                match (required(old, name), now) {
                    (false, true) => changes.push(format!("field {name} is now required")),
                    (true, false) => changes.push(format!("field {name} is no longer required")),
                    _ => {}
                }
            }
        }
    }
    for name in before.as_object().into_iter().flat_map(|map| map.keys()) {
        if after.get(name).is_none() {
            changes.push(format!("field {name} is gone"));
        }
    }
    if changes.is_empty() {
        changes.push("changed".to_owned());
    }
    changes
}

fn required(schema: &Value, name: &str) -> bool {
    let listed = schema["required"].as_array();
    listed.is_some_and(|names| names.iter().any(|own| own == name))
        // as draft-03 says it
        || schema["properties"][name]["required"] == true
}

fn without_required(property: &Value) -> Value {
    let mut property = property.clone();
    if property["required"].is_boolean()
        && let Some(map) = property.as_object_mut()
    {
        map.shift_remove("required");
    }
    property
}

/// The same for the same JSON, whatever the order of its keys.
pub(super) fn digest(value: &Value) -> String {
    fn canonical(value: &Value, out: &mut String) {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<_> = map.keys().collect();
                keys.sort_unstable();
                out.push('{');
                for key in keys {
                    out.push_str(&Value::from(key.as_str()).to_string());
                    out.push(':');
                    canonical(&map[key], out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for item in items {
                    canonical(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            plain => out.push_str(&plain.to_string()),
        }
    }
    let mut text = String::new();
    canonical(value, &mut text);
    let hash = blake3::hash(text.as_bytes()).to_hex();
    hash.as_str()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_came_went_or_changed_are_named() {
        let old = json!({"properties": {"a": {}, "b": {"type": "string"}, "c": {"required": true}, "d": {}}});
        let new = json!({"properties": {"b": {"type": "integer"}, "c": {}, "d": {}, "e": {}}, "required": ["d", "e"]});
        assert_eq!(
            of_schema(&old, &new),
            [
                "field b changed",
                "field c is no longer required",
                "field d is now required",
                "field e is new, and required",
                "field a is gone",
            ]
        );
        assert_eq!(
            of_schema(&json!({}), &json!({"additionalProperties": false})),
            ["changed"]
        );
    }

    #[test]
    fn a_digest_does_not_see_the_order_of_keys() {
        assert_eq!(
            digest(&json!({"a": 1, "b": [1, 2]})),
            digest(&json!({"b": [1, 2], "a": 1}))
        );
        assert_ne!(digest(&json!({"a": "1"})), digest(&json!({"a": 1})));
    }
}
