//! The tables of the report.

use super::history::{History, Run};
use super::html::Text;
use super::summary::{duration, thousands};
use crate::model::{State, Step};
use crate::results::facts::ConnectorFacts;

/// A table: its columns with their classes, and its rows, the first cell of which names the row.
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) caption: &'static str,
    pub(super) columns: Vec<(&'static str, &'static str)>,
    pub(super) rows: Vec<Vec<Cell>>,
}

#[derive(Default)]
pub(super) struct Cell {
    pub(super) class: &'static str,
    pub(super) text: Text<String>,
    /// What stands behind it, less loudly.
    pub(super) soft: String,
}

impl Cell {
    fn new(class: &'static str, text: impl Into<String>) -> Cell {
        Cell {
            class,
            text: Text(text.into()),
            soft: String::new(),
        }
    }

    fn count(count: u64, class: &'static str) -> Cell {
        Cell::new(if count == 0 { "n zero" } else { class }, thousands(count))
    }
}

impl Table {
    /// All columns but the first hold numbers.
    fn of_numbers(
        title: &'static str,
        caption: &'static str,
        columns: &[&'static str],
        rows: Vec<Vec<Cell>>,
    ) -> Table {
        let class = |at| if at == 0 { "" } else { "n" };
        let columns = columns.iter().enumerate();
        Table {
            title,
            caption,
            columns: columns.map(|(at, name)| (*name, class(at))).collect(),
            rows,
        }
    }
}

/// The tables that have something to say.
pub(super) fn tables(history: &History) -> Vec<Table> {
    let tables = [
        connectors(history),
        in_tray(history),
        slowest(history),
        runs(history),
    ];
    tables
        .into_iter()
        .filter(|table| !table.rows.is_empty())
        .collect()
}

fn connectors(history: &History) -> Table {
    let row = |(names, states): (&Option<_>, &std::collections::BTreeMap<State, u64>)| {
        let of = |state: State| states.get(&state).copied().unwrap_or_default();
        let all: u64 = states.values().sum();
        let (done, failed, held) = (of(State::Done), of(State::Failed), of(State::Held));
        let name = match names {
            Some(ConnectorFacts {
                connector,
                connector_version,
            }) => Cell::new("", format!("{connector} {connector_version}")),
            None => Cell {
                soft: "not recorded".to_owned(),
                ..Cell::default()
            },
        };
        vec![
            name,
            Cell::count(all, "n"),
            Cell::count(done, "n"),
            Cell::count(failed, "n failed"),
            Cell::count(held, "n held"),
            Cell::count(all - done - failed - held, "n"),
        ]
    };
    Table::of_numbers(
        "By connector",
        "Rows by the connector and version of their credentials.",
        &["Connector", "Rows", "Done", "Failed", "Held", "In progress"],
        history.connectors.iter().map(row).collect(),
    )
}

fn in_tray(history: &History) -> Table {
    let names = ["End users", "Authentications", "Solution instances"];
    let counts = history.created.iter().zip(&history.adopted);
    let rows = names.into_iter().zip(counts).map(|(name, (made, found))| {
        vec![
            Cell::new("", name),
            Cell::count(*made, "n"),
            Cell::count(*found, "n"),
        ]
    });
    let anything = history
        .created
        .iter()
        .chain(&history.adopted)
        .any(|count| *count > 0);
    Table::of_numbers(
        "In Tray",
        "What this batch made, and what already existed and was taken over.",
        &["Kind", "Made", "Already existed"],
        rows.filter(|_| anything).collect(),
    )
}

fn slowest(history: &History) -> Table {
    let mut steps: Vec<_> = Step::ALL
        .into_iter()
        .map(|step| (step, &history.steps[step as usize]))
        .filter(|(_, durations)| durations.count > 0)
        .collect();
    steps.sort_by_key(|(_, durations)| std::cmp::Reverse(durations.quantile(0.95)));
    let rows = steps.into_iter().map(|(step, durations)| {
        let (longest, row) = durations.longest.unwrap_or_default();
        vec![
            Cell::new("", step.to_string()),
            Cell::count(durations.count, "n"),
            Cell::new("n", millis(durations.quantile(0.5))),
            Cell::new("n", millis(durations.quantile(0.95))),
            Cell {
                soft: format!("(row {})", thousands(row)),
                ..Cell::new("n", millis(longest))
            },
        ]
    });
    Table::of_numbers(
        "The slowest steps",
        "From the moment at which a call leaves to the moment at which its outcome is on disk, questions about lost answers included; \
         enabling includes the waits before it (--enable-delay, and its turn).",
        &["Step", "Times", "Median", "95% within", "Longest"],
        rows.collect(),
    )
}

fn millis(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        _ => duration(std::time::Duration::from_millis(millis)),
    }
}

fn runs(history: &History) -> Table {
    let row = |run: &Run| {
        let lasted = run.last.duration_since(run.began).unsigned_abs();
        let end = run.end.as_ref().map(|(_, verdict)| verdict.as_str());
        vec![
            Cell::new("when", run.began.strftime("%d %b %H:%M").to_string()),
            Cell::new("n", duration(lasted)),
            Cell::count(run.calls, "n"),
            Cell::count(run.throttled, "n"),
            Cell::count(run.retried, "n"),
            Cell::new(
                "verdict",
                end.unwrap_or("It was killed, or is in progress."),
            ),
        ]
    };
    let mut table = Table::of_numbers(
        "Runs",
        "Each time that the tool was started and had something to do. Times are UTC.",
        &[
            "Began",
            "Lasted",
            "Calls",
            "Throttled",
            "Retried",
            "How it ended",
        ],
        history.runs.iter().map(row).collect(),
    );
    if let Some((_, class)) = table.columns.last_mut() {
        *class = "";
    }
    table
}
