//! `init`: a mapping for a customer's own export, proposed.

use std::io;
use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::args::{InitArgs, Shared};
use super::exit::{Exit, Failure};
use super::printer::Printer;
use super::{interrupt, settings};
use crate::catalog::Catalog;
use crate::files::{create_new, write_whole};
use crate::input::blocks::Blocks;
use crate::input::layout::Layout;
use crate::input::mapping::Mapping;
use crate::input::open::{Format, OpenError, open};
use crate::propose::looks::describe;
use crate::propose::sample::{Sample, SampleError};
use crate::propose::writing::{quoted, write};
use crate::propose::{Proposal, propose};

/// Runs the command.
///
/// # Errors
/// An export that cannot be looked at, a file that exists already, a catalog that is broken.
pub fn run(args: &InitArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    interrupt::listen(printer);
    let started = Instant::now();
    if let Some(path) = args
        .output
        .as_ref()
        .filter(|path| path.exists() && !args.force)
    {
        return Err(exists(path));
    }
    let catalog = catalog(shared, &args.input)?;
    let sample = sample(args, shared)?;
    let mut proposal = propose(&sample, catalog.as_ref());
    if sample.looks_headless(proposal.columns.len() + proposal.known.len()) {
        // its cells would end up in the mapping as names, and may be credentials
        return Err(Failure::new(
            Exit::Invalid,
            "the first line of the file looks like a row, not like a header: no column is recognised in it",
        )
        .hint("add a first line that names the columns: externalUserId, connector, connectorVersion, data.… for the credentials, or your own names for them"));
    }
    let input = args.input.display().to_string();
    let file = args.output.as_ref().map_or_else(
        || "mapping.toml".to_owned(),
        |path| path.display().to_string(),
    );
    let text = write(&sample, &proposal, &input, &file);
    remaining(&text, &sample, &mut proposal)?;
    match &args.output {
        Some(path) if args.force => {
            write_whole(path, text.as_bytes()).map_err(Failure::internal)?
        }
        Some(path) => create_new(path, text.as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            _ => Failure::internal(error),
        })?,
        None if printer.is_json() => {}
        None => printer.result(text.trim_end()),
    }
    say(&proposal, args, &input, &file, printer);
    if printer.is_json() {
        let looks = |name: &String| {
            let column = sample.columns.iter().find(|column| column.name == *name);
            column.map(|column| describe(column, sample.rows))
        };
        let columns = proposal
            .columns
            .iter()
            .map(|(name, target)| json!({ "column": name, "field": target, "looks": looks(name) }));
        let unplaced = proposal
            .unplaced
            .iter()
            .map(|name| json!({ "column": name, "looks": looks(name) }));
        let constants = proposal
            .constants
            .iter()
            .map(|(field, value)| ((*field).to_owned(), json!(value)));
        let mut object = json!({
            "command": "init",
            "exitCode": 0,
            "elapsedSeconds": started.elapsed().as_secs_f64(),
            "rowsLookedAt": sample.rows,
            "columns": columns.collect::<Vec<_>>(),
            "known": proposal.known,
            "unplaced": unplaced.collect::<Vec<_>>(),
            "constants": constants.collect::<serde_json::Map<_, _>>(),
            "missing": proposal.missing,
            "todo": proposal.todo,
        });
        match &args.output {
            Some(path) => object["output"] = json!(path.display().to_string()),
            None => object["mapping"] = json!(text),
        }
        printer.object(&object);
    }
    Ok(Exit::Done)
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!("{} exists already", path.display()))
        .hint("name another file with -o, or replace it with --force")
}

/// The catalog; none where none is named and there is none in the usual places.
fn catalog(shared: &Shared, input: &Path) -> Result<Option<Catalog>, Failure> {
    let directory = settings::catalog_directory(shared, Some(input));
    if shared.catalog.is_none() && !directory.is_dir() {
        return Ok(None);
    }
    settings::catalog(shared, Some(input)).map(Some)
}

