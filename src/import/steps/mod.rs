//! The steps of a row that create something: what each looks for, sends and adopts.

pub(super) mod authentication;
pub(super) mod instance;
mod slots;
pub(super) mod user;
