//! One row against the contract and its catalog entry.

use std::borrow::Cow;

use super::convert::{Part, assemble};
use super::findings;
use super::known::Known;
use crate::catalog::schema::Schema;
use crate::catalog::{AuthType, Catalog, Entry, Environment, NoEntry, NoEnvironment};
use crate::input::fields::{Field, Texts};
use crate::input::row::Row;
use crate::issue::{Code, Problem};
use crate::json::instance::Instance;
use crate::model::{Identity, Key, user_digest};

/// A row that is valid by itself: where it belongs. Where [`check`] says so, its `data` and `formData` stand whole in
/// the row, converted and valid.
#[derive(Clone, Copy)]
pub struct Checked<'c> {
    /// The catalog entry of its connector version.
    pub entry: &'c Entry,
    /// Its service environment.
    pub environment: &'c Environment,
}

/// A catalog, asked about rows most of which want the same few entries.
pub struct Entries<'c> {
    catalog: &'c Catalog,
    recent: Known<3, Checked<'c>>,
    /// Whether the row before had errors. Asking whether a row is valid costs less than listing its errors, but a
    /// file that is wrong in every row should not pay for both.
    errors: bool,
}

impl<'c> Entries<'c> {
    /// Of a catalog.
    pub fn new(catalog: &'c Catalog) -> Entries<'c> {
        Entries {
            catalog,
            recent: Known::default(),
            errors: false,
        }
    }

    /// The entry and environment that a row asks for by its connector, version and environment (empty where it names
    /// none), and a number for them where they are remembered.
    ///
    /// # Errors
    /// Why there is none, as a problem of the row.
    #[inline]
    pub fn find(&mut self, names: [&str; 3]) -> Result<(Option<usize>, Checked<'c>), Problem> {
        if let Some(number) = self.recent.place(names) {
            return Ok((Some(number), *self.recent.get(number)));
        }
        let [connector, version, environment] = names;
        let environment = Some(environment).filter(|name| !name.is_empty());
        let checked = look_up(self.catalog, connector, version, environment)?;
        Ok((self.recent.add(names, checked), checked))
    }
}

fn look_up<'c>(
    catalog: &'c Catalog,
    connector: &str,
    version: &str,
    environment: Option<&str>,
) -> Result<Checked<'c>, Problem> {
    let problem = |field: Field, code, message| Err(Problem::new(field.name(), code, message));
    let entry = match catalog.entry(connector, version) {
        Ok(entry) => entry,
        Err(NoEntry::Connector(message)) => {
            return problem(Field::Connector, Code::UnknownConnector, message);
        }
        Err(NoEntry::Version(message)) => {
            return problem(Field::ConnectorVersion, Code::UnknownVersion, message);
        }
    };
    if let Some(problem) = not_importable(entry) {
        return Err(problem);
    }
    match entry.environment(environment) {
        Ok(environment) => Ok(Checked { entry, environment }),
        Err(NoEnvironment::Needed(message)) => {
            problem(Field::Environment, Code::EnvironmentNeeded, message)
        }
        Err(NoEnvironment::Unknown(message)) => {
            problem(Field::Environment, Code::UnknownEnvironment, message)
        }
    }
}

/// The end user's display name.
pub fn user_name(row: &impl Texts) -> &str {
    row.text(Field::UserName)
        .or_else(|| row.text(Field::ExternalUserId))
        .unwrap_or_default()
}

/// The instance's name.
pub fn instance_name(row: &impl Texts) -> &str {
    row.text(Field::InstanceName)
        .unwrap_or_else(|| user_name(row))
}

/// The authentication's name.
pub fn auth_name(row: &impl Texts) -> Cow<'_, str> {
    row.text(Field::AuthName).map_or_else(
        || {
            let mut name = String::new();
            default_auth_name(row, &mut name);
            Cow::Owned(name)
        },
        Cow::Borrowed,
    )
}

/// Appends the name that an authentication has where the row gives none.
pub fn default_auth_name(row: &impl Texts, name: &mut String) {
    name.push_str(row.text(Field::Connector).unwrap_or_default());
    name.push(' ');
    name.push_str(row.text(Field::ExternalUserId).unwrap_or_default());
}

/// The service environment of a row, as far as it can be told without judging the rest of it: with it, [`key`]
/// says who the row is, even where its credentials have been taken out of the file.
pub fn environment_of<'c>(catalog: &'c Catalog, row: &impl Texts) -> Option<&'c Environment> {
    row.text(Field::ExternalUserId)?;
    let connector = row.text(Field::Connector)?;
    let entry = catalog
        .entry(connector, row.text(Field::ConnectorVersion)?)
        .ok()?;
    entry.environment(row.text(Field::Environment)).ok()
}

