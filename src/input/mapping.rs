//! The mapping file: fits a customer's own export to the contract's names without editing it.
//!
//! ```toml
//! ignore = ["Internal notes", "tmp_*"]
//!
//! [columns]                       # our field = the export's column
//! externalUserId = "Customer ID"
//! "data.access_key" = "AWS key"
//!
//! [constants]                     # our field = the same text for every row
//! connector = "sqs"
//!
//! [templates]                     # our field = text with {column} in it
//! authName = "{connector} for {Company}"
//! ```
//!
//! A `[columns]` line may also stand the other way round (`"Customer ID" = "externalUserId"`): which side
//! is ours is plain from the names. A column of the input's own always wins over a constant or template
//! for the same field, except where its cell is empty.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::fields::{Target, suggest};

/// A mapping file, checked.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// The export's column, and what it fills.
    pub columns: Vec<(String, Target)>,
    /// Text for every row.
    pub constants: Vec<(Target, String)>,
    /// Text made from other columns.
    pub templates: Vec<(Target, Template)>,
    /// Names of columns to pass over; `*` at the end stands for any rest.
    pub ignore: Vec<String>,
}

/// Why a mapping file cannot be used. Every variant names the file and the key.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("cannot read the mapping: {0}")]
    Io(#[from] std::io::Error),
    /// The file is not TOML of the expected form.
    #[error("the mapping {path} is not valid: {message}")]
    Toml {
        /// The mapping file.
        path: PathBuf,
        /// Line, column and cause, as the TOML parser draws them.
        message: String,
    },
    /// A key makes no sense.
    #[error("the mapping {path}: {key}: {message}")]
    Key {
        /// The mapping file.
        path: PathBuf,
        /// Table and key.
        key: String,
        /// What is wrong and what to do.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    constants: BTreeMap<String, toml::Value>,
    #[serde(default)]
    templates: BTreeMap<String, String>,
    #[serde(default)]
    ignore: Vec<String>,
}

impl Mapping {
    /// Reads and checks a mapping file.
    ///
    /// # Errors
    /// A file that cannot be read, is not TOML, or names a field that does not exist.
    pub fn load(path: &Path) -> Result<Mapping, MappingError> {
        Mapping::parse(&crate::files::read_text(path)?, path)
    }

    /// Checks the text of a mapping file; `path` is its name for errors.
    ///
    /// # Errors
    /// A text that is not TOML, or names a field that does not exist.
    pub fn parse(text: &str, path: &Path) -> Result<Mapping, MappingError> {
        let file: File = toml::from_str(text).map_err(|error| MappingError::Toml {
            path: path.to_owned(),
            message: crate::input::toml_error(text, &error),
        })?;
        let wrong = |table: &str, key: &str, message: String| MappingError::Key {
            path: path.to_owned(),
            key: format!("{table}.{key}"),
            message,
        };
        let target = |table: &str, key: &str| {
            Target::parse(key).ok_or_else(|| {
                let hint = suggest(key).map_or_else(
                    || "; the fields are listed under `tray-import import --help`".to_owned(),
                    |near| format!("; did you mean \"{near}\"?"),
                );
                wrong(table, key, format!("\"{key}\" is not a field{hint}"))
            })
        };
        let mut mapping = Mapping {
            ignore: file.ignore,
            ..Mapping::default()
        };
        for (left, right) in file.columns {
            let pair = match (Target::parse(&left), Target::parse(&right)) {
                (Some(ours), _) => (right, ours),
                (None, Some(ours)) => (left, ours),
                (None, None) => (right, target("columns", &left)?),
            };
            mapping.columns.push(pair);
        }
        for (key, value) in file.constants {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                _ => {
                    let message = "must be text, a number or true/false".to_owned();
                    return Err(wrong("constants", &key, message));
                }
            };
            mapping.constants.push((target("constants", &key)?, text));
        }
        for (key, text) in file.templates {
            let field = target("templates", &key)?;
            let template =
                Template::parse(&text).map_err(|message| wrong("templates", &key, message))?;
            if !field.is_secret() {
                for name in template.columns() {
                    let source = mapping.target_of(name).or_else(|| Target::parse(name));
                    if source.is_some_and(|t| t.is_secret()) {
                        let message =
                            format!("{{{name}}} is a credential and would end up in plain sight");
                        return Err(wrong("templates", &key, message));
                    }
                }
            }
            mapping.templates.push((field, template));
        }
        Ok(mapping)
    }

    /// What `[columns]` says the export's column fills.
    pub fn target_of(&self, column: &str) -> Option<Target> {
        self.columns
            .iter()
            .find(|(theirs, _)| theirs == column)
            .map(|(_, ours)| ours.clone())
    }

    /// Whether `ignore` names this column.
    pub fn ignores(&self, column: &str) -> bool {
        self.ignore.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => column.starts_with(start),
            None => name == column,
        })
    }

    /// Whether a template reads this column.
    pub fn reads(&self, column: &str) -> bool {
        self.templates
            .iter()
            .any(|(_, template)| template.columns().any(|name| name == column))
    }
}

/// Text with `{column}` in it; `{{` and `}}` stand for the braces themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(String),
}

impl Template {
    fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    plain.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) => name.push(c),
                            None => return Err("a { is never closed".to_owned()),
                        }
                    }
                    if name.is_empty() {
                        return Err("{} names no column".to_owned());
                    }
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Column(name));
                }
                '}' => return Err("a } stands alone; write }} for a brace".to_owned()),
                c => plain.push(c),
            }
        }
        parts.push(Part::Text(plain));
        Ok(Template { parts })
    }

    /// The columns that the template reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text for one row, or `None` where a column that it reads is empty: a half-filled name such
    /// as `sqs for ` would be the same for every such row.
    pub fn fill<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Column(name) => text.push_str(value(name).filter(|v| !v.is_empty())?),
            }
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::fields::Field;

    fn parse(text: &str) -> Result<Mapping, String> {
        Mapping::parse(text, Path::new("m.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn columns_go_either_way_round() {
        for text in [
            "[columns]\nexternalUserId = \"Customer ID\"",
            "[columns]\n\"Customer ID\" = \"externalUserId\"",
        ] {
            let mapping = parse(text).unwrap();
            assert_eq!(
                mapping.columns,
                [(
                    "Customer ID".to_owned(),
                    Target::Field(Field::ExternalUserId)
                )]
            );
        }
    }

    #[test]
    fn mistakes_name_the_file_and_the_key() {
        for (text, part) in [
            (
                "[columns]\nusrName = \"n\"",
                "columns.usrName: \"usrName\" is not a field; did you mean \"userName\"?",
            ),
            ("[constants]\nconnector = [1]", "constants.connector"),
            (
                "[templates]\nauthName = \"{a\"",
                "templates.authName: a { is never closed",
            ),
            ("[templates]\nauthName = \"{data.key}\"", "is a credential"),
            ("colums = 1", "unknown field `colums`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("m.toml") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn templates_fill_or_stay_empty() {
        let template = Template::parse("{connector} for {{{company}}}").unwrap();
        let value = |name: &str| match name {
            "connector" => Some("sqs"),
            "company" => Some("Acme"),
            _ => None,
        };
        assert_eq!(template.fill(value).as_deref(), Some("sqs for {Acme}"));
        assert_eq!(template.fill(|_| Some("")), None);
    }

    #[test]
    fn ignore_takes_a_star_at_the_end() {
        let mapping = parse("ignore = [\"notes\", \"tmp_*\"]").unwrap();
        assert!(mapping.ignores("notes") && mapping.ignores("tmp_1") && !mapping.ignores("note"));
    }
}
