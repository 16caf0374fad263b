//! From a block to its rows.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::MAX_RECORD;
use super::blocks::{Block, count_newlines};
use super::cells::{Cells, RecordEnds};
use super::layout::Layout;
use super::lines;
use super::row::Row;
use super::trim;
use crate::issue::{Code, Problem};

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The physical line, counted from 1.
    pub line: u64,
    /// The record's bytes within its block, without the line end.
    pub bytes: Range<usize>,
}

/// Calls `each` with every record of the block, in order: where it stands, the row (none where it could not
/// be read at all), and what is wrong with it so far. Blank lines are no records, nor are lines of separators alone, a
/// footer and the end mark of old systems; how many of these there are is returned. All rows are one in memory.
pub fn for_each_row<'b>(
    block: &'b Block,
    layout: &'b Layout,
    mut each: impl FnMut(At, Option<&mut Row<'b>>, Vec<Problem>),
) -> u64 {
    let bytes: &'b [u8] = &block.bytes;
    if let Some(code) = block.broken {
        let (line, bytes) = (block.line, 0..trimmed(bytes, 0, bytes.len()));
        each(At { line, bytes }, None, vec![broken(code)]);
        return 0;
    }
    let delimiter = layout.delimiter;
    let is_blank = |byte: &u8| match delimiter {
        Some(_) => matches!(byte, b'\n' | b'\r'),
        None => byte.is_ascii_whitespace(),
    };
    let mut row = Row::default();
    let mut cells = Cells::default();
    let (mut start, mut line, mut skipped) = (0, block.line, 0);
    for end in RecordEnds::new(bytes, delimiter).chain([bytes.len()]) {
        let record = start..trimmed(bytes, start, end);
        let raw = &bytes[record.clone()];
        if delimiter.is_some_and(|delimiter| is_no_row(raw, delimiter)) {
            skipped += u64::from(!raw.iter().all(is_blank));
        } else if !raw.iter().all(is_blank) {
            let mut problems = Vec::new();
            let read = text(raw).and_then(|text| match delimiter {
                Some(delimiter) => {
                    let cells = cells.cut(text, delimiter)?;
                    fits(cells, layout)?;
                    let mut pairs = cells.iter().zip(&layout.header);
                    if pairs.all(|(cell, name)| trim(cell) == trim(name)) {
                        let message = "repeats the header, as where files were joined; remove it";
                        return Err(Problem::new("", Code::RepeatedHeader, message));
                    }
                    if memchr(b'\n', raw).is_some() {
                        problems.extend(check_lines(text, delimiter, cells));
                    }
                    row.fill_from_cells(cells, layout, &mut problems);
                    Ok(())
                }
                None => lines::fill(&mut row, text, layout, &mut problems),
            });
            let at = At {
                line,
                bytes: record,
            };
            match read {
                Ok(()) => each(at, Some(&mut row), problems),
                Err(problem) => each(at, None, vec![problem]),
            }
            row.clear();
        }
        line += count_newlines(&bytes[start..end]);
        start = end;
    }
    skipped
}

/// Whether a record of a CSV file is surely not a customer: separators alone, a footer such as `(120 rows)` or
/// `Total: 120`, or the Ctrl-Z of old systems.
fn is_no_row(raw: &[u8], delimiter: u8) -> bool {
    let is_filler =
        |byte: &u8| *byte == delimiter || matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x1a);
    match raw.first() {
        Some(first) if is_filler(first) => raw.iter().all(is_filler),
        Some(b'(' | b'T' | b't') => {
            let end = raw.iter().rposition(|byte| !is_filler(byte)).unwrap_or(0);
            let text = std::str::from_utf8(&raw[..=end]).unwrap_or_default();
            let text = text.to_ascii_lowercase();
            let number = |text: &str| {
                let digit = |byte: u8| byte.is_ascii_digit();
                text.bytes().any(digit)
                    && text
                        .bytes()
                        .all(|byte| digit(byte) || b" ,.:".contains(&byte))
            };
            let counted = text.strip_prefix('(').and_then(|text| {
                let text = text.strip_suffix(')')?;
                let text = text.strip_suffix(" affected").unwrap_or(text);
                text.strip_suffix(" rows")
                    .or_else(|| text.strip_suffix(" row"))
            });
            let total = text
                .strip_prefix("total")
                .filter(|_| !text.contains(char::from(delimiter)));
            counted.is_some_and(number) || total.is_some_and(number)
        }
        Some(_) => false,
        None => true,
    }
}

/// The end of the record's text: `end` without the line end before it.
fn trimmed(bytes: &[u8], start: usize, end: usize) -> usize {
    let line_end = |byte: &&u8| matches!(byte, b'\n' | b'\r');
    end - bytes[start..end].iter().rev().take_while(line_end).count()
}

