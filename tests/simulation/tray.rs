//! Tray as another machine: requests travel, are executed, and answers travel back; each may go wrong.
//!
//! What a request does is settled by the emulation's model; this file decides only when, whether, and what
//! the tool gets to see of it. Requests that have left live here, not in the tool, so that they are executed
//! although the tool that sent them has died.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tray_import::sandbox::behaviour::ThrottleForm;
use tray_import::sandbox::limit::Limiter;
use tray_import::sandbox::model::Caller;
use tray_import::sandbox::{Behaviour, Model};
use tray_import::tray::operations::Operation;
use tray_import::tray::transport::{Call, Request, Response, SendError, Transport};

use crate::answers::{self, Answer};
use crate::faults::{Fault, Rates, draw};
use crate::sim::{Sim, World};
use crate::stats::Stats;
use crate::trace::Trace;

/// The other machine.
pub(crate) struct Tray {
    pub(crate) model: Model,
    pub(crate) behaviour: Behaviour,
    pub(crate) limiter: Option<Limiter>,
    /// What goes wrong, and how often; changes between runs.
    pub(crate) rates: Rates,
    /// Every token that was ever given out, for the search for secrets.
    pub(crate) tokens: Vec<String>,
    throttled: u64,
    /// What is yet to happen, by time and then by order.
    due: BTreeMap<(Duration, u64), Doing>,
    next: u64,
    answers: BTreeMap<u64, Answer>,
    /// Whether the tool that sent the requests still under way has died.
    orphaned: u64,
}

/// A request on its way through Tray.
struct Doing {
    operation: &'static Operation,
    variables: Value,
    stage: Stage,
    late_by: Option<Duration>,
}

enum Stage {
    /// On the wire: the bearer token is yet to be looked at.
    Arriving(String),
    /// Accepted, and executed a while later.
    Accepted(Caller),
}

impl Tray {
    pub(crate) fn new(model: Model, behaviour: Behaviour, limiter: Option<Limiter>) -> Tray {
        Tray {
            model,
            behaviour,
            limiter,
            rates: Rates::default(),
            tokens: Vec::new(),
            throttled: 0,
            due: BTreeMap::new(),
            next: 0,
            answers: BTreeMap::new(),
            orphaned: 0,
        }
    }

    fn accept(&mut self, at: Duration, request: Doing) -> u64 {
        self.next += 1;
        self.due.insert((at, self.next), request);
        self.next
    }

    /// Does everything that is due by `now`, in order.
    pub(crate) fn advance(&mut self, now: Duration, trace: &mut Trace, stats: &mut Stats) {
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let ((at, number), doing) = entry.remove_entry();
            let answer = self.step(at, number, doing, trace, stats);
            if let Some(answer) = answer {
                self.answers.insert(number, answer);
            }
        }
    }

    fn step(
        &mut self,
        at: Duration,
        number: u64,
        doing: Doing,
        trace: &mut Trace,
        stats: &mut Stats,
    ) -> Option<Answer> {
        let name = doing.operation.name;
        let caller = match doing.stage {
            Stage::Accepted(caller) => caller,
            Stage::Arriving(token) => {
                let Ok(caller) = self.model.authenticate(at, &token) else {
                    trace.note(at, || format!("    #{number} Tray refuses the token"));
                    return Some(answers::forbidden(&self.behaviour, name));
                };
                let admitted = self
                    .limiter
                    .as_mut()
                    .is_none_or(|limiter| limiter.admit(at));
                if !admitted {
                    stats.throttled += 1;
                    return Some(self.throttle(name));
                }
                if !answers::may_call(&caller, name, &self.behaviour) {
                    trace.note(at, || {
                        format!("    #{number} Tray refuses the kind of token")
                    });
                    return Some(answers::forbidden(&self.behaviour, name));
                }
                if let Some(late_by) = doing.late_by {
                    let stage = Stage::Accepted(caller);
                    let late = Doing { stage, ..doing };
                    self.due.insert((at + late_by, number), late);
                    return None;
                }
                caller
            }
        };
        stats.executed += 1;
        if number <= self.orphaned {
            stats.late_after_crash += 1;
        }
        let answer = answers::execute(self, at, &caller, name, &doing.variables);
        trace.note(at, || {
            format!("    #{number} Tray executes {name}: {}", answer.in_short())
        });
        Some(answer)
    }

    fn throttle(&mut self, operation: &str) -> Answer {
        self.throttled += 1;
        let graphql = match self.behaviour.throttle_form {
            ThrottleForm::Graphql200 => true,
            ThrottleForm::Http429 => false,
            ThrottleForm::Mixed => self.throttled % 2 == 1,
        };
        let mut answer = match graphql {
            true => answers::field_error(operation, "Rate limit exceeded", "access_not_allowed"),
            false => answers::message(429, "Too Many Requests"),
        };
        answer.retry_after = self.behaviour.retry_after.map(Duration::from_secs);
        answer
    }
}

