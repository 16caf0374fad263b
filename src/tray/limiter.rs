//! The pace of all calls together.
//!
//! Tray allows an organisation 30 requests a second and 1,800 a minute, shared with its production traffic
//! (`tray-api.md` 6). One limiter stands before every call of the process, retries and look-ups included.
//!
//! It has two halves. The first holds what was asked for: a token bucket (governor's) spaces the calls, and since a
//! bucket allows its burst on top of its rate, the departures of the last second and minute are counted besides.
//! The second finds out what is allowed where that is less, which nobody documents: a limit of Tray's own, or what
//! the production traffic leaves over. Throttled answers come in bunches, from calls that were in flight together,
//! so those within a second count as one. Each such episode pauses everybody and lowers the rate to just below what
//! was accepted on average since the last one, which is the true limit once there were two; the first one, with
//! nothing measured, takes off a third. From there the rate grows back steadily, but only to a ceiling just below
//! where Tray objected, and the ceiling itself rises by 3% in a calm minute, because others may have gone. So a
//! limit is met, not overrun: under any constant limit at least 90% of it is used and at most 2% is throttled.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use tokio::time::Instant;

/// How fast calls may leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Calls a second; `None` for no limit.
    pub rate: Option<f64>,
    /// How many calls may leave at once after a pause.
    pub burst: u32,
}

/// Decides when the next call may leave.
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
#[derive(Default)]
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

/// One throttled episode: answers to calls that were in flight when the first one came count as one.
const EPISODE: Duration = Duration::from_secs(1);
/// Share of the measured rate that is used after throttling.
const BELOW: f64 = 0.96;
/// What a first throttling, with nothing measured, leaves of the rate.
const FIRST_CUT: f64 = 0.7;
/// Recovery a second, as a share of the asked rate.
const RECOVERY: f64 = 0.05;
/// The least share of the asked rate that throttling leaves.
const FLOOR: f64 = 0.04;
/// What counts as the asked rate where none was asked for.
const UNASKED: f64 = 100.0;
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
            state: Mutex::default(),
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
        let mut state = self.state.lock();
        if let Some(slowed) = &mut state.slowed {
            slowed.last_departure = now;
        }
        state.sent.push_back(now);
        let most = self.asked.as_ref().map_or(1_000, |asked| asked.a_minute);
        while state.sent.len() > most {
            state.sent.pop_front();
        }
    }

    fn is_calm(&self) -> bool {
        let state = self.state.lock();
        state.pause_until.is_none() && state.slowed.is_none()
    }

    /// How long the next call has yet to wait, apart from the bucket.
    fn wait(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut state = self.state.lock();
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

    /// Takes note of a call that was answered and not throttled.
    pub fn accepted(&self) {
        let mut state = self.state.lock();
        state.accepted += 1;
        if let Some(last) = state.last_throttled
            && last.elapsed() > 2 * EPISODE
        {
            state.in_a_row = 0;
        }
    }

    /// Takes note of a throttled call; `jitter` in 0..1 spreads the pause of all calls, which is returned.
    pub fn throttled(&self, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let now = Instant::now();
        let mut state = self.state.lock();
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
            return pause;
        }
        let asked = self.asked.as_ref().map_or(UNASKED, |a| a.rate);
        let current = match &mut state.slowed {
            Some(slowed) => slowed.now(now, f64::INFINITY),
            None => asked,
        };
        let (rate, ceiling) = match state.last_throttled {
            // since the last throttling Tray let through what it allows, or less where we were slow; what
            // left just now was too fast, if only a little
            Some(last) => {
                let average = state.accepted as f64 / (now - last).as_secs_f64();
                let recent = recent_rate(&state.sent, now);
                let rate = (average * BELOW).clamp(current * 0.5, current * BELOW);
                (rate, recent.min(current) * BELOW)
            }
            None => (current * FIRST_CUT, current * BELOW),
        };
        let rate = rate.max(asked * FLOOR);
        state.slowed = Some(Slowed {
            rate,
            ceiling: ceiling.max(rate),
            since: now + pause,
            last_departure: now,
        });
        state.accepted = 0;
        state.in_a_row += 1;
        state.last_throttled = Some(now);
        pause
    }

    /// The rate in force, for the progress display; `None` for no limit.
    pub fn rate(&self) -> Option<f64> {
        let asked = self.asked.as_ref().map(|a| a.rate);
        let mut state = self.state.lock();
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
}

