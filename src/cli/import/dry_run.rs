//! `--dry-run`: the plan, and nothing else.

use std::time::Duration;

use super::asking::{listing_failure, preflight_failure};
use super::{Import, Ready, runtime};
use crate::cli::exit::{Exit, Failure};
use crate::cli::preview::{self, Preview};
use crate::cli::settings;
use crate::model::Step;
use crate::report::summary::Summary;
use crate::tray::preflight;

impl Import<'_> {
    pub(super) fn dry_run(&self, run: &Ready) -> Result<Exit, Failure> {
        let mut exits = vec![Exit::Done];
        if !self.outcome.issues.is_empty() {
            exits.push(Exit::Invalid);
        }
        let mut checks = None;
        let mut existing = None;
        if self.args.sandbox || self.token.is_some() {
            let runtime = runtime()?;
            let asked = runtime.block_on(async {
                let place = self.place(run).await?;
                let client = settings::client(&place.endpoints, &self.args.calls)?;
                let report = preflight::run(&client, &place.token, &self.wanted())
                    .await
                    .map_err(preflight_failure)?;
                let existing = preview::existing_users(&client, &place.token, &run.index)
                    .await
                    .map_err(listing_failure)?;
                Ok::<_, Failure>((report, existing))
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
            let (report, users) = asked?;
            if !report.findings.is_empty() {
                exits.push(Exit::Refused);
            }
            checks = Some(report);
            existing = Some(users);
        }
        let preview = Preview::of(
            &run.index,
            &run.plan,
            &run.prior,
            existing,
            self.args.until.map(Step::from),
            self.args.test_users,
        );
        let exit = Exit::worst(exits);
        let mut summary = Summary::new("import", exit.code(), self.started.elapsed());
        summary.valid(self.totals, &self.outcome.issues, &self.outcome.warnings);
        if self.printer.is_json() {
            summary.add("dryRun", serde_json::json!(true));
            summary.add("plan", preview.to_json(self.args.calls.rate.0));
            if let Some(report) = &checks {
                summary.add("preflight", serde_json::json!({
                    "findings": report.findings, "unchecked": report.unchecked, "passed": report.passed,
                }));
            }
            self.printer.object(&summary.to_json());
            return Ok(exit);
        }
        self.printer
            .result(&summary.of_validation(self.outcome.broken));
        self.printer.result("");
        self.printer
            .result(&preview.to_text(self.args.calls.rate.0));
        if let Some(report) = &checks {
            self.printer.result("\nPreflight:\n");
            for (mark, lines) in [
                ("ok", &report.passed),
                ("not checked", &report.unchecked),
                ("WRONG", &report.findings),
            ] {
                for line in lines {
                    self.printer.result(&format!("  {mark}: {line}"));
                }
            }
        }
        self.printer
            .result("\nNothing was changed: this was a dry run.");
        Ok(exit)
    }
}
