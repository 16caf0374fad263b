//! Whether an import uses what Tray allows: the real engine and limiter against the sandbox's own rate limit,
//! with an answer 200 ms away, on a clock that stands still while something is to be done. Minutes pass in a
//! moment, and the same every time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use common::{Bench, rows, sample};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tray_import::batch::plan::{Options, plan};
use tray_import::cli::args::Cli;
use tray_import::cli::load::{Listener, load};
use tray_import::import::context::Settings;
use tray_import::import::executor::{Executor, Parts};
use tray_import::import::row_source::{Item, RowSource};
use tray_import::import::tally::Tally;
use tray_import::issue::Issue;
use tray_import::model::State;
use tray_import::results::checksum::BatchTag;
use tray_import::results::journal::{AppendFile, Journal};
use tray_import::sandbox::Limit;
use tray_import::sandbox::limit::Limiter as ServerLimiter;
use tray_import::secret::SecretText;
use tray_import::stop::Stop;
use tray_import::tray::client::{Client, Retries};
use tray_import::tray::limiter::{Limiter, Pace};
use tray_import::tray::transport::{Call, Request, Response, SendError, Transport};

/// A Tray far away: what it admits it answers with new ids, and it notes when.
struct FarAway {
    state: Mutex<Server>,
    /// The way there and back, at the least and at the most.
    latency: [Duration; 2],
}

struct Server {
    start: Instant,
    limiter: ServerLimiter,
    rng: fastrand::Rng,
    admitted: Vec<Duration>,
    throttled: usize,
}

struct Wire(Arc<FarAway>);

impl Transport for Wire {
    async fn send(&self, request: &Request) -> Result<Response, SendError> {
        let Call::GraphQl { operation, .. } = &request.call else {
            return Err(SendError::NotSent("there is no platform API".to_owned()));
        };
        let FarAway { state, latency } = &*self.0;
        let way = {
            let mut state = state.lock().unwrap();
            let [least, most] = *latency;
            (least + (most - least).mul_f64(state.rng.f64())) / 2
        };
        sleep(way).await;
        let (status, data) = {
            let mut state = state.lock().unwrap();
            let now = state.start.elapsed();
            if state.limiter.admit(now) {
                state.admitted.push(now);
                let id = format!("id-{}", state.admitted.len());
                let data = match operation.name {
                    "createExternalUser" => json!({"userId": id}),
                    "authorize" => json!({"accessToken": id}),
                    "createUserAuthentication" => json!({"authenticationId": id}),
                    "createSolutionInstance" => json!({"solutionInstance": {"id": id}}),
                    "updateSolutionInstance" => {
                        json!({"solutionInstance": {"id": id, "enabled": true}})
                    }
                    "users" => json!({"edges": [], "pageInfo": {"hasNextPage": false}}),
                    other => panic!("{other} is not needed"),
                };
                (200, json!({"data": {operation.name: data}}))
            } else {
                state.throttled += 1;
                (429, json!({"message": "Rate limit exceeded"}))
            }
        };
        sleep(way).await;
        Ok(Response {
            status,
            retry_after: None,
            body: data.to_string().into_bytes(),
        })
    }
}

/// A disk that takes its time.
struct SlowDisk(Duration);

impl AppendFile for SlowDisk {
    fn batch(&self) -> BatchTag {
        BatchTag::new("slow")
    }

    async fn append(&mut self, _bytes: Vec<u8>) -> io::Result<()> {
        sleep(self.0).await;
        Ok(())
    }
}

struct Nobody;

impl Listener for Nobody {
    fn issue(&mut self, issue: &Issue<'_>) -> io::Result<()> {
        panic!("{issue}");
    }
}

/// What a run came to.
struct Used {
    /// Admitted calls, as a share of what the limit allows, from the tenth second until rows run out.
    share: f64,
    throttled: usize,
}

