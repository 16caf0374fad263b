//! Logs: what the library reports through `tracing`, on standard error.
//!
//! Only this crate's own events are shown, at any verbosity: libraries below it log requests, and requests
//! hold tokens and credentials.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::args::{LogFormat, Shared};
use super::printer::{LogWriter, Printer};

/// Starts logging. Text logs hold warnings unless more is asked for; JSON logs hold progress too.
pub fn start(shared: &Shared, printer: &Printer) {
    let json = shared.log_format == LogFormat::Json;
    let level = match (shared.quiet, shared.verbose, json) {
        (true, ..) => LevelFilter::ERROR,
        (_, 0, false) => LevelFilter::WARN,
        (_, 0, true) | (_, 1, _) => LevelFilter::INFO,
        (_, 2, _) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let writer = LogWriter(printer.clone());
    let layer = fmt::layer().with_writer(move || writer.clone());
    let layer = if json {
        layer.json().flatten_event(true).with_target(false).boxed()
    } else {
        layer
            .without_time()
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .boxed()
    };
    let only_ours = Targets::new().with_target("tray_import", level);
    // a second start, as in tests, keeps the first
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(only_ours))
        .try_init();
}
