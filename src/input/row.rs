//! One record of the input in the contract's names: what the file says, before any schema is asked.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::fields::{Field, Target, suggest};
use super::json::{self, JsonError};
use crate::issue::{Code, Problem};
use crate::secret::wipe;

/// A record with every cell and key in its place. Borrows from the block it was read from.
#[derive(Default)]
pub struct Row<'a> {
    texts: [Option<Cow<'a, str>>; Field::ALL.len()],
    /// OAuth scopes; empty where none are given.
    pub scopes: Vec<Cow<'a, str>>,
    /// Hide the authentication in Tray's UI.
    pub hidden: Option<bool>,
    /// Enable the instance once it is complete.
    pub enabled: Option<bool>,
    /// The credentials.
    pub data: Given<'a>,
    /// The fields of Tray's authentication form.
    pub form_data: Given<'a>,
    /// Config slots by External ID; a slot stands here once, and never with `null`.
    pub config: Vec<(Cow<'a, str>, Value)>,
}

/// An object that may come whole (`data`), in pieces (`data.<key>`), or both.
#[derive(Default)]
pub struct Given<'a> {
    /// The object given whole.
    pub whole: Option<Map<String, Value>>,
    /// The pieces: dotted path and value.
    pub pieces: Vec<(Cow<'a, str>, Piece<'a>)>,
}

/// One piece of an object.
pub enum Piece<'a> {
    /// A CSV cell: becomes what the schema names for its path.
    Text(Cow<'a, str>),
    /// A JSON value: is what it is.
    Json(Value),
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        if let Some(map) = &mut self.whole {
            map.values_mut().for_each(wipe);
        }
        for (_, piece) in &mut self.pieces {
            if let Piece::Json(value) = piece {
                wipe(value);
            }
        }
    }
}

impl Given<'_> {
    /// Whether nothing is given at all.
    pub fn is_empty(&self) -> bool {
        self.whole.is_none() && self.pieces.is_empty()
    }
}

impl<'a> Row<'a> {
    /// The text of a plain field; `None` where it is absent or empty.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.texts[field as usize].as_deref()
    }

    /// Whether anything fills `target` yet.
    pub(super) fn fills(&self, target: &Target) -> bool {
        match target {
            Target::Field(Field::Scopes) => !self.scopes.is_empty(),
            Target::Field(Field::Hidden) => self.hidden.is_some(),
            Target::Field(Field::Enabled) => self.enabled.is_some(),
            Target::Field(field) => self.texts[*field as usize].is_some(),
            Target::Data(path) => self.data.fills(path),
            Target::FormData(path) => self.form_data.fills(path),
            Target::Config(slot) | Target::ConfigJson(slot) => {
                self.config.iter().any(|(name, _)| name == slot)
            }
        }
    }

    /// Puts a CSV cell (or a constant, or a filled template) in its place. Empty text is an absent field.
    pub(super) fn put_text(
        &mut self,
        target: &'a Target,
        text: Cow<'a, str>,
        problems: &mut Vec<Problem>,
    ) {
        if text.is_empty() {
            return;
        }
        match target {
            Target::Field(Field::Scopes) => match text {
                Cow::Borrowed(text) => self.scopes.extend(split_scopes(text).map(Cow::Borrowed)),
                Cow::Owned(text) => self
                    .scopes
                    .extend(split_scopes(&text).map(|s| Cow::Owned(s.to_owned()))),
            },
            Target::Field(field @ (Field::Hidden | Field::Enabled)) => match parse_bool(&text) {
                Some(flag) => self.put_flag(*field, flag),
                None => problems.push(Problem::new(
                    field.name(),
                    Code::WrongType,
                    "must be true or false",
                )),
            },
            Target::Field(field) => self.texts[*field as usize] = Some(text),
            Target::Data(path) => self.data.put_text(target, path, text, problems),
            Target::FormData(path) => self.form_data.put_text(target, path, text, problems),
            Target::Config(slot) => {
                let value = Value::String(text.into_owned());
                self.put_config(Cow::Borrowed(slot), value, problems);
            }
            Target::ConfigJson(slot) => match json::parse(text.as_bytes()) {
                Ok(Value::Null) => {}
                Ok(value) => self.put_config(Cow::Borrowed(slot), value, problems),
                Err(error) => problems.push(json_problem(&target.name(), &error)),
            },
        }
    }

    /// Puts a value of a JSON Lines record in its place. `null` is an absent field.
    pub(super) fn put_json(&mut self, target: &Target, value: Value, problems: &mut Vec<Problem>) {
        let wrong = |problems: &mut Vec<Problem>, what: &str| {
            problems.push(Problem::new(
                target.name(),
                Code::WrongType,
                format!("must be {what}"),
            ));
        };
        if !value.is_null() && self.fills(target) {
            problems.push(Problem::new(
                target.name(),
                Code::ConflictingField,
                "two keys of the object fill this field",
            ));
            return;
        }
        match (target, value) {
            (_, Value::Null) => {}
            (Target::Field(Field::Scopes), Value::Array(items)) => {
                for item in items {
                    match item {
                        Value::String(scope) => self.scopes.push(Cow::Owned(scope)),
                        _ => return wrong(problems, "an array of strings"),
                    }
                }
            }
            (Target::Field(Field::Scopes), Value::String(text)) => self
                .scopes
                .extend(split_scopes(&text).map(|s| Cow::Owned(s.to_owned()))),
            (Target::Field(Field::Scopes), _) => wrong(problems, "an array of strings"),
            (Target::Field(field @ (Field::Hidden | Field::Enabled)), Value::Bool(flag)) => {
                self.put_flag(*field, flag);
            }
            (Target::Field(Field::Hidden | Field::Enabled), _) => {
                wrong(problems, "true or false, without quotes");
            }
            (Target::Field(field), Value::String(text)) => {
                if !text.is_empty() {
                    self.texts[*field as usize] = Some(Cow::Owned(text));
                }
            }
            (Target::Field(_), _) => wrong(problems, "a string; write it in quotes"),
            (Target::Data(path), value) => self.data.put_json(target, path, value, problems),
            (Target::FormData(path), value) => {
                self.form_data.put_json(target, path, value, problems);
            }
            (Target::Config(slot) | Target::ConfigJson(slot), value) => {
                self.put_config(Cow::Owned(slot.clone()), value, problems);
            }
        }
    }

    fn put_flag(&mut self, field: Field, flag: bool) {
        match field {
            Field::Hidden => self.hidden = Some(flag),
            _ => self.enabled = Some(flag),
        }
    }

    fn put_config(&mut self, slot: Cow<'a, str>, value: Value, problems: &mut Vec<Problem>) {
        if self.config.iter().any(|(name, _)| *name == slot) {
            problems.push(Problem::new(
                format!("config.{slot}"),
                Code::ConflictingField,
                "the row gives this config slot twice",
            ));
        } else {
            self.config.push((slot, value));
        }
    }
}

