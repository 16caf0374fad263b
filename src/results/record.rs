//! The lines of a results file.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::facts::Told;
use crate::validate::identity::{Key, user_digest};

/// The version of the format that this tool writes. It reads no other.
pub const VERSION: u32 = 1;

/// How far a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A creating call may be under way, or may have happened.
    Sent,
    /// A step is done and more are to come.
    Partial,
    /// Everything that was asked for is there.
    Done,
    /// A step failed for good; `--retry-failed` tries again.
    Failed,
    /// The row's instance cannot be completed; the reason names the row at fault.
    Held,
}

impl State {
    /// Every state, in the order of a row's life.
    pub const ALL: [State; 5] = [
        State::Sent,
        State::Partial,
        State::Done,
        State::Failed,
        State::Held,
    ];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Sent => "sent",
            State::Partial => "partial",
            State::Done => "done",
            State::Failed => "failed",
            State::Held => "held",
        })
    }
}

/// The steps of a row, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The Tray end user.
    User,
    /// The authentication.
    Authentication,
    /// The solution instance.
    Instance,
    /// Enabling the instance.
    Enable,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Step; 4] = [
        Step::User,
        Step::Authentication,
        Step::Instance,
        Step::Enable,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::User => "user",
            Step::Authentication => "authentication",
            Step::Instance => "instance",
            Step::Enable => "enable",
        })
    }
}

/// A set of steps: what was created, or what was adopted, for a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps(u8);

impl Steps {
    /// Adds a step.
    pub fn add(&mut self, step: Step) {
        self.0 |= 1 << step as u8;
    }

    /// Takes a step out.
    pub fn remove(&mut self, step: Step) {
        self.0 &= !(1 << step as u8);
    }

    /// Whether the step is in the set.
    pub fn has(self, step: Step) -> bool {
        self.0 & (1 << step as u8) != 0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

impl From<Vec<Step>> for Steps {
    fn from(list: Vec<Step>) -> Steps {
        let mut steps = Steps::default();
        list.into_iter().for_each(|step| steps.add(step));
        steps
    }
}

impl Serialize for Steps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(Step::ALL.into_iter().filter(|step| self.has(*step)))
    }
}

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Steps, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Steps;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of steps")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Steps, A::Error> {
                let mut steps = Steps::default();
                while let Some(step) = list.next_element()? {
                    steps.add(step);
                }
                Ok(steps)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// An id that Tray gave. UUIDs, which all of Tray's ids in the documentation are, take 16 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A UUID in its usual form.
    Uuid([u8; 16]),
    /// Anything else, kept to the letter.
    Text(Box<str>),
}

impl Id {
    /// The id as Tray wrote it.
    pub fn new(text: &str) -> Id {
        match uuid::Uuid::parse_str(text) {
            Ok(uuid) if uuid.hyphenated().encode_lower(&mut [0; 36]) == text => {
                Id::Uuid(uuid.into_bytes())
            }
            _ => Id::Text(text.into()),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).hyphenated().fmt(f),
            Id::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id")
            }

            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id::new(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Why a row failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// A stable code; `docs/troubleshooting.md` has them all.
    pub code: Cow<'static, str>,
    /// What happened and what to do, without secrets.
    pub message: String,
    /// The step that failed.
    pub step: Step,
    /// Whether trying again may help without anything being changed first.
    pub retryable: bool,
}

/// All that is known of a row at one moment: one line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The row's state.
    pub state: State,
    /// The step that is done (`partial`, `done`), under way (`sent`), or that failed.
    pub step: Option<Step>,
    /// The Tray end user.
    pub user_id: Option<Id>,
    /// The authentication.
    pub authentication_id: Option<Id>,
    /// The solution instance.
    pub instance_id: Option<Id>,
    /// Whether the instance is enabled, once that is known.
    pub enabled: Option<bool>,
    /// What this batch made.
    pub created: Steps,
    /// What this batch found.
    pub adopted: Steps,
    /// What Tray has lost since and is to be made again: `verify --fix` found it missing. An authentication
    /// stays lost until its new one is in the instance's slot.
    pub lost: Steps,
    /// Calls made for the row, over all runs.
    pub attempts: u32,
    /// Why it failed.
    pub error: Option<Box<RowError>>,
    /// Why it is held, or [`ROLLED_BACK`].
    pub why: Option<Box<str>>,
}

