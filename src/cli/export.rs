//! `export`: each row of the input with its ids and its state, to load back into the product's database.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::args::Shared;
use super::args::export::ExportArgs;
use super::exit::{Exit, Failure};
use super::interrupt;
use super::load::{Listener, Loaded, RowAt, load_for_two_passes};
use super::printer::Printer;
use crate::files::WholeFile;
use crate::input::columns::{self, Column, ColumnAt};
use crate::input::fields::Field;
use crate::input::row::Row;
use crate::issue::{Issue, Problem};
use crate::model::{DigestMap, State};
use crate::report::export::{COLUMNS, Export, Exported, INVALID, Layout, PENDING};
use crate::report::summary::{Summary, thousands};
use crate::results::file::read;
use crate::results::replay::Replay;
use crate::validate::check::{self, RowChecker};

/// Runs the command.
///
/// # Errors
/// A column that may not be shown, an input or results file that cannot be read, a file that cannot be written.
pub fn run(args: &ExportArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    interrupt::listen(printer);
    let started = Instant::now();
    let stdout = args.output.as_os_str() == "-";
    let layout = layout(args, stdout, printer)?;
    let replay = read(&args.results).map_err(Failure::internal)?;
    if replay.header.is_none() {
        return Err(Failure::internal(format!(
            "{} is empty: no run has got as far as writing to it",
            args.results.display()
        )));
    }
    let mut loaded = load_for_two_passes(&args.input, args.format, shared)?;
    let columns = columns(&args.columns, &loaded)?;
    let written = if stdout {
        let out = BufWriter::with_capacity(256 * 1024, io::stdout().lock());
        let written = write(args, layout, &columns, &mut loaded, &replay, out)
            .and_then(|(mut out, counts)| out.flush().map(|()| counts).map_err(Failed::Writing));
        match written {
            // `| head` is the reader's choice
            Err(Failed::Writing(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(Exit::Done);
            }
            other => other,
        }
    } else {
        let out = WholeFile::create(&args.output).map_err(Failure::internal)?;
        write(args, layout, &columns, &mut loaded, &replay, out)
            .and_then(|(out, counts)| out.finish().map(|()| counts).map_err(Failed::Writing))
    };
    let counts = written.map_err(|failed| failed.into_failure(&args.output))?;
    counts.tell(args, printer, started, replay.len() as u64, stdout);
    Ok(Exit::Done)
}

/// How the file is laid out, as its name says.
fn layout(args: &ExportArgs, stdout: bool, printer: &Printer) -> Result<Layout, Failure> {
    let path = &args.output;
    if stdout && printer.is_json() {
        return Err(
            Failure::usage("standard output cannot hold both the rows and the summary")
                .hint("name a file for the rows with -o FILE"),
        );
    }
    let same = |other: &Path| match (path.canonicalize(), other.canonicalize()) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        _ => false,
    };
    if same(&args.input) || same(&args.results) {
        return Err(Failure::usage(format!(
            "{} is what is being read; it is not overwritten",
            path.display()
        )));
    }
    let ending = path.extension().and_then(|ending| ending.to_str());
    let layout = match ending.map(str::to_ascii_lowercase).as_deref() {
        _ if stdout => Layout::Csv,
        Some("csv") => Layout::Csv,
        Some("jsonl" | "ndjson") => Layout::JsonLines,
        // a device or a pipe has no ending to go by
        _ if path.exists() && !path.is_file() && !path.is_dir() => Layout::Csv,
        _ => {
            return Err(Failure::usage(format!(
                "an export ends in .csv or .jsonl, {} does not",
                path.display()
            )));
        }
    };
    if args.spreadsheet && layout == Layout::JsonLines {
        return Err(Failure::usage(
            "--spreadsheet is for CSV; JSON Lines have no formulas",
        ));
    }
    Ok(layout)
}

struct Unheard;

