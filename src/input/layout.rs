//! What each column of a file means: decided once, from the header and the mapping.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read};

use super::blocks::{Block, Blocks};
use super::cells::Cells;
use super::fields::{Field, Target, unknown_field};
use super::mapping::Mapping;
use super::open::Format;
use super::trim;
use crate::issue::{Code, Problem, did_you_mean};

/// The meaning of the columns (CSV, TSV) or keys (JSON Lines) of one input.
#[derive(Debug)]
pub struct Layout {
    /// How the text is laid out.
    pub format: Format,
    /// For CSV: what separates the cells.
    pub delimiter: Option<u8>,
    /// The delimiter that each record up to the header was cut with.
    head: Vec<u8>,
    /// What was passed over on the way to the rows, or found by itself: to be said once.
    pub notes: Vec<String>,
    /// For CSV: the header's names, in order.
    pub header: Vec<String>,
    /// For CSV: what each column fills; `None` for columns that are passed over.
    pub columns: Vec<Option<Target>>,
    /// Columns without a name, which must be empty.
    nameless: Vec<usize>,
    /// The mapping, for constants, templates and JSON Lines keys.
    pub mapping: Mapping,
    /// For JSON Lines: the export's keys that the mapping renames.
    pub renames: HashMap<String, Target>,
    /// Set where the rows cannot be read in a way that means anything.
    pub unusable: bool,
}

impl Layout {
    /// The layout of a JSON Lines input: keys are resolved as they come.
    pub fn of_json_lines(mapping: Mapping) -> Layout {
        Layout {
            renames: mapping.columns.iter().cloned().collect(),
            unusable: false,
            ..Layout::empty(Format::Jsonl, mapping)
        }
    }

    fn empty(format: Format, mapping: Mapping) -> Layout {
        Layout {
            format,
            delimiter: format.delimiter(),
            head: Vec::new(),
            notes: Vec::new(),
            header: Vec::new(),
            columns: Vec::new(),
            nameless: Vec::new(),
            renames: HashMap::new(),
            mapping,
            unusable: true,
        }
    }

    /// Reads up to the header of a CSV or TSV input: its layout, what is wrong with it, and the header as it stands.
    /// A `sep=;` line and lines of a title before it are passed over. Without a `delimiter`, the one is taken that
    /// makes known names of the header. None for an empty input.
    ///
    /// # Errors
    /// When reading fails.
    pub fn read<R: Read>(
        blocks: &mut Blocks<R>,
        format: Format,
        mut delimiter: Option<u8>,
        mapping: Mapping,
    ) -> io::Result<Option<(Layout, Vec<Problem>, Block)>> {
        let (mut head, mut notes, mut first) = (Vec::new(), Vec::new(), None);
        loop {
            let cut = delimiter.or(format.delimiter()).unwrap_or(b',');
            blocks.set_delimiter(cut);
            let Some(block) = blocks.header()? else {
                // no line but titles: what was the first is no header, which its problem says
                return Ok(first.map(|block| {
                    let (layout, problems) = Layout::of_header(format, &block, mapping);
                    (layout, problems, block)
                }));
            };
            head.push(cut);
            let text = std::str::from_utf8(&block.bytes).unwrap_or_default();
            let is_text = block.broken.is_none() && !text.is_empty() && !text.contains('\0');
            let text = text.trim();
            if let (1, Some(separator)) = (head.len(), separator_line(text)) {
                notes.push(format!("line {}, \"sep=…\", is passed over", block.line));
                delimiter = delimiter.or(Some(separator));
                continue;
            }
            let is_name = |name: &str| is_known(name, &mapping);
            let own = delimiter.unwrap_or_else(|| find_delimiter(text, cut, is_name));
            let mut filled = text
                .split(char::from(own))
                .map(|cell| trim(cell).trim_matches('"'));
            let known = filled.clone().any(is_name);
            let single = filled.clone().filter(|cell| !cell.is_empty()).count() <= 1;
            if is_text
                && !known
                && single
                && head.len() <= TITLE_LINES
                && !filled.any(|cell| cell.starts_with(['{', '[']))
            {
                notes.push(format!(
                    "line {} is no header and is passed over",
                    block.line
                ));
                first = first.or(Some(block));
                continue;
            }
            blocks.set_delimiter(own);
            if delimiter.is_none() && own != cut {
                notes.push(format!(
                    "cells are separated by {:?}; --delimiter names another",
                    char::from(own)
                ));
            }
            let (mut layout, problems) = Layout::of_header_with(format, own, &block, mapping);
            notes.append(&mut layout.notes);
            (layout.head, layout.notes) = (head, notes);
            return Ok(Some((layout, problems, block)));
        }
    }

    /// Goes to the first row of an input that was read before.
    ///
    /// # Errors
    /// When reading fails.
    pub fn skip_head<R: Read>(&self, blocks: &mut Blocks<R>) -> io::Result<()> {
        for delimiter in &self.head {
            blocks.set_delimiter(*delimiter);
            blocks.header()?;
        }
        if let Some(delimiter) = self.delimiter {
            blocks.set_delimiter(delimiter);
        }
        Ok(())
    }