/// The `why` of a `partial` row some of whose things were taken back: it knows only what still stands.
pub const ROLLED_BACK: &str = "removed by rollback";

impl Progress {
    /// Whether this is what a rollback left.
    pub fn is_rolled_back(&self) -> bool {
        self.state == State::Partial && self.why.as_deref() == Some(ROLLED_BACK)
    }

    /// The last step whose id is known.
    pub fn last_done(&self) -> Option<Step> {
        if self.instance_id.is_some() {
            Some(Step::Instance)
        } else if self.authentication_id.is_some() {
            Some(Step::Authentication)
        } else {
            self.user_id.as_ref().map(|_| Step::User)
        }
    }

    /// Moves to a state at a step; why it failed or was held before does not matter any more.
    pub fn enter(&mut self, state: State, step: Option<Step>) {
        self.state = state;
        self.step = step;
        self.error = None;
        self.why = None;
    }

    /// A row for which nothing has been done.
    pub fn none() -> Progress {
        Progress {
            state: State::Partial,
            step: None,
            user_id: None,
            authentication_id: None,
            instance_id: None,
            enabled: None,
            created: Steps::default(),
            adopted: Steps::default(),
            lost: Steps::default(),
            attempts: 0,
            error: None,
            why: None,
        }
    }
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Always `batch`.
    pub r#type: String,
    /// [`VERSION`].
    pub version: u32,
    /// A name for the batch, unique and sortable by time.
    pub batch_id: String,
    /// The GraphQL endpoint that the batch was made with: ids of another mean nothing there.
    pub endpoint: String,
    /// When the file was created.
    pub created_at: Timestamp,
    /// The tool and version that created it.
    pub tool: String,
}

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

/// A row's line, read. `T`: when it was written, or nothing where nobody asks.
#[derive(Debug, PartialEq, Eq)]
pub struct RowLine<T = Timestamp> {
    /// The row's number at the time.
    pub row: u64,
    /// The row's identity.
    pub key: Key,
    /// The digest of the row's end user.
    pub user: u128,
    /// What was known.
    pub progress: Progress,
    /// When.
    pub at: T,
    /// The connector and its version, where the line tells them.
    pub connector: Option<Box<(String, String)>>,
}

/// Reads a row's line.
///
/// # Errors
/// What is wrong with the line.
pub fn read_line(line: &[u8]) -> Result<RowLine, String> {
    parse_line(line).map(|(key, line)| row_line(key, line))
}

/// Reads a row's line, and goes on to make something of it only where its row is `wanted` or it takes back what
/// earlier lines said.
///
/// # Errors
/// What is wrong with the line, wanted or not.
pub fn read_wanted_line(
    line: &[u8],
    wanted: impl FnOnce(Key) -> bool,
) -> Result<Option<RowLine<IgnoredAny>>, String> {
    let (key, line) = parse_line(line)?;
    let takes_back = !line.lost.is_empty() || line.why.as_deref() == Some(ROLLED_BACK);
    Ok((wanted(key) || takes_back).then(|| row_line(key, line)))
}

fn parse_line<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<(Key, Line<'a, T>), String> {
    let line: Line<'a, T> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if line.r#type != "row" {
        return Err(format!("is of the unknown type \"{}\"", line.r#type));
    }
    let key = Key::parse(&line.key).ok_or("its key is not one of this tool's")?;
    Ok((key, line))
}

fn row_line<T>(key: Key, line: Line<'_, T>) -> RowLine<T> {
    let connector = line.connector.zip(line.connector_version);
    RowLine {
        row: line.row,
        key,
        user: user_digest(&line.external_user_id),
        progress: Progress {
            state: line.state,
            step: line.step,
            user_id: line.user_id,
            authentication_id: line.authentication_id,
            instance_id: line.instance_id,
            enabled: line.enabled,
            created: line.created,
            adopted: line.adopted,
            lost: line.lost,
            attempts: line.attempts,
            error: line.error,
            why: line.why,
        },
        at: line.at,
        connector: connector.map(|(name, version)| Box::new((name.into(), version.into()))),
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

    #[test]
    fn ids_keep_their_letters() {
        for text in [
            "13b3ab9c-e222-4739-a69b-c4dd07fbbfa4",
            "13B3AB9C-E222-4739-A69B-C4DD07FBBFA4",
            "13b3ab9ce2224739a69bc4dd07fbbfa4",
            "x",
        ] {
            assert_eq!(Id::new(text).to_string(), text);
        }
    }
}
