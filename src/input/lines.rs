//! From a line of JSON to a row.

use super::fields::{Target, unknown_field};
use super::layout::Layout;
use super::row::{Row, json_problem};
use crate::issue::{Code, Problem};
use crate::json::NodeId;
use crate::json::parse::parse;

/// Fills an empty row with what a line says.
///
/// # Errors
/// Where it is not a JSON object at all; anything else that is wrong is added to `problems`.
pub(super) fn fill<'b>(
    row: &mut Row<'b>,
    text: &'b str,
    layout: &'b Layout,
    problems: &mut Vec<Problem>,
) -> Result<(), Problem> {
    let object = parse(&mut row.tree, text).map_err(|error| json_problem("", &error))?;
    if !row.tree.is_object(object) {
        let message = "the line is JSON but not an object";
        return Err(Problem::new("", Code::BadJson, message));
    }
    let mapping = &layout.mapping;
    // what templates read, before the values move to where they belong
    let columns = mapping.templates.iter().flat_map(|(_, t)| t.columns());
    let sources: Vec<(&str, String)> = columns
        .filter_map(|name| {
            let (parent, last) = row.tree.find(object, name)?;
            let found = row.tree.child(parent, last)?;
            Some((name, row.tree.as_text(found)?.to_string()))
        })
        .collect();
    for (path, target) in &layout.renames {
        if let Some((parent, last)) = row.tree.find(object, path)
            && let Some(value) = row.tree.detach(parent, last)
        {
            row.put_json(target, value, problems);
        }
    }
    let mut next = row.tree.first(object);
    while let Some(value) = next {
        next = row.tree.next(value);
        let key = row.tree.name(value).clone();
        if mapping.ignores(&key) || mapping.reads(&key) {
            continue;
        }
        if key == "config" {
            put_config(row, value, problems);
        } else if let Some(target) = Target::parse(&key) {
            row.put_json(&target, value, problems);
        } else if !(row.tree.is_object(value) && row.tree.is_empty(value)) {
            // an empty object may be what is left of one that the mapping took its parts from
            problems.push(unknown_field(&key, "key"));
        }
    }
    row.fill_up(mapping, problems, |name| {
        let found = sources.iter().find(|(source, _)| *source == name);
        found.map(|(_, text)| text.as_str())
    });
    Ok(())
}

fn put_config(row: &mut Row<'_>, config: NodeId, problems: &mut Vec<Problem>) {
    if row.tree.is_null(config) {
        return;
    }
    if !row.tree.is_object(config) {
        let message = "must be an object of External IDs and values";
        problems.push(Problem::new("config", Code::WrongType, message));
        return;
    }
    let mut next = row.tree.first(config);
    while let Some(value) = next {
        next = row.tree.next(value);
        let slot = row.tree.name(value).clone();
        row.put_config(slot, value, problems);
    }
}
