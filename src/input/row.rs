//! One record of the input in the contract's names: what the file says, before any schema is asked.

use std::borrow::Cow;

use strum::EnumCount as _;
use zeroize::Zeroize;

use super::fields::{Field, Part, Target};
use super::layout::Layout;
use super::mapping::Mapping;
use crate::issue::{Code, Problem};
use crate::json::parse::{JsonError, parse, parse_copy};
use crate::json::{Kind, NodeId, Tree};
use crate::secret::wipe_text;

/// A record with every cell and key where it belongs. Borrows from the block it was read from; one row's memory
/// serves the next.
#[derive(Default)]
pub struct Row<'a> {
    texts: [Option<Cow<'a, str>>; Field::COUNT],
    pub(crate) scopes: Vec<Cow<'a, str>>,
    pub(crate) hidden: Option<bool>,
    pub(crate) enabled: Option<bool>,
    pub(crate) data: Given<'a>,
    pub(crate) form_data: Given<'a>,
    /// Config slots by External ID; a slot stands here once, and never with `null`.
    pub(crate) config: Vec<(Cow<'a, str>, NodeId)>,
    /// The values of all these.
    pub(crate) tree: Tree<'a>,
}

/// An object that may come whole (`data`), in pieces (`data.<key>`), or both.
#[derive(Default)]
pub(crate) struct Given<'a> {
    pub(crate) whole: Option<NodeId>,
    /// By dotted path.
    pub(crate) pieces: Vec<(Cow<'a, str>, Piece<'a>)>,
}

/// One piece of an object.
pub(crate) enum Piece<'a> {
    /// A CSV cell: becomes what the schema names for its path.
    Text(Cow<'a, str>),
    /// A JSON value: is what it is.
    Json(NodeId),
}

