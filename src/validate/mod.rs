//! Checking rows: each against its catalog entry, and all against each other.
//!
//! [`check`] is the one place where a row's fields, conversion and schema are judged; the parallel
//! [`pipeline`] of `validate` and the second pass of `import` both go through it. [`across`] finds what
//! only shows when rows are seen together, by the [`marks`] of each. [`report`] writes issues and rows for
//! people and programs.

pub mod across;
mod brief;
pub mod check;
pub mod clash;
pub mod convert;
pub mod findings;
pub mod identity;
pub mod judge;
pub mod marks;
pub mod one_by_one;
pub mod pipeline;
pub mod plain;
pub mod references;
pub mod report;
