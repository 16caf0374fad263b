//! A scenario from its first run to its audit: the tool is started, killed, stopped, and started again.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use tray_import::batch::plan::plan;
use tray_import::import::executor::{Executor, Parts};
use tray_import::import::tally::Tally;
use tray_import::model::{State, Step};
use tray_import::results::header::{Header, VERSION};
use tray_import::results::journal::Journal;
use tray_import::results::replay::{Replay, replay_bytes};
use tray_import::results::rows::KnownRow;
use tray_import::results::users::seen_users;
use tray_import::sandbox::Model;
use tray_import::sandbox::limit::Limiter as ServerLimiter;
use tray_import::secret::SecretText;
use tray_import::stop::{Reason, Stop};
use tray_import::tray::client::Client;
use tray_import::tray::limiter::Limiter;

use crate::audit::{self, Audit};
use crate::disk::{BATCH, SimFile};
use crate::existing::{self, Before};
use crate::mutants::{MutantFile, MutantTransport, Mutation};
use crate::plans::RunPlan;
use crate::rows::Input;
use crate::sim::Sim;
use crate::stats::Stats;
use crate::trace::Trace;
use crate::tray::{SimTransport, Tray};
use crate::world::{MASTER, Scenario, platform};

/// What came of a scenario.
pub(crate) struct Outcome {
    /// What is wrong; empty where all is well.
    pub(crate) findings: Vec<String>,
    pub(crate) stats: Stats,
    pub(crate) trace: Vec<String>,
}

/// The run in which every row is in the input at the latest.
const LAST: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Crashed,
    Returned,
    Stuck,
}

/// Plays the scenario of a seed.
pub(crate) fn play(seed: u64, mutation: Option<Mutation>, traced: bool) -> Outcome {
    play_with(seed, mutation, traced, None)
}

/// The same, but with one disturbed run alone, in which this write fails (counted from 0) and nothing else.
pub(crate) fn play_with_write_error(seed: u64, fails_at: u64) -> Outcome {
    play_with(seed, None, false, Some(fails_at))
}

fn play_with(
    seed: u64,
    mutation: Option<Mutation>,
    traced: bool,
    fails_at: Option<u64>,
) -> Outcome {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let scenario = Scenario::draw(&mut rng);
    let behaviour = scenario.behaviour.clone();
    let mut model = Model::new(platform(), behaviour.clone(), MASTER, rng.u64(..));
    let before = existing::seed(&scenario, &mut model, &mut rng);
    let limiter = scenario.limit.map(ServerLimiter::new);
    let tray = Tray::new(model, behaviour, limiter);
    let sim = Sim::new(rng.fork(), tray, Trace::new(traced));
    let mut player = Player {
        scenario: &scenario,
        before,
        sim: &sim,
        rng,
        mutation,
        lost: false,
        findings: Vec::new(),
    };
    match fails_at {
        Some(fails_at) => player.play_with_write_error(fails_at),
        None => player.play(),
    }
    let findings = player.findings;
    let sim = Arc::into_inner(sim).expect("every run of the tool is over");
    let mut world = sim.into_world();
    world.stats.seeds = 1;
    world.stats.rows = scenario.rows.len() as u64;
    world.stats.simulated_seconds = world.now().as_secs();
    Outcome {
        findings,
        stats: world.stats,
        trace: world.trace.into_lines(),
    }
}

/// Plays one scenario, run after run.
pub(crate) struct Player<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) before: Before,
    pub(crate) sim: &'s Arc<Sim>,
    pub(crate) rng: Rng,
    pub(crate) mutation: Option<Mutation>,
    /// Whether a results file was lost: what this batch made then counts as found.
    lost: bool,
    findings: Vec<String>,
}

