//! Checking rows: each against its catalog entry, and all against each other.
//!
//! [`check`] is the one place where a row's fields, conversion and schema are checked, by the parallel [`pipeline`] and
//! again by the second pass of `import`. [`duplicates`] finds what only shows when rows are seen together, by the
//! [`fingerprints`] of each. [`report`] writes issues and rows for people and programs.

pub mod check;
pub(crate) mod convert;
pub mod duplicates;
mod findings;
pub mod fingerprints;
pub mod invalid_rows;
pub mod pipeline;
pub mod references;
pub mod report;
pub mod user_numbers;
pub(crate) mod values;
