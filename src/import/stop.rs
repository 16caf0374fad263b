//! Why a run stops before its end, and how everyone hears of it.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

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

/// Shared by all who must stop. Calls under way end in their own way; nothing new begins.
pub struct Stop {
    reasons: Mutex<Vec<Reason>>,
    told: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop {
            reasons: Mutex::default(),
            told: watch::Sender::new(false),
        }
    }
}

impl Stop {
    /// Tells everyone to begin nothing new.
    pub fn because(&self, reason: Reason) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        if !reasons.contains(&reason) {
            tracing::debug!(?reason, "stopping");
            reasons.push(reason);
        }
        drop(reasons);
        self.told.send_replace(true);
    }

    /// Whether a reason was given.
    pub fn is_set(&self) -> bool {
        *self.told.borrow()
    }

    /// Every reason given, in order.
    pub fn reasons(&self) -> Vec<Reason> {
        self.reasons
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns once a reason is given.
    pub async fn wait(&self) {
        let mut told = self.told.subscribe();
        // the sender lives as long as `self`
        let _ = told.wait_for(|told| *told).await;
    }
}
