//! Writes the results file of a finished batch: the engine's own lines, against answers that come at once and
//! without the syncs. What a run of some minutes against a server would leave, in less than one.
//!
//!     cargo build --release --example finished-results
//!     target/release/examples/finished-results rows.csv --catalog catalog --endpoint URL results.jsonl

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use serde_json::json;
use tray_import::batch::plan::{Options, plan};
use tray_import::cli::args::Cli;
use tray_import::cli::load::{Listener, load};
use tray_import::import::context::Settings;
use tray_import::import::executor::{Executor, Parts};
use tray_import::import::row_source::RowSource;
use tray_import::import::tally::Tally;
use tray_import::issue::Issue;
use tray_import::model::State;
use tray_import::results::checksum::BatchTag;
use tray_import::results::file::ResultsFile;
use tray_import::results::journal::{AppendFile, Journal};
use tray_import::secret::SecretText;
use tray_import::stop::Stop;
use tray_import::tray::client::{Client, Retries};
use tray_import::tray::limiter::{Limiter, Pace};
use tray_import::tray::transport::{Call, Request, Response, SendError, Transport};

#[derive(clap::Parser)]
struct Arguments {
    input: PathBuf,
    results: PathBuf,
    #[arg(long)]
    catalog: PathBuf,
    #[arg(long, default_value = "http://127.0.0.1:1/graphql")]
    endpoint: String,
}

/// Answers as a Tray would that has nothing yet; each object has an id of its own.
struct AtOnce;

impl Transport for AtOnce {
    async fn send(&self, request: &Request) -> Result<Response, SendError> {
        let id = uuid::Uuid::from_u128(fastrand::u128(..)).to_string();
        let Call::GraphQl { operation, .. } = &request.call else {
            return Err(SendError::NotSent("there is no platform API".to_owned()));
        };
        let data = match operation.name {
            "createExternalUser" => json!({"userId": id}),
            "authorize" => json!({"accessToken": id}),
            "createUserAuthentication" => json!({"authenticationId": id}),
            "createSolutionInstance" => json!({"solutionInstance": {"id": id}}),
            "updateSolutionInstance" => json!({"solutionInstance": {"id": id, "enabled": true}}),
            "users" => json!({"edges": [], "pageInfo": {"hasNextPage": false, "endCursor": null}}),
            other => return Err(SendError::NotSent(format!("no answer to {other}"))),
        };
        Ok(Response {
            status: 200,
            retry_after: None,
            body: json!({"data": {operation.name: data}})
                .to_string()
                .into_bytes(),
        })
    }
}

struct Unsynced(io::BufWriter<std::fs::File>, BatchTag);

impl AppendFile for Unsynced {
    fn batch(&self) -> BatchTag {
        self.1
    }

    async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.0.write_all(&bytes)
    }
}

impl Drop for Unsynced {
    fn drop(&mut self) {
        if let Err(error) = self.0.flush() {
            eprintln!("the last lines could not be written: {error}");
        }
    }
}

struct Nobody;

impl Listener for Nobody {
    fn issue(&mut self, _issue: &Issue) -> io::Result<()> {
        Ok(())
    }
}

async fn import(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let typed = [
        Path::new("tray-import"),
        Path::new("validate"),
        &arguments.input,
    ];
    let typed = typed
        .into_iter()
        .chain([Path::new("--catalog"), &arguments.catalog]);
    let shared = Cli::try_parse_from(typed)?.shared;
    let mut loaded = load(&arguments.input, None, &shared).map_err(|failure| failure.message)?;
    let outcome = loaded
        .check(true, &mut Nobody)
        .map_err(|failure| failure.message)?;
    let index = Arc::new(outcome.index);
    let plan = Arc::new(plan(&index, |_| None, Options::default()));
    // the tool makes the file and its header; the lines go through a handle without syncs
    let batch = ResultsFile::create(&arguments.results, &arguments.endpoint)?.batch();
    let file = std::fs::OpenOptions::new()
        .append(true)
        .open(&arguments.results)?;
    let pace = Pace {
        rate: None,
        burst: 1,
    };
    let client = Arc::new(Client::new(
        AtOnce,
        Limiter::new(pace),
        64,
        Retries::default(),
        fastrand::Rng::with_seed(1),
    ));
    let items = RowSource {
        path: arguments.input.clone(),
        format: None,
        fingerprint: loaded.fingerprint.clone().unwrap_or_default(),
        layout: Arc::clone(&loaded.layout),
        catalog: Arc::clone(&loaded.catalog),
        index: Arc::clone(&index),
        plan: Arc::clone(&plan),
    }
    .start(64);
    let tally = Arc::new(Tally::default());
    let executor = Arc::new(Executor::new(Parts {
        client,
        journal: Journal::start(Unsynced(io::BufWriter::with_capacity(1 << 20, file), batch)),
        master: SecretText::new("a master token of nobody".to_owned()),
        index,
        plan,
        prior: Default::default(),
        seen: Default::default(),
        settings: Settings {
            enable_delay: Duration::ZERO,
            ..Settings::default()
        },
        tally: Arc::clone(&tally),
        stop: Arc::new(Stop::default()),
        now: jiff::Timestamp::now,
    }));
    executor.run(items).await;
    println!("{} rows done", tally.in_state(State::Done));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // the writer ends, and flushes, with the runtime
    runtime.block_on(import(&arguments))
}
