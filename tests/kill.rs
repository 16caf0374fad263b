//! SIGKILL at drawn moments, again and again on the same results file, until the batch ends by itself: nothing
//! is made twice, nothing is lost, and no call ever left without its `sent` on disk.
//!
//! A moment is an event: the file reaches a drawn length, Tray has executed a drawn number of calls, a drawn
//! `sent` has just been written. `TRAY_KILLS=N` asks for a longer run, `TRAY_SEED=N` starts with another batch.
//! A seed replays the rows and the drawn moments; what is under way at each is the scheduler's.

#![allow(clippy::unwrap_used, reason = "this is all test code")]

mod common;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use common::audit::audit;
use common::fuzzing::{SeedOfPanic, number};
use common::left::{Customer, ENABLE, Left, STEPS, step_of};
use common::rows::{mixed, plain, synced, with};
use common::{Bench, Started, Tool, Tray};
use fastrand::Rng;
use serde_json::{Value, json};
use tray_import::sandbox::Model;

/// Batches under way at a time.
const AT_ONCE: usize = 2;

/// What is counted over the suite.
#[derive(Debug, Default)]
struct Tally {
    batches: usize,
    kills: usize,
    /// Kills by the step that was under way in the row that was written last.
    at_step: [usize; 4],
    /// Kills with every written step at its end.
    at_rest: usize,
    /// Kills that left a row `sent` whose call Tray never saw, by step.
    unsent: [usize; 3],
    /// Kills that left a row `sent` though Tray has what it asked for, by step.
    unrecorded: [usize; 3],
    /// Open outcomes that a later run settled.
    settled: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.batches += other.batches;
        self.kills += other.kills;
        self.at_rest += other.at_rest;
        self.settled += other.settled;
        for step in 0..4 {
            self.at_step[step] += other.at_step[step];
        }
        for step in 0..3 {
            self.unsent[step] += other.unsent[step];
            self.unrecorded[step] += other.unrecorded[step];
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_step = |counts: &[usize]| {
            let named = STEPS.iter().zip(counts);
            let named = named.map(|((step, _), count)| format!("{step} {count}"));
            named.collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "{} kills of {} batches", self.kills, self.batches)?;
        writeln!(
            f,
            "  by the step under way: {}; between two steps {}",
            by_step(&self.at_step),
            self.at_rest
        )?;
        writeln!(f, "  between journal and send: {}", by_step(&self.unsent))?;
        writeln!(
            f,
            "  between execution and journal: {}",
            by_step(&self.unrecorded)
        )?;
        write!(f, "  open outcomes settled: {}", self.settled)
    }
}

#[test]
fn nothing_is_made_twice_however_often_a_run_is_killed() {
    let wanted = usize::try_from(number("TRAY_KILLS", 200)).unwrap();
    let started = Instant::now();
    let seeds = AtomicU64::new(number("TRAY_SEED", 1));
    let kills = AtomicUsize::new(0);
    let sum = Mutex::new(Tally::default());
    let work = || {
        while kills.load(Ordering::SeqCst) < wanted {
            let seed = seeds.fetch_add(1, Ordering::SeqCst);
            let _told = SeedOfPanic(seed);
            let tally = batch(seed, &kills);
            *sum.lock().unwrap() += tally;
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let sum = sum.into_inner().unwrap();
    println!("{sum}\n  {:.1} s", started.elapsed().as_secs_f64());
    assert!(sum.kills >= wanted, "{sum}");
    if wanted >= 200 {
        assert!(sum.at_step.iter().all(|count| *count > 0), "{sum}");
        assert!(sum.unsent.iter().all(|count| *count > 0), "{sum}");
        assert!(sum.unrecorded.iter().all(|count| *count > 0), "{sum}");
        assert!(sum.settled > 0, "{sum}");
    }
}

/// Kills one batch until it ends by itself.
fn batch(seed: u64, kills: &AtomicUsize) -> Tally {
    let mut random = Rng::with_seed(seed);
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.seed = seed;
        setup.latency = Duration::from_millis(random.u64(1..=5));
        // every other Tray shows a new object late: only a question asked later finds it
        setup.behaviour.read_lag = Duration::from_millis(150 * (seed % 2));
    });
    let rows = customers(&mut random);
    let input = bench.customers("c.jsonl", &rows);
    let results = bench.path("r.jsonl");
    let customers: Vec<_> = rows.iter().map(Customer::of).collect();
    let mut tally = Tally::default();
    loop {
        let concurrency = random.usize(1..=8);
        let before = lines(&results);
        let moment = Moment::draw(&mut random, &tray, &customers, &results);
        let mut run = import(&bench, &tray, &input, concurrency).start();
        let output = match moment.comes(&mut run, &tray, &results) {
            true => run.kill(),
            false => run.wait(),
        };
        let settled = output.stderr.matches("an open outcome is settled").count();
        tally.settled += settled;
        if output.code.is_some() {
            output.expect(0);
            break;
        }
        tally.kills += 1;
        kills.fetch_add(1, Ordering::SeqCst);
        quiet(&tray);
        let left = Left::read(&results);
        tray.model(|model| {
            left.covers(model, &customers);
            count(&left, before, model, &customers, &mut tally);
        });
    }
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
    tally.batches = 1;
    tally
}

fn import<'b>(bench: &'b Bench, tray: &Tray, input: &Path, concurrency: usize) -> Tool<'b> {
    bench
        .tool(&["import", "-v", "--results", "r.jsonl"])
        .arg(input)
        .tray(tray)
        .arg("--catalog")
        .arg(common::sample("catalog"))
        .args(["--rate", "unlimited", "--enable-delay", "10ms"])
        .args(["--settle", "60ms", "--concurrency"])
        .arg(concurrency.to_string())
}

