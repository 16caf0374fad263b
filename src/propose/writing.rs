//! The proposal as a mapping file, with comments for the person who finishes it.

use std::fmt::Write;

use super::Proposal;
use super::looks::describe;
use super::sample::{Column, Sample};
use crate::catalog::outline::words;

/// The text of the mapping file. `input` is the export's name, `mapping` the file's own, for the comments.
pub fn write(sample: &Sample, proposal: &Proposal, input: &str, mapping: &str) -> String {
    let mut text = String::new();
    let (input, mapping) = (plain(input), plain(mapping));
    // writing to a string cannot fail
    let _ = writeln!(
        text,
        "# Fits {input} to the names that tray-import reads. Proposed by `tray-import init` from the columns'\n\
         # names and the first {} rows: look at every line, then\n#\n\
         #     tray-import validate {input} --mapping {mapping}\n",
        sample.rows
    );
    ignored(&mut text, sample, proposal);
    columns(&mut text, sample, proposal);
    constants(&mut text, proposal);
    templates(&mut text, proposal);
    text
}

fn ignored(text: &mut String, sample: &Sample, proposal: &Proposal) {
    text.push_str("# Columns that are not imported. What nothing was found for stands here too: see [columns].\n");
    let mut names: Vec<&str> = Vec::new();
    for name in &proposal.unplaced {
        let top = column(sample, name).map_or(name.as_str(), |column| column.top.as_str());
        if !names.contains(&top) {
            names.push(top);
        }
    }
    if names.is_empty() {
        text.push_str("ignore = []\n\n");
        return;
    }
    text.push_str("ignore = [\n");
    for name in names {
        let _ = writeln!(text, "    {},", quoted(name));
    }
    text.push_str("]\n\n");
}

fn columns(text: &mut String, sample: &Sample, proposal: &Proposal) {
    text.push_str("# Our field on the left, the export's column on the right.\n[columns]\n");
    for (name, target) in &proposal.columns {
        let looks = looks(sample, name);
        let _ = writeln!(text, "{} = {}{looks}", key(target), quoted(name));
    }
    if !proposal.known.is_empty() {
        let names: Vec<String> = proposal.known.iter().map(|name| quoted(name)).collect();
        text.push_str("# These have a name that tray-import knows and need no line:\n");
        for line in wrapped(&names) {
            let _ = writeln!(text, "#     {line}");
        }
    }
    if !proposal.missing.is_empty() {
        text.push_str("# Required, and no column was found for it:\n");
        for target in &proposal.missing {
            let _ = writeln!(text, "# {} = \"\"", key(target));
        }
    }
    if !proposal.unplaced.is_empty() {
        text.push_str(
            "# Nothing was found for these. To import one, put its field on the left, take away the # and take the\n\
             # column out of `ignore`.\n",
        );
        for name in &proposal.unplaced {
            let left = if names_a_credential(name) {
                "\"data.…\""
            } else {
                "…"
            };
            let _ = writeln!(text, "# {left} = {}{}", quoted(name), looks(sample, name));
        }
    }
    text.push('\n');
}

fn constants(text: &mut String, proposal: &Proposal) {
    text.push_str("# The same value in every row.\n[constants]\n");
    let has = |field: &str| {
        proposal.constants.iter().any(|(name, _)| *name == field)
            || proposal.columns.iter().any(|(_, target)| target == field)
            || proposal.known.iter().any(|name| name == field)
    };
    for (field, value) in &proposal.constants {
        let _ = writeln!(text, "{field} = {}", quoted(value));
    }
    for field in ["connector", "connectorVersion"] {
        if !has(field) {
            let _ = writeln!(text, "# {field} = \"\"    # required");
        }
    }
    if let Some(first) = proposal.environments.first() {
        let names: Vec<String> = proposal
            .environments
            .iter()
            .map(|name| quoted(name))
            .collect();
        let _ = writeln!(
            text,
            "# environment = {}    # required; one of {}",
            quoted(first),
            names.join(", ")
        );
    }
    if !has("solutionId") {
        text.push_str(
            "# The solution to make an instance of for each customer, and the External ID of the slot that the\n\
             # authentication fills; without them, authentications are imported and nothing else.\n\
             # solutionId = \"\"\n",
        );
        if !has("authExternalId") {
            text.push_str("# authExternalId = \"\"\n");
        }
    }
    text.push('\n');
}

fn templates(text: &mut String, proposal: &Proposal) {
    text.push_str("# Values put together from other fields and columns.\n[templates]\n");
    let of = |field: &str| {
        let found = proposal.columns.iter().find(|(_, target)| target == field);
        found.map(|(name, _)| name.as_str()).or_else(|| {
            let known = proposal.known.iter().find(|name| *name == field);
            known.map(String::as_str)
        })
    };
    let who = of("userName")
        .or_else(|| of("externalUserId"))
        .unwrap_or("externalUserId");
    // a brace in a column's name has no place inside a template
    let who = if who.contains(['{', '}']) {
        "externalUserId"
    } else {
        who
    };
    for (field, template) in [
        ("authName", format!("{{connector}} for {{{who}}}")),
        ("instanceName", format!("Integration of {{{who}}}")),
    ] {
        if of(field).is_none() {
            let _ = writeln!(text, "# {field} = {}", quoted(&template));
        }
    }
}

fn column<'s>(sample: &'s Sample, name: &str) -> Option<&'s Column> {
    sample.columns.iter().find(|column| column.name == name)
}

fn looks(sample: &Sample, name: &str) -> String {
    column(sample, name).map_or_else(String::new, |column| {
        format!("    # {}", describe(column, sample.rows))
    })
}

fn names_a_credential(name: &str) -> bool {
    const WORDS: [&str; 8] = [
        "key",
        "apikey",
        "secret",
        "token",
        "password",
        "passwd",
        "pwd",
        "credential",
    ];
    words(name)
        .iter()
        .any(|word| WORDS.contains(&word.as_str()))
}

fn key(target: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !target.is_empty() && target.bytes().all(bare) {
        target.to_owned()
    } else {
        quoted(target)
    }
}

/// A TOML string on one line, whatever is in it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // what a terminal would act on, or not show
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
            {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A file's name inside a comment.
fn plain(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn wrapped(names: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.chars().count() + name.chars().count() < 90 => {
                let _ = write!(line, ", {name}");
            }
            _ => lines.push(name.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_name_comes_back_as_it_was(name in ".{0,20}") {
            let text = format!("{} = {}", quoted(&name), quoted(&name));
            prop_assert!(!text.contains('\n'));
            let table: toml::Table = text.parse().unwrap();
            prop_assert_eq!(table[&name].as_str(), Some(name.as_str()));
        }
    }
}
