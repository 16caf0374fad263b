//! What a row's lines in the results tell of its objects, for `verify`: each once, with the first line that
//! has the object's id or says that it is about to be created. And of its connector, for the report: with the
//! first line of a run.

use super::engine::{Engine, Run};
use super::feed::{Placement, WorkRow};
use crate::model::{Progress, State, Step};
use crate::results::facts::{AuthenticationFacts, ConnectorFacts, Facts, InstanceFacts};
use crate::tray::transport::Transport;

/// What is known of a row's objects, and what of it the results have yet to be told.
#[derive(Default)]
pub(super) struct Telling {
    connector: Option<ConnectorFacts>,
    authentication: Option<AuthenticationFacts>,
    instance: Option<InstanceFacts>,
    /// Whether the results have the instance's facts as they are.
    instance_told: bool,
}

impl Telling {
    /// Of a row's authentication, unless the results have it, with its facts, from an earlier run.
    pub(super) fn of(row: &WorkRow, known: Option<&Progress>) -> Telling {
        let known = known.is_some_and(|progress| progress.authentication_id.is_some());
        let facts = || AuthenticationFacts {
            auth_name: row.auth_name.clone(),
            environment_id: row.environment_id.clone(),
            hidden: row.hidden,
        };
        Telling {
            connector: Some(ConnectorFacts {
                connector: row.connector.clone(),
                connector_version: row.connector_version.clone(),
            }),
            authentication: (!known).then(facts),
            ..Telling::default()
        }
    }

    /// What a line of this progress has to tell.
    pub(super) fn due(&self, progress: &Progress) -> Facts<'_> {
        let sends = |step| progress.state == State::Sent && progress.step == Some(step);
        let authentication = progress.authentication_id.is_some() || sends(Step::Authentication);
        let instance = progress.instance_id.is_some() || sends(Step::Instance);
        Facts {
            connector: self.connector.as_ref(),
            authentication: self.authentication.as_ref().filter(|_| authentication),
            instance: self
                .instance
                .as_ref()
                .filter(|_| instance && !self.instance_told),
        }
    }

    /// The line is on disk.
    pub(super) fn told(&mut self, progress: &Progress) {
        let due = self.due(progress);
        let (authentication, instance) = (due.authentication.is_some(), due.instance.is_some());
        self.connector = None;
        if authentication {
            self.authentication = None;
        }
        self.instance_told |= instance;
    }

    /// A config slot whose value in Tray is not the input's, and was left alone: nothing to compare later.
    pub(super) fn leave_alone(&mut self, slot: &str) {
        if let Some(instance) = &mut self.instance
            && instance.config_checks.slots.remove(slot).is_some()
        {
            self.instance_told = false;
        }
    }
}

impl<T: Transport> Engine<T> {
    /// Prepares what is to be told of an instance that the results do not know yet.
    pub(super) fn tell_of_instance(&self, runs: &mut [Run], placements: &[Placement]) {
        for (run, placement) in runs.iter_mut().zip(placements) {
            if run.progress.instance_id.is_none() {
                run.telling.instance = Some(InstanceFacts {
                    solution_id: placement.solution_id.clone(),
                    instance_name: placement.instance_name.clone(),
                    auth_external_id: placement.slot.clone(),
                    config_checks: self.checker.checks(run.key, &placement.config),
                });
            }
        }
    }
}