impl Player<'_> {
    fn play_with_write_error(&mut self, fails_at: u64) {
        let plan = self.undisturbed(0);
        self.sim.world().tray.rates = self.scenario.rates.clone();
        self.sim.world().disk.fails_in = Some(fails_at);
        self.run(&plan);
        if self.findings.is_empty() {
            self.finish(LAST);
        }
    }

    fn play(&mut self) {
        let runs = self.scenario.disturbed_runs;
        for number in 0..runs {
            let plan = self.disturbed(number);
            self.run(&plan);
            if !self.findings.is_empty() {
                return;
            }
            self.between();
        }
        self.finish(runs.max(LAST));
    }

    /// The last run: everything is in the input, and nothing goes wrong any more.
    fn finish(&mut self, number: u32) {
        self.sim.world().tray.rates.share = 0.0;
        let plan = self.undisturbed(number);
        self.run(&plan);
        // An `authorize` that a dead tool sent may be executed this late, and where it ends earlier tokens, it
        // ends the present tool's as well. The tool renews a refused token once and then gives the row up, to
        // be tried again; nothing is lost, and after a while nothing is under way any more.
        if self.scenario.behaviour.authorize_invalidates_earlier && self.any_unauthorized() {
            self.sim.world().pass(self.scenario.calm());
            let plan = self.undisturbed(number + 1);
            self.run(&plan);
        }
        self.sim.world().pass(Duration::from_secs(3600));
        let replay = self.read_results();
        self.judge(&replay, true);
    }

    fn any_unauthorized(&mut self) -> bool {
        let replay = self.read_results();
        let mut rows = replay.rows(|_, row| row.state == State::Failed);
        rows.any(|row| {
            let (_, row) = row.expect("memory can be read");
            row.progress
                .error
                .is_some_and(|error| error.code == "unauthorized")
        })
    }

    /// One run of the tool, from reading its results to its death or its end.
    fn run(&mut self, run: &RunPlan) {
        let replay = self.read_results();
        let whole_before = replay.whole;
        let rows = &self.scenario.rows;
        let input = Input::at_run(rows, run.number, &mut self.rng);
        let todo = plan(&input.index, |key| replay.standing(key), run.options);
        let items = input.items(&todo);
        {
            let mut world = self.sim.world();
            world.stats.runs += 1;
            world.note(|| format!("RUN {} {:?} {:?}", run.number, run.options, run.settings));
        }
        let stop = Arc::new(Stop::default());
        let tally = Arc::new(Tally::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let parts_of = |journal| Parts {
            client: Arc::new(Client::new(
                MutantTransport::new(
                    SimTransport {
                        sim: Arc::clone(self.sim),
                    },
                    self.mutation,
                ),
                Limiter::new(run.pace),
                run.concurrency,
                run.retries,
                match self.mutation {
                    Some(Mutation::OwnDice) => Rng::new(),
                    _ => Rng::with_seed(run.client_seed),
                },
            )),
            journal,
            master: SecretText::new(MASTER.to_owned()),
            index: Arc::new(input.index),
            plan: Arc::new(todo),
            seen: seen_users(&replay).expect("memory can be read"),
            prior: replay.prior(|_, _| true).expect("memory can be read"),
            settings: run.settings,
            tally: Arc::clone(&tally),
            stop: Arc::clone(&stop),
            now: || Timestamp::UNIX_EPOCH,
        };
        let end = runtime.block_on(async {
            self.sim.world().begin(run.crash_in, run.stop_in, &stop);
            let unsynced = self.mutation == Some(Mutation::NoSync);
            let file = SimFile::new(Arc::clone(self.sim), unsynced);
            let journal = Journal::start(MutantFile::new(file, self.mutation));
            let executor = Arc::new(Executor::new(parts_of(journal)));
            let end = tokio::select! {
                biased;
                () = self.sim.crashed() => End::Crashed,
                () = executor.run(items) => End::Returned,
                () = tokio::time::sleep(Duration::from_secs(30 * 24 * 3600)) => End::Stuck,
            };
            self.sim.world().end();
            end
        });
        drop(runtime);
        self.ended(end, &stop, &tally, whole_before);
    }

    fn ended(&mut self, end: End, stop: &Stop, tally: &Tally, whole: u64) {
        let interrupted = stop.reasons().contains(&Reason::Interrupted);
        let mut gave_up = false;
        let disk_full = {
            let mut world = self.sim.world();
            let world = &mut *world;
            if world.is_exhausted() {
                self.findings
                    .push("the tool goes round in circles".to_owned());
            }
            world.note(|| format!("END {end:?} {:?}", stop.reasons()));
            world.stats.settled += tally.settled_total();
            for step in Step::ALL {
                world.stats.created += tally.created_total(step);
                world.stats.adopted += tally.adopted_total(step);
            }
            match end {
                End::Crashed => {
                    world.stats.crashes += 1;
                    world.disk_crashes();
                    world.wires_crash();
                }
                End::Returned => {
                    world.stats.stops += u64::from(interrupted);
                    let since = |at: Option<Duration>| at.map(|at| world.now() - at);
                    let waited = since(world.stopped).filter(|_| interrupted);
                    gave_up = waited.is_some_and(|waited| waited >= Duration::from_secs(10));
                    for (what, waited, most) in [
                        ("Ctrl-C", waited, 10_100),
                        ("a write error", since(world.write_failed), 5_000),
                    ] {
                        if let Some(waited) = waited.filter(|w| w.as_millis() > most) {
                            self.findings
                                .push(format!("it ends {waited:?} after {what}"));
                        }
                    }
                    let all = world.disk.under_way.len();
                    world.disk.keep(all);
                }
                End::Stuck => self.findings.push("the tool never ends".to_owned()),
            }
            world.disk.fails_in = None;
            world.disk.room.take() == Some(0)
        };
        for reason in stop.reasons() {
            match reason {
                Reason::TokenRefused(_) => {
                    self.findings
                        .push("the right master token counts as refused".to_owned());
                }
                Reason::Failed(why) if why.contains("internal error") => self.findings.push(why),
                _ => {}
            }
        }
        let replay = self.read_results();
        if end == End::Returned && !disk_full && !gave_up {
            let durable = self.sim.world().disk.durable.clone();
            let written = &durable[usize::try_from(whole).unwrap_or_default()..];
            self.findings.extend(audit::left_sent(written));
        }
        self.judge(&replay, false);
    }

    /// Time goes by, short or long; now and then the results file is lost.
    fn between(&mut self) {
        let replay = self.read_results();
        let open = |row: std::io::Result<(String, KnownRow)>| {
            let progress = row.expect("memory can be read").1.progress;
            let error = progress.error.as_ref();
            progress.state == State::Sent
                || error.is_some_and(|e| e.code == "unsettled" || e.code == "ambiguous")
        };
        let anything_open = replay.rows(|_, _| true).any(open);
        // what is hidden from listings is known from the results alone
        let unseen = !self.scenario.behaviour.hidden_listed
            && self.scenario.rows.iter().any(|row| row.hidden);
        let mut world = self.sim.world();
        let cut = self.scenario.behaviour.authentications_listed.is_some();
        if !cut && self.rng.u8(0..4) == 0 {
            let removed = existing::tidy(&mut self.before, &mut world.tray.model, &mut self.rng);
            world.note(|| format!("somebody removes {removed} things that are there twice"));
        }
        if !anything_open && !unseen && self.rng.u8(0..6) == 0 {
            world.note(|| "the results file is lost".to_owned());
            world.disk.durable.clear();
            world.stats.lost_results += 1;
            self.lost = true;
            // whoever lost it takes a while to notice
            world.pass(self.scenario.calm());
        }
        let pause = match self.rng.u8(0..4) {
            0 => 0,
            1 => self.rng.u64(0..200),
            2 => self.rng.u64(0..10_000),
            _ => self.rng.u64(0..4_000_000),
        };
        world.pass(Duration::from_millis(pause));
    }

    /// Reads the results as the tool does at its start: a torn tail is cut, a file that is not there made.
    fn read_results(&mut self) -> Replay {
        let mut world = self.sim.world();
        let world = &mut *world;
        let replay = match replay_bytes(&world.disk.durable) {
            Ok(replay) => replay,
            Err(error) => {
                self.findings
                    .push(format!("the results cannot be read: {error}"));
                return Replay::default();
            }
        };
        if replay.torn > 0 {
            world.stats.torn += 1;
            let whole = usize::try_from(replay.whole).unwrap_or_default();
            world.disk.durable.truncate(whole);
        }
        if replay.header.is_some() {
            return replay;
        }
        let header = Header {
            r#type: "batch".to_owned(),
            version: VERSION,
            batch_id: BATCH.to_owned(),
            endpoint: "https://tray.io/graphql".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            tool: "simulation".to_owned(),
        };
        world.disk.durable = header.to_line();
        replay_bytes(&world.disk.durable).unwrap_or_default()
    }

    fn judge(&mut self, replay: &Replay, at_end: bool) {
        let mut world = self.sim.world();
        let audit = Audit {
            scenario: self.scenario,
            before: &self.before,
            replay,
            lost: self.lost,
        };
        let found = audit.run(&mut world, at_end);
        self.findings.extend(found);
    }
}
