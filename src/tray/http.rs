//! The real transport: HTTP by reqwest.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url};
use serde::Serialize;
use zeroize::Zeroizing;

use super::transport::{Call, Request, Response, SendError, Transport};
use crate::secret::SecretText;

/// Where Tray is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The GraphQL endpoint.
    pub graphql: Url,
    /// The platform API's base, where it is known.
    pub api: Option<Url>,
}

/// Why an endpoint is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UrlError {
    /// Not a URL.
    #[error("\"{0}\" is not a URL such as https://tray.io/graphql")]
    NotAUrl(String),
    /// Tokens and credentials would travel in the clear.
    #[error(
        "{0} is plain http to another machine: tokens and credentials would travel in the clear. Use https (plain http is accepted for 127.0.0.1, ::1 and localhost only)"
    )]
    Plain(String),
    /// A user name or password inside the URL would end up in logs and results.
    #[error("the URL of {0} holds a user name or password; leave them out")]
    Credentials(String),
}

/// Reads an endpoint and refuses what would not be safe.
///
/// # Errors
/// See [`UrlError`].
pub fn parse_url(text: &str) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|_| UrlError::NotAUrl(text.to_owned()))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials(host));
    }
    match url.scheme() {
        "https" if !host.is_empty() => Ok(url),
        "http" if is_loopback(&host) => Ok(url),
        "http" => Err(UrlError::Plain(text.to_owned())),
        _ => Err(UrlError::NotAUrl(text.to_owned())),
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// HTTP to Tray.
pub struct Http {
    client: Client,
    endpoints: Endpoints,
}

/// A connection that idled longer may have been closed by the server just as the next call leaves, which
/// would leave that call's outcome open. AWS gateways close after 60 s and more.
const IDLE: Duration = Duration::from_secs(20);

impl Http {
    /// A client for these endpoints; `timeout` bounds each call from connecting to the last byte.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(endpoints: Endpoints, timeout: Duration) -> io::Result<Http> {
        let mut builder = Client::builder()
            .user_agent(concat!("tray-import/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            // a request that the library sends a second time would be a duplicate that nobody knows of
            .retry(reqwest::retry::never())
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true);
        if endpoints.graphql.host_str().is_some_and(is_loopback) {
            // what is meant for this machine must not go out through a proxy
            builder = builder.no_proxy();
        }
        Ok(Http {
            client: builder.build().map_err(io::Error::other)?,
            endpoints,
        })
    }
}

#[derive(Serialize)]
struct GraphQl<'a> {
    query: &'a str,
    variables: &'a serde_json::Value,
}

/// A request body that is wiped once it is sent.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Transport for Http {
    async fn send(&self, request: &Request) -> Result<Response, SendError> {
        let built = match &request.call {
            Call::GraphQl {
                operation,
                variables,
            } => {
                let body = GraphQl {
                    query: operation.document,
                    variables: &variables.0,
                };
                let body = serde_json::to_vec(&body)
                    .map_err(|error| SendError::NotSent(error.to_string()))?;
                self.client
                    .post(self.endpoints.graphql.clone())
                    .header(CONTENT_TYPE, "application/json")
                    .body(Bytes::from_owner(Wiped(Zeroizing::new(body))))
            }
            Call::Get { path } => {
                let base = self.endpoints.api.as_ref();
                let url = base
                    .and_then(|base| base.join(path.trim_start_matches('/')).ok())
                    .ok_or_else(|| SendError::NotSent("there is no platform API".to_owned()))?;
                self.client.get(url)
            }
        };
        let answer = built
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, bearer(&request.token)?)
            .send()
            .await
            .map_err(send_error)?;
        let status = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(parse_retry_after);
        let body = answer
            .bytes()
            .await
            .map_err(|error| SendError::Unknown(describe(&error)))?;
        Ok(Response {
            status,
            retry_after,
            body: body.to_vec(),
        })
    }
}

fn bearer(token: &SecretText) -> Result<HeaderValue, SendError> {
    let text = Zeroizing::new(format!("Bearer {}", token.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        SendError::NotSent("the token holds characters that no header can carry".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn send_error(error: reqwest::Error) -> SendError {
    if error.is_connect() || error.is_builder() {
        SendError::NotSent(describe(&error))
    } else {
        SendError::Unknown(describe(&error))
    }
}

/// The innermost causes, without the URL (which the user knows) and without a body.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer within --timeout".to_owned();
    }
    let mut parts = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        parts.push(cause.to_string());
        source = cause.source();
    }
    parts.dedup();
    if parts.is_empty() {
        "the connection failed".to_owned()
    } else {
        parts.join(": ")
    }
}

/// Seconds, or an HTTP date.
fn parse_retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Duration::try_from(at.duration_since(jiff::Timestamp::now())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for good in [
            "https://tray.io/graphql",
            "http://127.0.0.1:8080/graphql",
            "http://[::1]:1/graphql",
            "http://localhost/graphql",
        ] {
            assert!(parse_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://tray.io/graphql",
            "http://127.0.0.1.example.com/graphql",
            "http://localhost.example.com/",
            "ftp://tray.io",
            "tray.io/graphql",
            "https://user:pw@tray.io/graphql",
        ] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn retry_after_in_both_forms() {
        let parse = |text: &str| parse_retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(parse("2"), Some(Duration::from_secs(2)));
        assert!(parse("Wed, 21 Oct 2099 07:28:00 GMT").unwrap() > Duration::from_secs(1 << 20));
        assert_eq!(parse("soon"), None);
    }
}
