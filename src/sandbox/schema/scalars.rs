//! The scalars that Tray adds to GraphQL's own.

use jiff::Timestamp;
use juniper::{GraphQLScalar, Scalar, ScalarValue, graphql_scalar};

use super::super::model;

/// In practice a string that holds JSON text.
#[graphql_scalar]
#[graphql(with = json, parse_token(String, i32, f64))]
pub type Json = model::Json;

mod json {
    use super::*;

    pub(super) fn to_output(json: &Json) -> &str {
        match json {
            Json::Text(text) | Json::Bare(text) => text,
        }
    }

    pub(super) fn from_input<S: ScalarValue>(scalar: &Scalar<S>) -> Json {
        match scalar.try_as_str() {
            Some(text) => Json::Text(text.into()),
            None => Json::Bare(scalar.to_string()),
        }
    }
}

/// ISO 8601, UTC.
#[derive(Clone, Debug, GraphQLScalar)]
#[graphql(parse_token(String))]
pub struct DateTime(pub Timestamp);

impl DateTime {
    fn to_output(&self) -> impl std::fmt::Display {
        format!("{:.3}", self.0)
    }

    fn from_input(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: jiff::Error| error.to_string())
    }
}
