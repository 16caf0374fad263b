//! The pace of all calls together.
//!
//! Tray allows an organisation 30 requests a second and 1,800 a minute, shared with its production traffic
//! (`tray-api.md` 6). One limiter stands before every call of the process, retries and look-ups included.
//! It holds the asked rate over every second and every minute; throttled answers slow everybody down, and
//! calm brings the rate back slowly, up to just below where Tray last objected.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// How fast calls may leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Calls a second; `None` for no limit.
    pub rate: Option<f64>,
    /// How many calls may leave at once after a pause.
    pub burst: u32,
}

/// See the module's page.
pub struct Limiter {
    /// First come, first served; the holder is the one who waits for time to pass.
    turn: tokio::sync::Mutex<()>,
    asked: Option<Asked>,
    state: Mutex<Adapted>,
}

struct Asked {
    rate: f64,
    bucket: RateLimiter<NotKeyed, InMemoryState, PausableClock, NoOpMiddleware<Tick>>,
    clock: PausableClock,
    /// The most calls in any second.
    a_second: usize,
    /// The most calls in any minute.
    a_minute: usize,
}

/// What was learnt from throttled answers.
struct Adapted {
    /// The last minute of departures.
    sent: VecDeque<Instant>,
    /// Nobody leaves before.
    pause_until: Option<Instant>,
    /// Slower than asked: calls a second, and when that was set.
    slowed: Option<Slowed>,
    /// Accepted answers since the last throttling.
    accepted: u64,
    /// When throttling last counted.
    last_throttled: Option<Instant>,
    /// Throttled episodes without a calm second between them.
    in_a_row: u32,
}

struct Slowed {
    rate: f64,
    ceiling: f64,
    since: Instant,
    last_departure: Instant,
}