impl Listener for Unheard {
    fn issue(&mut self, _: &Issue<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// A further column, found.
enum Further {
    /// The row's number in the input.
    RowNumber,
    /// A column of the input.
    Of(Column),
}

fn columns(names: &[String], loaded: &Loaded) -> Result<Vec<Further>, Failure> {
    let wrong = |message: String| Failure::usage(format!("--columns: {message}"));
    let mut found = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if COLUMNS.contains(&name.as_str()) || names[..at].contains(name) {
            let message = format!("the export has a column \"{name}\" already");
            return Err(wrong(message));
        }
        // what the issues and the results count by, unless the header has a column of that name
        if name == "row" && loaded.layout.column(name).is_none() {
            found.push(Further::RowNumber);
            continue;
        }
        let column = Column::find(name, &loaded.layout).map_err(wrong)?;
        found.push(Further::Of(column));
    }
    Ok(found)
}

/// What was written.
#[derive(Default)]
struct Counts {
    rows: u64,
    states: [u64; State::ALL.len()],
    pending: u64,
    invalid: u64,
    formulas: u64,
    /// Rows of the results that the input has.
    matched: DigestMap<()>,
}

enum Failed {
    Writing(io::Error),
    Other(Failure),
}

impl Failed {
    fn into_failure(self, path: &Path) -> Failure {
        match self {
            Failed::Writing(error) => {
                Failure::internal(format!("cannot write {}: {error}", path.display()))
            }
            Failed::Other(failure) => failure,
        }
    }
}

fn write<W: Write>(
    args: &ExportArgs,
    layout: Layout,
    columns: &[Further],
    loaded: &mut Loaded,
    replay: &Replay,
    out: W,
) -> Result<(W, Counts), Failed> {
    let mut export =
        Export::new(out, layout, &args.columns, args.spreadsheet).map_err(Failed::Writing)?;
    let places: Vec<&ColumnAt> = columns
        .iter()
        .filter_map(|column| match column {
            Further::Of(Column::Own(place)) => Some(place),
            _ => None,
        })
        .collect();
    let (catalog, delimiter) = (loaded.catalog.clone(), loaded.layout.delimiter);
    // what conflicts is known at the end only
    let outcome = loaded.check(false, &mut Unheard).map_err(Failed::Other)?;
    loaded.rewind().map_err(Failed::Other)?;
    let mut conflicts: HashMap<u64, Vec<Problem>> = HashMap::new();
    for conflict in outcome.conflicts {
        conflicts
            .entry(conflict.row.into())
            .or_default()
            .push(conflict.problem);
    }
    let mut checker = RowChecker::new(&catalog);
    let mut counts = Counts::default();
    let mut failed = None;
    let read = loaded.each_row(|at, mut row, mut problems| {
        let own = columns::values(at.raw, delimiter, &places).map_err(|nth| {
            let ColumnAt::Path(name) = places[nth] else {
                return Failure::internal("a cell is no value");
            };
            Failure::usage(format!(
                "--columns: row {} (line {}) has an object or an array in \"{name}\"; name a value in it, such as {name}.id",
                at.row, at.line
            ))
        })?;
        let further = further(columns, &at, row.as_deref(), own);
        let key = row.as_deref().and_then(|row| {
            let environment = check::environment_of(&catalog, row)?;
            Some(check::key(row, environment))
        });
        let user = row.as_deref().and_then(|row| row.text(Field::ExternalUserId));
        let user = user.unwrap_or_default().to_owned();
        row.as_deref_mut().and_then(|row| checker.check(row, &mut problems));
        problems.extend(conflicts.remove(&at.row).into_iter().flatten());
        counts.rows += 1;
        let known = key.map(|key| replay.progress(key)).transpose()?.flatten();
        let line = match key.zip(known) {
            Some((key, progress)) => {
                counts.states[progress.state as usize] += 1;
                counts.matched.insert(key.0, ());
                Exported::known(&user, &progress, further)
            }
            None if problems.is_empty() => {
                counts.pending += 1;
                Exported::unknown(&user, PENDING, None, further)
            }
            None => {
                counts.invalid += 1;
                Exported::unknown(&user, INVALID, Some(said(&problems)), further)
            }
        };
        export.write(line).map_err(|error| {
            failed = Some(error);
            Failure::internal("")
        })
    });
    match (read, failed) {
        (_, Some(error)) => return Err(Failed::Writing(error)),
        (Err(failure), None) => return Err(Failed::Other(failure)),
        (Ok(()), None) => {}
    }
    counts.formulas = export.formulas;
    let out = export.finish().map_err(Failed::Writing)?;
    Ok((out, counts))
}

/// The values of the further columns, in the order in which they were asked for.
fn further(
    columns: &[Further],
    at: &RowAt<'_>,
    row: Option<&Row<'_>>,
    own: Vec<Value>,
) -> Vec<Value> {
    let mut own = own.into_iter();
    let value = |column: &Further| match column {
        Further::RowNumber => at.row.into(),
        Further::Of(Column::Own(_)) => own.next().unwrap_or_default(),
        Further::Of(Column::Field(field)) => row.map_or(Value::Null, |row| of_field(*field, row)),
    };
    columns.iter().map(value).collect()
}

/// A field as the import understands it: with what stands for it where it is absent.
fn of_field(field: Field, row: &Row<'_>) -> Value {
    let placed = row.text(Field::SolutionId).is_some();
    match field {
        Field::UserName => row.user_name().into(),
        Field::AuthName => row.auth_name().into(),
        Field::InstanceName if placed => row.instance_name().into(),
        Field::Hidden => row.hidden.unwrap_or(false).into(),
        Field::Enabled if placed => row.enabled.unwrap_or(true).into(),
        Field::Enabled | Field::InstanceName => Value::Null,
        Field::Scopes if row.scopes.is_empty() => Value::Null,
        Field::Scopes => row.scopes.join(" ").into(),
        other => row.text(other).map_or(Value::Null, Value::from),
    }
}

/// Why a row is invalid: its first issue, and how many more.
fn said(problems: &[Problem]) -> String {
    let Some(first) = problems.first() else {
        return String::new();
    };
    let field = match &*first.field {
        "" => String::new(),
        field => format!("{field} "),
    };
    let more = match problems.len() {
        1 => String::new(),
        more => format!(" (and {} more issues)", more - 1),
    };
    format!("{}: {field}{}{more}", first.code, first.message)
}

impl Counts {
    fn tell(
        &self,
        args: &ExportArgs,
        printer: &Printer,
        started: Instant,
        in_results: u64,
        stdout: bool,
    ) {
        let missing = in_results.saturating_sub(self.matched.len() as u64);
        let mut by_state: Vec<(&'static str, u64)> = vec![("total", self.rows)];
        let names = ["sent", "partial", "done", "failed", "held"];
        by_state.extend(names.into_iter().zip(self.states));
        by_state.extend([("pending", self.pending), ("invalid", self.invalid)]);
        if printer.is_json() {
            let mut summary = Summary::new("export", 0, started.elapsed());
            summary.states(by_state.clone(), Default::default());
            summary.add("file", json!(args.output.display().to_string()));
            summary.add("notInInput", json!(missing));
            summary.add("formulas", json!(self.formulas));
            printer.object(&summary.to_json());
        }
        let states: Vec<String> = by_state[1..]
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{} {name}", thousands(*count)))
            .collect();
        let states = match states.as_slice() {
            [] => String::new(),
            states => format!(": {}", states.join(", ")),
        };
        if !stdout && !printer.is_json() {
            let (rows, file) = (thousands(self.rows), args.output.display());
            printer.result(&format!("{rows} rows are in {file}{states}."));
        } else if stdout {
            printer.note(&format!("{} rows{states}.", thousands(self.rows)));
        }
        if missing > 0 {
            printer.note(&format!(
                "{} rows of the results are not in this input: they were removed, or their identity was changed.",
                thousands(missing)
            ));
        }
        if self.formulas > 0 && !args.spreadsheet {
            printer.note(&format!(
                "{} cells begin like a formula (= + - @). For a database that is as it should be; for a spreadsheet, add --spreadsheet.",
                thousands(self.formulas)
            ));
        }
    }
}
