//! The import itself: the steps of every row, and what happens when a step's outcome is not known.
//!
//! ```text
//! user ─▶ token ─▶ authentication ─▶ [all of the group] ─▶ instance ─▶ (pause) ─▶ enable
//! ```
//!
//! # Invariants
//!
//! 1. No creating call leaves before a `sent` line of its row is on disk.
//! 2. No step begins before the outcome of the one it builds on is on disk.
//! 3. A creation is sent only when it is known not to have been done: because nothing of its kind was ever
//!    sent, because Tray refused it, or because Tray was asked and has nothing of the kind
//!    ([`settle`]).
//! 4. What Tray has already is adopted: everything that an end user who was not created by this very run
//!    owns is looked at once before anything is created for them ([`adopt`]).
//! 5. The engine reaches network, disk, clock and randomness only through [`crate::tray::client::Client`],
//!    [`crate::results::journal::Journal`], tokio's clock and the generator it is given: so a simulation
//!    can drive it through any fault.
//!
//! [`engine`] runs the pool, [`feed`] brings the rows; [`user`], [`authentication`], [`group`] and [`instance`] are the
//! steps; [`settle`], [`adopt`] and [`slots`] find out and respect what exists; [`users`] remembers end users,
//! [`calls`] has their tokens, [`recording`] writes everything down, with what [`telling`] tells `verify`, [`tally`]
//! counts.

pub mod adopt;
pub mod authentication;
pub mod calls;
pub mod ending;
pub mod engine;
pub mod feed;
pub mod group;
pub mod instance;
pub mod recording;
pub mod settle;
pub mod slots;
pub mod stop;
pub mod tally;
pub mod telling;
pub mod user;
pub mod users;
