//! One row against the contract and its catalog entry.

use super::convert::assemble;
use super::{findings, values};
use crate::catalog::schema::Schema;
use crate::catalog::{AuthType, Catalog, Entry, Environment, NoEntry, NoEnvironment};
use crate::input::fields::{Field, Part};
use crate::input::row::Row;
use crate::issue::{Code, Problem};
use crate::json::instance::Instance;
use crate::model::{Identity, Key};

/// Where a row that is valid by itself belongs. Its `data` and `formData` stand whole in the row, converted and valid.
#[derive(Clone, Copy)]
pub struct Checked<'c> {
    /// The catalog entry of its connector version.
    pub entry: &'c Entry,
    /// Its service environment.
    pub environment: &'c Environment,
}

/// Checks rows against a catalog, most of which want the same few entries.
pub struct RowChecker<'c> {
    catalog: &'c Catalog,
    /// By connector, version and environment.
    recent: Vec<([String; 3], Checked<'c>)>,
    /// Whether the row before had errors. Asking whether a row is valid costs less than listing its errors, but a
    /// file that is wrong in every row should not pay for both.
    had_errors: bool,
    deny_warnings: bool,
}

/// So many entries are remembered; in a file with more, the others are looked up each time.
const REMEMBERED: usize = 16;

impl<'c> RowChecker<'c> {
    /// Against this catalog.
    pub fn new(catalog: &'c Catalog) -> RowChecker<'c> {
        RowChecker {
            catalog,
            recent: Vec::new(),
            had_errors: false,
            deny_warnings: false,
        }
    }

    /// With `deny`, a row with a warning is invalid too.
    pub(crate) fn deny_warnings(self, deny: bool) -> RowChecker<'c> {
        RowChecker {
            deny_warnings: deny,
            ..self
        }
    }

    /// Checks one row. What is wrong or odd is added to `problems`; where nothing is wrong,
    /// its entry comes back.
    pub fn check(&mut self, row: &mut Row<'_>, problems: &mut Vec<Problem>) -> Option<Checked<'c>> {
        let missing = |field: Field, problems: &mut Vec<Problem>| {
            // a value that was refused is not missing as well
            if row.text(field).is_none() && !problems.iter().any(|p| p.field == field.name()) {
                let message = "is required and empty";
                problems.push(Problem::new(field.name(), Code::MissingField, message));
            }
        };
        missing(Field::ExternalUserId, problems);
        check_solution(row, problems);
        values::check_identity(row, problems);
        missing(Field::Connector, problems);
        missing(Field::ConnectorVersion, problems);
        let names = [
            row.text(Field::Connector)?,
            row.text(Field::ConnectorVersion)?,
            row.text(Field::Environment).unwrap_or_default(),
        ];
        let checked = self
            .find(names)
            .map_err(|problem| problems.push(problem))
            .ok()?;
        let environment = checked.environment;
        for (part, schema) in [
            (Part::Data, &environment.credentials),
            (Part::FormData, &environment.user_data),
        ] {
            check_part(row, part, schema, self.had_errors, problems);
        }
        let is_error = |problem: &Problem| self.deny_warnings || !problem.is_warning();
        self.had_errors = problems.iter().any(is_error);
        (!self.had_errors).then_some(checked)
    }

    fn find(&mut self, names: [&str; 3]) -> Result<Checked<'c>, Problem> {
        if let Some((_, checked)) = self.recent.iter().find(|(known, _)| *known == names) {
            return Ok(*checked);
        }
        let [connector, version, environment] = names;
        let environment = Some(environment).filter(|name| !name.is_empty());
        let checked = look_up(self.catalog, connector, version, environment)?;
        if self.recent.len() < REMEMBERED {
            self.recent.push((names.map(str::to_owned), checked));
        }
        Ok(checked)
    }
}

fn look_up<'c>(
    catalog: &'c Catalog,
    connector: &str,
    version: &str,
    environment: Option<&str>,
) -> Result<Checked<'c>, Problem> {
    let problem = |field: Field, code, message| Problem::new(field.name(), code, message);
    let entry = catalog
        .entry(connector, version)
        .map_err(|error| match error {
            NoEntry::Connector(message) => {
                problem(Field::Connector, Code::UnknownConnector, message)
            }
            NoEntry::Version(message) => {
                problem(Field::ConnectorVersion, Code::UnknownVersion, message)
            }
        })?;
    check_importable(entry)?;
    let environment = entry
        .environment(environment)
        .map_err(|error| match error {
            NoEnvironment::Needed(message) => {
                problem(Field::Environment, Code::EnvironmentNeeded, message)
            }
            NoEnvironment::Unknown(message) => {
                problem(Field::Environment, Code::UnknownEnvironment, message)
            }
        })?;
    Ok(Checked { entry, environment })
}

