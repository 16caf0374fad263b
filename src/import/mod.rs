//! The import itself: the steps of every row, and what happens when a step's outcome is not known.
//!
//! ```text
//! user ─▶ token ─▶ authentication ─▶ [all of the group] ─▶ instance ─▶ (pause) ─▶ enable
//! ```
//!
//! What each file uses stands above it, and nothing that stands below:
//!
//! * [`error`]: why a row goes no further; [`tally`]: counts.
//! * `row`, `users`, `hidden`: what is known of a row in flight, of its end user, of hidden authentications.
//! * [`context`]: what a run has, and the only way to its journal.
//! * `create_once`: the only function that sends a creation, with the invariants that it keeps.
//! * `steps`: what is created: an end user, an authentication, an instance.
//! * `group`: the rows of one instance, and the barrier before it.
//! * [`row_source`]: pass two over the input; [`executor`]: its rows, their tasks, their end.

pub mod context;
mod create_once;
pub mod error;
pub mod executor;
mod group;
mod hidden;
pub mod row;
pub mod row_source;
mod steps;
pub mod tally;
mod users;
