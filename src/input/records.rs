//! From a block to its rows.

use std::borrow::Cow;

use memchr::memchr;

use super::blocks::Block;
pub use super::cut::At;
use super::cut::{Records, trimmed};
use super::fields::Target;
use super::layout::Layout;
use super::open::Format;
use super::row::{Row, json_problem, unknown_field};
use crate::issue::{Code, Problem};
use crate::json::{Place, Tree, parse};

/// Calls `each` with every record of the block, in order: where it stands, the row (none where it could not
/// be read at all), and what is wrong with it so far. Blank lines are no records. All rows are one in memory.
pub fn for_each_row<'b>(
    block: &'b Block,
    layout: &'b Layout,
    mut each: impl FnMut(At, Option<&mut Row<'b>>, Vec<Problem>),
) {
    if let Some(code) = block.broken {
        let at = At {
            line: block.line,
            bytes: 0..trimmed(&block.bytes, 0, block.bytes.len()),
        };
        each(at, None, vec![broken_problem(code)]);
        return;
    }
    match layout.format {
        Format::Csv | Format::Tsv => csv_rows(block, layout, each),
        Format::Jsonl => json_rows(block, layout, each),
    }
}

fn csv_rows<'b>(
    block: &'b Block,
    layout: &'b Layout,
    mut each: impl FnMut(At, Option<&mut Row<'b>>, Vec<Problem>),
) {
    let mut row = Row::default();
    let mut records = Records::new(&block.bytes, layout.format, block.line);
    let readable = records.is_text() && memchr(0, &block.bytes).is_none();
    while let Some((at, cells)) = records.next_record() {
        row.clear();
        let raw = &block.bytes[at.bytes.clone()];
        let mut problems = Vec::new();
        problems.extend(unreadable(raw, readable));
        let cells =
            cells.filter(|cells| problems.is_empty() && fits(cells.len(), layout, &mut problems));
        let row = cells.map(|cells| {
            csv_row(&mut row, cells, layout, &mut problems);
            &mut row
        });
        each(at, row, problems);
    }
}

fn fits(cells: usize, layout: &Layout, problems: &mut Vec<Problem>) -> bool {
    let columns = layout.header.len();
    if cells != columns {
        problems.push(Problem::new(
            "",
            Code::RaggedRow,
            format!(
                "has {cells} cells where the header has {columns}; look for a missing or unquoted separator"
            ),
        ));
    }
    cells == columns
}

fn csv_row<'b>(
    row: &mut Row<'b>,
    cells: &[Cow<'b, str>],
    layout: &'b Layout,
    problems: &mut Vec<Problem>,
) {
    for (target, cell) in layout.columns.iter().zip(cells) {
        if let Some(target) = target
            && !cell.is_empty()
        {
            row.put_text(target, cell.clone(), problems);
        }
    }
    fill_up(row, layout, problems, |name| {
        layout
            .column(name)
            .and_then(|at| cells.get(at))
            .map(Cow::as_ref)
    });
}

/// Constants and templates, for what the row itself leaves empty.
fn fill_up<'a, 's>(
    row: &mut Row<'a>,
    layout: &'a Layout,
    problems: &mut Vec<Problem>,
    source: impl Fn(&str) -> Option<&'s str>,
) {
    for (target, text) in &layout.mapping.constants {
        if !row.fills(target) {
            row.put_text(target, Cow::Borrowed(text), problems);
        }
    }
    for (target, template) in &layout.mapping.templates {
        if row.fills(target) {
            continue;
        }
        let filled = template.fill(|name| {
            source(name).or_else(|| match Target::parse(name) {
                Some(Target::Field(field)) => row.text(field),
                _ => None,
            })
        });
        if let Some(text) = filled {
            row.put_text(target, Cow::Owned(text), problems);
        }
    }
}

fn json_rows<'b>(
    block: &'b Block,
    layout: &'b Layout,
    mut each: impl FnMut(At, Option<&mut Row<'b>>, Vec<Problem>),
) {
    let bytes: &'b [u8] = &block.bytes;
    let mut row = Row::default();
    let text = std::str::from_utf8(bytes).ok();
    let readable = text.is_some() && memchr(0, bytes).is_none();
    let (mut start, mut line) = (0, block.line);
    while start < bytes.len() {
        let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let at = At {
            line,
            bytes: start..trimmed(bytes, start, end),
        };
        let raw = &bytes[at.bytes.clone()];
        if !raw.iter().all(u8::is_ascii_whitespace) {
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
                    each(at, Some(&mut row), problems);
                }
                Err(problem) => each(at, None, vec![problem]),
            }
        }
        line += 1;
        start = end + 1;
    }
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

