//! The report of a batch: one HTML page that needs nothing but itself, for the screen, the phone and paper.
//! `templates/report.html` is what it looks like, and this is what stands in it.

use askama::Template;
use jiff::Timestamp;
use serde_json::Value;

use super::history::{History, Run};
use super::html::{Prose, Text};
use super::outcome::{Counts, next, outcome};
use super::plot::{self, NARROW, WIDE};
use super::reasons::FailureGroup;
use super::remedies::{self, Remedy};
use super::summary::{count_of_rows, thousands};
use super::tables::{Table, tables};
use super::timeline::Timeline;
use crate::model::{State, Step};

/// Of each code, so many different messages are shown.
const MESSAGES: usize = 3;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    outcome: String,
    kicker: Text<String>,
    parts: Vec<BarPart>,
    advice: Vec<Prose<String>>,
    plots: Option<Plots>,
    failures: Vec<Failures>,
    tables: Vec<Table>,
    settings: Vec<(Text<String>, Text<String>)>,
    same_settings: bool,
    file: Text<String>,
    batch: Option<Text<String>>,
    at: String,
}

/// A part of the bar that stands for all rows.
struct BarPart {
    name: &'static str,
    words: &'static str,
    rows: String,
    percent: String,
}

/// Two plots, each for two widths.
struct Plots {
    progress_caption: String,
    progress: [String; 2],
    calls_caption: &'static str,
    calls: [String; 2],
}

/// Rows that did not get through for one reason.
struct Failures {
    code: Text<String>,
    held: bool,
    rows: String,
    steps: String,
    remedy: Option<Remedy>,
    retryable: Option<String>,
    messages: Vec<(Text<String>, String)>,
    more: Option<String>,
}

/// The page. `file` is the name of the results file, `at` the time that the page gives as its own.
///
/// # Errors
/// None that has a cause.
pub(crate) fn page(history: &History, file: &str, at: Timestamp) -> Result<String, askama::Error> {
    let counts = Counts::of(history);
    let last = history.runs.last();
    let page = Page {
        outcome: outcome(&counts),
        kicker: Text(kicker(history)),
        parts: parts(&counts),
        advice: next(history, &counts).into_iter().map(Prose).collect(),
        plots: plots(history, &counts),
        failures: failures(history),
        tables: tables(history),
        settings: last.map(settings).unwrap_or_default(),
        same_settings: history.runs.len() > 1
            && (history.runs.windows(2)).all(|two| two[0].settings == two[1].settings),
        file: Text(file.to_owned()),
        batch: (history.header.as_ref()).map(|header| Text(header.batch_id.clone())),
        at: moment(at),
    };
    page.render()
}

/// Which Tray the batch is for, and when.
fn kicker(history: &History) -> String {
    let mut line = match history
        .header
        .as_ref()
        .map(|header| header.endpoint.split_once("://"))
    {
        Some(Some((_, rest))) => format!("Migration to {}", rest.split('/').next().unwrap_or(rest)),
        Some(None) => "Rehearsal in the sandbox".to_owned(),
        None => "Migration".to_owned(),
    };
    if let Some((first, last)) = history.between {
        let day = |at: Timestamp| at.strftime("%-d %B %Y").to_string();
        line += &if day(first) == day(last) {
            let (first, last) = (
                first.strftime("%-d %B %Y, %H:%M"),
                last.strftime("%H:%M UTC"),
            );
            format!(", {first} to {last}")
        } else {
            format!(", {} to {}", moment(first), moment(last))
        };
    }
    line
}

fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

fn parts(counts: &Counts) -> Vec<BarPart> {
    let parts = counts.parts().into_iter().filter(|part| part.rows > 0);
    let parts = parts.map(|part| BarPart {
        name: part.name,
        words: part.words,
        rows: thousands(part.rows),
        percent: format!("{:.4}", part.rows as f64 * 100.0 / counts.total() as f64),
    });
    parts.collect()
}

