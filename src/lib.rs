//! map
pub mod batch;
pub mod catalog;
pub mod cli;
pub mod files;
pub mod import;
pub mod input;
pub mod issue;
pub mod report;
pub mod results;
pub mod sandbox;
pub mod secret;
pub mod tray;
pub mod validate;
