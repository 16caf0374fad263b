//! One row against the contract and its catalog entry.

use std::borrow::Cow;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::convert::assemble;
use super::identity::{Identity, Key, digest, user_digest};
use crate::catalog::schema::Schema;
use crate::catalog::{AuthType, Catalog, Entry, Environment, NoEntry, NoEnvironment};
use crate::input::fields::Field;
use crate::input::row::Row;
use crate::issue::{Code, Problem, did_you_mean};
use crate::secret::SecretValue;

/// A row that is valid by itself: what is needed to send it.
pub struct Checked<'c> {
    /// The catalog entry of its connector version.
    pub entry: &'c Entry,
    /// Its service environment.
    pub environment: &'c Environment,
    /// The credentials, converted and valid.
    pub data: SecretValue,
    /// The form fields, converted and valid.
    pub form_data: SecretValue,
}

/// What the batch must know of a row: digests, and no credential.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The row's identity.
    pub key: Key,
    /// Its end user.
    pub user: u128,
    /// Its solution instance, where it has one.
    pub group: Option<u128>,
    /// End user, environment and authentication name: must be unique in a file.
    pub authentication: u128,
    /// Instance and slot: must be unique in a file.
    pub slot: Option<u128>,
    /// Whether the instance is to be enabled.
    pub enabled: bool,
    /// Config slots: External ID and a digest of the value.
    pub config: Vec<(String, u128)>,
}

/// The end user's display name.
pub fn user_name<'r>(row: &'r Row<'_>) -> &'r str {
    row.text(Field::UserName)
        .or_else(|| row.text(Field::ExternalUserId))
        .unwrap_or_default()
}

/// The instance's name.
pub fn instance_name<'r>(row: &'r Row<'_>) -> &'r str {
    row.text(Field::InstanceName)
        .unwrap_or_else(|| user_name(row))
}

/// The authentication's name.
pub fn auth_name<'r>(row: &'r Row<'_>) -> Cow<'r, str> {
    row.text(Field::AuthName).map_or_else(
        || {
            let connector = row.text(Field::Connector).unwrap_or_default();
            let user = row.text(Field::ExternalUserId).unwrap_or_default();
            Cow::Owned(format!("{connector} {user}"))
        },
        Cow::Borrowed,
    )
}

/// The instance that a row belongs to, valid or not, as far as it can be told.
pub fn group_of(row: &Row<'_>) -> Option<u128> {
    let user = row.text(Field::ExternalUserId)?;
    let solution = row.text(Field::SolutionId)?;
    Some(digest("group", &[user, solution, instance_name(row)]))
}

/// The service environment of a row, as far as it can be told without judging the rest of it: with it, [`facts`]
/// says who the row is, even where its credentials have been taken out of the file.
pub fn environment_of<'c>(catalog: &'c Catalog, row: &Row<'_>) -> Option<&'c Environment> {
    row.text(Field::ExternalUserId)?;
    let connector = row.text(Field::Connector)?;
    let entry = catalog
        .entry(connector, row.text(Field::ConnectorVersion)?)
        .ok()?;
    entry.environment(row.text(Field::Environment)).ok()
}

/// Judges one row. Everything that is wrong is added to `problems`; where there is nothing, the row's
/// converted values come back. The whole objects of the row are taken over, its texts stay.
pub fn check<'c>(
    catalog: &'c Catalog,
    row: &mut Row<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Checked<'c>> {
    let missing = |problems: &mut Vec<Problem>, field: Field| {
        // a value that was refused is not missing as well
        if !problems.iter().any(|p| p.field == field.name()) {
            let message = "is required and empty";
            problems.push(Problem::new(field.name(), Code::MissingField, message));
        }
    };
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
    let entry = match catalog.entry(connector?, version?) {
        Ok(entry) => entry,
        Err(NoEntry::Connector(message)) => {
            problems.push(Problem::new("connector", Code::UnknownConnector, message));
            return None;
        }
        Err(NoEntry::Version(message)) => {
            let field = Field::ConnectorVersion.name();
            problems.push(Problem::new(field, Code::UnknownVersion, message));
            return None;
        }
    };
    if let Some(problem) = not_importable(entry) {
        problems.push(problem);
        return None;
    }
    let environment = match entry.environment(row.text(Field::Environment)) {
        Ok(environment) => environment,
        Err(NoEnvironment::Needed(message)) => {
            problems.push(Problem::new(
                "environment",
                Code::EnvironmentNeeded,
                message,
            ));
            return None;
        }
        Err(NoEnvironment::Unknown(message)) => {
            problems.push(Problem::new(
                "environment",
                Code::UnknownEnvironment,
                message,
            ));
            return None;
        }
    };
    let data = against_schema(row, "data", &environment.credentials, problems);
    let form_data = against_schema(row, "formData", &environment.user_data, problems);
    problems.is_empty().then_some(Checked {
        entry,
        environment,
        data,
        form_data,
    })
}

/// The digests of a row that [`check`] found valid.
pub fn facts(row: &Row<'_>, environment: &Environment) -> Facts {
    let text = |field| row.text(field).unwrap_or_default();
    let user_id = text(Field::ExternalUserId);
    let name = auth_name(row);
    let group = group_of(row);
    let solution = row.text(Field::SolutionId);
    let slot = text(Field::AuthExternalId);
    let instance = solution.map_or("", |_| instance_name(row));
    let identity = Identity {
        external_user_id: user_id,
        environment_id: &environment.id,
        auth_name: &name,
        solution_id: solution.unwrap_or_default(),
        instance_name: instance,
        slot,
    };
    Facts {
        key: identity.key(),
        user: user_digest(user_id),
        group,
        authentication: digest("authentication", &[user_id, &environment.id, &name]),
        slot: solution.map(|id| digest("slot", &[user_id, id, instance, slot])),
        enabled: row.enabled.unwrap_or(true),
        config: row
            .config
            .iter()
            .map(|(slot, value)| (slot.to_string(), value_digest(value)))
            .collect(),
    }
}

