//! A server between the tool and Tray that changes the answers: nothing is created twice, and no secret is shown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::post;
use common::audit::audit;
use common::rows::{mixed, plain};
use common::{Bench, MASTER, Tray, sample};
use serde_json::{Value, json};
use tray_import::tray::operations;

/// An answer of the sandbox, with what it answers.
struct Answer {
    operation: &'static str,
    variables: Value,
    /// The token that the call bore.
    token: String,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

/// Starts a server that passes calls on to the sandbox and lets `change` have the answers; its endpoint.
fn between(tray: &Tray, change: impl Fn(&mut Answer) + Send + Sync + 'static) -> String {
    let (sandbox, change) = (tray.endpoint(), Arc::new(change));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let handler = move |headers: HeaderMap, body: Bytes| {
        let (client, sandbox, change) = (client.clone(), sandbox.clone(), Arc::clone(&change));
        async move {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let document = request["query"].as_str().unwrap();
            let operation = operations::ALL
                .iter()
                .find(|known| known.document == document);
            let token = headers["authorization"].to_str().unwrap();
            let passed = client
                .post(sandbox)
                .body(body)
                .header("authorization", token);
            let passed = passed
                .header("content-type", "application/json")
                .send()
                .await
                .unwrap();
            let mut answer = Answer {
                operation: operation.unwrap().name,
                variables: request["variables"].clone(),
                token: token.trim_start_matches("Bearer ").to_owned(),
                status: passed.status().as_u16(),
                headers: Vec::new(),
                body: passed.json().await.unwrap(),
            };
            change(&mut answer);
            let status = StatusCode::from_u16(answer.status).unwrap();
            let headers = AppendHeaders(answer.headers);
            (status, headers, answer.body.to_string()).into_response()
        }
    };
    tray.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().route("/graphql", post(handler));
        tokio::spawn(async { axum::serve(listener, router).await });
        format!("http://127.0.0.1:{port}/graphql")
    })
}

/// `import INPUT --results r.jsonl` through such a server.
fn import<'b>(bench: &'b Bench, tray: &Tray, endpoint: &str, input: &Path) -> common::Tool<'b> {
    bench
        .tool(&["import"])
        .arg(input)
        .args([
            "--results",
            "r.jsonl",
            "--rate",
            "unlimited",
            "--enable-delay",
            "0s",
        ])
        .args([
            "--settle",
            "10ms",
            "--endpoint",
            endpoint,
            "--api",
            &tray.api(),
            "--catalog",
        ])
        .arg(sample("catalog"))
        .env("TRAY_MASTER_TOKEN", MASTER)
}

#[test]
fn an_answer_with_the_new_id_is_never_asked_for_again() {
    let limited = json!([{"message": "Rate limit exceeded", "path": ["x"]}]);
    let refused = json!([{"message": "Unauthorized"}]);
    let inside = json!([{"message": "boom", "path": ["x", "y"]}]);
    for (status, errors) in [
        (200, limited.clone()),
        (200, refused.clone()),
        (200, inside),
        (200, json!({"message": "no list"})),
        (429, Value::Null),
        (429, limited),
        (401, Value::Null),
        (403, refused),
        (400, Value::Null),
        (500, Value::Null),
        (504, json!([{"message": "Internal server error"}])),
    ] {
        let (bench, tray) = (Bench::new(), Tray::new());
        let shown = format!("{status} {errors}");
        let endpoint = between(&tray, move |answer| {
            if answer.operation.starts_with("create") && !answer.body["data"].is_null() {
                answer.status = status;
                answer.body["errors"] = errors.clone();
                answer.body["message"] = json!("Too Many Requests");
            }
        });
        let rows = mixed(12);
        let input = bench.customers("c.jsonl", &rows);
        let output = import(&bench, &tray, &endpoint, &input).run();
        assert_eq!(output.code, Some(0), "{shown}: {}", output.shown());
        audit(&tray, &rows, &bench.results("r.jsonl"));
        let creations = [
            "createExternalUser",
            "createUserAuthentication",
            "createSolutionInstance",
        ];
        let sent: u64 = creations.iter().map(|name| tray.calls(name)).sum();
        let held: usize = tray.holds().iter().sum();
        assert_eq!(sent, held as u64, "{shown}: more was sent than there is");
    }
}

