//! What each column of a file means: decided once, from the header and the mapping.

use std::collections::HashMap;

use super::blocks::Block;
use super::cells::Cells;
use super::fields::{Field, Target, unknown_field};
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
        let problems = match Layout::names(format, header) {
            Ok(names) => {
                layout.header = names;
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
    pub fn names(format: Format, header: &Block) -> Result<Vec<String>, Problem> {
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
        let names = cells.cut(text, format.delimiter().unwrap_or(b','))?;
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        if let [only] = names.as_slice()
            && let Some(separator) = only.chars().find(|c| matches!(c, ';' | '\t' | '|'))
        {
            return Err(Problem::new(
                "",
                Code::RaggedRow,
                format!(
                    "the header is one column with {separator:?} in it: save the file separated by commas, or name it .tsv if tabs separate it"
                ),
            ));
        }
        Ok(names)
    }

    fn resolve(&mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let known =
            |name: &String| self.mapping.target_of(name).is_some() || Target::parse(name).is_some();
        if !self.header.iter().any(known) {
            // no name is shown or kept: where the header is missing, they are a customer's credentials
            let message = "the first line names no column that this tool knows; is the header missing? It must name externalUserId, connector and connectorVersion, or a mapping must say what fills them";
            problems.push(Problem::new("", Code::MissingField, message));
            self.header.clear();
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