/// Judges one row. Everything that is wrong is added to `problems`; where there is nothing, its entry comes
/// back.
pub fn check<'c>(
    entries: &mut Entries<'c>,
    row: &mut Row<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Checked<'c>> {
    if row.text(Field::ExternalUserId).is_none() {
        missing(problems, Field::ExternalUserId);
    }
    solution_fields(row, problems);
    let (connector, version) = (
        row.text(Field::Connector),
        row.text(Field::ConnectorVersion),
    );
    if connector.is_none() {
        missing(problems, Field::Connector);
    }
    if version.is_none() {
        missing(problems, Field::ConnectorVersion);
    }
    let environment = row.text(Field::Environment).unwrap_or_default();
    let checked = match entries.find([connector?, version?, environment]) {
        Ok((_, checked)) => checked,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let environment = checked.environment;
    let listed = entries.errors;
    against_schema(row, Part::Data, &environment.credentials, listed, problems);
    against_schema(
        row,
        Part::FormData,
        &environment.user_data,
        listed,
        problems,
    );
    entries.errors = !problems.is_empty();
    problems.is_empty().then_some(checked)
}

fn missing(problems: &mut Vec<Problem>, field: Field) {
    // a value that was refused is not missing as well
    if !problems.iter().any(|p| p.field == field.name()) {
        let message = "is required and empty";
        problems.push(Problem::new(field.name(), Code::MissingField, message));
    }
}

/// A row and its end user, as results files know them.
#[derive(Clone, Copy, Debug)]
pub struct Digests {
    /// The row's key.
    pub key: Key,
    /// The digest of its end user's id.
    pub user: u128,
}

/// The digests of a row that [`check`] found valid.
pub fn digests(row: &impl Texts, environment: &Environment) -> Digests {
    Digests {
        key: key(row, environment),
        user: user_digest(row.text(Field::ExternalUserId).unwrap_or_default()),
    }
}

/// The key of a row that [`check`] found valid.
pub fn key(row: &impl Texts, environment: &Environment) -> Key {
    let text = |field| row.text(field).unwrap_or_default();
    let solution = row.text(Field::SolutionId);
    let identity = Identity {
        external_user_id: text(Field::ExternalUserId),
        environment_id: &environment.id,
        auth_name: &auth_name(row),
        solution_id: solution.unwrap_or_default(),
        instance_name: solution.map_or("", |_| instance_name(row)),
        slot: text(Field::AuthExternalId),
    };
    identity.key()
}

fn solution_fields(row: &Row<'_>, problems: &mut Vec<Problem>) {
    if row.text(Field::SolutionId).is_some() {
        if row.text(Field::AuthExternalId).is_none()
            && !problems.iter().any(|p| p.field == "authExternalId")
        {
            problems.push(Problem::new(
                Field::AuthExternalId.name(),
                Code::MissingField,
                "is required with a solutionId: the External ID of the slot to fill",
            ));
        }
        return;
    }
    if problems.iter().any(|p| p.field == "solutionId") {
        return;
    }
    let message = "means nothing without a solutionId; give one, or leave this empty";
    for field in [Field::InstanceName, Field::AuthExternalId] {
        if row.text(field).is_some() {
            problems.push(Problem::new(field.name(), Code::NoSolution, message));
        }
    }
    for (slot, _) in &row.config {
        problems.push(Problem::new(
            format!("config.{slot}"),
            Code::NoSolution,
            message,
        ));
    }
}

fn not_importable(entry: &Entry) -> Option<Problem> {
    match entry.auth_type {
        AuthType::Token => None,
        AuthType::Oauth2 if entry.own_service => None,
        AuthType::Oauth2 => Some(Problem::new(
            "connector",
            Code::ThirdPartyOauth,
            "is a third-party OAuth service: its tokens cannot be moved, the end user must authenticate in the Config Wizard (if the service is your own, set ownService in the catalog)",
        )),
        other => Some(Problem::new(
            "connector",
            Code::UnsupportedAuthType,
            format!(
                "authenticates by {}, which cannot be imported; the end user must authenticate in the Config Wizard",
                other.as_str()
            ),
        )),
    }
}

fn against_schema(
    row: &mut Row<'_>,
    part: Part,
    schema: &Schema,
    listed: bool,
    problems: &mut Vec<Problem>,
) {
    let prefix = part.name();
    let unreadable = problems.iter().any(|p| p.field == prefix);
    let (object, failed) = assemble(row, part, schema, problems);
    let Some(validator) = schema.validator() else {
        return;
    };
    let instance = Instance::Value(&row.tree, object);
    if !listed && validator.is_valid(instance.clone()) {
        return;
    }
    for error in validator.iter_errors(instance) {
        // what could not be read or converted has been said, and is not missing as well
        let problem = findings::problem(&error, prefix, "", schema);
        let said = problem.code == Code::MissingField
            && (unreadable
                || failed.iter().any(|path| {
                    let path = format!("{prefix}.{path}");
                    path == problem.field || path.starts_with(&format!("{}.", problem.field))
                }));
        if !said {
            findings::split_unknown(problem, &error, prefix, problems);
        }
    }
}
