//! From a block to its rows.

use std::borrow::Cow;

use memchr::memchr;

use super::blocks::Block;
pub use super::cut::{At, Cells};
use super::cut::{Records, trimmed};
use super::fields::{Target, Texts};
use super::layout::Layout;
use super::open::Format;
use super::row::Row;
use super::shapes::Shapes;
use crate::issue::{Code, Problem};

/// Who takes the records of a block.
pub trait Taker<'b> {
    /// The keys of JSON Lines under which the cells stand that come from now on.
    fn keys(&mut self, shapes: &Shapes);

    /// The cells of a record: of a CSV, as many as the header has. Whether it is dealt with; if not, it comes once
    /// more as a row.
    fn cells(&mut self, at: &At, cells: Cells<'_, 'b>) -> bool;

    /// A record: the row (none where it could not be read at all), and what is wrong with it so far.
    fn row(&mut self, at: At, row: Option<&mut Row<'b>>, problems: Vec<Problem>);
}

/// Takes every record as a row.
struct Rows<F>(F);

impl<'b, F: FnMut(At, Option<&mut Row<'b>>, Vec<Problem>)> Taker<'b> for Rows<F> {
    fn keys(&mut self, _: &Shapes) {}

    fn cells(&mut self, _: &At, _: Cells<'_, 'b>) -> bool {
        false
    }

    fn row(&mut self, at: At, row: Option<&mut Row<'b>>, problems: Vec<Problem>) {
        (self.0)(at, row, problems);
    }
}

/// Calls `each` with every record of the block, in order: where it stands, the row (none where it could not
/// be read at all), and what is wrong with it so far. Blank lines are no records. All rows are one in memory.
pub fn for_each_row<'b>(
    block: &'b Block,
    layout: &'b Layout,
    each: impl FnMut(At, Option<&mut Row<'b>>, Vec<Problem>),
) {
    take_records(block, layout, None, &mut Rows(each));
}

/// Has `taker` take every record of the block, in order. Blank lines are no records. Lines of known `shapes` come as
/// cells, and more shapes are learnt.
pub fn take_records<'b>(
    block: &'b Block,
    layout: &'b Layout,
    shapes: Option<&mut Shapes>,
    taker: &mut impl Taker<'b>,
) {
    if let Some(code) = block.broken {
        let at = At {
            line: block.line,
            bytes: 0..trimmed(&block.bytes, 0, block.bytes.len()),
        };
        taker.row(at, None, vec![broken_problem(code)]);
        return;
    }
    match layout.format {
        Format::Csv | Format::Tsv => csv_rows(block, layout, taker),
        Format::Jsonl => super::lines::json_rows(block, layout, shapes, taker),
    }
}

fn csv_rows<'b>(block: &'b Block, layout: &'b Layout, taker: &mut impl Taker<'b>) {
    let mut row = Row::default();
    let mut records = Records::new(&block.bytes, layout.format, block.line);
    let readable = records.is_text() && memchr(0, &block.bytes).is_none();
    while let Some((at, cells)) = records.next_record() {
        let raw = &block.bytes[at.bytes.clone()];
        let mut problems = Vec::new();
        problems.extend(unreadable(raw, readable));
        let cells =
            cells.filter(|cells| problems.is_empty() && fits(cells.count(), layout, &mut problems));
        if cells.is_some_and(|cells| taker.cells(&at, cells)) {
            continue;
        }
        row.clear();
        let row = cells.map(|cells| {
            csv_row(&mut row, cells, layout, &mut problems);
            &mut row
        });
        taker.row(at, row, problems);
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
    cells: Cells<'_, 'b>,
    layout: &'b Layout,
    problems: &mut Vec<Problem>,
) {
    for (column, target) in layout.columns.iter().enumerate() {
        if let Some(target) = target
            && let Some(cell) = cells.get(column)
        {
            row.put_text(target, cell, problems);
        }
    }
    fill_up(row, layout, problems, |name| {
        layout.column(name).and_then(|column| cells.text(column))
    });
}

/// Constants and templates, for what the row itself leaves empty.
pub(super) fn fill_up<'a, 's>(
    row: &mut Row<'a>,
    layout: &'a Layout,
    problems: &mut Vec<Problem>,
    source: impl Fn(&str) -> Option<&'s str>,
) {
    for (target, text) in &layout.mapping.constants {
        if !row.gives(target) {
            row.put_text(target, Cow::Borrowed(text), problems);
        }
    }
    for (target, template) in &layout.mapping.templates {
        if row.gives(target) {
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

/// `readable`: the whole block is known to be text without a NUL.
pub(super) fn unreadable(raw: &[u8], readable: bool) -> Option<Problem> {
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
    use crate::catalog::Catalog;
    use crate::catalog::entry::Entry;
    use crate::input::fields::Field;
    use crate::input::mapping::Mapping;
    use crate::json::Place;
    use crate::validate::check::{Entries, check};
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
            let checked = check(&mut Entries::new(&catalog), row, &mut problems);
            assert_eq!(problems, []);
            assert!(checked.is_some());
            let value = |object: Option<Place>| row.tree.to_value(object.unwrap());
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
