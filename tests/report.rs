//! `report`: a page that is well-formed, needs nothing but itself, says what the results say, and can be looked at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::rows::{mixed, pair, plain, synced};
use common::{Bench, Tray, sample};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value, json};

/// Reads a page strictly, and makes sure of what every page must be.
fn checked(html: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(html, options).expect("well-formed");
    assert!(html.starts_with("<!DOCTYPE html>\n"), "quirks mode");
    let mut ids = BTreeSet::new();
    for node in page.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        let foreign = ["script", "link", "img", "iframe", "object", "embed", "base"];
        assert!(!foreign.contains(&name), "<{name}>");
        for attribute in node.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            assert!(!key.starts_with("on"), "{key} of <{name}>");
            assert!(!["src", "href", "srcset", "action"].contains(&key), "{key}");
            assert!(!value.contains("://") && !value.contains("javascript:"));
            if key == "id" {
                assert!(ids.insert(value), "the id {value} twice");
            }
        }
        if name == "table" {
            assert!(of(node, "caption").next().is_some(), "no caption");
            assert!(of(node, "th").all(|th| th.attribute("scope").is_some()));
            let widths: BTreeSet<_> = of(node, "tr").map(|tr| cells(tr).len()).collect();
            assert_eq!(widths.len(), 1, "a ragged table");
        }
        if name == "style" {
            let style = node.text().unwrap();
            assert!(!style.contains("url(") && !style.contains("@import"));
            assert!(!style.contains('<') && !style.contains('&'));
        }
    }
    for svg in of(page.root(), "svg") {
        let named = svg.attribute("aria-labelledby").unwrap();
        assert!(named.split(' ').all(|id| ids.contains(id)), "{named}");
        for name in ["title", "desc"] {
            let text = of(svg, name).next().and_then(|node| node.text());
            assert!(text.is_some_and(|text| text.len() > 5), "no {name}");
        }
        for node in svg.descendants() {
            for key in ["d", "x", "y", "x1", "x2", "y1", "y2"] {
                let value = node.attribute(key).unwrap_or_default();
                assert!(!value.contains("NaN") && !value.contains("inf"), "{value}");
            }
        }
    }
    assert_eq!(of(page.root(), "h1").count(), 1);
    assert_eq!(of(page.root(), "main").count(), 1);
    page
}

/// The elements of this name below a node.
fn of<'a, 'i>(node: Node<'a, 'i>, name: &'a str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.descendants()
        .filter(move |node| node.tag_name().name() == name)
}

/// The text of a node and of all below it.
fn text(node: Node) -> String {
    let texts = node.descendants().filter(Node::is_text);
    texts.filter_map(|node| node.text()).collect()
}

/// The cells of a table's row.
fn cells(row: Node) -> Vec<String> {
    row.children().filter(Node::is_element).map(text).collect()
}

/// The table below the heading of this text, without its head.
fn table(page: &Document, heading: &str) -> Vec<Vec<String>> {
    let section = of(page.root(), "section")
        .find(|section| of(*section, "h2").any(|h2| text(h2) == heading))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let body = of(section, "tbody").next().unwrap();
    of(body, "tr").map(cells).collect()
}

/// Makes the report of `r.jsonl` and reads it.
fn report(bench: &Bench) -> String {
    let output = bench.tool(&["report", "r.jsonl", "-o", "report.html"]);
    output.expect(0);
    bench.read("report.html")
}

/// The headline's number of rows in each state.
fn key(page: &Document) -> Vec<String> {
    of(page.root(), "li")
        .filter(|li| li.parent().unwrap().attribute("class") == Some("key"))
        .map(text)
        .collect()
}

fn outcome(page: &Document) -> String {
    text(of(page.root(), "h1").next().unwrap())
}

/// A batch with a row in every state that a finished run leaves.
fn finished() -> (Bench, Tray) {
    let bench = Bench::new();
    let tray = Tray::with(|setup| {
        setup.behaviour.validate_credentials = true;
        setup.credential_check = Some(Arc::new(|_, data: &Value| {
            match data["account_id"] == "999999999999" {
                true => Err("no such <account> & \"so\"".to_owned()),
                false => Ok(()),
            }
        }));
    });
    let [mut first, second] = pair("p");
    first["data"]["account_id"] = json!("999999999999");
    let rows = [plain("a"), first, synced("b"), second];
    let input = bench.customers("c.jsonl", &rows);
    bench.import(&tray, &input).expect(4);
    (bench, tray)
}

