//! Results files that were cut, bent, fought over or had no room: a run goes on to the same end state or stops
//! and says where, and in no case is anything made twice. `TRAY_DAMAGE=N` multiplies the number of cases.

#![allow(clippy::unwrap_used, reason = "this is all test code")]

mod common;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use common::audit::{Upto, audit, audit_upto};
use common::left::{Customer, Left};
use common::rows::{mixed, synced_rows};
use common::{Bench, Output, Tool, Tray};
use fastrand::Rng;
use serde_json::Value;

/// What makes something that cannot be unmade.
const CREATIONS: [&str; 3] = [
    "createExternalUser",
    "createUserAuthentication",
    "createSolutionInstance",
];

fn cases(count: usize) -> usize {
    let times = std::env::var("TRAY_DAMAGE").map_or(1, |text| text.parse().unwrap());
    count * times
}

fn creations(tray: &Tray) -> [u64; 3] {
    CREATIONS.map(|operation| tray.calls(operation))
}

fn import<'b>(bench: &'b Bench, tray: &Tray, input: &Path) -> Tool<'b> {
    bench.import(tray, input).args(["--settle", "40ms"])
}

/// Rows of all kinds but hidden ones: whether Tray lists those is a matter of its own (`open_outcomes.rs`).
fn listed(users: usize) -> Vec<Value> {
    let mut rows = mixed(users);
    rows.retain(|row| row["hidden"] != true);
    rows
}

