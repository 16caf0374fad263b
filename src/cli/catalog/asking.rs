//! What Tray publishes of the connectors that are wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::choice::Choice;
use crate::catalog::pull::{LocalFile, Published, PublishedEnvironment, by_version};
use crate::catalog::{AuthType, Service};
use crate::cli::exit::{Exit, Failure};
use crate::cli::import::asking::refused_token;
use crate::secret::SecretText;
use crate::tray::client::Client;
use crate::tray::http::Http;
use crate::tray::outcome::ReadError;
use crate::tray::platform::{self, ListedConnector, ListedEnvironment};

/// Asks Tray, each question once.
pub(super) struct Asking<'a> {
    client: &'a Client<Http>,
    token: SecretText,
    local: &'a [LocalFile],
    /// What was asked already, by service name and version.
    environments: HashMap<(String, i64), Result<Vec<ListedEnvironment>, ReadError>>,
    /// What the reader should know, although it is no change.
    pub notes: Vec<String>,
}

/// A version that no entry can be written for, and why.
struct Unfit {
    message: String,
    exit: Exit,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        client: &'a Client<Http>,
        token: SecretText,
        local: &'a [LocalFile],
    ) -> Asking<'a> {
        Asking {
            client,
            token,
            local,
            environments: HashMap::new(),
            notes: Vec::new(),
        }
    }

    /// What Tray publishes of each choice, grouped by service. What was `named` must be there.
    ///
    /// # Errors
    /// What is not there, or cannot be an entry; or no answer.
    pub(super) async fn published(
        &mut self,
        choices: &[Choice],
        named: bool,
    ) -> Result<Vec<Published>, Failure> {
        let listed = platform::connectors(self.client, &self.token)
            .await
            .map_err(failure)?;
        let known: Vec<(&str, &str)> = listed
            .iter()
            .map(|one| (one.name.as_str(), one.version.as_str()))
            .collect();
        let mut groups: BTreeMap<(String, String, i64), Published> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for choice in choices {
            let meant: Vec<&ListedConnector> = listed
                .iter()
                .filter(|one| {
                    one.name == choice.name
                        && choice
                            .version
                            .as_ref()
                            .is_none_or(|own| *own == one.version)
                })
                .collect();
            if meant.is_empty() {
                let message = choice.unknown("Tray", &known);
                if named {
                    return Err(Failure::usage(message));
                }
                self.notes
                    .push(format!("{message}; the entry is kept as it is"));
            }
            let mut unfit = Vec::new();
            let mut fit = 0;
            for one in &meant {
                if !seen.insert((one.name.clone(), one.version.clone())) {
                    fit += 1;
                    continue;
                }
                match self.version(one).await? {
                    Ok(published) => {
                        fit += 1;
                        let service = &published.service;
                        let key = (one.name.clone(), service.name.clone(), service.version);
                        let group = groups.entry(key).or_insert_with(|| Published {
                            versions: Vec::new(),
                            ..published
                        });
                        group.versions.push(one.version.clone());
                    }
                    Err(why) => unfit.push((one.version.clone(), why)),
                }
            }
            for (version, why) in unfit {
                let message = format!("{} {version}: {}", choice.name, why.message);
                if named && (choice.version.is_some() || fit == 0) {
                    return Err(Failure::new(why.exit, message));
                }
                self.notes.push(message);
            }
            if choice.version.is_none() {
                self.unlisted(choice, &meant);
            }
        }
        let mut published: Vec<Published> = groups.into_values().collect();
        for group in &mut published {
            group.versions.sort_by(|a, b| by_version(a, b));
        }
        // by connector, then by version: what is new is named in this order
        published.sort_by(|a, b| {
            let first = |group: &Published| group.versions.first().cloned().unwrap_or_default();
            (a.connector.cmp(&b.connector)).then_with(|| by_version(&first(a), &first(b)))
        });
        Ok(published)
    }

    /// Versions of the catalog that Tray does not list (any more).
    fn unlisted(&mut self, choice: &Choice, meant: &[&ListedConnector]) {
        for file in self
            .local
            .iter()
            .filter(|file| file.entry.connector == choice.name)
        {
            for version in &file.entry.versions {
                if meant.iter().all(|one| one.version != *version) {
                    self.notes.push(format!(
                        "Tray does not list {} {version}, which {} has; it is kept",
                        choice.name,
                        file.path.display()
                    ));
                }
            }
        }
    }

    async fn version(
        &mut self,
        one: &ListedConnector,
    ) -> Result<Result<Published, Unfit>, Failure> {
        let service = match self.service(one) {
            Ok(service) => service,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let key = (service.name.clone(), service.version);
        if !self.environments.contains_key(&key) {
            let asked =
                platform::environments(self.client, &self.token, &service.name, service.version);
            let answer = asked.await;
            self.environments.insert(key.clone(), answer);
        }
        let listed = match self.environments.get(&key) {
            Some(Ok(listed)) => listed,
            Some(Err(ReadError::Refused(message))) => {
                return Ok(Err(Unfit {
                    message: message.clone(),
                    exit: Exit::Refused,
                }));
            }
            Some(Err(error)) => return Err(failure(error.clone())),
            None => return Err(Failure::internal("the environments were not asked for")),
        };
        let known = self.entry_of(one).map(|file| file.entry.auth_type);
        let auth_type = match auth_type(listed, known) {
            Ok(auth_type) => auth_type,
            Err(message) => return Ok(Err(unfit(message))),
        };
        let is = |environment: &&ListedEnvironment| {
            let own = environment.authentication_type.as_deref();
            own.is_none_or(|own| own == auth_type.as_str())
        };
        for other in listed.iter().filter(|environment| !is(environment)) {
            let note = format!(
                "{} {}: the environment {} authenticates by {} and is left out: an entry has one authType, here {}",
                one.name,
                one.version,
                other.id,
                other.authentication_type.as_deref().unwrap_or_default(),
                auth_type.as_str()
            );
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        Ok(Ok(Published {
            connector: one.name.clone(),
            versions: Vec::new(),
            service,
            auth_type: auth_type.as_str().to_owned(),
            environments: listed.iter().filter(is).map(published).collect(),
        }))
    }

    fn entry_of(&self, one: &ListedConnector) -> Option<&LocalFile> {
        let has = |file: &&LocalFile| {
            file.entry.connector == one.name && file.entry.versions.contains(&one.version)
        };
        self.local.iter().find(has)
    }

    /// The version's service; where an old answer leaves it out, the catalog's.
    fn service(&self, one: &ListedConnector) -> Result<Service, Unfit> {
        let own = self.entry_of(one).map(|file| &file.entry.service);
        let Some(listed) = &one.service else {
            let nothing = "Tray names no service for it: nobody authenticates with it, or the answer is an old one";
            return own.cloned().ok_or_else(|| unfit(nothing.to_owned()));
        };
        let same = own.filter(|own| own.name == listed.name && own.version == listed.version);
        let id = listed.id.clone().or_else(|| same.map(|own| own.id.clone()));
        let id = id.ok_or_else(|| {
            unfit(format!(
                "Tray does not say the id of its service {} {}, without which nothing can be imported",
                listed.name, listed.version
            ))
        })?;
        Ok(Service {
            id,
            name: listed.name.clone(),
            version: listed.version,
        })
    }
}

fn unfit(message: String) -> Unfit {
    Unfit {
        message,
        exit: Exit::Usage,
    }
}

/// The entry's `authType`: of several, the one that can be imported.
fn auth_type(listed: &[ListedEnvironment], known: Option<AuthType>) -> Result<AuthType, String> {
    if listed.is_empty() {
        return Err("Tray lists no service environment for it".to_owned());
    }
    let mut types = Vec::new();
    for name in listed
        .iter()
        .filter_map(|one| one.authentication_type.as_deref())
    {
        let known = AuthType::ALL
            .into_iter()
            .find(|known| known.as_str() == name);
        types.push(known.ok_or_else(|| {
            format!("Tray says that it authenticates by {name:?}, which this version of tray-import does not know")
        })?);
    }
    let first = AuthType::ALL
        .into_iter()
        .find(|known| types.contains(known));
    first
        .or(known)
        .ok_or_else(|| "Tray does not say how it authenticates; write the entry by hand".to_owned())
}

fn published(listed: &ListedEnvironment) -> PublishedEnvironment {
    PublishedEnvironment {
        id: listed.id.clone(),
        parts: vec![
            ("title", json!(listed.title)),
            ("credentials", listed.credentials.clone()),
            ("userData", listed.user_data.clone()),
            ("scopes", Value::Array(listed.scopes.clone())),
        ],
    }
}

fn failure(error: ReadError) -> Failure {
    match error {
        ReadError::Token(message) => refused_token(&message),
        ReadError::Refused(_) => Failure::new(Exit::Refused, error.to_string()),
        ReadError::NoAnswer(_) => Failure::internal(error)
            .hint("nothing was written; check --api and --region, and the network"),
        ReadError::Form { .. } => Failure::internal(error).hint("nothing was written; check --api"),
    }
}