impl<'a> Given<'a> {
    fn fills(&self, path: &str) -> bool {
        if path.is_empty() {
            self.whole.is_some()
        } else {
            self.pieces.iter().any(|(name, _)| name == path)
        }
    }

    fn put_text(
        &mut self,
        target: &Target,
        path: &'a str,
        text: Cow<'a, str>,
        problems: &mut Vec<Problem>,
    ) {
        if !path.is_empty() {
            self.pieces.push((Cow::Borrowed(path), Piece::Text(text)));
            return;
        }
        match json::parse(text.as_bytes()) {
            Ok(Value::Null) => {}
            Ok(Value::Object(map)) => self.whole = Some(map),
            Ok(mut other) => {
                wipe(&mut other);
                problems.push(Problem::new(
                    target.name(),
                    Code::BadJson,
                    "must be a JSON object, such as {\"api_key\":\"…\"}",
                ));
            }
            Err(error) => problems.push(json_problem(&target.name(), &error)),
        }
    }

    fn put_json(&mut self, target: &Target, path: &str, value: Value, problems: &mut Vec<Problem>) {
        if !path.is_empty() {
            self.pieces
                .push((Cow::Owned(path.to_owned()), Piece::Json(value)));
            return;
        }
        match value {
            Value::Object(map) => self.whole = Some(map),
            mut other => {
                wipe(&mut other);
                problems.push(Problem::new(
                    target.name(),
                    Code::WrongType,
                    "must be a JSON object",
                ));
            }
        }
    }
}

/// `true` and `false` in any case, as spreadsheets write them; nothing else is guessed at.
pub fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn split_scopes(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|scope| !scope.is_empty())
}

/// The problem of a text that should have been JSON.
pub(super) fn json_problem(field: &str, error: &JsonError) -> Problem {
    match error {
        JsonError::Syntax { column, cause } => Problem::new(
            field.to_owned(),
            Code::BadJson,
            format!("is not valid JSON: {cause} at byte {column}"),
        ),
        JsonError::DuplicateKey(path) => Problem::new(
            inside(field, path),
            Code::DuplicateKey,
            "the key stands twice in the same object; keep one",
        ),
        JsonError::LargeNumber(path) => Problem::new(
            inside(field, path),
            Code::OutOfRange,
            "the number is too large to be kept to its last digit; write it as a string",
        ),
    }
}

fn inside(field: &str, path: &str) -> String {
    if field.is_empty() {
        path.to_owned()
    } else {
        format!("{field}.{path}")
    }
}

/// The problem of a column or key that is not one of the contract's names.
pub(super) fn unknown_field(name: &str, of: &str) -> Problem {
    let hint = suggest(name).map_or_else(
        || "; rename it, or list it under `ignore` in a mapping file".to_owned(),
        |near| format!("; did you mean \"{near}\"?"),
    );
    Problem::new(
        name.to_owned(),
        Code::UnknownField,
        format!("is not a {of} that this tool knows{hint}"),
    )
}
