//! Ctrl-C and SIGTERM.
//!
//! The first one asks a running import to begin nothing new; where no import is running, and at the second
//! one, the process ends at once: everything that matters is on disk already.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::printer::Printer;
use crate::files::remove_unfinished;
use crate::stop::{Reason, Stop};

static RUNNING: Mutex<Option<Arc<Stop>>> = Mutex::new(None);

/// From now on the first signal asks this run to stop, rather than ending the process.
pub fn hand_to(stop: &Arc<Stop>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(stop));
}

/// Listens for signals until the process ends.
pub fn listen(printer: &Printer) {
    let printer = printer.clone();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
        else {
            return;
        };
        runtime.block_on(async {
            let (Ok(mut int), Ok(mut term)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            let mut before = false;
            loop {
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                }
                let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match running {
                    Some(stop) if !before => {
                        before = true;
                        printer.note("Interrupted: finishing the calls under way. Once more to stop at once.");
                        stop.because(Reason::Interrupted);
                    }
                    _ => {
                        remove_unfinished();
                        std::process::exit(Exit::Interrupted.code().into())
                    }
                }
            }
        });
    });
}