/// Imports customers with an instance each, at this rate, from a server with this latency and limit.
fn import(count: usize, rate: f64, limit: Limit, latency: [u64; 2], sync: u64) -> Used {
    let bench = Bench::new();
    let input = bench.customers("c.jsonl", &rows::synced_rows(count));
    let catalog = sample("catalog");
    let typed = ["tray-import", "validate", "x", "--catalog"].map(Path::new);
    let shared = Cli::try_parse_from(typed.into_iter().chain([&*catalog]))
        .unwrap()
        .shared;
    let mut loaded = load(&input, None, &shared).ok().unwrap();
    let index = Arc::new(loaded.check(true, &mut Nobody).ok().unwrap().index);
    let plan = Arc::new(plan(&index, |_| None, Options::default()));
    let items = all_at_once(
        RowSource {
            path: input,
            format: None,
            fingerprint: loaded.fingerprint.clone().unwrap(),
            layout: Arc::clone(&loaded.layout),
            catalog: Arc::clone(&loaded.catalog),
            index: Arc::clone(&index),
            plan: Arc::clone(&plan),
        },
        count,
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let far = runtime.block_on(async {
        let far = Arc::new(FarAway {
            state: Mutex::new(Server {
                start: Instant::now(),
                limiter: ServerLimiter::new(limit),
                rng: fastrand::Rng::with_seed(5),
                admitted: Vec::new(),
                throttled: 0,
            }),
            latency: latency.map(Duration::from_millis),
        });
        let pace = Pace {
            rate: Some(rate),
            burst: 10,
        };
        let random = fastrand::Rng::with_seed(7);
        let retries = Retries::default();
        let limiter = Limiter::new(pace);
        let client = Client::new(Wire(Arc::clone(&far)), limiter, 64, retries, random);
        let tally = Arc::new(Tally::default());
        let executor = Arc::new(Executor::new(Parts {
            client: Arc::new(client),
            journal: Journal::start(SlowDisk(Duration::from_millis(sync))),
            master: SecretText::new("CANARY-master".to_owned()),
            index,
            plan,
            prior: Default::default(),
            seen: Default::default(),
            settings: Settings::default(),
            tally: Arc::clone(&tally),
            stop: Arc::new(Stop::default()),
            now: || jiff::Timestamp::UNIX_EPOCH,
        }));
        executor.run(items).await;
        assert_eq!(tally.in_state(State::Done), count as u64);
        far
    });
    let state = far.state.lock().unwrap();
    assert_eq!(state.admitted.len(), 5 * count + 1);
    // the last rows cannot fill the time any more: each waits for its own answers
    let tenth = Duration::from_secs(10);
    let until = *state.admitted.last().unwrap() - tenth;
    let counted = state
        .admitted
        .iter()
        .filter(|at| **at >= tenth && **at < until);
    let allowed = limit.per_second * (until - tenth).as_secs_f64();
    Used {
        share: counted.count() as f64 / allowed,
        throttled: state.throttled,
    }
}

/// The rows as the row source brings them, all of them before the clock starts: no thread then has a say in it.
fn all_at_once(source: RowSource, count: usize) -> mpsc::Receiver<Item> {
    let mut fed = source.start(count);
    let (sender, items) = mpsc::channel(count);
    while let Some(item) = fed.blocking_recv() {
        sender.try_send(item).expect("room for every row");
    }
    items
}

#[test]
fn at_the_limit_the_whole_budget_is_used_and_nothing_throttled() {
    // six minutes
    let used = import(2_200, 30.0, Limit::DOCUMENTED, [200, 200], 5);
    assert_eq!(used.throttled, 0);
    assert!(used.share >= 0.98, "{:.4} of the budget", used.share);
    println!("steady latency: {:.4} of the budget", used.share);
}

#[test]
fn nor_when_the_way_is_longer_for_some_calls_than_for_others() {
    let used = import(2_200, 30.0, Limit::DOCUMENTED, [100, 300], 5);
    println!(
        "latency of 100 to 300 ms: {:.4}, {} throttled",
        used.share, used.throttled
    );
    assert_eq!(used.throttled, 0);
    assert!(used.share >= 0.98, "{:.4} of the budget", used.share);
}

#[test]
fn a_slow_disk_costs_no_call() {
    let used = import(1_000, 30.0, Limit::DOCUMENTED, [200, 200], 40);
    println!(
        "40 ms a sync: {:.4}, {} throttled",
        used.share, used.throttled
    );
    assert_eq!(used.throttled, 0);
    assert!(used.share >= 0.98, "{:.4} of the budget", used.share);
}

#[test]
fn the_default_rate_is_kept_as_well() {
    let used = import(1_000, 25.0, Limit::DOCUMENTED, [200, 200], 5);
    assert_eq!(used.throttled, 0);
    assert!(
        used.share >= 0.98 * 25.0 / 30.0,
        "{:.4} of the budget",
        used.share
    );
}
