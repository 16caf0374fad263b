//! Help, completions and manual pages: of every command, and fit for a terminal of 80 columns.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod common;

use std::fs;
use std::process::Command;

use clap::CommandFactory;
use common::Bench;
use tray_import::cli::args::Cli;

/// The words that name each command and each command below it: `["catalog", "check"]`.
fn commands() -> Vec<Vec<String>> {
    fn collect(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let path = [path, &[sub.get_name().to_owned()]].concat();
            found.push(path.clone());
            collect(sub, &path, found);
        }
    }
    let mut found = Vec::new();
    collect(&Cli::command(), &[], &mut found);
    assert!(found.len() > 6, "{found:?}");
    found
}

#[test]
fn the_help_of_every_command_teaches_by_examples_in_80_columns() {
    let bench = Bench::of_help();
    for path in std::iter::once(Vec::new()).chain(commands()) {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let output = bench.tool(&words).arg("--help").expect(0);
        let (help, name) = (&output.stdout, path.join(" "));
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{name}: too wide: {line}");
            assert!(!line.contains('\u{1b}'), "{name}: colour: {line:?}");
        }
        assert_eq!(output.stderr, "", "{name}");
        let examples: Vec<_> = help
            .lines()
            .filter(|line| line.starts_with("  ") && line.contains("tray-import "))
            .collect();
        // an example may go on with the command that comes next
        let own = examples.iter().filter(|example| example.contains(&name));
        assert!(own.count() > 0, "{name} has no example:\n{help}");
    }
}

/// Each example of each help is a command line that the tool itself takes.
#[test]
fn the_examples_are_command_lines() {
    let bench = Bench::of_help();
    let mut tried = 0;
    for path in std::iter::once(Vec::new()).chain(commands()) {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let help = bench.tool(&words).arg("--help").expect(0).stdout;
        for line in help.lines() {
            let examples = line.split('|').map(str::trim);
            for example in examples.filter_map(|part| part.split_once("tray-import ")) {
                let (before, rest) = example;
                // a pipe's own command, or what follows the tool in a list of commands, is the shell's
                if before.contains("man ") || !line.starts_with("  ") {
                    continue;
                }
                // what stands far behind it says what it does
                let rest = rest.split("   ").next().unwrap();
                let rest = rest.split(['>', ')', '&']).next().unwrap();
                let arguments = std::iter::once("tray-import").chain(rest.split_whitespace());
                let parsed = Cli::command().try_get_matches_from(arguments);
                assert!(parsed.is_ok(), "{line}\n{}", parsed.unwrap_err());
                tried += 1;
            }
        }
    }
    assert!(tried > 15, "only {tried} examples");
}

#[test]
fn completions_name_every_command_for_every_shell() {
    let bench = Bench::of_help();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = bench.tool(&["completions", shell]).expect(0);
        for path in commands() {
            let name = path.last().unwrap();
            assert!(output.stdout.contains(name), "{shell}: no {name}");
        }
        assert!(output.stdout.contains("retry-failed"), "{shell}");
        assert_eq!(output.stderr, "");
    }
    bench.tool(&["completions", "tcsh"]).expect(2);
    let object = bench.tool(&["completions", "bash"]).json(0);
    assert_eq!(object["command"], "completions");
    assert!(object["script"].as_str().unwrap().contains("complete -F"));
}

#[test]
fn bash_completes_with_the_script() {
    let bench = Bench::of_help();
    let script = bench.tool(&["completions", "bash"]).expect(0).stdout;
    fs::write(bench.path("script.bash"), script).unwrap();
    let ask = "source ./script.bash; f=$(complete -p tray-import); f=${f##*-F }; f=${f%% *}; \
        COMP_WORDS=(tray-import \"$@\"); COMP_CWORD=$#; \
        $f tray-import \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
        echo \"${COMPREPLY[*]}\"";
    let complete = |words: &[&str]| {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", ask, "bash"]).args(words);
        let output = bash.current_dir(bench.path(".")).output();
        output.map(|output| String::from_utf8(output.stdout).unwrap())
    };
    match complete(&["im"]) {
        Ok(found) => assert_eq!(found.trim(), "import"),
        Err(error) => return println!("bash is not here ({error}): its completion is not tried"),
    }
    let flags = complete(&["import", "--ret"]).unwrap();
    assert_eq!(flags.trim(), "--retry-failed");
    assert!(complete(&["catalog", "ch"]).unwrap().contains("check"));
}

#[test]
fn a_manual_page_for_the_tool_and_for_every_command() {
    let bench = Bench::of_help();
    let main = bench.tool(&["man"]).expect(0).stdout;
    assert!(
        main.contains(".TH tray-import 1") && main.contains(".SH NAME"),
        "{main}"
    );
    bench.tool(&["man", "--dir", "pages/man1"]).expect(0);
    let mut expected: Vec<String> = commands()
        .iter()
        .map(|path| format!("tray-import-{}.1", path.join("-")))
        .chain(["tray-import.1".to_owned()])
        .collect();
    let mut found: Vec<String> = fs::read_dir(bench.path("pages/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let import = bench.read("pages/man1/tray-import-import.1");
    for part in ["tray\\-import import", "\\-\\-retry\\-failed", "Examples:"] {
        assert!(import.contains(part), "no {part} in\n{import}");
    }
    let object = bench.tool(&["man", "--dir", "pages/man1"]).json(0);
    assert_eq!(object["files"].as_array().unwrap().len(), expected.len());
    fs::write(bench.path("file"), "").unwrap();
    bench
        .tool(&["man", "--dir", "file"])
        .expect(1)
        .says(&["file"]);
}
