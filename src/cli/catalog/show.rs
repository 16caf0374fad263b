//! `catalog show`: what an entry wants, and a row that it accepts.

use serde_json::{Value, json};

use super::choice::Choice;
use crate::catalog::example::{Example, example};
use crate::catalog::outline::{Outlined, outline};
use crate::catalog::pull::by_version;
use crate::catalog::{AuthType, Catalog, Entry, Environment};
use crate::cli::args::{Shared, ShowArgs};
use crate::cli::exit::{Exit, Failure};
use crate::cli::printer::Printer;
use crate::cli::settings;

/// Runs the command.
///
/// # Errors
/// A connector or version that the catalog does not have.
pub(super) fn run(args: &ShowArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    let catalog = settings::catalog(shared, None)?;
    let choice = Choice::parse(&args.connector).map_err(Failure::usage)?;
    let (entry, version) = find(&catalog, &choice)?;
    let shown: Vec<Shown<'_>> = entry
        .environments
        .iter()
        .map(|environment| Shown {
            environment,
            fields: fields(environment),
            example: example(entry, version, environment),
        })
        .collect();
    if printer.is_json() {
        printer.object(&json!({
            "command": "catalog show",
            "exitCode": 0,
            "connector": entry.connector,
            "version": version,
            "versions": entry.versions,
            "file": entry.file.display().to_string(),
            "service": {
                "id": entry.service.id, "name": entry.service.name, "version": entry.service.version,
            },
            "authType": entry.auth_type.as_str(),
            "ownService": entry.own_service,
            "allowExtraFields": entry.allow_extra_fields,
            "importable": not_importable(entry).is_none(),
            "environments": shown.iter().map(Shown::to_json).collect::<Vec<_>>(),
        }));
    } else {
        for line in text(entry, version, &shown) {
            printer.result(&line);
        }
    }
    Ok(Exit::Done)
}

fn find<'c>(catalog: &'c Catalog, choice: &'c Choice) -> Result<(&'c Entry, &'c str), Failure> {
    let known: Vec<(&str, &str)> = catalog
        .entries()
        .iter()
        .flat_map(|entry| {
            let versions = entry.versions.iter();
            versions.map(|version| (entry.connector.as_str(), version.as_str()))
        })
        .collect();
    if let Some(version) = &choice.version {
        let entry = catalog.entry(&choice.name, version);
        return entry
            .map(|entry| (entry, version.as_str()))
            .map_err(|_| unknown(choice, &known));
    }
    let of_name: Vec<&Entry> = catalog
        .entries()
        .iter()
        .filter(|entry| entry.connector == choice.name)
        .collect();
    match of_name.as_slice() {
        [only] => {
            let latest = only.versions.iter().max_by(|a, b| by_version(a, b));
            let latest = latest.ok_or_else(|| unknown(choice, &known))?;
            Ok((only, latest))
        }
        [] => Err(unknown(choice, &known)),
        several => {
            let mut versions: Vec<&str> = several
                .iter()
                .flat_map(|entry| entry.versions.iter().map(String::as_str))
                .collect();
            versions.sort_by(|a, b| by_version(a, b));
            Err(Failure::usage(format!(
                "the catalog has several entries for {}; say which version: {}",
                choice.name,
                versions.join(", ")
            )))
        }
    }
}

fn unknown(choice: &Choice, known: &[(&str, &str)]) -> Failure {
    Failure::usage(choice.unknown("the catalog", known)).hint(format!(
        "fetch it with `tray-import catalog pull --connector {}`",
        choice.name
    ))
}

/// An environment as it is shown.
struct Shown<'c> {
    environment: &'c Environment,
    /// With the prefix of the input's columns.
    fields: Vec<(&'static str, Outlined)>,
    example: Option<Example>,
}

fn fields(environment: &Environment) -> Vec<(&'static str, Outlined)> {
    let of = |prefix, schema| {
        outline(schema)
            .into_iter()
            .map(move |field| (prefix, field))
    };
    of("data", &environment.credentials)
        .chain(of("formData", &environment.user_data))
        .collect()
}

impl Shown<'_> {
    fn to_json(&self) -> Value {
        let fields = self.fields.iter().map(|(prefix, field)| {
            json!({
                "field": format!("{prefix}.{}", field.path),
                "type": field.types.to_string(),
                "required": field.required,
                "secret": field.secret.is_some(),
                "secretBecause": field.secret.map(|secret| secret.why()),
                "title": field.title,
                "description": field.description,
                "limits": field.limits,
            })
        });
        json!({
            "id": self.environment.id,
            "title": self.environment.title,
            "scopes": self.environment.scope_names().collect::<Vec<_>>(),
            "fields": fields.collect::<Vec<_>>(),
            "example": self.example.as_ref().map(|example| json!({
                "csv": example.csv, "jsonl": example.jsonl,
            })),
        })
    }
}

