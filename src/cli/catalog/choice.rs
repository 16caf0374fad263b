//! Which connector versions are meant.

use std::collections::BTreeSet;

use crate::catalog::pull::by_version;
use crate::issue::nearest;

/// A connector as typed: `NAME` or `NAME@VERSION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The connector.
    pub name: String,
    /// The version; all of them where there is none.
    pub version: Option<String>,
}

impl Choice {
    /// Reads what was typed.
    pub(super) fn parse(text: &str) -> Result<Choice, String> {
        let (name, version) = match text.rsplit_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if name.is_empty() || version.is_some_and(str::is_empty) {
            return Err(format!(
                "{text:?} is not a connector; write NAME, or NAME@VERSION such as sqs@2.1"
            ));
        }
        Ok(Choice {
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }

    /// What to say where none of `known` is meant.
    pub(super) fn unknown(&self, of: &str, known: &[(&str, &str)]) -> String {
        let mut versions: Vec<&str> = known
            .iter()
            .filter(|(name, _)| *name == self.name)
            .map(|(_, version)| *version)
            .collect();
        versions.sort_by(|a, b| by_version(a, b));
        versions.dedup();
        match &self.version {
            Some(version) if !versions.is_empty() => format!(
                "{of} has no version {version} of {}; it has {}",
                self.name,
                versions.join(", ")
            ),
            _ => {
                let names: BTreeSet<&str> = known.iter().map(|(name, _)| *name).collect();
                let near = near(&self.name, &names);
                let hint = if near.is_empty() {
                    String::new()
                } else {
                    format!("; did you mean {}?", near.join(", "))
                };
                format!("{of} has no connector {}{hint}", self.name)
            }
        }
    }
}

/// So many names are suggested.
const SUGGESTED: usize = 5;

/// Names that `name` is a slip of, or that hold it or are held by it: `twilio` finds `twilio-output`.
fn near<'n>(name: &str, names: &BTreeSet<&'n str>) -> Vec<&'n str> {
    let wanted = name.to_lowercase();
    let holds = |other: &&&str| {
        let other = other.to_lowercase();
        wanted.len() >= 3
            && (other.contains(&wanted) || (other.len() >= 3 && wanted.contains(&other)))
    };
    let mut near: Vec<&str> = nearest(name, names.iter().copied()).into_iter().collect();
    for other in names.iter().filter(holds) {
        if !near.contains(other) {
            near.push(other);
        }
    }
    near.truncate(SUGGESTED);
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(&str, &str); 4] = [
        ("sqs", "10.0"),
        ("sqs", "2.0"),
        ("twilio-output", "2.1"),
        ("slack", "9.0"),
    ];

    #[test]
    fn a_version_stands_behind_the_last_at_sign() {
        let parsed = Choice::parse("sqs@2.1").unwrap();
        assert_eq!(
            (parsed.name.as_str(), parsed.version.as_deref()),
            ("sqs", Some("2.1"))
        );
        assert_eq!(Choice::parse("sqs").unwrap().version, None);
        assert!(Choice::parse("@2.1").is_err() && Choice::parse("sqs@").is_err());
    }

    #[test]
    fn what_there_is_is_said() {
        let says = |text: &str| Choice::parse(text).unwrap().unknown("Tray", &KNOWN);
        assert_eq!(
            says("sqs@3.0"),
            "Tray has no version 3.0 of sqs; it has 2.0, 10.0"
        );
        assert_eq!(says("SQS"), "Tray has no connector SQS; did you mean sqs?");
        assert_eq!(
            says("twilio@2.1"),
            "Tray has no connector twilio; did you mean twilio-output?"
        );
        assert_eq!(says("salesforce"), "Tray has no connector salesforce");
    }
}
