//! What a run says of itself in the results file, for the report: how it was asked to go, how fast it went, how
//! it ended. Nothing else depends on these lines; a run that was killed has no last one.
//!
//! ```json
//! {"type":"run","run":"0193…","at":"…","event":"begin","command":"import","tool":"tray-import 0.1.0",
//!  "input":"customers.csv","rows":500,"invalid":0,"calls":11,"settings":{"rate":25.0,"burst":10}}
//! {"type":"run","run":"0193…","at":"…","event":"sample","calls":125,"throttled":0,"retried":0,"rate":25.0}
//! {"type":"run","run":"0193…","at":"…","event":"end","exitCode":0,"verdict":"Finished: …",
//!  "calls":{"authorize":500},"throttled":0,"retried":0,"settled":0}
//! ```
//!
//! Settings are those that can be shown: no token, no path, no URL.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A line of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunLine {
    r#type: Cow<'static, str>,
    /// Names the run; sortable by time.
    pub run: String,
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: Event,
}

/// What a run says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// It is about to send its first call.
    Begin {
        command: String,
        tool: String,
        /// The name of the input's file, without its path.
        input: String,
        rows: u64,
        /// Rows of the input that are invalid.
        invalid: u64,
        /// Calls that had left before: those of the preflight.
        #[serde(default)]
        calls: u64,
        /// The settings, by the names of the flags.
        settings: Map<String, Value>,
    },
    /// How far it is; counts are of this run, from its beginning.
    Sample {
        calls: u64,
        throttled: u64,
        /// Calls retried for another reason.
        retried: u64,
        /// The limiter's present rate, calls a second; absent without a limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<f64>,
    },
    /// It ended by itself.
    End {
        exit_code: u8,
        /// How it ended, in a sentence.
        verdict: String,
        /// Calls that left, by operation.
        calls: BTreeMap<String, u64>,
        throttled: u64,
        /// Calls retried for another reason.
        retried: u64,
        /// Open outcomes that were settled.
        settled: u64,
    },
    /// Something that a later version says.
    #[serde(other)]
    Other,
}

/// How often a run says how far it is, in seconds: often enough for a plot of an evening, and some 4,000 lines in
/// the six hours of 100,000 customers.
pub const SAMPLE_SECONDS: u64 = 5;

/// The line of an event, its end included.
pub fn write_run(run: &str, at: Timestamp, event: Event) -> Vec<u8> {
    let line = RunLine {
        r#type: Cow::Borrowed("run"),
        run: run.to_owned(),
        at,
        event,
    };
    // writing to memory, of types that always serialise
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads a run's line.
///
/// # Errors
/// What is wrong with the line.
pub fn read_run(line: &[u8]) -> Result<RunLine, String> {
    let line: RunLine = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match &*line.r#type {
        "run" => Ok(line),
        other => Err(format!("is of the unknown type \"{other}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back() {
        let settings = serde_json::json!({"rate": 25.0, "until": null});
        for event in [
            Event::Begin {
                command: "import".into(),
                tool: "t".into(),
                input: "c.csv".into(),
                rows: 3,
                invalid: 1,
                calls: 2,
                settings: settings.as_object().unwrap().clone(),
            },
            Event::Sample {
                calls: 7,
                throttled: 1,
                retried: 0,
                rate: None,
            },
            Event::End {
                exit_code: 4,
                verdict: "v".into(),
                calls: [("authorize".to_owned(), 7)].into(),
                throttled: 1,
                retried: 0,
                settled: 0,
            },
        ] {
            let line = write_run("r", Timestamp::UNIX_EPOCH, event.clone());
            assert!(line.starts_with(b"{\"type\":\"run\","));
            assert_eq!(read_run(&line).unwrap().event, event);
        }
        let later =
            br#"{"type":"run","run":"r","at":"1970-01-01T00:00:00Z","event":"paused","why":1}"#;
        assert_eq!(read_run(later).unwrap().event, Event::Other);
        assert!(read_run(b"{\"type\":\"row\"}").is_err());
    }
}
