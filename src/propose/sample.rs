//! The beginning of an export: its columns, and what stands in their first rows.

use std::io::{self, Read};

use serde_json::{Map, Value};

use crate::input::blocks::{Block, Blocks};
use crate::input::fields::Target;
use crate::input::layout::Layout;
use crate::input::mapping::Mapping;
use crate::input::open::Format;
use crate::input::trim;
use crate::issue::{Code, Problem};
use crate::json::parse::parse_value;
use crate::secret::SecretValue;

/// So many rows are looked at.
pub const ROWS: usize = 200;

/// Deeper objects of a JSON Lines export are taken as they are.
const DEEPEST: usize = 4;

/// The beginning of an export.
#[derive(Default)]
pub struct Sample {
    /// Its columns or, for JSON Lines, the paths of its keys; each once.
    pub columns: Vec<Column>,
    /// How many rows were looked at.
    pub rows: usize,
    /// The header, for CSV and TSV, and how it is laid out.
    pub header: Option<(Format, Block)>,
    /// Columns that the header names twice.
    pub twice: Vec<String>,
}

/// A column, or a key of JSON Lines.
pub struct Column {
    /// Its name; for a key inside objects, the dotted path.
    pub name: String,
    /// The name that `ignore` knows it by: the first key of the path.
    pub top: String,
    /// Whether the contract knows the name already.
    pub known: bool,
    /// Whether the values are JSON rather than the text of cells.
    pub typed: bool,
    /// What the first rows hold, where they hold something. Wiped on drop: it may be credentials.
    pub values: Vec<SecretValue>,
}

impl Column {
    fn new(name: String, top: String, typed: bool) -> Column {
        Column {
            known: Target::parse(&name).is_some() || (typed && name == "config"),
            name,
            top,
            typed,
            values: Vec::new(),
        }
    }

    /// The values that are texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter_map(|value| value.0.as_str())
    }
}

/// Why an export cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// Reading fails.
    #[error("cannot read the input: {0}")]
    Io(#[from] io::Error),
    /// Its content is at fault.
    #[error("{}", .0.message)]
    Content(Problem),
}

impl Sample {
    /// Reads the header and the first rows.
    ///
    /// # Errors
    /// See [`SampleError`].
    pub fn read<R: Read>(
        blocks: &mut Blocks<R>,
        format: Format,
        delimiter: Option<u8>,
    ) -> Result<Sample, SampleError> {
        if format == Format::Jsonl {
            let mut sample = Sample::default();
            if let Some(block) = blocks.next_block()? {
                sample.keys(&block);
            }
            if sample.rows == 0 {
                return Err(content("the file has no line that is a JSON object"));
            }
            return Ok(sample);
        }
        let read = Layout::read(blocks, format, delimiter, Mapping::default())?;
        let Some((layout, _, header)) = read else {
            return Err(content(
                "the file is empty; the first line must name the columns",
            ));
        };
        let delimiter = layout.delimiter.unwrap_or(b',');
        let names = Layout::names(delimiter, &header).map_err(SampleError::Content)?;
        // as `validate` will have them
        let names: Vec<String> = names.iter().map(|name| trim(name).to_owned()).collect();
        let mut sample = Sample::default();
        for name in &names {
            if sample.columns.iter().any(|column| column.name == *name) {
                // columns without a name may be many
                sample
                    .twice
                    .extend(Some(name.clone()).filter(|name| !name.is_empty()));
            } else {
                sample
                    .columns
                    .push(Column::new(name.clone(), name.clone(), false));
            }
        }
        if let Some(block) = blocks.next_block()? {
            sample.cells(&block, delimiter, &names);
        }
        sample.header = Some((format, header));
        Ok(sample)
    }

    /// Whether the first line may be a row rather than a header, so that its cells are no names and may be secret:
    /// surely where no name was recognised, which `recognised` counts.
    pub fn looks_headless(&self, recognised: usize) -> bool {
        let names = || self.columns.iter().map(|column| column.name.as_str());
        let values = names().filter(|name| is_value(name)).count();
        self.header.is_some() && recognised <= values
    }

    fn cells(&mut self, block: &Block, delimiter: u8, header: &[String]) {
        if block.broken.is_some() {
            return;
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(block.bytes.as_slice());
        let mut record = csv::ByteRecord::new();
        while self.rows < ROWS && reader.read_byte_record(&mut record).unwrap_or(false) {
            if record.len() != header.len() {
                continue;
            }
            self.rows += 1;
            for column in &mut self.columns {
                let at = header.iter().position(|name| *name == column.name);
                let cell = at.and_then(|at| std::str::from_utf8(&record[at]).ok());
                if let Some(cell) = cell.filter(|cell| !cell.is_empty()) {
                    column.values.push(SecretValue(Value::from(cell)));
                }
            }
        }
    }

    fn keys(&mut self, block: &Block) {
        for line in block.bytes.split(|byte| *byte == b'\n') {
            if self.rows == ROWS {
                return;
            }
            if let Ok(value @ Value::Object(_)) = parse_value(line) {
                let value = SecretValue(value);
                self.rows += 1;
                self.walk(&value.0, &[]);
            }
        }
    }

    fn walk(&mut self, object: &Value, above: &[&str]) {
        for (key, value) in object.as_object().into_iter().flatten() {
            let mut path = above.to_vec();
            path.push(key);
            let known = above.is_empty() && (Target::parse(key).is_some() || key == "config");
            // where the keys of an object are values themselves, they are not shown
            let names =
                |map: &Map<String, Value>| map.keys().all(|key| digits(key) < 3 && !is_value(key));
            let inside = value
                .as_object()
                .is_some_and(|map| !map.is_empty() && names(map));
            if inside && !known && path.len() < DEEPEST {
                self.walk(value, &path);
                continue;
            }
            let name = path.join(".");
            let at = self.columns.iter().position(|column| column.name == name);
            let at = at.unwrap_or_else(|| {
                let top = path.first().copied().unwrap_or_default().to_owned();
                self.columns.push(Column::new(name, top, true));
                self.columns.len() - 1
            });
            if !value.is_null() && value != "" {
                self.columns[at].values.push(SecretValue(value.clone()));
            }
        }
    }
}

fn digits(name: &str) -> usize {
    name.bytes().filter(u8::is_ascii_digit).count()
}

/// Whether this is a value rather than a name: an address, a number, a key, a sentence.
fn is_value(name: &str) -> bool {
    let digits = digits(name);
    let length = name.chars().count();
    let key = length >= 16 && digits > 0 && !name.contains(char::is_whitespace);
    name.contains('@') || length > 40 || digits >= 6 || key
}

fn content(message: &str) -> SampleError {
    SampleError::Content(Problem::new("", Code::MissingField, message))
}
