//! The way out of the process.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::operations::Operation;
use crate::secret::{SecretText, SecretValue};

/// One request.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub call: Call,
    /// On whose behalf: the master token, or an end user's.
    pub token: SecretText,
}

/// What a request asks.
#[derive(Debug)]
pub enum Call {
    /// A GraphQL operation with its variables, which may hold credentials.
    GraphQl {
        /// The document.
        operation: &'static Operation,
        /// Its variables.
        variables: Arc<SecretValue>,
    },
    /// A read of the platform API.
    Get {
        /// The path, from `/core/v1/…` on.
        path: String,
    },
}

impl Call {
    /// The name under which calls of this kind are counted.
    pub fn name(&self) -> &'static str {
        match self {
            Call::GraphQl { operation, .. } => operation.name,
            Call::Get { path } if path.ends_with("/connectors") => "connectors",
            Call::Get { .. } => "environments",
        }
    }
}

/// An answer, whole: headers and body have arrived.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where there is one.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub enum SendError {
    /// The request did not leave: no connection could be made. Nothing has been done.
    NotSent(String),
    /// The request may have arrived: nobody knows what has been done.
    Unknown(String),
}

/// Sends requests. The real one is [`super::http::Http`]; the simulation has its own.
pub trait Transport: Send + Sync + 'static {
    /// Sends one request, once, and waits for the whole answer. Never sends it a second time by itself.
    fn send(&self, request: &Request) -> impl Future<Output = Result<Response, SendError>> + Send;
}
