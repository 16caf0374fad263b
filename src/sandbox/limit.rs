//! The server's rate limit: a token bucket per second and a cap per minute, counted per request.

use std::time::Duration;

/// What the limit is. Tray documents 30 requests a second, bursts to 50, 1,800 a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Requests per second that the bucket refills by.
    pub per_second: f64,
    /// Size of the bucket.
    pub burst: u32,
    /// Requests admitted in any one minute, counted from the start.
    pub per_minute: Option<u32>,
}

impl Limit {
    /// Tray's documented limit.
    pub const DOCUMENTED: Self = Self {
        per_second: 30.0,
        burst: 50,
        per_minute: Some(1800),
    };
}

/// The state of a [`Limit`]. Times are since the start and may not go backwards.
#[derive(Debug)]
pub struct Limiter {
    limit: Limit,
    tokens: f64,
    refilled: Duration,
    minute: u64,
    in_minute: u32,
}

impl Limiter {
    /// A full bucket.
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            tokens: f64::from(limit.burst),
            refilled: Duration::ZERO,
            minute: 0,
            in_minute: 0,
        }
    }

    /// Whether a request that arrives `now` is executed. A refused one costs nothing.
    pub fn admit(&mut self, now: Duration) -> bool {
        let elapsed = now.saturating_sub(self.refilled).as_secs_f64();
        self.tokens =
            (self.tokens + elapsed * self.limit.per_second).min(f64::from(self.limit.burst));
        self.refilled = self.refilled.max(now);

        let minute = now.as_secs() / 60;
        if minute > self.minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        if self.tokens < 1.0
            || self
                .limit
                .per_minute
                .is_some_and(|cap| self.in_minute >= cap)
        {
            return false;
        }
        self.tokens -= 1.0;
        self.in_minute += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `requests` evenly spaced requests a limiter admits.
    fn admitted(limit: Limit, requests: u32, spacing: Duration) -> usize {
        let mut limiter = Limiter::new(limit);
        (0..requests)
            .filter(|&n| limiter.admit(spacing * n))
            .count()
    }

    #[test]
    fn a_burst_is_admitted_once_and_then_the_rate() {
        let limit = Limit {
            per_second: 10.0,
            burst: 5,
            per_minute: None,
        };
        assert_eq!(admitted(limit, 20, Duration::ZERO), 5);
        // 50 requests a second for 10 s: the bucket, then 10 a second.
        let steady = admitted(limit, 500, Duration::from_millis(20));
        assert!((103..=106).contains(&steady), "{steady}");
        // Under the rate nothing is refused.
        assert_eq!(admitted(limit, 100, Duration::from_millis(101)), 100);
    }

    #[test]
    fn the_minute_is_capped_on_its_own() {
        let limit = Limit {
            per_second: 1000.0,
            burst: 1000,
            per_minute: Some(30),
        };
        // 2 a second: 120 in the first minute, of which 30 pass; then 30 more in the second.
        assert_eq!(admitted(limit, 240, Duration::from_millis(500)), 60);
    }
}
