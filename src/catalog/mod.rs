//! The catalog: which credentials each connector version wants, in the terms of Tray's platform API.
//!
//! A directory of JSON files, one [`Entry`] a file. [`Catalog::load`] reads them all, so that a mistake
//! in any of them is found before a single row is. Schemas come as Tray publishes them and are made fit
//! for use by [`schema`]; nothing is ever fetched over the network. [`pull`] merges what Tray publishes into
//! a directory's files; [`outline`] and [`example`] tell people what an entry wants.

pub mod entry;
pub mod example;
pub mod outline;
pub mod pull;
pub mod schema;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use entry::{AuthType, Entry, Environment, Service};
use serde_json::Value;

use crate::issue::did_you_mean;

/// All entries of a catalog directory.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
    /// connector → version → index into `entries`.
    versions: HashMap<String, HashMap<String, usize>>,
}

/// Why a catalog cannot be used. Every variant names the file, and the key where there is one.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The directory or a file in it cannot be read.
    #[error("cannot read the catalog: {0}")]
    Io(#[from] std::io::Error),
    /// The directory holds no entry.
    #[error("the catalog {path} has no .json file in it")]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// A file is not JSON.
    #[error("the catalog file {path} is not valid JSON: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and column.
        source: serde_json::Error,
    },
    /// A key has the wrong form, is missing, or is not known.
    #[error("the catalog file {path}: {key}: {message}")]
    Key {
        /// The file.
        path: PathBuf,
        /// The key's path, such as `environments[0].id`.
        key: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// Two files describe the same version of a connector.
    #[error(
        "the catalog describes {connector} {version} twice, in {first} and in {second}; remove one of them"
    )]
    Twice {
        /// The connector.
        connector: String,
        /// The version.
        version: String,
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
}

/// Why a row's connector and version have no entry.
#[derive(Debug, PartialEq, Eq)]
pub enum NoEntry {
    /// No file names the connector; the message says which are there.
    Connector(String),
    /// The connector is there, this version is not; the message says which are.
    Version(String),
}

/// Why a row's `environment` settles nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum NoEnvironment {
    /// There are several and the row names none.
    Needed(String),
    /// The entry has none of that id or title.
    Unknown(String),
}

impl Catalog {
    /// Reads every `.json` file of a directory.
    ///
    /// # Errors
    /// The first file that cannot be read or used; two files for one version.
    pub fn load(directory: &Path) -> Result<Catalog, CatalogError> {
        let files = files(directory)?;
        if files.is_empty() {
            return Err(CatalogError::Empty {
                path: directory.to_owned(),
            });
        }
        let entries: Result<Vec<Entry>, CatalogError> = files
            .iter()
            .map(|path| Entry::parse(&read(path)?, path))
            .collect();
        Catalog::of(entries?)
    }

    /// A catalog of these entries.
    ///
    /// # Errors
    /// When two of them describe the same version.
    pub fn of(entries: Vec<Entry>) -> Result<Catalog, CatalogError> {
        let mut versions: HashMap<String, HashMap<String, usize>> = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let of_connector = versions.entry(entry.connector.clone()).or_default();
            for version in &entry.versions {
                if let Some(other) = of_connector.insert(version.clone(), index) {
                    return Err(CatalogError::Twice {
                        connector: entry.connector.clone(),
                        version: version.clone(),
                        first: entries[other].file.clone(),
                        second: entry.file.clone(),
                    });
                }
            }
        }
        Ok(Catalog { entries, versions })
    }

    /// Every entry, in the order of the files' names.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a connector version. Versions are compared as text: `2.0` is not `2`.
    ///
    /// # Errors
    /// What the row got wrong, with what there is.
    pub fn entry(&self, connector: &str, version: &str) -> Result<&Entry, NoEntry> {
        let Some(versions) = self.versions.get(connector) else {
            let hint = did_you_mean(connector, self.versions.keys().map(String::as_str));
            return Err(NoEntry::Connector(format!(
                "the catalog has no connector of this name{hint}"
            )));
        };
        if let Some(index) = versions.get(version) {
            return Ok(&self.entries[*index]);
        }
        let mut known: Vec<&str> = versions.keys().map(String::as_str).collect();
        known.sort_unstable();
        Err(NoEntry::Version(format!(
            "the catalog has {connector} in version {}, not in this one",
            known.join(", ")
        )))
    }
}

