//! The report of a batch: one HTML page that needs nothing but itself, for the screen, the phone and paper.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::Value;

use super::cures::{self, Cure};
use super::history::{History, Reasons, Run};
use super::html::Text;
use super::outcome::{Counts, next, outcome};
use super::plot::{self, NARROW, WIDE};
use super::summary::{duration, thousands};
use super::timeline::Timeline;
use crate::results::record::{State, Step};

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
    let place = history.header.as_ref().map(|header| {
        let place = match header.endpoint.split_once("://") {
            Some((_, rest)) => format!("to {}", rest.split('/').next().unwrap_or(rest)),
            None => "into the sandbox: a rehearsal".to_owned(),
        };
        format!("Migration {place}")
    });
    let place = place.unwrap_or_else(|| "Migration".to_owned());
    let when = history.between.map_or_else(String::new, |(first, last)| {
        format!(", {} to {}", moment(first), moment(last))
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
            let _ = write!(html, "<p>{}</p>", Text(sentence));
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
                Text(cure.cause),
                Text(cure.cure)
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

fn connectors(history: &History, html: &mut String) {
    if history.connectors.is_empty() {
        return;
    }
    html.push_str(
        "<section>\n<h2>By connector</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"By connector\"><table>\n\
         <caption>Rows by the connector and version of their credentials.</caption>\n\
         <thead><tr><th scope=\"col\">Connector</th><th scope=\"col\" class=\"n\">Rows</th><th scope=\"col\" class=\"n\">Done</th>\
         <th scope=\"col\" class=\"n\">Failed</th><th scope=\"col\" class=\"n\">Held</th><th scope=\"col\" class=\"n\">Under way</th></tr></thead>\n<tbody>\n",
    );
    for (names, states) in &history.connectors {
        let name = match names {
            Some((name, version)) => format!("{} {}", Text(name), Text(version)),
            None => "<span class=\"soft\">not recorded</span>".to_owned(),
        };
        let of = |state: State| states.get(&state).copied().unwrap_or_default();
        let all: u64 = states.values().sum();
        let (done, failed, held) = (of(State::Done), of(State::Failed), of(State::Held));
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{name}</th>{}{}{}{}{}</tr>",
            cell(all, ""),
            cell(done, ""),
            cell(failed, "failed"),
            cell(held, "held"),
            cell(all - done - failed - held, "")
        );
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn cell(count: u64, class: &str) -> String {
    let class = if count == 0 { "zero" } else { class };
    format!("<td class=\"n {class}\">{}</td>", thousands(count))
}

fn made(history: &History, html: &mut String) {
    if history
        .created
        .iter()
        .chain(&history.adopted)
        .all(|n| *n == 0)
    {
        return;
    }
    html.push_str(
        "<section>\n<h2>In Tray</h2>\n<table>\n<caption>What this batch made, and what was there before and was taken over.</caption>\n\
         <thead><tr><th scope=\"col\">Kind</th><th scope=\"col\" class=\"n\">Made</th><th scope=\"col\" class=\"n\">Found</th></tr></thead>\n<tbody>\n",
    );
    for (at, name) in ["End users", "Authentications", "Solution instances"]
        .into_iter()
        .enumerate()
    {
        let (made, found) = (cell(history.created[at], ""), cell(history.adopted[at], ""));
        let _ = writeln!(html, "<tr><th scope=\"row\">{name}</th>{made}{found}</tr>");
    }
    html.push_str("</tbody>\n</table>\n</section>\n");
}

fn steps(history: &History, html: &mut String) {
    let mut steps: Vec<_> = Step::ALL
        .into_iter()
        .map(|step| (step, &history.steps[step as usize]))
        .filter(|(_, durations)| durations.count > 0)
        .collect();
    if steps.is_empty() {
        return;
    }
    steps.sort_by_key(|(_, durations)| std::cmp::Reverse(durations.quantile(0.95)));
    html.push_str(
        "<section>\n<h2>The slowest steps</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The slowest steps\"><table>\n\
         <caption>From the moment at which a call leaves to the moment at which its outcome is on disk, questions about lost answers included; \
         enabling includes the wait before it (<code>--enable-delay</code>).</caption>\n\
         <thead><tr><th scope=\"col\">Step</th><th scope=\"col\" class=\"n\">Times</th><th scope=\"col\" class=\"n\">Half within</th>\
         <th scope=\"col\" class=\"n\">95% within</th><th scope=\"col\" class=\"n\">Longest</th></tr></thead>\n<tbody>\n",
    );
    for (step, durations) in steps {
        let longest = durations.longest.map_or_else(String::new, |(millis, row)| {
            format!(
                "{} <span class=\"soft\">(row {})</span>",
                millis_text(millis),
                thousands(row)
            )
        });
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{step}</th>{}<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{longest}</td></tr>",
            cell(durations.count, ""),
            millis_text(durations.quantile(0.5)),
            millis_text(durations.quantile(0.95)),
        );
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn millis_text(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        _ => duration(std::time::Duration::from_millis(millis)),
    }
}

fn runs(history: &History, html: &mut String) {
    if history.runs.is_empty() {
        return;
    }
    html.push_str(
        "<section>\n<h2>Runs</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Runs\"><table>\n\
         <caption>Each time that the tool was started and had something to do. Times are UTC.</caption>\n\
         <thead><tr><th scope=\"col\">Began</th><th scope=\"col\" class=\"n\">Lasted</th><th scope=\"col\" class=\"n\">Calls</th>\
         <th scope=\"col\" class=\"n\">Throttled</th><th scope=\"col\" class=\"n\">Sent again</th><th scope=\"col\">How it ended</th></tr></thead>\n<tbody>\n",
    );
    for run in &history.runs {
        let lasted = run.last.duration_since(run.began).unsigned_abs();
        let end = match &run.end {
            Some((_, verdict)) => Text(verdict).to_string(),
            None => "It was killed, or is under way.".to_owned(),
        };
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td>{}{}{}<td>{end}</td></tr>",
            run.began.strftime("%d %b %H:%M"),
            duration(lasted),
            cell(run.calls, ""),
            cell(run.throttled, ""),
            cell(run.retried, ""),
        );
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn settings(history: &History, html: &mut String) {
    let Some(run) = history.runs.last() else {
        return;
    };
    let _ = write!(
        html,
        "<section>\n<h2>Settings</h2>\n<p class=\"soft\">Of the last run{}, by the names of the flags.</p>\n<dl class=\"settings\">\n",
        if same_settings(&history.runs) {
            ", as of every one"
        } else {
            ""
        }
    );
    let mut line = |name: &str, value: String| {
        let _ = writeln!(html, "<dt>{}</dt><dd>{value}</dd>", Text(name));
    };
    line("input", format!("{}, {}", Text(&run.input), rows(run.rows)));
    for (name, value) in &run.settings {
        let shown = match value {
            Value::Null => "–".to_owned(),
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            Value::String(text) => Text(text).to_string(),
            other => Text(other.to_string()).to_string(),
        };
        line(name, shown);
    }
    line("tool", Text(&run.tool).to_string());
    html.push_str("</dl>\n</section>\n");
}

fn same_settings(runs: &[Run]) -> bool {
    runs.len() > 1
        && runs
            .windows(2)
            .all(|two| two[0].settings == two[1].settings)
}

fn rows(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        count => format!("{} rows", thousands(count)),
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
