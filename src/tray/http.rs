//! The real transport: HTTP.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use url::Url;
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
///
/// Every request leaves at most once: redirects are not followed, nothing is retried, and a request that meets a kept
/// connection just as the server closes it goes to another connection only if not a byte of it was written. Whatever
/// fails before a connection stands (name, TCP, TLS, proxy) was [`SendError::NotSent`]; everything after that is
/// [`SendError::Unknown`].
pub struct Http {
    graphql: (Client, Url),
    api: Option<(Client, Url)>,
}

/// Longer than any server that is there takes to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection that idled longer may have been closed by the server just as the next call leaves, which
/// would leave that call's outcome open. AWS gateways close after 60 s and more.
const IDLE: Duration = Duration::from_secs(20);

/// Finds out about a server that is gone without a word.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// No answer of Tray's is nearly as long; one that is would only fill the memory.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

impl Http {
    /// A client for these endpoints; `timeout` bounds each call from connecting to the last byte.
    ///
    /// # Errors
    /// When TLS or a proxy cannot be set up.
    pub fn new(endpoints: Endpoints, timeout: Duration) -> Result<Http, reqwest::Error> {
        let with_client = |url: Url| Ok::<_, reqwest::Error>((client(&url, timeout)?, url));
        Ok(Http {
            graphql: with_client(endpoints.graphql)?,
            api: endpoints.api.map(with_client).transpose()?,
        })
    }

    fn request(&self, call: &Call) -> Result<RequestBuilder, SendError> {
        match call {
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
                let (client, url) = &self.graphql;
                Ok(client
                    .post(url.clone())
                    .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                    .body(Bytes::from_owner(Zeroizing::new(body))))
            }
            Call::Get { path } => {
                let found = self.api.as_ref().and_then(|(client, base)| {
                    let url = base.join(path.trim_start_matches('/')).ok()?;
                    Some(client.get(url))
                });
                found.ok_or_else(|| SendError::NotSent("there is no platform API".to_owned()))
            }
        }
    }
}

fn client(server: &Url, timeout: Duration) -> Result<Client, reqwest::Error> {
    let accept = (ACCEPT, HeaderValue::from_static("application/json"));
    let builder = Client::builder()
        .user_agent(concat!("tray-import/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([accept]))
        .http1_only()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        // ends before the call does, so that no connection in time is known to be just that
        .connect_timeout(timeout.mul_f64(0.9).min(CONNECT))
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(3);
    // what is meant for this machine must not go out through a proxy
    let local = is_loopback(server.host_str().unwrap_or_default());
    let builder = if local { builder.no_proxy() } else { builder };
    builder.build()
}

#[derive(Serialize)]
struct GraphQl<'a> {
    query: &'a str,
    variables: &'a serde_json::Value,
}

impl Transport for Http {
    async fn send(&self, request: &Request) -> Result<Response, SendError> {
        let sending = self
            .request(&request.call)?
            .header(AUTHORIZATION, bearer(&request.token)?);
        let mut answer = sending.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LONGEST_BODY {
                return Err(SendError::Unknown("the answer is far too long".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: answer.status().as_u16(),
            retry_after: answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(parse_retry_after),
            body,
        })
    }
}

/// A call that ended without an answer. The innermost causes say what happened; the outer ones only that it was
/// a request, and the URL would stand in every line of a log.
fn failed(error: reqwest::Error) -> SendError {
    let not_sent = error.is_connect() || error.is_builder();
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let why = match (error.is_timeout(), not_sent) {
        (true, true) => "no connection in time".to_owned(),
        (true, false) => "no answer within --timeout".to_owned(),
        (false, _) => causes.split_off(causes.len().saturating_sub(2)).join(": "),
    };
    if not_sent {
        SendError::NotSent(why)
    } else {
        SendError::Unknown(why)
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

/// Seconds, or a date in one of the three forms that a reader of HTTP must take (RFC 9110, 5.6.7).
fn parse_retry_after(value: &HeaderValue) -> Option<Duration> {
    const DATES: [&str; 3] = [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    ];
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = |form| jiff::civil::DateTime::strptime(form, text).ok();
    let at = DATES.into_iter().find_map(date)?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
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
    fn retry_after_in_every_form_of_the_standard() {
        let parse = |text: &str| parse_retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(parse("2"), Some(Duration::from_secs(2)));
        let at =
            jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC) + jiff::Span::new().hours(1);
        for form in [
            "%a, %d %b %Y %H:%M:%S GMT",
            "%A, %d-%b-%y %H:%M:%S GMT",
            "%a %b %e %H:%M:%S %Y",
        ] {
            let text = at.strftime(form).to_string();
            let seconds = parse(&text).unwrap().as_secs();
            assert!((3_590..=3_600).contains(&seconds), "{text}: {seconds}");
        }
        // the standard's own example of a day below ten
        assert_eq!(parse("Sun Nov  6 08:49:37 1994"), None, "long ago");
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
    }
}
