//! What the schema library finds, in our words: what is allowed, never what was found.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use crate::catalog::schema::Schema;
use crate::issue::{Code, Problem, did_you_mean};

/// The problems that one error stands for: one for each unknown field, else just one. `prefix` is the name of the
/// object that was checked.
pub(super) fn problems(error: &ValidationError<'_>, prefix: &str, schema: &Schema) -> Vec<Problem> {
    let field = path_of(prefix, error);
    let inside = |name: &str| format!("{field}.{name}");
    let at_least =
        |limit: &dyn std::fmt::Display, what| format!("must have at least {limit} {what}");
    let at_most = |limit: &dyn std::fmt::Display, what| format!("must have at most {limit} {what}");
    let (code, message) = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let message = "is required by the connector and absent";
            return vec![Problem::new(inside(name), Code::MissingField, message)];
        }
        Kind::AdditionalProperties { unexpected } => {
            let problem = |name: &String| {
                let near = did_you_mean(name, schema.names());
                let message = format!("is not a field that the connector knows{near}");
                Problem::new(inside(name), Code::UnknownField, message)
            };
            return unexpected.iter().map(problem).collect();
        }
        Kind::Type { .. } => {
            let path = field.strip_prefix(prefix).unwrap_or("");
            let types = schema.types_at(path.trim_start_matches('.'));
            let message = match types.is_open() {
                true => "has a type that the connector does not take".to_owned(),
                false => format!("must be {types}"),
            };
            (Code::WrongType, message)
        }
        Kind::Enum { options } => {
            let options = options.as_array().map_or(&[][..], Vec::as_slice);
            let shown: Vec<String> = options.iter().take(20).map(Value::to_string).collect();
            let more = if options.len() > 20 { ", …" } else { "" };
            let message = format!("must be one of {}{more}", shown.join(", "));
            (Code::NotInList, message)
        }
        Kind::Constant { expected_value } => (Code::NotInList, format!("must be {expected_value}")),
        Kind::Pattern { pattern } => (Code::Pattern, format!("must match the pattern {pattern}")),
        Kind::MinLength { limit } => (Code::TooShort, at_least(limit, "characters")),
        Kind::MaxLength { limit } => (Code::TooLong, at_most(limit, "characters")),
        Kind::MinItems { limit } => (Code::TooShort, at_least(limit, "items")),
        Kind::MaxItems { limit } => (Code::TooLong, at_most(limit, "items")),
        Kind::MinProperties { limit } => (Code::TooShort, at_least(limit, "fields")),
        Kind::MaxProperties { limit } => (Code::TooLong, at_most(limit, "fields")),
        Kind::Minimum { limit } => (Code::OutOfRange, format!("must be at least {limit}")),
        Kind::Maximum { limit } => (Code::OutOfRange, format!("must be at most {limit}")),
        Kind::ExclusiveMinimum { limit } => {
            (Code::OutOfRange, format!("must be more than {limit}"))
        }
        Kind::ExclusiveMaximum { limit } => {
            (Code::OutOfRange, format!("must be less than {limit}"))
        }
        Kind::MultipleOf { multiple_of } => {
            let message = format!("must be a multiple of {multiple_of}");
            (Code::OutOfRange, message)
        }
        other => {
            let message = format!("fails the connector's schema ({})", other.keyword());
            (Code::Schema, message)
        }
    };
    vec![Problem::new(field, code, message)]
}

fn path_of(prefix: &str, error: &ValidationError<'_>) -> String {
    let mut path = prefix.to_owned();
    for name in error.instance_path().as_str().split('/').skip(1) {
        path.push('.');
        path.push_str(&name.replace("~1", "/").replace("~0", "~"));
    }
    path
}
