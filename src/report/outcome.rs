//! How a batch stands, in one sentence, and what to do next.

use super::history::History;
use super::summary::{count_of_rows, thousands};
use crate::model::State;

/// Rows by state, and those that nobody has begun.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    states: Vec<(State, u64)>,
    /// Rows of the last run's input of which the results hold nothing, invalid ones aside.
    pub not_begun: u64,
    /// Rows of the last run's input that are invalid.
    pub invalid: u64,
}

/// One part of the whole.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The state's name.
    pub name: &'static str,
    /// What it means, after a number.
    pub words: &'static str,
    /// How many rows.
    pub rows: u64,
}

impl Counts {
    /// Of a batch.
    pub fn of(history: &History) -> Counts {
        let states: Vec<_> = history.states.iter().map(|(s, n)| (*s, *n)).collect();
        let known: u64 = states.iter().map(|(_, rows)| rows).sum();
        let last = history.runs.last();
        let invalid = last.map_or(0, |run| run.invalid);
        let valid = last.map_or(0, |run| run.rows.saturating_sub(run.invalid));
        Counts {
            states,
            not_begun: valid.saturating_sub(known),
            invalid,
        }
    }

    /// Rows in a state.
    pub fn of_state(&self, state: State) -> u64 {
        let found = self.states.iter().find(|(own, _)| *own == state);
        found.map_or(0, |(_, rows)| *rows)
    }

    /// All rows: those that the results know, and those that have not been begun.
    pub fn total(&self) -> u64 {
        let known: u64 = self.states.iter().map(|(_, rows)| rows).sum();
        known + self.not_begun
    }

    /// All of it, in the order in which it is shown.
    pub fn parts(&self) -> Vec<Part> {
        let part = |name, words, rows| Part { name, words, rows };
        let of = |state| self.of_state(state);
        vec![
            part("done", "done", of(State::Done)),
            part("failed", "failed", of(State::Failed)),
            part("held", "blocked by others", of(State::Held)),
            part("partial", "in progress", of(State::Partial)),
            part("sent", "with a call of unknown outcome", of(State::Sent)),
            part("waiting", "not begun", self.not_begun),
        ]
    }
}

/// The outcome in one sentence.
pub fn outcome(counts: &Counts) -> String {
    let (total, done) = (counts.total(), counts.of_state(State::Done));
    if total == 0 {
        return "No row has been begun yet.".to_owned();
    }
    if done == total {
        return match total {
            1 => "The one row is done.".to_owned(),
            _ => format!("All {} rows are done.", thousands(total)),
        };
    }
    let one = |rows: u64, one: &str, many: &str| match rows {
        1 => format!("1 {one}"),
        rows => format!("{} {many}", thousands(rows)),
    };
    let mut rest = Vec::new();
    let mut count = |state: State, singular: &str, plural: &str| {
        let rows = counts.of_state(state);
        if rows > 0 {
            rest.push(one(rows, singular, plural));
        }
    };
    count(State::Failed, "failed", "failed");
    count(
        State::Held,
        "is blocked by another",
        "are blocked by others",
    );
    count(State::Partial, "is in progress", "are in progress");
    count(
        State::Sent,
        "has a call of unknown outcome",
        "have a call of unknown outcome",
    );
    if counts.not_begun > 0 {
        rest.push(one(
            counts.not_begun,
            "has not been begun",
            "have not been begun",
        ));
    }
    let rest = match rest.as_slice() {
        [] => String::new(),
        [only] => format!("; {only}"),
        [first @ .., last] => format!("; {} and {last}", first.join(", ")),
    };
    let verb = if done == 1 { "is" } else { "are" };
    format!(
        "{} of {} rows {verb} done{rest}.",
        if done == 0 {
            "None".to_owned()
        } else {
            thousands(done)
        },
        thousands(total)
    )
}

/// What to do next, a sentence each; most urgent first.
pub fn next(history: &History, counts: &Counts) -> Vec<String> {
    let mut next = Vec::new();
    let of = |state| counts.of_state(state);
    let open = of(State::Sent) + of(State::Partial) + counts.not_begun;
    let until = history
        .runs
        .last()
        .and_then(|run| run.settings.get("until"))
        .and_then(|until| until.as_str());
    if let Some(until) = until.filter(|_| of(State::Sent) + counts.not_begun == 0 && open > 0) {
        next.push(format!(
            "The last run was asked to stop after the step {until}. The same command without --until takes the rows further."
        ));
    } else if open > 0 {
        next.push(
            "The same import command, with the same results file, goes on from here; nothing is created twice."
                .to_owned(),
        );
    }
    if of(State::Failed) > 0 {
        next.push(
            "See below what did not get through and why. Failed rows are left alone until the import is run with --retry-failed."
                .to_owned(),
        );
    }
    if counts.invalid > 0 {
        let were = if counts.invalid == 1 { "was" } else { "were" };
        next.push(format!(
            "{} of the input {were} left out as invalid: tray-import validate lists them.",
            count_of_rows(counts.invalid)
        ));
    }
    let header = history.header.as_ref();
    let rehearsal = header.is_some_and(|header| !header.endpoint.contains("://"));
    if counts.total() > 0 && next.is_empty() && rehearsal {
        next.push(
            "This was a rehearsal: nothing was sent to Tray. Next: the same import without --sandbox, with a results file of its own; first with --dry-run, then with --limit 10."
                .to_owned(),
        );
    } else if counts.total() > 0 && next.is_empty() {
        next.push(
            "Next: tray-import verify compares Tray with the results, tray-import export writes the ids for your own database."
                .to_owned(),
        );
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(states: &[(State, u64)], not_begun: u64) -> Counts {
        Counts {
            states: states.to_vec(),
            not_begun,
            invalid: 0,
        }
    }

    #[test]
    fn one_sentence_says_it_all() {
        for (states, not_begun, sentence) in [
            (&[][..], 0, "No row has been begun yet."),
            (&[(State::Done, 1)], 0, "The one row is done."),
            (&[(State::Done, 5_000)], 0, "All 5,000 rows are done."),
            (
                &[(State::Done, 4_988), (State::Failed, 9), (State::Held, 3)],
                0,
                "4,988 of 5,000 rows are done; 9 failed and 3 are blocked by others.",
            ),
            (
                &[(State::Sent, 1), (State::Partial, 1)],
                8,
                "None of 10 rows are done; 1 is in progress, 1 has a call of unknown outcome and 8 have not been begun.",
            ),
            (
                &[(State::Done, 1), (State::Failed, 1)],
                0,
                "1 of 2 rows is done; 1 failed.",
            ),
        ] {
            assert_eq!(outcome(&counts(states, not_begun)), sentence);
        }
    }
}