/// About fifty rows: instances of one row and of two, end users of several rows, and rows without a solution.
/// None is hidden: whether Tray lists those is a matter of its own (`open_outcomes.rs`).
fn customers(random: &mut Rng) -> Vec<Value> {
    let mut rows = mixed(28);
    rows.retain(|row| row["hidden"] != true);
    for n in 1..=4 {
        let user = format!("shared-{n}");
        let named = |row, name: &str| with(row, json!({ "authName": name }));
        rows.push(named(plain(&user), "first"));
        rows.push(named(plain(&user), "second"));
        rows.push(named(synced(&user), "third"));
    }
    random.shuffle(&mut rows);
    rows
}

/// Waits until Tray has executed what had left before the kill: so long as calls come in, and a little more.
fn quiet(tray: &Tray) {
    let mut seen = tray.requests();
    loop {
        thread::sleep(Duration::from_millis(10));
        match tray.requests() {
            now if now == seen => return,
            now => seen = now,
        }
    }
}

/// When a run is killed.
#[derive(Debug)]
enum Moment {
    /// The results file has this many bytes.
    Bytes(u64),
    /// The results file has this many whole lines.
    Lines(usize),
    /// So many requests of any kind have arrived, those of the preflight included.
    Requests(u64),
    /// This operation was executed so often.
    Calls(&'static str, u64),
    /// So many lines of the results file say that a call of this step is about to leave.
    Sent(&'static str, usize),
}

impl Moment {
    /// A moment that surely comes if there is anything left to do.
    fn draw(random: &mut Rng, tray: &Tray, customers: &[Customer], results: &Path) -> Self {
        let text = fs::read_to_string(results).unwrap_or_default();
        // what is left to make of each step
        let left: Vec<_> = tray.model(|model| {
            let open = |step: usize| {
                let open = customers
                    .iter()
                    .filter(|c| c.wants(step) && !c.made(model)[step]);
                open.map(|c| c.thing(step)).collect::<BTreeSet<_>>().len()
            };
            (0..STEPS.len())
                .filter_map(|step| Some((step, open(step))).filter(|(_, n)| *n > 0))
                .collect()
        });
        match (random.u8(0..10), random.choice(&left)) {
            (0, _) => Self::Requests(tray.requests() + random.u64(1..=12)),
            (1..4, Some((step, left))) => {
                let (_, operation) = STEPS[*step];
                let more = random.usize(1..=4).min(*left);
                Self::Calls(operation, tray.calls(operation) + more as u64)
            }
            (4..8, Some((step, left))) if *step < ENABLE => {
                let (step, _) = STEPS[*step];
                let more = random.usize(1..=4).min(*left);
                Self::Sent(step, sent(&text, step) + more)
            }
            (8, _) => Self::Lines(lines(results) + random.usize(1..=10)),
            _ => Self::Bytes(text.len() as u64 + random.u64(1..=3000)),
        }
    }

    /// Waits for the moment: false where the run ended before.
    fn comes(&self, run: &mut Started, tray: &Tray, results: &Path) -> bool {
        let started = Instant::now();
        loop {
            let text = || fs::read_to_string(results).unwrap_or_default();
            let is_now = match self {
                Self::Bytes(bytes) => fs::metadata(results).is_ok_and(|file| file.len() >= *bytes),
                Self::Lines(count) => lines(results) >= *count,
                Self::Requests(requests) => tray.requests() >= *requests,
                Self::Calls(operation, calls) => tray.calls(operation) >= *calls,
                Self::Sent(step, count) => sent(&text(), step) >= *count,
            };
            if is_now || !run.runs() {
                return is_now;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{self:?} never came"
            );
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// How many whole lines a results file has.
fn lines(results: &Path) -> usize {
    let text = fs::read_to_string(results).unwrap_or_default();
    text.matches('\n').count()
}

/// How many lines say that a call of this step is about to leave.
fn sent(results: &str, step: &str) -> usize {
    let part = format!("\"state\":\"sent\",\"step\":\"{step}\"");
    results.matches(&part).count()
}

/// Counts what the kill fell on; what a kill before it left open is not counted once more.
fn count(left: &Left, before: usize, model: &Model, customers: &[Customer], tally: &mut Tally) {
    let (mut unsent, mut unrecorded) = (BTreeSet::new(), BTreeSet::new());
    for (row, (_, line)) in left
        .last
        .iter()
        .filter(|(_, (at, line))| *at >= before && line["state"] == "sent")
    {
        let step = step_of(line).unwrap();
        let made = customers[*row].made(model)[step];
        if made { &mut unrecorded } else { &mut unsent }.insert(step);
    }
    unsent.into_iter().for_each(|step| tally.unsent[step] += 1);
    unrecorded
        .into_iter()
        .for_each(|step| tally.unrecorded[step] += 1);
    let under_way = |(row, (at, line)): (&usize, &(usize, Value))| {
        let step = step_of(line);
        match line["state"].as_str() {
            Some("sent") => step.map(|step| (*at, step)),
            // enabling twice is harmless, so it is not announced: it follows the instance's own line
            Some("partial") if step == Some(2) => {
                customers[*row].wants(ENABLE).then_some((*at, ENABLE))
            }
            _ => None,
        }
    };
    match left.last.iter().filter_map(under_way).max() {
        Some((_, step)) => tally.at_step[step] += 1,
        None => tally.at_rest += 1,
    }
}
