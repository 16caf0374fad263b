//! `import`: the migration itself, its dry run and its rehearsal.

mod account;
pub(super) mod asking;
mod closing;
mod dry_run;
mod place;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::aftercare::runtime;
use super::args::{ImportArgs, Shared};
use super::exit::{Exit, Failure};
use super::load::{Listener, Loaded, Outcome, load};
use super::printer::Printer;
use super::rehearsal::ENDPOINT;
use super::{interrupt, progress, settings};
use crate::batch::Index;
use crate::batch::plan::{Options, Plan, Todo, plan};
use crate::import::context::Settings;
use crate::import::executor::{Executor, Parts};
use crate::import::tally::Tally;
use crate::issue::Issue;
use crate::model::{DigestMap, Standing, State, Step};
use crate::report::summary::{Figures, Summary, thousands};
use crate::results::file::{self, ResultsFile};
use crate::results::journal::Journal;
use crate::results::replay::Replay;
use crate::results::rows::PriorRows;
use crate::results::users::{SeenUser, seen_users};
use crate::secret::SecretText;
use crate::stop::{Reason, Stop};
use crate::tray::http::Endpoints;
use account::Account;
pub(super) use asking::refused_token;
use closing::{as_far_as_asked, states};

/// Runs the command.
///
/// # Errors
/// What keeps the import from being begun.
pub fn run(args: &ImportArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    interrupt::listen(printer);
    let started = Instant::now();
    let token = settings::master_token(shared)?;
    let endpoints = settings::endpoints(shared)?;
    if token.is_none() && !args.sandbox && !args.dry_run {
        return Err(Failure::usage("there is no master token").hint(
            "set TRAY_MASTER_TOKEN, or name a file with --master-token-file; --sandbox and --dry-run need none",
        ));
    }
    if args.input.as_os_str() == "-" {
        return Err(Failure::usage(
            "an import reads its input twice and cannot read standard input; write it to a file first",
        ));
    }
    let endpoint = if args.sandbox {
        ENDPOINT.to_owned()
    } else {
        endpoints.graphql.to_string()
    };
    // first of all: a results file that is locked or of another endpoint makes the rest pointless
    let (results, replay) = open_results(args, &endpoint)?;
    let mut loaded = load(&args.input, args.format, shared)?;
    loaded.deny_warnings = args.deny_warnings;
    let mut listener = Listed {
        printer,
        left: LISTED,
        deny_warnings: args.deny_warnings,
    };
    let outcome = loaded.check(true, &mut listener)?;
    loaded.print_notes(&outcome, printer);
    let totals = (outcome.index.total, outcome.index.invalid);
    let import = Import {
        totals,
        args,
        shared,
        printer,
        started,
        loaded,
        outcome,
        endpoints,
        token,
    };
    import.run(results, replay)
}

/// So many issues are listed before an import is refused; `validate` lists them all.
const LISTED: u64 = 20;

struct Listed<'p> {
    printer: &'p Printer,
    left: u64,
    deny_warnings: bool,
}

impl Listener for Listed<'_> {
    fn issue(&mut self, issue: &Issue<'_>) -> io::Result<()> {
        let blocks = self.deny_warnings || !issue.problem.is_warning();
        if self.left > 0 && blocks {
            self.left -= 1;
            self.printer.note(&issue.to_string());
        }
        Ok(())
    }
}

/// The results so far. A dry run only looks; a file that is not there yet is created when it is needed.
fn open_results(
    args: &ImportArgs,
    endpoint: &str,
) -> Result<(Option<ResultsFile>, Replay), Failure> {
    if args.dry_run {
        if !args.results.exists() {
            return Ok((None, Replay::default()));
        }
        let replay = file::read_of(&args.results, endpoint)?;
        settings::warn_of_damage(&args.results, &replay);
        return Ok((None, replay));
    }
    match ResultsFile::open(&args.results, endpoint)? {
        None => Ok((None, Replay::default())),
        Some((file, replay)) => {
            settings::warn_of_damage(&args.results, &replay);
            Ok((Some(file), replay))
        }
    }
}

