//! The real transport: HTTP.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use super::connections::{self, Body, Connections};
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
    graphql: Server,
    api: Option<(Url, Server)>,
    timeout: Duration,
}

/// A server, and what every request to it bears.
struct Server {
    connections: Connections,
    headers: HeaderMap,
    path: Uri,
}

/// Longer than any server that is there takes to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

impl Http {
    /// A client for these endpoints; `timeout` bounds each call from connecting to the last byte.
    ///
    /// Redirects are not followed, and no request is ever sent a second time: that would be a duplicate that
    /// nobody knows of.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(endpoints: Endpoints, timeout: Duration) -> io::Result<Http> {
        let tls = connections::tls()?;
        let proxies = Matcher::from_env();
        let server = |url: &Url| -> io::Result<Server> {
            let host = url.host_str().unwrap_or_default();
            // what is meant for this machine must not go out through a proxy
            let proxies = (!is_loopback(host)).then_some(&proxies);
            let origin = format!("{}://{}", url.scheme(), authority(url));
            let uri = |text: &str| text.parse::<Uri>().map_err(io::Error::other);
            let connections = Connections::new(uri(&origin)?, &tls, proxies, timeout.min(CONNECT));
            let mut headers = HeaderMap::with_capacity(8);
            let host = HeaderValue::from_str(&authority(url)).map_err(io::Error::other)?;
            headers.insert(HOST, host);
            let name = concat!("tray-import/", env!("CARGO_PKG_VERSION"));
            headers.insert(USER_AGENT, HeaderValue::from_static(name));
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            Ok(Server {
                connections,
                headers,
                path: uri(path(url))?,
            })
        };
        let mut graphql = server(&endpoints.graphql)?;
        let json = HeaderValue::from_static("application/json");
        graphql.headers.insert(CONTENT_TYPE, json);
        let api = endpoints
            .api
            .map(|url| Ok::<_, io::Error>((url.clone(), server(&url)?)))
            .transpose()?;
        Ok(Http {
            graphql,
            api,
            timeout,
        })
    }
}

/// Host and port, as a `Host` header has them.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Path and query.
fn path(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
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
        let (server, method, path, body) = match &request.call {
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
                let body = Bytes::from_owner(Wiped(Zeroizing::new(body)));
                let server = &self.graphql;
                (server, Method::POST, server.path.clone(), body)
            }
            Call::Get { path: wanted } => {
                let found = self.api.as_ref().and_then(|(base, server)| {
                    let url = base.join(wanted.trim_start_matches('/')).ok()?;
                    Some((server, path(&url).parse::<Uri>().ok()?))
                });
                let (server, path) = found
                    .ok_or_else(|| SendError::NotSent("there is no platform API".to_owned()))?;
                (server, Method::GET, path, Bytes::new())
            }
        };
        let mut built = hyper::Request::<Body>::new(Full::new(body));
        *built.method_mut() = method;
        *built.uri_mut() = path;
        *built.headers_mut() = server.headers.clone();
        built
            .headers_mut()
            .insert(AUTHORIZATION, bearer(&request.token)?);
        let mut left = false;
        let calling = server.connections.call(built, &mut left);
        let answer = match tokio::time::timeout(self.timeout, calling).await {
            Ok(answer) => answer?,
            Err(_) => {
                let why = "no answer within --timeout".to_owned();
                return Err(if left {
                    SendError::Unknown(why)
                } else {
                    SendError::NotSent(why)
                });
            }
        };
        Ok(Response {
            status: answer.status.as_u16(),
            retry_after: answer.headers.get(RETRY_AFTER).and_then(parse_retry_after),
            body: answer.body,
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
