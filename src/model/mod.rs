//! The words that everything else is said in: who a row is ([`Key`]), how far it is ([`Progress`]), and why it
//! went no further ([`code`]).

pub mod code;
pub(crate) mod hex;
mod key;
mod progress;

pub use key::*;
pub use progress::*;
