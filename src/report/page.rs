//! The report of a batch: one HTML page that needs nothing but itself, for the screen, the phone and paper.

use std::fmt::Write;

use jiff::Timestamp;

use super::cures::{self, Cure};
use super::history::History;
use super::html::{Prose, Text};
use super::outcome::{Counts, next, outcome};
use super::plot::{self, NARROW, WIDE};
use super::reasons::Reasons;
use super::summary::thousands;
use super::tables::{connectors, made, runs, settings, steps};
use super::timeline::Timeline;
use crate::model::{State, Step};

const STYLE: &str = include_str!("page.css");

/// Of each code, so many different messages are shown.
const MESSAGES: usize = 3;

/// The page. `file` is the name of the results file, `at` the time that the page gives as its own.
pub fn page(history: &History, file: &str, at: Timestamp) -> String {
    let counts = Counts::of(history);
    let outcome = outcome(&counts);
    let mut html = format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n\
         <meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"robots\" content=\"noindex\"/>\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        Text(&outcome)
    );
    head(history, &counts, &outcome, &mut html);
    html.push_str("<main>\n");
    over_time(history, &counts, &mut html);
    failures(history, &mut html);
    connectors(history, &mut html);
    made(history, &mut html);
    steps(history, &mut html);
    runs(history, &mut html);
    settings(history, &mut html);
    let _ = write!(
        html,
        "</main>\n<footer><p>Made by tray-import {} from <code>{}</code>{} at {}. \
         The page holds no credentials; rows are named by their numbers in the input.</p></footer>\n\
         </body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        Text(file),
        history
            .header
            .as_ref()
            .map_or_else(String::new, |header| format!(
                ", batch <code>{}</code>,",
                Text(&header.batch_id)
            )),
        moment(at)
    );
    html
}

fn head(history: &History, counts: &Counts, outcome: &str, html: &mut String) {
    html.push_str("<header>\n");
    let place = history
        .header
        .as_ref()
        .map(|header| match header.endpoint.split_once("://") {
            Some((_, rest)) => format!("Migration to {}", rest.split('/').next().unwrap_or(rest)),
            None => "Rehearsal in the sandbox".to_owned(),
        });
    let place = place.unwrap_or_else(|| "Migration".to_owned());
    let when = history.between.map_or_else(String::new, |(first, last)| {
        let day = |at: Timestamp| at.strftime("%-d %B %Y").to_string();
        if day(first) == day(last) {
            format!(
                ", {} to {}",
                first.strftime("%-d %B %Y, %H:%M"),
                last.strftime("%H:%M UTC")
            )
        } else {
            format!(", {} to {}", moment(first), moment(last))
        }
    });
    let _ = write!(
        html,
        "<p class=\"kicker\">{}{when}</p>\n<h1>{}</h1>\n",
        Text(place),
        Text(outcome)
    );
    if counts.total() > 0 {
        bar(counts, html);
    }
    let advice = next(history, counts);
    if !advice.is_empty() {
        html.push_str("<div class=\"next\">");
        for sentence in advice {
            let _ = write!(html, "<p>{}</p>", Prose(sentence));
        }
        html.push_str("</div>\n");
    }
    html.push_str("</header>\n");
}

/// All rows as one bar, and what its parts are.
fn bar(counts: &Counts, html: &mut String) {
    let parts: Vec<_> = counts
        .parts()
        .into_iter()
        .filter(|part| part.rows > 0)
        .collect();
    html.push_str("<div class=\"bar\" aria-hidden=\"true\">");
    for part in &parts {
        let share = part.rows as f64 * 100.0 / counts.total() as f64;
        // text between the tags, so that no reader of HTML takes them for one that never closes
        let _ = write!(
            html,
            "<i class=\"{}\" style=\"flex:{share:.4} 0 0\">\u{200b}</i>",
            part.name
        );
    }
    html.push_str("</div>\n<ul class=\"key\">");
    for part in &parts {
        let _ = write!(
            html,
            "<li class=\"{}\"><b>{}</b> {}</li>",
            part.name,
            thousands(part.rows),
            part.words
        );
    }
    html.push_str("</ul>\n");
}