impl Given<'_> {
    fn clear(&mut self) {
        self.whole = None;
        for (_, piece) in &mut self.pieces {
            if let Piece::Text(text) = piece {
                wipe_text(text);
            }
        }
        self.pieces.clear();
    }

    fn fills(&self, path: &str) -> bool {
        match path {
            "" => self.whole.is_some(),
            path => self.pieces.iter().any(|(name, _)| name == path),
        }
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<'a> Row<'a> {
    /// The text of a plain field; `None` where it is absent or empty.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.texts[field as usize].as_deref()
    }

    /// The end user's display name.
    pub(crate) fn user_name(&self) -> &str {
        self.text(Field::UserName)
            .or_else(|| self.text(Field::ExternalUserId))
            .unwrap_or_default()
    }

    /// The instance's name.
    pub(crate) fn instance_name(&self) -> &str {
        self.text(Field::InstanceName)
            .unwrap_or_else(|| self.user_name())
    }

    /// The authentication's name.
    pub(crate) fn auth_name(&self) -> Cow<'_, str> {
        let text = |field| self.text(field).unwrap_or_default();
        match self.text(Field::AuthName) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned([text(Field::Connector), text(Field::ExternalUserId)].join(" ")),
        }
    }

    /// Whether a row that was checked has form fields.
    pub(crate) fn has_form_data(&self) -> bool {
        let form = self.form_data.whole;
        form.is_some_and(|form| !self.tree.is_empty(form))
    }

    pub(crate) fn part(&self, part: Part) -> &Given<'a> {
        match part {
            Part::Data => &self.data,
            Part::FormData => &self.form_data,
        }
    }

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

    /// Fills an empty row with the cells of a CSV record, as many as there are columns.
    pub(super) fn fill_from_cells(
        &mut self,
        cells: &[Cow<'a, str>],
        layout: &'a Layout,
        problems: &mut Vec<Problem>,
    ) {
        for (target, cell) in layout.columns.iter().zip(cells) {
            if let Some(target) = target.as_ref().filter(|_| !cell.is_empty()) {
                self.put_text(target, cell.clone(), problems);
            }
        }
        self.fill_up(&layout.mapping, problems, |name| {
            cells.get(layout.column(name)?).map(Cow::as_ref)
        });
    }

    /// Puts the mapping's constants and templates where the record itself gives nothing. `source` has the texts that
    /// templates read.
    pub(super) fn fill_up<'s>(
        &mut self,
        mapping: &'a Mapping,
        problems: &mut Vec<Problem>,
        source: impl Fn(&str) -> Option<&'s str>,
    ) {
        for (target, text) in &mapping.constants {
            if !self.gives(target) {
                self.put_text(target, Cow::Borrowed(text), problems);
            }
        }
        for (target, template) in &mapping.templates {
            if self.gives(target) {
                continue;
            }
            let filled = template.fill(|name| {
                source(name).or_else(|| name.parse().ok().and_then(|field| self.text(field)))
            });
            if let Some(text) = filled {
                self.put_text(target, Cow::Owned(text), problems);
            }
        }
    }

    /// Whether anything fills `target` yet.
    fn fills(&self, target: &Target) -> bool {
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

    /// Whether the record itself gives what `target` is, by itself or in an object that comes whole: then no constant
    /// and no template has a say.
    fn gives(&self, target: &Target) -> bool {
        let inside = |given: &Given<'_>, path: &str| {
            let found = given.whole.map(|object| self.tree.find(object, path));
            found.flatten().is_some()
        };
        self.fills(target)
            || match target {
                Target::Data(path) => inside(&self.data, path),
                Target::FormData(path) => inside(&self.form_data, path),
                _ => false,
            }
    }

    /// Puts a CSV cell (or a constant, or a filled template) where it belongs. Empty text is an absent field.
    fn put_text(&mut self, target: &'a Target, text: Cow<'a, str>, problems: &mut Vec<Problem>) {
        if text.is_empty() {
            return;
        }
        match target {
            Target::Field(Field::Scopes) => self.put_scopes(text),
            Target::Field(field @ (Field::Hidden | Field::Enabled)) => match parse_bool(&text) {
                Some(flag) => self.put_flag(*field, flag),
                None => {
                    let message = "must be true or false";
                    problems.push(Problem::new(field.name(), Code::WrongType, message));
                }
            },
            Target::Field(field) => self.texts[*field as usize] = Some(text),
            Target::Data(path) | Target::FormData(path) if path.is_empty() => {
                match parse_cell(&mut self.tree, text) {
                    Ok(value) if self.tree.is_null(value) => {}
                    Ok(value) if self.tree.is_object(value) => {
                        self.part_of(target).whole = Some(value);
                    }
                    Ok(_) => {
                        let message = "must be a JSON object, such as {\"api_key\":\"…\"}";
                        problems.push(Problem::new(target.name(), Code::BadJson, message));
                    }
                    Err(error) => problems.push(json_problem(&target.name(), &error)),
                }
            }
            Target::Data(path) | Target::FormData(path) => {
                let piece = (Cow::Borrowed(path.as_str()), Piece::Text(text));
                self.part_of(target).pieces.push(piece);
            }
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

    /// Puts a value of a JSON Lines record where it belongs. `null` is an absent field.
    pub(super) fn put_json(&mut self, target: &Target, value: NodeId, problems: &mut Vec<Problem>) {
        if self.tree.is_null(value) {
            return;
        }
        if self.fills(target) {
            let message = "two keys of the object fill this field";
            problems.push(Problem::new(target.name(), Code::ConflictingField, message));
            return;
        }
        let wrong = match (target, self.tree.kind(value)) {
            (Target::Field(Field::Scopes), Kind::Text(text)) => {
                let text = text.clone();
                self.put_scopes(text);
                None
            }
            (Target::Field(Field::Scopes), Kind::Array(_)) => {
                let texts = self
                    .tree
                    .children(value)
                    .map(|item| self.tree.as_text(item));
                match texts.map(|text| text.cloned()).collect() {
                    Some(scopes) => self.scopes = scopes,
                    None => problems.push(wrong_type(target, "an array of strings")),
                }
                None
            }
            (Target::Field(Field::Scopes), _) => Some("an array of strings"),
            (Target::Field(field @ (Field::Hidden | Field::Enabled)), Kind::Bool(flag)) => {
                let flag = *flag;
                self.put_flag(*field, flag);
                None
            }
            (Target::Field(Field::Hidden | Field::Enabled), _) => {
                Some("true or false, without quotes")
            }
            (Target::Field(field), Kind::Text(text)) => {
                let text = Some(text).filter(|text| !text.is_empty());
                self.texts[*field as usize] = text.cloned();
                None
            }
            (Target::Field(_), _) => Some("a string; write it in quotes"),
            (Target::Data(path) | Target::FormData(path), _) if !path.is_empty() => {
                let piece = (Cow::Owned(path.clone()), Piece::Json(value));
                self.part_of(target).pieces.push(piece);
                None
            }
            (Target::Data(_) | Target::FormData(_), Kind::Object(_)) => {
                self.part_of(target).whole = Some(value);
                None
            }
            (Target::Data(_) | Target::FormData(_), _) => Some("a JSON object"),
            (Target::Config(slot) | Target::ConfigJson(slot), _) => {
                self.put_config(Cow::Owned(slot.clone()), value, problems);
                None
            }
        };
        problems.extend(wrong.map(|what| wrong_type(target, what)));
    }

    fn put_flag(&mut self, field: Field, flag: bool) {
        match field {
            Field::Hidden => self.hidden = Some(flag),
            _ => self.enabled = Some(flag),
        }
    }

    /// Scopes in one text, separated by spaces or commas.
    fn put_scopes(&mut self, text: Cow<'a, str>) {
        fn split(text: &str) -> impl Iterator<Item = &str> {
            let scopes = text.split(|c: char| c == ',' || c.is_whitespace());
            scopes.filter(|scope| !scope.is_empty())
        }
        match text {
            Cow::Borrowed(text) => self.scopes.extend(split(text).map(Cow::Borrowed)),
            Cow::Owned(text) => {
                let scopes = split(&text).map(|scope| Cow::Owned(scope.to_owned()));
                self.scopes.extend(scopes);
            }
        }
    }

    /// Puts a config slot's value where it belongs. `null` is an absent one.
    pub(super) fn put_config(
        &mut self,
        slot: Cow<'a, str>,
        value: NodeId,
        problems: &mut Vec<Problem>,
    ) {
        if self.tree.is_null(value) {
            return;
        }
        if self.config.iter().any(|(name, _)| *name == slot) {
            let message = "the row gives this config slot twice";
            let field = format!("config.{slot}");
            problems.push(Problem::new(field, Code::ConflictingField, message));
        } else {
            self.config.push((slot, value));
        }
    }

    fn part_of(&mut self, target: &Target) -> &mut Given<'a> {
        match target {
            Target::FormData(_) => &mut self.form_data,
            _ => &mut self.data,
        }
    }
}

