//! From a block of JSON Lines to its rows.

use memchr::memchr;

use super::blocks::Block;
use super::cut::{At, Cells, forget, has_lone_return, trimmed};
use super::fields::Target;
use super::layout::Layout;
use super::records::{Taker, fill_up, unreadable};
use super::row::{Row, json_problem, unknown_field};
use super::shapes::Shapes;
use crate::issue::{Code, Problem};
use crate::json::{Place, Tree, parse};

/// Has `taker` take every line of the block, those of known `shapes` as cells.
pub(super) fn json_rows<'b>(
    block: &'b Block,
    layout: &'b Layout,
    shapes: Option<&mut Shapes>,
    taker: &mut impl Taker<'b>,
) {
    let bytes: &'b [u8] = &block.bytes;
    let mut row = Row::default();
    let text = std::str::from_utf8(bytes).ok();
    let mut shapes = shapes.filter(|_| text.is_some() && only_line_ends(bytes));
    let readable = text.is_some() && (shapes.is_some() || memchr(0, bytes).is_none());
    let mut cells = Vec::new();
    if let Some(shapes) = &shapes {
        taker.keys(shapes);
    }
    let (mut start, mut line) = (0, block.line);
    while start < bytes.len() {
        let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let at = At {
            line,
            bytes: start..trimmed(bytes, start, end),
        };
        let raw = &bytes[at.bytes.clone()];
        let known = shapes.as_ref().zip(text).is_some_and(|(shapes, text)| {
            raw.len() <= super::MAX_RECORD && shapes.read(&text[at.bytes.clone()], &mut cells)
        });
        let done = known && taker.cells(&at, Cells::Copied(&cells));
        if !done && !raw.iter().all(u8::is_ascii_whitespace) {
            row.clear();
            let mut problems = Vec::new();
            let text = match text {
                Some(text) => &text[at.bytes.clone()],
                None => std::str::from_utf8(raw).unwrap_or_default(),
            };
            let read = unreadable(raw, readable)
                .map_or(Ok(text), Err)
                .and_then(|text| {
                    parse::parse(&mut row.tree, text).map_err(|error| json_problem("", &error))
                })
                .and_then(|place| match row.tree.is_object(place) {
                    true => Ok(place),
                    false => Err(Problem::new(
                        "",
                        Code::BadJson,
                        "the line is JSON but not an object",
                    )),
                });
            match read {
                Ok(object) => {
                    json_row(&mut row, object, layout, &mut problems);
                    taker.row(at, Some(&mut row), problems);
                    if let Some(shapes) = shapes.as_mut().filter(|_| !known)
                        && shapes.learn(text, &layout.mapping)
                    {
                        taker.keys(shapes);
                    }
                }
                Err(problem) => taker.row(at, None, vec![problem]),
            }
        }
        line += 1;
        start = end + 1;
    }
    forget(&mut cells);
}

/// Whether line ends are the only control characters.
fn only_line_ends(bytes: &[u8]) -> bool {
    // in pieces that are counted many bytes at a time
    bytes.chunks(128).all(|piece| {
        let control = |byte: &u8| u8::from(*byte < b' ' && *byte != b'\n' && *byte != b'\r');
        piece.iter().map(control).sum::<u8>() == 0
    }) && !has_lone_return(bytes)
}

fn json_row<'b>(row: &mut Row<'b>, object: Place, layout: &'b Layout, problems: &mut Vec<Problem>) {
    let mapping = &layout.mapping;
    // the texts that templates read, before the values move into their places
    let wanted: Vec<(&str, String)> = mapping
        .templates
        .iter()
        .flat_map(|(_, template)| template.columns())
        .filter_map(|name| {
            let (parent, last) = lookup(&row.tree, object, name)?;
            let found = row.tree.child(parent, last)?;
            Some((name, row.tree.as_text(found)?.to_string()))
        })
        .collect();
    for (path, target) in &layout.renames {
        if let Some((parent, last)) = lookup(&row.tree, object, path)
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
            json_config(row, value, problems);
        } else if let Some(target) = Target::parse(&key) {
            row.put_json(&target, value, problems);
        } else if !(row.tree.is_object(value) && row.tree.is_empty(value)) {
            // an empty object may be what is left of one that the mapping took its parts from
            problems.push(unknown_field(&key, "key"));
        }
    }
    fill_up(row, layout, problems, |name| {
        let found = wanted.iter().find(|(wanted, _)| *wanted == name);
        found.map(|(_, text)| text.as_str())
    });
}

fn json_config(row: &mut Row<'_>, config: Place, problems: &mut Vec<Problem>) {
    if row.tree.is_null(config) {
        return;
    }
    if !row.tree.is_object(config) {
        problems.push(Problem::new(
            "config",
            Code::WrongType,
            "must be an object of External IDs and values",
        ));
        return;
    }
    let mut next = row.tree.first(config);
    while let Some(value) = next {
        next = row.tree.next(value);
        let slot = row.tree.name(value).clone();
        row.put_config(slot, value, problems);
    }
}

/// Where the value of a dotted path is to be looked for: the object that holds it, and its key there. A key
/// that has the whole path as its name comes first.
pub(super) fn lookup<'p>(
    tree: &Tree<'_>,
    object: Place,
    path: &'p str,
) -> Option<(Place, &'p str)> {
    if tree.child(object, path).is_some() {
        return Some((object, path));
    }
    let (first, rest) = path.split_once('.')?;
    lookup(tree, tree.child(object, first)?, rest)
}
