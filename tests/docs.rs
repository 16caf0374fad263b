//! The documentation against the tool: codes, messages, command lines, flags, links.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;
#[path = "docs/page.rs"]
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap::error::ErrorKind;
use common::{Bench, rows, sample};
use page::{Page, Part, command_lines, root};
use serde_json::json;
use strum::VariantArray as _;
use tray_import::aftercare::difference::What;
use tray_import::aftercare::tally::kept;
use tray_import::cli::args::Cli;
use tray_import::cli::exit::Exit;
use tray_import::issue::Code;
use tray_import::model::code;

fn troubleshooting() -> Page {
    Page::read("docs/troubleshooting.md")
}

/// An entry of `docs/troubleshooting.md` under a heading that is a code.
#[derive(Default)]
struct Entry {
    section: String,
    messages: Vec<String>,
    prose: String,
}

/// The entries by code. Exit codes are `Exit N`.
fn entries(page: &Page) -> BTreeMap<String, Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let (mut section, mut code) = (String::new(), None);
    for part in page.parts() {
        match part {
            Part::Heading(depth, title) => {
                if depth == 2 {
                    section = title.to_owned();
                }
                let in_ticks = title.strip_prefix('`').and_then(|t| t.strip_suffix('`'));
                code = in_ticks.or((depth == 3 && title.starts_with("Exit ")).then_some(title));
                if let Some(code) = code {
                    let section = section.clone();
                    let entry = Entry {
                        section,
                        ..Entry::default()
                    };
                    let before = entries.insert(code.to_owned(), entry);
                    assert!(before.is_none(), "two entries for {code}");
                }
            }
            Part::Code("text", line) => {
                if let Some(code) = code {
                    entries
                        .get_mut(code)
                        .unwrap()
                        .messages
                        .push(line.to_owned());
                }
            }
            Part::Code(..) => {}
            Part::Prose(line) => {
                if let Some(code) = code {
                    entries.get_mut(code).unwrap().prose += &format!("{line}\n");
                }
            }
        }
    }
    entries
}

#[test]
fn every_code_has_its_entry_and_no_entry_is_without_a_code() {
    let page = troubleshooting();
    let entries = entries(&page);
    let exits = [
        Exit::Done,
        Exit::Internal,
        Exit::Usage,
        Exit::Invalid,
        Exit::Failed,
        Exit::Refused,
        Exit::MaxFailures,
        Exit::Interrupted,
    ];
    let mut wanted: BTreeMap<String, &str> = BTreeMap::new();
    wanted.extend(
        Code::VARIANTS
            .iter()
            .map(|code| (code.to_string(), "Issues of rows")),
    );
    wanted.extend(code::ALL.map(|code| (code.to_owned(), "Failed rows")));
    wanted.extend(What::ALL.map(|what| (what.names().0.to_owned(), "What verify finds")));
    wanted.extend(
        [kept::NOT_OURS, kept::IN_USE].map(|code| (code.to_owned(), "What a rollback keeps")),
    );
    wanted.extend(exits.map(|exit| (format!("Exit {}", exit.code()), "Exit codes")));
    let found: BTreeMap<String, &str> = (entries.iter())
        .map(|(code, entry)| (code.clone(), entry.section.as_str()))
        .collect();
    assert_eq!(found, wanted);
    for (code, entry) in &entries {
        let parts = match code.starts_with("Exit ") {
            true => ["\nMeaning: ", "\nDo: "],
            false => ["\nCause: ", "\nCure: "],
        };
        for part in parts {
            assert!(entry.prose.contains(part), "{code} has no {part:?}");
        }
        let says = code.starts_with("Exit ") || !entry.messages.is_empty();
        assert!(says, "{code} quotes no message");
    }
}

/// Every message that the page quotes is in the source, so that searching for what the tool says leads here.
#[test]
fn every_message_quoted_is_the_tools_own() {
    let mut source = String::new();
    sources(&root().join("src"), &mut source);
    for part in troubleshooting().parts() {
        if let Part::Code("text", message) = part {
            for piece in message.split('…').filter(|piece| piece.trim().len() > 2) {
                assert!(
                    source.contains(piece),
                    "nothing says {piece:?} of {message:?}"
                );
            }
        }
    }
}

