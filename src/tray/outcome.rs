//! Every way in which a call can end.
//!
//! The question that matters is not whether a call succeeded but what it says about what Tray has done:
//! surely done, surely not done, or open. Only what is surely not done is ever sent again.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::operations::Operation;
use super::transport::{Response, SendError};

/// A call that brought no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Never left. Nothing was done.
    NotSent(String),
    /// Refused for coming too fast: not executed (`tray-api.md` 5.1).
    Throttled(Option<Duration>),
    /// The token was refused: not executed.
    TokenRefused {
        /// The server's words.
        message: String,
        /// Whether the gateway said so (HTTP 401 or 403), rather than a GraphQL error that merely reads
        /// like it.
        by_gateway: bool,
    },
    /// Tray said no. Nothing was done, and asking again gives the same answer.
    Refused(String),
    /// Nobody knows whether it was done.
    Open(String),
}

impl Trouble {
    /// The same with another text.
    #[must_use]
    pub(super) fn map_text(self, change: impl FnOnce(String) -> String) -> Trouble {
        match self {
            Trouble::NotSent(text) => Trouble::NotSent(change(text)),
            Trouble::Refused(text) => Trouble::Refused(change(text)),
            Trouble::Open(text) => Trouble::Open(change(text)),
            Trouble::TokenRefused {
                message,
                by_gateway,
            } => Trouble::TokenRefused {
                message: change(message),
                by_gateway,
            },
            Trouble::Throttled(retry_after) => Trouble::Throttled(retry_after),
        }
    }
}

/// Why a question has no answer that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    #[error("Tray refused the master token ({0})")]
    Token(String),
    #[error("{0}")]
    Refused(String),
    #[error("Tray gives no answer: {0}")]
    NoAnswer(String),
    /// The answer is not of the documented form.
    #[error("Tray's answer to {path} has no list of {what} in it")]
    Form { path: String, what: &'static str },
}

impl From<Trouble> for ReadError {
    fn from(trouble: Trouble) -> ReadError {
        match trouble {
            Trouble::TokenRefused { message, .. } => ReadError::Token(message),
            Trouble::Refused(why) => ReadError::Refused(why),
            Trouble::NotSent(why) | Trouble::Open(why) => ReadError::NoAnswer(why),
            Trouble::Throttled(_) => ReadError::NoAnswer("throttled".to_owned()),
        }
    }
}

/// What the server's answer, or its absence, says. `Ok` is the answer's `data`.
///
/// A creation that happened must never be sent again, so what its answer says of the creation goes before what it
/// says of itself: with the new id in it, it is a success whatever errors and whatever status stand beside it, and
/// with anything else where the payload belongs, it is open at best.
///
/// # Errors
/// Every ending but a whole answer without errors.
pub fn of_graphql(
    operation: &Operation,
    answer: Result<Response, SendError>,
) -> Result<Value, Trouble> {
    let response = received(answer)?;
    let text = &response.body;
    let whole: Option<Value> = serde_json::from_slice(text).ok();
    if let Some(root) = operation.new_id.and_then(<[&str]>::first) {
        let data = whole.as_ref().map(|whole| &whole["data"]);
        if let Some(data) = data.filter(|data| operation.created(data).is_some()) {
            return Ok(data.clone());
        }
        let begun = match &whole {
            Some(whole) => !whole["data"][root].is_null() || !whole[root].is_null(),
            None => memchr::memmem::find(text, root.as_bytes()).is_some(),
        };
        if begun {
            return Err(Trouble::Open(format!(
                "HTTP {}: the answer holds a part of what was created, but no id",
                response.status
            )));
        }
    }
    let body: Option<Body> = whole.and_then(|whole| serde_json::from_value(whole).ok());
    let errors = body.as_ref().map_or(&[][..], |body| body.errors.as_slice());
    // raised at a root field, before its resolver did anything; inside a payload it comes after the effect
    let limited = !errors.is_empty()
        && errors
            .iter()
            .all(|e| is_rate_limit(&e.message) && !e.is_inside());
    let message = || describe(body.as_ref(), response.status);
    match response.status {
        429 => Err(Trouble::Throttled(response.retry_after)),
        ..500 if limited => Err(Trouble::Throttled(response.retry_after)),
        200..=299 => match body {
            Some(body) if body.errors.is_empty() => {
                body.data.filter(|data| !data.is_null()).ok_or_else(|| {
                    Trouble::Open("the answer holds neither data nor errors".to_owned())
                })
            }
            Some(body) => Err(of_errors(&body.errors)),
            None => Err(Trouble::Open("the answer is not GraphQL".to_owned())),
        },
        300..=399 => Err(Trouble::Refused(format!(
            "the endpoint answers with a redirect (HTTP {}), which is not followed; check --endpoint and --region",
            response.status
        ))),
        status => Err(of_status(status, message())),
    }
}

