//! The words that everything else is said in: who a row is ([`Key`]), how far it is ([`Progress`]), and why it
//! went no further ([`code`]).

#![allow(missing_docs, reason = "a name that says it all needs no second one")]

pub mod code;
mod key;
mod progress;

pub use key::*;
pub use progress::*;
