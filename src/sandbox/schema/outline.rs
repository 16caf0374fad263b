//! What a request is about, read from its document before anything is executed: its root fields.
//!
//! Gateways, limits, faults and counters work on these.

use juniper::http::GraphQLRequest;
use juniper::parser::{SourcePosition, parse_document_source};
use juniper::{DefaultScalarValue, Definition, GraphQLError, Selection};

use super::Schema;
use super::hidden::Hidden;

/// A field of the document's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootField {
    /// Its name in the schema.
    pub name: String,
    /// Its key in the answer: the alias, or the name.
    pub key: String,
    /// Line and column in the document, from 1.
    pub place: (usize, usize),
}

/// The root fields of the operation that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub fields: Vec<RootField>,
}

/// Why a document has no outline.
#[derive(Debug)]
pub enum Unreadable {
    /// It does not parse.
    Syntax(GraphQLError),
    /// It names something that the schema is set to be without.
    Unknown(String),
}

impl Outline {
    /// Reads the request's document.
    pub fn read(
        request: &GraphQLRequest,
        schema: &Schema,
        hidden: &Hidden,
    ) -> Result<Self, Unreadable> {
        let document = parse_document_source(&request.query, &schema.schema)
            .map_err(|error| Unreadable::Syntax(GraphQLError::ParseError(error)))?;
        if let Some(name) = hidden.named_in(&document, request.variables.as_ref()) {
            return Err(Unreadable::Unknown(name));
        }
        let wanted = request.operation_name.as_deref();
        let operation = document.iter().find_map(|definition| match definition {
            Definition::Operation(operation) => {
                let name = operation.item.name.as_ref().map(|name| name.item);
                (wanted.is_none() || name == wanted).then_some(&operation.item)
            }
            Definition::Fragment(_) => None,
        });
        let mut outline = Self::default();
        if let Some(operation) = operation {
            outline.collect(&operation.selection_set, &document, &mut Vec::new());
        }
        Ok(outline)
    }

    /// Collects fields, those of fragments too; each fragment once, since nothing has forbidden circles yet.
    fn collect<'a>(
        &mut self,
        selections: &[Selection<'a, DefaultScalarValue>],
        document: &[Definition<'a, DefaultScalarValue>],
        spread: &mut Vec<&'a str>,
    ) {
        for selection in selections {
            match selection {
                Selection::Field(field) => self.fields.push(RootField {
                    name: field.item.name.item.to_owned(),
                    key: field
                        .item
                        .alias
                        .as_ref()
                        .unwrap_or(&field.item.name)
                        .item
                        .to_owned(),
                    place: place(&field.span.start),
                }),
                Selection::InlineFragment(fragment) => {
                    self.collect(&fragment.item.selection_set, document, spread);
                }
                Selection::FragmentSpread(fragment) => {
                    let name = fragment.item.name.item;
                    if spread.contains(&name) {
                        continue;
                    }
                    spread.push(name);
                    let fragment = document.iter().find_map(|definition| match definition {
                        Definition::Fragment(fragment) if fragment.item.name.item == name => {
                            Some(&fragment.item)
                        }
                        _ => None,
                    });
                    if let Some(fragment) = fragment {
                        self.collect(&fragment.selection_set, document, spread);
                    }
                }
            }
        }
    }

    /// The names of the root fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &*field.name)
    }
}

fn place(position: &SourcePosition) -> (usize, usize) {
    (position.line() + 1, position.column() + 1)
}