fn wrong_type(target: &Target, what: &str) -> Problem {
    Problem::new(target.name(), Code::WrongType, format!("must be {what}"))
}

/// JSON in a CSV cell. Where the cell is a copy already, so is what comes of it.
pub(crate) fn parse_cell<'a>(tree: &mut Tree<'a>, text: Cow<'a, str>) -> Result<NodeId, JsonError> {
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
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") {
        Some(true)
    } else {
        is("false").then_some(false)
    }
}

/// The problem of a text that should have been JSON.
pub(super) fn json_problem(field: &str, error: &JsonError) -> Problem {
    let inside = |path: &str| match field {
        "" => path.to_owned(),
        field => format!("{field}.{path}"),
    };
    match error {
        JsonError::Syntax { column, cause } => {
            let message = format!("is not valid JSON: {cause} at byte {column}");
            Problem::new(field.to_owned(), Code::BadJson, message)
        }
        JsonError::DuplicateKey(path) => {
            let message = "the key stands twice in the same object; keep one";
            Problem::new(inside(path), Code::DuplicateKey, message)
        }
        JsonError::LargeNumber(path) => {
            let message =
                "the number is too large to be kept to its last digit; write it as a string";
            Problem::new(inside(path), Code::OutOfRange, message)
        }
    }
}
