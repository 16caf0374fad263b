//! One request from its bytes to its answer: token, limit, execution, and what goes wrong on the way.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use juniper::ValidatedOperation;
use juniper::http::{GraphQLRequest, GraphQLResponse};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Setup;
use super::answer::{Answer, dropped, garbage};
use super::behaviour::{Behaviour, RemovalToken, ThrottleForm, UnauthorizedForm, ValidationStatus};
use super::counters::{Counters, count};
use super::faults::{FaultKind, FaultPlan};
use super::limit::Limiter;
use super::model::{Caller, Model, Refusal};
use super::platform::Offer;
use super::schema::{self, Context, Hidden, Outline, Schema, Shared, Unreadable};

/// What all connections share.
pub(super) struct Service {
    pub shared: Arc<Shared>,
    schema: Schema,
    hidden: Hidden,
    gate: Mutex<Gate>,
    counters: Mutex<Counters>,
    late: watch::Sender<usize>,
    clock: Instant,
    latency: Duration,
    hang_for: Duration,
    late_by: Duration,
}

/// What decides over requests before the model sees them.
#[derive(Debug)]
struct Gate {
    plan: FaultPlan,
    limiter: Option<Limiter>,
    throttled: u64,
}

/// What became of a bearer token.
enum Token {
    Missing,
    Refused,
    Of(Caller),
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    pub fn new(setup: Setup) -> Self {
        let behaviour = Arc::new(setup.behaviour);
        let offer = Arc::new(Offer::new(setup.platform));
        let (offered, switches) = (Arc::clone(&offer), Arc::clone(&behaviour));
        let mut model = Model::with_offer(offered, switches, &setup.master_token, setup.seed);
        if let Some(check) = setup.credential_check {
            model.set_credential_check(check);
        }
        Self {
            schema: schema::build(&behaviour),
            hidden: Hidden::new(&behaviour),
            shared: Arc::new(Shared {
                model: Arc::new(Mutex::new(model)),
                behaviour,
                offer,
                started: Timestamp::now(),
            }),
            counters: Mutex::default(),
            late: watch::Sender::new(0),
            clock: Instant::now(),
            latency: setup.latency,
            hang_for: setup.faults.hang_for,
            late_by: setup.faults.late_by,
            gate: Mutex::new(Gate {
                plan: FaultPlan::new(setup.faults, setup.seed),
                limiter: setup.limit.map(Limiter::new),
                throttled: 0,
            }),
        }
    }

    pub fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Late commits under way.
    pub fn pending(&self) -> usize {
        *self.late.borrow()
    }

    pub async fn settled(&self) {
        // The sender lives as long as this does.
        let _ = self
            .late
            .subscribe()
            .wait_for(|&pending| pending == 0)
            .await;
    }

    /// Answers a GraphQL request, or fails to in the way that the fault plan says.
    pub async fn graphql(self: Arc<Self>, headers: HeaderMap, body: Bytes) -> Response {
        self.counters().requests += 1;
        let Ok(request) = serde_json::from_slice::<GraphQLRequest>(&body) else {
            self.counters().invalid += 1;
            let body = json!({ "errors": [{ "message": "The body is not a GraphQL request" }] });
            return Answer::new(StatusCode::BAD_REQUEST, &body).into_response();
        };
        let outline = match Outline::read(&request, &self.schema, &self.hidden) {
            Ok(outline) => outline,
            Err(unreadable) => return self.unreadable(&headers, unreadable).into_response(),
        };
        let Some(fault) = self.gate().plan.next(outline.names()) else {
            let answer = self.execute(&headers, &request, &outline);
            self.delay().await;
            return answer.into_response();
        };
        *self.counters().faults.entry(fault.name()).or_default() += 1;
        let answer = fault
            .executes()
            .then(|| self.execute(&headers, &request, &outline));
        self.delay().await;
        match fault {
            FaultKind::DropBefore | FaultKind::DropAfter => dropped(),
            FaultKind::Status500Before | FaultKind::Status500After => {
                server_error(500).into_response()
            }
            FaultKind::Status502Before | FaultKind::Status502After => {
                server_error(502).into_response()
            }
            FaultKind::Status504Before | FaultKind::Status504After => {
                server_error(504).into_response()
            }
            FaultKind::HangBefore | FaultKind::HangAfter => {
                sleep(self.hang_for).await;
                dropped()
            }
            FaultKind::Truncated => answer.map_or_else(dropped, Answer::truncated),
            FaultKind::Garbage => garbage(),
            FaultKind::LateCommit => {
                self.late.send_modify(|pending| *pending += 1);
                tokio::spawn(async move {
                    sleep(self.late_by).await;
                    self.execute(&headers, &request, &outline);
                    self.late.send_modify(|pending| *pending -= 1);
                });
                server_error(504).into_response()
            }
            FaultKind::Throttle => self.throttled(&outline).into_response(),
        }
    }

