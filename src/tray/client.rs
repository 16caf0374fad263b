//! One call with its retries: through the limiter, through the transport, until there is an answer.
//!
//! What is retried here is only what surely was not done (throttled, never left) and, for operations that
//! do no harm twice, what is open. An open *creation* goes back to the caller, who must ask Tray what
//! exists before anything is sent again.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::limiter::Limiter;
use super::operations::Operation;
use super::outcome::{Trouble, of_get, of_graphql};
use super::redaction::Secrets;
use super::transport::{Call, Request, Response, SendError, Transport};
use crate::secret::{SecretText, SecretValue};

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
/// The longest time that they take together.
const FIRST_CONTACT_TIME: Duration = Duration::from_secs(30);
/// A longer wait is reported, with its reason and its end, and not more often than this.
const WORTH_A_LINE: Duration = Duration::from_secs(5);

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
        self.calls.lock().clone()
    }

    /// Calls that left.
    pub fn total(&self) -> u64 {
        self.calls.lock().values().sum()
    }

    /// Answers that said "too fast".
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    /// Calls retried for another reason.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }
}

/// Calls Tray.
pub struct Client<T> {
    transport: T,
    limiter: Limiter,
    in_flight: Semaphore,
    retries: Retries,
    random: Mutex<fastrand::Rng>,
    /// When the first call left.
    began: Mutex<Option<Instant>>,
    /// Whether there was ever an answer of any kind.
    answered: AtomicBool,
    /// Whether throttled creations are given up rather than retried.
    halted: AtomicBool,
    secrets: Secrets,
    last_line: Mutex<Option<Instant>>,
    /// What was counted so far.
    pub counters: Counters,
}

