//! One call, with its retries: through the limiter, through the transport, until there is an answer.
//!
//! What is retried here is only what surely was not done (throttled, never left) and, for operations that
//! do no harm twice, what is open. An open *creation* goes back to the caller, who must ask Tray what
//! exists before anything is sent again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::limiter::Limiter;
use super::operations::Operation;
use super::outcome::{Trouble, of_get, of_graphql};
use super::transport::{Call, Request, Transport};
use crate::secret::{Redactor, SecretText, SecretValue};

/// How often and how long a call is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// Attempts in all, throttled ones not counted.
    pub attempts: u32,
    /// The pause before the first retry; it doubles, with full jitter.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Retries {
    /// Ten attempts over about two minutes: longer than a deployment, shorter than a night.
    fn default() -> Retries {
        Retries {
            attempts: 10,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
        }
    }
}

/// Attempts to reach a server that has not answered once yet: its address is probably wrong, and whoever
/// started the run is still looking.
const FIRST_CONTACT: u32 = 4;

/// What was counted over the life of a [`Client`].
#[derive(Debug, Default)]
pub struct Counters {
    calls: Mutex<BTreeMap<&'static str, u64>>,
    throttled: AtomicU64,
    retried: AtomicU64,
}

impl Counters {
    /// Calls that left, by operation; retries included.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls
            .lock()
            .map(|calls| calls.clone())
            .unwrap_or_default()
    }

    /// Calls that left.
    pub fn total(&self) -> u64 {
        self.calls.lock().map_or(0, |calls| calls.values().sum())
    }

    /// Answers that said "too fast".
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    /// Calls sent again for another reason.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }
}

/// Calls Tray.
pub struct Client<T> {
    transport: T,
    limiter: Limiter,
    under_way: Semaphore,
    retries: Retries,
    random: Mutex<fastrand::Rng>,
    /// Whether there was ever an answer of any kind.
    answered: AtomicBool,
    /// Whether throttled creations are given up rather than sent again.
    halted: AtomicBool,
    /// What was counted so far.
    pub counters: Counters,
}

/// A place in the pool and in time: the next call may leave at once.
pub struct Slot<'c> {
    _permit: Option<SemaphorePermit<'c>>,
}

/// A call that ended without a result, after its retries.
#[derive(Clone, Debug)]
pub struct Failed {
    /// How the last attempt ended.
    pub trouble: Trouble,
    /// Attempts made.
    pub attempts: u32,
}

impl<T: Transport> Client<T> {
    /// A client with at most `concurrency` calls under way at a time.
    pub fn new(
        transport: T,
        limiter: Limiter,
        concurrency: usize,
        retries: Retries,
        random: fastrand::Rng,
    ) -> Client<T> {
        Client {
            transport,
            limiter,
            under_way: Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            retries,
            random: Mutex::new(random),
            answered: AtomicBool::new(false),
            halted: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    /// From now on a throttled creation is given up: a run that is to stop must not wait for Tray's patience.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    /// The limiter's present rate.
    pub fn rate(&self) -> Option<f64> {
        self.limiter.rate()
    }

    /// Calls an operation and returns its `data`, and how many attempts it took.
    ///
    /// # Errors
    /// How it ended; [`Trouble::Open`] for a creation after a single attempt that may have worked.
    pub async fn call(
        &self,
        operation: &'static Operation,
        variables: SecretValue,
        token: &SecretText,
    ) -> Result<(Value, u32), Failed> {
        self.call_in(None, operation, variables, token).await
    }

    /// [`Client::call`] whose first attempt leaves in a slot that was reserved before.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_in(
        &self,
        slot: Option<Slot<'_>>,
        operation: &'static Operation,
        variables: SecretValue,
        token: &SecretText,
    ) -> Result<(Value, u32), Failed> {
        let call = Call::GraphQl {
            operation,
            variables,
        };
        self.attempts(slot, call, token, operation.repeatable()).await
    }

    /// Waits until a call may leave. Whoever holds a slot must not make another call meanwhile.
    pub async fn reserve(&self) -> Slot<'_> {
        // the permit first: with the time slot first, calls that had to wait for a permit would then
        // leave in a bunch
        let permit = self.under_way.acquire().await.ok();
        self.limiter.acquire().await;
        Slot { _permit: permit }
    }

