//! What a results file tells of a batch: one pass over its lines, a few bytes kept for each row and each second.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufRead;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::durations::Durations;
use super::reasons::{FailureGroup, Grouping};
use crate::model::{DigestMap, Id, RowError, State, Step, user_digest};
use crate::results::error::ReplayError;
use crate::results::facts::ConnectorFacts;
use crate::results::header::Header;
use crate::results::line::RowLine;
use crate::results::lines::{AnyLine, for_each_line};
use crate::results::run::{Event, RunLine};

/// A batch, as its results tell it.
#[derive(Debug, Default)]
pub struct History {
    /// The first line; none where the file is empty.
    pub header: Option<Header>,
    /// Rows by state, over the whole batch.
    pub states: BTreeMap<State, u64>,
    /// Rows by connector and version; none stands for rows of lines that do not tell.
    pub connectors: BTreeMap<Option<ConnectorFacts>, BTreeMap<State, u64>>,
    /// Failed rows by code.
    pub failures: BTreeMap<String, FailureGroup>,
    pub held: FailureGroup,
    /// What the batch made: end users, authentications, instances.
    pub created: [u64; 3],
    /// What it found: end users, authentications, instances.
    pub adopted: [u64; 3],
    /// How long each step took, from the line before its call to the line that knows its outcome.
    pub steps: [Durations; 4],
    /// The runs, in order.
    pub runs: Vec<Run>,
    /// What happened in each second in which anything did, by the Unix time.
    pub seconds: BTreeMap<i64, Second>,
    /// The time of the first and of the last line.
    pub between: Option<(Timestamp, Timestamp)>,
}

/// One second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Second {
    /// Rows that became done, less those that are done no more.
    pub done: i32,
    /// Rows that failed, less those that did so no more.
    pub failed: i32,
    /// Calls that rows count as theirs.
    pub attempts: u32,
    /// Calls that left, as the runs count them.
    pub calls: f32,
    pub throttled: f32,
}

/// A run, as far as it says.
#[derive(Debug, Default)]
pub struct Run {
    id: String,
    pub began: Timestamp,
    /// When it was last heard of.
    pub last: Timestamp,
    pub tool: String,
    /// The input's name.
    pub input: String,
    pub rows: u64,
    pub invalid: u64,
    /// How it was asked to go.
    pub settings: Map<String, Value>,
    /// Exit code and verdict, where it ended by itself.
    pub end: Option<(u8, String)>,
    pub calls: u64,
    pub throttled: u64,
    /// Calls retried for another reason.
    pub retried: u64,
    /// Open outcomes settled; known at its end only.
    pub settled: u64,
}

impl Run {
    /// Calls a second that were asked for; none without a limit.
    pub fn rate(&self) -> Option<f64> {
        self.settings.get("rate").and_then(Value::as_f64)
    }
}

/// Reads a results file.
///
/// # Errors
/// The file cannot be read, or the first line that cannot be understood.
pub fn read(reader: impl BufRead) -> Result<History, ReplayError> {
    let mut reading = Reading::default();
    for_each_line(reader, |line| match line {
        AnyLine::Header(header) => {
            reading.seen(header.created_at);
            reading.history.header = Some(header);
        }
        AnyLine::Row(line, at, facts) => reading.row(line, at, facts.connector),
        AnyLine::Run(line) => reading.run(line),
    })?;
    Ok(reading.finish())
}

/// What is kept of a row while the file is read.
struct RowSoFar {
    row: u64,
    state: State,
    step: Option<Step>,
    user: u128,
    connector: Option<u32>,
    instance: Option<Id>,
    created: [bool; 3],
    adopted: [bool; 3],
    attempts: u32,
    /// When the step under way began, and after how many changes.
    began: Option<(Timestamp, usize)>,
    error: Option<Box<RowError>>,
    why: Option<Box<str>>,
}

#[derive(Default)]
struct Reading {
    history: History,
    rows: DigestMap<RowSoFar>,
    /// Each once, by its number.
    connectors: Vec<ConnectorFacts>,
    numbers: HashMap<ConnectorFacts, u32>,
    /// Runs that have begun, and that have ended: a step that began before a change did not last until after it.
    changes: usize,
}

const KINDS: [Step; 3] = [Step::User, Step::Authentication, Step::Instance];

impl Reading {
    fn seen(&mut self, at: Timestamp) {
        let (first, last) = self.history.between.unwrap_or((at, at));
        self.history.between = Some((first.min(at), last.max(at)));
    }

