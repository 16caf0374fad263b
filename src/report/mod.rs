//! What a run came to, for people and programs.

pub mod export;
pub mod summary;