/// Leave for one call, which may start at once.
pub struct Permit<'c> {
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
    /// A client with at most `concurrency` calls in flight at a time.
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
            in_flight: Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            retries,
            random: Mutex::new(random),
            began: Mutex::default(),
            answered: AtomicBool::new(false),
            halted: AtomicBool::new(false),
            secrets: Secrets::default(),
            last_line: Mutex::default(),
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

    /// [`Client::call`] whose first attempt leaves with a permit that was taken before.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_in(
        &self,
        permit: Option<Permit<'_>>,
        operation: &'static Operation,
        variables: SecretValue,
        token: &SecretText,
    ) -> Result<(Value, u32), Failed> {
        let call = Call::GraphQl {
            operation,
            variables: Arc::new(variables),
        };
        self.attempts(permit, call, token).await
    }

    /// Waits until a call may leave. Whoever holds a permit must not make another call meanwhile.
    pub async fn reserve(&self) -> Permit<'_> {
        // the limiter last: calls that had its leave and then waited for others to end would leave in a bunch
        let permit = self.in_flight.acquire().await.ok();
        self.limiter.acquire().await;
        Permit { _permit: permit }
    }

    /// Reads from the platform API.
    ///
    /// # Errors
    /// How it ended.
    pub async fn get(&self, path: String, token: &SecretText) -> Result<Value, Failed> {
        let answer = self.attempts(None, Call::Get { path }, token).await;
        answer.map(|(value, _)| value)
    }

    /// Text of Tray's (a title, a name) on one line, shortened and without a secret of ours.
    pub fn clean(&self, text: &str) -> String {
        self.secrets.clean(text, None)
    }

    async fn attempts(
        &self,
        mut permit: Option<Permit<'_>>,
        call: Call,
        token: &SecretText,
    ) -> Result<(Value, u32), Failed> {
        let repeatable = match &call {
            Call::GraphQl { operation, .. } => operation.repeatable(),
            Call::Get { .. } => true,
        };
        let request = Request {
            call,
            token: token.clone(),
        };
        let _in_flight = self.secrets.enter(&request);
        let (mut attempts, mut unthrottled) = (0, 0);
        loop {
            attempts += 1;
            let trouble = match self.once(permit.take(), &request).await {
                Ok(value) => return Ok((value, attempts)),
                Err(trouble) => trouble,
            };
            let (again, why) = match &trouble {
                // a creation can wait for the next run; a question that settles another row cannot
                Trouble::Throttled(_) if !repeatable && self.halted.load(Ordering::Relaxed) => {
                    return Err(Failed { trouble, attempts });
                }
                // the limiter pauses everyone, this call included
                Trouble::Throttled(_) => continue,
                Trouble::NotSent(why) => (true, why),
                Trouble::Open(why) => (repeatable, why),
                Trouble::TokenRefused { message, .. } | Trouble::Refused(message) => {
                    (false, message)
                }
            };
            unthrottled += 1;
            let most = match self.first_contact_left() {
                None => self.retries.attempts,
                Some(Duration::ZERO) => 0,
                Some(_) => self.retries.attempts.min(FIRST_CONTACT),
            };
            if !again || unthrottled >= most {
                return Err(Failed { trouble, attempts });
            }
            self.counters.retried.fetch_add(1, Ordering::Relaxed);
            let name = request.call.name();
            tracing::debug!(operation = name, attempt = unthrottled, "retrying");
            let pause = self.backoff(unthrottled);
            self.report_wait(pause, |end| {
                format!("Tray gives no answer ({why}); {name} is retried {end}")
            });
            tokio::time::sleep(pause).await;
        }
    }

    /// One attempt.
    async fn once(&self, permit: Option<Permit<'_>>, request: &Request) -> Result<Value, Trouble> {
        let name = request.call.name();
        let answer = {
            let _permit = match permit {
                Some(permit) => permit,
                None => self.reserve().await,
            };
            *self.counters.calls.lock().entry(name).or_default() += 1;
            self.send(request).await
        };
        let outcome = match &request.call {
            Call::GraphQl { operation, .. } => of_graphql(operation, answer),
            Call::Get { .. } => of_get(answer),
        };
        let outcome = outcome
            .map_err(|trouble| trouble.map_text(|text| self.secrets.clean(&text, Some(request))));
        match &outcome {
            Err(Trouble::Throttled(retry_after)) => {
                self.counters.throttled.fetch_add(1, Ordering::Relaxed);
                let pause = self.limiter.throttled(*retry_after, self.jitter());
                tracing::debug!(operation = name, rate = self.limiter.rate(), "throttled");
                self.report_wait(pause, |end| {
                    format!("Tray asks for a pause (rate limit exceeded): calls go on {end}")
                });
            }
            Err(Trouble::NotSent(_)) => {}
            _ => self.limiter.accepted(),
        }
        tracing::trace!(operation = name, ok = outcome.is_ok(), "answered");
        outcome
    }

    /// Sends the request. Until Tray has answered anything, what is waited for is reported every few seconds, and
    /// the wait ends with the time for the first contact.
    async fn send(&self, request: &Request) -> Result<Response, SendError> {
        let mut sending = pin!(self.transport.send(request));
        self.began.lock().get_or_insert_with(Instant::now);
        let answer = loop {
            let Some(left) = self.first_contact_left() else {
                break sending.await;
            };
            if left.is_zero() {
                let seconds = FIRST_CONTACT_TIME.as_secs();
                break Err(SendError::Unknown(format!(
                    "nothing was heard from it for {seconds} s"
                )));
            }
            tokio::select! {
                biased;
                answer = &mut sending => break answer,
                () = tokio::time::sleep(left.min(WORTH_A_LINE)) => {
                    let left = left.saturating_sub(WORTH_A_LINE).as_secs_f64().round();
                    let name = request.call.name();
                    self.report_wait(WORTH_A_LINE, |_| format!("no word from Tray yet: {name} is waited for, {left} s more at most"));
                }
            }
        };
        // no answer at all is none, and what did not arrive whole may be anybody's
        if answer.is_ok() {
            self.answered.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// The time left for the first contact; none once there was an answer.
    fn first_contact_left(&self) -> Option<Duration> {
        if self.answered.load(Ordering::Relaxed) {
            return None;
        }
        let began = self.began.lock();
        Some(FIRST_CONTACT_TIME.saturating_sub(began.map_or(Duration::ZERO, |at| at.elapsed())))
    }

    /// Reports a wait that is long; one line for the many calls that wait at the same time.
    fn report_wait(&self, wait: Duration, line: impl FnOnce(String) -> String) {
        let mut last = self.last_line.lock();
        if wait < WORTH_A_LINE || last.is_some_and(|last| last.elapsed() < WORTH_A_LINE) {
            return;
        }
        *last = Some(Instant::now());
        let seconds = wait.as_secs();
        let at = jiff::Zoned::now().saturating_add(jiff::SignedDuration::from_secs(seconds as i64));
        let line = line(format!("in {seconds} s, at {}", at.strftime("%H:%M:%S")));
        tracing::warn!("{line}");
    }

    /// A number in 0..1.
    pub fn jitter(&self) -> f64 {
        self.random.lock().f64()
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let doubled = self
            .retries
            .first
            .saturating_mul(1 << (attempt - 1).min(16));
        doubled.min(self.retries.longest).mul_f64(self.jitter())
    }
}