/// `readable`: the whole block is known to be text without a NUL.
fn unreadable(raw: &[u8], readable: bool) -> Option<Problem> {
    if !readable && memchr(0, raw).is_some() {
        return Some(Problem::new(
            "",
            Code::NulByte,
            "contains a NUL byte; the file is damaged or not text",
        ));
    }
    // the csv crate takes one off at the start of a block and nowhere else: a row must not depend on its place
    if raw.starts_with("\u{feff}".as_bytes()) {
        return Some(Problem::new(
            "",
            Code::Encoding,
            "begins with a byte order mark (U+FEFF), as where files were joined; remove it",
        ));
    }
    if raw.len() > super::MAX_RECORD {
        return Some(broken_problem(Code::FieldTooLong));
    }
    let error = (!readable).then(|| std::str::from_utf8(raw).err())??;
    Some(Problem::new(
        "",
        Code::Encoding,
        format!(
            "is not UTF-8 at byte {} of the row; if the file is Windows-1252 or Latin-1, convert it first (iconv -f WINDOWS-1252 -t UTF-8)",
            error.valid_up_to() + 1
        ),
    ))
}

fn broken_problem(code: Code) -> Problem {
    let message = match code {
        Code::UnclosedQuote => {
            "opens a quote that is never closed; close it, or double a quote that is part of the text"
                .to_owned()
        }
        _ => format!(
            "is longer than {} KiB; if it holds a quote, look whether it is closed",
            super::MAX_RECORD / 1024
        ),
    };
    Problem::new("", code, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::fields::Field;
    use crate::input::mapping::Mapping;
    use zeroize::Zeroizing;

    fn block(text: &str, line: u64) -> Block {
        Block {
            bytes: Zeroizing::new(text.as_bytes().to_vec()),
            line,
            broken: None,
        }
    }

    fn rows(format: Format, header: &str, text: &str) -> Vec<(u64, String, Vec<Code>)> {
        let layout = match format {
            Format::Jsonl => Layout::of_json_lines(Mapping::default()),
            _ => Layout::of_header(format, &block(header, 1), Mapping::default()).0,
        };
        let mut out = Vec::new();
        for_each_row(&block(text, 2), &layout, |at, row, problems| {
            out.push((
                at.line,
                row.as_ref()
                    .and_then(|row| row.text(Field::ExternalUserId))
                    .unwrap_or("-")
                    .to_owned(),
                problems.iter().map(|p| p.code).collect(),
            ));
        });
        out
    }

    const HEADER: &str = "externalUserId,connector,connectorVersion\n";

    #[test]
    fn lines_are_right_for_blank_lines_crlf_and_quoted_newlines() {
        for end in ["\n", "\r\n"] {
            let text = ["a,x,1", "", "b,\"x", "y\",1", "c,x,1"].join(end);
            let got: Vec<_> = rows(Format::Csv, HEADER, &text)
                .into_iter()
                .map(|(line, id, _)| (line, id))
                .collect();
            let want = [(2, "a"), (4, "b"), (6, "c")].map(|(l, id)| (l, id.to_owned()));
            assert_eq!(got, want, "{end:?}");
        }
    }

    #[test]
    fn broken_rows_are_named_and_do_not_stop_the_rest() {
        let got = rows(Format::Csv, HEADER, "a,x\nb,x,1\nc\0,x,1\n");
        let codes: Vec<_> = got.iter().map(|r| r.2.clone()).collect();
        assert_eq!(codes, [vec![Code::RaggedRow], vec![], vec![Code::NulByte]]);
    }

    #[test]
    fn json_lines_nest() {
        let got = rows(
            Format::Jsonl,
            "",
            "{\"externalUserId\":\"a\",\"data\":{\"k\":1}}\n\n{\"externalUserId\":1}\n{\"x\n[]\n",
        );
        assert_eq!(got[0], (2, "a".to_owned(), vec![]));
        assert_eq!((got[1].0, &got[1].2), (4, &vec![Code::WrongType]));
        assert_eq!((got[2].0, &got[2].2), (5, &vec![Code::BadJson]));
        assert_eq!((got[3].0, &got[3].2), (6, &vec![Code::BadJson]));
    }
}
