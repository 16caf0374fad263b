//! The deterministic simulation: the real engine in one process over a simulated Tray, a simulated disk and
//! a paused clock, everything drawn from one seed.
//!
//! * `TRAY_SIM_SEEDS=n` tries so many seeds instead of the usual number.
//! * `TRAY_SIM_SEED=n` plays one seed alone and prints its trace.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "simulation/answers.rs"]
mod answers;
#[path = "simulation/audit.rs"]
mod audit;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/driver.rs"]
mod driver;
#[path = "simulation/ending.rs"]
mod ending;
#[path = "simulation/existing.rs"]
mod existing;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/mutants.rs"]
mod mutants;
#[path = "simulation/plans.rs"]
mod plans;
#[path = "simulation/rows.rs"]
mod rows;
#[path = "simulation/sim.rs"]
mod sim;
#[path = "simulation/stats.rs"]
mod stats;
#[path = "simulation/trace.rs"]
mod trace;
#[path = "simulation/tray.rs"]
mod tray;
#[path = "simulation/world.rs"]
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use driver::{Outcome, play, play_with_write_error};
use mutants::{Mutation, Shows};
use stats::Stats;

/// How many seeds CI tries.
const SEEDS: u64 = 10_000;
/// Where the seeds begin: fixed, so that CI tries the same ones every time.
const FIRST: u64 = 0;
/// How many seeds a fault that was put in on purpose may survive.
const SEEDS_FOR_A_MUTANT: u64 = 4_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays a seed; a panic in the tool or in the simulation is a finding too.
fn play_safely(seed: u64, mutation: Option<Mutation>, traced: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| play(seed, mutation, traced))).unwrap_or_else(|_| Outcome {
        findings: vec!["a panic".to_owned()],
        stats: Stats::default(),
        trace: Vec::new(),
    })
}

/// Plays seeds on all cores until one finds something that counts, or to the end: the figures, and the
/// lowest seed with such findings.
fn sweep(
    seeds: Range<u64>,
    mutation: Option<Mutation>,
    counts: fn(&str) -> bool,
) -> (Stats, Option<(u64, Vec<String>)>) {
    let next = AtomicU64::new(seeds.start);
    let end = AtomicU64::new(seeds.end);
    let found = Mutex::new((Stats::default(), None::<(u64, Vec<String>)>));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut outcome = play_safely(seed, mutation, false);
                    outcome.findings.retain(|finding| counts(finding));
                    let mut found = found.lock().unwrap();
                    found.0.add(&outcome.stats);
                    let lowest = found.1.as_ref().is_none_or(|(lowest, _)| seed < *lowest);
                    if !outcome.findings.is_empty() && lowest {
                        found.1 = Some((seed, outcome.findings));
                        end.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn every_seed_ends_with_everything_there_exactly_once() {
    if let Some(seed) = from_environment("TRAY_SIM_SEED") {
        let outcome = play_safely(seed, None, true);
        println!("{}\n{}", outcome.trace.join("\n"), outcome.stats);
        assert!(
            outcome.findings.is_empty(),
            "seed {seed}: {:#?}",
            outcome.findings
        );
        return;
    }
    let seeds = from_environment("TRAY_SIM_SEEDS").unwrap_or(SEEDS);
    let start = Instant::now();
    let (stats, found) = sweep(FIRST..FIRST + seeds, None, |_| true);
    println!(
        "simulation: {:.1} s\n{stats}",
        start.elapsed().as_secs_f64()
    );
    if let Some((seed, findings)) = found {
        let again = play_safely(seed, None, true);
        println!("{}", again.trace.join("\n"));
        panic!("seed {seed} (TRAY_SIM_SEED={seed} plays it alone): {findings:#?}");
    }
}

#[test]
fn the_same_seed_plays_the_same_way() {
    for seed in 0..60 {
        let (first, second) = (play_safely(seed, None, true), play_safely(seed, None, true));
        assert!(!first.trace.is_empty());
        for (number, (one, other)) in first.trace.iter().zip(&second.trace).enumerate() {
            assert_eq!(one, other, "seed {seed}, line {number} of its trace");
        }
        assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
        assert_eq!(first.stats, second.stats, "seed {seed}");
        // writing the trace changes nothing
        assert_eq!(
            first.stats,
            play_safely(seed, None, false).stats,
            "seed {seed}"
        );
    }
}

/// A run that cannot write ends within 5 s, whatever its rows are waiting for, and the next one goes on.
#[test]
fn a_write_error_at_any_point_ends_the_run() {
    for seed in 0..40 {
        for fails_at in 0.. {
            let Outcome {
                findings, stats, ..
            } = play_with_write_error(seed, fails_at);
            assert!(
                findings.is_empty(),
                "seed {seed}, write {fails_at}: {findings:#?}"
            );
            if stats.disks_full == 0 {
                break;
            }
        }
    }
}

#[test]
fn faults_put_in_on_purpose_are_found() {
    for mutation in Mutation::ALL {
        // anything at all, and then what the mutation is bound to do sooner or later
        let bound: fn(&str) -> bool = match mutation.shows() {
            Shows::Twice => |finding| {
                finding.contains("made by the batch") || finding.contains("of the organisation")
            },
            Shows::InResults => |finding| finding.contains("is `sent` after a run"),
            Shows::Differently => {
                let found = (FIRST..FIRST + SEEDS_FOR_A_MUTANT).find(|seed| {
                    let play = || play_safely(*seed, Some(mutation), true).trace;
                    play() != play()
                });
                let seed = found.unwrap_or_else(|| panic!("{mutation:?} was not found"));
                println!("{mutation:?} is found after {} seeds", seed - FIRST + 1);
                continue;
            }
        };
        for (what, counts) in [("found", (|_| true) as fn(&str) -> bool), ("caught", bound)] {
            let seeds = FIRST..FIRST + SEEDS_FOR_A_MUTANT;
            let (stats, found) = sweep(seeds, Some(mutation), counts);
            let Some((seed, findings)) = found else {
                panic!("{mutation:?} was not {what} in {} seeds", stats.seeds);
            };
            let tried = seed - FIRST + 1;
            println!(
                "{mutation:?} is {what} after {tried} seeds: {}",
                findings[0]
            );
        }
    }
}
