//! Values that cannot be what was meant, or perhaps are not: what spreadsheets and exports leave behind.
//!
//! Only who and what a row is for (ids, names, credentials) is looked at. Nothing is altered, and no message quotes a
//! value. Almost every value is short, plain ASCII text, so each check begins with one look over its bytes.

use std::borrow::Cow;

use crate::catalog::schema::Schema;
use crate::input::fields::Field;
use crate::input::row::Row;
use crate::input::{is_space, trim};
use crate::issue::{Code, Problem};
use crate::json::{Kind, NodeId, Tree};

/// What exports and spreadsheets write where there is no value, or no value any more.
const PLACEHOLDERS: [&str; 22] = [
    "NULL",
    "null",
    "Null",
    "(null)",
    "<null>",
    "[NULL]",
    "\\N",
    "N/A",
    "n/a",
    "#N/A",
    "nan",
    "NaN",
    "None",
    "undefined",
    "#NAME?",
    "#REF!",
    "#VALUE!",
    "#DIV/0!",
    "#NUM!",
    "#NULL!",
    "#SPILL!",
    "#CALC!",
];

/// The fields that say who a row is for.
const IDENTITY: [Field; 5] = [
    Field::ExternalUserId,
    Field::UserName,
    Field::AuthName,
    Field::InstanceName,
    Field::AuthExternalId,
];

/// Looks at ids and names.
pub(super) fn check_identity(row: &Row<'_>, problems: &mut Vec<Problem>) {
    for field in IDENTITY {
        let Some(text) = row.text(field) else {
            continue;
        };
        if is_plain(text) && !may_be_wrong(text) {
            continue;
        }
        let id = matches!(field, Field::ExternalUserId | Field::AuthExternalId);
        if let Some((code, message)) = impossible(text, id) {
            problems.push(Problem::new(field.name(), code, message));
            continue;
        }
        if trim(text).contains(['\n', '\r', '\t']) {
            problems.push(Problem::new(field.name(), Code::LineBreak, LINE_BREAK));
        }
        if is_padded(text) {
            problems.push(padded(field.name()));
        }
    }
}

/// Looks at the credentials within an object of this path; `schema` says which of them are required.
pub(super) fn check_object(
    tree: &Tree<'_>,
    object: NodeId,
    path: &str,
    schema: Option<&Schema>,
    problems: &mut Vec<Problem>,
) {
    for child in tree.children(object) {
        match tree.kind(child) {
            Kind::Text(text) if is_plain(text) && !may_be_wrong(text) => {}
            Kind::Text(text) => {
                let name = tree.name(child);
                let required = schema.is_some_and(|schema| schema.requires(name));
                let field = || format!("{path}.{name}");
                check_secret(text, required, &field, problems);
            }
            Kind::Object(_) => {
                let path = format!("{path}.{}", tree.name(child));
                check_object(tree, child, &path, None, problems);
            }
            _ => {}
        }
    }
}

fn check_secret(
    text: &str,
    required: bool,
    field: &dyn Fn() -> String,
    problems: &mut Vec<Problem>,
) {
    let wrong = match required {
        true => impossible(text, false),
        false => masked(text).then_some((Code::PlaceholderValue, MASKED)),
    };
    if let Some((code, message)) = wrong {
        problems.push(Problem::new(field(), code, message));
        return;
    }
    let mut warn = |code, message: &str| problems.push(Problem::new(field(), code, message));
    let key = text.contains("-----BEGIN");
    if key && text.contains("\\n") {
        let message = "is a key in PEM form with \\n written out where its lines should end; most servers refuse it: give it with real line ends";
        warn(Code::EscapedLineBreak, message);
    }
    if text.contains(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}']) {
        let message = "holds curly quotes, as word processors put in; compare it with the original";
        warn(Code::CurlyQuote, message);
    }
    if !key && trim(text).contains(['\n', '\r', '\t']) {
        warn(Code::LineBreak, LINE_BREAK);
    }
    if !key && is_padded(text) {
        problems.push(padded(field()));
    }
}

const LINE_BREAK: &str = "holds a line break or a tab; compare it with the original";
const MASKED: &str = "is a row of mask characters instead of the value; export it unmasked";

fn padded(field: impl Into<Cow<'static, str>>) -> Problem {
    let message = "begins or ends with white space or an invisible character, which is kept; remove it if it is not meant";
    Problem::new(field, Code::SurroundingSpace, message)
}

