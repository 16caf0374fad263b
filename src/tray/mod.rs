//! Tray's API: what is sent, what may come back, and how fast.
//!
//! Facts about the API come from Tray's documentation as gathered in the project's notes (`tray-api.md`,
//! named where they are used). Nothing here knows of rows, files or the terminal.
//!
//! * [`operations`]: every GraphQL document that the tool sends, with its input and its answer.
//! * `answers`: what is read of them.
//! * [`transport`]: the one way out of the process, as a trait; [`http`] is the real one.
//! * `outcome`: every way in which a call can end, and what that says about what Tray has done.
//! * [`limiter`]: the pace of all calls together.
//! * [`client`]: one call with its retries, through limiter and transport.
//! * `paginate`: every list, read to its end or not at all.
//! * `owned`: what one end user owns, in as few calls as can be.
//! * `redaction`: no secret of ours in what a server says.
//! * `session`: calls with the organisation's token and with an end user's.
//! * `platform`: what the platform API publishes: connectors and service environments.
//! * `preflight`: what is asked before anything is created.

mod answers;
pub mod client;
pub mod http;
pub mod limiter;
pub mod operations;
pub(crate) mod outcome;
pub(crate) mod owned;
pub(crate) mod paginate;
pub(crate) mod platform;
pub(crate) mod preflight;
mod redaction;
pub(crate) mod session;
pub mod transport;
