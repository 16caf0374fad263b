//! What is done to a batch after its import: looking at what its end users own, and taking away what it made.
//!
//! It begins at a results file, not at an input: [`crate::results::users::end_users`] gathers the rows of each end
//! user, [`walk`] goes over them in a pool, and a [`crate::tray::session::UserSession`] calls Tray on an end
//! user's behalf, above all to read what they own. [`verify`] holds that against the results ([`compare`], [`difference`]) and takes what is
//! missing out of them ([`requeue`]). [`rollback`] takes back what the batch made: [`share`] says what that is,
//! [`removal`] removes one thing, [`open`] asks what became of calls without an outcome, [`tally`] counts. [`plan`] says
//! before what a rollback would do.

pub mod compare;
pub mod difference;
pub mod open;
pub mod plan;
pub mod removal;
pub mod requeue;
pub mod rollback;
pub mod share;
pub mod tally;
pub mod verify;
pub mod walk;