    /// Reads from the platform API.
    ///
    /// # Errors
    /// How it ended.
    pub async fn get(&self, path: String, token: &SecretText) -> Result<Value, Failed> {
        let answer = self.attempts(None, Call::Get { path }, token, true).await;
        answer.map(|(value, _)| value)
    }

    async fn attempts(
        &self,
        mut slot: Option<Slot<'_>>,
        call: Call,
        token: &SecretText,
        repeatable: bool,
    ) -> Result<(Value, u32), Failed> {
        let request = Request {
            call,
            token: token.clone(),
        };
        let (mut attempts, mut unthrottled) = (0, 0);
        loop {
            attempts += 1;
            let trouble = match self.once(slot.take(), &request).await {
                Ok(value) => return Ok((value, attempts)),
                Err(trouble) => trouble,
            };
            let again = match &trouble {
                // a creation can wait for the next run; a question that settles another row cannot
                Trouble::Throttled(_) if !repeatable && self.halted.load(Ordering::Relaxed) => {
                    return Err(Failed { trouble, attempts });
                }
                // the limiter pauses everyone, this call included
                Trouble::Throttled(_) => continue,
                Trouble::NotSent(_) => true,
                Trouble::Open(_) => repeatable,
                Trouble::TokenRefused { .. } | Trouble::Refused(_) => false,
            };
            unthrottled += 1;
            let most = if self.answered.load(Ordering::Relaxed) {
                self.retries.attempts
            } else {
                self.retries.attempts.min(FIRST_CONTACT)
            };
            if !again || unthrottled >= most {
                return Err(Failed { trouble, attempts });
            }
            self.counters.retried.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(
                operation = request.call.name(),
                attempt = unthrottled,
                "sending again"
            );
            tokio::time::sleep(self.backoff(unthrottled)).await;
        }
    }

    /// One attempt.
    async fn once(&self, slot: Option<Slot<'_>>, request: &Request) -> Result<Value, Trouble> {
        let name = request.call.name();
        let answer = {
            let _slot = match slot {
                Some(slot) => slot,
                None => self.reserve().await,
            };
            if let Ok(mut calls) = self.counters.calls.lock() {
                *calls.entry(name).or_default() += 1;
            }
            self.transport.send(request).await
        };
        let outcome = match &request.call {
            Call::GraphQl { operation, .. } => of_graphql(operation, answer),
            Call::Get { .. } => of_get(answer),
        };
        // whatever a server says may quote the token; what it may quote of a row, the row's steps know
        let outcome = outcome.map_err(|trouble| {
            let mut redactor = Redactor::default();
            redactor.add(request.token.expose());
            trouble.redacted(&redactor)
        });
        match &outcome {
            Err(Trouble::Throttled(retry_after)) => {
                self.counters.throttled.fetch_add(1, Ordering::Relaxed);
                self.limiter.throttled(*retry_after, self.jitter());
                tracing::debug!(operation = name, rate = self.limiter.rate(), "throttled");
            }
            Err(Trouble::NotSent(_)) => {}
            _ => self.limiter.accepted(),
        }
        if !matches!(outcome, Err(Trouble::NotSent(_))) {
            self.answered.store(true, Ordering::Relaxed);
        }
        tracing::trace!(operation = name, ok = outcome.is_ok(), "answered");
        outcome
    }

    /// A number in 0..1.
    pub fn jitter(&self) -> f64 {
        self.random.lock().map_or(0.5, |mut random| random.f64())
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let doubled = self
            .retries
            .first
            .saturating_mul(1 << (attempt - 1).min(16));
        doubled.min(self.retries.longest).mul_f64(self.jitter())
    }
}
