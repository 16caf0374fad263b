//! The results file: what became of every row, kept so that a batch can stop at any instant and go on.
//!
//! # What the journal promises
//!
//! 1. A line that [`journal::Journal::write`] has returned from is on disk: written and synced.
//! 2. Lines of one call stand together and in their order; calls are in the order in which they queued.
//! 3. After a write error nothing more is written, and every later call fails: what is on disk is a
//!    prefix of what was handed in, but for a torn last line.
//! 4. One process at a time writes a file: it is locked from opening to exit.
//! 5. Each line carries a checksum (a line of an older version has none, and is read).
//! 6. A torn last line is cut off on the next start, with a warning. A line whose checksum does not match is left
//!    out with a warning, and its row is looked up in Tray. Any other line that cannot be read, or that belongs to
//!    another batch, stops the run and is named: guessing at a ledger would be worse than stopping.
//!
//! The format is that of the contract: one header, then one line for each change of a row, each line
//! holding all that is known of the row. So the last line of a row is its state, and [`replay`] is one pass.
//! Between them stand a few lines that each [`run`] writes of itself, for the report; they change no row.

#![allow(missing_docs, reason = "a name that says it all needs no second one")]

pub mod checksum;
pub mod error;
pub mod facts;
pub mod file;
pub mod header;
pub mod journal;
pub mod line;
pub mod lines;
mod pieces;
pub mod replay;
pub mod rows;
pub mod run;
pub mod users;