/// The same for a read of the platform API; `Ok` is the body.
///
/// # Errors
/// Every ending but a whole answer with a 2xx status.
pub fn of_get(answer: Result<Response, SendError>) -> Result<Value, Trouble> {
    let response = received(answer)?;
    match response.status {
        200..=299 => serde_json::from_slice(&response.body)
            .map_err(|_| Trouble::Open("the answer is not JSON".to_owned())),
        429 => Err(Trouble::Throttled(response.retry_after)),
        status => {
            let body: Option<Body> = serde_json::from_slice(&response.body).ok();
            Err(of_status(status, describe(body.as_ref(), status)))
        }
    }
}

/// What a status says by itself, but for success and throttling.
fn of_status(status: u16, message: String) -> Trouble {
    match status {
        401 | 403 => Trouble::TokenRefused {
            message,
            by_gateway: true,
        },
        408 | 500.. => Trouble::Open(message),
        _ => Trouble::Refused(message),
    }
}

fn received(answer: Result<Response, SendError>) -> Result<Response, Trouble> {
    answer.map_err(|error| match error {
        SendError::NotSent(why) => Trouble::NotSent(why),
        SendError::Unknown(why) => Trouble::Open(why),
    })
}

#[derive(Deserialize)]
struct Body {
    data: Option<Value>,
    #[serde(default, deserialize_with = "null_is_none")]
    errors: Vec<GraphQlError>,
    message: Option<String>,
}

/// Some servers write `"errors": null` beside good data.
fn null_is_none<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<GraphQlError>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
struct GraphQlError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    path: Option<Vec<Value>>,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    #[serde(default)]
    code: Option<Value>,
}

/// Several errors are as uncertain as the most uncertain of them.
fn of_errors(errors: &[GraphQlError]) -> Trouble {
    let message = errors
        .iter()
        .map(|e| e.message.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    if errors.iter().any(GraphQlError::may_be_done) {
        return Trouble::Open(message);
    }
    if errors.iter().all(|e| is_token_trouble(&e.message)) {
        return Trouble::TokenRefused {
            message,
            by_gateway: false,
        };
    }
    Trouble::Refused(message)
}

impl GraphQlError {
    fn is_inside(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.len() > 1)
    }

    /// An error inside a payload comes after the effect; an error of the server's own, at any time.
    fn may_be_done(&self) -> bool {
        let code = self
            .extensions
            .as_ref()
            .and_then(|e| e.code.as_ref()?.as_str());
        const PARTS: [&str; 5] = [
            "internal server error",
            "internal error",
            "timed out",
            "timeout",
            "unexpected error",
        ];
        self.is_inside()
            || code.is_some_and(|code| code.eq_ignore_ascii_case("internal_server_error"))
            || says(&self.message, &PARTS)
    }
}

/// By the message: the code of the published error reads like one of permissions (`tray-api.md` 5.1).
fn is_rate_limit(message: &str) -> bool {
    says(message, &["rate limit exceeded", "too many requests"])
}

/// Whether a message says one of these things. A long one does not count: it may quote the input, and the
/// input may hold any words.
fn says(message: &str, parts: &[&str]) -> bool {
    let text = message.to_ascii_lowercase();
    message.len() <= 120 && parts.iter().any(|part| text.contains(part))
}

fn is_token_trouble(message: &str) -> bool {
    const PARTS: [&str; 9] = [
        "unauthorized",
        "unauthorised",
        "unauthenticated",
        "not authenticated",
        "not authorized to access this resource",
        "invalid token",
        "token expired",
        "token has expired",
        "expired token",
    ];
    says(message, &PARTS)
}