/// Why a text cannot be an id (`id`), a name or a credential that is required.
fn impossible(text: &str, id: bool) -> Option<(Code, &'static str)> {
    let trimmed = trim(text);
    if trimmed.is_empty() {
        let message = "holds nothing but white space; give the value, or leave the row out";
        return Some((Code::BlankValue, message));
    }
    let spreadsheet = trimmed.starts_with("=\"") && trimmed.ends_with('"')
        || trimmed
            .strip_prefix('\'')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    if PLACEHOLDERS.contains(&trimmed) || spreadsheet {
        let message = "is what a database or spreadsheet writes in place of a value (NULL, N/A, #REF!, =\"…\"); give the value itself, or leave it empty where it may be";
        return Some((Code::PlaceholderValue, message));
    }
    if masked(trimmed) {
        return Some((Code::PlaceholderValue, MASKED));
    }
    if is_scientific(trimmed) {
        let message = "is a long number that a spreadsheet has rounded (such as 1.23E+17), so that its last digits are lost; export the column as text";
        return Some((Code::RoundedNumber, message));
    }
    let control = |c: char| c.is_control() && (id || !matches!(c, '\n' | '\r' | '\t'));
    if text.contains(control) {
        let message = "holds a control character; remove it";
        return Some((Code::ControlCharacter, message));
    }
    None
}

/// `********`, as a page or an export shows a password.
fn masked(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars
        .next()
        .filter(|c| matches!(c, '*' | '\u{2022}' | '\u{25cf}'));
    text.chars().count() >= 4 && first.is_some_and(|first| chars.all(|c| c == first))
}

/// `1.23457E+17`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once("E+").or_else(|| text.split_once("e+")) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mantissa = mantissa.trim_start_matches('-');
    let mantissa = match mantissa.split_once(['.', ',']) {
        Some((whole, rest)) => digits(whole) && digits(rest),
        None => digits(mantissa),
    };
    mantissa && digits(exponent)
}

/// Whether an id ends as a spreadsheet or a data frame writes a whole number: `1234.0`.
pub(super) fn is_decimal(id: &str) -> bool {
    let whole = id.strip_suffix(".0");
    whole.is_some_and(|whole| !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()))
}

/// An id without what people do not see or tell apart (case, white space, Unicode's forms of one letter); none where
/// it is that already.
pub(super) fn alike(id: &str) -> Option<String> {
    let same = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase();
    if id.bytes().all(same) {
        return None;
    }
    let visible: String = id.chars().filter(|c| !is_space(*c)).collect();
    let composed = icu_normalizer::ComposingNormalizerBorrowed::new_nfc();
    Some(composed.normalize(&visible).to_lowercase()).filter(|alike| alike != id)
}

fn is_padded(text: &str) -> bool {
    trim(text).len() < text.len()
}

/// Whether all of it is printable ASCII, with no white space around.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    // no early end: the compiler makes wide instructions of this
    let odd = bytes
        .iter()
        .fold(false, |odd, byte| odd | !(0x20..0x7f).contains(byte));
    !odd && bytes.first() != Some(&b' ') && bytes.last() != Some(&b' ')
}

/// Whether a plain text may be one of those that stand for another: short, or odd at one end.
fn may_be_wrong(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (first, last) = (bytes.first(), bytes.last());
    bytes.len() <= 9
        || matches!(first, Some(b'=' | b'*' | b'\'' | b'#'))
        || bytes.starts_with(b"-----BEGIN")
        || (last.is_some_and(u8::is_ascii_digit) && memchr::memchr2(b'E', b'e', bytes).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_told_from_what_is_odd() {
        let code = |text| impossible(text, true).map(|(code, _)| code);
        for text in [
            "NULL",
            "\\N",
            "#N/A",
            " nan ",
            "=\"00123\"",
            "'00124",
            "********",
            "\u{2022}\u{2022}\u{2022}\u{2022}",
        ] {
            assert_eq!(code(text), Some(Code::PlaceholderValue), "{text}");
        }
        for text in [" ", "\u{a0}", "\u{200b}", "\t"] {
            assert_eq!(code(text), Some(Code::BlankValue), "{text:?}");
        }
        for text in ["1.23457E+17", "1E+10", "-1,5e+12"] {
            assert_eq!(code(text), Some(Code::RoundedNumber), "{text}");
        }
        for text in ["a\tb", "a\u{1}b", "a\u{85}b"] {
            assert_eq!(code(text), Some(Code::ControlCharacter), "{text:?}");
        }
        for text in [
            "Nullarbor",
            "nancy",
            "C/N/A",
            "#1",
            "***",
            "1E17",
            "E+1",
            "O'Neil",
            "'tis",
            "M\u{fc}ller & Co",
        ] {
            assert_eq!(code(text), None, "{text}");
        }
        assert!(
            is_decimal("12.0") && !is_decimal("12.5") && !is_decimal(".0") && !is_decimal("v2.0")
        );
    }

    #[test]
    fn ids_are_alike_but_for_what_nobody_sees() {
        assert_eq!(alike("acme-1"), None);
        assert_eq!(alike("ACME 1").as_deref(), Some("acme1"));
        assert_eq!(alike("acme\u{200b}").as_deref(), Some("acme"));
        assert_eq!(alike("Mu\u{308}ller"), alike("m\u{fc}ller\u{a0}"));
        // a form of its own already
        assert_eq!(alike("m\u{fc}ller"), None);
    }
}