/// Departures a second over the last two seconds.
fn recent_rate(sent: &VecDeque<Instant>, now: Instant) -> f64 {
    let window = Duration::from_secs(2);
    let recent = sent.iter().rev().take_while(|at| now - **at < window);
    recent.count() as f64 / window.as_secs_f64()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn pace(rate: f64, burst: u32) -> Pace {
        Pace {
            rate: Some(rate),
            burst,
        }
    }

    /// Departures of `count` calls that all want to leave at once, in seconds.
    async fn departures(limiter: Limiter, count: usize) -> Vec<f64> {
        let limiter = Arc::new(limiter);
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..count {
            let limiter = Arc::clone(&limiter);
            tasks.spawn(async move {
                limiter.acquire().await;
                start.elapsed().as_secs_f64()
            });
        }
        let mut times = tasks.join_all().await;
        times.sort_by(f64::total_cmp);
        times
    }

    /// The most departures in any window of this length.
    fn most_within(times: &[f64], window: f64) -> usize {
        (0..times.len())
            .map(|at| {
                times[at..]
                    .iter()
                    .take_while(|t| **t < times[at] + window - 1e-6)
                    .count()
            })
            .max()
            .unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_over_every_second_and_every_minute() {
        let times = departures(Limiter::new(pace(25.0, 10)), 2_000).await;
        assert!(
            most_within(&times, 1.0) <= 25,
            "{} in a second",
            most_within(&times, 1.0)
        );
        assert!(most_within(&times, 60.0) <= 1_500);
        let last = times[times.len() - 1];
        assert!(
            (78.0..82.0).contains(&last),
            "2,000 calls at 25 a second took {last} s"
        );
        assert!(times[9] < 0.001, "the burst leaves at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_below_one_is_kept() {
        let times = departures(Limiter::new(pace(0.5, 1)), 4).await;
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= 1.999),
            "{times:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn unlimited_waits_for_nothing() {
        let unlimited = Pace {
            rate: None,
            burst: 1,
        };
        let times = departures(Limiter::new(unlimited), 1_000).await;
        assert!(times[999] < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_pauses_everyone() {
        let limiter = Limiter::new(pace(25.0, 10));
        limiter.acquire().await;
        limiter.throttled(Some(Duration::from_secs(7)), 0.5);
        let times = departures(limiter, 5).await;
        assert!(times[0] >= 6.999, "{times:?}");
    }

    /// A server that allows fewer calls than asked for, as a token bucket. Returns the share of its limit
    /// that was used and the share of calls that it throttled, both after the first five seconds.
    async fn against(asked: f64, allowed: f64, bucket: f64, seconds: f64) -> (f64, f64) {
        let limiter = Limiter::new(pace(asked, 10));
        let start = Instant::now();
        let (mut tokens, mut last) = (bucket, start);
        let (mut taken, mut refused) = (0.0, 0.0);
        while start.elapsed().as_secs_f64() < seconds {
            limiter.acquire().await;
            let now = Instant::now();
            tokens = (tokens + (now - last).as_secs_f64() * allowed).min(bucket);
            last = now;
            let counts = start.elapsed().as_secs_f64() > 5.0;
            if tokens >= 1.0 {
                tokens -= 1.0;
                limiter.accepted();
                taken += f64::from(u8::from(counts));
            } else {
                limiter.throttled(None, 0.5);
                refused += f64::from(u8::from(counts));
            }
        }
        (
            taken / (allowed * (seconds - 5.0)),
            refused / (taken + refused),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_below_the_asked_rate_it_finds_what_is_allowed() {
        for (asked, allowed, bucket) in [
            (25.0, 10.0, 10.0),
            (25.0, 20.0, 20.0),
            (25.0, 5.0, 50.0),
            (100.0, 30.0, 50.0),
            (25.0, 22.0, 1.0),
        ] {
            let (used, refused) = against(asked, allowed, bucket, 120.0).await;
            println!(
                "asked {asked}, allowed {allowed}, bucket {bucket}: used {used:.3}, throttled {refused:.4}"
            );
            assert!(
                used >= 0.9,
                "asked {asked}, allowed {allowed}: used {used:.3}"
            );
            assert!(
                refused <= 0.02,
                "asked {asked}, allowed {allowed}: throttled {refused:.4}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calm_brings_the_rate_back_but_not_beyond_what_was_throttled() {
        let limiter = Limiter::new(pace(25.0, 10));
        for _ in 0..100 {
            limiter.acquire().await;
            limiter.accepted();
        }
        limiter.throttled(None, 0.5);
        let cut = limiter.rate().unwrap();
        assert!(cut < 20.0, "{cut}");
        tokio::time::sleep(Duration::from_secs(30)).await;
        let back = limiter.rate().unwrap();
        assert!(back > cut && back < 25.0, "{cut} → {back}");
    }
}
