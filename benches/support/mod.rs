//! What the benches have in common: rows like those of `benches/generate.py`, fewer of them.

#![allow(dead_code, reason = "every bench uses a part of it")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

/// A directory with `rows.csv`, `rows.jsonl` and `catalog/`.
pub fn files(rows: usize) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    catalog(&dir.path().join("catalog"));
    let (mut csv, mut jsonl) = (String::new(), String::new());
    csv.push_str("externalUserId,userName,connector,connectorVersion,environment,authName,data.region,data.account_id,data.access_key,data.secret_key,data.session_name,solutionId,instanceName,authExternalId,enabled\n");
    let mut rng = fastrand::Rng::with_seed(1);
    for n in 0..rows {
        // one in fifty is bad
        let region = if n % 50 == 49 {
            "us-east-9"
        } else {
            "us-east-1"
        };
        let account = rng.u64(..1_000_000_000_000);
        let (key, secret) = (rng.u64(..), rng.u128(..));
        let user = format!("c-{n:08}");
        let name = format!("Birch \"&\" Sons, no. {n}");
        let solution = "29a3b2e9-5d65-4441-9588-42dea2bc372f";
        let _ = writeln!(
            csv,
            "{user},\"Birch \"\"&\"\" Sons, no. {n}\",queue,2.1,,,{region},{account:012},FAKE{key:016X},fake/{secret:039x},import-{n}@example.com,{solution},,external_source_authentication,",
        );
        let row = json!({
            "externalUserId": user, "userName": name, "connector": "queue", "connectorVersion": "2.1",
            "data": {
                "region": region, "account_id": format!("{account:012}"), "access_key": format!("FAKE{key:016X}"),
                "secret_key": format!("fake/{secret:039x}"), "session_name": format!("import-{n}@example.com"),
            },
            "solutionId": solution, "authExternalId": "external_source_authentication",
        });
        let _ = writeln!(jsonl, "{row}");
    }
    fs::write(dir.path().join("rows.csv"), csv).expect("rows.csv");
    fs::write(dir.path().join("rows.jsonl"), jsonl).expect("rows.jsonl");
    dir
}

fn catalog(dir: &Path) {
    let fields = json!({
        "region": {"type": "string", "enum": ["us-east-1", "us-west-1", "eu-west-1", "eu-central-1"]},
        "account_id": {"type": "string", "pattern": "^[0-9]{12}$"},
        "access_key": {"type": "string", "pattern": "^[A-Z0-9]+$", "minLength": 16, "maxLength": 32},
        "secret_key": {"type": "string", "minLength": 30, "maxLength": 80},
        "session_name": {"type": "string", "pattern": "^[A-Za-z0-9_+=,.@-]+$", "minLength": 2, "maxLength": 64},
    });
    let entry = json!({
        "connector": "queue", "versions": ["2.1"],
        "service": {"id": "bdd640fb-0667-4ad1-9c80-317fa3b17000", "name": "queue", "version": 1},
        "authType": "token", "ownService": false, "allowExtraFields": false,
        "environments": [{
            "id": "6f1a44e2-52a1-4d7e-9f5e-0c1b7f2d3a01", "title": "Production", "userData": {},
            "credentials": {
                "type": "object", "properties": fields, "additionalProperties": false,
                "required": ["region", "account_id", "access_key", "secret_key", "session_name"],
            },
        }],
    });
    fs::create_dir(dir).expect("the catalog's directory");
    fs::write(dir.join("queue.json"), entry.to_string()).expect("queue.json");
}
