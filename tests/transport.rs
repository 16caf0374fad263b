//! What leaves, leaves once: the HTTP transport against servers that close, redirect and keep silent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tray_import::secret::{SecretText, SecretValue};
use tray_import::tray::http::{Endpoints, Http};
use tray_import::tray::operations::CREATE_EXTERNAL_USER;
use tray_import::tray::transport::{Call, Request, Response, SendError, Transport};
use url::Url;

/// What the server does once it has read a request.
#[derive(Clone, Copy, Debug)]
enum Act {
    Answer,
    /// Answers, and closes without having said that it will.
    AnswerAndClose,
    Close,
    Redirect,
    CutShort,
    KeepSilent,
}

/// A server on this machine, and how many requests it has read.
struct Server {
    port: u16,
    read: Arc<AtomicUsize>,
}

impl Server {
    /// `act` decides by the number of the request, from 0.
    fn start(act: fn(usize) -> Act) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let count = Arc::clone(&count);
                thread::spawn(move || serve(stream.unwrap(), &count, act));
            }
        });
        Server { port, read }
    }

    fn read(&self) -> usize {
        self.read.load(Ordering::SeqCst)
    }

    fn http(&self, timeout: Duration) -> Http {
        http(&format!("http://127.0.0.1:{}/graphql", self.port), timeout)
    }
}

fn serve(stream: TcpStream, count: &AtomicUsize, act: fn(usize) -> Act) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while read_request(&mut reader).is_some() {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let act = act(number);
        let body = r#"{"data":{"createExternalUser":{"userId":"u"}}}"#;
        let head =
            |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
        let text = match act {
            Act::Answer | Act::AnswerAndClose => format!("{}\r\n{body}", head("200 OK")),
            Act::Redirect => format!("{}location: /again\r\n\r\n{body}", head("307 Elsewhere")),
            Act::CutShort => format!("{}\r\n{}", head("200 OK"), &body[..20]),
            Act::Close => String::new(),
            Act::KeepSilent => {
                thread::sleep(Duration::from_secs(5));
                String::new()
            }
        };
        stream.write_all(text.as_bytes()).unwrap();
        if !matches!(act, Act::Answer | Act::Redirect) {
            return;
        }
    }
}

/// Reads a request with its body; none where the connection ends first.
fn read_request(reader: &mut impl BufRead) -> Option<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()
}

fn http(url: &str, timeout: Duration) -> Http {
    let endpoints = Endpoints {
        graphql: Url::parse(url).unwrap(),
        api: None,
    };
    Http::new(endpoints, timeout).unwrap()
}

async fn create(http: &Http) -> Result<Response, SendError> {
    let variables = SecretValue(json!({"input": {"name": "n", "externalUserId": "e"}}));
    let call = Call::GraphQl {
        operation: &CREATE_EXTERNAL_USER,
        variables: variables.into(),
    };
    let token = SecretText::new("token".into());
    http.send(&Request { call, token }).await
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_idled_costs_no_call() {
    let server = Server::start(|_| Act::AnswerAndClose);
    let http = server.http(LONG);
    for sent in 1..=20 {
        assert_eq!(create(&http).await.unwrap().status, 200);
        assert_eq!(server.read(), sent);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_connection_that_closes_just_as_a_call_leaves_sends_nothing_twice() {
    let server = Server::start(|_| Act::AnswerAndClose);
    let http = Arc::new(server.http(LONG));
    // no pause: some calls meet a connection about to close; of some of those nobody knows what became
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let http = Arc::clone(&http);
        calls.spawn(async move {
            let mut unanswered = 0;
            for _ in 0..100 {
                match create(&http).await {
                    Ok(answer) => assert_eq!(answer.status, 200),
                    Err(SendError::Unknown(_)) => unanswered += 1,
                    Err(SendError::NotSent(why)) => panic!("not sent: {why}"),
                }
            }
            unanswered
        });
    }
    let unanswered: usize = calls.join_all().await.into_iter().sum();
    let read = server.read();
    assert!(
        (400 - unanswered..=400).contains(&read),
        "{read} read, {unanswered} unanswered"
    );
}

#[tokio::test]
async fn a_kept_connection_that_closes_after_the_request_leaves_it_unknown() {
    for closing in [Act::Close, Act::CutShort] {
        let server = match closing {
            Act::Close => Server::start(|n| if n == 0 { Act::Answer } else { Act::Close }),
            _ => Server::start(|n| if n == 0 { Act::Answer } else { Act::CutShort }),
        };
        let http = server.http(LONG);
        assert!(create(&http).await.is_ok());
        let answer = create(&http).await;
        assert!(matches!(answer, Err(SendError::Unknown(_))), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.read(), 2, "{closing:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let server = Server::start(|_| Act::Redirect);
    let answer = create(&server.http(LONG)).await.unwrap();
    assert_eq!((answer.status, server.read()), (307, 1));
}

#[tokio::test]
async fn silence_leaves_it_unknown() {
    let server = Server::start(|_| Act::KeepSilent);
    let answer = create(&server.http(Duration::from_millis(300))).await;
    let Err(SendError::Unknown(why)) = answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("--timeout"), "{why}");
    assert_eq!(server.read(), 1);
}

#[tokio::test]
async fn what_found_no_connection_was_not_sent() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    // a port that nobody listens on, a name that there is not, and a server that speaks no TLS
    let plain = Server::start(|_| Act::Answer);
    for url in [
        format!("http://127.0.0.1:{port}/graphql"),
        "https://name.invalid/graphql".to_owned(),
        format!("https://127.0.0.1:{}/graphql", plain.port),
    ] {
        let answer = create(&http(&url, Duration::from_secs(1))).await;
        let Err(SendError::NotSent(why)) = answer else {
            panic!("{url}: {answer:?}");
        };
        assert!(!why.contains("http"), "the URL is no part of it: {why}");
    }
    assert_eq!(plain.read(), 0);
}
