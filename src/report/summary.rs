//! The summary at the end of a command: one object for programs, a few lines for a tired person.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::issue::Code;

/// Figures of a command. What it has no figure for is left out.
#[derive(Debug, Default)]
pub struct Summary {
    command: &'static str,
    exit_code: u8,
    elapsed: Duration,
    rows: Vec<(&'static str, u64)>,
    created: Option<[u64; 3]>,
    adopted: Option<[u64; 3]>,
    calls: Option<BTreeMap<&'static str, u64>>,
    counts: Vec<(&'static str, u64)>,
    failures: Option<BTreeMap<String, u64>>,
    issues: Option<BTreeMap<&'static str, u64>>,
    warnings: Option<BTreeMap<&'static str, u64>>,
    more: Map<String, Value>,
}

/// Figures of an import.
#[derive(Debug, Default)]
pub struct Figures {
    /// Rows by state: done, partial, failed, held.
    pub states: [u64; 4],
    /// Users, authentications, instances that this run made.
    pub created: [u64; 3],
    /// Users, authentications, instances that this run found.
    pub adopted: [u64; 3],
    /// Calls by operation.
    pub calls: BTreeMap<&'static str, u64>,
    /// Throttled answers.
    pub throttled: u64,
    /// Calls sent again.
    pub retried: u64,
    /// Open outcomes settled.
    pub settled: u64,
    /// Failed rows by code, over the whole batch.
    pub failures: BTreeMap<String, u64>,
}

impl Summary {
    /// A summary without figures.
    pub fn new(command: &'static str, exit_code: u8, elapsed: Duration) -> Summary {
        Summary {
            command,
            exit_code,
            elapsed,
            ..Summary::default()
        }
    }

    /// Adds the figures of validation: rows in all, invalid ones, issues and warnings by code.
    pub fn valid(
        &mut self,
        (total, invalid): (u64, u64),
        issues: &BTreeMap<Code, u64>,
        warnings: &BTreeMap<Code, u64>,
    ) {
        self.rows.push(("total", total));
        self.rows.push(("valid", total - invalid));
        self.rows.push(("invalid", invalid));
        let by_code = |counts: &BTreeMap<Code, u64>| {
            let counts = counts.iter().map(|(code, count)| (code.as_str(), *count));
            Some(counts.collect())
        };
        (self.issues, self.warnings) = (by_code(issues), by_code(warnings));
    }

    /// Adds the figures of an import.
    pub fn import(&mut self, figures: Figures) {
        let [done, partial, failed, held] = figures.states;
        let total = self.row("total");
        self.rows.extend([
            ("done", done),
            ("partial", partial),
            ("failed", failed),
            ("held", held),
        ]);
        // rows of the input of which the results hold nothing: left out, or not begun
        let begun = done + partial + failed + held;
        self.rows.push(("skipped", total.saturating_sub(begun)));
        self.created = Some(figures.created);
        self.adopted = Some(figures.adopted);
        self.calls = Some(figures.calls);
        self.counts = vec![
            ("throttled", figures.throttled),
            ("retried", figures.retried),
            ("settled", figures.settled),
        ];
        self.failures = Some(figures.failures);
    }

    /// Adds the states of the rows of a results file.
    pub fn states(&mut self, rows: Vec<(&'static str, u64)>, failures: BTreeMap<String, u64>) {
        self.rows = rows;
        self.failures = Some(failures);
    }

    /// Adds something of the command's own.
    pub fn add(&mut self, key: &str, value: Value) {
        self.more.insert(key.to_owned(), value);
    }

    /// A figure of the rows; 0 where there is none.
    pub fn row(&self, name: &str) -> u64 {
        let found = self.rows.iter().find(|(own, _)| *own == name);
        found.map_or(0, |(_, count)| *count)
    }

    /// The object of `--json`.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("command".into(), json!(self.command));
        object.insert("exitCode".into(), json!(self.exit_code));
        object.insert(
            "elapsedSeconds".into(),
            json!((self.elapsed.as_secs_f64() * 1000.0).round() / 1000.0),
        );
        let counts = |rows: &[(&'static str, u64)]| -> Value {
            rows.iter()
                .map(|(name, count)| ((*name).to_owned(), json!(count)))
                .collect::<Map<_, _>>()
                .into()
        };
        if !self.rows.is_empty() {
            object.insert("rows".into(), counts(&self.rows));
        }
        for (name, three) in [("created", self.created), ("adopted", self.adopted)] {
            if let Some([users, authentications, instances]) = three {
                let value = json!({"users": users, "authentications": authentications, "instances": instances});
                object.insert(name.into(), value);
            }
        }
        if let Some(calls) = &self.calls {
            object.insert("calls".into(), json!(calls));
        }
        for (name, count) in &self.counts {
            object.insert((*name).into(), json!(count));
        }
        if let Some(failures) = &self.failures {
            object.insert("failures".into(), json!(failures));
        }
        if let Some(issues) = &self.issues {
            object.insert("issues".into(), json!(issues));
        }
        if let Some(warnings) = &self.warnings {
            object.insert("warnings".into(), json!(warnings));
        }
        object.extend(self.more.clone());
        Value::Object(object)
    }

    /// The lines that follow the issues of `validate`.
    pub fn of_validation(&self, broken: bool) -> String {
        let mut text = String::new();
        for (title, counts) in [
            ("Issues by kind:", &self.issues),
            ("Warnings by kind:", &self.warnings),
        ] {
            if let Some(counts) = counts.as_ref().filter(|counts| !counts.is_empty()) {
                let _ = writeln!(text, "\n{title}");
                for (code, count) in by_count(counts) {
                    let _ = writeln!(text, "  {:>9}  {code}", thousands(count));
                }
                text.push('\n');
            }
        }
        let (total, valid, invalid) = (self.row("total"), self.row("valid"), self.row("invalid"));
        let verdict = if broken {
            "The file cannot be used as it is: see the issues of the header above.".to_owned()
        } else if total == 0 {
            "The file has no rows.".to_owned()
        } else if invalid == 0 {
            format!("All {} rows are valid.", thousands(total))
        } else {
            format!(
                "{} of {} rows are invalid, {} are valid.",
                thousands(invalid),
                thousands(total),
                thousands(valid)
            )
        };
        let _ = write!(text, "{verdict} ({})", duration(self.elapsed));
        text
    }

    /// The lines at the end of an import. `verdict` says how it ended, `next` what to do.
    pub fn of_import(&self, verdict: &str, next: &[String]) -> String {
        let mut text = format!("\n{verdict}\n\n");
        let number = |name: &str| thousands(self.row(name));
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<10}{value}");
        };
        let mut states: Vec<String> = ["done", "partial", "failed", "held"]
            .into_iter()
            .filter(|name| self.row(name) > 0)
            .map(|name| format!("{} {name}", number(name)))
            .collect();
        if self.row("invalid") > 0 {
            states.push(format!("{} invalid", number("invalid")));
        }
        let waiting = self.row("skipped").saturating_sub(self.row("invalid"));
        if waiting > 0 {
            states.push(format!("{} not begun", thousands(waiting)));
        }
        line(
            "rows",
            format!("{} in all: {}", number("total"), states.join(", ")),
        );
        let warnings = self.warnings.iter().flat_map(BTreeMap::values).sum::<u64>();
        if warnings > 0 {
            let value = format!("{} about rows; validate lists them", thousands(warnings));
            line("warnings", value);
        }
        for (name, three) in [("created", self.created), ("adopted", self.adopted)] {
            if let Some(three) = three.filter(|three| three.iter().sum::<u64>() > 0) {
                let [users, authentications, instances] = three.map(thousands);
                line(
                    name,
                    format!(
                        "{users} end users, {authentications} authentications, {instances} instances"
                    ),
                );
            }
        }
        if let Some(calls) = &self.calls {
            let total: u64 = calls.values().sum();
            if total > 0 {
                let rate = total as f64 / self.elapsed.as_secs_f64().max(0.001);
                let mut value = format!("{} ({rate:.1} a second)", thousands(total));
                for (name, count) in &self.counts {
                    if *count > 0 {
                        let _ = write!(value, ", {} {name}", thousands(*count));
                    }
                }
                line("calls", value);
            }
        }
        line("time", duration(self.elapsed));
        if let Some(failures) = self
            .failures
            .as_ref()
            .filter(|failures| !failures.is_empty())
        {
            let list: Vec<String> = by_count(failures)
                .map(|(code, count)| format!("{} {code}", thousands(count)))
                .collect();
            line("failures", list.join(", "));
        }
        for step in next {
            let _ = writeln!(text, "\n{step}");
        }
        text.trim_end().to_owned()
    }
}

fn by_count<K: AsRef<str>>(counts: &BTreeMap<K, u64>) -> impl Iterator<Item = (&str, u64)> {
    let mut list: Vec<(&str, u64)> = counts.iter().map(|(k, c)| (k.as_ref(), *c)).collect();
    list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    list.into_iter()
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `1,234 rows`.
pub(crate) fn count_of_rows(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        count => format!("{} rows", thousands(count)),
    }
}

/// A duration as people say it: `0.4 s`, `56.2 s`, `3 min 20 s`, `5 h 33 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(duration(Duration::from_millis(400)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(duration(Duration::from_secs(20_000)), "5 h 33 min");
    }
}
