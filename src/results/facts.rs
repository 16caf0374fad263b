//! What the lines of a row tell of its objects besides their ids, so that `verify` can compare them with Tray
//! without the input.
//!
//! Names and ids are written as they are. A config value may be secret and is never written: only a
//! [`Check`] of it is, 16 bits keyed with the master token. It shows a change (but for one in 65,536), and
//! nothing can be recovered from it, nor a guess confirmed, by whoever has the file and not the token.
//!
//! The import writes facts and never reads them; [`super::lines::read_facts`] is a pass of its own over the file.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::model::Key;
use crate::secret::SecretText;

/// What a row's credentials belong to: for the report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorFacts {
    pub connector: String,
    pub connector_version: String,
}

/// What a line records besides the row's progress.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Facts<'a> {
    #[serde(flatten)]
    pub connector: Option<&'a ConnectorFacts>,
    #[serde(flatten)]
    pub authentication: Option<&'a AuthenticationFacts>,
    #[serde(flatten)]
    pub instance: Option<&'a InstanceFacts>,
}

/// What an authentication is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationFacts {
    pub auth_name: String,
    pub environment_id: String,
    /// Whether Tray's UI hides it, and perhaps Tray's listing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// What a row's part of an instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceFacts {
    pub solution_id: String,
    pub instance_name: String,
    /// The auth slot that the row's authentication fills.
    pub auth_external_id: String,
    /// The config slots that the row fills.
    #[serde(skip_serializing_if = "ConfigChecks::is_empty")]
    pub config_checks: ConfigChecks,
}

/// Checks of config values, by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChecks {
    /// Names the key that the checks were made with: with another master token they tell nothing.
    pub key: Check,
    pub slots: BTreeMap<String, Check>,
}

impl ConfigChecks {
    fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// 16 bits of a keyed digest: four hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Check(u16);

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Check, D::Error> {
        let text = String::deserialize(deserializer)?;
        u16::from_str_radix(&text, 16)
            .map(Check)
            .map_err(|_| serde::de::Error::custom("a check is four hex digits"))
    }
}

/// Makes checks of config values.
#[derive(Clone)]
pub struct Checker {
    key: [u8; 32],
    name: Check,
}

impl Drop for Checker {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

impl Checker {
    pub fn new(master: &SecretText) -> Checker {
        const CONTEXT: &str = "tray-import 2026-11 checks of config values in results files";
        let key = blake3::derive_key(CONTEXT, master.expose().as_bytes());
        let name = short(&blake3::keyed_hash(&key, b"the name of this key"));
        Checker { key, name }
    }

    /// The name of the key, by which checks say what they were made with.
    pub fn name(&self) -> Check {
        self.name
    }

    /// The check of a value in a config slot of a row. Equal values of two rows have nothing in common.
    pub fn check(&self, row: Key, slot: &str, value: &Value) -> Check {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&row.0.to_le_bytes());
        hasher.update(&(slot.len() as u64).to_le_bytes());
        hasher.update(slot.as_bytes());
        let mut text = zeroize::Zeroizing::new(String::new());
        canonical(value, &mut text);
        hasher.update(text.as_bytes());
        short(&hasher.finalize())
    }

    /// The checks of a row's config slots, values as JSON text.
    pub fn checks<'s>(
        &self,
        row: Key,
        config: impl IntoIterator<Item = &'s (String, String)>,
    ) -> ConfigChecks {
        let check = |(slot, text): &(String, String)| {
            let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
            (slot.clone(), self.check(row, slot, &value))
        };
        ConfigChecks {
            key: self.name,
            slots: config.into_iter().map(check).collect(),
        }
    }
}

fn short(hash: &blake3::Hash) -> Check {
    let bytes = hash.as_bytes();
    Check(u16::from_le_bytes([bytes[0], bytes[1]]))
}

/// JSON text that is the same for equal values: keys in order, whole numbers without a point.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            out.push('{');
            for (key, value) in sorted {
                canonical(&Value::String(key.clone()), out);
                out.push(':');
                canonical(value, out);
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
        Value::Number(number) => match number.as_f64() {
            // up to 2^53 every whole number has a float of its own
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
                out.push_str(&(float as i64).to_string());
            }
            _ => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

/// The facts that lines of a row record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowFacts {
    pub connector: Option<ConnectorFacts>,
    pub authentication: Option<AuthenticationFacts>,
    pub instance: Option<InstanceFacts>,
}

impl RowFacts {
    /// Reads those of one line. Every one of them may be absent, and lines of older versions have none.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub(super) fn read(line: &[u8]) -> Result<RowFacts, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct FactsLine {
            connector: Option<String>,
            connector_version: Option<String>,
            auth_name: Option<String>,
            environment_id: Option<String>,
            #[serde(default)]
            hidden: bool,
            solution_id: Option<String>,
            instance_name: Option<String>,
            auth_external_id: Option<String>,
            #[serde(default)]
            config_checks: ConfigChecks,
        }
        let line: FactsLine = parse(line)?;
        let connector = line.connector.zip(line.connector_version);
        let authentication = line.auth_name.zip(line.environment_id);
        let instance = line.solution_id.zip(line.instance_name);
        Ok(RowFacts {
            connector: connector.map(|(connector, connector_version)| ConnectorFacts {
                connector,
                connector_version,
            }),
            authentication: authentication.map(|(auth_name, environment_id)| AuthenticationFacts {
                auth_name,
                environment_id,
                hidden: line.hidden,
            }),
            instance: instance.zip(line.auth_external_id).map(
                |((solution_id, instance_name), auth_external_id)| InstanceFacts {
                    solution_id,
                    instance_name,
                    auth_external_id,
                    config_checks: line.config_checks,
                },
            ),
        })
    }

    /// Takes over what a later line records.
    pub(super) fn update(&mut self, later: RowFacts) {
        self.connector = later.connector.or(self.connector.take());
        self.authentication = later.authentication.or(self.authentication.take());
        self.instance = later.instance.or(self.instance.take());
    }
}

/// What a line says of something, or why it does not.
pub(super) fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checker(token: &str) -> Checker {
        Checker::new(&SecretText::new(token.to_owned()))
    }

    #[test]
    fn a_check_is_of_the_value_and_of_nothing_in_its_spelling() {
        let checker = checker("master");
        let check = |value: Value| checker.check(Key(1), "external_a", &value);
        let one = check(json!({"a": [1, null, "x"], "b": 2.0}));
        assert_eq!(one, check(json!({"b": 2, "a": [1.0, null, "x"]})));
        assert_ne!(one, check(json!({"a": [1, null], "b": 2})));
        assert_ne!(check(json!("10")), check(json!(10)));
        assert_ne!(check(json!([["a"], "b"])), check(json!([["a", "b"]])));
    }

    #[test]
    fn a_check_depends_on_the_row_the_slot_and_the_token() {
        let own = checker("master").check(Key(1), "external_a", &json!("x"));
        assert_ne!(
            own,
            checker("master").check(Key(2), "external_a", &json!("x"))
        );
        assert_ne!(
            own,
            checker("master").check(Key(1), "external_b", &json!("x"))
        );
        assert_ne!(
            own,
            checker("other").check(Key(1), "external_a", &json!("x"))
        );
        assert_ne!(checker("master").name(), checker("other").name());
    }
}
