//! The end users of the batch: one creation and one token for each, however many rows they have.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::error::{StepError, Whose, open_creation};
use crate::batch::Index;
use crate::batch::plan::Plan;
use crate::model::{DigestMap, Id, Step};
use crate::results::rows::PriorRows;
use crate::results::users::SeenUser;
use crate::tray::session::User;

/// How we came by an end user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Created by this run: owns nothing that this run has not made.
    ThisRun,
    /// Created by an earlier run of this batch.
    EarlierRun,
    /// Was there before this batch, so that nobody knows what was made for them.
    Found,
}

/// An end user who exists.
#[derive(Clone, Debug)]
pub(super) struct KnownUser {
    pub(super) id: String,
    pub(super) origin: Origin,
    /// Known from Tray's list alone, not from the results, and not counted yet.
    pub(super) listed: bool,
    /// The list has another one of the same `externalUserId`.
    pub(super) several: bool,
}

impl KnownUser {
    pub(super) fn new(id: String, origin: Origin) -> KnownUser {
        KnownUser {
            id,
            origin,
            listed: false,
            several: false,
        }
    }
}

/// What is known of an end user with rows in flight.
#[derive(Default)]
pub(super) struct UserState {
    pub(super) known: Option<KnownUser>,
    /// Why the user could not be had: the same for every row of theirs in this run.
    pub(super) failed: Option<StepError>,
    /// A creation may be open from an earlier run.
    pub(super) open: Option<Whose>,
}

/// An end user with rows in flight.
pub(super) struct EndUser {
    number: u32,
    /// All rows of the end user wait here for the first.
    pub(super) state: AsyncMutex<UserState>,
    /// What their sessions share, once their id is known.
    pub(super) shared: OnceLock<Arc<User>>,
}

impl EndUser {
    pub(super) async fn origin(&self) -> Option<Origin> {
        let state = self.state.lock().await;
        state.known.as_ref().map(|known| known.origin)
    }
}

/// All end users of the batch, as far as they have work.
pub(super) struct EndUsers {
    known: Mutex<HashMap<u32, KnownUser>>,
    open: HashMap<u32, Whose>,
    /// Those with rows in flight, each with how many of its rows have not ended.
    in_flight: Mutex<HashMap<u32, (Arc<EndUser>, u32)>>,
    plan: Arc<Plan>,
    /// End users with work of whom the results know nothing.
    pub(super) unknown: usize,
    all_listed: AtomicBool,
}

impl EndUsers {
    /// What the results say about the end users of the rows that have work. `seen` is what they say of end users
    /// whose rows have left the input, or changed what they are known by.
    pub(super) fn new(
        index: &Index,
        plan: &Arc<Plan>,
        prior: &PriorRows,
        seen: &DigestMap<SeenUser>,
    ) -> EndUsers {
        let (mut known, mut open) = (HashMap::new(), HashMap::new());
        let has_work = |user: u32| plan.work_of_user[user as usize] > 0;
        let created = |id: &Id, adopted: bool| {
            let origin = if adopted {
                Origin::Found
            } else {
                Origin::EarlierRun
            };
            KnownUser::new(id.to_string(), origin)
        };
        for row in index.rows.iter().filter(|row| has_work(row.user)) {
            let Some(progress) = prior.get(&row.key()) else {
                continue;
            };
            if let Some(id) = &progress.user_id {
                known.insert(row.user, created(id, progress.adopted.has(Step::User)));
                continue;
            }
            match open_creation(progress, Step::User) {
                Some(Whose::Ours) => _ = open.insert(row.user, Whose::Ours),
                Some(Whose::Anybodys) => _ = open.entry(row.user).or_insert(Whose::Anybodys),
                None => {}
            }
        }
        for (digest, user) in index.users.iter().filter(|(_, user)| has_work(*user)) {
            match seen.get(&digest) {
                Some(SeenUser {
                    id: Some(id),
                    adopted,
                    ..
                }) => _ = known.entry(user).or_insert_with(|| created(id, *adopted)),
                Some(SeenUser { open: true, .. }) => _ = open.entry(user).or_insert(Whose::Ours),
                _ => {}
            }
        }
        open.retain(|user, _| !known.contains_key(user));
        let all = 0..u32::try_from(plan.work_of_user.len()).unwrap_or(u32::MAX);
        let is_unknown = |user: &u32| has_work(*user) && !known.contains_key(user);
        EndUsers {
            unknown: all.filter(is_unknown).count(),
            known: Mutex::new(known),
            open,
            in_flight: Mutex::default(),
            plan: Arc::clone(plan),
            all_listed: AtomicBool::new(false),
        }
    }

    /// The end user, shared by all rows of theirs that are in flight.
    pub(super) fn end_user(&self, number: u32) -> Arc<EndUser> {
        let mut in_flight = self.in_flight.lock();
        let (user, _) = in_flight.entry(number).or_insert_with(|| {
            let state = UserState {
                known: self.known.lock().get(&number).cloned(),
                failed: None,
                open: self.open.get(&number).copied(),
            };
            let user = EndUser {
                number,
                state: AsyncMutex::new(state),
                shared: OnceLock::new(),
            };
            let rows = self.plan.work_of_user.get(number as usize);
            (Arc::new(user), rows.copied().unwrap_or(0))
        });
        Arc::clone(user)
    }

    /// One row less to come for this end user; after the last, nothing of theirs is kept, the token least.
    pub(super) fn row_ended(&self, user: &EndUser) {
        let mut in_flight = self.in_flight.lock();
        if let Some((_, left)) = in_flight.get_mut(&user.number) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                in_flight.remove(&user.number);
            }
        }
    }

    /// Notes an end user of Tray's list. Of two with the same `externalUserId`, nobody can say which is meant,
    /// unless the results know one.
    pub(super) fn found(&self, number: u32, id: String) {
        let mut known = self.known.lock();
        match known.get_mut(&number) {
            None => {
                let origin = match self.open.get(&number) {
                    Some(Whose::Ours) => Origin::EarlierRun,
                    Some(Whose::Anybodys) | None => Origin::Found,
                };
                let user = KnownUser {
                    listed: true,
                    ..KnownUser::new(id, origin)
                };
                known.insert(number, user);
            }
            Some(user) => user.several |= user.listed && user.id != id,
        }
    }

    /// The list has been read. One that was not read to its end may hide a second one of whoever was on it.
    pub(super) fn listed(&self, whole: bool) {
        self.all_listed.store(whole, Ordering::Relaxed);
        if !whole {
            self.known.lock().retain(|_, known| !known.listed);
        }
    }

    /// Whether who was not listed does not exist.
    pub(super) fn all_listed(&self) -> bool {
        self.all_listed.load(Ordering::Relaxed)
    }
}
