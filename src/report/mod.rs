//! What a run came to, for people and programs.
//!
//! [`summary`] is the end of a command, [`export`] the rows with their ids, [`page`] the report of a whole batch:
//! [`history`] reads the results, [`timeline`] lays the time at work end to end, [`plot`] draws it, [`outcome`] puts
//! it in a sentence, [`remedies`] says what to do about what did not get through.

pub(crate) mod durations;
pub mod export;
pub(crate) mod history;
pub(crate) mod html;
pub(crate) mod outcome;
pub(crate) mod page;
pub(crate) mod plot;
pub(crate) mod reasons;
pub(crate) mod remedies;
pub mod summary;
mod tables;
pub(crate) mod timeline;
