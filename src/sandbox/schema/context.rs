//! What resolvers reach: the model, the caller, the time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use juniper::{FieldError, FieldResult, Value, graphql_value};

use super::super::behaviour::Behaviour;
use super::super::model::{Caller, Model, Refusal};
use super::super::platform::Offer;

/// What all requests share.
#[derive(Debug)]
pub struct Shared {
    pub model: Arc<Mutex<Model>>,
    pub behaviour: Arc<Behaviour>,
    pub offer: Arc<Offer>,
    /// The wall clock's time at which the model's time is zero.
    pub started: Timestamp,
}

impl Shared {
    /// The model, for as long as it takes to ask it one thing.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wall clock's time at a time of the model.
    pub fn timestamp(&self, at: Duration) -> Timestamp {
        self.started.checked_add(at).unwrap_or(Timestamp::MAX)
    }
}

/// What one request's resolvers see.
#[derive(Debug)]
pub struct Context {
    pub shared: Arc<Shared>,
    pub caller: Caller,
    pub now: Duration,
}

impl juniper::Context for Context {}

impl Context {
    /// Runs one operation; a refusal becomes a field error.
    pub fn run<T>(
        &self,
        operation: impl FnOnce(&mut Model) -> Result<T, Refusal>,
    ) -> FieldResult<T> {
        let result = operation(&mut self.shared.model());
        result.map_err(|refusal| {
            let extensions = error_extensions(
                refusal.name(),
                refusal.code(),
                self.shared.timestamp(self.now),
            );
            FieldError::new(refusal, extensions)
        })
    }
}

/// The `extensions` of an error, in the form of the published one.
pub fn error_extensions(name: &str, code: &str, thrown: Timestamp) -> Value {
    let thrown = format!("{thrown:.3}");
    graphql_value!({ "name": name, "time_thrown": thrown, "code": code })
}