/// The service environment of a row, as far as it can be told without checking the rest of it: with it, [`key`]
/// says who the row is, even where its credentials have been taken out of the file.
pub fn environment_of<'c>(catalog: &'c Catalog, row: &Row<'_>) -> Option<&'c Environment> {
    row.text(Field::ExternalUserId)?;
    let connector = row.text(Field::Connector)?;
    let entry = catalog
        .entry(connector, row.text(Field::ConnectorVersion)?)
        .ok()?;
    entry.environment(row.text(Field::Environment)).ok()
}

/// The key of a valid row.
pub fn key(row: &Row<'_>, environment: &Environment) -> Key {
    let text = |field| row.text(field).unwrap_or_default();
    let solution = row.text(Field::SolutionId);
    let identity = Identity {
        external_user_id: text(Field::ExternalUserId),
        environment_id: &environment.id,
        auth_name: &row.auth_name(),
        solution_id: solution.unwrap_or_default(),
        instance_name: solution.map_or("", |_| row.instance_name()),
        slot: text(Field::AuthExternalId),
    };
    identity.key()
}

fn check_solution(row: &Row<'_>, problems: &mut Vec<Problem>) {
    let has = |field: Field| row.text(field).is_some();
    let named = |name: &str| problems.iter().any(|problem| problem.field == name);
    if has(Field::SolutionId) {
        let slot = Field::AuthExternalId;
        if !has(slot) && !named(slot.name()) {
            let message = "is required with a solutionId: the External ID of the slot to fill";
            problems.push(Problem::new(slot.name(), Code::MissingField, message));
        }
        return;
    }
    if named(Field::SolutionId.name()) {
        return;
    }
    let fields = [Field::InstanceName, Field::AuthExternalId];
    let fields = fields.into_iter().filter(|field| has(*field));
    let slots = row.config.iter().map(|(slot, _)| format!("config.{slot}"));
    problems.extend(
        fields
            .map(|field| field.name().to_owned())
            .chain(slots)
            .map(|field| {
                let message = "means nothing without a solutionId; give one, or leave this empty";
                Problem::new(field, Code::NoSolution, message)
            }),
    );
}

fn check_importable(entry: &Entry) -> Result<(), Problem> {
    let (code, message) = match entry.auth_type {
        AuthType::Token => return Ok(()),
        AuthType::Oauth2 if entry.own_service => return Ok(()),
        AuthType::Oauth2 => (
            Code::ThirdPartyOauth,
            "is a third-party OAuth service: its tokens cannot be moved, the end user must authenticate in the Config Wizard (if the service is your own, set ownService in the catalog)".to_owned(),
        ),
        other => (
            Code::UnsupportedAuthType,
            format!(
                "authenticates by {}, which cannot be imported; the end user must authenticate in the Config Wizard",
                other.as_str()
            ),
        ),
    };
    Err(Problem::new(Field::Connector.name(), code, message))
}

fn check_part(
    row: &mut Row<'_>,
    part: Part,
    schema: &Schema,
    had_errors: bool,
    problems: &mut Vec<Problem>,
) {
    let prefix = part.name();
    let unreadable = problems.iter().any(|p| p.field == prefix);
    let (object, failed) = assemble(row, part, schema, problems);
    values::check_object(&row.tree, object, prefix, Some(schema), problems);
    let Some(validator) = schema.validator() else {
        return;
    };
    let instance = Instance::Value(&row.tree, object);
    if !had_errors && validator.is_valid(instance.clone()) {
        return;
    }
    for error in validator.iter_errors(instance) {
        // what could not be read or converted has been said, and is not missing as well
        let is_said = |problem: &Problem| {
            problem.code == Code::MissingField
                && (unreadable
                    || failed.iter().any(|path| {
                        let path = format!("{prefix}.{path}");
                        path == problem.field || path.starts_with(&format!("{}.", problem.field))
                    }))
        };
        let found = findings::problems(&error, prefix, schema);
        problems.extend(found.into_iter().filter(|problem| !is_said(problem)));
    }
}
