//! The fields of a schema, as a person wants to know them.

use serde_json::Value;

use super::schema::{Schema, Types};

/// One field of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlined {
    /// Its dotted path.
    pub path: String,
    /// The keys of the path; a key may have a dot in it.
    pub keys: Vec<String>,
    /// The types that it may have; open where the schema does not say.
    pub types: Types,
    /// Whether the object that it stands in must have it.
    pub required: bool,
    /// Why it is taken for a secret, if it is.
    pub secret: Option<Secret>,
    /// Tray's title of the field; empty where there is none.
    pub title: String,
    /// Tray's description of the field; empty where there is none.
    pub description: String,
    /// What else the schema asks for, in words.
    pub limits: Vec<String>,
    /// Whether it has fields of its own, which are outlined after it.
    pub parent: bool,
}

/// Why a field is taken for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The schema says `"format": "password"`.
    Format,
    /// The schema says `"writeOnly": true`.
    WriteOnly,
    /// Its name says so.
    Name,
}

impl Secret {
    /// The reason, as shown.
    pub fn why(self) -> &'static str {
        match self {
            Secret::Format => "format password",
            Secret::WriteOnly => "writeOnly",
            Secret::Name => "by its name",
        }
    }
}

/// Every field of a schema, objects inside objects included, in the schema's order.
pub fn outline(schema: &Schema) -> Vec<Outlined> {
    let mut fields = Vec::new();
    walk(schema, &schema.reduced, &schema.published, &[], &mut fields);
    fields
}

fn walk(
    schema: &Schema,
    reduced: &Value,
    published: &Value,
    above: &[String],
    fields: &mut Vec<Outlined>,
) {
    let required = reduced["required"].as_array();
    for (name, property) in reduced["properties"].as_object().into_iter().flatten() {
        let published = &published["properties"][name];
        let mut keys = above.to_vec();
        keys.push(name.clone());
        let path = keys.join(".");
        let types = schema.types_at(&path);
        let text = |key: &str| published[key].as_str().unwrap_or_default().to_owned();
        fields.push(Outlined {
            types,
            required: required.is_some_and(|names| names.iter().any(|own| own == name)),
            secret: secret(name, published, types),
            title: text("title"),
            description: text("description"),
            limits: limits(property),
            parent: property["properties"].is_object(),
            path,
            keys: keys.clone(),
        });
        walk(schema, property, published, &keys, fields);
    }
}

/// Words that a secret's name has in it.
const SECRET_WORDS: [&str; 16] = [
    "password",
    "passwd",
    "pwd",
    "pass",
    "passphrase",
    "secret",
    "token",
    "key",
    "apikey",
    "credential",
    "credentials",
    "private",
    "jwt",
    "signature",
    "bearer",
    "pin",
];

fn secret(name: &str, published: &Value, types: Types) -> Option<Secret> {
    if published["format"] == "password" {
        return Some(Secret::Format);
    }
    if published["writeOnly"] == true {
        return Some(Secret::WriteOnly);
    }
    // `strict_host_key: true` is none
    let text = types.is_open() || types.allows("string");
    let says = text
        && words(name)
            .iter()
            .any(|word| SECRET_WORDS.contains(&word.as_str()));
    says.then_some(Secret::Name)
}

/// The words of a name, in small letters: `accessKey`, `access-key` and `Access key` are the same.
pub fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    let chars: Vec<char> = name.chars().collect();
    for (at, &c) in chars.iter().enumerate() {
        // `AWSKey` is AWS and Key
        let ends_capitals = before.is_uppercase()
            && c.is_uppercase()
            && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        let starts = (before.is_lowercase() && c.is_uppercase()) || ends_capitals;
        if c.is_alphanumeric() {
            match words.last_mut() {
                Some(word) if before.is_alphanumeric() && !starts => word.extend(c.to_lowercase()),
                _ => words.push(c.to_lowercase().collect()),
            }
        }
        before = c;
    }
    words
}

fn limits(property: &Value) -> Vec<String> {
    let mut limits = Vec::new();
    if let Some(options) = property["enum"].as_array() {
        let shown: Vec<String> = options.iter().take(20).map(plain).collect();
        let more = if options.len() > 20 { ", …" } else { "" };
        limits.push(format!("one of {}{more}", shown.join(", ")));
    }
    if let Some(value) = property.get("const") {
        limits.push(format!("always {}", plain(value)));
    }
    for (least, most, what) in [
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " fields"),
        ("minimum", "maximum", ""),
    ] {
        match (property.get(least), property.get(most)) {
            (Some(least), Some(most)) => limits.push(format!("{least} to {most}{what}")),
            (Some(least), None) => limits.push(format!("at least {least}{what}")),
            (None, Some(most)) => limits.push(format!("at most {most}{what}")),
            (None, None) => {}
        }
    }
    for (keyword, words) in [
        ("exclusiveMinimum", "more than"),
        ("exclusiveMaximum", "less than"),
        ("multipleOf", "a multiple of"),
    ] {
        if let Some(value) = property.get(keyword) {
            limits.push(format!("{words} {value}"));
        }
    }
    if let Some(pattern) = property["pattern"].as_str() {
        limits.push(format!("pattern {pattern}"));
    }
    limits
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_names() {
        for name in [
            "accessKeyId",
            "access_key_id",
            "Access key-ID",
            "ACCESS KEY ID",
        ] {
            assert_eq!(words(name), ["access", "key", "id"], "{name}");
        }
        assert_eq!(words("AWSKey"), ["aws", "key"]);
        assert_eq!(words("  "), Vec::<String>::new());
    }

    #[test]
    fn fields_with_what_is_said_of_them() {
        let schema = json!({"properties": {
            "region": {"type": "string", "enum": ["eu", "us"], "title": "Region"},
            "signing": {"format": "password"},
            "code": {"writeOnly": true, "required": true},
            "apiKey": {"minLength": 3, "maxLength": 9},
            "monkey": {},
            "use_token": {"type": "boolean"},
            "proxy": {"properties": {"port": {"type": "integer", "minimum": 1}}, "required": ["port"]},
        }});
        let schema = Schema::compile(&schema, false).unwrap();
        let fields = outline(&schema);
        let field = |path: &str| fields.iter().find(|field| field.path == path).unwrap();
        assert_eq!(field("region").limits, ["one of eu, us"]);
        assert_eq!(field("region").secret, None);
        assert_eq!(field("signing").secret, Some(Secret::Format));
        assert_eq!(field("code").secret, Some(Secret::WriteOnly));
        assert!(field("code").required, "as draft-03 says it");
        assert_eq!(field("apiKey").secret, Some(Secret::Name));
        assert_eq!(field("apiKey").limits, ["3 to 9 characters"]);
        assert_eq!(field("monkey").secret, None);
        assert_eq!(field("use_token").secret, None);
        assert!(field("proxy").parent && !field("proxy").required);
        assert!(field("proxy.port").required);
    }
}
