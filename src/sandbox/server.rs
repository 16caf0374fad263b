//! Connections and routes.
//!
//! Connections are served one by one rather than by `axum::serve`, because a fault must be able to close a connection
//! instead of answering: an error from the service does that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::admin::{self, Comparison};
use super::answer::{Answer, Dropped};
use super::gateway::Gateway;

type Shared = State<Arc<Gateway>>;

/// Serves connections until it is cancelled, and the connections with it.
pub(super) async fn serve(listener: TcpListener, gateway: Arc<Gateway>) {
    let router = Router::new()
        .route("/graphql", post(graphql))
        .route("/core/v1/connectors", get(connectors))
        .route(
            "/core/v1/services/{name}/versions/{version}/environments",
            get(environments),
        )
        .route("/admin/state", get(state))
        .route("/admin/compare", post(compare))
        .with_state(gateway);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Too many open files, most likely: some will close.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                connections.spawn(connection(stream, router.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The error that closes a connection in the place of an answer.
#[derive(Debug)]
struct Unanswered;

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault dropped this connection")
    }
}

impl std::error::Error for Unanswered {}

async fn connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        let response = router.call(request);
        async move {
            match response.await {
                Ok(response) if response.extensions().get::<Dropped>().is_some() => Err(Unanswered),
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        }
    });
    // Clients break connections as faults do; neither is the server's trouble.
    let _ = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn graphql(State(gateway): Shared, headers: HeaderMap, body: Bytes) -> Response {
    gateway.graphql(headers, body).await
}

async fn connectors(State(gateway): Shared, headers: HeaderMap) -> Response {
    gateway
        .platform(&headers, |offer| {
            let connectors = offer.platform.connectors.iter().map(|connector| {
                let service = &connector.service;
                json!({
                    "name": connector.name,
                    "version": connector.version,
                    "title": connector.name,
                    "description": "",
                    "service": { "id": service.id, "name": service.name, "version": service.version },
                })
            });
            elements(connectors.collect())
        })
        .await
}

async fn environments(
    State(gateway): Shared,
    headers: HeaderMap,
    Path((name, version)): Path<(String, String)>,
) -> Response {
    gateway
        .platform(&headers, |offer| {
            let Ok(version) = version.parse() else {
                return Answer::message(
                    StatusCode::BAD_REQUEST,
                    "Invalid value for: path parameter service-version",
                );
            };
            let Some(environments) = offer.environments_of(&name, version) else {
                return Answer::message(StatusCode::NOT_FOUND, "The resource was not found");
            };
            let environments = environments.iter().map(|environment| {
                json!({
                    "id": environment.id,
                    "title": environment.title,
                    "authenticationType": environment.authentication_type,
                    "credentialsSchema": environment.credentials_schema,
                    "userDataSchema": environment.user_data_schema,
                    "scopes": environment.scopes,
                })
            });
            elements(environments.collect())
        })
        .await
}

fn elements(elements: Vec<Value>) -> Answer {
    Answer::new(StatusCode::OK, &json!({ "elements": elements }))
}

async fn state(State(gateway): Shared) -> Json<Value> {
    Json(admin::state(&gateway))
}

async fn compare(State(gateway): Shared, body: Bytes) -> Result<Json<Value>, StatusCode> {
    // Not axum's own extractor: its refusals quote what they received.
    let comparison: Comparison =
        serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let equal = admin::compare(&gateway, &comparison).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(json!({ "equal": equal })))
}
