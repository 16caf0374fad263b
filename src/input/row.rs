//! One record of the input in the contract's names: what the file says, before any schema is asked.

use std::borrow::Cow;

use zeroize::Zeroize;

use super::fields::{Field, Target, Texts, suggest};
use crate::issue::{Code, Problem};
use crate::json::parse::{JsonError, parse, parse_copy};
use crate::json::{Kind, Place, Tree};
use crate::secret::wipe_text;

/// A record with every cell and key in its place. Borrows from the block it was read from; one row's memory
/// serves the next.
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
    pub config: Vec<(Cow<'a, str>, Place)>,
    /// The values of all these.
    pub tree: Tree<'a>,
}

/// An object that may come whole (`data`), in pieces (`data.<key>`), or both.
#[derive(Default)]
pub struct Given<'a> {
    /// The object given whole.
    pub whole: Option<Place>,
    /// The pieces: dotted path and value.
    pub pieces: Vec<(Cow<'a, str>, Piece<'a>)>,
}

/// One piece of an object.
pub enum Piece<'a> {
    /// A CSV cell: becomes what the schema names for its path.
    Text(Cow<'a, str>),
    /// A JSON value: is what it is.
    Json(Place),
}

impl Given<'_> {
    /// Whether nothing is given at all.
    pub fn is_empty(&self) -> bool {
        self.whole.is_none() && self.pieces.is_empty()
    }

    fn clear(&mut self) {
        self.whole = None;
        for (_, piece) in &mut self.pieces {
            if let Piece::Text(text) = piece {
                wipe_text(text);
            }
        }
        self.pieces.clear();
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Texts for Row<'_> {
    fn text(&self, field: Field) -> Option<&str> {
        self.texts[field as usize].as_deref()
    }
}

impl<'a> Row<'a> {
    /// Makes room for the next record; copies of credentials are wiped.
    pub(super) fn clear(&mut self) {
        self.texts = Default::default();
        self.scopes.clear();
        (self.hidden, self.enabled) = (None, None);
        self.data.clear();
        self.form_data.clear();
        self.config.clear();
        self.tree.clear();
    }

    /// Config slots and their values by the slots' External IDs, whatever order the file has them in.
    pub fn config_by_slot(&self) -> Vec<&(Cow<'a, str>, Place)> {
        let mut config: Vec<_> = self.config.iter().collect();
        config.sort_by(|(a, _), (b, _)| a.cmp(b));
        config
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

    /// Whether the row itself gives what `target` is, by itself or in an object that comes whole: then no constant and
    /// no template has a say.
    pub(super) fn gives(&self, target: &Target) -> bool {
        let whole = match target {
            Target::Data(_) => self.data.whole,
            Target::FormData(_) => self.form_data.whole,
            _ => None,
        };
        let inside = |path: &String| {
            whole.is_some_and(|object| super::lines::lookup(&self.tree, object, path).is_some())
        };
        self.fills(target)
            || matches!(target, Target::Data(path) | Target::FormData(path) if inside(path))
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
            Target::Data(path) | Target::FormData(path) if !path.is_empty() => {
                let piece = (Cow::Borrowed(path.as_str()), Piece::Text(text));
                self.given(target).pieces.push(piece);
            }
            Target::Data(_) | Target::FormData(_) => self.put_whole(target, text, problems),
            Target::Config(slot) => {
                let value = self.tree.text(text);
                self.put_config(Cow::Borrowed(slot), value, problems);
            }
            Target::ConfigJson(slot) => match parse_cell(&mut self.tree, text) {
                Ok(value) => self.put_config(Cow::Borrowed(slot), value, problems),
                Err(error) => problems.push(json_problem(&target.name(), &error)),
            },
        }
    }

    fn put_whole(&mut self, target: &Target, text: Cow<'a, str>, problems: &mut Vec<Problem>) {
        match parse_cell(&mut self.tree, text) {
            Ok(value) if self.tree.is_null(value) => {}
            Ok(value) if self.tree.is_object(value) => self.given(target).whole = Some(value),
            Ok(_) => problems.push(Problem::new(
                target.name(),
                Code::BadJson,
                "must be a JSON object, such as {\"api_key\":\"…\"}",
            )),
            Err(error) => problems.push(json_problem(&target.name(), &error)),
        }
    }

