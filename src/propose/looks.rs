//! What kind of thing a column holds, told without showing any of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::sample::Column;
use crate::input::row::parse_bool;

/// What the column looks like, for a comment: kind, length, how many are empty. Never a value.
pub fn describe(column: &Column, rows: usize) -> String {
    let filled = column.values.len();
    if filled == 0 {
        return format!("empty in the first {rows} rows");
    }
    let mut parts = vec![kind(column)];
    let distinct: BTreeSet<String> = column
        .values
        .iter()
        .map(|value| value.0.to_string())
        .collect();
    if filled > 1 && distinct.len() == 1 {
        parts.push("always the same".to_owned());
    } else if filled > 1 && distinct.len() == filled {
        parts.push("never the same".to_owned());
    }
    if filled < rows {
        parts.push(format!("{} of {rows} empty", rows - filled));
    }
    parts.join(", ")
}

fn kind(column: &Column) -> String {
    let texts: Vec<&str> = column.texts().collect();
    if texts.len() < column.values.len() {
        let mut kinds: Vec<&str> = column
            .values
            .iter()
            .map(|value| of_json(&value.0))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        return kinds.join(" or ");
    }
    let all = |is: fn(&str) -> bool| texts.iter().all(|text| is(text));
    let lengths = || {
        let lengths = texts.iter().map(|text| text.chars().count());
        match (
            lengths.clone().min().unwrap_or(0),
            lengths.max().unwrap_or(0),
        ) {
            (least, most) if least == most => format!("of {most}"),
            (least, most) => format!("of {least} to {most}"),
        }
    };
    if all(|text| parse_bool(text).is_some()) {
        "true or false".to_owned()
    } else if all(is_digits) {
        format!("whole numbers {} digits", lengths())
    } else if all(|text| text.parse::<f64>().is_ok()) {
        "numbers".to_owned()
    } else if all(is_uuid) {
        "UUIDs".to_owned()
    } else if all(is_email) {
        "e-mail addresses".to_owned()
    } else if all(|text| text.starts_with("https://") || text.starts_with("http://")) {
        "URLs".to_owned()
    } else if all(is_date) {
        "dates".to_owned()
    } else if all(|text| text.starts_with('{') && text.ends_with('}')) {
        "JSON objects".to_owned()
    } else {
        format!("text {} characters", lengths())
    }
}

fn of_json(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "numbers",
        Value::String(_) => "text",
        Value::Array(_) => "lists",
        Value::Object(_) => "objects",
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !text.contains(char::is_whitespace)
    })
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn is_date(text: &str) -> bool {
    let day = text.get(..10);
    day.is_some_and(|day| {
        let parts: Vec<&str> = day.split(['-', '/', '.']).collect();
        let mut lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        lengths.sort_unstable();
        lengths == [2, 2, 4] && parts.iter().all(|part| is_digits(part))
    })
}
