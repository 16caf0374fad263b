//! Answers as they go out, whole or broken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;
use serde_json::json;
use tokio::time::Sleep;

/// A complete answer in JSON.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
    retry_after: Option<u64>,
}

impl Answer {
    pub fn new(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self {
                status,
                body: body.into(),
                retry_after: None,
            },
            Err(_) => Self::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        }
    }

    /// The flat form of the gateway and the platform API.
    pub fn message(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            body: json!({ "message": text }).to_string().into(),
            retry_after: None,
        }
    }

    pub fn retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after = seconds;
        self
    }

    /// The same answer, of which only half arrives before the connection closes.
    pub fn truncated(self) -> Response {
        let length = HeaderValue::from(self.body.len());
        let half = self.body.slice(..self.body.len() / 2);
        let mut response = self.into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
        *response.body_mut() = Body::new(CutShort {
            half: Some(half),
            // Time for the half to leave before the connection breaks.
            pause: Box::pin(tokio::time::sleep(Duration::from_millis(10))),
        });
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let content_type = (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let mut response = (self.status, [content_type], self.body).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An answer that claims to be fine and is not JSON.
pub(super) fn garbage() -> Response {
    let content_type = (header::CONTENT_TYPE, "text/html");
    (
        StatusCode::OK,
        [content_type],
        "<html><body>upstream connect error",
    )
        .into_response()
}

/// Marks a response that is never to be sent: the connection closes in its stead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped;

/// No answer at all.
pub(super) fn dropped() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Dropped);
    response
}

/// A body that breaks off.
struct CutShort {
    half: Option<Bytes>,
    pause: Pin<Box<Sleep>>,
}

impl hyper::body::Body for CutShort {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        ready!(self.pause.as_mut().poll(context));
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
