//! `validate --explain ROW`: one row after mapping and conversion, field by field, with secrets masked.

mod fields;
mod origin;

use std::io;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::args::{Shared, ValidateArgs};
use super::exit::{Exit, Failure};
use super::load::{Listener, Loaded, RowAt, load};
use super::printer::Printer;
use crate::input::blocks::Block;
use crate::input::records::for_each_row;
use crate::issue::{Code, Issue};
use crate::report::summary::thousands;
use fields::Explained;
use origin::Origins;

/// Runs the command.
///
/// # Errors
/// What keeps the row from being looked at; a row that is not there.
pub fn run(
    args: &ValidateArgs,
    wanted: u64,
    shared: &Shared,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut loaded = load(&args.input, args.format, shared)?;
    loaded.deny_warnings = args.deny_warnings;
    let mut found = Found {
        wanted,
        ..Found::default()
    };
    // all rows are checked, not this one alone: what is wrong with it may lie in an earlier one
    let outcome = loaded.check(false, &mut found)?;
    let blocks = |issue: &Issue<'_>| args.deny_warnings || !issue.problem.is_warning();
    found.valid = found.raw.is_some() && !outcome.broken && !found.issues.iter().any(blocks);
    if found.raw.is_none() && found.header.is_empty() {
        return Err(Failure::usage(format!(
            "there is no row {wanted}: {} has {}",
            args.input.display(),
            match found.rows {
                1 => "1 row".to_owned(),
                rows => format!("{} rows", thousands(rows)),
            }
        )));
    }
    let explained = found
        .raw
        .as_ref()
        .and_then(|raw| explain(&loaded, &found, raw));
    let exit = if found.valid {
        Exit::Done
    } else {
        Exit::Invalid
    };
    if printer.is_json() {
        let mut explain = json!({
            "row": wanted,
            "line": found.raw.as_ref().map(|_| found.line),
            "valid": found.valid,
            "issues": found.issues.iter().map(of_issue).collect::<Vec<_>>(),
            "header": found.header.iter().map(of_issue).collect::<Vec<_>>(),
        });
        if let Some(explained) = &explained {
            explained.add_to(&mut explain);
        }
        printer.object(&json!({
            "command": "validate",
            "exitCode": exit.code(),
            "elapsedSeconds": started.elapsed().as_secs_f64(),
            "explain": explain,
        }));
    } else {
        for line in text(&args.input, &found, explained.as_ref()) {
            printer.result(&line);
        }
    }
    Ok(exit)
}

/// The row that is looked for, once it has come by.
#[derive(Default)]
struct Found {
    wanted: u64,
    /// How many rows have come by.
    rows: u64,
    line: u64,
    raw: Option<Zeroizing<Vec<u8>>>,
    issues: Vec<Issue<'static>>,
    /// Whether the row can be imported.
    valid: bool,
    /// What is wrong with the header, or the file as a whole.
    header: Vec<Issue<'static>>,
}

impl Listener for Found {
    fn issue(&mut self, issue: &Issue<'_>) -> io::Result<()> {
        if issue.row == 0 {
            self.header.push(issue.to_static());
        } else if issue.row == self.wanted {
            self.issues.push(issue.to_static());
        }
        Ok(())
    }

    fn row(&mut self, at: &RowAt<'_>) {
        self.rows = at.row;
        if at.row == self.wanted {
            self.line = at.line;
            self.raw = Some(Zeroizing::new(at.raw.to_vec()));
        }
    }
}

/// What the row's fields are; none where it cannot be read.
fn explain(loaded: &Loaded, found: &Found, raw: &[u8]) -> Option<Explained> {
    let unreadable = [Code::UnclosedQuote, Code::FieldTooLong];
    if found
        .issues
        .iter()
        .any(|issue| issue.problem.field.is_empty() && unreadable.contains(&issue.problem.code))
    {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(raw.len() + 1));
    bytes.extend_from_slice(raw);
    bytes.push(b'\n');
    let block = Block {
        bytes,
        line: found.line,
        broken: None,
    };
    let origins = Origins::of(&loaded.layout, raw);
    let mut explained = None;
    for_each_row(&block, &loaded.layout, |_, row, _| {
        if let Some(row) = row {
            explained = Some(Explained::of(row, &loaded.catalog, &origins));
        }
    });
    explained
}

fn of_issue(issue: &Issue<'_>) -> Value {
    let problem = &issue.problem;
    json!({
        "field": problem.field, "code": problem.code.as_str(), "message": problem.message,
        "severity": <&str>::from(problem.code.severity()),
    })
}

fn text(input: &Path, found: &Found, explained: Option<&Explained>) -> Vec<String> {
    let mut lines = Vec::new();
    let input = input.display();
    if found.raw.is_some() {
        let verdict = match found.issues.len() {
            0 => "is valid".to_owned(),
            _ if found.valid => "is valid, with warnings".to_owned(),
            1 => "is invalid: 1 issue".to_owned(),
            count => format!("is invalid: {count} issues"),
        };
        lines.push(format!(
            "Row {} (line {}) of {input} {verdict}",
            found.wanted, found.line
        ));
    } else {
        lines.push(format!("No row of {input} can be read"));
    }
    if let Some(explained) = explained {
        lines.push(String::new());
        lines.extend(explained.to_text());
    }
    for (title, issues) in [
        ("Issues", &found.issues),
        ("The header, or the file as a whole", &found.header),
    ] {
        if issues.is_empty() {
            continue;
        }
        lines.push(String::new());
        lines.push(format!("{title}:"));
        for issue in issues {
            let problem = &issue.problem;
            let field = if problem.field.is_empty() {
                "the row"
            } else {
                &problem.field
            };
            lines.push(format!("  {field}: {} [{}]", problem.message, problem.code));
        }
    }
    lines
}