/// The same for values that are the same JSON, whatever the order of keys.
fn value_digest(value: &Value) -> u128 {
    fn canonical(value: &Value, out: &mut String) {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<_> = map.keys().collect();
                keys.sort_unstable();
                out.push('{');
                for key in keys {
                    canonical(&Value::from(key.as_str()), out);
                    canonical(&map[key], out);
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
            plain => out.push_str(&plain.to_string()),
        }
    }
    let mut text = String::new();
    canonical(value, &mut text);
    digest("value", &[&text])
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
    prefix: &str,
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> SecretValue {
    let unreadable = problems.iter().any(|p| p.field == prefix);
    let given = if prefix == "data" {
        &mut row.data
    } else {
        &mut row.form_data
    };
    let (value, failed) = assemble(given, prefix, schema, problems);
    if let Some(validator) = schema.validator() {
        for error in validator.iter_errors(&value.0) {
            // what could not be read or converted has been said, and is not missing as well
            let problem = schema_problem(&error, prefix, schema);
            let said = problem.code == Code::MissingField
                && (unreadable
                    || failed.iter().any(|path| {
                        let path = format!("{prefix}.{path}");
                        path == problem.field || path.starts_with(&format!("{}.", problem.field))
                    }));
            if !said {
                problems.extend(split_unknown(problem, &error, prefix));
            }
        }
    }
    value
}

/// One issue for each unknown field rather than one for all of them.
fn split_unknown(problem: Problem, error: &ValidationError<'_>, prefix: &str) -> Vec<Problem> {
    let Kind::AdditionalProperties { unexpected } = error.kind() else {
        return vec![problem];
    };
    let at = path_of(prefix, error);
    unexpected
        .iter()
        .map(|name| Problem {
            field: format!("{at}.{name}").into(),
            code: Code::UnknownField,
            message: problem.message.replace("{name}", name),
        })
        .collect()
}

fn path_of(prefix: &str, error: &ValidationError<'_>) -> String {
    let pointer = error
        .instance_path()
        .as_str()
        .replace("~1", "/")
        .replace("~0", "~");
    format!("{prefix}{}", pointer.replace('/', "."))
}

/// The schema library's finding in our words: what is allowed, never what was found.
fn schema_problem(error: &ValidationError<'_>, prefix: &str, schema: &Schema) -> Problem {
    let mut field = path_of(prefix, error);
    let (code, message) = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            field = format!("{field}.{name}");
            let message = "is required by the connector and absent".to_owned();
            (Code::MissingField, message)
        }
        Kind::AdditionalProperties { unexpected } => {
            let near = unexpected
                .first()
                .map(|name| did_you_mean(name, schema.names()))
                .unwrap_or_default();
            let message = format!("is not a field that the connector knows{near}");
            (Code::UnknownField, message)
        }
        Kind::Type { .. } => {
            let path = field.strip_prefix(prefix).unwrap_or("");
            let types = schema.types_at(path.trim_start_matches('.'));
            let message = if types.is_open() {
                "has a type that the connector does not take".to_owned()
            } else {
                format!("must be {types}")
            };
            (Code::WrongType, message)
        }
        Kind::Enum { options } => {
            let options: Vec<String> = options
                .as_array()
                .map(|list| list.iter().map(Value::to_string).collect())
                .unwrap_or_default();
            let shown = options
                .iter()
                .take(20)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            let more = if options.len() > 20 { ", …" } else { "" };
            (Code::NotInList, format!("must be one of {shown}{more}"))
        }
        Kind::Constant { expected_value } => (Code::NotInList, format!("must be {expected_value}")),
        Kind::Pattern { pattern } => (Code::Pattern, format!("must match the pattern {pattern}")),
        Kind::MinLength { limit } => (
            Code::TooShort,
            format!("must have at least {limit} characters"),
        ),
        Kind::MaxLength { limit } => (
            Code::TooLong,
            format!("must have at most {limit} characters"),
        ),
        Kind::MinItems { limit } => (Code::TooShort, format!("must have at least {limit} items")),
        Kind::MaxItems { limit } => (Code::TooLong, format!("must have at most {limit} items")),
        Kind::MinProperties { limit } => {
            (Code::TooShort, format!("must have at least {limit} fields"))
        }
        Kind::MaxProperties { limit } => {
            (Code::TooLong, format!("must have at most {limit} fields"))
        }
        Kind::Minimum { limit } => (Code::OutOfRange, format!("must be at least {limit}")),
        Kind::Maximum { limit } => (Code::OutOfRange, format!("must be at most {limit}")),
        Kind::ExclusiveMinimum { limit } => {
            (Code::OutOfRange, format!("must be more than {limit}"))
        }
        Kind::ExclusiveMaximum { limit } => {
            (Code::OutOfRange, format!("must be less than {limit}"))
        }
        Kind::MultipleOf { multiple_of } => (
            Code::OutOfRange,
            format!("must be a multiple of {multiple_of}"),
        ),
        other => (
            Code::Schema,
            format!("fails the connector's schema ({})", other.keyword()),
        ),
    };
    Problem::new(field, code, message)
}