#[test]
fn the_page_says_what_status_says() {
    let (bench, tray) = finished();
    let (requests, before) = (tray.requests(), bench.read("r.jsonl"));
    let html = report(&bench);
    let page = checked(&html);
    let status = bench.tool(&["status", "r.jsonl"]).json(0);
    let summary = bench
        .tool(&["report", "r.jsonl", "-o", "again.html"])
        .json(0);
    assert_eq!(summary["rows"], status["rows"]);
    assert_eq!(summary["failures"], status["failures"]);
    assert_eq!(key(&page), ["2 done", "1 failed", "1 blocked by others"]);
    assert_eq!(
        outcome(&page),
        "2 of 4 rows are done; 1 failed and 1 is blocked by another."
    );
    assert_eq!(summary["outcome"], outcome(&page));
    // what failed, with Tray's words, the row, and what to do
    let all = text(page.root());
    for part in [
        "1 row × refused",
        "no such <account> & \"so\"",
        "(row 2)",
        "What to do:",
        "--retry-failed",
        "row 2 of the same instance failed",
    ] {
        assert!(all.contains(part), "no {part}");
    }
    let connectors = table(&page, "By connector");
    assert_eq!(connectors[0], ["sqs 2.1", "3", "2", "1", "0", "0"]);
    assert_eq!(connectors[1], ["zendesk 6.1", "1", "0", "0", "1", "0"]);
    let made = table(&page, "In Tray");
    assert_eq!(made[0], ["End users", "3", "0"]);
    assert_eq!(made[1], ["Authentications", "3", "0"]);
    assert_eq!(made[2], ["Solution instances", "1", "0"]);
    // looking changes nothing
    assert_eq!((tray.requests(), bench.read("r.jsonl")), (requests, before));
    let mode = fs::metadata(bench.path("report.html"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    // the same page on standard output, but for the time that it gives as its own
    let output = bench.tool(&["report", "r.jsonl", "-o", "-"]).expect(0);
    checked(&output.stdout);
}

#[test]
fn runs_and_their_settings_are_recorded() {
    let (bench, tray) = (Bench::new(), Tray::new());
    let input = bench.customers("customers.jsonl", &mixed(7));
    let until = ["--until", "authentication", "--concurrency", "7"];
    bench.import(&tray, &input).args(until).expect(0);
    let html = report(&bench);
    let page = checked(&html);
    assert!(text(page.root()).contains("asked to stop after the step authentication"));
    let summary = bench.import(&tray, &input).args(["--max-failures", "3"]);
    let summary = summary.json(0);
    let results = bench.results("r.jsonl");
    let events: Vec<_> = results
        .runs
        .iter()
        .map(|run| run["event"].clone())
        .collect();
    assert_eq!(events, ["begin", "end", "begin", "end"]);
    let first = &results.runs[0];
    assert_eq!(first["input"], "customers.jsonl");
    assert_eq!(first["rows"], 10);
    assert_eq!(first["settings"]["until"], "authentication");
    assert_eq!(first["settings"]["concurrency"], 7);
    assert_eq!(first["settings"]["rate"], "unlimited");
    assert_eq!(first["settings"]["enable-delay"], "0s");
    let last = &results.runs[3];
    assert_eq!(last["exitCode"], 0);
    assert_eq!(last["calls"], summary["calls"]);
    assert_eq!(last["throttled"], summary["throttled"]);
    assert_eq!(first["run"], results.runs[1]["run"]);
    assert_ne!(first["run"], last["run"]);
    let html = report(&bench);
    let page = checked(&html);
    assert_eq!(outcome(&page), "All 10 rows are done.");
    assert_eq!(table(&page, "Runs").len(), 2);
    let steps = table(&page, "The slowest steps");
    assert_eq!(steps.len(), 4, "{steps:?}");
    let all = text(page.root());
    for part in [
        "customers.jsonl, 10 rows",
        "max-failures3",
        "verify compares",
    ] {
        assert!(all.contains(part), "no {part}");
    }
    assert!(!all.contains("What did not get through"));
    // a run that has nothing to do leaves the file as it is
    let before = bench.read("r.jsonl");
    bench.import(&tray, &input).expect(0);
    assert_eq!(bench.read("r.jsonl"), before);
}

/// Results written by hand: a header and these lines, whose keys and times are filled in.
fn by_hand(bench: &Bench, lines: &[Value]) {
    let mut text = json!({
        "type": "batch", "version": 1, "batchId": "0193-<b>", "endpoint": "https://tray.io/graphql",
        "createdAt": "2026-11-20T18:00:00Z", "tool": "tray-import 0.1.0",
    })
    .to_string()
        + "\n";
    for line in lines {
        text += &(line.to_string() + "\n");
    }
    fs::write(bench.path("r.jsonl"), text).unwrap();
}

fn row(number: u64, second: i64, state: &str, step: &str) -> Value {
    let at = jiff::Timestamp::from_second(1_795_197_600 + second).unwrap();
    json!({
        "type": "row", "row": number, "key": format!("{number:032x}"), "externalUserId": format!("c-{number}"),
        "state": state, "step": step, "created": ["user"], "attempts": second, "at": at,
    })
}

fn failed(number: u64, second: i64, code: &str, message: &str) -> Value {
    let mut line = row(number, second, "failed", "authentication");
    let retryable = code == "no_answer";
    line["error"] = json!({
        "code": code, "message": message, "step": "authentication", "retryable": retryable,
    });
    line
}

#[test]
fn a_rehearsal_is_not_taken_for_the_real_thing() {
    let bench = Bench::new();
    bench.customers("c.jsonl", &mixed(2));
    let import = bench.tool(&["import", "c.jsonl", "--sandbox", "--results", "r.jsonl"]);
    let import = import.arg("--solutions").arg(sample("solutions.json"));
    let import = import.arg("--catalog").arg(sample("catalog"));
    import.args(["--enable-delay", "0s"]).expect(0);
    let html = report(&bench);
    let page = checked(&html);
    let all = text(page.root());
    for part in [
        "Rehearsal in the sandbox",
        "This was a rehearsal",
        "--dry-run",
    ] {
        assert!(all.contains(part), "no {part:?}");
    }
    assert!(!all.contains("verify"));
}

#[test]
fn an_empty_batch_has_a_page() {
    let bench = Bench::new();
    by_hand(&bench, &[]);
    let html = report(&bench);
    let page = checked(&html);
    assert_eq!(outcome(&page), "No row has been begun yet.");
    assert_eq!(of(page.root(), "svg").count(), 0);
    // a row whose line is torn is not there yet
    let mut text = bench.read("r.jsonl");
    text += "{\"type\":\"row\",\"ro";
    fs::write(bench.path("r.jsonl"), text).unwrap();
    report(&bench);
}

#[test]
fn whatever_stands_in_the_results_is_text() {
    let bench = Bench::new();
    let hostile =
        "</style><script>alert(1)</script><b onclick=\"x\">&amp;'\u{1b}[31m\u{202e}\u{0}]]>";
    let mut first = failed(1, 5, hostile, hostile);
    first["connector"] = hostile.into();
    first["connectorVersion"] = hostile.into();
    let mut held = row(2, 6, "held", "authentication");
    held["why"] = hostile.into();
    let begin = json!({
        "type": "run", "run": hostile, "at": "2026-11-20T18:00:00Z", "event": "begin", "command": hostile,
        "tool": hostile, "input": hostile, "rows": 3, "invalid": 1, "settings": { hostile: hostile, "x": [hostile] },
    });
    let end = json!({
        "type": "run", "run": hostile, "at": "2026-11-20T18:00:09Z", "event": "end", "exitCode": 4,
        "verdict": hostile, "calls": { hostile: 7 }, "throttled": 1, "retried": 0, "settled": 0,
    });
    by_hand(&bench, &[begin, first, held, end]);
    let name = "r<b>&'\".jsonl";
    fs::rename(bench.path("r.jsonl"), bench.path(name)).unwrap();
    let output = bench.tool(&["report", name, "-o", "report.html"]).expect(0);
    drop(output);
    let html = bench.read("report.html");
    let page = checked(&html);
    assert_eq!(
        of(page.root(), "b")
            .filter(|b| b.attributes().len() > 0)
            .count(),
        0
    );
    let shown = hostile.replace(['\u{1b}', '\u{202e}', '\u{0}'], "\u{fffd}");
    assert!(text(page.root()).matches(&shown).count() >= 6);
    assert!(!html.contains("<script"));
}

#[test]
fn many_failures_are_grouped_and_counted() {
    let bench = Bench::new();
    let mut lines = Vec::new();
    for number in 1..=900 {
        let (code, message) = match number % 3 {
            0 => (
                "refused",
                format!("Tray refused: no account {}", number % 30),
            ),
            1 => (
                "no_answer",
                "no usable answer from Tray: timeout".to_owned(),
            ),
            _ => ("of_tomorrow", "something new".to_owned()),
        };
        lines.push(row(number, number as i64, "sent", "authentication"));
        lines.push(failed(number, number as i64 + 2, code, &message));
    }
    by_hand(&bench, &lines);
    let html = report(&bench);
    let page = checked(&html);
    assert_eq!(outcome(&page), "None of 900 rows are done; 900 failed.");
    let all = text(page.root());
    for part in [
        "300 rows × refused",
        "300 rows × no_answer",
        "300 rows may work without a change",
        "300 rows × of_tomorrow",
        "does not know the code",
        "Tray refused: no account 3 (30 rows, the first is row 3)",
        "and 7 other messages",
        "runs of earlier versions did not record their calls",
    ] {
        assert!(all.contains(part), "no {part:?}");
    }
    let steps = table(&page, "The slowest steps");
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0][..2], ["authentication", "900"]);
    assert_eq!(steps[0][4], "2.0 s (row 1)");
    assert!(html.len() < 100_000, "{} bytes", html.len());
}

