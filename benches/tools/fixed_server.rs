//! A server that answers at once: one fixed answer for each operation, chosen by the operation's name in the
//! body and by nothing else. What a client reaches against it is the client's own speed.
//!
//!     cargo build --release --example fixed-server
//!     target/release/examples/fixed-server [--listen 127.0.0.1:0] [--threads 1] [--solutions solutions.json]
//!
//! It prints its URL, and serves until it is ended. HTTP/1.1 with keep-alive, no TLS; every request must have
//! a `Content-Length` or no body. Pipelined requests are answered in order, in one write.

use std::io::Write as _;
use std::sync::Arc;

use memchr::memmem;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a body names, and the answer to it.
struct Answers(Vec<(&'static str, Vec<u8>)>);

const USER: &str = "0b63c5b6-5a7c-4a0f-9a52-6d5a4a4f2f01";
const AUTHENTICATION: &str = "0b63c5b6-5a7c-4a0f-9a52-6d5a4a4f2f02";
const INSTANCE: &str = "0b63c5b6-5a7c-4a0f-9a52-6d5a4a4f2f03";
const TOKEN: &str = "f1e2d3c4b5a697887766554433221100f1e2d3c4b5a697887766554433221100";

fn answers(solutions: &Value) -> Answers {
    let empty = json!({"edges": [], "pageInfo": {"hasNextPage": false, "endCursor": null}});
    let page = |nodes: &Value| {
        let nodes = nodes.as_array().cloned().unwrap_or_default();
        let edges: Vec<Value> = nodes
            .into_iter()
            .map(|node| json!({"node": node}))
            .collect();
        json!({"edges": edges, "pageInfo": {"hasNextPage": false, "endCursor": null}})
    };
    // the frequent ones first; each name is followed by what follows it in the document alone
    let all = [
        (
            "createExternalUser(",
            json!({"createExternalUser": {"userId": USER}}),
        ),
        ("authorize(", json!({"authorize": {"accessToken": TOKEN}})),
        (
            "createUserAuthentication(",
            json!({"createUserAuthentication": {"authenticationId": AUTHENTICATION}}),
        ),
        (
            "createSolutionInstance(",
            json!({"createSolutionInstance": {"solutionInstance": {"id": INSTANCE}}}),
        ),
        (
            "updateSolutionInstance(",
            json!({"updateSolutionInstance": {"solutionInstance": {"id": INSTANCE, "enabled": true}}}),
        ),
        ("users(", json!({"users": empty})),
        (
            "solutions(",
            json!({"viewer": {"solutions": page(solutions)}}),
        ),
        ("__type", json!({})),
        (
            "",
            json!({"viewer": {"authentications": empty, "solutionInstances": empty}}),
        ),
    ];
    let answer = |data: &Value| {
        let body = json!({"data": data}).to_string();
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    Answers(
        all.iter()
            .map(|(name, data)| (*name, answer(data)))
            .collect(),
    )
}

impl Answers {
    fn to(&self, body: &[u8]) -> &[u8] {
        let head = &body[..body.len().min(256)];
        let named = |name: &str| memmem::find(head, name.as_bytes()).is_some();
        let found = self.0.iter().find(|(name, _)| named(name));
        found.map_or(&[], |(_, answer)| answer)
    }
}

/// The length of the body that follows these headers.
fn content_length(headers: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    headers
        .split(|byte| *byte == b'\n')
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .and_then(|line| {
            std::str::from_utf8(&line[NAME.len()..])
                .ok()?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(16 * 1024);
    let mut output = Vec::with_capacity(4 * 1024);
    loop {
        let mut at = 0;
        while let Some(headers) = memmem::find(&input[at..], b"\r\n\r\n") {
            let body = at + headers + 4;
            let end = body + content_length(&input[at..body]);
            if input.len() < end {
                break;
            }
            output.extend_from_slice(answers.to(&input[body..end]));
            at = end;
        }
        input.drain(..at);
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

async fn listen(address: String, answers: Arc<Answers>) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let mut out = std::io::stdout();
    writeln!(out, "http://{}/graphql", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, Arc::clone(&answers)));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut address, mut threads, mut solutions) = ("127.0.0.1:0".to_owned(), 1, json!([]));
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), value) = (arguments.next(), arguments.next()) {
        let value = value.ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => address = value,
            "--threads" => threads = value.parse()?,
            "--solutions" => solutions = serde_json::from_slice(&std::fs::read(value)?)?,
            _ => return Err(format!("{name} is not known").into()),
        }
    }
    let runtime = if threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_io()
            .build()?
    } else {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?
    };
    runtime.block_on(listen(address, Arc::new(answers(&solutions))))?;
    Ok(())
}