/// All source text, with strings as they are printed.
fn sources(directory: &Path, into: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut text = text
            .replace("\\\"", "\"")
            .replace("{{", "{")
            .replace("}}", "}");
        while let Some(at) = text.find("\\\n") {
            let rest = text[at + 2..].trim_start().to_owned();
            text.truncate(at);
            text += &rest;
        }
        into.push_str(&text);
    }
}

/// Whether a message is one that the entry quotes, `…` standing for anything.
fn is_quoted(message: &str, quoted: &[String]) -> bool {
    quoted.iter().any(|quoted| {
        let mut rest = message;
        let mut pieces = quoted.split('…').peekable();
        let mut first = true;
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            let found = match (first, last) {
                (true, true) => return rest == piece,
                (true, false) => rest.strip_prefix(piece),
                (false, true) => return rest.ends_with(piece),
                (false, false) => rest.find(piece).map(|at| &rest[at + piece.len()..]),
            };
            let Some(found) = found else { return false };
            (rest, first) = (found, false);
        }
        true
    })
}

/// Rows with values that cannot be right, and values that are odd.
fn odd() -> String {
    let header = "externalUserId,userName,connector,connectorVersion,data.region,data.account_id,data.access_key,data.secret_key\n";
    let row = |id: &str, name: &str, secret: &str| {
        let access = "CANARYAXXXXXXXXXXXXX";
        format!("{id},{name},sqs,2.1,eu-west-1,123456789012,{access},{secret}\n")
    };
    let secret = "CANARY-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    [
        header.to_owned(),
        row(
            "c-1",
            "A",
            &format!("\"{secret}\n{}\"", row("c-0", "Z", secret).trim_end()),
        ),
        header.to_owned(),
        row("c-2", " ", secret),
        row("c-3", "NULL", secret),
        row("c-4", "A", "********"),
        row("1.23457E+17", "A", secret),
        row("c-5", "A\u{1}", secret),
        row(
            "c-6",
            &format!("\"A\n{}\nb\"", "c,A,sqs,2.1,a,b,c,d"),
            secret,
        ),
        row("c-7 ", "A", secret),
        row("c-8", "A", secret),
        row("C-8", "A", secret),
        row("12.0", "A", secret),
        row("c-9", "A", &format!("\u{201c}{secret}\u{201d}")),
        row("c-10", "A", &format!("\"{secret}\nx\"")),
        row(
            "c-11",
            "A",
            "-----BEGIN KEY-----\\nCANARY\\n-----END KEY-----",
        ),
    ]
    .concat()
}