#[test]
fn what_cannot_be_reported_is_said() {
    let (bench, _) = finished();
    fs::write(bench.path("empty.jsonl"), "").unwrap();
    fs::write(bench.path("other.csv"), "a,b\n1,2\n").unwrap();
    for (results, output, code, said) in [
        ("none.jsonl", "report.html", 1, "none.jsonl"),
        ("empty.jsonl", "report.html", 1, "is empty"),
        ("other.csv", "report.html", 1, "line 1"),
        ("r.jsonl", "report.pdf", 2, ".html"),
        ("r.jsonl", "none/report.html", 1, "none/report.html"),
    ] {
        let tool = bench.tool(&["report", results, "-o", output]);
        tool.expect(code).says(&[said]);
        assert!(!bench.path(output).exists());
    }
    bench.tool(&["report", "r.jsonl"]).expect(2);
    let both = bench.tool(&["report", "r.jsonl", "-o", "-", "--json"]);
    both.expect(2);
}

/// A weekend: a canary on Friday, a long run that is killed, one that goes on and is throttled.
fn weekend(bench: &Bench) {
    let connectors = [
        ("sqs", "2.1"),
        ("zendesk", "6.1"),
        ("acme-crm", "1.0"),
        ("sftp", "4.2"),
    ];
    let mut lines = Vec::new();
    let at = |second: i64| jiff::Timestamp::from_second(1_795_197_600 + second).unwrap();
    let settings = json!({
        "rate": 25.0, "burst": 10, "concurrency": 64, "timeout": "30s", "settle": "2s",
        "enable-delay": "2s", "max-failures": "10%", "limit": null, "until": null,
        "retry-failed": false, "skip-invalid": true, "test-users": false, "sandbox": false,
    });
    let mut next = 1;
    for (run, begin, length) in [("a", 0, 20), ("b", 50_000, 4_000), ("c", 56_000, 2_400)] {
        lines.push((begin, json!({
            "type": "run", "run": run, "at": at(begin), "event": "begin", "command": "import",
            "tool": "tray-import 0.1.0", "input": "customers.csv", "rows": 26_000, "invalid": 37, "settings": settings,
        })));
        let (mut calls, mut throttled, mut rows) = (0_f64, 0, 0.0);
        for second in (5..=length).step_by(5) {
            let slow = run == "c" && (900..1_300).contains(&second);
            let rate = if slow {
                11.0 + 3.0 * (second as f64 / 40.0).sin()
            } else {
                24.6
            };
            calls += 5.0 * rate;
            throttled += u64::from(slow && second % 25 == 0) * 3;
            rows += rate;
            lines.push((begin + second, json!({
                "type": "run", "run": run, "at": at(begin + second), "event": "sample",
                "calls": calls as u64, "throttled": throttled, "retried": second / 100, "rate": rate,
            })));
            while rows >= 1.0 && next <= 25_900 {
                rows -= 1.0;
                let mut first = row(next, begin + second - 3, "sent", "authentication");
                let (name, version) = connectors[(next % 11 % 4) as usize];
                first["connector"] = name.into();
                first["connectorVersion"] = version.into();
                first["attempts"] = 2.into();
                lines.push((begin + second - 3, first));
                let line = match next % 1_000 {
                    17 => failed(
                        next,
                        begin + second,
                        "refused",
                        "Tray refused: the access key does not exist",
                    ),
                    400 => failed(
                        next,
                        begin + second,
                        "no_answer",
                        "no usable answer from Tray: the connection broke after the call had left",
                    ),
                    401 => {
                        let mut line = row(next, begin + second, "held", "authentication");
                        line["why"] = "row 17 of the same instance failed".into();
                        line
                    }
                    _ => row(next, begin + second, "done", "enable"),
                };
                let mut line = line;
                line["attempts"] = 5.into();
                line["created"] = json!(["user", "authentication", "instance"]);
                line["instanceId"] = format!("i-{next}").into();
                lines.push((begin + second, line));
                next += 1;
            }
        }
        if run != "b" {
            lines.push((begin + length, json!({
                "type": "run", "run": run, "at": at(begin + length), "event": "end", "exitCode": 4,
                "verdict": if run == "a" { "Stopped where --limit said." } else { "Finished, but rows failed." },
                "calls": { "authorize": calls as u64 }, "throttled": throttled, "retried": length / 100, "settled": 3,
            })));
        }
    }
    let lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    by_hand(bench, &lines);
}