/// One throttled episode: answers to calls that were under way when the first one came count as one.
const EPISODE: Duration = Duration::from_secs(1);
/// Share of the measured rate that is used after throttling.
const BELOW: f64 = 0.96;
/// What a first throttling, with nothing measured, leaves of the rate.
const FIRST_CUT: f64 = 0.7;
/// Recovery a second, as a share of the asked rate.
const RECOVERY: f64 = 0.05;
/// The least share of the asked rate that throttling leaves.
const FLOOR: f64 = 0.04;
/// Calm for so long, and the ceiling is tried a little higher: others may have gone.
const CALM: Duration = Duration::from_secs(60);
/// The longest pause, whatever `Retry-After` says.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl Limiter {
    /// A limiter that has not sent anything yet.
    pub fn new(pace: Pace) -> Limiter {
        let asked = pace.rate.map(|rate| {
            let rate = rate.max(0.001);
            let clock = PausableClock {
                start: Instant::now(),
            };
            let burst = NonZeroU32::new(pace.burst).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::with_period(Duration::from_secs_f64(1.0 / rate))
                .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
                .allow_burst(burst);
            let whole = |calls: f64| (calls.floor() as usize).max(1);
            Asked {
                rate,
                bucket: RateLimiter::direct_with_clock(quota, clock),
                clock,
                a_second: whole(rate.ceil()),
                a_minute: whole(rate * 60.0),
            }
        });
        Limiter {
            turn: tokio::sync::Mutex::new(()),
            asked,
            state: Mutex::new(Adapted {
                sent: VecDeque::new(),
                pause_until: None,
                slowed: None,
                accepted: 0,
                last_throttled: None,
                in_a_row: 0,
            }),
        }
    }

    /// Waits until one call may leave.
    pub async fn acquire(&self) {
        if self.asked.is_none() && self.is_calm() {
            return;
        }
        let _turn = self.turn.lock().await;
        while let Some(wait) = self.wait() {
            tokio::time::sleep(wait).await;
        }
        if let Some(asked) = &self.asked {
            while let Err(not_until) = asked.bucket.check() {
                tokio::time::sleep(not_until.wait_time_from(asked.clock.now())).await;
            }
        }
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(slowed) = &mut state.slowed {
            slowed.last_departure = now;
        }
        if let Some(asked) = &self.asked {
            state.sent.push_back(now);
            while state.sent.len() > asked.a_minute {
                state.sent.pop_front();
            }
        }
    }

    fn is_calm(&self) -> bool {
        let state = self.lock();
        state.pause_until.is_none() && state.slowed.is_none()
    }

    /// How long the next call has yet to wait, apart from the bucket.
    fn wait(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        let mut until = now;
        match state.pause_until {
            Some(pause) if pause > now => until = until.max(pause),
            _ => state.pause_until = None,
        }
        if let Some(asked) = &self.asked {
            for (most, window) in [
                (asked.a_second, Duration::from_secs(1)),
                (asked.a_minute, Duration::from_secs(60)),
            ] {
                if let Some(nth) = state.sent.len().checked_sub(most) {
                    until = until.max(state.sent[nth] + window);
                }
            }
        }
        let asked_rate = self.asked.as_ref().map_or(f64::INFINITY, |a| a.rate);
        if let Some(slowed) = &mut state.slowed {
            let rate = slowed.now(now, asked_rate);
            if rate >= asked_rate {
                state.slowed = None;
            } else {
                until = until.max(slowed.last_departure + Duration::from_secs_f64(1.0 / rate));
            }
        }
        (until > now).then(|| until - now)
    }

    /// Tells that a call was answered and not throttled.
    pub fn accepted(&self) {
        let mut state = self.lock();
        state.accepted += 1;
        if let Some(last) = state.last_throttled
            && last.elapsed() > 2 * EPISODE
        {
            state.in_a_row = 0;
        }
    }

    /// Tells that a call was throttled. `jitter` in 0..1 spreads the pause.
    pub fn throttled(&self, retry_after: Option<Duration>, jitter: f64) {
        let now = Instant::now();
        let mut state = self.lock();
        let pause = match retry_after {
            Some(asked) => asked.min(LONGEST_PAUSE),
            None => {
                let base = 0.25 * f64::from(1_u32 << state.in_a_row.min(6));
                Duration::from_secs_f64(base * (0.5 + jitter / 2.0))
            }
        };
        let until = now + pause;
        state.pause_until = Some(state.pause_until.map_or(until, |p| p.max(until)));
        if state
            .last_throttled
            .is_some_and(|last| now - last < EPISODE)
        {
            return;
        }
        let current = match &mut state.slowed {
            Some(slowed) => slowed.now(now, f64::INFINITY),
            None => self.recent_rate(&state.sent, now),
        };
        // between two throttlings Tray let through exactly what it allows
        let rate = match state.last_throttled {
            Some(last) => {
                let measured = state.accepted as f64 / (now - last).as_secs_f64();
                (measured * BELOW).clamp(current * 0.5, current * BELOW)
            }
            None => current * FIRST_CUT,
        };
        let floor = self.asked.as_ref().map_or(1.0, |a| a.rate * FLOOR);
        let rate = rate.max(floor);
        let ceiling = match state.last_throttled {
            Some(_) => rate,
            None => current * BELOW,
        };
        state.slowed = Some(Slowed {
            rate,
            ceiling: ceiling.max(rate),
            since: now + pause,
            last_departure: now,
        });
        state.accepted = 0;
        state.in_a_row += 1;
        state.last_throttled = Some(now);
    }

    /// Calls a second over the last seconds, where nothing better is known.
    fn recent_rate(&self, sent: &VecDeque<Instant>, now: Instant) -> f64 {
        let asked = self.asked.as_ref().map_or(f64::INFINITY, |a| a.rate);
        let window = Duration::from_secs(2);
        let recent = sent
            .iter()
            .rev()
            .take_while(|at| now - **at < window)
            .count();
        let measured = recent as f64 / window.as_secs_f64();
        if asked.is_finite() {
            measured.clamp(asked * 0.5, asked)
        } else {
            100.0
        }
    }

    /// The rate in force, for the progress display; `None` for no limit.
    pub fn rate(&self) -> Option<f64> {
        let asked = self.asked.as_ref().map(|a| a.rate);
        let mut state = self.lock();
        let now = Instant::now();
        let slowed = state
            .slowed
            .as_mut()
            .map(|slowed| slowed.now(now, asked.unwrap_or(f64::INFINITY)));
        match (asked, slowed) {
            (Some(asked), Some(slowed)) => Some(asked.min(slowed)),
            (asked, slowed) => asked.or(slowed),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Adapted> {
        // no code that can panic runs under the lock
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Slowed {
    /// The rate at `now`: grown a little since it was set, up to the ceiling, which calm itself lifts.
    fn now(&mut self, now: Instant, asked: f64) -> f64 {
        let calm = now.saturating_duration_since(self.since).as_secs_f64();
        let unit = if asked.is_finite() {
            asked
        } else {
            self.ceiling
        };
        let lifted = self.ceiling * 1.03_f64.powf((calm / CALM.as_secs_f64()).floor());
        (self.rate + RECOVERY * unit * calm).min(lifted)
    }
}

/// The runtime's clock for governor, so that a paused runtime pauses the limiter too.
#[derive(Clone, Copy, Debug)]
struct PausableClock {
    start: Instant,
}

impl Clock for PausableClock {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(self.start.elapsed())
    }
}

/// Time since the limiter was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(Duration);

impl Reference for Tick {
    fn duration_since(&self, earlier: Tick) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Tick {
        Tick(self.0.saturating_sub(duration.into()))
    }
}

impl std::ops::Add<Nanos> for Tick {
    type Output = Tick;

    fn add(self, nanos: Nanos) -> Tick {
        Tick(self.0 + Duration::from(nanos))
    }
}
