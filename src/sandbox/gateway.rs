//! One request from its bytes to its answer: token, limit, execution, and what goes wrong on the way.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Setup;
use super::answer::{Answer, dropped, garbage};
use super::behaviour::{Behaviour, ThrottleForm, UnauthorizedForm, ValidationStatus};
use super::counters::{Counters, count};
use super::faults::{FaultKind, FaultPlan};
use super::graphql::{ReadRequest, TraySchema, error_extensions};
use super::limit::Limiter;
use super::model::{Caller, Model, Refusal};
use super::platform::Offer;

/// What all connections share.
pub(super) struct Gateway {
    pub model: Arc<Mutex<Model>>,
    behaviour: Arc<Behaviour>,
    offer: Arc<Offer>,
    schema: TraySchema,
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

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    pub fn new(setup: Setup) -> io::Result<Self> {
        let behaviour = Arc::new(setup.behaviour);
        let offer = Arc::new(Offer::new(setup.platform));
        let (offered, switches) = (Arc::clone(&offer), Arc::clone(&behaviour));
        let mut model = Model::with_offer(offered, switches, &setup.master_token, setup.seed);
        if let Some(check) = setup.credential_check {
            model.set_credential_check(check);
        }
        model.set_started(Timestamp::now());
        Ok(Self {
            schema: TraySchema::new(&behaviour).map_err(io::Error::other)?,
            model: Arc::new(Mutex::new(model)),
            behaviour,
            offer,
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
        })
    }

    pub fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock()
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
        let Some(request) = self.schema.read(&body) else {
            self.counters().invalid += 1;
            let body = json!({ "errors": [{ "message": "The body is not a GraphQL request" }] });
            return Answer::new(StatusCode::BAD_REQUEST, &body).into_response();
        };
        // nothing goes wrong with a document that does not validate but that it does not
        let fault = (!request.fields.is_empty())
            .then(|| self.gate().plan.next(request.names()))
            .flatten();
        let Some(fault) = fault else {
            let answer = self.execute(&headers, &request);
            self.delay().await;
            return answer.into_response();
        };
        *self.counters().faults.entry(fault.name()).or_default() += 1;
        let answer = fault.executes().then(|| self.execute(&headers, &request));
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
                    self.execute(&headers, &request);
                    self.late.send_modify(|pending| *pending -= 1);
                });
                server_error(504).into_response()
            }
            FaultKind::Throttle => self.throttled(&request).into_response(),
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
                let retry_after = self.behaviour.retry_after;
                Answer::message(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded")
                    .retry_after(retry_after)
            }
            Token::Of(_) => answer(&self.offer),
        };
        self.delay().await;
        response.into_response()
    }

    /// The whole of a request that nothing goes wrong with.
    fn execute(&self, headers: &HeaderMap, request: &ReadRequest) -> Answer {
        let caller = match self.token(headers) {
            Token::Missing => return self.unauthorized(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Token::Refused => return self.forbidden(request),
            Token::Of(caller) => caller,
        };
        if !self.admitted() {
            return self.throttled(request);
        }
        let model = self.model.lock();
        let allowed = request.names().all(|name| model.may_call(&caller, name));
        drop(model);
        if !allowed {
            return self.forbidden(request);
        }
        match self
            .schema
            .execute(request, &self.model, &caller, self.now())
        {
            Ok(response) => {
                let mut counters = self.counters();
                request
                    .names()
                    .for_each(|name| count(&mut counters.calls, name));
                Answer::new(StatusCode::OK, &response)
            }
            Err(errors) => self.invalid(&errors),
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
        match self.model.lock().authenticate(self.now(), token) {
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

    fn throttled(&self, request: &ReadRequest) -> Answer {
        let turn = {
            let mut gate = self.gate();
            gate.throttled += 1;
            gate.throttled
        };
        let mut counters = self.counters();
        request
            .names()
            .for_each(|name| count(&mut counters.throttled, name));
        drop(counters);
        let graphql = match self.behaviour.throttle_form {
            ThrottleForm::Graphql200 => true,
            ThrottleForm::Http429 => false,
            ThrottleForm::Mixed => turn % 2 == 1,
        };
        let answer = match graphql {
            true => self.field_error(request, "Rate limit exceeded"),
            false => Answer::message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        };
        answer.retry_after(self.behaviour.retry_after)
    }

    fn forbidden(&self, request: &ReadRequest) -> Answer {
        let message = Refusal::Forbidden.to_string();
        match self.behaviour.unauthorized_form {
            UnauthorizedForm::Http401 => {
                self.unauthorized(StatusCode::UNAUTHORIZED, "Unauthorized")
            }
            UnauthorizedForm::Http403 => self.unauthorized(StatusCode::FORBIDDEN, &message),
            UnauthorizedForm::Graphql => {
                self.counters().unauthorized += 1;
                self.field_error(request, &message)
            }
        }
    }

    fn unauthorized(&self, status: StatusCode, message: &str) -> Answer {
        self.counters().unauthorized += 1;
        Answer::message(status, message)
    }

    fn invalid(&self, errors: &impl serde::Serialize) -> Answer {
        self.counters().invalid += 1;
        let status = match self.behaviour.validation_status {
            ValidationStatus::Ok200 => StatusCode::OK,
            ValidationStatus::Bad400 => StatusCode::BAD_REQUEST,
        };
        Answer::new(status, &json!({ "errors": errors }))
    }

    /// An error of the first root field in the published form, which has taken all of `data` with it.
    fn field_error(&self, request: &ReadRequest, message: &str) -> Answer {
        let first = request.fields.first();
        let path: Vec<_> = first.iter().map(|field| &field.key).collect();
        let locations: Vec<_> = (first.iter())
            .map(|field| json!({ "line": field.location.0, "column": field.location.1 }))
            .collect();
        let thrown = self.model.lock().timestamp(self.now());
        let extensions = error_extensions(&Refusal::Forbidden, thrown);
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
        self.gate.lock()
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