fn over_time(history: &History, counts: &Counts, html: &mut String) {
    html.push_str("<section>\n<h2>Progress</h2>\n");
    let wide = Timeline::new(history, 240);
    if wide.total < 3 {
        html.push_str("<p class=\"soft\">The work took less than three seconds: there is nothing to draw.</p>\n</section>\n");
        return;
    }
    let narrow = Timeline::new(history, 110);
    let nights = if wide.stretches.len() > 1 {
        " The time between runs is left out; dotted lines show where one begins."
    } else {
        ""
    };
    let _ = write!(
        html,
        "<figure>\n<figcaption>Rows done{} over {} at work.{nights}</figcaption>\n{}\n{}\n</figure>\n</section>\n",
        if counts.of_state(State::Failed) > 0 {
            ", and rows failed,"
        } else {
            ""
        },
        plot::time(wide.total),
        plot::progress(&wide, counts.total(), WIDE),
        plot::progress(&narrow, counts.total(), NARROW),
    );
    let throttled: u64 = history.runs.iter().map(|run| run.throttled).sum();
    let counted = history.runs.iter().any(|run| run.calls > 0);
    let source = match (counted, throttled) {
        (true, 0) => "Dashed: the rate asked for. No answer was throttled.",
        (true, _) => {
            "Dashed: the rate asked for. Ticks below: when Tray throttled; no row fails by that, the run slows down and sends again."
        }
        (false, _) => {
            "As far as the rows tell: runs of earlier versions did not record their calls."
        }
    };
    let _ = write!(
        html,
        "<section>\n<h2>Calls a second</h2>\n<figure>\n<figcaption>{source}</figcaption>\n{}\n{}\n</figure>\n</section>\n",
        plot::calls(&wide, WIDE),
        plot::calls(&narrow, NARROW),
    );
}

fn failures(history: &History, html: &mut String) {
    if history.failures.is_empty() && history.held.rows == 0 {
        return;
    }
    html.push_str("<section>\n<h2>What did not get through</h2>\n");
    let mut codes: Vec<_> = history.failures.iter().collect();
    codes.sort_by_key(|(code, reasons)| (std::cmp::Reverse(reasons.rows), (*code).clone()));
    for (code, reasons) in codes {
        failure(code, "failure", reasons, cures::of(code), html);
    }
    if history.held.rows > 0 {
        failure(
            "held",
            "failure hold",
            &history.held,
            Some(cures::HELD),
            html,
        );
    }
    html.push_str("</section>\n");
}

fn failure(code: &str, class: &str, reasons: &Reasons, cure: Option<Cure>, html: &mut String) {
    let steps: Vec<String> = Step::ALL
        .into_iter()
        .filter(|step| reasons.steps[*step as usize] > 0)
        .map(|step| {
            let rows = thousands(reasons.steps[step as usize]);
            format!("{rows} at the step {step}")
        })
        .collect();
    let steps = match steps.as_slice() {
        [] => String::new(),
        steps => format!(" <span class=\"soft\">({})</span>", steps.join(", ")),
    };
    let _ = write!(
        html,
        "<div class=\"{class}\">\n<h3>{} × <code>{}</code>{steps}</h3>\n",
        rows(reasons.rows),
        Text(code)
    );
    match cure {
        Some(cure) => {
            let _ = write!(
                html,
                "<p>{}</p>\n<p><b>What to do:</b> {}</p>\n",
                Prose(cure.cause),
                Prose(cure.cure)
            );
        }
        None => html.push_str("<p>This version of tray-import does not know the code.</p>\n"),
    }
    if reasons.retryable > 0 {
        let _ = writeln!(
            html,
            "<p>{} may work without a change.</p>",
            rows(reasons.retryable)
        );
    }
    html.push_str("<ul>");
    for (message, count, first) in reasons.messages.iter().take(MESSAGES) {
        let which = match count {
            1 => format!("row {}", thousands(*first)),
            count => format!("{}, the first is row {}", rows(*count), thousands(*first)),
        };
        let _ = write!(
            html,
            "<li>{} <span class=\"soft\">({which})</span></li>",
            Text(message)
        );
    }
    let more = reasons.messages.len().saturating_sub(MESSAGES);
    if more > 0 {
        let _ = write!(
            html,
            "<li class=\"soft\">and {} other messages; <code>tray-import status RESULTS --failed</code> lists every row</li>",
            thousands(more as u64)
        );
    }
    html.push_str("</ul>\n</div>\n");
}

pub(super) fn rows(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        count => format!("{} rows", thousands(count)),
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
