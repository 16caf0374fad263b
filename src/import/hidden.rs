//! Whether Tray lists hidden authentications. Nobody documents it (`tray-api.md` 7), so it is found out when it
//! matters, with one that surely exists.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use crate::stop::Stop;
use crate::tray::outcome::Trouble;
use crate::tray::session::{Organisation, Patience, User};
use crate::tray::transport::Transport;

/// What this run knows of it.
#[derive(Default)]
pub(super) struct HiddenListing {
    state: Mutex<HiddenState>,
    asking: AsyncMutex<()>,
    probe: AsyncMutex<()>,
}

#[derive(Default)]
struct HiddenState {
    listed: Option<bool>,
    /// A hidden authentication that surely exists: whose, and its id.
    witness: Option<(Arc<User>, String)>,
}

impl HiddenListing {
    /// A hidden authentication was seen in a list, or is surely absent from one.
    pub(super) fn found_out(&self, listed: bool) {
        let mut state = self.state.lock();
        // once seen, they are listed; a lagging list must not unsay that
        if state.listed != Some(true) {
            state.listed = Some(listed);
        }
    }

    /// A hidden authentication exists.
    pub(super) fn exists(&self, user: &Arc<User>, id: &str) {
        let witness = || (Arc::clone(user), id.to_owned());
        self.state.lock().witness.get_or_insert_with(witness);
    }

    pub(super) fn known(&self) -> Option<bool> {
        self.state.lock().listed
    }

    /// While it is not known, whoever holds this is the only one to create a hidden authentication that nobody
    /// can tell to be absent: it is the witness for all others.
    pub(super) async fn probe(&self) -> MutexGuard<'_, ()> {
        self.probe.lock().await
    }

    /// Asks whether the witness is listed, for long enough; `None` where there is no witness yet, or the run
    /// stops before it is sure.
    pub(super) async fn ask<T: Transport>(
        &self,
        tray: &Organisation<T>,
        patience: Patience,
        stop: &Stop,
    ) -> Result<Option<bool>, Trouble> {
        let _asking = self.asking.lock().await;
        let (known, witness) = {
            let state = self.state.lock();
            (state.listed, state.witness.clone())
        };
        let Some((user, id)) = witness.filter(|_| known.is_none()) else {
            return Ok(known);
        };
        let session = tray.resume(&user);
        for wait in patience.at_once_and_later() {
            tokio::select! {
                biased;
                () = stop.wait(), if !wait.is_zero() => return Ok(None),
                () = tokio::time::sleep(wait) => {}
            }
            let (listed, _) = session.authentications().await?;
            if listed.iter().any(|own| own.id == id) {
                self.found_out(true);
                return Ok(Some(true));
            }
        }
        self.found_out(false);
        Ok(Some(false))
    }
}
