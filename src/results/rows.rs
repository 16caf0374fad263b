//! What the results know of rows, kept by their keys.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::model::{DigestHasher, Key, Progress};

/// A row as the results know it.
#[derive(Clone, Debug)]
pub struct KnownRow {
    /// The row's number in the input, at the time.
    pub row: u64,
    /// The row's identity.
    pub key: Key,
    /// What is known.
    pub progress: Progress,
}

/// What earlier runs did for rows.
pub type PriorRows = HashMap<Key, Progress, BuildHasherDefault<DigestHasher>>;
