//! `import`: the migration itself, its dry run and its rehearsal.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::args::{ImportArgs, Shared};
use super::exit::{Exit, Failure};
use super::load::{Listener, Loaded, Outcome, load};
use super::preview::{self, Preview};
use super::printer::Printer;
use super::rehearsal::{self, ENDPOINT};
use super::{interrupt, progress, settings};
use crate::batch::plan::{Options, Plan, plan};
use crate::import::engine::{Engine, Parts, Settings};
use crate::import::feed::{self, Item, Source};
use crate::import::stop::{Reason, Stop};
use crate::import::tally::Tally;
use crate::input::open::Format;
use crate::issue::Issue;
use crate::report::summary::{Figures, Summary, thousands};
use crate::results::file::{self, FileError, ResultsFile};
use crate::results::fold::Folded;
use crate::results::journal::Journal;
use crate::results::record::{Progress, State, Step};
use crate::sandbox::{self, Running, Setup};
use crate::secret::SecretText;
use crate::tray::client::{Client, Failed, Retries};
use crate::tray::http::{Endpoints, Http, parse_url};
use crate::tray::limiter::{Limiter, Pace};
use crate::tray::outcome::Trouble;
use crate::tray::preflight::{self, PreflightError, Wanted, WantedSlots};
use crate::validate::identity::DigestMap;
use crate::validate::references::References;

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
    let (results, folded) = open_results(args, &endpoint)?;
    let mut loaded = load(&args.input, args.format, shared)?;
    let mut listener = Listed {
        printer,
        left: LISTED,
    };
    let outcome = loaded.check(&mut listener)?;
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
    import.run(results, folded)
}

/// So many issues are listed before an import is refused; `validate` lists them all.
const LISTED: u64 = 20;

struct Listed<'p> {
    printer: &'p Printer,
    left: u64,
}

impl Listener for Listed<'_> {
    fn issue(&mut self, issue: &Issue) -> io::Result<()> {
        if self.left > 0 {
            self.left -= 1;
            self.printer.note(&issue.to_string());
        }
        Ok(())
    }

    fn row(&mut self, _raw: &[u8], _valid: bool) -> io::Result<()> {
        Ok(())
    }
}

/// The results so far. A dry run only looks; a file that is not there yet is created when it is needed.
fn open_results(
    args: &ImportArgs,
    endpoint: &str,
) -> Result<(Option<ResultsFile>, Folded), Failure> {
    if args.dry_run {
        if !args.results.exists() {
            return Ok((None, Folded::default()));
        }
        return Ok((None, file::read(&args.results).map_err(results_failure)?));
    }
    match ResultsFile::open(&args.results, endpoint).map_err(results_failure)? {
        None => Ok((None, Folded::default())),
        Some((file, folded)) => {
            if folded.torn > 0 {
                tracing::warn!(
                    "the last line of {} was torn ({} bytes); it is dropped, and what it was about is looked up in Tray",
                    args.results.display(),
                    folded.torn
                );
            }
            Ok((Some(file), folded))
        }
    }
}

