//! The GraphQL schema, under Tray's names and with Tray's nullability.
//!
//! Nullability matters: a root field that may not be null takes all of `data` with it when it fails, which is how a
//! batch of mutations loses the ids of those that succeeded. juniper propagates nulls as the specification says.

mod connections;
mod context;
mod hidden;
mod inputs;
mod mutation;
mod nodes;
mod outline;
mod payloads;
mod query;
mod scalars;

use juniper::{EmptySubscription, RootNode};

use super::behaviour::{Behaviour, Introspection};
pub(super) use context::{Context, Shared, error_extensions};
pub(super) use hidden::Hidden;
pub(super) use outline::{Outline, Unreadable};

/// Tray's schema.
pub(super) type Schema = RootNode<query::Query, mutation::Mutation, EmptySubscription<Context>>;

/// Builds the schema. Do it once: it is not cheap.
pub(super) fn build(behaviour: &Behaviour) -> Schema {
    let schema = Schema::new(query::Query, mutation::Mutation, EmptySubscription::new());
    match behaviour.introspection {
        Introspection::Allowed => schema,
        Introspection::Refused => schema.disable_introspection(),
    }
}

/// The schema in its own language, everything exposed.
pub fn sdl() -> String {
    build(&Behaviour::default()).as_sdl()
}
