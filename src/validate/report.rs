//! Issues and rows, written out for people and programs.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::json;

use crate::files::create_private;
use crate::issue::Issue;

/// A file of issues: CSV or JSON Lines, by its ending; fields `row,line,field,code,message,severity,column`.
pub struct IssueFile {
    out: Out,
    number: Vec<u8>,
}

enum Out {
    Csv(Box<csv::Writer<Box<dyn Write + Send>>>),
    Jsonl(Box<dyn Write + Send>),
}

impl IssueFile {
    /// Creates the file, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be created, or its name ends in neither `.csv` nor `.jsonl`.
    pub fn create(path: &Path) -> io::Result<IssueFile> {
        let ending = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        let csv = match ending {
            "csv" => true,
            "jsonl" | "ndjson" => false,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "a report ends in .csv or .jsonl, {} does not",
                        path.display()
                    ),
                ));
            }
        };
        let file: Box<dyn Write + Send> = Box::new(BufWriter::new(create_private(path)?));
        let out = if csv {
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record([
                "row", "line", "field", "code", "message", "severity", "column",
            ])?;
            Out::Csv(Box::new(writer))
        } else {
            Out::Jsonl(file)
        };
        let number = Vec::new();
        Ok(IssueFile { out, number })
    }

    /// Adds an issue.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self, issue: &Issue<'_>) -> io::Result<()> {
        let problem = &issue.problem;
        match &mut self.out {
            Out::Csv(writer) => {
                // numbers are written into a buffer that the next issue uses again
                for number in [issue.row, issue.line] {
                    self.number.clear();
                    write!(self.number, "{number}")?;
                    writer.write_field(&self.number)?;
                }
                let severity = problem.code.severity().into();
                let column = issue.column.unwrap_or_default();
                let code = problem.code.as_str();
                let texts = [&problem.field, code, &problem.message, severity, column];
                writer.write_record(texts)?;
            }
            Out::Jsonl(out) => {
                let line = json!({
                    "row": issue.row, "line": issue.line, "field": problem.field,
                    "code": problem.code.as_str(), "message": problem.message,
                    "severity": <&str>::from(problem.code.severity()), "column": issue.column.unwrap_or_default(),
                });
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> io::Result<()> {
        match self.out {
            Out::Csv(mut writer) => writer.flush(),
            Out::Jsonl(mut out) => out.flush(),
        }
    }
}

/// Rows set aside exactly as they stood, under the header they stood under.
pub struct RowFile {
    out: BufWriter<std::fs::File>,
}

impl RowFile {
    /// Creates the file, readable by its owner only: it holds credentials.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path, header: Option<&[u8]>) -> io::Result<RowFile> {
        let mut file = RowFile {
            out: BufWriter::new(create_private(path)?),
        };
        if let Some(header) = header {
            file.write(header)?;
        }
        Ok(file)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self, raw: &[u8]) -> io::Result<()> {
        self.out.write_all(raw)?;
        self.out.write_all(b"\n")
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}