impl World {
    /// The tool has died: requests on the wire may be cut off, or arrive all the same.
    pub(crate) fn wires_crash(&mut self) {
        if !self.tray.due.is_empty() {
            self.stats.crashes_in_call += 1;
        }
        let rng = &mut self.rng;
        self.tray.due.retain(|_, doing| match doing.stage {
            Stage::Arriving(_) => rng.bool(),
            Stage::Accepted(_) => true,
        });
        self.tray.orphaned = self.tray.next;
        self.tray.answers.clear();
    }
}

/// The way to Tray, for the tool.
pub(crate) struct SimTransport {
    pub(crate) sim: Arc<Sim>,
}

impl Transport for SimTransport {
    async fn send(&self, request: &Request) -> Result<Response, SendError> {
        let Call::GraphQl {
            operation,
            variables,
        } = &request.call
        else {
            return Err(SendError::NotSent("the engine reads no REST".to_owned()));
        };
        let (sim, name) = (&self.sim, operation.name);
        sim.event(|| format!("call {}", answers::describe(name, &variables.0)))
            .await;
        let (there, back, fault, number) = {
            let mut world = sim.world();
            let World {
                rng, tray, stats, ..
            } = &mut *world;
            let fault = draw(&tray.rates, rng, operation.name);
            let there = Duration::from_millis(rng.u64(1..=tray.rates.transit.max(1)));
            let back = Duration::from_millis(rng.u64(1..=tray.rates.transit.max(1)));
            if let Some(fault) = fault {
                *stats.faults.entry(fault.name()).or_default() += 1;
            }
            stats.calls += u64::from(fault != Some(Fault::Refused));
            let executed = fault.is_none_or(Fault::executes);
            let now = world.now();
            let number = executed.then(|| {
                let late = fault == Some(Fault::LateCommit);
                // the 504 comes first, the effect only then
                let late_by = late.then(|| back + world.drawn_lateness());
                world.tray.accept(
                    now + there,
                    Doing {
                        operation,
                        variables: variables.0.clone(),
                        stage: Stage::Arriving(request.token.expose().to_owned()),
                        late_by,
                    },
                )
            });
            world.note(|| match (fault, number) {
                (None, Some(number)) => format!("    #{number} leaves"),
                (Some(fault), Some(number)) => format!("    #{number} leaves; {}", fault.name()),
                (fault, None) => format!("    {}", fault.map_or("", Fault::name)),
            });
            (there, back, fault, number)
        };
        tokio::time::sleep(there).await;
        if fault == Some(Fault::Refused) {
            return Err(SendError::NotSent("connection refused".to_owned()));
        }
        sim.event(|| format!("    {name} has arrived")).await;
        tokio::time::sleep(back).await;
        if fault.is_some_and(Fault::hangs) {
            let hang = sim.world().tray.rates.hang;
            tokio::time::sleep(hang).await;
        }
        sim.event(|| format!("    {name} is answered")).await;
        let mut world = sim.world();
        let answer = number.and_then(|number| world.tray.answers.remove(&number));
        let answer = match fault {
            None => answer,
            Some(Fault::Throttle) => {
                world.stats.throttled += 1;
                Some(world.tray.throttle(name))
            }
            Some(fault) => fault.shows(name, answer),
        };
        match answer {
            Some(answer) => Ok(Response {
                status: answer.status,
                retry_after: answer.retry_after,
                body: answer.body,
            }),
            None => Err(SendError::Unknown("the connection broke".to_owned())),
        }
    }
}

impl World {
    fn drawn_lateness(&mut self) -> Duration {
        let most = u64::try_from(self.tray.rates.late_by.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.rng.u64(0..=most))
    }
}
