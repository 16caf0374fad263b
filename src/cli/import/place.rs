//! Where an import's calls go: Tray, or a sandbox inside this process.

use std::sync::Arc;

use super::{AHEAD, Import, Ready};
use crate::batch::plan::{Plan, Todo};
use crate::cli::exit::Failure;
use crate::cli::rehearsal::{self, ENDPOINT};
use crate::import::row_source::{Item, RowSource};
use crate::input::open::Format;
use crate::sandbox::{self, Running, Setup};
use crate::secret::SecretText;
use crate::tray::http::{Endpoints, parse_url};

/// Where the calls go.
pub(super) struct Place {
    /// The name under which results files know it.
    pub(super) name: String,
    pub(super) endpoints: Endpoints,
    pub(super) token: SecretText,
    /// Ends when it is dropped.
    _sandbox: Option<Running>,
}

impl Import<'_> {
    pub(super) fn source(&self, run: &Ready) -> RowSource {
        RowSource {
            path: self.args.input.clone(),
            format: self.args.format.map(Format::from),
            fingerprint: self.loaded.fingerprint.clone().unwrap_or_default(),
            layout: Arc::clone(&self.loaded.layout),
            catalog: Arc::clone(&self.loaded.catalog),
            index: Arc::clone(&run.index),
            plan: Arc::clone(&run.plan),
        }
    }

    /// Where the calls go: Tray, or a sandbox inside this process.
    pub(super) async fn place(&self, run: &Ready) -> Result<Place, Failure> {
        if !self.args.sandbox {
            let token = self.token.clone();
            return Ok(Place {
                name: self.endpoints.graphql.to_string(),
                endpoints: self.endpoints.clone(),
                token: token.ok_or_else(|| Failure::usage("there is no master token"))?,
                _sandbox: None,
            });
        }
        let solutions = rehearsal::solutions(
            self.args.solutions.as_deref(),
            self.shared,
            Some(&self.args.input),
        )?;
        let solutions = solutions.unwrap_or_else(|| {
            self.printer.note(
                "The sandbox has the solutions and slots that the rows name (no solutions.json beside the catalog): a misspelt External ID goes unnoticed.",
            );
            rehearsal::solutions_of(&self.outcome.references)
        });
        // known to nobody outside this process
        let token = format!("{:032x}", fastrand::u128(..));
        let platform = rehearsal::platform(&self.loaded.catalog, solutions);
        let mut setup = Setup::new(token.clone(), platform);
        setup.seed = fastrand::u64(..);
        setup.limit = Some(sandbox::Limit::DOCUMENTED);
        let running = sandbox::start(setup)
            .await
            .map_err(|error| Failure::internal(format!("the sandbox cannot start: {error}")))?;
        self.restore(&running, run).await;
        let url = |text: &str| parse_url(text).map_err(Failure::internal);
        Ok(Place {
            name: ENDPOINT.to_owned(),
            endpoints: Endpoints {
                graphql: url(&running.graphql_url())?,
                api: Some(url(&format!("{}/", running.url()))?),
            },
            token: SecretText::new(token),
            _sandbox: Some(running),
        })
    }

    /// Gives the sandbox back what earlier rehearsals with this results file made.
    async fn restore(&self, running: &Running, run: &Ready) {
        let mut all = Plan {
            groups_at_work: vec![false; run.index.groups.len()],
            ..Plan::default()
        };
        for row in &run.index.rows {
            let known = run.prior.contains_key(&row.key());
            all.work += u64::from(known);
            all.todo
                .push(if known { Todo::Work } else { Todo::Nothing });
        }
        if all.work == 0 {
            return;
        }
        let mut source = self.source(run);
        source.plan = Arc::new(all);
        let mut items = source.start(AHEAD);
        let model = running.model();
        while let Some(item) = items.recv().await {
            if let Item::Work(row) = item
                && let Some(progress) = run.prior.get(&row.key)
            {
                rehearsal::restore(&mut model.lock(), &row, progress, self.args.test_users);
            }
        }
    }
}
