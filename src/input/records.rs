//! From a block to its rows.

use std::borrow::Cow;
use std::ops::Range;

use csv::ByteRecord;
use memchr::memchr;
use serde_json::{Map, Value};

use super::blocks::{Block, count_newlines};
use super::fields::Target;
use super::json;
use super::layout::Layout;
use super::open::Format;
use super::row::{Row, json_problem, unknown_field};
use crate::issue::{Code, Problem};
use crate::secret::wipe;

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The physical line, counted from 1.
    pub line: u64,
    /// The record's bytes within its block, without the line end.
    pub bytes: Range<usize>,
}

/// Calls `each` with every record of the block, in order: where it stands, the row (none where it could not
/// be read at all), and what is wrong with it so far. Blank lines are no records.
pub fn for_each_row(
    block: &Block,
    layout: &Layout,
    mut each: impl FnMut(At, Option<Row<'_>>, Vec<Problem>),
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

/// A reader of the dialect that [`super::blocks`] cuts by.
pub(super) fn csv_reader(format: Format, bytes: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(format.delimiter().unwrap_or(b','))
        .from_reader(bytes)
}

fn csv_rows(
    block: &Block,
    layout: &Layout,
    mut each: impl FnMut(At, Option<Row<'_>>, Vec<Problem>),
) {
    let bytes: &[u8] = &block.bytes;
    let mut reader = csv_reader(layout.format, bytes);
    let mut record = ByteRecord::new();
    let (mut line, mut counted) = (block.line, 0);
    let mut behind = 0;
    // reading from memory cannot fail, and `flexible` leaves no other error
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        // the csv crate begins a record before the line ends and blank lines that precede it
        let start = behind
            + bytes[behind..]
                .iter()
                .take_while(|b| matches!(b, b'\n' | b'\r'))
                .count();
        behind = usize::try_from(reader.position().byte()).unwrap_or(bytes.len());
        line += count_newlines(&bytes[counted..start]);
        counted = start;
        let at = At {
            line,
            bytes: start..trimmed(bytes, start, behind),
        };
        let mut problems = Vec::new();
        let row = csv_row(&bytes[at.bytes.clone()], &record, layout, &mut problems);
        each(at, row, problems);
    }
}

fn csv_row<'a>(
    raw: &[u8],
    record: &'a ByteRecord,
    layout: &'a Layout,
    problems: &mut Vec<Problem>,
) -> Option<Row<'a>> {
    let mut row = Row::default();
    if let Some(problem) = unreadable(raw) {
        problems.push(problem);
        return None;
    }
    if record.len() != layout.header.len() {
        problems.push(Problem::new(
            "",
            Code::RaggedRow,
            format!(
                "has {} cells where the header has {}; look for a missing or unquoted separator",
                record.len(),
                layout.header.len()
            ),
        ));
        return None;
    }
    let cell = |index: usize| -> Option<&'a str> {
        record
            .get(index)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    };
    for (index, target) in layout.columns.iter().enumerate() {
        if let (Some(target), Some(text)) = (target, cell(index)) {
            row.put_text(target, Cow::Borrowed(text), problems);
        }
    }
    fill_up(&mut row, layout, problems, |name| {
        layout.column(name).and_then(cell)
    });
    Some(row)
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

fn json_rows(
    block: &Block,
    layout: &Layout,
    mut each: impl FnMut(At, Option<Row<'_>>, Vec<Problem>),
) {
    let bytes: &[u8] = &block.bytes;
    let (mut start, mut line) = (0, block.line);
    while start < bytes.len() {
        let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let at = At {
            line,
            bytes: start..trimmed(bytes, start, end),
        };
        let raw = &bytes[at.bytes.clone()];
        if !raw.iter().all(u8::is_ascii_whitespace) {
            let mut problems = Vec::new();
            match unreadable(raw) {
                Some(problem) => each(at, None, vec![problem]),
                None => match json::parse(raw) {
                    Ok(Value::Object(map)) => {
                        let row = json_row(map, layout, &mut problems);
                        each(at, Some(row), problems);
                    }
                    Ok(mut other) => {
                        wipe(&mut other);
                        let message = "the line is JSON but not an object";
                        each(at, None, vec![Problem::new("", Code::BadJson, message)]);
                    }
                    Err(error) => {
                        each(at, None, vec![json_problem("", &error)]);
                    }
                },
            }
        }
        line += 1;
        start = end + 1;
    }
}

fn json_row<'a>(
    mut map: Map<String, Value>,
    layout: &'a Layout,
    problems: &mut Vec<Problem>,
) -> Row<'a> {
    let mut row = Row::default();
    // the texts that templates read, before the values move into their places
    let wanted: Vec<(&str, String)> = layout
        .mapping
        .templates
        .iter()
        .flat_map(|(_, template)| template.columns())
        .filter_map(|name| Some((name, lookup(&map, name)?.as_str()?.to_owned())))
        .collect();
    for (path, target) in &layout.renames {
        if let Some(value) = take(&mut map, path) {
            row.put_json(target, value, problems);
        }
    }
    for (key, value) in map {
        if layout.mapping.ignores(&key) || layout.mapping.reads(&key) {
            continue;
        }
        match (key.as_str(), value) {
            ("config", Value::Object(slots)) => {
                for (slot, value) in slots {
                    row.put_json(&Target::Config(slot), value, problems);
                }
            }
            ("config", Value::Null) => {}
            ("config", _) => problems.push(Problem::new(
                "config",
                Code::WrongType,
                "must be an object of External IDs and values",
            )),
            (_, mut value) => match Target::parse(&key) {
                Some(target) => row.put_json(&target, value, problems),
                // what is left of an object that the mapping took its parts from
                None if value.as_object().is_some_and(Map::is_empty) => {}
                None => {
                    wipe(&mut value);
                    problems.push(unknown_field(&key, "key"));
                }
            },
        }
    }
    fill_up(&mut row, layout, problems, |name| {
        let found = wanted.iter().find(|(wanted, _)| *wanted == name);
        found.map(|(_, text)| text.as_str())
    });
    row
}

/// The value at a key, or at a dotted path where no key has that name.
pub(super) fn lookup<'m>(map: &'m Map<String, Value>, path: &str) -> Option<&'m Value> {
    if let Some(value) = map.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    lookup(map.get(first)?.as_object()?, rest)
}

/// [`lookup`], taking the value out.
fn take(map: &mut Map<String, Value>, path: &str) -> Option<Value> {
    if map.contains_key(path) {
        return map.shift_remove(path);
    }
    let (first, rest) = path.split_once('.')?;
    take(map.get_mut(first)?.as_object_mut()?, rest)
}

/// The end of the record's text: `end` without the line end before it.
fn trimmed(bytes: &[u8], start: usize, end: usize) -> usize {
    let tail = bytes[start..end]
        .iter()
        .rev()
        .take_while(|b| matches!(b, b'\n' | b'\r'))
        .count();
    end - tail
}

fn unreadable(raw: &[u8]) -> Option<Problem> {
    if memchr(0, raw).is_some() {
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
    let error = std::str::from_utf8(raw).err()?;
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
