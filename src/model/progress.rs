//! How far a row is, and what is known of it: the vocabulary of results, reports and everything that acts on them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::code;

/// How far a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A creating call may be in flight, or may have happened.
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
        let uuid = uuid::Uuid::try_parse(text).ok();
        // only where it is written again to the letter
        let usual = uuid.filter(|id| *id.hyphenated().encode_lower(&mut [0; 36]) == *text);
        usual.map_or_else(|| Id::Text(text.into()), |id| Id::Uuid(id.into_bytes()))
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

impl RowError {
    /// Whether it left a creation at this step open, so that a retry has to ask before it sends.
    fn leaves_open(&self, step: Step) -> bool {
        self.leaves_ours(step) || self.step == step && self.code == code::AMBIGUOUS
    }

    /// Whether what a retry then finds was made by this batch. Of two of a kind nobody can say whose they are,
    /// so that what is left when somebody has removed the other counts as found: a rollback must not touch it.
    fn leaves_ours(&self, step: Step) -> bool {
        self.step == step && self.code == code::UNSETTLED
    }
}

/// All that is known of a row at one moment: one line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub state: State,
    /// The step that is done (`partial`, `done`), in flight (`sent`), or that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Id>,
    /// Whether the instance is enabled, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What this batch made.
    pub created: Steps,
    /// What this batch found.
    #[serde(default, skip_serializing_if = "Steps::is_empty")]
    pub adopted: Steps,
    /// What Tray has lost since and is to be made again: `verify --fix` found it missing. An authentication
    /// stays lost until its new one is in the instance's slot.
    #[serde(default, skip_serializing_if = "Steps::is_empty")]
    pub lost: Steps,
    /// Calls made for the row, over all runs.
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<RowError>>,
    /// Why it is held, or [`ROLLED_BACK`], or [`REOPENED`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Box<str>>,
}

/// The `why` of a `partial` row some of whose things were rolled back: it knows only what still stands.
pub const ROLLED_BACK: &str = "removed by rollback";

/// The `why` of a `sent` row whose last line in the results is damaged.
const REOPENED: &str = "its line in the results file is damaged";

/// Of what is known of a row, what decides what a run does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: State,
    pub step: Option<Step>,
    pub enabled: Option<bool>,
}

impl Progress {
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            step: self.step,
            enabled: self.enabled,
        }
    }

    /// Of a row whose last line is damaged: what was done after the line before it is not known any more, so
    /// Tray is asked before anything is sent. What turns up is not known to be this batch's.
    pub fn reopen(&mut self) {
        if self.state == State::Sent {
            return;
        }
        let step = match (self.state, self.last_done()) {
            (State::Done, Some(_)) => self.step.unwrap_or(Step::Enable),
            (_, None) => Step::User,
            (_, Some(Step::User)) => Step::Authentication,
            (_, Some(Step::Authentication)) => Step::Instance,
            (_, Some(Step::Instance | Step::Enable)) => Step::Enable,
        };
        self.enter(State::Sent, Some(step));
        self.why = Some(REOPENED.into());
    }

    /// Whether this is what a rollback left.
    pub fn is_rolled_back(&self) -> bool {
        self.state == State::Partial && self.why.as_deref() == Some(ROLLED_BACK)
    }

    /// Whether this takes back what was known before.
    pub fn takes_back(&self) -> bool {
        !self.lost.is_empty() || self.why.as_deref() == Some(ROLLED_BACK)
    }

    /// Whether a creation of this step may have happened without the results knowing its outcome.
    pub fn is_open(&self, step: Step) -> bool {
        match self.state {
            State::Sent => self.step == Some(step),
            State::Failed => self.error.as_ref().is_some_and(|e| e.leaves_open(step)),
            _ => false,
        }
    }

    /// Whether what turns up where a creation of this step is open was made by this batch.
    pub fn is_ours(&self, step: Step) -> bool {
        match self.state {
            State::Sent => self.step == Some(step) && self.why.is_none(),
            State::Failed => self.error.as_ref().is_some_and(|e| e.leaves_ours(step)),
            _ => false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
