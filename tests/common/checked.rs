//! One small connector, and what `validate` finds in rows for it.

use std::fs;

use serde_json::{Value, json};

use super::{Bench, Output, Tool};

/// A connector `mailer` 1.0 that requires `api_key` and knows `private_key` and `port`.
pub fn catalog(bench: &Bench) {
    let entry = json!({
        "connector": "mailer", "versions": ["1.0"], "authType": "token",
        "service": { "id": "s-1", "name": "mailer", "version": 1 },
        "environments": [{ "id": "e-1", "title": "Production", "credentials": {
            "type": "object", "required": ["api_key"], "additionalProperties": false,
            "properties": {
                "api_key": { "type": "string" }, "private_key": { "type": "string" },
                "port": { "type": "integer" },
            },
        }}],
    });
    fs::create_dir_all(bench.path("catalog")).unwrap();
    fs::write(bench.path("catalog/mailer.json"), entry.to_string()).unwrap();
}

/// What was found, in order: row, field, code, severity.
#[derive(Debug)]
pub struct Found {
    pub output: Output,
    pub issues: Vec<Value>,
}

/// Validates an input with more arguments; `code` is the exit code.
#[track_caller]
pub fn validate(
    bench: &Bench,
    name: &str,
    bytes: impl AsRef<[u8]>,
    more: &[&str],
    code: i32,
) -> Found {
    catalog(bench);
    let input = bench.input(name, bytes);
    let tool = bench.tool(&[
        "validate",
        "--catalog",
        "catalog",
        "--report",
        "issues.jsonl",
    ]);
    let output = tool.arg(input).args(more).expect(code);
    let report = bench.read("issues.jsonl");
    let issues = report
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    Found {
        output,
        issues: issues.collect(),
    }
}

impl Found {
    /// `row field code` of each issue, sorted; warnings are marked with `?`.
    pub fn list(&self) -> Vec<String> {
        let text = |issue: &Value, key: &str| match &issue[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut list: Vec<String> = (self.issues.iter())
            .map(|issue| {
                let mark = if issue["severity"] == "warning" {
                    "?"
                } else {
                    ""
                };
                let [row, field, code] = ["row", "field", "code"].map(|key| text(issue, key));
                format!("{row} {field} {code}{mark}").replace("  ", " ")
            })
            .collect();
        list.sort();
        list
    }
}

/// Rows under the header that `mailer` needs.
pub fn mailer(rows: &str) -> String {
    format!("externalUserId,userName,connector,connectorVersion,data.api_key\n{rows}")
}

/// `import --sandbox` of an input of the working directory.
pub fn import<'b>(bench: &'b Bench, name: &str) -> Tool<'b> {
    let arguments = ["--catalog", "catalog", "--results", "r.jsonl"];
    let tool = bench.tool(&["import", "--sandbox", "--rate", "unlimited"]);
    tool.args(arguments).arg(bench.path(name))
}
