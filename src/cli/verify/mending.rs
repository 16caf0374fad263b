//! `--fix`: asks, enables again, and takes out of the results what Tray has lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Command, saying};
use crate::aftercare::difference::{Difference, What};
use crate::aftercare::requeue::requeued;
use crate::aftercare::verify::{Findings, Verify};
use crate::aftercare::walk::walk;
use crate::cli::exit::Failure;
use crate::report::summary::thousands;
use crate::results::facts::Facts;
use crate::results::file::ResultsFile;
use crate::results::journal::Journal;
use crate::results::line::write_line;
use crate::results::users::EndUser;
use crate::tray::http::Http;

/// What was mended.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// Instances that are enabled again.
    pub(super) enabled: BTreeSet<String>,
    /// Instances that are not, and why.
    refused: BTreeMap<String, String>,
    /// Rows that the next import does again.
    requeued: u64,
    /// Whether the person at the terminal said no.
    declined: bool,
    /// Whether the differences have been shown already.
    pub(super) listed: bool,
}

impl Mended {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "enabled": self.enabled.len(),
            "notEnabled": self.refused.len(),
            "requeuedRows": self.requeued,
            "declined": self.declined,
        })
    }

    /// What was done, in lines.
    pub(super) fn said(&self) -> Vec<String> {
        let mut lines: Vec<String> = (self.refused.iter())
            .map(|(id, why)| format!("the instance {id} was not enabled: {why}"))
            .collect();
        if self.declined {
            lines.push("Nothing was changed.".to_owned());
        }
        if !self.enabled.is_empty() {
            let count = thousands(self.enabled.len() as u64);
            lines.push(format!("Enabled again: {count} instances."));
        }
        if self.requeued > 0 {
            let count = thousands(self.requeued);
            lines.push(format!(
                "Re-queued: {count} rows. The same import command as before makes again what they lack."
            ));
        }
        lines
    }
}

impl Command<'_> {
    pub(super) async fn mend(
        &self,
        verify: &Arc<Verify<Http>>,
        users: &[EndUser],
        findings: &Findings,
        file: Option<ResultsFile>,
    ) -> Result<Mended, Failure> {
        let mut mended = Mended::default();
        let mut by_user: BTreeMap<&str, Vec<&Difference>> = BTreeMap::new();
        for difference in &findings.differences {
            let of_user = by_user.entry(&difference.external_user_id).or_default();
            of_user.push(difference);
        }
        let (mut lines, mut rows, mut disabled) = (Vec::new(), 0, Vec::new());
        let now = Timestamp::now();
        for user in users {
            let Some(differences) = by_user.get(user.external_user_id.as_str()) else {
                continue;
            };
            let again = requeued(user, differences);
            for (row, progress) in &again {
                let name = &user.external_user_id;
                write_line(
                    &mut lines,
                    (row.row, row.key),
                    name,
                    progress,
                    now,
                    Facts::default(),
                );
                rows += 1;
            }
            // an instance that lacks something is enabled by the import that makes it
            let whole = |found: &&&Difference| {
                let lacks = |row: &u64| again.iter().any(|(known, _)| known.row == *row);
                found.what == What::Disabled && !found.rows.iter().any(lacks)
            };
            let ids = user.rows.iter().find_map(|r| r.progress.user_id.as_ref());
            for difference in differences.iter().filter(whole) {
                let user_id = ids.map(ToString::to_string).unwrap_or_default();
                disabled.push((user_id, difference.id.clone()));
            }
        }
        if rows == 0 && disabled.is_empty() {
            return Ok(mended);
        }
        if !self.args.yes {
            // whoever is asked has seen what it is about
            let listed = saying::listed(findings, self.args.max_differences, true);
            self.printer.result(&listed.join("\n"));
            mended.listed = true;
            let mut parts = Vec::new();
            if !disabled.is_empty() {
                let count = thousands(disabled.len() as u64);
                parts.push(format!("enable {count} instances"));
            }
            if rows > 0 {
                let count = thousands(rows);
                parts.push(format!("have the next import do {count} rows again"));
            }
            let question = format!("\nType \"yes\" to {}:", parts.join(" and to "));
            if self.printer.ask(&question)? != "yes" {
                mended.declined = true;
                return Ok(mended);
            }
        }
        if let (Some(file), true) = (file, rows > 0) {
            let journal = Journal::start(file);
            let written = journal.write(lines).await;
            written.map_err(|error| {
                Failure::internal(format!("the results cannot be written: {error}"))
            })?;
            mended.requeued = rows;
        }
        let (_, stop) = verify.calls();
        let outcome = Arc::new(Mutex::new(mended));
        let at_once = self.args.calls.concurrency as usize;
        walk(disabled, at_once, &stop, |(user_id, id)| {
            let (verify, outcome) = (Arc::clone(verify), Arc::clone(&outcome));
            async move {
                let answer = verify.enable(&user_id, &id).await;
                let mut mended = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                match answer {
                    Ok(()) => drop(mended.enabled.insert(id)),
                    Err(why) => drop(mended.refused.insert(id, why)),
                }
            }
        })
        .await;
        let mut mended = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *mended))
    }
}
