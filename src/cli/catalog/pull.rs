//! `catalog pull`: entries as Tray publishes them.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::asking::Asking;
use super::choice::Choice;
use crate::catalog::pull::{self, LocalFile, Update, merge};
use crate::cli::args::{PullArgs, Shared};
use crate::cli::exit::{Exit, Failure};
use crate::cli::printer::Printer;
use crate::cli::{interrupt, settings};
use crate::files::write_whole;
use crate::tray::client::{Client, Retries};
use crate::tray::http::{Endpoints, Http};
use crate::tray::limiter::{Limiter, Pace};

/// Runs the command.
///
/// # Errors
/// What keeps the entries from being pulled; nothing is written then.
pub(super) fn run(args: &PullArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    interrupt::listen(printer);
    let started = Instant::now();
    let directory = settings::catalog_directory(shared, None);
    let local = pull::local(&directory)
        .map_err(|error| Failure::usage(error).hint("mend or remove that file, then pull again"))?;
    let (choices, named) = choices(args, &local, &directory)?;
    let token = settings::master_token(shared)?.ok_or_else(|| {
        Failure::usage("there is no master token")
            .hint("set TRAY_MASTER_TOKEN, or name a file with --master-token-file")
    })?;
    let client = client(args, shared)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    let mut asking = Asking::new(&client, token, &local);
    let published = runtime.block_on(asking.published(&choices, named));
    runtime.shutdown_timeout(Duration::from_secs(1));
    let published = published?;
    let notes = asking.notes;
    let updates = merge(&directory, &local, &published);
    pull::usable(&local, &updates).map_err(|error| {
        Failure::usage(format!("what Tray publishes cannot be used: {error}"))
            .hint("nothing was written; leave that connector or version out")
    })?;
    if !args.dry_run {
        write(&directory, &local, &updates)?;
    }
    show(&updates, &notes, args.dry_run, printer);
    if printer.is_json() {
        let counters = &client.counters;
        printer.object(&json!({
            "command": "catalog pull",
            "exitCode": 0,
            "elapsedSeconds": started.elapsed().as_secs_f64(),
            "dryRun": args.dry_run,
            "changed": updates.iter().filter(|update| !update.changes.is_empty()).count(),
            "entries": updates.iter().map(entry).collect::<Vec<_>>(),
            "notes": notes,
            "calls": counters.calls(),
            "throttled": counters.throttled(),
            "retried": counters.retried(),
        }));
    }
    Ok(Exit::Done)
}

/// What is wanted, and whether it was named rather than taken from the catalog.
fn choices(
    args: &PullArgs,
    local: &[LocalFile],
    directory: &Path,
) -> Result<(Vec<Choice>, bool), Failure> {
    if !args.connector.is_empty() {
        let choices = args.connector.iter().map(|text| Choice::parse(text));
        let choices: Result<Vec<Choice>, String> = choices.collect();
        return Ok((choices.map_err(Failure::usage)?, true));
    }
    if local.is_empty() {
        let message = format!(
            "the catalog {} has no entry that could be brought up to date",
            directory.display()
        );
        return Err(
            Failure::usage(message).hint("name what to pull with --connector NAME[@VERSION]")
        );
    }
    let choices = local.iter().flat_map(|file| {
        file.entry.versions.iter().map(|version| Choice {
            name: file.entry.connector.clone(),
            version: Some(version.clone()),
        })
    });
    Ok((choices.collect(), false))
}

fn client(args: &PullArgs, shared: &Shared) -> Result<Client<Http>, Failure> {
    let api = settings::endpoints(shared)?.api.ok_or_else(|| {
        Failure::usage("an --endpoint is given without --api")
            .hint("catalog pull reads the platform API: say with --api where it is")
    })?;
    // no GraphQL call is made
    let endpoints = Endpoints {
        graphql: api.clone(),
        api: Some(api),
    };
    let http = Http::new(endpoints, args.timeout)
        .map_err(|error| Failure::internal(format!("cannot set up TLS: {error}")))?;
    let pace = Pace {
        rate: args.rate.0,
        burst: 10,
    };
    Ok(Client::new(
        http,
        Limiter::new(pace),
        1,
        Retries::default(),
        fastrand::Rng::new(),
    ))
}

fn write(directory: &Path, local: &[LocalFile], updates: &[Update]) -> Result<(), Failure> {
    fs_err::create_dir_all(directory).map_err(Failure::internal)?;
    for update in updates {
        let before = local.iter().find(|file| file.path == update.path);
        if before.is_some_and(|file| file.content == update.content) {
            continue;
        }
        let mut text = serde_json::to_string_pretty(&update.content).map_err(Failure::internal)?;
        text.push('\n');
        write_whole(&update.path, text.as_bytes()).map_err(Failure::internal)?;
    }
    Ok(())
}

fn show(updates: &[Update], notes: &[String], dry_run: bool, printer: &Printer) {
    for update in updates {
        let path = update.path.display();
        for change in &update.changes {
            printer.result(&format!("{path}: {change}"));
        }
        for kept in &update.kept {
            printer.note(&format!("{path}: {kept}"));
        }
    }
    for note in notes {
        printer.note(note);
    }
    for update in updates.iter().filter(|update| !update.existed) {
        if update.content["authType"] != "token" && update.content["ownService"] != true {
            printer.note(&format!(
                "{}: rows of {} are refused, since it authenticates by {}; an OAuth service of your own needs \"ownService\": true there",
                update.path.display(),
                update.connector,
                update.content["authType"].as_str().unwrap_or_default(),
            ));
        }
    }
    let changed = updates
        .iter()
        .filter(|update| !update.changes.is_empty())
        .count();
    let files = |count: usize| {
        if count == 1 {
            "1 file".to_owned()
        } else {
            format!("{count} files")
        }
    };
    printer.result(&match (changed, dry_run) {
        (0, _) => format!(
            "Nothing changed: {} looked at, as Tray has {}.",
            files(updates.len()),
            if updates.len() == 1 { "it" } else { "them" }
        ),
        (_, true) => format!("{} would change; nothing was written.", files(changed)),
        (_, false) => format!("{} written.", files(changed)),
    });
}

fn entry(update: &Update) -> Value {
    json!({
        "file": update.path.display().to_string(),
        "connector": update.connector,
        "versions": update.versions,
        "new": !update.existed,
        "changes": update.changes,
        "kept": update.kept,
    })
}
