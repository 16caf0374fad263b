//! The sandbox inside the test process.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tray_import::sandbox::{self, Behaviour, Counters, Model, Platform, Running, Setup};

use super::sample;

/// The sandbox's master token; it bears the marker of the samples' secrets.
pub const MASTER: &str = "CANARY-master-token-0a1b2c3d";

/// A running sandbox with the samples' catalog and solutions.
pub struct Tray {
    running: Option<Running>,
    seed: u64,
    runtime: Runtime,
}

impl Tray {
    /// A Tray without faults, limit or latency.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A Tray with switches set.
    pub fn assuming(change: impl FnOnce(&mut Behaviour)) -> Self {
        Self::with(|setup| change(&mut setup.behaviour))
    }

    /// A Tray as `change` makes it.
    pub fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut setup = Setup::new(MASTER, platform());
        setup.seed = 1;
        change(&mut setup);
        let seed = setup.seed;
        let running = Some(runtime.block_on(sandbox::start(setup)).unwrap());
        Self {
            running,
            seed,
            runtime,
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// What `--endpoint` takes.
    pub fn endpoint(&self) -> String {
        self.running().graphql_url()
    }

    /// What `--api` takes.
    pub fn api(&self) -> String {
        self.running().url()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.running().counters()
    }

    /// How often a root field was executed.
    pub fn calls(&self, operation: &str) -> u64 {
        self.counters().calls(operation)
    }

    /// How many GraphQL requests arrived.
    pub fn requests(&self) -> u64 {
        self.counters().requests
    }

    /// The present time of the model.
    pub fn now(&self) -> Duration {
        self.running().now()
    }

    /// Looks into the model, or changes it.
    pub fn model<T>(&self, f: impl FnOnce(&mut Model) -> T) -> T {
        let model = self.running().model();
        let mut model = model.lock();
        f(&mut model)
    }

    /// How many users, authentications and instances there are.
    pub fn holds(&self) -> [usize; 3] {
        self.model(|model| {
            [
                model.all_users().count(),
                model.all_authentications().count(),
                model.all_instances().count(),
            ]
        })
    }

    /// Waits until the counters are as wanted; a minute at most.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Counters) -> bool) {
        let started = Instant::now();
        while !wanted(&self.counters()) {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{what} never came (seed {}): {:?}",
                self.seed,
                self.counters()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until every late commit under way has happened.
    pub fn settled(&self) {
        self.runtime.block_on(self.running().settled());
    }

    /// The seed, for messages.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Runs a future on the sandbox's runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

impl Drop for Tray {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

/// The files of the samples' catalog.
pub fn catalog() -> Vec<Value> {
    let mut paths: Vec<_> = fs::read_dir(sample("catalog"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    paths.into_iter().map(read).collect()
}

/// What the sandbox offers: the samples' catalog and solutions, read without the tool's own reader.
pub fn platform() -> Platform {
    let mut connectors = Vec::new();
    let mut environments: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in catalog() {
        for version in entry["versions"].as_array().unwrap() {
            connectors.push(json!({
                "name": entry["connector"], "version": version, "service": entry["service"],
            }));
        }
        let service = entry["service"]["id"].as_str().unwrap().to_owned();
        let known = environments.entry(service).or_default();
        for environment in entry["environments"].as_array().unwrap() {
            let environment = json!({
                "id": environment["id"],
                "title": environment["title"],
                "authenticationType": entry["authType"],
                "credentialsSchema": environment["credentials"],
                "userDataSchema": environment["userData"],
            });
            if !known.iter().any(|other| other["id"] == environment["id"]) {
                known.push(environment);
            }
        }
    }
    let solutions = fs::read(sample("solutions.json")).unwrap();
    Platform {
        connectors: serde_json::from_value(Value::Array(connectors)).unwrap(),
        environments: serde_json::from_value(json!(environments)).unwrap(),
        solutions: serde_json::from_slice(&solutions).unwrap(),
    }
}