/// Inputs with every kind of mistake: what the tool says of them stands in the entry of the code.
#[test]
fn every_issue_says_what_its_entry_quotes() {
    let entries = entries(&troubleshooting());
    let bench = Bench::new();
    let row = r#""externalUserId":"c-1","connector":"sqs","connectorVersion":"2.1""#;
    let more = [
        // an issue each that the samples do not have
        (
            "short.jsonl.gz",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab".to_vec(),
        ),
        (
            "long.jsonl",
            format!("{{{row},\"data\":{{\"a\":\"{}\"}}}}\n", "x".repeat(3 << 20)).into(),
        ),
        (
            "twice.jsonl",
            format!("{{{row},\"data\":{{\"region\":\"x\"}},\"data.region\":\"y\"}}\n").into(),
        ),
        ("empty.csv", Vec::new()),
        ("nameless.csv", b"c-1,sqs,2.1,abc@example.com\n".to_vec()),
        (
            "nameless-column.csv",
            b"externalUserId;connector;connectorVersion;\nc-1;sqs;2.1;x\n".to_vec(),
        ),
        (
            "mac.csv",
            b"externalUserId,connector,connectorVersion\rc-1,sqs,2.1\r".to_vec(),
        ),
        (
            "quoted.csv",
            b"externalUserId,connector,connectorVersion\nc-1, \"sqs\",2.1\n".to_vec(),
        ),
        (
            "named.jsonl",
            rows::jsonl(
                &["A", "B"].map(|name| rows::with(rows::plain("c-1"), json!({ "userName": name }))),
            )
            .into(),
        ),
        (
            "incomplete.csv",
            b"externalUserId,connector\nc-1,sqs\n".to_vec(),
        ),
        ("json.csv", format!("{{{row}}}\n").into()),
        ("odd.csv", odd().into()),
        ("list.jsonl", b"[]\n".to_vec()),
        (
            "forms.jsonl",
            format!("{{{}}}\n", row.replace("sqs", "forms")).into(),
        ),
    ];
    let mut inputs = vec![
        sample("customers-with-mistakes.csv"),
        sample("customers-with-mistakes.jsonl"),
        sample("mistakes/unknown-column.csv"),
        sample("mistakes/duplicate-column.csv"),
        sample("mistakes/utf-16.csv"),
    ];
    inputs.extend(more.map(|(name, bytes)| bench.input(name, bytes)));
    let catalog = bench.path("catalog");
    fs::create_dir(&catalog).unwrap();
    for entry in fs::read_dir(sample("catalog")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), catalog.join(entry.file_name())).unwrap();
    }
    // a rule of a schema that no other entry stands for
    let forms = serde_json::json!({
        "connector": "forms", "versions": ["2.1"], "authType": "token",
        "service": { "id": "s", "name": "forms", "version": 1 },
        "environments": [{ "id": "e", "title": "Production", "credentials": {
            "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "string" } },
            "anyOf": [{ "required": ["a"] }, { "required": ["b"] }],
        }}],
    });
    fs::write(catalog.join("forms.json"), forms.to_string()).unwrap();
    let mut met: BTreeSet<String> = BTreeSet::new();
    for (number, input) in inputs.iter().enumerate() {
        let report = format!("{number}.jsonl");
        let validate = bench.tool(&["validate", "--catalog", "catalog", "--report", &report]);
        validate.arg(input).expect(3);
        for line in bench.read(&report).lines() {
            let issue: serde_json::Value = serde_json::from_str(line).unwrap();
            let (code, message) = (
                issue["code"].as_str().unwrap(),
                issue["message"].as_str().unwrap(),
            );
            let quoted = &entries[code].messages;
            assert!(
                is_quoted(message, quoted),
                "{code} does not quote {message:?}: {quoted:#?}"
            );
            met.insert(code.to_owned());
        }
    }
    let unmet: Vec<_> = Code::VARIANTS
        .iter()
        .filter(|code| !met.contains(code.as_str()))
        .collect();
    assert!(unmet.is_empty(), "no input has the issue {unmet:?}");
}

/// What is shown as a command can be typed: commands, flags and values are the tool's.
#[test]
fn every_command_line_shown_parses() {
    let mut tried = 0;
    let mut attempt = |place: &str, words: &[String], whole: bool| {
        let line = std::iter::once("tray-import".to_owned()).chain(words.iter().cloned());
        tried += 1;
        match Cli::command().try_get_matches_from(line) {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
                ) => {}
            // in a sentence a command may be named without all of its arguments
            Err(error)
                if !whole
                    && matches!(
                        error.kind(),
                        ErrorKind::MissingRequiredArgument
                            | ErrorKind::MissingSubcommand
                            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    ) => {}
            Err(error) => panic!("{place}: tray-import {}: {error}", words.join(" ")),
        }
    };
    for page in Page::all() {
        let place = page.path.display().to_string();
        let mut continued = String::new();
        for part in page.parts() {
            let Part::Code(language, line) = part else {
                continue;
            };
            if language == "text" {
                continue;
            }
            continued += line.trim_start_matches("# ");
            if let Some(begun) = continued.strip_suffix('\\') {
                continued = begun.to_owned();
                continue;
            }
            for words in command_lines(&std::mem::take(&mut continued)) {
                attempt(&place, &words, true);
            }
        }
        for span in page
            .spans()
            .iter()
            .filter(|span| span.starts_with("tray-import "))
        {
            for words in command_lines(span) {
                let words: Vec<_> = words.into_iter().filter(|word| word != "…").collect();
                attempt(&place, &words, false);
            }
        }
    }
    for help in helps(&Cli::command(), "tray-import") {
        for line in help.1.lines() {
            for words in command_lines(line.trim()) {
                attempt(&help.0, &words, true);
            }
        }
    }
    assert!(tried > 40, "only {tried} command lines were found");
}

