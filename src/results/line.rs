//! The lines of a row, as text.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, RowFacts, parse};
use crate::model::{Key, Progress};

/// Appends a row's line to `out`; what is recorded besides the row's progress stands behind it.
pub fn write_line(
    out: &mut Vec<u8>,
    (row, key): (u64, Key),
    external_user_id: &str,
    progress: &Progress,
    at: Timestamp,
    facts: Facts<'_>,
) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Line<'a> {
        r#type: &'static str,
        row: u64,
        key: String,
        external_user_id: &'a str,
        #[serde(flatten)]
        progress: &'a Progress,
        at: Timestamp,
        #[serde(flatten)]
        facts: Facts<'a>,
    }
    let line = Line {
        r#type: "row",
        row,
        key: key.to_string(),
        external_user_id,
        progress,
        at,
        facts,
    };
    // writing to memory, of types that always serialise
    if serde_json::to_writer(&mut *out, &line).is_ok() {
        out.push(b'\n');
    }
}

/// A row's line, read: its place in the input at the time, who it is, and all that was known of it.
#[derive(Debug, PartialEq, Eq)]
pub struct RowLine<'a> {
    pub row: u64,
    pub key: Key,
    pub external_user_id: Cow<'a, str>,
    pub progress: Progress,
}

/// Reads a row's line. Keys that this version does not know are passed over.
///
/// # Errors
/// What is wrong with the line.
pub fn read_line(line: &[u8]) -> Result<RowLine<'_>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Names<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
        row: u64,
        #[serde(borrow)]
        key: Cow<'a, str>,
        #[serde(borrow)]
        external_user_id: Cow<'a, str>,
    }
    let names: Names<'_> = parse(line)?;
    if names.r#type != "row" {
        return Err(format!("is of the unknown type \"{}\"", names.r#type));
    }
    Ok(RowLine {
        row: names.row,
        key: Key::parse(&names.key).ok_or("its key is not one of this tool's")?,
        external_user_id: names.external_user_id,
        progress: parse(line)?,
    })
}

/// The key of a row's line as this tool writes it; none where it is spelled in some other way.
pub(super) fn key_of(line: &[u8]) -> Option<Key> {
    let rest = line.strip_prefix(br#"{"type":"row","row":"#)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = rest[digits..].strip_prefix(br#","key":""#)?;
    Key::parse(std::str::from_utf8(rest.get(..32)?).ok()?)
}

/// When a row's line was written, and the facts that it records.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn read_facts(line: &[u8]) -> Result<(Timestamp, RowFacts), String> {
    #[derive(Deserialize)]
    struct At {
        at: Timestamp,
    }
    Ok((parse::<At>(line)?.at, RowFacts::read(line)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Id, RowError, State, Step};

    #[test]
    fn lines_read_back() {
        let mut progress = Progress::none();
        progress.state = State::Failed;
        progress.step = Some(Step::Instance);
        progress.user_id = Some(Id::new("13b3ab9c-e222-4739-a69b-c4dd07fbbfa4"));
        progress.authentication_id = Some(Id::new("not-a-uuid"));
        progress.created.add(Step::User);
        progress.adopted.add(Step::Authentication);
        progress.attempts = 4;
        progress.error = Some(Box::new(RowError {
            code: "refused".into(),
            message: "no \"quotes\"".into(),
            step: Step::Instance,
            retryable: false,
        }));
        let mut line = Vec::new();
        let at = Timestamp::UNIX_EPOCH;
        write_line(
            &mut line,
            (17, Key(5)),
            "c-1",
            &progress,
            at,
            Facts::default(),
        );
        let text = std::str::from_utf8(&line).unwrap();
        assert!(text.contains("\"created\":[\"user\"]"), "{text}");
        assert_eq!(key_of(&line), Some(Key(5)));
        let read = RowLine {
            row: 17,
            key: Key(5),
            external_user_id: "c-1".into(),
            progress,
        };
        assert_eq!(read_line(&line).unwrap(), read);
    }
}
