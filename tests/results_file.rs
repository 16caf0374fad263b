//! The results file under attack: lines that are not what was written, files that vanish, files that are none.

#![allow(clippy::unwrap_used, reason = "this is all test code")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::audit::audit;
use common::rows::{mixed, synced_rows};
use common::{Bench, Results, Tray};

/// The last line that has all of these parts, by its number, and the file with the text in it replaced.
fn edited(bench: &Bench, parts: &[&str], old: &str, new: &str) -> (usize, String) {
    let text = bench.read("r.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    let found = lines
        .iter()
        .rposition(|line| parts.iter().all(|part| line.contains(part)));
    let at = found.unwrap();
    assert!(lines[at].contains(old), "{}", lines[at]);
    let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
    lines[at] = lines[at].replacen(old, new, 1);
    (at + 1, lines.join("\n") + "\n")
}

#[test]
fn a_line_that_is_not_what_was_written_is_named_and_looked_up() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let rows = mixed(14);
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(0);
    let made = tray.holds();
    for (state, old, new) in [
        (
            "\"state\":\"done\"",
            "\"state\":\"done\"",
            "\"state\":\"held\"",
        ),
        ("\"state\":\"done\"", "\"attempts\":", "\"attempts\":9"),
        (
            "\"instanceId\":\"",
            "\"instanceId\":\"",
            "\"instanceId\":\"x",
        ),
    ] {
        let (line, text) = edited(&bench, &[state, "\"type\":\"row\""], old, new);
        fs::write(bench.path("r.jsonl"), text).unwrap();
        let named = format!("line {line} ");
        let status = bench.tool(&["status", "r.jsonl"]).json(0);
        assert_eq!(status["damagedLines"], serde_json::json!([line]));
        bench
            .import(&tray, &input)
            .args(["--settle", "40ms"])
            .expect(0)
            .says(&[&named, "checksum"]);
        assert_eq!(tray.holds(), made);
        // what was found is on record now: nothing is open any more, though the line stays what it is
        audit(&tray, &rows, &bench.results("r.jsonl"));
        let requests = tray.requests();
        bench.import(&tray, &input).expect(0);
        assert_eq!(tray.requests(), requests);
        // each damage for itself
        let text = bench.read("r.jsonl");
        let rest = text.lines().enumerate().filter(|(at, _)| at + 1 != line);
        let rest: Vec<_> = rest.map(|(_, line)| line).collect();
        fs::write(bench.path("r.jsonl"), rest.join("\n") + "\n").unwrap();
    }
    bench.verify_clean(&tray);
}

#[test]
fn lines_without_a_checksum_are_read() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &mixed(14));
    bench.import(&tray, &input).expect(0);
    let text = bench.read("r.jsonl");
    assert!(text.lines().all(|line| line.contains("\"crc\":\"")));
    let plain: String = text
        .lines()
        .map(|line| format!("{}}}\n", line.split_once(",\"crc\":").unwrap().0))
        .collect();
    fs::write(bench.path("r.jsonl"), plain).unwrap();
    let requests = tray.requests();
    let output = bench.import(&tray, &input).expect(0);
    assert!(!output.stderr.contains("checksum"), "{}", output.shown());
    assert_eq!(tray.requests(), requests);
    bench.verify_clean(&tray);
}

#[test]
fn lines_of_another_batch_are_refused() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(3));
    bench.import(&tray, &input).expect(0);
    let first = bench.read("r.jsonl");
    fs::remove_file(bench.path("r.jsonl")).unwrap();
    bench.import(&tray, &input).expect(0);
    let second = bench.read("r.jsonl");
    let (_, lines) = first.split_once('\n').unwrap();
    let requests = tray.requests();
    for other in [lines, &first] {
        fs::write(bench.path("r.jsonl"), format!("{second}{other}")).unwrap();
        let line = format!("line {} ", second.lines().count() + 1);
        bench
            .import(&tray, &input)
            .expect(1)
            .says(&["r.jsonl", &line, "another batch"]);
        bench
            .tool(&["status", "r.jsonl"])
            .expect(1)
            .says(&["another batch"]);
    }
    assert_eq!(tray.requests(), requests);
}

