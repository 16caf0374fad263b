//! Files of customers: formats, compression, positions, and the mapping onto the contract's fields.
//!
//! The way in: [`open`](open::open) undoes the compression and settles the format, [`blocks`] cuts the
//! stream at record boundaries without parsing it, [`layout`] decides once per file what each column
//! means, and [`records`] turns a block into [`Row`](row::Row)s that borrow from it, by way of `cells` or `lines`.
//!
//! Nothing here knows Tray, schemas or results: a [`Row`](row::Row) says what the file says, in the
//! contract's names, and no more.

pub mod blocks;
mod cells;
pub mod columns;
pub mod fields;
pub mod layout;
mod lines;
pub mod mapping;
pub mod open;
pub mod records;
pub mod row;

/// What is wrong with a TOML text, and on which line; the line itself is not shown, since it may hold a
/// secret constant.
pub fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text
        .as_bytes()
        .iter()
        .take(start)
        .filter(|b| **b == b'\n')
        .count()
        + 1;
    // what stands before the `=` is a name, and may be said
    let of_line = text.lines().nth(line - 1).unwrap_or_default();
    let key = of_line.split_once('=').map(|(key, _)| key.trim());
    let key = key.map_or_else(String::new, |key| format!(", {key}"));
    format!("line {line}{key}: {}", error.message())
}

/// The most bytes one record may have. A longer one is reported, not read: it is far beyond what Tray's
/// gateway would take, and almost always a quote that was never closed.
pub const MAX_RECORD: usize = 1024 * 1024;

/// White space, also of the kinds that nobody sees.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{00ad}'
        )
}

/// The text without white space around it, visible or not.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}
