//! What a run came to, for people and programs.
//!
//! [`summary`] is the end of a command, [`export`] the rows with their ids, [`page`] the report of a whole batch:
//! [`history`] reads the results, [`timeline`] lays the time at work end to end, [`plot`] draws it, [`outcome`] puts
//! it in a sentence, [`cures`] says what to do about what did not get through.

pub mod cures;
pub mod durations;
pub mod export;
pub mod history;
pub mod html;
pub mod outcome;
pub mod page;
pub mod plot;
pub mod reasons;
pub mod summary;
mod tables;
pub mod timeline;