/// Runs until Tray has executed so many calls of the operation, kills it and waits for what had left.
fn stopped(bench: &Bench, tray: &Tray, input: &Path, operation: &str, calls: u64) {
    let run = import(bench, tray, input)
        .args(["--concurrency", "6"])
        .start();
    tray.wait_for(operation, |c| c.calls(operation) >= calls);
    let output = run.kill();
    assert_eq!(output.code, None, "{}", output.shown());
    let mut seen = u64::MAX;
    while seen != tray.requests() {
        seen = tray.requests();
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_finished_file_that_is_cut_anywhere_leads_to_look_ups_only() {
    let mut random = Rng::with_seed(1);
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(14);
    let input = bench.customers("c.jsonl", &rows);
    import(&bench, &tray, &input).expect(0);
    let (whole, made) = (fs::read(bench.path("r.jsonl")).unwrap(), creations(&tray));
    let drawn = (0..cases(25)).map(|_| random.usize(0..whole.len()));
    for cut in [0, 1, whole.len() - 1].into_iter().chain(drawn) {
        fs::write(bench.path("r.jsonl"), &whole[..cut]).unwrap();
        let output = import(&bench, &tray, &input).run();
        assert_eq!(output.code, Some(0), "cut at {cut}\n{}", output.shown());
        let torn = cut > 0 && whole[cut - 1] != b'\n';
        assert_eq!(
            output.stderr.contains("torn"),
            torn,
            "cut at {cut}\n{}",
            output.shown()
        );
        assert_eq!(creations(&tray), made, "cut at {cut}");
        audit(&tray, &rows, &bench.results("r.jsonl"));
        bench.verify_clean(&tray);
    }
}

#[test]
fn an_unfinished_file_that_is_cut_anywhere_goes_on_to_the_same_end() {
    let rows = listed(21);
    for seed in 0..cases(8) as u64 {
        let mut random = Rng::with_seed(seed);
        let (bench, tray) = (
            Bench::new(),
            Tray::with(|setup| setup.latency = Duration::from_millis(4)),
        );
        let input = bench.customers("c.jsonl", &rows);
        let operation = CREATIONS[random.usize(0..3)];
        stopped(&bench, &tray, &input, operation, random.u64(1..=12));
        let left = fs::read(bench.path("r.jsonl")).unwrap();
        let cut = random.usize(0..=left.len());
        fs::write(bench.path("r.jsonl"), &left[..cut]).unwrap();
        // any prefix of the results and any order of the input lead to the same end
        let mut rows = rows.clone();
        random.shuffle(&mut rows);
        bench.customers("c.jsonl", &rows);
        let output = import(&bench, &tray, &input).run();
        assert_eq!(
            output.code,
            Some(0),
            "seed {seed}, cut at {cut}\n{}",
            output.shown()
        );
        audit_upto(&tray, &rows, Upto::Enable);
        bench.results("r.jsonl").all_done(rows.len());
        bench.verify_clean(&tray);
    }
}

/// One bit of the bytes flipped, and the number of the line in which it is.
fn flipped(bytes: &[u8], random: &mut Rng) -> (Vec<u8>, usize, String) {
    let (at, bit) = (random.usize(0..bytes.len()), random.u8(0..8));
    let mut bent = bytes.to_vec();
    bent[at] ^= 1 << bit;
    let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
    (bent, line, format!("bit {bit} of byte {at} in line {line}"))
}

/// Whether the file was refused: with the line named, or what its header says; false where it was taken.
#[track_caller]
fn refused(output: &Output, line: usize, what: &str) -> bool {
    let says = |part: &str| output.stderr.contains(part);
    let named = match output.code {
        Some(1) => says(&format!("line {line} ")) || line == 1 && says("format version"),
        // the endpoint is another: that is how the tool is used, not how the file is
        Some(2) => line == 1 && says("was made with"),
        _ => return false,
    };
    assert!(named, "{what}\n{}", output.shown());
    true
}

/// What a flip may do: where the line cannot be read, the run stops before the first call. Where it still
/// reads as one of the tool's (another id, another time, another key), there is nothing in the file to see it
/// by; but a finished batch stays as it is.
#[test]
fn a_flipped_bit_in_a_finished_file_makes_nothing() {
    let mut random = Rng::with_seed(2);
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(14);
    let input = bench.customers("c.jsonl", &rows);
    import(&bench, &tray, &input).expect(0);
    let (whole, made) = (fs::read(bench.path("r.jsonl")).unwrap(), creations(&tray));
    let (mut noticed, cases) = (0, cases(60));
    for _ in 0..cases {
        let (bent, line, what) = flipped(&whole, &mut random);
        fs::write(bench.path("r.jsonl"), &bent).unwrap();
        let requests = tray.requests();
        let output = import(&bench, &tray, &input).run();
        if refused(&output, line, &what) {
            assert_eq!(tray.requests(), requests, "{what}");
            assert!(bent == fs::read(bench.path("r.jsonl")).unwrap(), "{what}");
            noticed += 1;
        } else {
            assert_eq!(output.code, Some(0), "{what}\n{}", output.shown());
        }
        assert_eq!(creations(&tray), made, "{what}");
    }
    audit_upto(&tray, &rows, Upto::Enable);
    println!("{noticed} of {cases} flipped bits were noticed; the others changed nothing in Tray");
    assert!(noticed > 0 && noticed < cases);
}

#[test]
fn a_flipped_bit_in_an_unfinished_file_makes_nothing_twice() {
    let rows = listed(14);
    let mut ends = [0; 3];
    for seed in 0..cases(24) as u64 {
        let mut random = Rng::with_seed(seed);
        let (bench, tray) = (Bench::new(), Tray::new());
        let input = bench.customers("c.jsonl", &rows);
        let first = import(&bench, &tray, &input);
        first.args(["--until", "authentication"]).expect(0);
        let whole = fs::read(bench.path("r.jsonl")).unwrap();
        let (bent, line, what) = flipped(&whole, &mut random);
        fs::write(bench.path("r.jsonl"), &bent).unwrap();
        let output = import(&bench, &tray, &input).run();
        let what = format!("seed {seed}: {what}");
        match output.code {
            Some(0) => {
                audit_upto(&tray, &rows, Upto::Enable);
                ends[0] += 1;
            }
            _ if refused(&output, line, &what) => ends[1] += 1,
            // an id that Tray does not know: its row fails
            code => {
                assert_eq!(code, Some(4), "{what}\n{}", output.shown());
                ends[2] += 1;
            }
        }
        // as the message advises: restored from a copy, whatever was made since is found
        fs::write(bench.path("r.jsonl"), &whole).unwrap();
        let output = import(&bench, &tray, &input).run();
        assert_eq!(output.code, Some(0), "{what}\n{}", output.shown());
        audit(&tray, &rows, &bench.results("r.jsonl"));
        bench.verify_clean(&tray);
    }
    let [done, stopped, failed] = ends;
    println!("flipped bits: {stopped} stopped the run, {failed} failed a row, {done} did no harm");
}

#[test]
fn of_two_writers_the_second_stops_and_the_first_does_not_notice() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(10));
    let rows = mixed(28);
    let input = bench.customers("c.jsonl", &rows);
    let first = import(&bench, &tray, &input)
        .args(["--concurrency", "4"])
        .start();
    for operation in CREATIONS {
        tray.wait_for(operation, |c| c.calls(operation) > 0);
        import(&bench, &tray, &input)
            .expect(1)
            .says(&["r.jsonl", "in use"]);
        import(&bench, &tray, &input)
            .arg("--retry-failed")
            .expect(1);
    }
    first.wait().expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn of_two_that_start_together_one_runs() {
    for _ in 0..cases(6) {
        let bench = Bench::new();
        let tray = Tray::with(|setup| setup.latency = Duration::from_millis(10));
        let rows = mixed(14);
        let input = bench.customers("c.jsonl", &rows);
        let runs = [(); 3].map(|()| {
            let import = import(&bench, &tray, &input);
            import.args(["--concurrency", "2"]).start()
        });
        let outputs = runs.map(|run| run.wait());
        let mut codes = outputs.each_ref().map(|output| output.code);
        codes.sort();
        assert_eq!(codes, [Some(0), Some(1), Some(1)], "{outputs:#?}");
        for output in outputs.iter().filter(|output| output.code == Some(1)) {
            assert!(output.stderr.contains("r.jsonl"), "{}", output.shown());
        }
        audit(&tray, &rows, &bench.results("r.jsonl"));
        bench.verify_clean(&tray);
    }
}

#[test]
fn a_disk_that_is_full_again_and_again_loses_nothing() {
    let bench = Bench::new();
    let tray = Tray::with(|setup| setup.latency = Duration::from_millis(1));
    let rows = listed(42);
    let customers: Vec<_> = rows.iter().map(Customer::of).collect();
    let input = bench.customers("c.jsonl", &rows);
    let mut held = Vec::new();
    for blocks in [1, 6, 12, 20, 40, 60] {
        // blocks are of 512 or 1024 bytes, as the shell has it
        let output = import(&bench, &tray, &input)
            .args(["--concurrency", "5"])
            .largest_file(blocks)
            .run();
        assert_eq!(output.code, Some(1), "{blocks} blocks\n{}", output.shown());
        assert!(output.stderr.contains("r.jsonl"), "{}", output.shown());
        let left = Left::read(&bench.path("r.jsonl"));
        tray.model(|model| left.covers(model, &customers));
        held.push(tray.holds());
    }
    println!("held when the disk was full: {held:?}");
    assert!(held.is_sorted());
    assert!(held[0] < held[5] && held[5][1] < rows.len());
    import(&bench, &tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}

#[test]
fn a_disk_without_room_for_a_header_sends_nothing() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = synced_rows(3);
    let input = bench.customers("c.jsonl", &rows);
    // not even for its messages: they go to files too
    import(&bench, &tray, &input).largest_file(0).expect(1);
    assert_eq!(tray.holds(), [0, 0, 0]);
    import(&bench, &tray, &input).expect(0);
    audit(&tray, &rows, &bench.results("r.jsonl"));
    bench.verify_clean(&tray);
}
