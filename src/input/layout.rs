//! What each column of a file means: decided once, from the header and the mapping.

use std::collections::HashMap;

use super::blocks::Block;
use super::cells::Cells;
use super::fields::{Field, Target, suggest, unknown_field};
use super::mapping::Mapping;
use super::open::Format;
use crate::issue::{Code, Problem, did_you_mean};

/// The meaning of the columns (CSV, TSV) or keys (JSON Lines) of one input.
#[derive(Debug)]
pub struct Layout {
    /// How the text is laid out.
    pub format: Format,
    /// For CSV: the header's names, in order.
    pub header: Vec<String>,
    /// For CSV: what each column fills; `None` for columns that are passed over.
    pub columns: Vec<Option<Target>>,
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
            format: Format::Jsonl,
            header: Vec::new(),
            columns: Vec::new(),
            renames: mapping.columns.iter().cloned().collect(),
            mapping,
            unusable: false,
        }
    }

    /// The layout of a CSV or TSV input, and what is wrong with its header.
    pub fn of_header(format: Format, header: &Block, mapping: Mapping) -> (Layout, Vec<Problem>) {
        let mut layout = Layout {
            format,
            header: Vec::new(),
            columns: Vec::new(),
            renames: HashMap::new(),
            mapping,
            unusable: true,
        };
        if let Some(code) = header.broken {
            let message = "the header cannot be read as one line of column names";
            return (layout, vec![Problem::new("", code, message)]);
        }
        let text = std::str::from_utf8(&header.bytes).ok();
        let Some(text) = text.filter(|text| !text.contains('\0')) else {
            let message = "the header is not UTF-8 text; save the file as CSV in UTF-8";
            return (layout, vec![Problem::new("", Code::Encoding, message)]);
        };
        let text = text.trim_matches(['\r', '\n']);
        if text.is_empty() {
            let message = "the file is empty; the first line must name the columns";
            return (layout, vec![Problem::new("", Code::MissingField, message)]);
        }
        let mut cells = Cells::default();
        match cells.cut(text, format.delimiter().unwrap_or(b',')) {
            Ok(names) => layout.header = names.iter().map(|name| name.to_string()).collect(),
            Err(problem) => return (layout, vec![problem]),
        }
        let problems = layout.resolve();
        (layout, problems)
    }

    fn resolve(&mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let [only] = self.header.as_slice()
            && let Some(separator) = only.chars().find(|c| matches!(c, ';' | '\t' | '|'))
        {
            problems.push(Problem::new(
                "",
                Code::RaggedRow,
                format!(
                    "the header is one column with {separator:?} in it: save the file separated by commas, or name it .tsv if tabs separate it"
                ),
            ));
            return problems;
        }
        let known =
            |name: &String| self.mapping.target_of(name).is_some() || Target::parse(name).is_some();
        let near = |name: &String| suggest(name).is_some();
        let named = self.header.iter().any(|name| known(name) || near(name));
        if !named && self.header.iter().any(|name| looks_like_data(name)) {
            // the names are not shown: where the header is missing, they are a customer's credentials
            let message = "the first line names no column that this tool knows; is the header missing? It must name externalUserId, connector and connectorVersion, or a mapping must say what fills them";
            problems.push(Problem::new("", Code::MissingField, message));
            return problems;
        }
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut filled: HashMap<Target, &str> = HashMap::new();
        self.unusable = false;
        for (index, name) in self.header.iter().enumerate() {
            let mut target = None;
            if seen.insert(name, index).is_some() {
                problems.push(Problem::new(
                    name.clone(),
                    Code::DuplicateColumn,
                    "the header names this column twice; rename or remove one",
                ));
                self.unusable = true;
            } else if let Some(found) = self.mapping.target_of(name) {
                target = Some(found);
            } else if !self.mapping.ignores(name) {
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

    /// Where the column of this name stands, for templates.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }
}

/// Whether a cell of the first line is rather a value than a column's name.
fn looks_like_data(cell: &str) -> bool {
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    digits >= 3 || cell.len() > 40 || cell.contains('@')
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
        assert_eq!(problems("c-1,sqs,2.1,CANARY1234\n"), [" missing_field"]);
        assert_eq!(
            problems("externalUserId;connector;connectorVersion\n"),
            [" ragged_row"]
        );
        assert_eq!(
            problems("externalUserId,connectorVersion\n"),
            ["connector missing_field"]
        );
    }
}