    /// The layout of a CSV or TSV input, and what is wrong with its header.
    pub fn of_header(format: Format, header: &Block, mapping: Mapping) -> (Layout, Vec<Problem>) {
        let text = std::str::from_utf8(&header.bytes).unwrap_or_default();
        let usual = format.delimiter().unwrap_or(b',');
        let delimiter = find_delimiter(text.trim(), usual, |name| is_known(name, &mapping));
        Layout::of_header_with(format, delimiter, header, mapping)
    }

    fn of_header_with(
        format: Format,
        delimiter: u8,
        header: &Block,
        mapping: Mapping,
    ) -> (Layout, Vec<Problem>) {
        let mut layout = Layout {
            delimiter: Some(delimiter),
            ..Layout::empty(format, mapping)
        };
        let problems = match Layout::names(delimiter, header) {
            Ok(names) => {
                layout.header = names;
                layout.trim_names();
                layout.resolve()
            }
            Err(problem) => vec![problem],
        };
        (layout, problems)
    }

    /// The names that a header holds, whatever they are.
    ///
    /// # Errors
    /// Where they cannot be read; the problem shows nothing of them.
    pub fn names(delimiter: u8, header: &Block) -> Result<Vec<String>, Problem> {
        if let Some(code) = header.broken {
            let message = "the header cannot be read as one line of column names";
            return Err(Problem::new("", code, message));
        }
        let text = std::str::from_utf8(&header.bytes).ok();
        let Some(text) = text.filter(|text| !text.contains('\0')) else {
            let message = "the header is not UTF-8 text; save the file as CSV in UTF-8";
            return Err(Problem::new("", Code::Encoding, message));
        };
        let text = text.trim_matches(['\r', '\n']);
        if text.is_empty() {
            let message = "the file is empty; the first line must name the columns";
            return Err(Problem::new("", Code::MissingField, message));
        }
        if text.trim_start().starts_with(['{', '[']) {
            let message = "the first line is JSON, not names of columns; JSON Lines are read with --format jsonl, or from a file named .jsonl";
            return Err(Problem::new("", Code::MissingField, message));
        }
        let mut cells = Cells::default();
        let names = cells.cut(text, delimiter)?;
        Ok(names.iter().map(|name| name.to_string()).collect())
    }

    /// Takes white space off the names, also where nobody sees it, unless the mapping has it.
    fn trim_names(&mut self) {
        let mut padded = Vec::new();
        let mapping = &self.mapping;
        for name in &mut self.header {
            let trimmed = trim(name);
            let meant =
                mapping.target_of(name).is_some() || mapping.ignores(name) || mapping.reads(name);
            if trimmed.len() < name.len() && !meant {
                padded.push(format!("{name:?}"));
                *name = trimmed.to_owned();
            }
        }
        if !padded.is_empty() {
            let names = padded.join(", ");
            self.notes.push(format!(
                "white space around names of columns is passed over: {names}"
            ));
        }
    }

