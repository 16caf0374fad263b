//! What an import says of itself in the results file: how it was asked to go, how far it is, how it ended.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::Import;
use crate::cli::exit::Exit;
use crate::import::tally::MaxFailures;
use crate::model::Step;
use crate::report::summary::Figures;
use crate::results::journal::Journal;
use crate::results::run::{Event, SAMPLE_SECONDS, write_run};
use crate::tray::client::Client;
use crate::tray::http::Http;

/// The account of a run under way. What cannot be written ends the run by way of its rows, not here.
pub(super) struct Account {
    run: String,
    journal: Journal,
    sampling: JoinHandle<()>,
}

impl Account {
    /// Says how the run was asked to go, and from now on how far it is.
    pub(super) async fn begin(
        import: &Import<'_>,
        journal: Journal,
        client: Arc<Client<Http>>,
    ) -> Account {
        let run = uuid::Uuid::now_v7().to_string();
        let begin = Event::Begin {
            command: "import".to_owned(),
            tool: concat!("tray-import ", env!("CARGO_PKG_VERSION")).to_owned(),
            input: import
                .args
                .input
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            rows: import.totals.0,
            invalid: import.totals.1,
            calls: client.counters.total(),
            settings: settings(import),
        };
        let line = write_run(&run, Timestamp::now(), begin);
        let _ = journal.write(line).await;
        let sampling = tokio::spawn(sample(run.clone(), journal.clone(), client));
        Account {
            run,
            journal,
            sampling,
        }
    }

    /// Says how the run ended.
    pub(super) async fn end(self, exit: Exit, verdict: &str, figures: &Figures) {
        self.sampling.abort();
        let calls = figures.calls.iter();
        let end = Event::End {
            exit_code: exit.code(),
            verdict: verdict.to_owned(),
            calls: calls.map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            throttled: figures.throttled,
            retried: figures.retried,
            settled: figures.settled,
        };
        let line = write_run(&self.run, Timestamp::now(), end);
        let _ = self.journal.write(line).await;
    }
}

async fn sample(run: String, journal: Journal, client: Arc<Client<Http>>) {
    let counters = &client.counters;
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(SAMPLE_SECONDS)).await;
        let calls = counters.total();
        // a run that waits for something says so by saying nothing
        if calls == before {
            continue;
        }
        before = calls;
        let sample = Event::Sample {
            calls,
            throttled: counters.throttled(),
            retried: counters.retried(),
            rate: client.rate(),
        };
        if journal
            .write(write_run(&run, Timestamp::now(), sample))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// The settings by the names of their flags, as they would be typed. No URL, no path, no token.
fn settings(import: &Import<'_>) -> Map<String, Value> {
    let args = import.args;
    let duration = |duration: Duration| match SignedDuration::try_from(duration) {
        Ok(duration) => json!(format!("{duration:#}")),
        Err(_) => Value::Null,
    };
    let max_failures = match args.max_failures {
        MaxFailures::Rows(rows) => json!(rows),
        MaxFailures::Percent(percent) => json!(format!("{percent}%")),
    };
    let rate = match args.calls.rate.0 {
        Some(rate) => json!(rate),
        None => json!("unlimited"),
    };
    let settings = json!({
        "rate": rate,
        "burst": args.calls.burst,
        "concurrency": args.calls.concurrency,
        "timeout": duration(args.calls.timeout),
        "settle": duration(args.settle),
        "enable-delay": duration(args.enable_delay),
        "max-failures": max_failures,
        "limit": args.limit,
        "until": args.until.map(Step::from),
        "retry-failed": args.retry_failed,
        "skip-invalid": args.skip_invalid,
        "test-users": args.test_users,
        "sandbox": args.sandbox,
    });
    match settings {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
