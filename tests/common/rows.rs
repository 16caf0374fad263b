//! Customers to import: rows in the form of JSON Lines, whose every secret bears a marker.

use std::fs;

use serde_json::{Value, json};

use super::sample;

/// A solution with one auth slot, [`SOURCE_SLOT`].
pub const ACCOUNT_SYNC: &str = "29a3b2e9-5d65-4441-9588-42dea2bc372f";
/// The slot of [`ACCOUNT_SYNC`].
pub const SOURCE_SLOT: &str = "external_source_authentication";
/// A solution with a slot for SQS and one for Zendesk.
pub const TICKETS: &str = "ab9099a4-35a2-40ae-9af3-05535ec42e08";
/// A solution with a slot for SFTP, one for a CRM, and three config slots.
pub const DELIVERY: &str = "aefcfad8-efc8-4849-b3aa-7efe4458a885";

/// One customer with an authentication only.
pub fn plain(user: &str) -> Value {
    json!({
        "externalUserId": user,
        "connector": "sqs",
        "connectorVersion": "2.1",
        "data": {
            "region": "eu-west-1",
            "account_id": "123456789012",
            "access_key": format!("CANARY-access-{user}-xxxxxxxx"),
            "secret_key": format!("CANARY-secret-{user}-xxxxxxxxxxxxxxxxxxxxxxxx"),
        },
    })
}

/// One customer with an instance of its own.
pub fn synced(user: &str) -> Value {
    with(
        plain(user),
        json!({ "solutionId": ACCOUNT_SYNC, "authExternalId": SOURCE_SLOT }),
    )
}

/// The row with more fields, or other values for them.
pub fn with(mut row: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        row[key] = value.clone();
    }
    row
}

/// `count` customers `c-1`, `c-2`, …, each with an instance of its own.
pub fn synced_rows(count: usize) -> Vec<Value> {
    (1..=count).map(|n| synced(&format!("c-{n}"))).collect()
}

/// Both rows of an instance with two slots.
pub fn pair(user: &str) -> [Value; 2] {
    let place = |slot: &str| json!({ "solutionId": TICKETS, "authExternalId": slot });
    let zendesk = json!({
        "externalUserId": user,
        "connector": "zendesk",
        "connectorVersion": "6.1",
        "data": { "email": "agent@example.com", "api_token": format!("CANARY-zendesk-{user}") },
        "formData": { "subdomain": "example", "ticket_limit": 50 },
    });
    [
        with(plain(user), place("external_sqs_authentication")),
        with(zendesk, place("external_zendesk_authentication")),
    ]
}

/// Both rows of an instance with two slots and config values in each.
pub fn delivery(user: &str) -> [Value; 2] {
    let sftp = json!({
        "externalUserId": user,
        "connector": "sftp",
        "connectorVersion": "4.2",
        "data": {
            "host": "files.example.com", "port": 2222, "username": "svc", "strict_host_key": true,
            "password": format!("  CANARY-\"sftp\"-{user}\r\n ü "), "timeout_seconds": 2.5,
            "folders": ["/in", "/out, archived"], "options": { "retries": { "max": 3 } },
        },
        "solutionId": DELIVERY,
        "instanceName": format!("Delivery of {user}"),
        "authExternalId": "external_sftp_authentication",
        "config": { "external_report_email": "10", "external_field_mapping": { "a": [1, null] } },
    });
    let crm = json!({
        "externalUserId": user,
        "connector": "acme-crm",
        "connectorVersion": "1.0",
        "data": {
            "access_token": format!("CANARY-access-{user}"),
            "refresh_token": format!("CANARY-refresh-{user}"),
            "expires_at": 1_901_404_558, "tenant": "eu",
        },
        "scopes": ["contacts:read", "offline_access"],
        "solutionId": DELIVERY,
        "instanceName": format!("Delivery of {user}"),
        "authExternalId": "external_crm_authentication",
        "config": { "external_page_size": 250, "external_field_mapping": null },
    });
    [sftp, crm]
}

/// Rows of `users` customers of all kinds. The second rows of instances stand at the end, far from the first.
pub fn mixed(users: usize) -> Vec<Value> {
    let (mut rows, mut later) = (Vec::new(), Vec::new());
    for n in 1..=users {
        let user = format!("m|{n}");
        let name = json!({ "userName": format!("Müller & Söhne {n}") });
        match n % 7 {
            0 => rows.push(with(plain(&user), name)),
            1 => rows.push(synced(&user)),
            2 => {
                let [first, second] = pair(&user);
                rows.push(first);
                later.push(second);
            }
            3 => {
                let [first, second] = delivery(&user);
                rows.push(first);
                later.push(second);
            }
            4 => rows.push(with(synced(&user), json!({ "enabled": false }))),
            5 => rows.push(with(
                plain(&user),
                json!({ "hidden": true, "authName": "hidden" }),
            )),
            _ => {
                for region in ["North", "South"] {
                    let more = json!({ "authName": region, "instanceName": region });
                    rows.push(with(with(synced(&user), name.clone()), more));
                }
            }
        }
    }
    rows.append(&mut later);
    rows
}

/// Rows as JSON Lines.
pub fn jsonl(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// The good rows of the samples.
pub fn samples() -> Vec<Value> {
    let text = fs::read_to_string(sample("customers.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Rows as CSV with a column `data` and a column `config.<slot>` each; for tests of rows and lines.
pub fn csv(columns: &[&str], rows: &[Value]) -> String {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    };
    let mut text = columns.join(",") + "\n";
    for row in rows {
        let cells: Vec<_> = columns.iter().map(|column| cell(&row[*column])).collect();
        text += &(cells.join(",") + "\n");
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
