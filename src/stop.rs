//! Why a run stops before its end, and how everyone learns of it.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// A reason to begin nothing new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// The results file cannot be written, or the input changed, or the tool itself failed.
    Failed(String),
    /// Tray refused the master token.
    TokenRefused(String),
    /// Too many rows failed.
    MaxFailures,
}

impl Reason {
    /// How long what is in flight is waited for. What is open then stays open in the results, as after a crash.
    pub fn patience(&self) -> Option<Duration> {
        match self {
            Reason::Interrupted => Some(Duration::from_secs(10)),
            // most likely nothing can be written down any more; an answer that comes is at least logged
            Reason::Failed(_) => Some(Duration::from_secs(3)),
            Reason::TokenRefused(_) | Reason::MaxFailures => None,
        }
    }
}

/// Shared by all who must stop. Nothing new begins; calls in flight have their time to end.
#[derive(Debug)]
pub struct Stop {
    reasons: Mutex<Vec<Reason>>,
    begin_nothing: CancellationToken,
    deadline: watch::Sender<Option<Instant>>,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop {
            reasons: Mutex::default(),
            begin_nothing: CancellationToken::new(),
            deadline: watch::Sender::new(None),
        }
    }
}

impl Stop {
    /// Tells everyone to begin nothing new.
    pub fn because(&self, reason: Reason) {
        let mut reasons = self.reasons.lock();
        if reasons.contains(&reason) {
            return;
        }
        tracing::debug!(?reason, "stopping");
        if let Some(patience) = reason.patience() {
            let ours = Instant::now() + patience;
            let earlier = |deadline: &mut Option<Instant>| {
                let is_first = deadline.is_none_or(|theirs| ours < theirs);
                if is_first {
                    *deadline = Some(ours);
                }
                is_first
            };
            self.deadline.send_if_modified(earlier);
        }
        reasons.push(reason);
        self.begin_nothing.cancel();
    }

    /// Whether a reason was given.
    pub fn is_set(&self) -> bool {
        self.begin_nothing.is_cancelled()
    }

    /// Every reason given, in order.
    pub fn reasons(&self) -> Vec<Reason> {
        self.reasons.lock().clone()
    }

    /// Whether Tray refused the master token: nothing that is refused from then on says anything of a row.
    pub fn token_is_refused(&self) -> bool {
        let of_token = |reason: &Reason| matches!(reason, Reason::TokenRefused(_));
        self.reasons.lock().iter().any(of_token)
    }

    /// Returns once a reason is given.
    pub async fn wait(&self) {
        self.begin_nothing.cancelled().await;
    }

    /// Returns once the time is over that what is in flight has.
    pub async fn overdue(&self) {
        let mut deadline = self.deadline.subscribe();
        loop {
            let at = *deadline.borrow_and_update();
            let over = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                // the sender lives as long as `self`
                _ = deadline.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_most_pressing_reason_counts() {
        let (stop, start) = (Stop::default(), Instant::now());
        stop.because(Reason::MaxFailures);
        stop.wait().await;
        let late = tokio::time::timeout(Duration::from_secs(3600), stop.overdue());
        assert!(late.await.is_err());
        let start_of_second = start.elapsed();
        stop.because(Reason::Interrupted);
        stop.because(Reason::Failed("no space left".to_owned()));
        stop.overdue().await;
        let waited = start.elapsed() - start_of_second;
        assert_eq!(waited.as_secs(), 3);
    }
}
