//! By what rows are compared with each other: short hashes, made anew in every run.
//!
//! They decide only which rows of one file are duplicates; nothing that is kept depends on them. An end user
//! is told by 64 bits at least, and what is compared within one end user's rows by 32 bits more. Texts instead would
//! take ten times the memory, and digests half as long again as all other work on a row.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use super::check::Checked;
use super::values;
use crate::catalog::Environment;
use crate::input::fields::Field;
use crate::input::row::Row;
use crate::json::{Kind, NodeId, Tree};
use crate::model::user_digest;

/// The fingerprints of a row that is valid by itself.
#[derive(Clone, Copy, Debug)]
pub struct RowFingerprint {
    /// The end user.
    pub user: u64,
    /// Environment and authentication name.
    pub authentication: u32,
    /// Solution and instance name, where there are any.
    pub instance: Option<u32>,
    /// The slot of that instance.
    pub slot: u32,
    /// The end user's display name; 0 where the row gives none.
    pub user_name: u32,
    /// Whether the instance is to be enabled.
    pub enabled: bool,
    /// The half digest, or fingerprint, of what the end user's id is but for case, white space and form; none where it
    /// is that itself.
    pub alike: Option<u64>,
    /// Whether the end user's id ends in `.0`.
    pub decimal: bool,
}

/// The fingerprint of one config value of a row.
#[derive(Clone, Copy, Debug)]
pub struct ConfigFingerprint {
    /// The slot.
    pub slot: u32,
    /// The value; the same for values that are the same JSON.
    pub value: u32,
}

/// Makes the fingerprints of one run.
#[derive(Clone, Default)]
pub(crate) struct Fingerprinter {
    state: RandomState,
}

impl Fingerprinter {
    /// The instance of a row, valid or not, as far as it can be told.
    pub(crate) fn instance(&self, row: &Row<'_>) -> Option<u32> {
        let solution = row.text(Field::SolutionId)?;
        Some(self.hash(&[solution, row.instance_name()]) as u32)
    }

    pub(crate) fn row(
        &self,
        row: &Row<'_>,
        environment: &Environment,
        by_digest: bool,
    ) -> RowFingerprint {
        let text = |field| row.text(field).unwrap_or_default();
        let instance = self.instance(row);
        let user_name = row.text(Field::UserName);
        let id = text(Field::ExternalUserId);
        let alike = values::alike(id).map(|alike| match by_digest {
            true => user_digest(&alike) as u64,
            false => self.hash(&[&alike]),
        });
        RowFingerprint {
            user: self.hash(&[id]),
            authentication: self.hash(&[&environment.id, &row.auth_name()]) as u32,
            instance,
            slot: instance.map_or(0, |_| self.hash(&[text(Field::AuthExternalId)]) as u32),
            user_name: user_name.map_or(0, |name| self.hash(&[name]) as u32 | 1),
            enabled: row.enabled.unwrap_or(true),
            alike,
            decimal: values::is_decimal(id),
        }
    }

    /// What a valid row refers to in Tray: rows that refer to the same have the same.
    pub(crate) fn references(&self, row: &Row<'_>, checked: Checked<'_>) -> u64 {
        let text = |field| row.text(field).unwrap_or_default();
        let (solution, slot) = (text(Field::SolutionId), text(Field::AuthExternalId));
        let (service, environment) = (&checked.entry.service, &checked.environment.id);
        let hash = self.hash(&[&service.name, environment, solution, slot]);
        let hash = hash.wrapping_add_signed(service.version);
        let config = row.config.iter();
        config.fold(hash, |hash, (slot, _)| {
            hash.rotate_left(5) ^ self.hash(&[slot])
        })
    }

    pub(crate) fn config(&self, slot: &str, tree: &Tree<'_>, value: NodeId) -> ConfigFingerprint {
        ConfigFingerprint {
            slot: self.hash(&[slot]) as u32,
            value: self.value(tree, value) as u32,
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

    /// The same for values that are the same JSON, whatever the order of keys.
    fn value(&self, tree: &Tree<'_>, at: NodeId) -> u64 {
        let mut hasher = self.state.build_hasher();
        match tree.kind(at) {
            Kind::Null => hasher.write_u8(0),
            Kind::Bool(flag) => hasher.write(&[1, u8::from(*flag)]),
            Kind::Number(number) => {
                hasher.write_u8(2);
                hasher.write(number.to_string().as_bytes());
            }
            Kind::Text(text) => {
                hasher.write_u8(3);
                hasher.write(text.as_bytes());
            }
            Kind::Array(_) => {
                hasher.write_u8(4);
                for item in tree.children(at) {
                    hasher.write_u64(self.value(tree, item));
                }
            }
            Kind::Object(_) => {
                hasher.write_u8(5);
                let mut members: Vec<NodeId> = tree.children(at).collect();
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
        let fingerprinter = Fingerprinter::default();
        let value = |text: &str| {
            let mut tree = Tree::default();
            let at = parse(&mut tree, text).unwrap();
            fingerprinter.value(&tree, at)
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
