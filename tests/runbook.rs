//! `docs/runbook.md`, executed: its commands in order against a sandbox, their outputs compared with those it
//! shows, and at its end a Tray that holds nothing.
//!
//! `TRAY_RUNBOOK=write cargo test --test runbook` writes the outputs of this run into the page instead.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;
#[path = "runbook/script.rs"]
mod script;

use std::env;
use std::fs;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Bench, MASTER, Started, sample, secret_in};
use script::{Page, Step, normalised};
use serde_json::Value;

/// Where the page says that the calls go.
const SHOWN: &str = "https://tray.io";

#[test]
fn the_runbook_runs_as_written_and_ends_with_an_empty_tray() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = Page::read(root.join("docs/runbook.md"));
    let bench = Bench::new();
    let sandbox = Sandbox::start(&bench);
    prepare(&bench);
    let write = env::var_os("TRAY_RUNBOOK").is_some_and(|value| value == "write");
    let mut outputs: Vec<(Step, Vec<String>)> = Vec::new();
    let mut code = 0;
    for step in page.steps() {
        let (ended, output) = run(&bench, &sandbox, &step.command, code);
        code = ended;
        let place = format!("docs/runbook.md:{}: $ {}", step.line, step.command);
        assert!(
            secret_in(output.join("\n").as_bytes()).is_none(),
            "{place} shows a secret"
        );
        let said = output.join("\n");
        assert!(code == 0 || step.may_fail, "{place}: exit {code}\n{said}");
        let shown = page.shown(&step);
        let same = normalised(&output) == normalised(&shown);
        if !write {
            assert!(
                same,
                "{place}\n--- the page shows\n{}\n--- the tool says\n{said}\n--- \
                 TRAY_RUNBOOK=write cargo test --test runbook writes the page anew",
                shown.join("\n")
            );
        }
        // times that are as true as others stay, so that writing changes what has changed
        outputs.push((step, if same { shown } else { output }));
    }
    assert!(
        outputs.len() > 15,
        "the runbook has only {} commands",
        outputs.len()
    );
    if write {
        page.write(&outputs);
    }
    let state = sandbox.state();
    let made = &state["counters"]["calls"];
    assert!(
        made["createSolutionInstance"].as_u64() > Some(10),
        "nothing was made: {made}"
    );
    for kind in ["users", "authentications", "instances"] {
        assert_eq!(
            state[kind].as_array().map(Vec::len),
            Some(0),
            "{kind} are left: {}",
            state[kind]
        );
    }
}

/// What the company of the runbook has before it begins: an export with two mistakes, and a token.
fn prepare(bench: &Bench) {
    let text = fs::read_to_string(sample("export.csv")).unwrap();
    let mut lines: Vec<String> = text.lines().take(25).map(str::to_owned).collect();
    for (row, from, to) in [
        (4, "eu-central-1", "eu-central"),
        (7, "009190568131", "0091-9056-8131"),
    ] {
        assert!(
            lines[row].contains(from),
            "{row} of the sample is another: {}",
            lines[row]
        );
        lines[row] = lines[row].replacen(from, to, 1);
    }
    bench.input("export.csv", lines.join("\r\n") + "\r\n");
    bench.input("tray-token", format!("{MASTER}\n"));
    bench.aside("to-mend.csv");
}

/// Runs a command of the page in a shell, as somebody without colours would.
fn run(bench: &Bench, sandbox: &Sandbox, command: &str, before: i32) -> (i32, Vec<String>) {
    let tool = Path::new(env!("CARGO_BIN_EXE_tray-import"))
        .parent()
        .unwrap();
    let mut path = vec![tool.to_owned()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut both = tempfile::tempfile().unwrap();
    let mut shell = Command::new("sh");
    // `$?` is the exit code of the command before
    shell.args(["-c", &format!("(exit {before})\n{command}")]);
    for (name, _) in env::vars_os() {
        let lower = name.to_string_lossy().to_lowercase();
        if lower.starts_with("tray_") || lower.ends_with("_proxy") {
            shell.env_remove(name);
        }
    }
    let status = shell
        .current_dir(bench.path(""))
        .env("PATH", env::join_paths(path).unwrap())
        .env("TRAY_IMPORT_ENDPOINT", &sandbox.endpoint)
        .env("TRAY_IMPORT_API", &sandbox.api)
        .stdin(Stdio::null())
        .stdout(both.try_clone().unwrap())
        .stderr(both.try_clone().unwrap())
        .status()
        .unwrap();
    let mut text = String::new();
    both.rewind().unwrap();
    both.read_to_string(&mut text).unwrap();
    let text = text.replace(&sandbox.api, SHOWN);
    let lines = text.lines().map(|line| line.trim_end().to_owned());
    (
        status.code().unwrap(),
        lines.filter(|line| !is_progress(line)).collect(),
    )
}

/// How far a run is, every few seconds: it depends on when somebody looks.
fn is_progress(line: &str) -> bool {
    let numbers = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ',');
    let mut words = line.split(' ');
    let [Some(done), Some("of"), Some(all), Some(_)] = [(); 4].map(|()| words.next()) else {
        return false;
    };
    let begins = ["rows: ", "end users: "]
        .iter()
        .any(|unit| line.contains(&format!(" of {all} {unit}")));
    !done.is_empty() && numbers(done) && numbers(all) && begins
}

/// `tray-import sandbox`, as a process of its own.
struct Sandbox {
    process: Option<Started>,
    endpoint: String,
    api: String,
}

impl Sandbox {
    fn start(bench: &Bench) -> Sandbox {
        let process = bench
            // at its usual rate; a large burst, since here the commands follow each other without a pause
            .tool(&["sandbox", "--json", "--burst", "1000", "--catalog"])
            .arg(sample("catalog"))
            .env("TRAY_MASTER_TOKEN", MASTER)
            .start();
        let mut process = process;
        let told = loop {
            let stdout = process.stdout();
            if stdout.ends_with('\n') {
                break stdout;
            }
            assert!(process.runs(), "the sandbox ended");
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        let told: Value = serde_json::from_str(&told).unwrap();
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        Sandbox {
            endpoint: text("endpoint"),
            api: text("api"),
            process: Some(process),
        }
    }

    /// What it holds.
    fn state(&self) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let url = format!("{}/admin/state", self.api);
        runtime.unwrap().block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            client.get(url).send().await.unwrap().json().await.unwrap()
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }
}