fn results_failure(error: FileError) -> Failure {
    match error {
        FileError::Endpoint { .. } => Failure::usage(error),
        other => Failure::internal(other),
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
    fn run(mut self, results: Option<ResultsFile>, folded: Folded) -> Result<Exit, Failure> {
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
        let plan = Arc::new(plan(&index, |key| folded.progress(key), options));
        let run = Ready {
            index,
            plan,
            prior: folded.rows,
        };
        if self.args.dry_run {
            return self.preview(&run);
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
        summary.valid(self.totals, &self.outcome.issues);
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
        let failures = run.failures();
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
        let client = Arc::new(self.client(&place.endpoints)?);
        if let Some(exit) = self.preflight(&client, &place.token).await? {
            return Ok(exit);
        }
        let results = match results {
            Some(file) => file,
            None => {
                ResultsFile::create(&self.args.results, &place.name).map_err(results_failure)?
            }
        };
        let stop = Arc::new(Stop::default());
        interrupt::hand_to(&stop);
        let tally = Arc::new(Tally::default());
        let items = feed::start(self.source(&run), AHEAD);
        let engine = Arc::new(Engine::new(Parts {
            client: Arc::clone(&client),
            journal: Journal::start(results),
            master: place.token.clone(),
            index: Arc::clone(&run.index),
            plan: Arc::clone(&run.plan),
            prior: std::mem::take(&mut run.prior),
            settings: self.engine_settings(),
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
        engine.run(items).await;
        shown.abort();
        // the bar is taken away when the task is gone
        let _ = shown.await;
        drop(engine);
        let reasons = stop.reasons();
        for reason in &reasons {
            match reason {
                Reason::Failed(message) => self.printer.failure(&Failure::internal(message)),
                Reason::TokenRefused(message) => self.printer.failure(&refused_token(message)),
                Reason::Interrupted | Reason::MaxFailures => {}
            }
        }
        let failures = file::read(&self.args.results)
            .map(|folded| failures_of(&folded.rows, &run))
            .unwrap_or_else(|_| tally.failures());
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
        self.close(&verdict, &tally, figures, exit, true)
    }

    fn engine_settings(&self) -> Settings {
        Settings {
            rows_under_way: (self.args.concurrency as usize).saturating_mul(2),
            settle: self.args.settle,
            enable_delay: self.args.enable_delay,
            until: self.args.until.map(Step::from),
            test_users: self.args.test_users,
            max_failures: self.args.max_failures,
            ..Settings::default()
        }
    }

    fn client(&self, endpoints: &Endpoints) -> Result<Client<Http>, Failure> {
        let http = Http::new(endpoints.clone(), self.args.timeout)
            .map_err(|error| Failure::internal(format!("cannot set up TLS: {error}")))?;
        let pace = Pace {
            rate: self.args.rate.0,
            burst: self.args.burst,
        };
        Ok(Client::new(
            http,
            Limiter::new(pace),
            self.args.concurrency as usize,
            Retries::default(),
            fastrand::Rng::new(),
        ))
    }

    fn source(&self, run: &Ready) -> Source {
        Source {
            path: self.args.input.clone(),
            format: self.args.format.map(Format::from),
            fingerprint: self.loaded.fingerprint.clone().unwrap_or_default(),
            layout: Arc::clone(&self.loaded.layout),
            catalog: Arc::clone(&self.loaded.catalog),
            index: Arc::clone(&run.index),
            plan: Arc::clone(&run.plan),
        }
    }

    /// Where the calls go: Tray, or a sandbox inside this process.
    async fn place(&self, run: &Ready) -> Result<Place, Failure> {
        if !self.args.sandbox {
            let token = self.token.clone();
            return Ok(Place {
                name: self.endpoints.graphql.to_string(),
                endpoints: self.endpoints.clone(),
                token: token.ok_or_else(|| Failure::usage("there is no master token"))?,
                _sandbox: None,
            });
        }
        let solutions = rehearsal::solutions(
            self.args.solutions.as_deref(),
            self.shared,
            Some(&self.args.input),
        )?;
        let solutions = solutions.unwrap_or_else(|| {
            self.printer.note(
                "The sandbox has the solutions and slots that the rows name (no solutions.json beside the catalog): a misspelt External ID goes unnoticed.",
            );
            rehearsal::solutions_of(&self.outcome.references)
        });
        // known to nobody outside this process
        let token = format!("{:032x}", fastrand::u128(..));
        let platform = rehearsal::platform(&self.loaded.catalog, solutions);
        let mut setup = Setup::new(token.clone(), platform);
        setup.seed = fastrand::u64(..);
        setup.limit = Some(sandbox::Limit::DOCUMENTED);
        let running = sandbox::start(setup)
            .await
            .map_err(|error| Failure::internal(format!("the sandbox cannot start: {error}")))?;
        self.restore(&running, run).await;
        let url = |text: &str| parse_url(text).map_err(Failure::internal);
        Ok(Place {
            name: ENDPOINT.to_owned(),
            endpoints: Endpoints {
                graphql: url(&running.graphql_url())?,
                api: Some(url(&format!("{}/", running.url()))?),
            },
            token: SecretText::new(token),
            _sandbox: Some(running),
        })
    }

    /// Gives the sandbox back what earlier rehearsals with this results file made.
    async fn restore(&self, running: &Running, run: &Ready) {
        let mut all = Plan {
            groups_at_work: vec![false; run.index.groups.len()],
            ..Plan::default()
        };
        for row in &run.index.rows {
            let known = run.prior.contains_key(&row.key().0);
            all.work += u64::from(known);
            all.todo.push(if known {
                crate::batch::plan::Todo::Work
            } else {
                crate::batch::plan::Todo::Nothing
            });
        }
        if all.work == 0 {
            return;
        }
        let mut source = self.source(run);
        source.plan = Arc::new(all);
        let mut items = feed::start(source, AHEAD);
        let model = running.model();
        while let Some(item) = items.recv().await {
            if let Item::Work(row) = item
                && let Some((_, progress)) = run.prior.get(&row.key.0)
                && let Ok(mut model) = model.lock()
            {
                rehearsal::restore(&mut model, &row, progress, self.args.test_users);
            }
        }
    }

    fn wanted(&self) -> Wanted {
        let references = &self.outcome.references;
        let mut wanted = Wanted {
            test_users: self.args.test_users,
            form_data: references.form_data,
            has_api: self.args.sandbox || self.endpoints.api.is_some(),
            ..Wanted::default()
        };
        let References {
            solutions,
            services,
            ..
        } = references;
        for (id, slots) in solutions {
            let slots = WantedSlots {
                auth: slots.auth.clone(),
                config: slots.config.clone(),
            };
            wanted.solutions.insert(id.clone(), slots);
        }
        for (name, versions) in services {
            for (version, ids) in versions {
                wanted
                    .services
                    .insert((name.clone(), *version), ids.clone());
            }
        }
        wanted
    }

    /// The exit code, where the preflight ends the run.
    async fn preflight(
        &self,
        client: &Client<Http>,
        token: &SecretText,
    ) -> Result<Option<Exit>, Failure> {
        let report = preflight::run(client, token, &self.wanted())
            .await
            .map_err(preflight_failure)?;
        for note in &report.unchecked {
            self.printer.note(&format!("not checked: {note}"));
        }
        if report.findings.is_empty() {
            for note in &report.passed {
                tracing::info!("preflight: {note}");
            }
            return Ok(None);
        }
        let exit = Exit::Refused;
        if self.printer.is_json() {
            let mut summary = Summary::new("import", exit.code(), self.started.elapsed());
            summary.valid(self.totals, &self.outcome.issues);
            summary.add(
                "preflight",
                serde_json::json!({"findings": report.findings, "unchecked": report.unchecked}),
            );
            self.printer.object(&summary.to_json());
        }
        for finding in &report.findings {
            self.printer
                .failure(&Failure::new(exit, format!("preflight: {finding}")));
        }
        self.printer.note("Nothing was sent.");
        Ok(Some(exit))
    }

    fn preview(&self, run: &Ready) -> Result<Exit, Failure> {
        let mut exits = vec![Exit::Done];
        if !self.outcome.issues.is_empty() {
            exits.push(Exit::Invalid);
        }
        let mut checks = None;
        let mut existing = None;
        if self.args.sandbox || self.token.is_some() {
            let runtime = runtime()?;
            let asked = runtime.block_on(async {
                let place = self.place(run).await?;
                let client = self.client(&place.endpoints)?;
                let report = preflight::run(&client, &place.token, &self.wanted())
                    .await
                    .map_err(preflight_failure)?;
                let existing = preview::existing_users(&client, &place.token, &run.index)
                    .await
                    .map_err(listing_failure)?;
                Ok::<_, Failure>((report, existing))
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
            let (report, users) = asked?;
            if !report.findings.is_empty() {
                exits.push(Exit::Refused);
            }
            checks = Some(report);
            existing = Some(users);
        }
        let preview = Preview::of(
            &run.index,
            &run.plan,
            &run.prior,
            existing,
            self.args.until.map(Step::from),
            self.args.test_users,
        );
        let exit = Exit::worst(exits);
        let mut summary = Summary::new("import", exit.code(), self.started.elapsed());
        summary.valid(self.totals, &self.outcome.issues);
        if self.printer.is_json() {
            summary.add("dryRun", serde_json::json!(true));
            summary.add("plan", preview.to_json(self.args.rate.0));
            if let Some(report) = &checks {
                summary.add("preflight", serde_json::json!({
                    "findings": report.findings, "unchecked": report.unchecked, "passed": report.passed,
                }));
            }
            self.printer.object(&summary.to_json());
            return Ok(exit);
        }
        self.printer
            .result(&summary.of_validation(self.outcome.broken));
        self.printer.result("");
        self.printer.result(&preview.to_text(self.args.rate.0));
        if let Some(report) = &checks {
            self.printer.result("\nPreflight:\n");
            for (mark, lines) in [
                ("ok", &report.passed),
                ("not checked", &report.unchecked),
                ("WRONG", &report.findings),
            ] {
                for line in lines {
                    self.printer.result(&format!("  {mark}: {line}"));
                }
            }
        }
        self.printer
            .result("\nNothing was changed: this was a dry run.");
        Ok(exit)
    }

    fn exit(&self, tally: &Tally, reasons: &[Reason]) -> Exit {
        let mut exits = vec![Exit::Done];
        exits.extend(reasons.iter().map(|reason| match reason {
            Reason::Interrupted => Exit::Interrupted,
            Reason::Failed(_) => Exit::Internal,
            Reason::TokenRefused(_) => Exit::Refused,
            Reason::MaxFailures => Exit::MaxFailures,
        }));
        if tally.in_state(State::Failed) > 0 {
            exits.push(Exit::Failed);
        }
        if !self.outcome.issues.is_empty() {
            exits.push(Exit::Invalid);
        }
        Exit::worst(exits)
    }

    fn verdict(&self, tally: &Tally, reasons: &[Reason], run: &Ready) -> String {
        let reason = reasons.iter().find_map(|reason| match reason {
            Reason::Interrupted => Some("Interrupted. Nothing is lost: the same command goes on from here."),
            Reason::Failed(_) => Some("Stopped by the error above. Nothing that Tray has made is lost: the same command goes on from here."),
            Reason::TokenRefused(_) => Some("Stopped: Tray refused the master token."),
            Reason::MaxFailures => None,
        });
        if let Some(reason) = reason {
            return reason.to_owned();
        }
        if reasons.contains(&Reason::MaxFailures) {
            return "Stopped by --max-failures: too many rows failed.".to_owned();
        }
        let (failed, held) = (tally.in_state(State::Failed), tally.in_state(State::Held));
        if failed + held > 0 {
            return format!(
                "Finished, but {} rows failed and {} are held back by others.",
                thousands(failed),
                thousands(held)
            );
        }
        if run.plan.todo.contains(&crate::batch::plan::Todo::Later) {
            return "Stopped where --limit said.".to_owned();
        }
        format!(
            "Finished: {}.",
            as_far_as_asked(self.args, tally, run.index.total)
        )
    }

    /// Prints the summary.
    fn close(
        &self,
        verdict: &str,
        tally: &Tally,
        figures: Figures,
        exit: Exit,
        ran: bool,
    ) -> Result<Exit, Failure> {
        let mut summary = Summary::new("import", exit.code(), self.started.elapsed());
        summary.valid(self.totals, &self.outcome.issues);
        summary.import(figures);
        if self.printer.is_json() {
            self.printer.object(&summary.to_json());
            return Ok(exit);
        }
        let results = self.args.results.display();
        let mut next = Vec::new();
        if tally.in_state(State::Failed) + tally.in_state(State::Held) > 0 {
            next.push(format!(
                "Which rows and why: tray-import status {results} --failed\nTry them again: the same command with --retry-failed"
            ));
        }
        if tally.differing_config_total() > 0 {
            next.push(format!(
                "{} config values of instances that existed before differ from the input and were left alone (see the warnings above).",
                thousands(tally.differing_config_total())
            ));
        }
        if ran {
            next.push(format!("Ids of every row: {results}"));
        }
        self.printer.result(&summary.of_import(verdict, &next));
        Ok(exit)
    }
}

/// Rows that the reader is ahead of the pool.
const AHEAD: usize = 64;

/// Where the calls go.
struct Place {
    name: String,
    endpoints: Endpoints,
    token: SecretText,
    /// Ends when it is dropped.
    _sandbox: Option<Running>,
}

/// What is to be done, and what was done before.
struct Ready {
    index: Arc<crate::batch::Index>,
    plan: Arc<Plan>,
    prior: DigestMap<(u64, Progress)>,
}

impl Ready {
    fn tally(&self) -> Tally {
        let tally = Tally::default();
        for row in &self.index.rows {
            if let Some((_, progress)) = self.prior.get(&row.key().0) {
                tally.moved(None, progress.state);
            }
        }
        tally
    }

    fn failures(&self) -> std::collections::BTreeMap<String, u64> {
        failures_of(&self.prior, self)
    }
}

fn failures_of(
    rows: &DigestMap<(u64, Progress)>,
    run: &Ready,
) -> std::collections::BTreeMap<String, u64> {
    let mut failures = std::collections::BTreeMap::new();
    for row in &run.index.rows {
        if let Some((_, progress)) = rows.get(&row.key().0)
            && progress.state == State::Failed
            && let Some(error) = &progress.error
        {
            *failures.entry(error.code.to_string()).or_default() += 1;
        }
    }
    failures
}

fn states(tally: &Tally) -> [u64; 4] {
    let partial = tally.in_state(State::Partial) + tally.in_state(State::Sent);
    [
        tally.in_state(State::Done),
        partial,
        tally.in_state(State::Failed),
        tally.in_state(State::Held),
    ]
}

fn as_far_as_asked(args: &ImportArgs, tally: &Tally, total: u64) -> String {
    match args.until {
        Some(until) if tally.in_state(State::Partial) > 0 => {
            format!("every row has come to the step \"{}\"", Step::from(until))
        }
        _ if tally.in_state(State::Done) == total => {
            format!("all {} rows are done", thousands(total))
        }
        _ => format!(
            "{} of {} rows are done",
            thousands(tally.in_state(State::Done)),
            thousands(total)
        ),
    }
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)
}

fn refused_token(message: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("Tray refused the master token ({message})"),
    )
    .hint("check TRAY_MASTER_TOKEN, and that --region is the token's")
}

fn preflight_failure(error: PreflightError) -> Failure {
    match error {
        PreflightError::Token(message) => refused_token(&message),
        PreflightError::NoAnswer(_) => Failure::internal(error)
            .hint("nothing was sent; check --endpoint and --region, and the network"),
    }
}

fn listing_failure(failed: Failed) -> Failure {
    match failed.trouble {
        Trouble::TokenRefused { message, .. } => refused_token(&message),
        _ => Failure::internal("Tray gives no answer: the end users cannot be listed"),
    }
}
