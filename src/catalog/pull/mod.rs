//! Bringing a catalog up to date with what Tray publishes, without losing what its owner wrote.
//!
//! Tray's are the versions, the service, and each environment's id, title, schemas and scopes; everything
//! else in a file (`ownService`, `allowExtraFields`, notes) is its owner's and stays. Whoever mends one of
//! Tray's schemas keeps that too: the file notes under `pulled` a digest of what Tray published, and a
//! value that is no longer that has been edited. Nothing here reads the network or writes a file.

mod change;
mod merge;
mod places;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Catalog, CatalogError, Entry, Service};
pub use merge::merge;

/// What Tray publishes of versions of a connector that share a service, and so their environments.
#[derive(Clone, Debug)]
pub struct Published {
    /// The connector.
    pub connector: String,
    /// Its versions, in order.
    pub versions: Vec<String>,
    /// Their service.
    pub service: Service,
    /// `token`, `oauth2`, …
    pub auth_type: String,
    /// The service's environments, at least one.
    pub environments: Vec<PublishedEnvironment>,
}

/// What Tray publishes of a service environment.
#[derive(Clone, Debug)]
pub struct PublishedEnvironment {
    /// The `serviceEnvironmentId`.
    pub id: String,
    /// `title`, `credentials`, `userData` and `scopes`, by the catalog's names.
    pub parts: Vec<(&'static str, Value)>,
}

impl PublishedEnvironment {
    /// The title; may be empty.
    pub fn title(&self) -> &str {
        let title = self.parts.iter().find(|(name, _)| *name == "title");
        title
            .and_then(|(_, title)| title.as_str())
            .unwrap_or_default()
    }
}

/// A catalog file as it lies on disk.
pub struct LocalFile {
    /// Where.
    pub path: PathBuf,
    /// All of it.
    pub content: Map<String, Value>,
    /// What it says.
    pub entry: Entry,
}

/// A file to be written.
#[derive(Debug)]
pub struct Update {
    /// Where.
    pub path: PathBuf,
    /// The connector.
    pub connector: String,
    /// The versions that it is for.
    pub versions: Vec<String>,
    /// The new content.
    pub content: Map<String, Value>,
    /// What changes, a line each; empty where the file is as Tray has it.
    pub changes: Vec<String>,
    /// What is the owner's and was left alone although Tray says something else.
    pub kept: Vec<String>,
    /// Whether there was a file before.
    pub existed: bool,
}

/// Every file of a catalog directory; none where there is no directory yet.
///
/// # Errors
/// The first file that cannot be used: what is broken must be mended before it is merged with.
pub fn local(directory: &Path) -> Result<Vec<LocalFile>, CatalogError> {
    match Catalog::load(directory) {
        Ok(_) => {}
        Err(CatalogError::Empty { .. }) => return Ok(Vec::new()),
        Err(CatalogError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    }
    let mut files = Vec::new();
    for path in super::files(directory)? {
        let value = super::read(&path)?;
        let entry = Entry::parse(&value, &path)?;
        if let Value::Object(content) = value {
            files.push(LocalFile {
                path,
                content,
                entry,
            });
        }
    }
    Ok(files)
}

/// Makes sure that the catalog can be used once the updates are written.
///
/// # Errors
/// Names the file and the key that could not be used.
pub fn usable(local: &[LocalFile], updates: &[Update]) -> Result<(), CatalogError> {
    let stays = |file: &&LocalFile| updates.iter().all(|update| update.path != file.path);
    let mut entries = Vec::new();
    for file in local.iter().filter(stays) {
        entries.push(Entry::parse(
            &Value::Object(file.content.clone()),
            &file.path,
        )?);
    }
    for update in updates {
        entries.push(Entry::parse(
            &Value::Object(update.content.clone()),
            &update.path,
        )?);
    }
    Catalog::of(entries).map(|_| ())
}

/// Versions in their order: `2.0`, `2.1`, `10.0`.
pub fn by_version(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |text: &str| -> Vec<u64> {
        let parts = text.split('.').map(|part| part.parse().unwrap_or(u64::MAX));
        parts.collect()
    };
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}
