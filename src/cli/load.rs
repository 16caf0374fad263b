//! Reading and checking an input: what `validate` and `import` have in common.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{FormatArg, Shared};
use super::exit::{Exit, Failure};
use super::printer::Printer;
use super::settings;
use crate::batch::{Index, IndexBuilder};
use crate::catalog::Catalog;
use crate::input::blocks::Blocks;
use crate::input::layout::Layout;
use crate::input::open::{Fingerprint, Format, OpenError, Opened, open, open_reader};
use crate::input::records::for_each_row;
use crate::input::row::Row;
use crate::issue::{Code, Issue, Problem};
use crate::report::summary::thousands;
use crate::validate::duplicates::ConflictingRow;
use crate::validate::pipeline::{self, CheckedRow};
use crate::validate::references::References;

/// An input, its catalog and its mapping, before a row is read.
pub struct Loaded {
    /// The catalog.
    pub catalog: Arc<Catalog>,
    /// What the columns mean.
    pub layout: Arc<Layout>,
    /// The header as it stands in the file, for rows that are set aside.
    pub header: Option<Vec<u8>>,
    /// The file as it is now; none for standard input.
    pub fingerprint: Option<Fingerprint>,
    /// What is wrong with the header, or the file as a whole.
    pub problems: Vec<Problem>,
    /// Whether warnings make rows invalid.
    pub deny_warnings: bool,
    source: Source,
    blocks: Option<Blocks<Box<dyn io::Read + Send>>>,
}

/// Where an input is read from, once or again.
enum Source {
    File(PathBuf),
    Once,
    /// Standard input, in a file of our own without a name.
    Spooled(File),
}

/// What checking the rows came to.
#[derive(Default)]
pub struct Outcome {
    /// The valid rows.
    pub index: Index,
    /// What they refer to.
    pub references: References,
    /// Rows that conflict with each other: their issues are among those that were reported.
    pub conflicts: Vec<ConflictingRow>,
    /// Issues that make a row invalid, by code.
    pub issues: BTreeMap<Code, u64>,
    /// Warnings that do not, by code.
    pub warnings: BTreeMap<Code, u64>,
    /// Lines that are no rows: separators alone, a footer.
    pub skipped: u64,
    /// Whether the header, or the file as a whole, has issues: no row can be trusted then.
    pub broken: bool,
}