    /// Puts a value of a JSON Lines record in its place. `null` is an absent field.
    pub(super) fn put_json(&mut self, target: &Target, value: Place, problems: &mut Vec<Problem>) {
        if self.tree.is_null(value) {
            return;
        }
        if self.fills(target) {
            problems.push(Problem::new(
                target.name(),
                Code::ConflictingField,
                "two keys of the object fill this field",
            ));
            return;
        }
        let wrong = match target {
            Target::Field(Field::Scopes) => {
                (!self.put_scopes(value)).then_some("an array of strings")
            }
            Target::Field(field @ (Field::Hidden | Field::Enabled)) => {
                match self.tree.kind(value) {
                    Kind::Bool(flag) => {
                        self.put_flag(*field, *flag);
                        None
                    }
                    _ => Some("true or false, without quotes"),
                }
            }
            Target::Field(field) => match self.tree.as_text(value) {
                Some(text) => {
                    let text = Some(text).filter(|text| !text.is_empty());
                    self.texts[*field as usize] = text.cloned();
                    None
                }
                None => Some("a string; write it in quotes"),
            },
            Target::Data(path) | Target::FormData(path) if !path.is_empty() => {
                let piece = (Cow::Owned(path.to_owned()), Piece::Json(value));
                self.given(target).pieces.push(piece);
                None
            }
            Target::Data(_) | Target::FormData(_) if self.tree.is_object(value) => {
                self.given(target).whole = Some(value);
                None
            }
            Target::Data(_) | Target::FormData(_) => Some("a JSON object"),
            Target::Config(slot) | Target::ConfigJson(slot) => {
                self.put_config(Cow::Owned(slot.clone()), value, problems);
                None
            }
        };
        if let Some(what) = wrong {
            problems.push(Problem::new(
                target.name(),
                Code::WrongType,
                format!("must be {what}"),
            ));
        }
    }

    fn put_scopes(&mut self, value: Place) -> bool {
        match self.tree.kind(value) {
            Kind::Array(_) => {
                for item in self.tree.children(value) {
                    match self.tree.as_text(item) {
                        Some(scope) => self.scopes.push(scope.clone()),
                        None => return false,
                    }
                }
            }
            Kind::Text(Cow::Borrowed(text)) => {
                self.scopes.extend(split_scopes(text).map(Cow::Borrowed));
            }
            Kind::Text(Cow::Owned(text)) => {
                let owned = |scope: &str| Cow::Owned(scope.to_owned());
                self.scopes.extend(split_scopes(text).map(owned));
            }
            _ => return false,
        }
        true
    }

    fn put_flag(&mut self, field: Field, flag: bool) {
        match field {
            Field::Hidden => self.hidden = Some(flag),
            _ => self.enabled = Some(flag),
        }
    }

    /// Puts a config slot's value in its place. `null` is an absent one.
    pub(super) fn put_config(
        &mut self,
        slot: Cow<'a, str>,
        value: Place,
        problems: &mut Vec<Problem>,
    ) {
        if self.tree.is_null(value) {
            return;
        }
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

    fn given(&mut self, target: &Target) -> &mut Given<'a> {
        match target {
            Target::FormData(_) => &mut self.form_data,
            _ => &mut self.data,
        }
    }
}

impl Given<'_> {
    fn fills(&self, path: &str) -> bool {
        if path.is_empty() {
            self.whole.is_some()
        } else {
            self.pieces.iter().any(|(name, _)| name == path)
        }
    }
}

/// JSON in a CSV cell. Where the cell is a copy already, so is what comes of it.
pub fn parse_cell<'a>(tree: &mut Tree<'a>, text: Cow<'a, str>) -> Result<Place, JsonError> {
    match text {
        Cow::Borrowed(text) => parse(tree, text),
        Cow::Owned(mut text) => {
            let parsed = parse_copy(tree, &text);
            text.zeroize();
            parsed
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
