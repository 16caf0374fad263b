//! What happened, in words: for the person who has to understand a failing seed.

use std::time::Duration;

/// The events of one scenario. Off by default: a run over thousands of seeds writes nothing down, and a
/// failing seed is played again with this on, which changes nothing of what happens.
pub(crate) struct Trace {
    on: bool,
    lines: Vec<String>,
}

impl Trace {
    pub(crate) fn new(on: bool) -> Trace {
        Trace {
            on,
            lines: Vec::new(),
        }
    }

    /// Writes down one event; the words are made only where somebody reads them.
    pub(crate) fn note(&mut self, at: Duration, what: impl FnOnce() -> String) {
        if self.on {
            self.lines
                .push(format!("{:>10.3}s  {}", at.as_secs_f64(), what()));
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}
