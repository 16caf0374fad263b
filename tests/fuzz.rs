//! Damaged, spliced and senseless bytes for whatever reads files: no panic, nothing passed over in silence, and
//! every message at the right line. Bounded and seeded, so that it runs on stable wherever the tests do.
//!
//! `TRAY_FUZZ=N` asks for N cases of each target's share of 20,000; `TRAY_SEED=N` starts with another case.

#![allow(clippy::unwrap_used, reason = "this is all test code")]

mod common;

use std::fs;
use std::path::Path;

use common::fuzzing::{bent, fuzz, mutated};
use common::{sample, secret_in};
use fastrand::Rng;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tray_import::catalog::Catalog;
use tray_import::catalog::entry::Entry;
use tray_import::input::MAX_RECORD;
use tray_import::input::blocks::{Block, Blocks, count_newlines};
use tray_import::input::layout::Layout;
use tray_import::input::mapping::Mapping;
use tray_import::input::open::Format;
use tray_import::input::records::for_each_row;
use tray_import::issue::Code;
use tray_import::model::{Id, Key, Progress, State, Step};
use tray_import::results::checksum::seal;
use tray_import::results::error::ReplayError;
use tray_import::results::facts::Facts;
use tray_import::results::header::{Header, VERSION};
use tray_import::results::line::write_line;
use tray_import::results::replay::replay_bytes;
use tray_import::validate::check::RowChecker;