#[test]
fn an_answer_that_lost_the_new_id_is_settled() {
    for status in [200, 401, 429, 500] {
        let (bench, tray) = (Bench::new(), Tray::new());
        let endpoint = between(&tray, move |answer| {
            if answer.operation.starts_with("create") && !answer.body["data"].is_null() {
                answer.status = status;
                answer.body["data"][answer.operation] = json!({});
                answer.body["errors"] = json!([{"message": "Rate limit exceeded"}]);
            }
        });
        let rows = mixed(7);
        let input = bench.customers("c.jsonl", &rows);
        import(&bench, &tray, &endpoint, &input).expect(0);
        audit(&tray, &rows, &bench.results("r.jsonl"));
    }
}

/// The same text in other spellings, and pieces of it.
fn spellings(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let unicode: String = secret
        .bytes()
        .map(|byte| format!("\\u{byte:04x}"))
        .collect();
    vec![
        secret.to_owned(),
        secret.to_uppercase(),
        secret.to_lowercase(),
        hex.to_uppercase(),
        hex,
        percent,
        unicode,
        base64(secret.as_bytes()),
        base64(format!("user:{secret}").as_bytes()),
        secret[..secret.len() - 3].to_owned(),
    ]
}

fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            text.push(char::from(digits[digit as usize]));
        }
    }
    text
}

/// Has every authentication refused with a message that holds what `quote` makes of the tokens and the credentials
/// that were sent so far, in every spelling; none of it must be anywhere.
fn quoting(
    pieces: bool,
    quote: impl Fn(&Answer, &[String]) -> Option<String> + Send + Sync + 'static,
) {
    let (bench, tray) = (Bench::new(), Tray::new());
    let (sent, quoted) = (Mutex::new(Vec::new()), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&quoted);
    let endpoint = between(&tray, move |answer| {
        if answer.operation != "createUserAuthentication" {
            return;
        }
        let (mut sent, mut seen) = (sent.lock().unwrap(), seen.lock().unwrap());
        let message = match quote(answer, &sent) {
            Some(secret) => {
                let mut spellings = spellings(&secret);
                spellings.truncate(spellings.len() - usize::from(!pieces));
                let spelling = spellings[seen.len() % spellings.len()].clone();
                seen.push(spelling.clone());
                format!(
                    "it was not {spelling} that was wanted; {}",
                    "more ".repeat(1_000)
                )
            }
            None => "no".to_owned(),
        };
        let data: Value =
            serde_json::from_str(answer.variables["input"]["data"].as_str().unwrap()).unwrap();
        sent.push(data["secret_key"].as_str().unwrap().to_owned());
        answer.status = 200;
        answer.body = json!({"data": null, "errors": [{"message": message}]});
    });
    let rows: Vec<_> = (0..30)
        .map(|n| {
            let secret = format!("CANARY-{n}/{}", "k3y-+".repeat(5 + n % 4));
            let mut row = plain(&format!("c-{n}"));
            row["data"]["secret_key"] = json!(secret);
            row
        })
        .collect();
    let input = bench.customers("c.jsonl", &rows);
    let output = import(&bench, &tray, &endpoint, &input)
        .arg("-vvv")
        .expect(4);
    let quoted = quoted.lock().unwrap();
    assert!(quoted.len() >= 25, "{} were quoted", quoted.len());
    let results = bench.read("r.jsonl");
    let all = output.stdout + &output.stderr + &results;
    for quoted in quoted.iter() {
        assert!(!all.contains(quoted), "{quoted} is shown");
    }
    let foreign = results.matches("more ").count();
    assert!(
        foreign <= 30 * 80,
        "messages are shown at length: {foreign}"
    );
}

