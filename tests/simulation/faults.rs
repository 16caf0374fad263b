//! What networks and gateways do to requests.

use std::time::Duration;

use crate::answers::{self, Answer};

/// How much goes wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    /// The share of calls that meet a fault.
    pub(crate) share: f64,
    /// Which faults; each as likely as the others.
    pub(crate) kinds: Vec<Fault>,
    /// The longest way of a request or an answer, in milliseconds.
    pub(crate) transit: u64,
    /// How long the tool waits for an answer that does not come.
    pub(crate) hang: Duration,
    /// How long after its answer a late commit happens, at most.
    pub(crate) late_by: Duration,
}

macro_rules! faults {
    ($($variant:ident = $name:literal,)+) => {
        /// One way in which a call goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($variant,)+ }

        impl Fault {
            pub(crate) const ALL: &[Fault] = &[$(Fault::$variant,)+];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name,)+ }
            }
        }
    };
}

faults! {
    Refused = "connection refused",
    DropBefore = "drop, not executed",
    DropAfter = "drop, executed",
    Status500Before = "500, not executed",
    Status500After = "500, executed",
    Status502Before = "502, not executed",
    Status502After = "502, executed",
    Status504Before = "504, not executed",
    Status504After = "504, executed",
    HangBefore = "hang, not executed",
    HangAfter = "hang, executed",
    Truncated = "truncated body",
    Garbage = "garbage body",
    LateCommit = "late commit",
    InternalBefore = "internal error in 200, not executed",
    InternalAfter = "internal error in 200, executed",
    InsideAfter = "error inside the payload, executed",
    NoData = "neither data nor errors, executed",
    Throttle = "throttled",
}

impl Fault {
    /// Whether Tray executes the call, at once or late.
    pub(crate) fn executes(self) -> bool {
        use Fault::*;
        matches!(
            self,
            DropAfter
                | Status500After
                | Status502After
                | Status504After
                | HangAfter
                | Truncated
                | Garbage
                | LateCommit
                | InternalAfter
                | InsideAfter
                | NoData
        )
    }

    /// Whether the tool waits until its patience ends.
    pub(crate) fn hangs(self) -> bool {
        matches!(self, Fault::HangBefore | Fault::HangAfter)
    }

    /// What the tool gets to see instead of `answer`.
    pub(crate) fn shows(self, operation: &str, answer: Option<Answer>) -> Option<Answer> {
        use Fault::*;
        let gateway = |status, text| Some(answers::message(status, text));
        match self {
            Refused | DropBefore | DropAfter | HangBefore | HangAfter | Throttle => None,
            Status500Before | Status500After => gateway(500, "Internal server error"),
            Status502Before | Status502After => gateway(502, "Internal server error"),
            Status504Before | Status504After | LateCommit => {
                gateway(504, "Endpoint request timed out")
            }
            Truncated => answer.map(Answer::cut),
            Garbage => Some(Answer::raw(b"<html><body>upstream connect error".to_vec())),
            InternalBefore | InternalAfter => Some(answers::field_error(
                operation,
                "Something went wrong",
                "INTERNAL_SERVER_ERROR",
            )),
            InsideAfter => Some(answers::inside_error(operation)),
            NoData => Some(Answer::raw(b"{\"data\":null}".to_vec())),
        }
    }
}

/// The fault of the next call, if it meets one.
pub(crate) fn draw(rates: &Rates, rng: &mut fastrand::Rng, operation: &str) -> Option<Fault> {
    let hit = rng.f64() < rates.share;
    if !hit || rates.kinds.is_empty() {
        return None;
    }
    let fault = rates.kinds[rng.usize(..rates.kinds.len())];
    // a read has nothing to commit
    let reads = operation == "users" || operation.starts_with("viewer");
    match fault {
        Fault::LateCommit if reads => Some(Fault::Status504Before),
        fault => Some(fault),
    }
}
