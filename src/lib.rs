//! Moves an existing customer base into Tray Embedded.
//!
//! This page is the map. A row's way through the modules, each of which knows the type before it and the type
//! after it:
//!
//! ```text
//! bytes ─▶ input ─▶ Row ─▶ validate ─▶ CheckedRow ─▶ batch (index, plan) ─▶ import ─▶ results
//!                    │        ▲                                            │  ▲
//!                    │     catalog                                         ▼  │
//!                    └────────▶ Problem ─▶ reports                        tray ─▶ HTTP
//! ```
//!
//! | module | owns | uses |
//! |---|---|---|
//! | [`issue`] | what can be wrong with a row: codes and messages | – |
//! | [`secret`] | text that is never shown, and its removal from what others wrote | – |
//! | [`files`] | files for their owner's eyes only | – |
//! | [`model`] | who a row is, how far it is, why it went no further | – |
//! | [`stop`] | why a run stops, and how everyone learns of it | – |
//! | [`ordered`] | work on all cores, received in order | – |
//! | [`json`] | the values of one row, as the schema library sees them | `secret` |
//! | [`input`] | formats, compression, positions, mapping | `issue`, `json`, `secret` |
//! | [`catalog`] | connector entries, versions, environments, schemas | `issue`, `json` |
//! | [`propose`] | a mapping for a customer's own export | `input`, `catalog` |
//! | [`validate`] | rows against entries and against each other, in parallel | `input`, `catalog` |
//! | [`batch`] | the index of rows, end users and instances; what is left to do | `validate`, `model` |
//! | [`results`] | the journal, the replay | `model`, `files`, `ordered` |
//! | [`tray`] | the API: operations, outcomes, limiter, retries, sessions, preflight | `secret`, `issue`, `stop` |
//! | [`import`] | creating each thing exactly once, the steps of a row, their tasks | `batch`, `tray`, `results`; its row source also `input`, `catalog`, `validate` |
//! | [`aftercare`] | what is done to a batch after its import: looking at it, taking it back | `tray`, `results`, `import` (its errors) |
//! | [`sandbox`] | an emulation of Tray's API to rehearse against | – |
//! | [`report`] | the summary, the export, the page of a batch | `issue`, `results`, `model` |
//! | [`cli`] | arguments, terminal, exit codes | everything |
//!
//! Two passes go over the input. The first ([`validate::pipeline`]) checks the whole file on all cores and
//! leaves the [`batch::Index`]: a few bytes a row, nothing secret. The second ([`import::row_source`]) reads the
//! file again and brings each row, credentials and all, just before it is sent.
//!
//! `ARCHITECTURE.md` says why it is built this way.

#![warn(
    missing_docs,
    clippy::dbg_macro,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::todo,
    clippy::unwrap_used
)]

pub mod aftercare;
pub mod batch;
pub mod catalog;
pub mod cli;
pub mod files;
pub mod import;
pub mod input;
pub mod issue;
pub mod json;
pub mod model;
pub mod ordered;
pub mod propose;
pub mod report;
pub mod results;
pub mod sandbox;
pub mod secret;
pub mod stop;
pub mod tray;
pub mod validate;