#[test]
fn the_master_token_in_the_answer_to_an_end_users_call_is_not_shown() {
    quoting(true, |_, _| Some(MASTER.to_owned()));
}

#[test]
fn an_end_users_token_is_not_shown() {
    quoting(true, |answer, _| Some(answer.token.clone()));
}

#[test]
fn the_credentials_of_the_row_are_not_shown() {
    quoting(true, |answer, _| {
        let data = answer.variables["input"]["data"].as_str().unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        data["secret_key"].as_str().map(str::to_owned)
    });
}

#[test]
fn the_credentials_of_an_earlier_row_are_not_shown() {
    // what is wiped is known whole, and not by a piece of it
    quoting(false, |_, sent| sent.last().cloned());
}

/// A server that takes connections and does the same with each of them; its endpoint, and how many there were.
fn server(each: fn(std::net::TcpStream)) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/graphql", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || each(stream.unwrap()));
        }
    });
    (endpoint, count)
}

#[test]
fn a_server_that_closes_every_connection_is_given_up_after_four_tries() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let (endpoint, tries) = server(drop);
    let input = bench.customers("c.jsonl", &mixed(7));
    let started = Instant::now();
    import(&bench, &tray, &endpoint, &input)
        .expect(1)
        .says(&["Tray gives no answer"]);
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(tries.load(Ordering::SeqCst), 4);
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_thirty_seconds() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let (endpoint, tries) = server(|stream| {
        std::thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let input = bench.customers("c.jsonl", &mixed(7));
    let started = Instant::now();
    let output = import(&bench, &tray, &endpoint, &input).expect(1);
    let took = started.elapsed().as_secs();
    assert!((29..36).contains(&took), "{took} s: {}", output.shown());
    let output = output.says(&[
        "Tray gives no answer",
        "no word from Tray yet",
        "20 s more at most",
    ]);
    let lines = output.stderr.matches("no word from Tray yet").count();
    assert!((4..=6).contains(&lines), "{}", output.shown());
    assert!(tries.load(Ordering::SeqCst) <= 4);
}

#[test]
fn a_long_pause_is_reported_with_its_reason_and_its_end() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let throttled = AtomicUsize::new(0);
    let endpoint = between(&tray, move |answer| {
        if answer.operation == "users" && throttled.fetch_add(1, Ordering::SeqCst) == 0 {
            answer.status = 429;
            answer.headers.push(("retry-after", "6".to_owned()));
            answer.body = json!({"message": "Too Many Requests"});
        }
    });
    let rows = mixed(7);
    let input = bench.customers("c.jsonl", &rows);
    let output = import(&bench, &tray, &endpoint, &input).expect(0);
    output.says(&["rate limit exceeded", "calls go on in 6 s, at "]);
    audit(&tray, &rows, &bench.results("r.jsonl"));
}

#[test]
fn a_date_is_understood_as_the_end_of_a_pause() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let throttled = Mutex::new(None);
    let gap = Arc::new(Mutex::new(Duration::ZERO));
    let seen = Arc::clone(&gap);
    let endpoint = between(&tray, move |answer| {
        if answer.operation == "users" {
            let mut throttled = throttled.lock().unwrap();
            match *throttled {
                None => {
                    *throttled = Some(Instant::now());
                    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
                    let form = "%A, %d-%b-%y %H:%M:%S GMT";
                    answer.status = 429;
                    answer
                        .headers
                        .push(("retry-after", at.strftime(form).to_string()));
                }
                Some(at) => *seen.lock().unwrap() = at.elapsed(),
            }
        }
    });
    let rows = mixed(7);
    let input = bench.customers("c.jsonl", &rows);
    import(&bench, &tray, &endpoint, &input).expect(0);
    let gap = *gap.lock().unwrap();
    assert!(gap > Duration::from_millis(1_900), "the pause was {gap:?}");
}
