//! What Tray is asked before anything is created.

use super::Import;
use crate::cli::exit::{Exit, Failure};
use crate::report::summary::Summary;
use crate::secret::SecretText;
use crate::tray::client::{Client, Failed};
use crate::tray::http::Http;
use crate::tray::outcome::{ReadError, Trouble};
use crate::tray::preflight::{self, Wanted, WantedSlots};
use crate::validate::references::References;

impl Import<'_> {
    pub(super) fn wanted(&self) -> Wanted {
        let references = &self.outcome.references;
        let mut wanted = Wanted {
            test_users: self.args.test_users,
            form_data: references.form_data,
            has_api: self.args.sandbox || self.endpoints.api.is_some(),
            ..Wanted::default()
        };
        let References {
            solutions,
            services,
            ..
        } = references;
        for (id, slots) in solutions {
            let slots = WantedSlots {
                auth: slots.auth.clone(),
                config: slots.config.clone(),
            };
            wanted.solutions.insert(id.clone(), slots);
        }
        for (name, versions) in services {
            for (version, ids) in versions {
                wanted
                    .services
                    .insert((name.clone(), *version), ids.clone());
            }
        }
        wanted
    }

    /// The exit code, where the preflight ends the run.
    pub(super) async fn preflight(
        &self,
        client: &Client<Http>,
        token: &SecretText,
    ) -> Result<Option<Exit>, Failure> {
        let report = preflight::run(client, token, &self.wanted())
            .await
            .map_err(preflight_failure)?;
        for note in &report.unchecked {
            self.printer.note(&format!("not checked: {note}"));
        }
        if report.findings.is_empty() {
            for note in &report.passed {
                tracing::info!("preflight: {note}");
            }
            return Ok(None);
        }
        let exit = Exit::Refused;
        if self.printer.is_json() {
            let mut summary = Summary::new("import", exit.code(), self.started.elapsed());
            summary.valid(self.totals, &self.outcome.issues, &self.outcome.warnings);
            summary.add(
                "preflight",
                serde_json::json!({"findings": report.findings, "unchecked": report.unchecked}),
            );
            self.printer.object(&summary.to_json());
        }
        for finding in &report.findings {
            self.printer
                .failure(&Failure::new(exit, format!("preflight: {finding}")));
        }
        self.printer.note("Nothing was sent.");
        Ok(Some(exit))
    }
}

pub(in crate::cli) fn refused_token(message: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("Tray refused the master token ({message})"),
    )
    .hint("check TRAY_MASTER_TOKEN, and that --region is the token's")
}

pub(super) fn preflight_failure(error: ReadError) -> Failure {
    match error {
        ReadError::Token(message) => refused_token(&message),
        ReadError::Refused(_) => Failure::new(Exit::Refused, error.to_string()),
        ReadError::NoAnswer(_) | ReadError::Form { .. } => Failure::internal(error)
            .hint("nothing was sent; check --endpoint and --region, and the network"),
    }
}

pub(super) fn listing_failure(failed: Failed) -> Failure {
    match failed.trouble {
        Trouble::TokenRefused { message, .. } => refused_token(&message),
        _ => Failure::internal("Tray gives no answer: the end users cannot be listed"),
    }
}
