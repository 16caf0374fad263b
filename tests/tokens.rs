//! Tokens: renewed where they expire, shown to nobody, sent nowhere else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::audit::audit;
use common::rows::{mixed, plain, synced_rows, with};
use common::{Bench, MASTER, Tray, sample};
use serde_json::json;
use tray_import::sandbox::behaviour::UnauthorizedForm;

const FORMS: [UnauthorizedForm; 3] = [
    UnauthorizedForm::Http401,
    UnauthorizedForm::Http403,
    UnauthorizedForm::Graphql,
];

#[test]
fn a_user_token_that_expires_is_renewed_and_fails_no_row() {
    for form in FORMS {
        for uses in [1, 2] {
            let bench = Bench::new();
            let tray = Tray::assuming(|behaviour| {
                behaviour.user_token_uses = Some(uses);
                behaviour.unauthorized_form = form;
            });
            let rows = mixed(21);
            let input = bench.customers("c.jsonl", &rows);
            bench.import(&tray, &input).expect(0);
            audit(&tray, &rows, &bench.results("r.jsonl"));
            assert!(tray.counters().unauthorized > 0, "no token expired");
            bench.verify_clean(&tray);
        }
    }
}

#[test]
fn many_rows_of_one_customer_survive_tokens_of_few_uses() {
    for form in FORMS {
        let bench = Bench::new();
        let tray = Tray::assuming(|behaviour| {
            behaviour.user_token_uses = Some(2);
            behaviour.unauthorized_form = form;
        });
        let row = |n: usize| with(plain("c-1"), json!({ "authName": format!("auth {n}") }));
        let rows: Vec<_> = (0..25).map(row).collect();
        let input = bench.customers("c.jsonl", &rows);
        bench.import(&tray, &input).expect(0);
        audit(&tray, &rows, &bench.results("r.jsonl"));
        bench.verify_clean(&tray);
    }
}

#[test]
fn a_token_that_a_later_one_ends_is_no_trouble() {
    let bench = Bench::new();
    let tray = Tray::assuming(|behaviour| behaviour.authorize_invalidates_earlier = true);
    let rows = mixed(21);
    let input = bench.customers("c.jsonl", &rows);
    bench
        .import(&tray, &input)
        .args(["--limit", "10"])
        .expect(0);
    bench.import(&tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn tokens_that_all_end_at_once_are_no_trouble() {
    for form in FORMS {
        let bench = Bench::new();
        let tray = Tray::with(|setup| {
            setup.latency = Duration::from_millis(5);
            setup.behaviour.unauthorized_form = form;
        });
        let rows = mixed(28);
        let input = bench.customers("c.jsonl", &rows);
        let run = bench
            .import(&tray, &input)
            .args(["--concurrency", "4"])
            .start();
        tray.wait_for("authentications", |c| {
            c.calls("createUserAuthentication") >= 8
        });
        tray.model(|model| model.expire_user_tokens());
        run.wait().expect(0);
        audit(&tray, &rows, &bench.results("r.jsonl"));
        bench.verify_clean(&tray);
    }
}

#[test]
fn the_master_token_may_come_from_a_file() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = synced_rows(2);
    let input = bench.customers("c.jsonl", &rows);
    let token = bench.input("token", format!("{MASTER}\n"));
    bench
        .tool(&["import"])
        .arg(&input)
        .args(["--results", "r.jsonl", "--enable-delay", "0s"])
        .args(["--endpoint", &tray.endpoint(), "--api", &tray.api()])
        .arg("--catalog")
        .arg(sample("catalog"))
        .arg("--master-token-file")
        .arg(token)
        .expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

/// Nobody who types the token where the file's name belongs reads it in an error, and in what keeps errors.
#[test]
fn a_token_on_the_command_line_is_refused_and_not_shown() {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &[plain("c-1")]);
    let import = |arguments: &[&str]| {
        let tool = bench.tool(&["import"]).arg(&input);
        tool.args(["--results", "r.jsonl"]).args(arguments)
    };
    for flag in ["--token", "--master-token"] {
        let with_value = format!("{flag}={MASTER}");
        for arguments in [&[flag, MASTER][..], &[with_value.as_str()]] {
            let output = import(arguments).expect(2);
            output.says(&["hint: a token is never given on the command line"]);
        }
    }
    let output = import(&["--master-token-file", MASTER]).expect(2);
    output.says(&[
        "--master-token-file names no file",
        "hint: it takes the name",
    ]);
    let output = import(&["--master-token-file", "no/such.token"]).expect(2);
    output.says(&["no/such.token"]);
}

#[test]
fn no_token_is_in_the_process_list() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(50));
    let input = bench.customers("c.jsonl", &synced_rows(5));
    let run = bench
        .import(&tray, &input)
        .args(["--concurrency", "1"])
        .start();
    tray.wait_for("a call", |c| c.calls("createUserAuthentication") > 0);
    let line = fs::read(format!("/proc/{}/cmdline", run.id())).unwrap();
    assert!(!line.is_empty());
    assert_eq!(common::secret_in(&line), None);
    run.wait().expect(0);
}

/// A server that answers every request with this status and head; how often it was asked.
fn answering(head: String) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = answer(stream, &head);
        }
    });
    (address, asked)
}

fn answer(mut stream: TcpStream, head: &str) -> std::io::Result<()> {
    let mut request = [0; 65536];
    let _ = stream.read(&mut request)?;
    write!(
        stream,
        "HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

#[test]
fn redirects_are_not_followed() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let (bench, tray) = (Bench::new(), Tray::new());
        let (address, asked) = answering(format!("{status}\r\nLocation: {}", tray.endpoint()));
        let input = bench.customers("c.jsonl", &synced_rows(1));
        let output = bench
            .tool(&["import"])
            .arg(&input)
            .args([
                "--results",
                "r.jsonl",
                "--endpoint",
                &format!("http://{address}/graphql"),
            ])
            .arg("--catalog")
            .arg(sample("catalog"))
            .env("TRAY_MASTER_TOKEN", MASTER)
            .run();
        assert_ne!(output.code, Some(0), "{}", output.shown());
        assert!(asked.load(Ordering::SeqCst) > 0);
        assert_eq!(tray.requests(), 0, "the token went elsewhere");
        assert_eq!(tray.counters().unauthorized, 0);
    }
}
