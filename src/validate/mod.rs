//! Checking rows: each against its catalog entry, and all against each other.
//!
//! [`check`] is the one place where a row's fields, conversion and schema are judged. The second pass of `import` asks
//! it of every row; the parallel [`pipeline`], which has a [`judge`] for each block, only of those of which [`plain`]
//! cannot tell without putting them together. [`across`] finds what only shows when rows are seen together, by the
//! [`marks`] of each. [`report`] writes issues and rows for people and programs.

pub mod across;
pub mod check;
pub mod clash;
pub mod convert;
pub mod findings;
pub mod identity;
pub mod judge;
mod known;
pub mod left_out;
pub mod marks;
pub mod one_by_one;
pub mod pipeline;
pub mod plain;
pub mod references;
pub mod report;
mod wanted;