fn fits(found: &[Cow<'_, str>], layout: &Layout) -> Result<(), Problem> {
    let cells = found.len();
    let columns = layout.header.len();
    if let Some(column) = layout
        .filled_without_name(found)
        .filter(|_| cells == columns)
    {
        let message = format!(
            "has a value in column {column}, which has no name in the header; name it, or list \"\" under `ignore` in a mapping file"
        );
        return Err(Problem::new("", Code::RaggedRow, message));
    }
    if cells == columns {
        return Ok(());
    }
    let message = format!(
        "has {cells} cells where the header has {columns}; look for a missing or unquoted separator"
    );
    Err(Problem::new("", Code::RaggedRow, message))
}

/// A quote that is never closed may meet another one, far below: whole rows then vanish inside a cell. Where every line
/// of a record has as many separators as a row, that is what happened; where one has, it may have.
fn check_lines(text: &str, delimiter: u8, cells: &[Cow<'_, str>]) -> Option<Problem> {
    let is_row = |line: &str| {
        let separators = memchr::memchr_iter(delimiter, line.as_bytes()).count();
        cells.len() > 1 && separators == cells.len() - 1
    };
    if text.lines().all(is_row) {
        let message = "has a cell of several lines, each of which would be a row itself: a quote is left open, and rows are lost in the cell; close it, or double a quote that is part of the text";
        return Some(Problem::new("", Code::SwallowedRows, message));
    }
    let long = cells.iter().position(|cell| {
        let lines = memchr::memchr_iter(b'\n', cell.as_bytes()).count();
        lines > 1
            && !cell.contains("-----BEGIN")
            && (lines > 20 || cell.lines().skip(1).any(is_row))
    })?;
    let message = format!(
        "has a cell of many lines (cell {}); look whether a quote is left open there and rows are lost in it",
        long + 1
    );
    Some(Problem::new("", Code::MultilineCell, message))
}

/// The text of a record, if it is text that can be worked on.
fn text(raw: &[u8]) -> Result<&str, Problem> {
    if memchr(0, raw).is_some() {
        let message = "contains a NUL byte; the file is damaged or not text";
        return Err(Problem::new("", Code::NulByte, message));
    }
    // at the start of a file it is taken off: what a row is must not depend on where it stands
    if raw.starts_with("\u{feff}".as_bytes()) {
        let message =
            "begins with a byte order mark (U+FEFF), as where files were joined; remove it";
        return Err(Problem::new("", Code::Encoding, message));
    }
    if raw.len() > MAX_RECORD {
        return Err(broken(Code::FieldTooLong));
    }
    std::str::from_utf8(raw).map_err(|error| {
        let message = format!(
            "is not UTF-8 at byte {} of the row; if the file is Windows-1252 or Latin-1, convert it first (iconv -f WINDOWS-1252 -t UTF-8)",
            error.valid_up_to() + 1
        );
        Problem::new("", Code::Encoding, message)
    })
}

fn broken(code: Code) -> Problem {
    let message = match code {
        Code::UnclosedQuote => {
            "opens a quote that is never closed; close it, or double a quote that is part of the text"
                .to_owned()
        }
        _ => format!(
            "is longer than {} KiB; if it holds a quote, look whether it is closed",
            MAX_RECORD / 1024
        ),
    };
    Problem::new("", code, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::entry::Entry;
    use crate::input::fields::Field;
    use crate::input::mapping::Mapping;
    use crate::input::open::Format;
    use crate::json::NodeId;
    use crate::validate::check::RowChecker;
    use std::path::Path;
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
    fn what_a_row_gives_within_an_object_wins_over_a_constant() {
        let mapping = "[constants]\n\"data.key\" = \"k\"\n\"data.a.b\" = \"b\"\n[templates]\n\"data.c\" = \"{connector}\"";
        let mapping = Mapping::parse(mapping, std::path::Path::new("m.toml")).unwrap();
        let layout = Layout::of_json_lines(mapping);
        let text = r#"{"connector":"x","data":{"key":"own","a":{"b":"own"},"c":""}}"#;
        for_each_row(&block(text, 1), &layout, |_, row, problems| {
            assert_eq!(problems, []);
            assert!(row.unwrap().data.pieces.is_empty());
        });
    }

    #[test]
    fn what_is_given_by_its_path_brings_nothing_along() {
        let layout = Layout::of_json_lines(Mapping::default());
        let entry = serde_json::json!({"connector": "c", "versions": ["1.0"], "authType": "token",
            "service": {"id": "s", "name": "s", "version": 1},
            "environments": [{"id": "e", "title": "Live", "credentials": {"type": "object"}, "userData": {}}]});
        let entry = Entry::parse(&entry, Path::new("c.json")).unwrap();
        let catalog = Catalog::of(vec![entry]).unwrap();
        let text = r#"{"data.b":"2","data":{"a":"1"},"data.c":"3","formData.x":"4","externalUserId":"u","connector":"c","connectorVersion":"1.0"}"#;
        for_each_row(&block(text, 1), &layout, |_, row, mut problems| {
            let row = row.unwrap();
            let checked = RowChecker::new(&catalog).check(row, &mut problems);
            assert_eq!(problems, []);
            assert!(checked.is_some());
            let value = |object: Option<NodeId>| row.tree.to_value(object.unwrap());
            let all = serde_json::json!({"a": "1", "b": "2", "c": "3"});
            assert_eq!(value(row.data.whole), all);
            assert_eq!(value(row.form_data.whole), serde_json::json!({"x": "4"}));
        });
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
