//! The lines of a results file, as text.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::facts::Told;
use super::own;
use crate::model::{Id, Key, Progress, ROLLED_BACK, RowError, State, Step, Steps, user_digest};

/// One line of a row, as written and read. Unknown keys are passed over on reading.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a, T> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    row: u64,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    external_user_id: Cow<'a, str>,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authentication_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    created: Steps,
    #[serde(default, skip_serializing_if = "Steps::is_empty")]
    adopted: Steps,
    #[serde(default, skip_serializing_if = "Steps::is_empty")]
    lost: Steps,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Box<RowError>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<Box<str>>,
    at: T,
    /// Written by [`Told`] alone.
    #[serde(default, skip_serializing, borrow)]
    connector: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing, borrow)]
    connector_version: Option<Cow<'a, str>>,
}

/// A row's line, and what is told with it of the row's objects. Read again by [`super::facts`] and the report.
#[derive(Serialize)]
struct Telling<'a> {
    #[serde(flatten)]
    line: Line<'a, Timestamp>,
    #[serde(flatten)]
    told: Told<'a>,
}

/// Appends a row's line to `out`.
pub fn write_line(
    out: &mut Vec<u8>,
    row: u64,
    key: Key,
    external_user_id: &str,
    progress: &Progress,
    at: Timestamp,
) {
    append(out, &line(row, key, external_user_id, progress, at));
}

/// Appends a row's line that tells more than [`write_line`]'s.
pub fn write_telling_line(
    out: &mut Vec<u8>,
    (row, key): (u64, Key),
    external_user_id: &str,
    progress: &Progress,
    at: Timestamp,
    told: Told<'_>,
) {
    let line = line(row, key, external_user_id, progress, at);
    if told.connector.is_none() && told.authentication.is_none() && told.instance.is_none() {
        return append(out, &line);
    }
    append(out, &Telling { line, told });
}

fn append(out: &mut Vec<u8>, line: &impl Serialize) {
    // writing to memory, of types that always serialise
    if serde_json::to_writer(&mut *out, line).is_ok() {
        out.push(b'\n');
    }
}

fn line<'a>(
    row: u64,
    key: Key,
    external_user_id: &'a str,
    progress: &Progress,
    at: Timestamp,
) -> Line<'a, Timestamp> {
    Line {
        r#type: Cow::Borrowed("row"),
        row,
        key: Cow::Owned(key.to_string()),
        external_user_id: Cow::Borrowed(external_user_id),
        state: progress.state,
        step: progress.step,
        user_id: progress.user_id.clone(),
        authentication_id: progress.authentication_id.clone(),
        instance_id: progress.instance_id.clone(),
        enabled: progress.enabled,
        created: progress.created,
        adopted: progress.adopted,
        lost: progress.lost,
        attempts: progress.attempts,
        error: progress.error.clone(),
        why: progress.why.clone(),
        at,
        connector: None,
        connector_version: None,
    }
}

/// A row's line, read.
#[derive(Debug, PartialEq, Eq)]
pub struct RowLine {
    /// The row's number at the time.
    pub row: u64,
    /// The row's identity.
    pub key: Key,
    /// The digest of the row's end user.
    pub user: u128,
    /// What was known.
    pub progress: Progress,
    /// When.
    pub at: Timestamp,
    /// The connector and its version, where the line tells them.
    pub connector: Option<Box<(String, String)>>,
}

/// Reads a row's line.
///
/// # Errors
/// What is wrong with the line.
pub fn read_line(line: &[u8]) -> Result<RowLine, String> {
    let (key, mut line) = parse_line::<Timestamp>(line)?;
    let connector = line.connector.take().zip(line.connector_version.take());
    Ok(RowLine {
        row: line.row,
        key,
        user: user_digest(&line.external_user_id),
        at: line.at,
        connector: connector.map(|(name, version)| Box::new((name.into(), version.into()))),
        progress: line.into_progress(),
    })
}

/// What a row's line says of the row, and nothing else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change<N> {
    /// The row's number at the time.
    pub(super) row: u64,
    /// The row's identity.
    pub(super) key: Key,
    /// What was known.
    pub(super) progress: Progress,
    /// The `externalUserId`, or where it is kept.
    pub(super) name: N,
}

/// Reads a row's line, and goes on to make something of it only where its row is `wanted` or it takes back what
/// earlier lines said.
///
/// # Errors
/// What is wrong with the line, wanted or not.
pub(super) fn read_wanted_line(
    line: &[u8],
    wanted: impl FnOnce(Key) -> bool,
) -> Result<Option<Change<Cow<'_, str>>>, String> {
    let Some(own) = own::read(line) else {
        return read_any_line(line, wanted);
    };
    let counts = wanted(own.key) || own.takes_back();
    Ok(counts.then(|| Change {
        row: own.row,
        key: own.key,
        progress: own.progress(),
        name: Cow::Borrowed(own.external_user_id()),
    }))
}

/// [`read_wanted_line`] of a line that is spelled in some other way, by the parser that is the judge of all lines.
///
/// # Errors
/// What is wrong with the line, wanted or not.
#[cold]
pub(super) fn read_any_line(
    line: &[u8],
    wanted: impl FnOnce(Key) -> bool,
) -> Result<Option<Change<Cow<'_, str>>>, String> {
    let (key, mut line) = parse_line::<IgnoredAny>(line)?;
    let takes_back = !line.lost.is_empty() || line.why.as_deref() == Some(ROLLED_BACK);
    Ok((wanted(key) || takes_back).then(|| Change {
        row: line.row,
        key,
        name: std::mem::take(&mut line.external_user_id),
        progress: line.into_progress(),
    }))
}

fn parse_line<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<(Key, Line<'a, T>), String> {
    let line: Line<'a, T> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if line.r#type != "row" {
        return Err(format!("is of the unknown type \"{}\"", line.r#type));
    }
    let key = Key::parse(&line.key).ok_or("its key is not one of this tool's")?;
    Ok((key, line))
}

impl<T> Line<'_, T> {
    fn into_progress(self) -> Progress {
        Progress {
            state: self.state,
            step: self.step,
            user_id: self.user_id,
            authentication_id: self.authentication_id,
            instance_id: self.instance_id,
            enabled: self.enabled,
            created: self.created,
            adopted: self.adopted,
            lost: self.lost,
            attempts: self.attempts,
            error: self.error,
            why: self.why,
        }
    }
}

/// Of a row's line, only whose it is: its key, and its end user's `externalUserId`.
///
/// # Errors
/// What is wrong with the line.
pub fn read_names(line: &[u8]) -> Result<(Key, Cow<'_, str>), String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Names<'a> {
        #[serde(borrow)]
        key: Cow<'a, str>,
        #[serde(borrow)]
        external_user_id: Cow<'a, str>,
    }
    let names: Names<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let key = Key::parse(&names.key).ok_or("its key is not one of this tool's")?;
    Ok((key, names.external_user_id))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        write_line(
            &mut line,
            17,
            Key(5),
            "c-1",
            &progress,
            Timestamp::UNIX_EPOCH,
        );
        let text = std::str::from_utf8(&line).unwrap();
        assert!(text.contains("\"created\":[\"user\"]"), "{text}");
        let read = RowLine {
            row: 17,
            key: Key(5),
            user: user_digest("c-1"),
            progress,
            at: Timestamp::UNIX_EPOCH,
            connector: None,
        };
        assert_eq!(read_line(&line).unwrap(), read);
    }
}
