//! End users: one creation and one token for each, however many rows they have.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

use super::ending::Ending;
use crate::batch::Index;
use crate::batch::plan::Plan;
use crate::model::{DigestMap, Step};
use crate::results::rows::PriorRows;
use crate::results::users::SeenUser;
use crate::secret::SecretText;
use crate::tray::owned::Owned;

/// How we came by an end user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Created by this run: owns nothing that this run has not made.
    ThisRun,
    /// Created by an earlier run of this batch.
    EarlierRun,
    /// Was there before this batch.
    Found,
}

/// An end user with rows under way.
#[derive(Default)]
pub struct Cell {
    pub(super) user: AsyncMutex<UserState>,
    pub(super) token: AsyncMutex<Option<(SecretText, u64)>>,
    pub(super) owned: AsyncMutex<Option<Arc<Owned>>>,
    generations: AtomicU64,
}

/// What is known of an end user.
#[derive(Default)]
pub struct UserState {
    pub(super) id: Option<(String, Origin)>,
    /// Tray has several of the same `externalUserId`.
    pub(super) several: bool,
    /// Known from Tray's list alone, and not counted as adopted yet.
    pub(super) listed: bool,
    /// Why the user could not be had: the same for every row of theirs in this run.
    pub(super) failed: Option<Ending>,
    /// A creation may be under way from an earlier run.
    pub(super) open: Option<Open>,
}

/// Whose an end user is who turns up although no results know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// This batch's: it was about to create them, because they did not exist.
    Ours,
    /// Nobody can say: there were several.
    Anybodys,
}

impl Cell {
    /// Forgets a token that was refused, unless somebody has renewed it already.
    pub(super) async fn forget_token(&self, generation: u64) {
        let mut held = self.token.lock().await;
        if held.as_ref().is_some_and(|(_, held)| *held == generation) {
            *held = None;
        }
    }

    pub(super) fn next_generation(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Known {
    id: String,
    origin: Origin,
    several: bool,
    /// Known from Tray's list alone, not from the results.
    listed: bool,
}

/// All end users of the batch, as far as they have work.
pub struct Users {
    known: Mutex<HashMap<u32, Known>>,
    open: HashMap<u32, Open>,
    /// Those with rows under way, each with how many of its rows have not ended.
    cells: Mutex<HashMap<u32, (Arc<Cell>, u32)>>,
    plan: Arc<Plan>,
    /// End users with work of whom the results know nothing.
    pub(super) unknown: usize,
    /// Whether the listing reached its end, so that who is not in it does not exist.
    pub(super) all_listed: AtomicBool,
}

impl Users {
    /// What the results say about the end users of the rows that have work.
    pub(super) fn new(
        index: &Index,
        plan: &Arc<Plan>,
        prior: &PriorRows,
        seen: &DigestMap<SeenUser>,
    ) -> Users {
        let mut known = HashMap::new();
        let mut open = HashMap::new();
        let has_work = |user: u32| plan.work_of_user[user as usize] > 0;
        for row in &index.rows {
            if !has_work(row.user) {
                continue;
            }
            let Some(progress) = prior.get(&row.key()) else {
                continue;
            };
            if let Some(id) = &progress.user_id {
                let origin = if progress.adopted.has(Step::User) {
                    Origin::Found
                } else {
                    Origin::EarlierRun
                };
                let id = id.to_string();
                known.insert(
                    row.user,
                    Known {
                        id,
                        origin,
                        several: false,
                        listed: false,
                    },
                );
            } else if progress.is_ours(Step::User) {
                open.insert(row.user, Open::Ours);
            } else if progress.is_open(Step::User) {
                open.entry(row.user).or_insert(Open::Anybodys);
            }
        }
        // rows may have left the input, or changed what they are known by, since they told this
        for (digest, user) in index.users.iter() {
            let Some(seen) = seen.get(&digest).filter(|_| has_work(user)) else {
                continue;
            };
            if let Some(id) = &seen.id {
                known.entry(user).or_insert_with(|| Known {
                    id: id.to_string(),
                    origin: if seen.adopted {
                        Origin::Found
                    } else {
                        Origin::EarlierRun
                    },
                    several: false,
                    listed: false,
                });
            } else if seen.open {
                open.entry(user).or_insert(Open::Ours);
            }
        }
        open.retain(|user, _| !known.contains_key(user));
        let all = 0..u32::try_from(plan.work_of_user.len()).unwrap_or(u32::MAX);
        let unknown = all
            .filter(|user| has_work(*user) && !known.contains_key(user))
            .count();
        Users {
            known: Mutex::new(known),
            open,
            cells: Mutex::default(),
            plan: Arc::clone(plan),
            unknown,
            all_listed: AtomicBool::new(false),
        }
    }

    /// The end user's cell, shared by all rows of theirs that are under way.
    pub(super) fn cell(&self, user: u32) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let (cell, _) = cells.entry(user).or_insert_with(|| {
            let rows = self.plan.work_of_user.get(user as usize);
            (Arc::new(self.new_cell(user)), rows.copied().unwrap_or(0))
        });
        Arc::clone(cell)
    }

    fn new_cell(&self, user: u32) -> Cell {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&user);
        Cell {
            user: AsyncMutex::new(UserState {
                id: known.map(|known| (known.id.clone(), known.origin)),
                several: known.is_some_and(|known| known.several),
                listed: known.is_some_and(|known| known.listed),
                failed: None,
                open: self.open.get(&user).copied(),
            }),
            ..Cell::default()
        }
    }

    /// One row less to come for this end user; after the last, nothing of theirs is kept, the token least.
    pub(super) fn row_ended(&self, user: u32) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, left)) = cells.get_mut(&user) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                cells.remove(&user);
            }
        }
    }

    pub(super) fn found(&self, user: u32, id: String) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(&user) {
            None => {
                let origin = match self.open.get(&user) {
                    Some(Open::Ours) => Origin::EarlierRun,
                    Some(Open::Anybodys) | None => Origin::Found,
                };
                known.insert(
                    user,
                    Known {
                        id,
                        origin,
                        several: false,
                        listed: true,
                    },
                );
            }
            // two of the same id, and nothing but the list to go by
            Some(known) if known.listed && known.id != id => known.several = true,
            // whom the results know is who they say, whoever else has the same id
            Some(_) => {}
        }
    }

    /// A list that was not read to its end may hide a second one of whoever was on it.
    pub(super) fn forget_listed(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| !known.listed);
    }
}
