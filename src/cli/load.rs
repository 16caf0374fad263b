//! Reading and checking an input: what `validate` and `import` have in common.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::args::{FormatArg, Shared};
use super::exit::{Exit, Failure};
use super::settings;
use crate::batch::{Index, IndexBuilder};
use crate::catalog::Catalog;
use crate::input::blocks::Blocks;
use crate::input::layout::Layout;
use crate::input::open::{Fingerprint, Format, OpenError, open};
use crate::input::records::for_each_row;
use crate::input::row::Row;
use crate::issue::{Code, Issue, Problem};
use crate::validate::across::Across;
use crate::validate::pipeline::{self, Judgement, Verdict};
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
    blocks: Option<Blocks<Box<dyn io::Read + Send>>>,
}

/// What checking the rows came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The valid rows.
    pub index: Index,
    /// What they refer to.
    pub references: References,
    /// Issues by code.
    pub issues: BTreeMap<Code, u64>,
    /// Whether the header, or the file as a whole, has issues: no row can be trusted then.
    pub broken: bool,
}

/// Told of everything found.
pub trait Listener {
    /// An issue.
    fn issue(&mut self, issue: &Issue<'_>) -> io::Result<()>;
    /// Where the row stands that is told of next.
    fn place(&mut self, _row: u64, _line: u64) {}
    /// A row, valid or not, as it stands in the file.
    fn row(&mut self, raw: &[u8], valid: bool) -> io::Result<()>;
}

/// Opens an input and reads catalog, mapping and header.
///
/// # Errors
/// What keeps the rows from being read at all.
pub fn load(input: &Path, format: Option<FormatArg>, shared: &Shared) -> Result<Loaded, Failure> {
    let stdin = input.as_os_str() == "-";
    let fingerprint = if stdin {
        None
    } else {
        Some(Fingerprint::of(input).map_err(|error| {
            Failure::internal(format!("cannot read {}: {error}", input.display()))
        })?)
    };
    let catalog = Arc::new(settings::catalog(shared, Some(input))?);
    let mapping = settings::mapping(shared)?;
    let opened = match open(input, format.map(Format::from)) {
        Ok(opened) => opened,
        Err(error) => return of_open_error(error, catalog, fingerprint),
    };
    let mut blocks = Blocks::new(opened.reader, opened.format).expecting(opened.text_size);
    let mut loaded = Loaded {
        catalog,
        layout: Arc::new(Layout::of_json_lines(mapping.clone())),
        header: None,
        fingerprint,
        problems: Vec::new(),
        blocks: None,
    };
    if opened.format != Format::Jsonl {
        match blocks.header() {
            Ok(Some(header)) => {
                let (layout, problems) = Layout::of_header(opened.format, &header, mapping);
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
        blocks: None,
    })
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
            broken: !self.problems.is_empty(),
            ..Outcome::default()
        };
        for problem in &self.problems {
            *outcome.issues.entry(problem.code).or_default() += 1;
            let problem = Cow::Borrowed(problem);
            listener
                .issue(&Issue {
                    row: 0,
                    line: 1,
                    problem,
                })
                .map_err(cannot_write)?;
        }
        let Some(mut blocks) = self.blocks.take() else {
            return Ok(outcome);
        };
        let mut builder = IndexBuilder::default();
        let issues = &mut outcome.issues;
        let mut last = (0, 1);
        let hear = |verdict: Verdict<'_>| -> Result<(), Stopped> {
            builder.add(&verdict);
            last = (verdict.row, verdict.line);
            let problems = match verdict.judgement {
                Judgement::Valid { .. } => &[],
                Judgement::Invalid { problems, .. } => problems,
            };
            let valid = problems.is_empty();
            for problem in problems {
                *issues.entry(problem.code).or_default() += 1;
                let (row, line) = (verdict.row, verdict.line);
                let problem = Cow::Borrowed(problem);
                listener
                    .issue(&Issue { row, line, problem })
                    .map_err(Stopped::Listener)?;
            }
            listener.place(verdict.row, verdict.line);
            listener.row(verdict.raw, valid).map_err(Stopped::Listener)
        };
        match pipeline::run(&mut blocks, &self.layout, &self.catalog, identify, hear) {
            Ok(totals) => {
                outcome.references = totals.references;
                outcome.index = builder.finish(totals.across);
            }
            Err(Stopped::Listener(error)) => return Err(cannot_write(error)),
            Err(Stopped::Reading(error)) => {
                let problem = Cow::Owned::<Problem>(unreadable(&error)?);
                *outcome.issues.entry(problem.code).or_default() += 1;
                outcome.broken = true;
                let (row, line) = last;
                listener
                    .issue(&Issue { row, line, problem })
                    .map_err(cannot_write)?;
                // nothing is imported of an input that breaks off
                outcome.index = builder.finish(Across::new(identify));
            }
        }
        Ok(outcome)
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