/// Told of everything found.
pub trait Listener {
    /// An issue.
    fn issue(&mut self, issue: &Issue<'_>) -> io::Result<()>;
    /// A row, as it stands in the file.
    fn row(&mut self, _row: &RowAt<'_>) {}
}

/// Opens an input and reads catalog, mapping and header.
///
/// # Errors
/// What keeps the rows from being read at all.
pub fn load(input: &Path, format: Option<FormatArg>, shared: &Shared) -> Result<Loaded, Failure> {
    load_from(input, format, shared, Source::Once)
}

/// The same, of an input that is read twice: what comes from standard input is kept until then.
///
/// # Errors
/// See [`load`].
pub(super) fn load_for_two_passes(
    input: &Path,
    format: Option<FormatArg>,
    shared: &Shared,
) -> Result<Loaded, Failure> {
    if input.as_os_str() != "-" {
        return load(input, format, shared);
    }
    let spool = || {
        let mut file = tempfile::tempfile()?;
        io::copy(&mut io::stdin().lock(), &mut file)?;
        Ok(file)
    };
    let cannot = |error: io::Error| {
        Failure::internal(format!("cannot keep a copy of standard input: {error}"))
    };
    load_from(
        input,
        format,
        shared,
        Source::Spooled(spool().map_err(cannot)?),
    )
}

fn load_from(
    input: &Path,
    format: Option<FormatArg>,
    shared: &Shared,
    mut source: Source,
) -> Result<Loaded, Failure> {
    let mut fingerprint = None;
    if input.as_os_str() != "-" {
        fingerprint = Some(Fingerprint::of(input).map_err(|error| {
            Failure::internal(format!("cannot read {}: {error}", input.display()))
        })?);
        source = Source::File(input.to_owned());
    }
    let catalog = Arc::new(settings::catalog(shared, Some(input))?);
    let mapping = settings::mapping(shared)?;
    let opened = match source.open(format.map(Format::from)) {
        Ok(opened) => opened,
        Err(error) => return of_open_error(error, catalog, fingerprint),
    };
    let mut blocks = Blocks::new(opened.reader, opened.format);
    let mut loaded = Loaded {
        catalog,
        layout: Arc::new(Layout::of_json_lines(mapping.clone())),
        header: None,
        fingerprint,
        problems: Vec::new(),
        deny_warnings: false,
        source,
        blocks: None,
    };
    if opened.format != Format::Jsonl {
        match Layout::read(&mut blocks, opened.format, shared.delimiter, mapping) {
            Ok(Some((layout, problems, header))) => {
                loaded.layout = Arc::new(layout);
                loaded.problems = problems;
                let end = header
                    .bytes
                    .iter()
                    .rposition(|b| !matches!(b, b'\r' | b'\n'));
                loaded.header = Some(header.bytes[..end.map_or(0, |at| at + 1)].to_vec());
            }
            Ok(None) => {
                let message = "the file is empty; the first line must name the columns";
                loaded
                    .problems
                    .push(Problem::new("", Code::MissingField, message));
                return Ok(loaded);
            }
            Err(error) => {
                loaded.problems.push(unreadable(&error)?);
                return Ok(loaded);
            }
        }
    }
    if !loaded.layout.unusable {
        loaded.blocks = Some(blocks);
    }
    Ok(loaded)
}

fn of_open_error(
    error: OpenError,
    catalog: Arc<Catalog>,
    fingerprint: Option<Fingerprint>,
) -> Result<Loaded, Failure> {
    let problem = match (error.code(), error) {
        (Some(code), error) => Problem::new("", code, error.to_string()),
        (None, OpenError::Io(error)) => unreadable(&error)?,
        (None, error) => return Err(Failure::usage(error)),
    };
    Ok(Loaded {
        catalog,
        layout: Arc::new(Layout::of_json_lines(Default::default())),
        header: None,
        fingerprint,
        problems: vec![problem],
        deny_warnings: false,
        source: Source::Once,
        blocks: None,
    })
}

impl Source {
    fn open(&self, format: Option<Format>) -> Result<Opened, OpenError> {
        match self {
            Source::File(path) => open(path, format),
            Source::Once => open(Path::new("-"), format),
            Source::Spooled(file) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                open_reader(Box::new(file), format)
            }
        }
    }
}

/// A stream that breaks in the middle is bad input; anything else is trouble with the machine.
fn unreadable(error: &io::Error) -> Result<Problem, Failure> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Other => {
            let message =
                format!("the compressed file is damaged or cut short from here on ({error})");
            Ok(Problem::new("", Code::Compression, message))
        }
        _ => Err(Failure::internal(format!("cannot read the input: {error}"))),
    }
}

/// Where a row stands.
pub struct RowAt<'b> {
    /// The data row, counted from 1.
    pub row: u64,
    /// The physical line on which it starts.
    pub line: u64,
    /// The row as it stands in the file, without its line end.
    pub raw: &'b [u8],
}

impl Loaded {
    /// Goes back to the first row, for a second pass.
    ///
    /// # Errors
    /// When the input cannot be read again, or is not the same any more.
    pub(super) fn rewind(&mut self) -> Result<(), Failure> {
        let path = match &self.source {
            Source::File(path) => Some(path),
            _ => None,
        };
        let now = path.and_then(|path| Fingerprint::of(path).ok());
        if now != self.fingerprint {
            return Err(Failure::internal(
                "the input changed while it was being read",
            ));
        }
        let reopen = || -> Result<_, OpenError> {
            let opened = self.source.open(Some(self.layout.format))?;
            let mut blocks = Blocks::new(opened.reader, opened.format);
            self.layout.skip_head(&mut blocks)?;
            Ok(blocks)
        };
        let blocks = reopen();
        let blocks = blocks
            .map_err(|error| Failure::internal(format!("cannot read the input again: {error}")))?;
        self.blocks = Some(blocks).filter(|_| !self.layout.unusable);
        Ok(())
    }

    /// Calls `each` with every row in file order: its number, its place, its bytes as they stand in the file, the
    /// row (none where it cannot be read), and what is wrong with it so far.
    ///
    /// # Errors
    /// A header that leaves the rows without a meaning, a file that breaks off, or what `each` returns.
    pub fn each_row(
        &mut self,
        mut each: impl FnMut(RowAt<'_>, Option<&mut Row<'_>>, Vec<Problem>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let invalid = |problem: &Problem| {
            let message = format!("the input cannot be read: {}", problem.message);
            Failure::new(Exit::Invalid, message)
        };
        let Some(mut blocks) = self.blocks.take() else {
            let first = self.problems.first();
            return Err(first.map_or_else(|| Failure::internal("the input is read"), invalid));
        };
        let mut row = 0;
        loop {
            let block = match blocks.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => return Ok(()),
                Err(error) => return Err(invalid(&unreadable(&error)?)),
            };
            let mut outcome = Ok(());
            for_each_row(&block, &self.layout, |at, parsed, problems| {
                row += 1;
                if outcome.is_ok() {
                    let raw = &block.bytes[at.bytes];
                    let line = at.line;
                    outcome = each(RowAt { row, line, raw }, parsed, problems);
                }
            });
            outcome?;
        }
    }