/// The text behind the options of every command's `--help`.
fn helps(command: &clap::Command, name: &str) -> Vec<(String, String)> {
    let own = command.get_after_long_help().map(ToString::to_string);
    let mut helps = vec![(format!("{name} --help"), own.unwrap_or_default())];
    for sub in command.get_subcommands() {
        helps.extend(helps_of(sub, name));
    }
    helps
}

fn helps_of(sub: &clap::Command, name: &str) -> Vec<(String, String)> {
    helps(sub, &format!("{name} {}", sub.get_name()))
}

/// Flags and variables of the environment, of all commands.
fn flags(command: &clap::Command, flags: &mut BTreeSet<String>, variables: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        flags.extend(argument.get_long().map(|long| format!("--{long}")));
        variables.extend(
            argument
                .get_env()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    for sub in command.get_subcommands() {
        self::flags(sub, flags, variables);
    }
}

#[test]
fn every_flag_and_variable_named_exists() {
    let (mut flags, mut variables) = (BTreeSet::new(), BTreeSet::new());
    self::flags(&Cli::command(), &mut flags, &mut variables);
    flags.extend(["--help".to_owned(), "--version".to_owned()]);
    variables.insert("TRAY_MASTER_TOKEN".to_owned());
    for page in Page::all() {
        for span in page.spans() {
            let first = span.split([' ', '=', '\n']).next().unwrap();
            if first.starts_with("--") && first.len() > 2 {
                assert!(
                    flags.contains(first),
                    "{}: there is no {first}",
                    page.path.display()
                );
            }
        }
        for word in page
            .text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        {
            let ours = word.starts_with("TRAY_IMPORT_") || word == "TRAY_MASTER_TOKEN";
            let known = word == "TRAY_IMPORT_" || variables.contains(word);
            assert!(
                !ours || known,
                "{}: there is no {word}",
                page.path.display()
            );
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = Page::all();
    pages.push(Page::read("ARCHITECTURE.md"));
    for page in &pages {
        for link in page.links() {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.path.clone(),
                path => page.path.parent().unwrap().join(path),
            };
            let place = format!("{}: the link {link}", page.path.display());
            assert!(root().join(&target).exists(), "{place} leads nowhere");
            if !anchor.is_empty() {
                let anchors = Page::read(&target).anchors();
                assert!(
                    anchors.iter().any(|a| a == anchor),
                    "{place} has no heading: {anchors:?}"
                );
            }
        }
    }
}

#[test]
fn the_readme_names_every_command_and_links_every_page() {
    let readme = Page::read("README.md");
    let rows: BTreeSet<&str> = (readme.text.lines())
        .filter_map(|line| {
            line.strip_prefix("| `tray-import ")?
                .split([' ', '`'])
                .next()
        })
        .collect();
    let command = Cli::command();
    let commands: BTreeSet<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    assert_eq!(
        rows, commands,
        "the table of commands and the commands differ"
    );
    let links = readme.links();
    for page in Page::all() {
        let path = page.path.display().to_string();
        let linked = links
            .iter()
            .any(|link| *link == path || Path::new(link) == page.path.parent().unwrap());
        assert!(
            linked || path == "README.md" || path == "samples/README.md",
            "no link to {path}"
        );
    }
}

#[test]
fn the_kubernetes_job_calls_the_tool_as_it_is() {
    let text = fs::read_to_string(root().join("deploy/kubernetes-job.yaml")).unwrap();
    let mut words = vec!["tray-import".to_owned()];
    let mut lines = text
        .lines()
        .skip_while(|line| line.trim() != "args:")
        .skip(1);
    while let Some(argument) = lines.next().and_then(|line| line.trim().strip_prefix("- ")) {
        words.push(argument.to_owned());
    }
    assert!(words.len() > 5, "{words:?}");
    Cli::command()
        .try_get_matches_from(&words)
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
    assert!(
        !text.contains("kind: PersistentVolumeClaim"),
        "deleting the job would delete the results"
    );
    // every exit code of the tool is spoken for: what a retry cannot mend ends the job
    let listed = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("values: "))
        .unwrap();
    assert_eq!(listed, "[2, 3, 4, 5, 6]");
}