/// None where the work was too short to draw.
fn plots(history: &History, counts: &Counts) -> Option<Plots> {
    let wide = Timeline::new(history, 240);
    if wide.total < 3 {
        return None;
    }
    let narrow = Timeline::new(history, 110);
    let failed = match counts.of_state(State::Failed) {
        0 => "",
        _ => ", and rows failed,",
    };
    let nights = match wide.stretches.len() {
        0 | 1 => "",
        _ => " The time between runs is left out; dotted lines show where one begins.",
    };
    let throttled: u64 = history.runs.iter().map(|run| run.throttled).sum();
    let counted = history.runs.iter().any(|run| run.calls > 0);
    Some(Plots {
        progress_caption: format!(
            "Rows done{failed} over {} at work.{nights}",
            plot::time(wide.total)
        ),
        progress: [(&wide, WIDE), (&narrow, NARROW)]
            .map(|(timeline, size)| plot::progress(timeline, counts.total(), size)),
        calls_caption: match (counted, throttled) {
            (true, 0) => "Dashed: the rate asked for. No answer was throttled.",
            (true, _) => {
                "Dashed: the rate asked for. Ticks below: when Tray throttled; no row fails by that, the run slows down and retries."
            }
            (false, _) => {
                "As far as the rows tell: runs of earlier versions did not record their calls."
            }
        },
        calls: [(&wide, WIDE), (&narrow, NARROW)]
            .map(|(timeline, size)| plot::calls(timeline, size)),
    })
}

/// By code, the most frequent first; held rows last.
fn failures(history: &History) -> Vec<Failures> {
    let mut codes: Vec<_> = history.failures.iter().collect();
    codes.sort_by_key(|(code, group)| (std::cmp::Reverse(group.rows), (*code).clone()));
    let failed = codes
        .into_iter()
        .map(|(code, group)| failures_of(code, group, remedies::of(code)));
    let held = Some(&history.held)
        .filter(|held| held.rows > 0)
        .map(|held| Failures {
            held: true,
            ..failures_of("held", held, Some(remedies::HELD))
        });
    failed.chain(held).collect()
}

fn failures_of(code: &str, group: &FailureGroup, remedy: Option<Remedy>) -> Failures {
    let steps = Step::ALL
        .into_iter()
        .filter(|step| group.steps[*step as usize] > 0);
    let steps = steps.map(|step| {
        let rows = thousands(group.steps[step as usize]);
        format!("{rows} at the step {step}")
    });
    let messages = group
        .messages
        .iter()
        .take(MESSAGES)
        .map(|(message, count, first)| {
            let first = thousands(*first);
            let which = match count {
                1 => format!("row {first}"),
                count => format!("{}, the first is row {first}", count_of_rows(*count)),
            };
            (Text(message.clone()), which)
        });
    let more = group.messages.len().saturating_sub(MESSAGES);
    Failures {
        code: Text(code.to_owned()),
        held: false,
        rows: count_of_rows(group.rows),
        steps: steps.collect::<Vec<_>>().join(", "),
        remedy,
        retryable: (group.retryable > 0).then(|| count_of_rows(group.retryable)),
        messages: messages.collect(),
        more: (more > 0).then(|| thousands(more as u64)),
    }
}

/// What a run was given, by the names of the flags.
fn settings(run: &Run) -> Vec<(Text<String>, Text<String>)> {
    let shown = |value: &Value| match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
            format!("{:.0}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    };
    let input = format!("{}, {}", run.input, count_of_rows(run.rows));
    let flags = run
        .settings
        .iter()
        .map(|(name, value)| (name.clone(), shown(value)));
    std::iter::once(("input".to_owned(), input))
        .chain(flags)
        .chain([("tool".to_owned(), run.tool.clone())])
        .map(|(name, value)| (Text(name), Text(value)))
        .collect()
}