/// An import whose input is read and checked.
struct Import<'a> {
    args: &'a ImportArgs,
    shared: &'a Shared,
    printer: &'a Printer,
    started: Instant,
    loaded: Loaded,
    outcome: Outcome,
    endpoints: Endpoints,
    token: Option<SecretText>,
    /// Rows in all, and invalid ones.
    totals: (u64, u64),
}

impl Import<'_> {
    fn run(mut self, results: Option<ResultsFile>, replay: Replay) -> Result<Exit, Failure> {
        let invalid = !self.outcome.issues.is_empty();
        let refused = self.outcome.broken || (invalid && !self.args.skip_invalid);
        if refused && !self.args.dry_run {
            return self.refuse();
        }
        let index = Arc::new(std::mem::take(&mut self.outcome.index));
        let options = Options {
            retry_failed: self.args.retry_failed,
            limit: self.args.limit,
            until: self.args.until.map(Step::from),
        };
        let plan = Arc::new(plan(&index, |key| replay.standing(key), options));
        // all that is known of a row, and of end users, is of interest only where something is to be done
        let idle = plan.work == 0 && !self.args.dry_run;
        let changed = |error: io::Error| {
            Failure::internal(format!("{}: {error}", self.args.results.display()))
        };
        let wanted = |_, row: Standing| !idle || row.state == State::Failed;
        let run = Ready {
            seen: match plan.work {
                0 => DigestMap::default(),
                _ => seen_users(&replay).map_err(changed)?,
            },
            prior: replay.prior(wanted).map_err(changed)?,
            index,
            plan,
        };
        if self.args.dry_run {
            return self.dry_run(&run);
        }
        if run.plan.work == 0 {
            return self.nothing_to_do(&run);
        }
        let runtime = runtime()?;
        let exit = runtime.block_on(self.import(run, results));
        // a blocking write that hangs must not keep the process
        runtime.shutdown_timeout(Duration::from_secs(1));
        exit
    }

    /// Invalid rows: nothing is sent.
    fn refuse(&self) -> Result<Exit, Failure> {
        let issues: u64 = self.outcome.issues.values().sum();
        if issues > LISTED {
            self.printer
                .note(&format!("… and {} more", thousands(issues - LISTED)));
        }
        let exit = Exit::Invalid;
        let mut summary = Summary::new("import", exit.code(), self.started.elapsed());
        summary.valid(self.totals, &self.outcome.issues, &self.outcome.warnings);
        if self.printer.is_json() {
            self.printer.object(&summary.to_json());
        } else {
            self.printer
                .result(&summary.of_validation(self.outcome.broken));
            self.printer.result(&format!(
                "Nothing was sent. `tray-import validate {} --invalid to-mend.csv` sets the invalid rows aside; --skip-invalid imports the others.",
                self.args.input.display()
            ));
        }
        Ok(exit)
    }

    fn nothing_to_do(&self, run: &Ready) -> Result<Exit, Failure> {
        let tally = run.tally();
        let failures = run.failures(|_| true);
        let exit = self.exit(&tally, &[]);
        let counted = Figures {
            states: states(&tally),
            failures,
            ..Figures::default()
        };
        let verdict = if tally.in_state(State::Failed) + tally.in_state(State::Held) > 0 {
            "Nothing left to do but for the rows that failed or are held.".to_owned()
        } else {
            format!(
                "Nothing left to do: {}.",
                as_far_as_asked(self.args, &tally, run.index.total)
            )
        };
        self.close(&verdict, &tally, counted, exit, false)
    }

    async fn import(&self, mut run: Ready, results: Option<ResultsFile>) -> Result<Exit, Failure> {
        let place = self.place(&run).await?;
        let client = Arc::new(settings::client(&place.endpoints, &self.args.calls)?);
        if let Some(exit) = self.preflight(&client, &place.token).await? {
            return Ok(exit);
        }
        let results = match results {
            Some(file) => file,
            None => ResultsFile::create(&self.args.results, &place.name)?,
        };
        // those that this run does not try again; its own come on top
        let mut failures = run.failures(|todo| todo != Todo::Work);
        let stop = Arc::new(Stop::default());
        interrupt::hand_to(&stop);
        let tally = Arc::new(Tally::default());
        let journal = Journal::start(results);
        let account = Account::begin(self, journal.clone(), Arc::clone(&client)).await;
        let items = self.source(&run).start(AHEAD);
        let executor = Arc::new(Executor::new(Parts {
            client: Arc::clone(&client),
            journal,
            master: place.token.clone(),
            index: Arc::clone(&run.index),
            plan: Arc::clone(&run.plan),
            prior: std::mem::take(&mut run.prior),
            seen: std::mem::take(&mut run.seen),
            settings: self.import_settings(),
            tally: Arc::clone(&tally),
            stop: Arc::clone(&stop),
            now: jiff::Timestamp::now,
        }));
        let shown = tokio::spawn(progress::show(
            self.printer.clone(),
            Arc::clone(&tally),
            Arc::clone(&client),
            run.plan.work,
        ));
        executor.run(items).await;
        shown.abort();
        // the bar is taken away when the task is gone
        let _ = shown.await;
        drop(executor);
        let reasons = stop.reasons();
        for reason in &reasons {
            match reason {
                Reason::Failed(message) => self.printer.failure(&Failure::internal(message)),
                Reason::TokenRefused(message) => self.printer.failure(&refused_token(message)),
                Reason::Interrupted | Reason::MaxFailures => {}
            }
        }
        for (code, count) in tally.failures() {
            *failures.entry(code).or_default() += count;
        }
        let counters = &client.counters;
        let kinds = [Step::User, Step::Authentication, Step::Instance];
        let figures = Figures {
            states: states(&tally),
            created: kinds.map(|step| tally.created_total(step)),
            adopted: kinds.map(|step| tally.adopted_total(step)),
            calls: counters.calls(),
            throttled: counters.throttled(),
            retried: counters.retried(),
            settled: tally.settled_total(),
            failures,
        };
        let exit = self.exit(&tally, &reasons);
        let verdict = self.verdict(&tally, &reasons, &run);
        account.end(exit, &verdict, &figures).await;
        self.close(&verdict, &tally, figures, exit, true)
    }

    fn import_settings(&self) -> Settings {
        Settings {
            rows_in_flight: (self.args.calls.concurrency as usize).saturating_mul(2),
            settle: self.args.settle,
            enable_delay: self.args.enable_delay,
            until: self.args.until.map(Step::from),
            test_users: self.args.test_users,
            max_failures: self.args.max_failures,
            ..Settings::default()
        }
    }
}

/// Rows that the reader is ahead of the pool.
const AHEAD: usize = 64;

/// What is to be done, and what was done before.
struct Ready {
    index: Arc<Index>,
    plan: Arc<Plan>,
    prior: PriorRows,
    seen: DigestMap<SeenUser>,
}

impl Ready {
    fn tally(&self) -> Tally {
        let tally = Tally::default();
        tally.begin(&self.plan);
        tally
    }

    /// Rows that had failed before this run, by code, as far as `counts` says so of what is done with them.
    fn failures(&self, counts: impl Fn(Todo) -> bool) -> BTreeMap<String, u64> {
        let mut failures = BTreeMap::new();
        if self.plan.states[State::Failed as usize] == 0 {
            return failures;
        }
        for (row, todo) in self.index.rows.iter().zip(&self.plan.todo) {
            if let Some(progress) = self.prior.get(&row.key())
                && progress.state == State::Failed
                && let Some(error) = &progress.error
                && counts(*todo)
            {
                *failures.entry(error.code.to_string()).or_default() += 1;
            }
        }
        failures
    }
}
