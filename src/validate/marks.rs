//! By what rows are compared with each other: short hashes, made anew in every run.
//!
//! They decide only which rows of one file are duplicates; nothing that is kept depends on them. An end user
//! is told by 64 bits at least, and what is compared within one end user's rows by 32 bits more.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use super::check::{default_auth_name, instance_name};
use crate::catalog::Environment;
use crate::input::fields::{Field, Texts};
use crate::json::{Kind, Place, Tree};

/// The marks of a row that is valid by itself.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// The end user.
    pub user: u64,
    /// Environment and authentication name.
    pub authentication: u32,
    /// Solution and instance name, where there are any.
    pub instance: Option<u32>,
    /// The slot of that instance.
    pub slot: u32,
    /// Whether the instance is to be enabled.
    pub enabled: bool,
    /// How many of the block's config marks are the row's.
    pub config: u32,
}

/// One config value of a row.
#[derive(Clone, Copy, Debug)]
pub struct ConfigMark {
    /// The slot.
    pub slot: u32,
    /// The value; the same for values that are the same JSON.
    pub value: u32,
}

/// Makes the marks of one run.
#[derive(Default)]
pub struct Marker {
    state: RandomState,
}

impl Marker {
    /// The instance of a row, valid or not, as far as it can be told.
    pub fn instance(&self, row: &impl Texts) -> Option<u32> {
        let solution = row.text(Field::SolutionId)?;
        Some(self.hash(&[solution, instance_name(row)]) as u32)
    }

    /// The marks of a valid row with so many config values. `scratch` is for names that have to be put together.
    pub fn mark(
        &self,
        row: &impl Texts,
        environment: &Environment,
        enabled: bool,
        config: usize,
        scratch: &mut String,
    ) -> Marks {
        let text = |field| row.text(field).unwrap_or_default();
        let name = row.text(Field::AuthName).unwrap_or_else(|| {
            scratch.clear();
            default_auth_name(row, scratch);
            scratch
        });
        let authentication = self.hash(&[&environment.id, name]) as u32;
        let instance = self.instance(row);
        Marks {
            user: self.hash(&[text(Field::ExternalUserId)]),
            authentication,
            instance,
            slot: instance.map_or(0, |_| self.hash(&[text(Field::AuthExternalId)]) as u32),
            enabled,
            config: u32::try_from(config).unwrap_or(u32::MAX),
        }
    }

    /// The mark of a config value.
    pub fn config(&self, slot: &str, tree: &Tree<'_>, value: Place) -> ConfigMark {
        ConfigMark {
            slot: self.hash(&[slot]) as u32,
            value: self.value(tree, value) as u32,
        }
    }

    /// The mark of a config value that is text.
    pub fn config_text(&self, slot: &str, text: &str) -> ConfigMark {
        ConfigMark {
            slot: self.hash(&[slot]) as u32,
            value: self.text(text) as u32,
        }
    }

    fn hash(&self, parts: &[&str]) -> u64 {
        let mut hasher = self.state.build_hasher();
        for part in parts {
            // the length first, so that ("ab", "c") and ("a", "bc") differ
            hasher.write_usize(part.len());
            hasher.write(part.as_bytes());
        }
        hasher.finish()
    }

    fn text(&self, text: &str) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u8(3);
        hasher.write(text.as_bytes());
        hasher.finish()
    }

    /// The same for values that are the same JSON, whatever the order of keys.
    fn value(&self, tree: &Tree<'_>, at: Place) -> u64 {
        let mut hasher = self.state.build_hasher();
        match tree.kind(at) {
            Kind::Null => hasher.write_u8(0),
            Kind::Bool(flag) => hasher.write(&[1, u8::from(*flag)]),
            Kind::Number(number) => {
                hasher.write_u8(2);
                hasher.write(number.to_string().as_bytes());
            }
            Kind::Text(text) => return self.text(text),
            Kind::Array(_) => {
                hasher.write_u8(4);
                for item in tree.children(at) {
                    hasher.write_u64(self.value(tree, item));
                }
            }
            Kind::Object(_) => {
                hasher.write_u8(5);
                let mut members: Vec<Place> = tree.children(at).collect();
                members.sort_by_key(|at| tree.name(*at));
                for member in members {
                    hasher.write_u64(self.hash(&[tree.name(member)]));
                    hasher.write_u64(self.value(tree, member));
                }
            }
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse::parse;

    #[test]
    fn values_are_the_same_whatever_the_order_of_keys() {
        let marker = Marker::default();
        let value = |text: &str| {
            let mut tree = Tree::default();
            let at = parse(&mut tree, text).unwrap();
            marker.value(&tree, at)
        };
        assert_eq!(value(r#"{"a":1,"b":[2]}"#), value(r#"{ "b":[2], "a":1}"#));
        let all = [
            "1",
            "\"1\"",
            "[1]",
            "[]",
            "{}",
            "{\"a\":1}",
            "null",
            "true",
            "false",
            "1.5",
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(value(a), value(b), "{a} {b}");
            }
        }
    }
}
