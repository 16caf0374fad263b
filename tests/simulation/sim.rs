//! The one place where everything meets: the clock, the events, and the moment at which the tool dies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tray_import::stop::{Reason, Stop};

use crate::disk::Disk;
use crate::stats::Stats;
use crate::trace::Trace;
use crate::tray::Tray;

/// The world outside the tool. It outlives every run of the tool: Tray and the disk are other machines.
pub(crate) struct Sim {
    world: Mutex<World>,
}

/// What is in it.
pub(crate) struct World {
    pub(crate) rng: fastrand::Rng,
    pub(crate) tray: Tray,
    pub(crate) disk: Disk,
    pub(crate) trace: Trace,
    pub(crate) stats: Stats,
    /// Simulated time at which the present run of the tool began.
    base: Duration,
    /// The paused clock's reading then; none while no tool runs.
    started: Option<Instant>,
    events: u64,
    crash_at: Option<u64>,
    stop_at: Option<(u64, Arc<Stop>)>,
    dead: bool,
    /// When the present run was asked to stop, and when it could not write.
    pub(crate) stopped: Option<Duration>,
    pub(crate) write_failed: Option<Duration>,
    /// Tells the driver; a new one for every run, for several tasks may come upon the same death.
    crash: Arc<Notify>,
}

/// Events of one scenario beyond which it counts as going round in circles.
const MOST_EVENTS: u64 = 200_000;

impl Sim {
    pub(crate) fn new(rng: fastrand::Rng, tray: Tray, trace: Trace) -> Arc<Sim> {
        Arc::new(Sim {
            world: Mutex::new(World {
                rng,
                tray,
                disk: Disk::default(),
                trace,
                stats: Stats::default(),
                // what was there before is older than any lag
                base: Duration::from_secs(1000),
                started: None,
                events: 0,
                crash_at: None,
                stop_at: None,
                dead: false,
                stopped: None,
                write_failed: None,
                crash: Arc::default(),
            }),
        })
    }

    /// The world, once no run of the tool holds it any more.
    pub(crate) fn into_world(self) -> World {
        self.world
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event on which a crash may fall. Once the tool is dead nothing of it goes on: whoever comes here
    /// waits for ever, until the runtime is dropped.
    pub(crate) async fn event(&self, what: impl FnOnce() -> String) {
        let dead = self.world().event(what);
        if dead {
            let crash = Arc::clone(&self.world().crash);
            crash.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Returns when the tool is to die.
    pub(crate) async fn crashed(&self) {
        let crash = Arc::clone(&self.world().crash);
        crash.notified().await;
    }
}

impl World {
    pub(crate) fn now(&self) -> Duration {
        self.base + self.started.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// A run of the tool begins; `crash_in` and `stop_in` count events from here.
    pub(crate) fn begin(&mut self, crash_in: Option<u64>, stop_in: Option<u64>, stop: &Arc<Stop>) {
        self.started = Some(Instant::now());
        self.dead = false;
        (self.stopped, self.write_failed) = (None, None);
        self.crash = Arc::default();
        self.crash_at = crash_in.map(|events| self.events + events);
        self.stop_at = stop_in.map(|events| (self.events + events, Arc::clone(stop)));
    }

    /// It ends, in whatever way; simulated time stands still until [`World::pass`].
    pub(crate) fn end(&mut self) {
        self.base = self.now();
        self.started = None;
        self.stop_at = None;
        self.crash_at = None;
    }

    /// Time goes by without the tool; what Tray has yet to do, it does.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.base += time;
        self.advance();
    }

    /// Lets Tray do what is due by now.
    pub(crate) fn advance(&mut self) {
        let now = self.now();
        let World {
            tray, trace, stats, ..
        } = self;
        tray.advance(now, trace, stats);
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now();
        self.trace.note(now, what);
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.events >= MOST_EVENTS
    }

    fn event(&mut self, what: impl FnOnce() -> String) -> bool {
        if self.dead {
            return true;
        }
        self.advance();
        self.note(what);
        self.events += 1;
        self.stats.events += 1;
        if self
            .stop_at
            .as_ref()
            .is_some_and(|(at, _)| self.events >= *at)
            && let Some((_, stop)) = self.stop_at.take()
        {
            self.note(|| "the user presses Ctrl-C".to_owned());
            self.stopped = Some(self.now());
            stop.because(Reason::Interrupted);
        }
        if self.crash_at.is_some_and(|at| self.events >= at) || self.is_exhausted() {
            self.note(|| "CRASH".to_owned());
            self.dead = true;
        }
        self.dead
    }
}
