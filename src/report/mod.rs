//! What a run came to, for people and programs.

pub mod summary;
