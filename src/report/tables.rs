//! The tables of the report.

use std::fmt::Write;

use serde_json::Value;

use super::history::{History, Run};
use super::html::Text;
use super::page::rows;
use super::summary::{duration, thousands};
use crate::model::{State, Step};

pub(super) fn connectors(history: &History, html: &mut String) {
    if history.connectors.is_empty() {
        return;
    }
    html.push_str(
        "<section>\n<h2>By connector</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"By connector\"><table>\n\
         <caption><span>Rows by the connector and version of their credentials.</span></caption>\n\
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

pub(super) fn made(history: &History, html: &mut String) {
    if history
        .created
        .iter()
        .chain(&history.adopted)
        .all(|n| *n == 0)
    {
        return;
    }
    html.push_str(
        "<section>\n<h2>In Tray</h2>\n<table>\n<caption><span>What this batch made, and what was there before and was taken over.</span></caption>\n\
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

pub(super) fn steps(history: &History, html: &mut String) {
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
         <caption><span>From the moment at which a call leaves to the moment at which its outcome is on disk, questions about lost answers included; \
         enabling includes the waits before it (<code>--enable-delay</code>, and its turn).</span></caption>\n\
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

pub(super) fn runs(history: &History, html: &mut String) {
    if history.runs.is_empty() {
        return;
    }
    html.push_str(
        "<section>\n<h2>Runs</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Runs\"><table>\n\
         <caption><span>Each time that the tool was started and had something to do. Times are UTC.</span></caption>\n\
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
            "<tr><th scope=\"row\" class=\"when\">{}</th><td class=\"n\">{}</td>{}{}{}<td class=\"verdict\">{end}</td></tr>",
            run.began.strftime("%d %b %H:%M"),
            duration(lasted),
            cell(run.calls, ""),
            cell(run.throttled, ""),
            cell(run.retried, ""),
        );
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
}

pub(super) fn settings(history: &History, html: &mut String) {
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
            Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
                format!("{:.0}", number.as_f64().unwrap_or_default())
            }
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