    fn second(&mut self, at: Timestamp) -> &mut Second {
        self.history.seconds.entry(at.as_second()).or_default()
    }

    fn row(&mut self, line: RowLine<'_>, at: Timestamp, connector: Option<ConnectorFacts>) {
        let RowLine {
            row, key, progress, ..
        } = line;
        let user = user_digest(&line.external_user_id);
        self.seen(at);
        let run = self.changes;
        let connector = connector.map(|names| self.number(names));
        let before = self.rows.get(&key.0);
        let was = before.map(|before| before.state);
        let attempts = progress
            .attempts
            .saturating_sub(before.map_or(0, |before| before.attempts));
        let began = before.and_then(|before| before.began);
        // a step's time is from `sent` to its outcome; to enable needs no `sent`, and begins with the instance
        let mut begins = None;
        if progress.state == State::Sent {
            let same = before.is_some_and(|b| b.state == State::Sent && b.step == progress.step);
            begins = began.filter(|_| same).or(Some((at, run)));
        } else if let (Some((began, of_run)), Some(step)) = (began, progress.step) {
            let sent = before.and_then(|b| b.step.filter(|_| b.state == State::Sent));
            let ended = sent.unwrap_or(step);
            // what a killed run left took as long as nobody looked
            if of_run == run && progress.state != State::Held {
                let took = at.duration_since(began).as_millis();
                self.history.steps[ended as usize].add(u64::try_from(took).unwrap_or(0), row);
            }
        }
        if progress.state == State::Partial && progress.step == Some(Step::Instance) {
            begins = Some((at, run));
        }
        let is = |state: Option<State>, of: State| i32::from(state == Some(of));
        let now = Some(progress.state);
        let second = self.second(at);
        second.done += is(now, State::Done) - is(was, State::Done);
        second.failed += is(now, State::Failed) - is(was, State::Failed);
        second.attempts += attempts;
        let connector = connector.or(self.rows.get(&key.0).and_then(|row| row.connector));
        self.rows.insert(
            key.0,
            RowSoFar {
                row,
                state: progress.state,
                step: progress.step,
                user,
                connector,
                created: KINDS.map(|kind| progress.created.has(kind)),
                adopted: KINDS.map(|kind| progress.adopted.has(kind)),
                instance: progress.instance_id,
                attempts: progress.attempts,
                began: begins,
                error: progress.error,
                why: progress.why,
            },
        );
    }

    fn number(&mut self, names: ConnectorFacts) -> u32 {
        if let Some(number) = self.numbers.get(&names) {
            return *number;
        }
        let number = u32::try_from(self.connectors.len()).unwrap_or(u32::MAX);
        self.connectors.push(names.clone());
        self.numbers.insert(names, number);
        number
    }

    fn run(&mut self, line: RunLine) {
        self.changes += usize::from(!matches!(line.event, Event::Sample { .. }));
        self.seen(line.at);
        self.second(line.at);
        match line.event {
            Event::Begin {
                tool,
                input,
                rows,
                invalid,
                calls,
                settings,
                ..
            } => self.history.runs.push(Run {
                id: line.run,
                began: line.at,
                last: line.at,
                tool,
                input,
                rows,
                invalid,
                calls,
                settings,
                ..Run::default()
            }),
            Event::Sample {
                calls,
                throttled,
                retried,
                ..
            } => self.counted(&line.run, line.at, [calls, throttled, retried]),
            Event::End {
                exit_code,
                verdict,
                calls,
                throttled,
                retried,
                settled,
            } => {
                let calls = calls.values().sum();
                self.counted(&line.run, line.at, [calls, throttled, retried]);
                if let Some(run) = self.run_of(&line.run) {
                    run.end = Some((exit_code, verdict));
                    run.settled = settled;
                }
            }
            Event::Other => {}
        }
    }

    fn run_of(&mut self, id: &str) -> Option<&mut Run> {
        self.history.runs.iter_mut().rev().find(|run| run.id == id)
    }