    /// Answers a request of the platform API that any token may make.
    pub async fn platform(
        &self,
        headers: &HeaderMap,
        answer: impl FnOnce(&Offer) -> Answer,
    ) -> Response {
        let response = match self.token(headers) {
            Token::Missing => {
                self.unauthorized(StatusCode::UNAUTHORIZED, "The request is unauthorized")
            }
            Token::Refused => {
                self.unauthorized(StatusCode::FORBIDDEN, &Refusal::Forbidden.to_string())
            }
            Token::Of(_) if !self.admitted() => {
                let retry_after = self.shared.behaviour.retry_after;
                Answer::message(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded")
                    .retry_after(retry_after)
            }
            Token::Of(_) => answer(&self.shared.offer),
        };
        self.delay().await;
        response.into_response()
    }

    /// The whole of a request that nothing goes wrong with.
    fn execute(&self, headers: &HeaderMap, request: &GraphQLRequest, outline: &Outline) -> Answer {
        let caller = match self.token(headers) {
            Token::Missing => return self.unauthorized(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Token::Refused => return self.forbidden(outline),
            Token::Of(caller) => caller,
        };
        if !self.admitted() {
            return self.throttled(outline);
        }
        if outline
            .names()
            .any(|name| !may_call(&caller, name, &self.shared.behaviour))
        {
            return self.forbidden(outline);
        }
        let operation = request.operation_name.as_deref();
        let operation = match ValidatedOperation::new(&request.query, operation, &self.schema) {
            Ok(operation) => operation,
            Err(error) => return self.invalid(&error),
        };
        let context = Context {
            shared: Arc::clone(&self.shared),
            caller,
            now: self.now(),
        };
        let (mut data, errors) = match operation.execute_sync(&request.variables(), &context) {
            Ok(result) => result,
            Err(error) => return self.invalid(&error),
        };
        let mut counters = self.counters();
        outline
            .names()
            .for_each(|name| count(&mut counters.calls, name));
        drop(counters);
        self.hidden.erase(outline, &mut data);
        Answer::new(
            StatusCode::OK,
            &GraphQLResponse::from_result(Ok((data, errors))),
        )
    }

    /// The answer to a document without an outline, for those who may know.
    fn unreadable(&self, headers: &HeaderMap, unreadable: Unreadable) -> Answer {
        match self.token(headers) {
            Token::Missing => self.unauthorized(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Token::Refused => self.forbidden(&Outline::default()),
            Token::Of(_) if !self.admitted() => self.throttled(&Outline::default()),
            Token::Of(_) => match unreadable {
                Unreadable::Syntax(error) => self.invalid(&error),
                Unreadable::Unknown(name) => {
                    self.invalid(&json!([{ "message": format!("Unknown field \"{name}\"") }]))
                }
            },
        }
    }

    fn token(&self, headers: &HeaderMap) -> Token {
        let header = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some(token) = header
            .and_then(|header| header.strip_prefix("Bearer "))
            .filter(|token| !token.is_empty())
        else {
            return Token::Missing;
        };
        match self.shared.model().authenticate(self.now(), token) {
            Ok(caller) => Token::Of(caller),
            Err(_) => Token::Refused,
        }
    }

    fn admitted(&self) -> bool {
        let now = self.now();
        self.gate()
            .limiter
            .as_mut()
            .is_none_or(|limiter| limiter.admit(now))
    }

    fn throttled(&self, outline: &Outline) -> Answer {
        let turn = {
            let mut gate = self.gate();
            gate.throttled += 1;
            gate.throttled
        };
        let mut counters = self.counters();
        outline
            .names()
            .for_each(|name| count(&mut counters.throttled, name));
        drop(counters);
        let graphql = match self.shared.behaviour.throttle_form {
            ThrottleForm::Graphql200 => true,
            ThrottleForm::Http429 => false,
            ThrottleForm::Mixed => turn % 2 == 1,
        };
        let answer = match graphql {
            true => self.field_error(outline, "Rate limit exceeded"),
            false => Answer::message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        };
        answer.retry_after(self.shared.behaviour.retry_after)
    }

    fn forbidden(&self, outline: &Outline) -> Answer {
        let message = Refusal::Forbidden.to_string();
        match self.shared.behaviour.unauthorized_form {
            UnauthorizedForm::Http401 => {
                self.unauthorized(StatusCode::UNAUTHORIZED, "Unauthorized")
            }
            UnauthorizedForm::Http403 => self.unauthorized(StatusCode::FORBIDDEN, &message),
            UnauthorizedForm::Graphql => {
                self.counters().unauthorized += 1;
                self.field_error(outline, &message)
            }
        }
    }

    fn unauthorized(&self, status: StatusCode, message: &str) -> Answer {
        self.counters().unauthorized += 1;
        Answer::message(status, message)
    }

    fn invalid(&self, errors: &impl serde::Serialize) -> Answer {
        self.counters().invalid += 1;
        let status = match self.shared.behaviour.validation_status {
            ValidationStatus::Ok200 => StatusCode::OK,
            ValidationStatus::Bad400 => StatusCode::BAD_REQUEST,
        };
        Answer::new(status, &json!({ "errors": errors }))
    }

    /// An error of the first root field in the published form, which has taken all of `data` with it.
    fn field_error(&self, outline: &Outline, message: &str) -> Answer {
        let first = outline.fields.first();
        let path: Vec<_> = first.iter().map(|field| &field.key).collect();
        let locations: Vec<_> = (first.iter())
            .map(|field| json!({ "line": field.place.0, "column": field.place.1 }))
            .collect();
        let thrown = self.shared.timestamp(self.now());
        let extensions =
            schema::error_extensions("PreconditionError", "access_not_allowed", thrown);
        let error = json!({ "message": message, "path": path, "locations": locations, "extensions": extensions });
        Answer::new(
            StatusCode::OK,
            &json!({ "data": Value::Null, "errors": [error] }),
        )
    }

    async fn delay(&self) {
        if !self.latency.is_zero() {
            sleep(self.latency).await;
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a token of this kind may ask for a root field. The model refuses too; this is the gateway's own look.
fn may_call(caller: &Caller, operation: &str, behaviour: &Behaviour) -> bool {
    match operation {
        "users"
        | "createExternalUser"
        | "updateExternalUser"
        | "removeExternalUser"
        | "authorize"
        | "generateAuthorizationCode" => *caller == Caller::Master,
        "createSolutionInstance"
        | "updateSolutionInstance"
        | "upgradeSolutionInstance"
        | "removeSolutionInstance" => *caller != Caller::Master,
        "createUserAuthentication" => {
            *caller != Caller::Master || behaviour.master_create_authentication
        }
        "removeAuthentication" => {
            *caller == Caller::Master
                || behaviour.authentication_removal_token != RemovalToken::Master
        }
        _ => true,
    }
}

/// The stock answers of a gateway whose back end failed it.
fn server_error(status: u16) -> Answer {
    match status {
        502 => Answer::message(StatusCode::BAD_GATEWAY, "Internal server error"),
        504 => Answer::message(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out"),
        _ => Answer::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    }
}
