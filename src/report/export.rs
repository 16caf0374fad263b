//! Rows with their ids, written for the product's own database: CSV or JSON Lines, one line per row of the input.
//!
//! A row is what the results hold of its identity, wherever it stands in the file and whatever has become of its
//! credentials since. A row of which they hold nothing is `pending`, or `invalid` where it cannot be imported as
//! it is; a row that failed, or is held or invalid, has its reason as `code: message`.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::model::{Progress, RowError};

/// The columns of every export, in order; those that were asked for by name follow.
pub const COLUMNS: [&str; 6] = [
    "externalUserId",
    "userId",
    "authenticationId",
    "instanceId",
    "state",
    "error",
];

/// The state of a row that would be imported and of which the results hold nothing.
pub const PENDING: &str = "pending";
/// The state of a row that cannot be imported as it is and of which the results hold nothing.
pub const INVALID: &str = "invalid";

/// How an export is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line; what is absent is `null`.
    JsonLines,
}

/// One line of an export.
#[derive(Debug)]
pub struct Exported {
    /// The values of [`COLUMNS`] and of the further columns, in order; `null` where there is none.
    pub values: Vec<Value>,
}

impl Exported {
    /// A row that the results know.
    pub fn known(external_user_id: &str, progress: &Progress, further: Vec<Value>) -> Exported {
        let id = |id: &Option<crate::model::Id>| {
            id.as_ref().map_or(Value::Null, |id| id.to_string().into())
        };
        let error = match (&progress.error, &progress.why) {
            (Some(error), _) => reason(error).into(),
            (None, Some(why)) => format!("held: {why}").into(),
            (None, None) => Value::Null,
        };
        let mut values = vec![
            external_user_id.into(),
            id(&progress.user_id),
            id(&progress.authentication_id),
            id(&progress.instance_id),
            progress.state.to_string().into(),
            error,
        ];
        values.extend(further);
        Exported { values }
    }

    /// A row that the results do not know.
    pub fn unknown(
        external_user_id: &str,
        state: &'static str,
        error: Option<String>,
        further: Vec<Value>,
    ) -> Exported {
        let user = match external_user_id {
            "" => Value::Null,
            id => id.into(),
        };
        let mut values = vec![user, Value::Null, Value::Null, Value::Null, state.into()];
        values.push(error.map_or(Value::Null, Value::from));
        values.extend(further);
        Exported { values }
    }
}

fn reason(error: &RowError) -> String {
    format!("{}: {}", error.code, error.message)
}

/// Writes the lines of an export.
pub struct Export<W: Write> {
    out: Out<W>,
    names: Vec<String>,
    /// Put an apostrophe before what a spreadsheet would take for a formula.
    apostrophes: bool,
    /// Cells so far that a spreadsheet would take for formulas.
    pub formulas: u64,
}

enum Out<W: Write> {
    Csv(Box<csv::Writer<W>>),
    JsonLines(W),
}

impl<W: Write> Export<W> {
    /// Begins an export with these further columns. `apostrophes` is for CSV that goes to a spreadsheet.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(
        out: W,
        layout: Layout,
        further: &[String],
        apostrophes: bool,
    ) -> io::Result<Export<W>> {
        let names: Vec<String> = COLUMNS
            .iter()
            .map(|name| (*name).to_owned())
            .chain(further.iter().cloned())
            .collect();
        let out = match layout {
            Layout::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(&names)?;
                Out::Csv(Box::new(writer))
            }
            Layout::JsonLines => Out::JsonLines(out),
        };
        Ok(Export {
            out,
            names,
            apostrophes,
            formulas: 0,
        })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self, line: Exported) -> io::Result<()> {
        match &mut self.out {
            Out::Csv(writer) => {
                for value in &line.values {
                    let mut cell = text(value);
                    if is_formula(&cell) {
                        self.formulas += 1;
                        if self.apostrophes {
                            cell = format!("'{cell}").into();
                        }
                    }
                    writer.write_field(&*cell)?;
                }
                writer.write_record(None::<&[u8]>)?;
            }
            Out::JsonLines(out) => {
                let object: Map<String, Value> =
                    self.names.iter().cloned().zip(line.values).collect();
                serde_json::to_writer(&mut *out, &object)?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Writes out what is buffered, and gives back what it was written to.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> io::Result<W> {
        match self.out {
            Out::Csv(writer) => writer.into_inner().map_err(|error| error.into_error()),
            Out::JsonLines(mut out) => {
                out.flush()?;
                Ok(out)
            }
        }
    }
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Whether a spreadsheet that opens the file would calculate rather than show it (OWASP, "CSV Injection"). A
/// plain number is no formula.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_counted_and_defused_only_where_asked() {
        for (apostrophes, shown) in [(false, "=1+1,"), (true, "'=1+1,")] {
            let mut export = Export::new(Vec::new(), Layout::Csv, &[], apostrophes).unwrap();
            for id in ["=1+1", "-5", "c-1"] {
                export
                    .write(Exported::unknown(id, PENDING, None, Vec::new()))
                    .unwrap();
            }
            assert_eq!(export.formulas, 1);
            let text = String::from_utf8(export.finish().unwrap()).unwrap();
            let lines: Vec<_> = text.lines().collect();
            assert_eq!(lines[0], COLUMNS.join(","));
            assert!(lines[1].starts_with(shown), "{text}");
            assert_eq!(lines[2], "-5,,,,pending,");
        }
    }
}