    /// A column without a name that is not empty in this row, counted from 1.
    pub(super) fn filled_without_name(&self, cells: &[Cow<'_, str>]) -> Option<usize> {
        let filled = |at: &&usize| cells.get(**at).is_some_and(|cell| !trim(cell).is_empty());
        self.nameless.iter().find(filled).map(|at| at + 1)
    }

    fn resolve(&mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.header.iter().any(|name| is_known(name, &self.mapping)) {
            // no name is shown or kept: where the header is missing, they are a customer's credentials
            let message = "the first line names no column that this tool knows; is the header missing? It must name externalUserId, connector and connectorVersion, or a mapping must say what fills them";
            problems.push(Problem::new("", Code::MissingField, message));
            self.header.clear();
            self.notes.clear();
            return problems;
        }
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut filled: HashMap<Target, &str> = HashMap::new();
        self.unusable = false;
        for (index, name) in self.header.iter().enumerate() {
            let mut target = None;
            if name.is_empty() && !self.mapping.ignores("") {
                // what exports leave behind the last column; whether it is empty throughout shows row by row
                self.nameless.push(index);
            } else if self.mapping.target_of(name).is_none() && self.mapping.ignores(name) {
                seen.insert(name, index);
            } else if seen.insert(name, index).is_some() {
                problems.push(Problem::new(
                    name.clone(),
                    Code::DuplicateColumn,
                    "the header names this column twice; rename or remove one",
                ));
                self.unusable = true;
            } else if let Some(found) = self.mapping.target_of(name) {
                target = Some(found);
            } else {
                target = Target::parse(name);
                if target.is_none() && !self.mapping.reads(name) {
                    problems.push(unknown_field(name, "column"));
                }
            }
            if let Some(target) = &target
                && let Some(other) = filled.insert(target.clone(), name)
            {
                problems.push(Problem::new(
                    target.name(),
                    Code::DuplicateColumn,
                    format!("the columns \"{other}\" and \"{name}\" both fill this field"),
                ));
                self.unusable = true;
            }
            self.columns.push(target);
        }
        for (theirs, ours) in &self.mapping.columns {
            if !seen.contains_key(theirs.as_str()) {
                problems.push(Problem::new(
                    ours.name(),
                    Code::MissingField,
                    format!(
                        "the mapping takes it from the column \"{theirs}\", which the header does not have{}",
                        did_you_mean(theirs, self.header.iter().map(String::as_str)),
                    ),
                ));
            }
        }
        for (ours, template) in &self.mapping.templates {
            for name in template.columns() {
                if !seen.contains_key(name) && Target::parse(name).is_none() {
                    problems.push(Problem::new(
                        ours.name(),
                        Code::MissingField,
                        format!("its template reads the column \"{name}\", which the header does not have"),
                    ));
                }
            }
        }
        for field in [
            Field::ExternalUserId,
            Field::Connector,
            Field::ConnectorVersion,
        ] {
            let target = Target::Field(field);
            let mapped = |ours: &Target| *ours == target;
            let known = filled.contains_key(&target)
                || self.mapping.constants.iter().any(|(ours, _)| mapped(ours))
                || self.mapping.templates.iter().any(|(ours, _)| mapped(ours));
            if !known {
                problems.push(Problem::new(
                    field.name(),
                    Code::MissingField,
                    "the header has no such column; add it, or name its source in a mapping file",
                ));
                self.unusable = true;
            }
        }
        problems
    }

    /// The customer's own name of the column or key that fills a field, where it is another than ours.
    pub fn own_name(&self, field: &str) -> Option<&str> {
        let fills = |ours: &Target| {
            let ours = ours.name();
            let rest = field.strip_prefix(&ours);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let mut mapped = self.mapping.columns.iter();
        mapped
            .find(|(_, ours)| !field.is_empty() && fills(ours))
            .map(|(theirs, _)| theirs.as_str())
    }

    /// Where the column of this name stands, for templates.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }
}

/// So many lines of a title may stand before the header.
const TITLE_LINES: usize = 4;

/// Whether a column of this name fills something.
fn is_known(name: &str, mapping: &Mapping) -> bool {
    let known = |name| mapping.target_of(name).is_some() || Target::parse(name).is_some();
    known(name) || known(trim(name))
}

/// The separator of a line such as `sep=;`, which spreadsheets read.
fn separator_line(text: &str) -> Option<u8> {
    let text = text.trim_matches('"');
    let separator = text
        .get(4..)
        .filter(|_| text[..4].eq_ignore_ascii_case("sep="))?;
    match separator.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        b"\\t" | b"" => Some(b'\t'),
        _ => None,
    }
}

/// What separates the names of a header: what makes known names of it; else the usual, unless it stands nowhere.
fn find_delimiter(text: &str, usual: u8, is_known: impl Fn(&str) -> bool) -> u8 {
    let count = |delimiter: u8| text.bytes().filter(|byte| *byte == delimiter).count();
    let known = |delimiter: &u8| {
        let mut names = text.split(char::from(*delimiter));
        count(*delimiter) > 0 && names.any(|name| is_known(trim(name).trim_matches('"')))
    };
    let all = [usual, b',', b';', b'\t', b'|'];
    if let Some(found) = all.into_iter().find(known) {
        return found;
    }
    match count(usual) {
        0 => all
            .into_iter()
            .rev()
            .max_by_key(|delimiter| count(*delimiter))
            .unwrap_or(usual),
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn problems(header: &str) -> Vec<String> {
        let block = Block {
            bytes: Zeroizing::new(header.as_bytes().to_vec()),
            line: 1,
            broken: None,
        };
        let (_, problems) = Layout::of_header(Format::Csv, &block, Mapping::default());
        problems
            .iter()
            .map(|p| format!("{} {}", p.field, p.code))
            .collect()
    }

    #[test]
    fn headers_are_checked() {
        assert!(problems("externalUserId,connector,connectorVersion,data.x\n").is_empty());
        assert_eq!(
            problems("externalUserId,connector,connectorVersion,x,x\n"),
            ["x unknown_field", "x duplicate_column"]
        );
        // no name of a file without a header is shown: it would be a customer's credential
        assert_eq!(problems("acme,sqs,v,CANARY\n"), [" missing_field"]);
        assert_eq!(
            problems("{\"externalUserId\":\"a\",\"b\":1}\n"),
            [" missing_field"]
        );
        assert!(problems("externalUserId;connector;connectorVersion\n").is_empty());
        assert!(problems("\u{a0}externalUserId ,connector,connectorVersion,,\n").is_empty());
        assert_eq!(
            problems("externalUserId,connectorVersion\n"),
            ["connector missing_field"]
        );
    }
}