fn not_importable(entry: &Entry) -> Option<String> {
    match entry.auth_type {
        AuthType::Token => None,
        AuthType::Oauth2 if entry.own_service => None,
        AuthType::Oauth2 => Some(
            "Rows of it are refused: a third-party OAuth service's tokens cannot be moved, the end user must\nauthenticate in the Config Wizard. If the service is your own, set \"ownService\": true in the file."
                .to_owned(),
        ),
        other => Some(format!(
            "Rows of it are refused: what authenticates by {} cannot be imported, the end user must\nauthenticate in the Config Wizard.",
            other.as_str()
        )),
    }
}

fn text(entry: &Entry, version: &str, shown: &[Shown<'_>]) -> Vec<String> {
    let mut lines = vec![format!(
        "{} {version}, from {}",
        entry.connector,
        entry.file.display()
    )];
    let others: Vec<&str> = entry
        .versions
        .iter()
        .map(String::as_str)
        .filter(|other| *other != version)
        .collect();
    if !others.is_empty() {
        lines.push(format!("The same for version {}.", others.join(", ")));
    }
    let service = &entry.service;
    lines.push(format!(
        "Service {} {} ({})",
        service.name, service.version, service.id
    ));
    let own = if entry.own_service {
        ", your own service"
    } else {
        ""
    };
    lines.push(format!(
        "Authenticates by {}{own}",
        entry.auth_type.as_str()
    ));
    lines.extend(not_importable(entry));
    if entry.allow_extra_fields {
        lines.push("Fields beyond these are allowed (allowExtraFields).".to_owned());
    }
    for (at, one) in shown.iter().enumerate() {
        lines.push(String::new());
        let title = match one.environment.title.as_str() {
            "" => "without a title".to_owned(),
            title => format!("{title:?}"),
        };
        lines.push(format!("Environment {title} ({})", one.environment.id));
        let same = shown[..at].iter().find(|other| other.fields == one.fields);
        match same {
            Some(other) => lines.push(format!(
                "  the same fields as {:?}",
                other.environment.title
            )),
            None => lines.extend(field_lines(&one.fields)),
        }
        let scopes: Vec<&str> = one.environment.scope_names().collect();
        if !scopes.is_empty() {
            lines.push(format!("  scopes: {}", scopes.join(" ")));
        }
    }
    if shown.iter().any(|one| !one.fields.is_empty()) {
        lines.push(String::new());
        lines.push(
            "Whatever is marked here, every value of data and formData is treated as a secret."
                .to_owned(),
        );
    }
    let mut seen: Vec<&Vec<(&'static str, Outlined)>> = Vec::new();
    for one in shown {
        if seen.contains(&&one.fields) {
            continue;
        }
        seen.push(&one.fields);
        lines.push(String::new());
        match &one.example {
            Some(example) => {
                lines.push("An example row, as CSV:\n".to_owned());
                lines.push(example.csv.clone());
                lines.push("The same as JSON Lines:\n".to_owned());
                lines.push(example.jsonl.clone());
            }
            None if not_importable(entry).is_some() => {}
            None => lines.push(
                "No example row: the schema asks for something that cannot be made up.".to_owned(),
            ),
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn field_lines(fields: &[(&'static str, Outlined)]) -> Vec<String> {
    if fields.is_empty() {
        return vec![
            "  the schema names no field: data takes any, and nothing is checked".to_owned(),
        ];
    }
    let mut lines = Vec::new();
    let name = |prefix: &str, field: &Outlined| format!("{prefix}.{}", field.path);
    let width = fields
        .iter()
        .map(|(prefix, field)| name(prefix, field).chars().count())
        .max();
    let width = width.unwrap_or_default();
    for (prefix, field) in fields {
        let types = match field.types.to_string() {
            types if types.is_empty() => "any type".to_owned(),
            types => types,
        };
        let required = if field.required {
            "required"
        } else {
            "optional"
        };
        let secret = match field.secret {
            Some(secret) => format!("secret ({})", secret.why()),
            None if field.parent => String::new(),
            None => "not secret".to_owned(),
        };
        let line = format!(
            "  {:width$}  {types:8}  {required}  {secret}",
            name(prefix, field)
        );
        lines.push(line.trim_end().to_owned());
        let mut more = Vec::new();
        if !field.title.is_empty() {
            more.push(field.title.clone());
        }
        if !field.description.is_empty() && field.description != field.title {
            more.push(field.description.trim_end_matches('.').to_owned());
        }
        more.extend(field.limits.iter().cloned());
        let indent = width + 4;
        for line in wrapped(&more.join("; "), COLUMNS.saturating_sub(indent).max(30)) {
            lines.push(format!("{:indent$}{line}", ""));
        }
    }
    lines
}

/// A terminal's usual width.
const COLUMNS: usize = 80;

/// The text in lines of at most `width` characters, unless a single word is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
