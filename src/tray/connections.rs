//! Connections to one server: made when they are needed, kept while they are good, one call at a time.
//!
//! HTTP, TLS and proxies are the libraries' (hyper, rustls, hyper-util). What is here is when a connection is used.
//! The call that uses a connection drives it, in its own task: there is no other task between a call and its
//! answer. Nothing is ever sent a second time; only a call of which not a byte was written moves to another
//! connection.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HeaderMap;
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tower_service::Service;

use super::transport::SendError;

/// A connection that idled longer may have been closed by the server just as the next call leaves, which
/// would leave that call's outcome open. AWS gateways close after 60 s and more.
const IDLE: Duration = Duration::from_secs(20);

/// Finds out about a server that is gone without a word.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// No answer of Tray's is nearly as long; one that is would only fill the memory.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// What is sent.
pub(super) type Body = Full<Bytes>;

/// What came back, whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The connections to one server.
pub(super) struct Connections {
    server: Uri,
    route: Route,
    connect_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
}

type Direct = HttpsConnector<HttpConnector>;

enum Route {
    Direct(Direct),
    Proxied(Box<HttpsConnector<Tunnel<Direct>>>),
}

/// Reads and writes; ends when the connection does.
type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

struct Connection {
    sender: SendRequest<Body>,
    /// `None` once it has ended.
    driver: Option<Driver>,
    used: Instant,
}

/// How a call on one connection ended without an answer.
enum Broken {
    /// Nothing was written: the request as it was.
    Unsent(Box<Request<Body>>),
    Unknown(String),
}

/// The TLS of this machine: its own roots, rustls' safe defaults.
pub(super) fn tls() -> io::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map(|builder| builder.with_no_client_auth())
        .map_err(io::Error::other)
}

impl Connections {
    /// No connection yet. `proxies` is none for a server on this machine: what is meant for it must not go out.
    pub(super) fn new(
        server: Uri,
        tls: &rustls::ClientConfig,
        proxies: Option<&Matcher>,
        connect_timeout: Duration,
    ) -> Connections {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(3));
        let direct = with_tls(tls, tcp);
        let route = match proxies.and_then(|proxies| proxies.intercept(&server)) {
            None => Route::Direct(direct),
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
                if let Some(auth) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                Route::Proxied(Box::new(with_tls(tls, tunnel)))
            }
        };
        Connections {
            server,
            route,
            connect_timeout,
            idle: Mutex::default(),
        }
    }

    /// Sends a request, once, and waits for the whole answer. `left` becomes true as soon as it may have left.
    pub(super) async fn call(
        &self,
        mut request: Request<Body>,
        left: &mut bool,
    ) -> Result<Answer, SendError> {
        loop {
            let mut connection = match self.take() {
                Some(mut kept) => {
                    if !kept.is_good().await {
                        continue;
                    }
                    kept
                }
                None => self.connect().await.map_err(SendError::NotSent)?,
            };
            *left = true;
            match connection.call(request).await {
                Ok(answer) => {
                    self.keep(connection).await;
                    return Ok(answer);
                }
                Err(Broken::Unknown(why)) => return Err(SendError::Unknown(why)),
                Err(Broken::Unsent(back)) => {
                    *left = false;
                    request = *back;
                }
            }
        }
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // the one that was used last; if even that one is too old, all are
        let last = idle.pop()?;
        if last.used.elapsed() > IDLE {
            idle.clear();
            return None;
        }
        Some(last)
    }

    async fn keep(&self, mut connection: Connection) {
        if connection.is_good().await {
            connection.used = Instant::now();
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let connecting = async {
            match &self.route {
                Route::Direct(direct) => opened(direct.clone(), self.server.clone()).await,
                Route::Proxied(proxied) => {
                    opened(HttpsConnector::clone(proxied), self.server.clone()).await
                }
            }
        };
        tokio::time::timeout(self.connect_timeout, connecting)
            .await
            .unwrap_or_else(|_| Err("no connection in time".to_owned()))
    }
}

fn with_tls<C>(tls: &rustls::ClientConfig, inner: C) -> HttpsConnector<C> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(inner)
}

async fn opened<C>(mut connector: C, server: Uri) -> Result<Connection, String>
where
    C: Service<Uri>,
    C::Response: Read + Write + Unpin + Send + 'static,
    C::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let failed = |error: C::Error| describe(error.into().as_ref());
    poll_fn(|cx| connector.poll_ready(cx))
        .await
        .map_err(failed)?;
    let stream = connector.call(server).await.map_err(failed)?;
    let (sender, driver) = handshake(stream).await.map_err(|error| describe(&error))?;
    Ok(Connection {
        sender,
        driver: Some(Box::pin(driver)),
        used: Instant::now(),
    })
}

impl Connection {
    async fn call(&mut self, request: Request<Body>) -> Result<Answer, Broken> {
        let sending = self.sender.try_send_request(request);
        let response = driven(&mut self.driver, sending)
            .await
            .map_err(|mut error| match error.take_message() {
                Some(request) => Broken::Unsent(Box::new(request)),
                None => Broken::Unknown(describe(error.error())),
            })?;
        let (head, mut incoming) = response.into_parts();
        let body = driven(&mut self.driver, collected(&mut incoming)).await?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Whether the next call may use it: looks at what has arrived since the last one, and waits for nothing.
    async fn is_good(&mut self) -> bool {
        poll_fn(|cx| {
            let ended = match &mut self.driver {
                Some(driver) => driver.as_mut().poll(cx).is_ready(),
                None => true,
            };
            Poll::Ready(!ended && self.sender.is_ready())
        })
        .await
    }
}

async fn collected(incoming: &mut Incoming) -> Result<Vec<u8>, Broken> {
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| Broken::Unknown(describe(&error)))?;
        if let Some(data) = frame.data_ref() {
            if body.len() + data.len() > LONGEST_BODY {
                return Err(Broken::Unknown("the answer is far too long".to_owned()));
            }
            body.extend_from_slice(data);
        }
    }
    Ok(body)
}

/// Waits for something that comes over a connection, and drives the connection meanwhile.
async fn driven<F: Future>(driver: &mut Option<Driver>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Some(running) = driver
            && running.as_mut().poll(cx).is_ready()
        {
            // how it ended, those who wait for something hear from it
            *driver = None;
        }
        future.as_mut().poll(cx)
    })
    .await
}

/// An error and its causes, without a word that is there twice.
fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