/// The `.json` files of a directory, by name.
fn files(directory: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let mut files: Vec<PathBuf> = fs_err::read_dir(directory)?
        .map(|item| item.map(|item| item.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Value, CatalogError> {
    let text = crate::files::read_text(path)?;
    serde_json::from_str(&text).map_err(|source| CatalogError::Json {
        path: path.to_owned(),
        source,
    })
}

impl Entry {
    /// The service environment that a row means: by id or by title, or the only one.
    ///
    /// # Errors
    /// What the row must say instead.
    pub fn environment(&self, named: Option<&str>) -> Result<&Environment, NoEnvironment> {
        let titles = || {
            let titles: Vec<String> = self
                .environments
                .iter()
                .map(|e| format!("\"{}\"", e.title))
                .collect();
            titles.join(", ")
        };
        match (named, self.environments.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(NoEnvironment::Needed(format!(
                "{} has several service environments; name one of {}",
                self.connector,
                titles()
            ))),
            (Some(name), environments) => {
                let by_id = environments.iter().find(|e| e.id == name);
                let mut by_title = environments.iter().filter(|e| e.title == name);
                by_id
                    .or_else(|| {
                        let first = by_title.next();
                        first.filter(|_| by_title.next().is_none())
                    })
                    .ok_or_else(|| {
                        NoEnvironment::Unknown(format!(
                            "{} has no single service environment of this id or title; it has {}",
                            self.connector,
                            titles()
                        ))
                    })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(connector: &str, versions: &[&str], environments: &[(&str, &str)]) -> Entry {
        let environments: Vec<_> = environments
            .iter()
            .map(|(id, title)| json!({"id": id, "title": title, "credentials": {}}))
            .collect();
        let value = json!({
            "connector": connector, "versions": versions,
            "service": {"id": "s", "name": connector, "version": 1},
            "authType": "token", "environments": environments,
        });
        Entry::parse(&value, Path::new("e.json")).unwrap()
    }

    #[test]
    fn lookup_by_connector_and_version_to_the_letter() {
        let catalog = Catalog::of(vec![
            entry("sqs", &["2.0", "2.1"], &[("e", "Production")]),
            entry("sqs", &["3.0"], &[("e", "Production")]),
        ])
        .unwrap();
        assert!(catalog.entry("sqs", "2.1").is_ok());
        let Err(NoEntry::Version(message)) = catalog.entry("sqs", "2") else {
            panic!("2 is not 2.0");
        };
        assert!(message.contains("2.0, 2.1, 3.0"), "{message}");
        let Err(NoEntry::Connector(message)) = catalog.entry("SQS", "2.0") else {
            panic!("names are case-sensitive");
        };
        assert!(message.contains("did you mean \"sqs\""), "{message}");
    }

    #[test]
    fn the_same_version_twice_is_an_error() {
        let twice = Catalog::of(vec![
            entry("sqs", &["2.0"], &[("e", "P")]),
            entry("sqs", &["2.0"], &[("e", "P")]),
        ]);
        assert!(matches!(twice, Err(CatalogError::Twice { .. })));
    }

    #[test]
    fn environments_by_id_or_by_title() {
        let two = entry("m", &["1"], &[("id-1", "Production"), ("id-2", "Sandbox")]);
        assert_eq!(two.environment(Some("Sandbox")).unwrap().id, "id-2");
        assert_eq!(two.environment(Some("id-1")).unwrap().id, "id-1");
        assert!(matches!(
            two.environment(None),
            Err(NoEnvironment::Needed(_))
        ));
        assert!(matches!(
            two.environment(Some("sandbox")),
            Err(NoEnvironment::Unknown(_))
        ));
        let same = entry("m", &["1"], &[("id-1", "P"), ("id-2", "P")]);
        assert!(same.environment(Some("P")).is_err());
        let one = entry("m", &["1"], &[("id-1", "P")]);
        assert_eq!(one.environment(None).unwrap().id, "id-1");
    }
}
