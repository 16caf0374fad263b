//! What the schema library finds, in our words: what is allowed, never what was found.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use crate::catalog::schema::Schema;
use crate::issue::{Code, Problem, did_you_mean};

/// One issue for each unknown field rather than one for all of them.
pub fn split_unknown(
    problem: Problem,
    error: &ValidationError<'_>,
    prefix: &str,
    problems: &mut Vec<Problem>,
) {
    let Kind::AdditionalProperties { unexpected } = error.kind() else {
        problems.push(problem);
        return;
    };
    let at = path_of(prefix, "", error);
    problems.extend(unexpected.iter().map(|name| Problem {
        field: format!("{at}.{name}").into(),
        code: Code::UnknownField,
        message: problem.message.replace("{name}", name),
    }));
}

fn path_of(prefix: &str, within: &str, error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().as_str();
    let mut path = String::with_capacity(prefix.len() + within.len() + pointer.len() + 16);
    path.push_str(prefix);
    if !within.is_empty() {
        path.push('.');
        path.push_str(within);
    }
    for name in pointer.split('/').skip(1) {
        path.push('.');
        match name.contains('~') {
            true => path.push_str(&name.replace("~1", "/").replace("~0", "~")),
            false => path.push_str(name),
        }
    }
    path
}

/// A field that the connector asks for and that is not there.
pub fn missing(field: String) -> Problem {
    let message = "is required by the connector and absent";
    Problem::new(field, Code::MissingField, message)
}

/// One finding. `prefix`: the name of the object that was checked; `within`: the field of it, where only that was.
pub fn problem(
    error: &ValidationError<'_>,
    prefix: &str,
    within: &str,
    schema: &Schema,
) -> Problem {
    let mut field = path_of(prefix, within, error);
    let (code, message) = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            field.push('.');
            field.push_str(name);
            return missing(field);
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