    /// What a run has counted since it was last heard of, spread evenly over the time between.
    fn counted(&mut self, id: &str, at: Timestamp, counts: [u64; 3]) {
        let Some(run) = self.run_of(id) else { return };
        let [calls, throttled, retried] = counts;
        let new = [
            calls.saturating_sub(run.calls) as f32,
            throttled.saturating_sub(run.throttled) as f32,
        ];
        let (from, to) = (run.last.as_millisecond(), at.as_millisecond());
        (run.calls, run.throttled, run.retried) = (calls, throttled, retried);
        run.last = run.last.max(at);
        let last = to.div_euclid(1_000);
        let first = if (0..=LONGEST_SPREAD).contains(&(to - from)) {
            from.div_euclid(1_000)
        } else {
            last
        };
        for second in first..=last {
            let share = if first == last {
                1.0
            } else {
                let (begin, end) = (second * 1_000, second * 1_000 + 1_000);
                (end.min(to) - begin.max(from)) as f32 / (to - from) as f32
            };
            let second = self.history.seconds.entry(second).or_default();
            second.calls += new[0] * share;
            second.throttled += new[1] * share;
        }
    }

    fn finish(mut self) -> History {
        let history = &mut self.history;
        let mut made: [HashSet<u128>; 2] = Default::default();
        let mut instances: [HashSet<&Id>; 2] = Default::default();
        let mut failures: HashMap<&str, Grouping<'_>> = HashMap::new();
        let mut held = Grouping::default();
        for row in self.rows.values() {
            *history.states.entry(row.state).or_default() += 1;
            let names = row
                .connector
                .map(|number| self.connectors[number as usize].clone());
            let connector = history.connectors.entry(names).or_default();
            *connector.entry(row.state).or_default() += 1;
            for (which, of) in [row.created, row.adopted].into_iter().enumerate() {
                if of[0] {
                    made[which].insert(row.user);
                }
                if of[2]
                    && let Some(id) = &row.instance
                {
                    instances[which].insert(id);
                }
            }
            history.created[1] += u64::from(row.created[1]);
            history.adopted[1] += u64::from(row.adopted[1]);
            match (row.state, &row.error) {
                (State::Failed, Some(error)) => {
                    let code = failures.entry(&*error.code).or_default();
                    code.add(&error.message, row.row, Some(error));
                }
                (State::Held, _) => held.add(row.why.as_deref().unwrap_or_default(), row.row, None),
                _ => {}
            }
        }
        history.created[0] = made[0].len() as u64;
        // somebody whom the batch made for one row and found for the next is one whom it made
        history.adopted[0] = made[1].difference(&made[0]).count() as u64;
        history.created[2] = instances[0].len() as u64;
        history.adopted[2] = instances[1].difference(&instances[0]).count() as u64;
        history.failures = failures
            .into_iter()
            .map(|(code, gathered)| (code.to_owned(), gathered.finish()))
            .collect();
        history.held = held.finish();
        self.history
    }
}

/// A run that was not heard of for longer, in milliseconds, was asleep: its calls are not spread over that.
const LONGEST_SPREAD: i64 = 600_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::run::write_run;

    #[test]
    fn calls_are_spread_over_the_time_in_which_they_left() {
        let mut text = br#"{"type":"batch","version":1,"batchId":"b","endpoint":"e","createdAt":"1970-01-01T00:00:00Z","tool":"t"}"#.to_vec();
        text.push(b'\n');
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let begin = Event::Begin {
            command: "import".into(),
            tool: "t".into(),
            input: "c.csv".into(),
            rows: 1,
            invalid: 0,
            calls: 11,
            settings: Map::new(),
        };
        text.extend(write_run("r", at(10_500), begin));
        for (millis, calls, throttled) in [(15_500, 136, 5), (15_500, 137, 5), (20_502, 262, 5)] {
            let sample = Event::Sample {
                calls,
                throttled,
                retried: 0,
                rate: None,
            };
            text.extend(write_run("r", at(millis), sample));
        }
        let history = read(&text[..]).unwrap();
        let calls = |second: i64| history.seconds[&second].calls;
        assert!((calls(10) - 12.5).abs() < 0.01, "{}", calls(10));
        assert!((calls(12) - 25.0).abs() < 0.01, "{}", calls(12));
        // the half of one sample, one call at once, and the half of the next
        assert!((calls(15) - 26.0).abs() < 0.02, "{}", calls(15));
        let all: f32 = history.seconds.values().map(|second| second.calls).sum();
        assert!(
            (all - 251.0).abs() < 0.01,
            "{all}: those of the preflight left before"
        );
        let throttled: f32 = history
            .seconds
            .values()
            .map(|second| second.throttled)
            .sum();
        assert!((throttled - 5.0).abs() < 0.01);
        assert_eq!(history.runs[0].calls, 262);
    }
}
