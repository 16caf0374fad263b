//! Calls on behalf of an end user: the token, its renewal, and what a call's trouble means for the row.

use super::ending::Ending;
use super::engine::{Engine, Run};
use super::stop::{Reason, Stop};
use super::users::Cell;
use crate::model::Step;
use crate::secret::{Redactor, SecretText, SecretValue};
use crate::tray::client::Slot;
use crate::tray::operations::{self as ops, AUTHORIZE, Operation};
use crate::tray::outcome::Trouble;
use crate::tray::transport::Transport;

/// Refused tokens of one call, with nothing that explains it, after which it is given up.
pub const MOST_REFUSALS: u32 = 10;

impl<T: Transport> Engine<T> {
    /// Calls Tray as an end user. A refused token is renewed; `run` pays for the calls. The first attempt
    /// leaves in `slot`, where there is one.
    ///
    /// Tokens are shared, so a refusal says little: the other rows may have used the token up, or renewed it
    /// meanwhile. It is final once a token was refused that was minted here and that nobody had used before.
    pub(super) async fn as_user(
        &self,
        cell: &Cell,
        user_id: &str,
        operation: &'static Operation,
        variables: impl Fn() -> SecretValue,
        run: &mut Run,
        mut slot: Option<Slot<'_>>,
    ) -> Result<serde_json::Value, Trouble> {
        let (mut refusals, mut unexplained, mut last_refused) = (0, 0, None);
        loop {
            let mut held = match cell.token.try_lock() {
                Ok(held) => held,
                Err(_) => {
                    // whoever holds the token makes a call, and could wait for this very slot
                    slot = None;
                    cell.token.lock().await
                }
            };
            let shared = held
                .clone()
                .filter(|(_, generation)| refusals < 2 && last_refused != Some(*generation));
            let alone = shared.is_none() && refusals > 0;
            let (token, generation) = match shared {
                Some(token) => token,
                None => {
                    slot = None;
                    self.mint(cell, user_id, run, &mut held).await?
                }
            };
            // where the answer is to be final, nobody else gets the token before it is there
            let held = alone.then_some(held);
            let answer = self
                .client
                .call_in(slot.take(), operation, variables(), &token)
                .await;
            drop(held);
            let failed = match answer {
                Ok((data, attempts)) => {
                    run.progress.attempts += attempts;
                    return Ok(data);
                }
                Err(failed) => failed,
            };
            run.progress.attempts += failed.attempts;
            if !matches!(failed.trouble, Trouble::TokenRefused { .. }) {
                return Err(failed.trouble);
            }
            cell.forget_token(generation).await;
            refusals += 1;
            // of several attempts, an earlier one (throttled, perhaps) may have used the token up
            if failed.attempts == 1 {
                unexplained += 1;
                if alone || unexplained > MOST_REFUSALS {
                    return Err(failed.trouble);
                }
            }
            last_refused = Some(generation);
        }
    }

    /// Sees to it that the end user has a token: minted once for all rows of the user.
    pub(super) async fn token(
        &self,
        cell: &Cell,
        user_id: &str,
        run: &mut Run,
    ) -> Result<(), Trouble> {
        let mut held = cell.token.lock().await;
        if held.is_none() {
            self.mint(cell, user_id, run, &mut held).await?;
        }
        Ok(())
    }

    async fn mint(
        &self,
        cell: &Cell,
        user_id: &str,
        run: &mut Run,
        held: &mut Option<(SecretText, u64)>,
    ) -> Result<(SecretText, u64), Trouble> {
        *held = None;
        let answer = self
            .client
            .call(&AUTHORIZE, ops::authorize(user_id), &self.master)
            .await;
        let (data, attempts) = match answer {
            Ok(answer) => answer,
            Err(failed) => {
                run.progress.attempts += failed.attempts;
                return Err(self.master_trouble(failed.trouble));
            }
        };
        run.progress.attempts += attempts;
        let text: String =
            ops::part(&data, &["authorize", "accessToken"]).map_err(Trouble::Refused)?;
        let token = (SecretText::new(text), cell.next_generation());
        *held = Some(token.clone());
        Ok(token)
    }

    /// See [`master_trouble`].
    pub(super) fn master_trouble(&self, trouble: Trouble) -> Trouble {
        master_trouble(&self.stop, trouble)
    }

    /// Trouble before a creating call could leave. What the results have as `sent` from a send that was found
    /// not done is taken back.
    pub(super) fn before_sending(&self, trouble: &Trouble, run: &Run, step: Step) -> Ending {
        let ending = self.ending(trouble, step, &Redactor::default());
        if run.is_sent() {
            ending.of_creation()
        } else {
            ending
        }
    }

    /// A call's trouble as the row's ending. While the run stops for a refused master token, rows are
    /// left as they are rather than failed.
    pub(super) fn ending(&self, trouble: &Trouble, step: Step, redactor: &Redactor) -> Ending {
        let stopping_for_token = self
            .stop
            .reasons()
            .iter()
            .any(|reason| matches!(reason, Reason::TokenRefused(_)));
        // a stopping run gives up on what is throttled, which was not done either
        let halted = self.stop.is_set() && matches!(trouble, Trouble::Throttled(_));
        if halted || stopping_for_token && matches!(trouble, Trouble::TokenRefused { .. }) {
            return Ending::Stopped;
        }
        Ending::of_trouble(trouble, step, redactor)
    }
}

/// What trouble with the master token means: refused by the gateway, it ends the run at once; anything else is
/// the affair of whom the call was about.
pub fn master_trouble(stop: &Stop, trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::TokenRefused {
            message,
            by_gateway: true,
        } => {
            let shown = Redactor::default().clean(&message);
            stop.because(Reason::TokenRefused(shown));
            Trouble::TokenRefused {
                message,
                by_gateway: true,
            }
        }
        // a GraphQL error that reads like it may be about this one user
        Trouble::TokenRefused { message, .. } => Trouble::Refused(message),
        other => other,
    }
}