fn sample(args: &InitArgs, shared: &Shared) -> Result<Sample, Failure> {
    let opened = open(&args.input, args.format.map(Format::from)).map_err(|error| match error {
        OpenError::UnknownFormat { .. } => Failure::usage(error),
        OpenError::Encoding { .. } => Failure::new(Exit::Invalid, error.to_string()),
        OpenError::Io(error) => unreadable(&error),
    })?;
    let mut blocks = Blocks::new(opened.reader, opened.format);
    Sample::read(&mut blocks, opened.format, shared.delimiter).map_err(|error| match error {
        SampleError::Content(problem) => Failure::new(Exit::Invalid, problem.message),
        SampleError::Io(error) => unreadable(&error),
    })
}

/// A stream that breaks is bad input; anything else is trouble with the machine.
fn unreadable(error: &io::Error) -> Failure {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    if matches!(
        error.kind(),
        UnexpectedEof | InvalidData | InvalidInput | Other
    ) {
        let message = format!("the compressed file is damaged or cut short ({error})");
        return Failure::new(Exit::Invalid, message);
    }
    Failure::internal(format!("cannot read the input: {error}"))
}

/// Holds the mapping against the header, as `validate` will, and notes what is left to do.
fn remaining(text: &str, sample: &Sample, proposal: &mut Proposal) -> Result<(), Failure> {
    let mapping =
        Mapping::parse(text, Path::new("the proposed mapping")).map_err(Failure::internal)?;
    for name in &sample.twice {
        proposal.todo.push(format!(
            "the header names the column {} twice; rename or remove one, a mapping cannot tell them apart",
            quoted(name)
        ));
    }
    for target in &proposal.missing {
        proposal.todo.push(format!(
            "{target} is required and no column was found for it"
        ));
    }
    let said: String = proposal.todo.join("\n");
    if let Some((format, header)) = &sample.header {
        let (_, problems) = Layout::of_header(*format, header, mapping);
        for problem in problems {
            if !problem.field.is_empty() && !said.contains(&*problem.field) {
                proposal
                    .todo
                    .push(format!("{}: {}", problem.field, problem.message));
            }
        }
    } else {
        let filled = |field: &str| {
            proposal.known.iter().any(|name| name == field)
                || proposal.columns.iter().any(|(_, target)| target == field)
                || proposal.constants.iter().any(|(name, _)| *name == field)
        };
        for field in ["externalUserId", "connector", "connectorVersion"] {
            if !filled(field) && !said.contains(field) {
                proposal
                    .todo
                    .push(format!("{field}: no key was found for it"));
            }
        }
    }
    Ok(())
}

fn say(proposal: &Proposal, args: &InitArgs, input: &str, file: &str, printer: &Printer) {
    let (placed, known) = (proposal.columns.len(), proposal.known.len());
    let total = placed + known + proposal.unplaced.len();
    let written = if args.output.is_some() {
        format!("{file} is written: ")
    } else {
        String::new()
    };
    printer.note(&format!(
        "{written}{} of {total} columns have a field, {} ignored.",
        placed + known,
        match proposal.unplaced.len() {
            1 => "1 is".to_owned(),
            count => format!("{count} are"),
        }
    ));
    if known == total {
        printer.note("The export has the names that tray-import knows: it needs no mapping.");
    }
    printer.note("To do:");
    printer.note("- look at every line: fields were found by the columns' names");
    for todo in &proposal.todo {
        printer.note(&format!("- {todo}"));
    }
    let has = |field: &str| {
        proposal.known.iter().any(|name| name == field)
            || proposal.columns.iter().any(|(_, target)| target == field)
    };
    if !has("solutionId") {
        printer.note("- solutionId and authExternalId, where instances are wanted and not authentications only");
    }
    printer.note(&format!(
        "Then: tray-import validate {input} --mapping {file}"
    ));
}