/// Some lines of a file, the first one always among them where it is a header.
fn excerpt<'t>(random: &mut Rng, lines: &[&'t [u8]], header: bool) -> (&'t [u8], Vec<u8>) {
    let from = random.usize(1..lines.len());
    let some = &lines[from..(from + random.usize(1..=5)).min(lines.len())];
    (if header { lines[0] } else { b"" }, some.concat())
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Cuts an input into blocks and makes sure that they are the input, but for the rest of a line that is too
/// long to be held, and that each knows its line.
fn blocks(input: &[u8], format: Format) -> Vec<Block> {
    let mut reader = Blocks::new(input, format);
    let mut found = Vec::new();
    if format != Format::Jsonl {
        found.extend(reader.header().unwrap());
    }
    while let Some(block) = reader.next_block().unwrap() {
        found.push(block);
    }
    let mut at = 0;
    let mut too_long = false;
    let line_end = |at: usize| {
        let end = input[at..].iter().position(|byte| *byte == b'\n');
        end.map_or(input.len(), |end| at + end + 1)
    };
    for block in &found {
        if too_long && !input[..at].ends_with(b"\n") {
            at = line_end(at);
        }
        assert!(!block.bytes.is_empty());
        assert!(
            input[at..].starts_with(&block.bytes),
            "not the input at byte {at}"
        );
        assert_eq!(block.line, 1 + count_newlines(&input[..at]));
        at += block.bytes.len();
        too_long = block.broken == Some(Code::FieldTooLong);
    }
    if too_long && !input[..at].ends_with(b"\n") {
        at = line_end(at);
    }
    // blank lines in front of no header at all are nothing
    let rest = &input[at..];
    assert!(
        rest.iter().all(|byte| matches!(byte, b'\n' | b'\r')),
        "{} bytes were passed over",
        rest.len()
    );
    found
}

/// Reads every row of an input and makes sure that nothing but blank lines and separators is between them, that
/// each has its line, and (where `quiet`) that no message shows a secret.
fn rows(input: &[u8], format: Format, mapping: Mapping, catalog: &Catalog, quiet: bool) {
    let found = blocks(input, format);
    let mut found = found.iter();
    let layout = match format {
        Format::Jsonl => Layout::of_json_lines(mapping),
        _ => match found.next() {
            Some(header) => Layout::of_header(format, header, mapping).0,
            None => return,
        },
    };
    if layout.unusable {
        return;
    }
    for block in found {
        let mut end = 0;
        let between = |from: usize, to: usize| {
            let gap = &block.bytes[from..to];
            // lines of separators alone and the end mark of old systems are no rows
            let is_filler = |byte: &u8| {
                byte.is_ascii_whitespace() || *byte == 0x1a || Some(*byte) == layout.delimiter
            };
            assert!(gap.iter().all(is_filler), "a row was passed over");
        };
        let mut checker = RowChecker::new(catalog);
        for_each_row(block, &layout, |at, row, mut problems| {
            assert!(end <= at.bytes.start && at.bytes.start <= at.bytes.end);
            between(end, at.bytes.start);
            end = at.bytes.end;
            let line = block.line + count_newlines(&block.bytes[..at.bytes.start]);
            assert_eq!(at.line, line);
            assert!(
                row.is_some() || !problems.is_empty(),
                "unreadable without a word"
            );
            if let Some(row) = row {
                let checked = checker.check(row, &mut problems);
                assert!(
                    checked.is_some() || !problems.is_empty(),
                    "invalid without a word"
                );
            }
            for problem in &problems {
                assert!(!problem.message.is_empty());
                let shown = secret_in(problem.message.as_bytes());
                assert!(
                    !quiet || shown.is_none(),
                    "a message shows a secret: {problem:?}"
                );
            }
        });
        between(end, block.bytes.len());
    }
}

/// A byte order mark within the input is refused wherever it stands: taken off here and kept there, it would
/// give one row two identities.
#[test]
fn a_byte_order_mark_before_a_row_is_refused_wherever_the_row_stands() {
    let header = "externalUserId,connector,connectorVersion\n";
    for rows in [
        "\u{feff}c-1,sqs,2.1\nc-2,sqs,2.1\n",
        "c-2,sqs,2.1\n\u{feff}c-1,sqs,2.1\n",
    ] {
        let found = blocks(format!("{header}{rows}").as_bytes(), Format::Csv);
        let (layout, _) = Layout::of_header(Format::Csv, &found[0], Mapping::default());
        let mut codes = Vec::new();
        for_each_row(&found[1], &layout, |_, _, problems| {
            codes.extend(problems.iter().map(|problem| problem.code));
        });
        assert_eq!(codes, [Code::Encoding], "{rows}");
    }
}

fn samples_catalog() -> Catalog {
    Catalog::load(&sample("catalog")).unwrap()
}

fn mapping() -> Mapping {
    Mapping::load(&sample("mapping.toml")).unwrap()
}

#[test]
fn csv_and_tsv() {
    let catalog = samples_catalog();
    let texts = ["customers.csv", "export.csv"].map(|name| fs::read(sample(name)).unwrap());
    fuzz("CSV and TSV", 250, |random| {
        let of = random.usize(0..2);
        let (header, some) = excerpt(random, &lines(&texts[of]), true);
        let quiet = random.bool();
        let mut input = match quiet {
            true => [header, &mutated(random, &some, &texts[1 - of])].concat(),
            false => mutated(random, &[header, &some].concat(), &texts[1 - of]),
        };
        let mut format = Format::Csv;
        if random.u8(0..4) == 0 {
            format = Format::Tsv;
            input
                .iter_mut()
                .filter(|byte| **byte == b',')
                .for_each(|byte| *byte = b'\t');
        }
        let mapping = if of == 1 {
            mapping()
        } else {
            Mapping::default()
        };
        rows(
            &input,
            format,
            mapping,
            &catalog,
            quiet && format == Format::Csv,
        );
    });
}

#[test]
fn json_lines() {
    let catalog = samples_catalog();
    let text = fs::read(sample("customers.jsonl")).unwrap();
    fuzz("JSON Lines", 250, |random| {
        let (_, some) = excerpt(random, &lines(&text), false);
        let input = mutated(random, &some, &text);
        let mapping = if random.bool() {
            mapping()
        } else {
            Mapping::default()
        };
        rows(&input, Format::Jsonl, mapping, &catalog, false);
    });
}

#[test]
fn lines_too_long_to_hold() {
    let catalog = samples_catalog();
    let text = fs::read(sample("customers.csv")).unwrap();
    fuzz("over-long lines", 1, |random| {
        let (header, some) = excerpt(random, &lines(&text), true);
        let mut input = [header, &some, &some].concat();
        for _ in 0..random.usize(1..=2) {
            let at = random.usize(0..=input.len());
            let fill = [b"x", b"\"", b",", b"\n"][random.usize(0..4)];
            let long = fill.repeat(MAX_RECORD / 2 + random.usize(0..2 * MAX_RECORD));
            drop(input.splice(at..at, long));
        }
        let format = [Format::Csv, Format::Tsv, Format::Jsonl][random.usize(0..3)];
        rows(&input, format, Mapping::default(), &catalog, false);
    });
}

#[test]
fn mappings() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("mapping.toml");
    let text = fs::read(sample("mapping.toml")).unwrap();
    let catalog = samples_catalog();
    let export = fs::read(sample("export.csv")).unwrap();
    let export = lines(&export)[..6].concat();
    fuzz("mappings", 100, |random| {
        fs::write(&path, mutated(random, &text, &text)).unwrap();
        match Mapping::load(&path) {
            Ok(mapping) => rows(&export, Format::Csv, mapping, &catalog, false),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

#[test]
fn catalog_entries() {
    let entries = common::catalog();
    let path = Path::new("catalog/some.json");
    let mut read = 0_u64;
    fuzz("catalog entries", 150, |random| {
        let mut value = entries[random.usize(0..entries.len())].clone();
        for _ in 0..random.usize(1..=3) {
            bent(random, &mut value, &entries);
        }
        match Entry::parse(&value, path) {
            Ok(entry) => {
                read += 1;
                assert_eq!(value["connector"], json!(entry.connector));
                let catalog = Catalog::of(vec![entry]);
                assert!(
                    catalog.is_ok() || value["versions"].as_array().is_some_and(|v| v.len() > 1)
                );
            }
            Err(error) => assert!(error.to_string().contains("some.json"), "{error}"),
        }
    });
    println!("{read} of the entries were read");
}

/// A results file of up to 60 lines.
fn results(random: &mut Rng) -> Vec<u8> {
    let header = Header {
        r#type: "batch".to_owned(),
        version: VERSION,
        batch_id: "b".to_owned(),
        endpoint: "https://tray.io/graphql".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
        tool: "tray-import 0.1.0".to_owned(),
    };
    let mut bytes = Vec::new();
    for _ in 0..random.usize(0..60) {
        let row = random.u64(1..20);
        let mut progress = Progress::none();
        progress.state = State::ALL[random.usize(0..State::ALL.len())];
        progress.step = random.bool().then(|| Step::ALL[random.usize(0..4)]);
        progress.user_id = random
            .bool()
            .then(|| Id::new("13b3ab9c-e222-4739-a69b-c4dd07fbbfa4"));
        progress.authentication_id = random.bool().then(|| Id::new("no \"uuid\"\n"));
        progress.created.add(Step::User);
        progress.attempts = random.u32(..);
        let user = format!("ü \"{row}\"");
        let key = Key(u128::from(row) << 64);
        write_line(
            &mut bytes,
            (row, key),
            &user,
            &progress,
            Timestamp::UNIX_EPOCH,
            Facts::default(),
        );
    }
    // with checksums, or as earlier versions wrote it
    if random.bool() {
        return [header.to_line(), seal(&bytes, header.tag())].concat();
    }
    let header = serde_json::to_vec(&header).unwrap();
    [header, b"\n".to_vec(), bytes].concat()
}

#[test]
fn results_files() {
    fuzz("results files", 250, |random| {
        let whole = results(random);
        let cut = &whole[..random.usize(0..=whole.len())];
        let replay = replay_bytes(cut).unwrap();
        assert_eq!(replay.whole + replay.torn, cut.len() as u64);
        assert_eq!(replay.header.is_some(), cut.contains(&b'\n'));

        let bytes = mutated(random, &whole, cut);
        let newlines = lines(&bytes);
        match replay_bytes(&bytes) {
            Ok(replay) => {
                let held = usize::try_from(replay.whole).unwrap();
                assert_eq!(replay.whole + replay.torn, bytes.len() as u64);
                assert!(held == 0 || bytes[held - 1] == b'\n');
                assert!(
                    !bytes[held..].contains(&b'\n'),
                    "whole lines were taken for torn"
                );
                assert!(replay.len() < newlines.len().max(1));
            }
            Err(ReplayError::Foreign(_)) => assert!(!newlines.is_empty()),
            Err(ReplayError::Line { line, .. }) => {
                let before = newlines[..line - 1].concat();
                assert!(bytes.len() > before.len() && newlines[line - 1].ends_with(b"\n"));
                let replay = replay_bytes(&before).unwrap();
                assert_eq!(
                    replay.whole,
                    before.len() as u64,
                    "an earlier line is at fault"
                );
            }
            Err(ReplayError::OtherBatch { line }) => assert!(line > 1),
            Err(ReplayError::Version { found, .. }) => assert_ne!(found, VERSION),
            Err(ReplayError::Io(error)) => panic!("{error}"),
        }
    });
}