    /// Prints what was passed over in the file, or found by itself.
    pub(super) fn print_notes(&self, outcome: &Outcome, printer: &Printer) {
        for note in &self.layout.notes {
            printer.note(note);
        }
        if outcome.skipped > 0 {
            let lines = thousands(outcome.skipped);
            printer.note(&format!(
                "lines that are no rows (separators alone, a footer) are passed over: {lines}"
            ));
        }
    }

    /// Checks every row and tells `listener` what is found, in file order. With `identify`, the index holds
    /// every valid row; without it, only how many there are: less work, and less memory.
    ///
    /// # Errors
    /// When reading, or the listener, fails.
    pub fn check(
        &mut self,
        identify: bool,
        listener: &mut impl Listener,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome {
            broken: (self.problems.iter()).any(|p| self.deny_warnings || !p.is_warning()),
            ..Outcome::default()
        };
        let mut issues = Issues {
            listener,
            blocking: BTreeMap::new(),
            warnings: BTreeMap::new(),
            deny_warnings: self.deny_warnings,
            layout: self.layout.clone(),
        };
        for problem in &self.problems {
            issues.report((0, 1), problem).map_err(cannot_write)?;
        }
        let Some(mut blocks) = self.blocks.take() else {
            (outcome.issues, outcome.warnings) = (issues.blocking, issues.warnings);
            return Ok(outcome);
        };
        let mut builder = IndexBuilder::default();
        let mut last = (0, 1);
        let receive = |checked: CheckedRow<'_>| -> Result<(), Stopped> {
            builder.add(&checked);
            let CheckedRow { row, line, raw, .. } = checked;
            last = (row, line);
            for problem in checked.problems {
                issues.report(last, problem).map_err(Stopped::Listener)?;
            }
            issues.listener.row(&RowAt { row, line, raw });
            Ok(())
        };
        let checked = pipeline::run(
            &mut blocks,
            &self.layout,
            &self.catalog,
            identify,
            self.deny_warnings,
            receive,
        );
        match checked {
            Ok(totals) => {
                outcome.references = totals.references.clone();
                outcome.skipped = totals.skipped;
                (outcome.index, outcome.conflicts) = builder.finish(totals.compare());
                for conflict in &outcome.conflicts {
                    let at = (u64::from(conflict.row), conflict.line);
                    issues.report(at, &conflict.problem).map_err(cannot_write)?;
                }
            }
            Err(Stopped::Listener(error)) => return Err(cannot_write(error)),
            Err(Stopped::Reading(error)) => {
                issues
                    .report(last, &unreadable(&error)?)
                    .map_err(cannot_write)?;
                outcome.broken = true;
                // nothing is imported of an input that breaks off
                outcome.index = builder.counts();
            }
        }
        (outcome.issues, outcome.warnings) = (issues.blocking, issues.warnings);
        Ok(outcome)
    }
}

/// Counts issues and tells the listener of each.
struct Issues<'l, L> {
    listener: &'l mut L,
    blocking: BTreeMap<Code, u64>,
    warnings: BTreeMap<Code, u64>,
    deny_warnings: bool,
    layout: Arc<Layout>,
}

impl<L: Listener> Issues<'_, L> {
    fn report(&mut self, (row, line): (u64, u64), problem: &Problem) -> io::Result<()> {
        let counts = match problem.is_warning() && !self.deny_warnings {
            true => &mut self.warnings,
            false => &mut self.blocking,
        };
        *counts.entry(problem.code).or_default() += 1;
        let column = self.layout.own_name(&problem.field);
        let problem = Cow::Borrowed(problem);
        self.listener.issue(&Issue {
            row,
            line,
            problem,
            column,
        })
    }
}

enum Stopped {
    Reading(io::Error),
    Listener(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Reading(error)
    }
}

fn cannot_write(error: io::Error) -> Failure {
    Failure::new(
        Exit::Internal,
        format!("cannot write what was found: {error}"),
    )
}