/// A run whose results file goes away stops, says so, and what it had done is not done again.
#[test]
fn a_results_file_that_vanishes_stops_the_run() {
    type Attack = fn(&Path);
    let attacks: [(Attack, &str); 4] = [
        (|path| fs::remove_file(path).unwrap(), "deleted"),
        (
            |path| fs::rename(path, path.with_extension("moved")).unwrap(),
            "renamed",
        ),
        (
            |path| {
                let other = path.with_extension("other");
                fs::write(&other, "").unwrap();
                fs::rename(path, path.with_extension("moved")).unwrap();
                fs::rename(other, path).unwrap();
            },
            "renamed",
        ),
        (
            |path| {
                fs::File::options()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .set_len(90)
                    .unwrap()
            },
            "shorter",
        ),
    ];
    for (attack, said) in attacks {
        let bench = Bench::new();
        let tray = Tray::with(|setup| setup.latency = Duration::from_millis(10));
        let rows = mixed(70);
        let input = bench.customers("c.jsonl", &rows);
        let run = bench
            .import(&tray, &input)
            .args(["--concurrency", "4"])
            .start();
        tray.wait_for("a start", |c| c.calls("createUserAuthentication") >= 6);
        attack(&bench.path("r.jsonl"));
        run.wait()
            .expect(1)
            .says(&["r.jsonl", said, "during the run"]);
        tray.settled();
        // as the message advises
        let kept = fs::read_dir(bench.path("r.jsonl").parent().unwrap()).unwrap();
        let mut kept = kept.map(|entry| entry.unwrap().path());
        let kept = kept.find(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.contains(".saved-") || name.ends_with(".moved")
        });
        match kept {
            Some(kept) => {
                let mode = fs::metadata(&kept).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
                Results::read(&kept);
                fs::rename(kept, bench.path("r.jsonl")).unwrap();
            }
            None => fs::remove_file(bench.path("r.jsonl")).unwrap(),
        }
        let again = bench.import(&tray, &input).args(["--settle", "40ms"]);
        match said {
            // hidden authentications cannot be found without results: that is promised nowhere
            "shorter" => drop(again.run()),
            _ => {
                again.expect(0);
                audit(&tray, &rows, &bench.results("r.jsonl"));
                bench.verify_clean(&tray);
            }
        }
    }
}

#[test]
fn what_is_no_results_file_is_refused_and_left_as_it_is() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("c.jsonl", &synced_rows(2));
    let plain = fs::Permissions::from_mode(0o644);
    fs::set_permissions(&input, plain.clone()).unwrap();
    symlink(&input, bench.aside("to-input.jsonl")).unwrap();
    symlink(bench.path("nothing"), bench.path("to-nothing.jsonl")).unwrap();
    fs::create_dir(bench.path("dir.jsonl")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(bench.path("pipe.jsonl"))
            .status()
            .unwrap()
            .success()
    );
    let before = fs::read(&input).unwrap();
    for name in [
        "c.jsonl",
        "to-input.jsonl",
        "to-nothing.jsonl",
        "dir.jsonl",
        "pipe.jsonl",
        "/dev/null",
    ] {
        let import = bench
            .tool(&["import", "c.jsonl", "--results", name])
            .tray(&tray);
        let output = import.run();
        assert!(
            matches!(output.code, Some(1 | 2)),
            "{name}: {}",
            output.shown()
        );
        for arguments in [
            &["status", name][..],
            &["report", name, "-o", "x.html"],
            &["export", name, "--input", "c.jsonl", "-o", "x.csv"],
        ] {
            let output = bench.tool(arguments).run();
            assert!(
                matches!(output.code, Some(1 | 2)),
                "{arguments:?}: {}",
                output.shown()
            );
        }
    }
    assert_eq!(tray.holds(), [0, 0, 0]);
    assert_eq!(fs::read(&input).unwrap(), before);
    let mode = fs::metadata(&input).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert!(!bench.path("nothing").exists());
    let pipe = fs::metadata(bench.path("pipe.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_ne!(pipe & 0o777, 0o600);
    bench
        .tool(&["status", "pipe.jsonl"])
        .expect(1)
        .says(&["no regular file"]);
    bench
        .tool(&["status", "/dev/null"])
        .expect(1)
        .says(&["no regular file"]);
    // the search for secrets reads every file that is left
    fs::remove_file(bench.path("to-nothing.jsonl")).unwrap();
    fs::remove_file(bench.path("pipe.jsonl")).unwrap();
}