#[test]
fn a_weekend_is_drawn_without_its_nights() {
    let bench = Bench::new();
    weekend(&bench);
    let html = report(&bench);
    let page = checked(&html);
    let svgs: Vec<_> = of(page.root(), "svg").collect();
    assert_eq!(svgs.len(), 4, "two plots, for two widths");
    let all = text(page.root());
    for part in [
        "over 1 h 47 min at work",
        "dotted lines show where one begins",
        "25 asked for",
        "throttled",
        "It was killed, or is in progress.",
        "37 rows of the input were left out as invalid",
    ] {
        assert!(all.contains(part), "no {part:?}");
    }
    let rows: u64 = table(&page, "By connector")
        .iter()
        .map(|row| row[1].replace(',', "").parse::<u64>().unwrap())
        .sum();
    let status = bench.tool(&["status", "r.jsonl"]).json(0);
    assert_eq!(status["rows"]["total"], rows);
    assert!(html.len() < 120_000, "{} bytes", html.len());
}

/// Where a browser is, if there is one.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut places = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    places.find(|place| place.is_file())
}

/// Runs the browser on a page, in a directory of its own that it may do in what it likes.
fn browse(browser: &Path, page: &Path, arguments: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--hide-scrollbars", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_page_can_be_looked_at() {
    let Some(browser) = browser() else {
        return println!("no Chromium is installed: the page is not looked at");
    };
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs::create_dir_all(&kept).unwrap();
    let bench = Bench::new();
    weekend(&bench);
    let html = report(&bench);
    let page = kept.join("report.html");
    fs::write(&page, &html).unwrap();
    for (name, width, height, dark) in [
        ("light", 1_100, 3_000, false),
        ("dark", 1_100, 3_000, true),
        ("phone", 390, 4_400, false),
    ] {
        let picture = kept.join(format!("{name}.png"));
        let _ = fs::remove_file(&picture);
        let screenshot = format!("--screenshot={}", picture.display());
        let size = format!("--window-size={width},{height}");
        let mut arguments = vec![screenshot.as_str(), &size];
        if dark {
            arguments.push("--blink-settings=preferredColorScheme=0");
        }
        browse(&browser, &page, &arguments);
        let bytes = fs::metadata(&picture).unwrap().len();
        assert!(bytes > 20_000, "{name}: {bytes} bytes");
        println!("{}", picture.display());
    }
    let pdf = kept.join("report.pdf");
    let print = format!("--print-to-pdf={}", pdf.display());
    browse(&browser, &page, &[&print, "--no-pdf-header-footer"]);
    assert!(fs::metadata(&pdf).unwrap().len() > 20_000);
    // nothing is wider than the phone: told by a copy of the page with a script in it
    let script = "<script>document.title = 'wide ' + document.documentElement.scrollWidth + ' of ' + innerWidth</script></body>";
    let measured = kept.join("measured.html");
    fs::write(&measured, html.replace("</body>", script)).unwrap();
    let dom = browse(
        &browser,
        &measured,
        &["--dump-dom", "--window-size=390,3000"],
    );
    let title = dom.split("<title>").nth(1).unwrap_or_default();
    let mut numbers = title.split(' ').filter_map(|word| {
        word.split('<')
            .next()
            .and_then(|number| number.parse::<u32>().ok())
    });
    let (wide, window) = (numbers.next().unwrap(), numbers.next().unwrap());
    assert!(wide <= window, "{wide} pixels in a window of {window}");
}
