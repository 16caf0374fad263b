//! A row on its way: what is to be done for it, and what is known of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::users::EndUser;
use crate::model::Key;
use crate::model::{Id, Progress, State, Step};
use crate::results::facts::{AuthenticationFacts, Checker, ConnectorFacts, Facts, InstanceFacts};
use crate::secret::SecretText;
use crate::tray::operations::SlotValue;

/// A row with all that is needed to import it; the fields as in the input.
#[allow(missing_docs)]
#[derive(Debug)]
pub struct WorkRow {
    /// Where it stands in the batch's index.
    pub index: usize,
    pub row: u64,
    pub line: u64,
    pub key: Key,
    pub external_user_id: String,
    pub user_name: String,
    pub connector: String,
    pub connector_version: String,
    pub auth_name: String,
    pub service_id: String,
    pub environment_id: String,
    /// JSON text, as is `form_data`.
    pub data: SecretText,
    pub form_data: Option<SecretText>,
    pub scopes: Vec<String>,
    pub hidden: bool,
    pub placement: Option<Placement>,
}

/// Where an authentication goes.
#[allow(missing_docs)]
#[derive(Debug, Clone)]
pub struct Placement {
    pub solution_id: String,
    pub instance_name: String,
    /// The auth slot's External ID.
    pub slot: String,
    /// Config slots that the row fills; values as JSON text.
    pub config: Vec<SlotValue>,
}

/// A row whose steps are being done. It holds no credential: those go with the [`WorkRow`].
pub(super) struct RowInFlight {
    pub(super) row: u64,
    pub(super) line: u64,
    pub(super) key: Key,
    pub(super) external_user_id: String,
    pub(super) user: Arc<EndUser>,
    pub(super) placement: Option<Placement>,
    pub(super) progress: Progress,
    /// The state that the results hold.
    pub(super) recorded: Option<State>,
    /// Calls that were made for it since the last line.
    pub(super) calls: Arc<AtomicU32>,
    pub(super) facts: DueFacts,
}

impl RowInFlight {
    /// `known` is what the results have of the row.
    pub(super) fn new(
        work: &WorkRow,
        user: Arc<EndUser>,
        known: Option<Progress>,
        checker: &Checker,
    ) -> RowInFlight {
        let mut progress = known.clone().unwrap_or_else(Progress::none);
        // the replay has seen it, and a later line must not unsay the end user's new id
        progress.lost.remove(Step::User);
        RowInFlight {
            facts: DueFacts::of(work, &progress, checker),
            row: work.row,
            line: work.line,
            key: work.key,
            external_user_id: work.external_user_id.clone(),
            user,
            placement: work.placement.clone(),
            recorded: known.map(|progress| progress.state),
            progress,
            calls: Arc::default(),
        }
    }

    /// Whether the results have a creation of this row as sent.
    pub(super) fn is_sent(&self) -> bool {
        self.recorded == Some(State::Sent)
    }

    /// Moves what was counted by its calls into its progress.
    pub(super) fn count_calls(&mut self) {
        self.progress.attempts += self.calls.swap(0, Ordering::Relaxed);
    }

    /// Notes the id of what a step has brought, and whether this batch made it.
    pub(super) fn has(&mut self, step: Step, id: &str, ours: bool) {
        let progress = &mut self.progress;
        let field = match step {
            Step::User => &mut progress.user_id,
            Step::Authentication => &mut progress.authentication_id,
            Step::Instance | Step::Enable => &mut progress.instance_id,
        };
        *field = Some(Id::new(id));
        if ours {
            progress.created.add(step);
        } else {
            progress.adopted.add(step);
        }
    }
}

/// What the results have yet to be told of a row besides its progress, so that `verify` needs no input: of each
/// object once, with the first line that has its id or says that it is about to be created. Of the connector,
/// for the report, with the first line of a run.
pub(super) struct DueFacts {
    connector: Option<ConnectorFacts>,
    authentication: Option<AuthenticationFacts>,
    instance: Option<InstanceFacts>,
    /// Whether the results have the instance's facts as they are here.
    instance_written: bool,
}

impl DueFacts {
    fn of(work: &WorkRow, progress: &Progress, checker: &Checker) -> DueFacts {
        let authentication = || AuthenticationFacts {
            auth_name: work.auth_name.clone(),
            environment_id: work.environment_id.clone(),
            hidden: work.hidden,
        };
        let instance = |placement: &Placement| InstanceFacts {
            solution_id: placement.solution_id.clone(),
            instance_name: placement.instance_name.clone(),
            auth_external_id: placement.slot.clone(),
            config_checks: checker.checks(work.key, &placement.config),
        };
        let placement = (work.placement.as_ref()).filter(|_| progress.instance_id.is_none());
        DueFacts {
            connector: Some(ConnectorFacts {
                connector: work.connector.clone(),
                connector_version: work.connector_version.clone(),
            }),
            authentication: (progress.authentication_id.is_none()).then(authentication),
            instance: placement.map(instance),
            instance_written: false,
        }
    }

    /// What a line of this progress has to tell.
    pub(super) fn with(&self, progress: &Progress) -> Facts<'_> {
        let sends = |step| progress.state == State::Sent && progress.step == Some(step);
        let authentication = progress.authentication_id.is_some() || sends(Step::Authentication);
        let instance =
            (progress.instance_id.is_some() || sends(Step::Instance)) && !self.instance_written;
        Facts {
            connector: self.connector.as_ref(),
            authentication: self.authentication.as_ref().filter(|_| authentication),
            instance: self.instance.as_ref().filter(|_| instance),
        }
    }

    /// The line is on disk.
    pub(super) fn written(&mut self, progress: &Progress) {
        let told = self.with(progress);
        let (authentication, instance) = (told.authentication.is_some(), told.instance.is_some());
        self.connector = None;
        if authentication {
            self.authentication = None;
        }
        self.instance_written |= instance;
    }

    /// The value of this config slot is the end user's own affair: nothing to compare later.
    pub(super) fn leave_alone(&mut self, slot: &str) {
        if let Some(instance) = &mut self.instance
            && instance.config_checks.slots.remove(slot).is_some()
        {
            self.instance_written = false;
        }
    }
}