fn describe(body: Option<&Body>, status: u16) -> String {
    let said = body.and_then(|body| {
        let first = body.errors.first().map(|error| error.message.clone());
        first.or_else(|| body.message.clone())
    });
    match said {
        Some(message) => format!("HTTP {status}: {message}"),
        None => format!("HTTP {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::tray::operations::{
        CREATE_EXTERNAL_USER, CREATE_SOLUTION_INSTANCE, CREATE_USER_AUTHENTICATION, USERS,
    };

    fn outcome(operation: &Operation, status: u16, body: &str) -> Result<Value, Trouble> {
        let answer = Response {
            status,
            retry_after: None,
            body: body.as_bytes().to_vec(),
        };
        of_graphql(operation, Ok(answer))
    }

    fn named(outcome: &Result<Value, Trouble>) -> &'static str {
        match outcome {
            Ok(_) => "ok",
            Err(Trouble::NotSent(_)) => "not sent",
            Err(Trouble::Throttled(_)) => "throttled",
            Err(Trouble::TokenRefused {
                by_gateway: true, ..
            }) => "token",
            Err(Trouble::TokenRefused { .. }) => "token?",
            Err(Trouble::Refused(_)) => "refused",
            Err(Trouble::Open(_)) => "open",
        }
    }

    /// The class of an answer, which is the same for a question and for a creation.
    fn class(status: u16, body: &Value) -> &'static str {
        let body = body.to_string();
        let of = |operation| named(&outcome(operation, status, &body));
        assert_eq!(of(&USERS), of(&CREATE_SOLUTION_INSTANCE), "{status} {body}");
        of(&USERS)
    }

    #[test]
    fn every_status_has_its_class() {
        let flat = json!({"message": "words"});
        let mut table = Vec::new();
        for status in 200..600 {
            let class = class(status, &flat);
            match table.last_mut() {
                Some((_, to, last)) if *last == class => *to = status,
                _ => table.push((status, status, class)),
            }
        }
        assert_eq!(
            table,
            [
                (200, 299, "open"),
                (300, 400, "refused"),
                (401, 401, "token"),
                (402, 402, "refused"),
                (403, 403, "token"),
                (404, 407, "refused"),
                (408, 408, "open"),
                (409, 428, "refused"),
                (429, 429, "throttled"),
                (430, 499, "refused"),
                (500, 599, "open"),
            ]
        );
    }

    #[test]
    fn errors_within_200_are_told_apart() {
        let published = json!({"data": null, "errors": [{"message": "Rate limit exceeded", "path": ["users"],
            "extensions": {"name": "PreconditionError", "code": "access_not_allowed"}}]});
        let error = |message: &str, path: Value, code: &str| json!({"data": null, "errors": [{"message": message, "path": path, "extensions": {"code": code}}]});
        let root = || json!(["createUserAuthentication"]);
        for (body, want) in [
            (json!({"data": {"users": {}}}), "ok"),
            (json!({"data": {"users": {}}, "errors": null}), "ok"),
            (
                error(
                    "Rate limit exceeded",
                    json!(["createSolutionInstance", "id"]),
                    "",
                ),
                "open",
            ),
            (published, "throttled"),
            (error("Unknown slot", root(), "bad_input"), "refused"),
            (
                error("Not allowed here", root(), "access_not_allowed"),
                "refused",
            ),
            (error("Token expired", root(), "x"), "token?"),
            (error("boom", root(), "INTERNAL_SERVER_ERROR"), "open"),
            (error("Internal server error", root(), ""), "open"),
            (
                error(
                    "null",
                    json!(["createSolutionInstance", "solutionInstance"]),
                    "",
                ),
                "open",
            ),
            (json!({"errors": [{"message": "Unknown field"}]}), "refused"),
            (json!({"data": null}), "open"),
            (json!({}), "open"),
        ] {
            assert_eq!(class(200, &body), want, "{body}");
        }
        assert_eq!(
            class(
                400,
                &json!({"errors": [{"message": "rate limit exceeded"}]})
            ),
            "throttled"
        );
    }

    #[test]
    fn a_garbled_answer_leaves_the_outcome_open() {
        for status in [200, 401, 403, 404, 429, 500] {
            let answer = outcome(
                &CREATE_EXTERNAL_USER,
                status,
                "{\"data\":{\"createExternalUser",
            );
            assert_eq!(named(&answer), "open", "{status}");
        }
        assert_eq!(named(&outcome(&USERS, 200, "{\"data\":{\"us")), "open");
    }

    fn creations() -> [(&'static Operation, Value); 3] {
        let instance = json!({"solutionInstance": {"id": "new"}, "errors": [{"message": "no"}]});
        [
            (
                &CREATE_EXTERNAL_USER,
                json!({"createExternalUser": {"userId": "new"}}),
            ),
            (
                &CREATE_USER_AUTHENTICATION,
                json!({"createUserAuthentication": {"authenticationId": "new"}}),
            ),
            (
                &CREATE_SOLUTION_INSTANCE,
                json!({"createSolutionInstance": instance}),
            ),
        ]
    }

    #[test]
    fn an_answer_with_the_new_id_is_a_success_whatever_stands_beside_it() {
        let beside = [
            json!([]),
            json!([{"message": "Rate limit exceeded", "path": ["createExternalUser"]}]),
            json!([{"message": "Unauthorized"}]),
            json!([{"message": "Internal server error", "path": ["other", "field"]}]),
            // forms that no GraphQL server should use
            json!({"message": "an object"}),
            json!("text"),
            json!([{"message": null, "path": "text"}]),
        ];
        for (operation, data) in creations() {
            for errors in &beside {
                for status in [200, 201, 302, 400, 401, 403, 408, 429, 500, 502, 504] {
                    let body =
                        json!({"data": data, "errors": errors, "message": "Too Many Requests"});
                    let answer = outcome(operation, status, &body.to_string());
                    let id = answer
                        .as_ref()
                        .ok()
                        .and_then(|data| operation.created(data));
                    assert_eq!(id, Some("new"), "{status} {body}");
                }
            }
        }
    }

    #[test]
    fn an_answer_with_a_part_of_what_was_created_is_open() {
        for (operation, data) in creations() {
            let root = operation.name;
            for status in [200, 401, 403, 404, 429, 500] {
                for body in [
                    json!({"data": {root: {}}, "errors": [{"message": "Rate limit exceeded"}]}),
                    json!({"data": {root: {"solutionInstance": null}}, "errors": [{"message": "Unauthorized"}]}),
                    json!({"data": {root: {"userId": "", "authenticationId": 7}}}),
                    // without `data` around it
                    data.clone(),
                ] {
                    let answer = outcome(operation, status, &body.to_string());
                    assert_eq!(named(&answer), "open", "{status} {body}");
                }
            }
        }
    }
}
