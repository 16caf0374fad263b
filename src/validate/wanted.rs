//! What the schemas of an environment say of each column by itself.

use super::check::Checked;
use super::convert::{Part, convert};
use super::findings;
use crate::catalog::fields;
use crate::catalog::schema::{Schema, Types};
use crate::input::records::Cells;
use crate::issue::Problem;
use crate::json::Tree;
use crate::json::instance::Instance;

/// Where a text comes from: a column, and where its cell is empty, a constant.
#[derive(Clone, Copy)]
pub(super) struct Source<'c> {
    pub(super) column: Option<usize>,
    pub(super) constant: &'c str,
}

impl<'c> Source<'c> {
    #[inline]
    /// The text that a record has there.
    pub(super) fn text<'r>(self, cells: Cells<'r, '_>) -> &'r str
    where
        'c: 'r,
    {
        let cell = self.column.and_then(|column| cells.text(column));
        cell.filter(|cell| !cell.is_empty())
            .unwrap_or(self.constant)
    }
}

/// What a schema says of a column.
pub(super) struct Wanted<'c> {
    pub(super) source: Source<'c>,
    pub(super) required: bool,
    /// The types that a text has to be turned into, where it does not stay text.
    types: Option<Types>,
    field: Option<&'c fields::Field>,
    schema: &'c Schema,
    pub(super) part: Part,
    path: String,
    /// Where in the list of problems it stands what is wrong with a text that fails these keywords.
    known: Vec<(u8, u32)>,
}

/// For [`Wanted::known`]: there is no text.
const MISSING: u8 = u8::MAX;

/// What the schemas of an environment say of the columns; `None` where they say what cannot be told of a column.
/// Columns that may not be filled, or not as they are, are added to `odd`.
pub(super) fn wanted<'c>(
    parts: &[(Source<'c>, Part, String)],
    converts: bool,
    checked: Checked<'c>,
    odd: &mut Vec<Source<'c>>,
) -> Option<Vec<Wanted<'c>>> {
    let mut all = Vec::new();
    for part in [Part::Data, Part::FormData] {
        let schema = match part {
            Part::Data => &checked.environment.credentials,
            Part::FormData => &checked.environment.user_data,
        };
        let fields = schema.fields()?;
        let mut missing: Vec<&String> = fields.required().iter().collect();
        for (source, _, path) in parts.iter().filter(|(_, of, _)| *of == part) {
            let (types, whole) = schema.place(path);
            // dots make an object inside the object
            let nested = path.contains('.') && !whole;
            let field = match fields.field(path) {
                Ok(field) if !nested => field,
                _ => {
                    odd.push(*source);
                    continue;
                }
            };
            let required = missing.contains(&path);
            missing.retain(|name| *name != path);
            let text = types.is_open() || types.allows("string");
            // a constant is text also beside values that are not, and becomes what the schema says
            if !converts && !text && !source.constant.is_empty() {
                odd.push(*source);
                continue;
            }
            all.push(Wanted {
                source: *source,
                required,
                types: Some(types).filter(|_| converts && !text),
                field,
                schema,
                part,
                path: path.clone(),
                known: Vec::new(),
            });
        }
        if !missing.is_empty() {
            return None;
        }
    }
    Some(all)
}

impl Wanted<'_> {
    /// Whether a text is what the schema says of its field.
    pub(super) fn allows(&self, text: &str) -> bool {
        let valid = |instance| {
            self.field
                .is_none_or(|field| field.validator.is_valid(instance))
        };
        let Some(types) = self.types else {
            return valid(Instance::Name(text));
        };
        let mut tree = Tree::default();
        match convert(&mut tree, text.into(), types) {
            Ok(value) => valid(Instance::Value(&tree, value)),
            Err(_) => false,
        }
    }

    /// Where in `problems` it stands what is wrong with a text that is not allowed; `None` where that depends on what
    /// becomes of it.
    pub(super) fn wrong(&mut self, text: &str, problems: &mut Vec<Vec<Problem>>) -> Option<u32> {
        if self.types.is_some() && !text.is_empty() {
            return None;
        }
        let failed = match text {
            "" => Some(MISSING),
            text => self.field?.failed(text),
        };
        let known = self.known.iter().find(|known| Some(known.0) == failed);
        if let Some((_, at)) = known {
            return Some(*at);
        }
        let at = u32::try_from(problems.len()).ok()?;
        problems.push(self.problems(text));
        self.known.extend(failed.map(|failed| (failed, at)));
        Some(at)
    }

    fn problems(&self, text: &str) -> Vec<Problem> {
        let prefix = self.part.name();
        let Some(field) = self.field.filter(|_| !text.is_empty()) else {
            let field = format!("{prefix}.{}", self.path);
            return vec![findings::missing(field)];
        };
        let errors = field.validator.iter_errors(Instance::Name(text));
        let problem = |error| findings::problem(&error, prefix, &self.path, self.schema);
        errors.map(problem).collect()
    }
}
