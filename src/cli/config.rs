//! The configuration file: defaults for flags, by the flags' own names.
//!
//! The values become the command line's defaults, so that flag and environment win over them and the
//! flags' own parsers judge them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgAction, Command, CommandFactory};

use super::args::Cli;
use super::exit::Failure;
use crate::issue::did_you_mean;

const DEFAULT: &str = "tray-import.toml";

/// Flags that name files: relative to the configuration file that names them.
const PATHS: [&str; 9] = [
    "catalog",
    "mapping",
    "input",
    "output",
    "master-token-file",
    "results",
    "report",
    "invalid",
    "valid",
];

/// The command line with the defaults of the configuration file, if there is one.
///
/// # Errors
/// A file that cannot be read, a key that is no flag, a value that the flag does not take: named.
pub fn apply(arguments: &[OsString]) -> Result<Command, Failure> {
    let command = Cli::command();
    let named = named_file(arguments);
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT));
    let text = match crate::files::read_text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return Ok(command);
        }
        Err(error) => return Err(Failure::usage(format!("the configuration: {error}"))),
    };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Failure::usage(format!(
            "the configuration {} is not valid TOML: {}",
            path.display(),
            crate::input::toml_error(&text, &error)
        ))
    })?;
    let mut command = command;
    for (key, value) in table {
        command = set_default(command, &path, &key, &value)?;
    }
    Ok(command)
}

/// Flags that stand for a decision: they are typed where it is made.
const TYPED_ONLY: [&str; 3] = ["yes", "fix", "force"];

/// `--config` is needed before the command line can be parsed, since it changes its defaults.
fn named_file(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            break;
        }
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(path) = argument.to_str().and_then(|a| a.strip_prefix("--config=")) {
            return Some(PathBuf::from(path));
        }
    }
    std::env::var_os("TRAY_IMPORT_CONFIG").map(PathBuf::from)
}

fn set_default(
    command: Command,
    path: &Path,
    key: &str,
    value: &toml::Value,
) -> Result<Command, Failure> {
    let wrong = |message: String| {
        Failure::usage(format!(
            "the configuration {}: {key}: {message}",
            path.display()
        ))
    };
    let long = |command: &Command| -> Vec<String> {
        command
            .get_arguments()
            .filter_map(|arg| arg.get_long().map(str::to_owned))
            .collect()
    };
    let mut known = long(&command);
    known.extend(command.get_subcommands().flat_map(long));
    if TYPED_ONLY.contains(&key) {
        return Err(wrong(
            "is for the command line only, since it stands for a decision; type it where you make it".into(),
        ));
    }
    if key == "config" || !known.iter().any(|name| name == key) {
        let hint = did_you_mean(key, known.iter().map(String::as_str));
        return Err(wrong(format!("is not a flag that a file can set{hint}")));
    }
    let texts = texts(value).ok_or_else(|| wrong("must be text, a number or true/false".into()))?;
    let texts: Vec<String> = if PATHS.contains(&key) {
        let beside = path.parent().unwrap_or(Path::new(""));
        let joined = texts.iter().map(|text| beside.join(text));
        joined
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    } else {
        texts
    };
    check(&command, key, &texts).map_err(wrong)?;
    Ok(with_default(command, key, &texts))
}

/// The command and its subcommands, however deep, with this default for the flag.
fn with_default(command: Command, key: &str, texts: &[String]) -> Command {
    let ids: Vec<String> = command
        .get_arguments()
        .filter(|arg| arg.get_long() == Some(key))
        .map(|arg| arg.get_id().to_string())
        .collect();
    let command = ids.into_iter().fold(command, |command, id| {
        command.mut_arg(id, |arg| {
            let arg = arg.required(false);
            if matches!(arg.get_action(), ArgAction::Count) {
                arg.default_value(texts.first().cloned().unwrap_or_default())
            } else {
                arg.default_values(texts.to_vec())
            }
        })
    });
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |sub| with_default(sub, key, texts))
    })
}

/// Has the flag's own parser judge the value.
fn check(command: &Command, key: &str, texts: &[String]) -> Result<(), String> {
    let has = |command: &Command| {
        command
            .get_arguments()
            .any(|arg| arg.get_long() == Some(key))
    };
    let sub = command.get_subcommands().find(|sub| has(sub));
    let flag = |command: &Command| {
        let mut arguments = command.get_arguments();
        arguments.any(|arg| arg.get_long() == Some(key) && !arg.get_action().takes_values())
    };
    if flag(command) || sub.is_some_and(flag) {
        let number = texts
            .iter()
            .all(|text| text == "true" || text == "false" || text.parse::<u8>().is_ok());
        return if number {
            Ok(())
        } else {
            Err("must be true or false".to_owned())
        };
    }
    for text in texts {
        let mut line: Vec<&OsStr> = vec![OsStr::new("tray-import")];
        line.extend(sub.map(|sub| OsStr::new(sub.get_name())));
        let argument = format!("--{key}={text}");
        line.push(OsStr::new(&argument));
        if let Err(error) = command.clone().try_get_matches_from(line)
            && matches!(
                error.kind(),
                ErrorKind::InvalidValue | ErrorKind::ValueValidation
            )
        {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            return Err(first.trim_start_matches("error: ").to_owned());
        }
    }
    Ok(())
}

fn texts(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::Array(items) => items.iter().map(text).collect(),
        single => text(single).map(|text| vec![text]),
    }
}

fn text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Command as Cmd, Rate};
    use clap::FromArgMatches;

    fn with(config: &str, line: &[&str]) -> Result<Cli, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, config).unwrap();
        let mut arguments: Vec<OsString> = line.iter().map(OsString::from).collect();
        arguments.push("--config".into());
        arguments.push(path.into());
        let command = apply(&arguments).map_err(|failure| failure.message)?;
        let matches = command
            .try_get_matches_from(arguments)
            .map_err(|e| e.to_string())?;
        Cli::from_arg_matches(&matches).map_err(|e| e.to_string())
    }

    #[test]
    fn the_file_gives_defaults_and_flags_win() {
        let config = "rate = 20\nresults = \"r.jsonl\"\nskip-invalid = true\nregion = \"eu\"\n";
        let cli = with(config, &["tray-import", "import", "x.csv"]).unwrap();
        let Cmd::Import(args) = cli.command else {
            panic!()
        };
        assert_eq!(args.calls.rate, Rate(Some(20.0)));
        assert!(
            args.skip_invalid && args.results.ends_with("r.jsonl") && args.results.is_absolute()
        );
        let cli = with(config, &["tray-import", "import", "x.csv", "--rate", "5"]).unwrap();
        let Cmd::Import(args) = cli.command else {
            panic!()
        };
        assert_eq!(args.calls.rate, Rate(Some(5.0)));
    }

    #[test]
    fn mistakes_name_the_file_and_the_key() {
        for (config, part) in [
            (
                "rat = 20",
                "rat: is not a flag that a file can set; did you mean \"rate\"?",
            ),
            ("rate = \"fast\"", "rate: invalid value 'fast'"),
            ("settle = [[1]]", "settle: must be text"),
            (
                "skip-invalid = \"perhaps\"",
                "skip-invalid: must be true or false",
            ),
            ("rate 20", "is not valid TOML"),
        ] {
            let error = with(
                config,
                &["tray-import", "import", "x.csv", "--results", "r"],
            )
            .unwrap_err();
            assert!(error.contains("c.toml") && error.contains(part), "{error}");
        }
    }
}
