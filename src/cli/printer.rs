//! The terminal: results to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use serde_json::Value;

use super::args::{LogFormat, Shared};
use super::exit::Failure;

/// Knows how much is to be said, and how.
#[derive(Clone)]
pub struct Printer {
    quiet: bool,
    json: bool,
    format: LogFormat,
    bars: MultiProgress,
}

impl Printer {
    /// A printer for these options.
    pub fn new(shared: &Shared) -> Printer {
        Printer {
            quiet: shared.quiet,
            json: shared.json,
            format: shared.log_format,
            bars: MultiProgress::new(),
        }
    }

    /// Whether standard output is to hold one JSON object and nothing else.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether there is somebody at a terminal who can be shown a bar.
    pub fn shows_bars(&self) -> bool {
        !self.quiet && self.format == LogFormat::Text && io::stderr().is_terminal()
    }

    /// Whether progress is to be written at all.
    pub fn shows_progress(&self) -> bool {
        !self.quiet
    }

    /// Where bars live, so that other lines do not run into them.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// A line of the result. Where standard output is to hold JSON only, it goes to standard error.
    pub fn result(&self, line: &str) {
        if self.json {
            self.note(line);
        } else {
            self.bars.suspend(|| write_line(io::stdout(), line));
        }
    }

    /// The one object of `--json`.
    pub fn object(&self, value: &Value) {
        self.bars
            .suspend(|| write_line(io::stdout(), &value.to_string()));
    }

    /// A remark for the person at the keyboard.
    pub fn note(&self, line: &str) {
        match self.format {
            _ if self.quiet => {}
            LogFormat::Text => self.bars.suspend(|| write_line(io::stderr(), line)),
            LogFormat::Json => tracing::info!("{line}"),
        }
    }

    /// Asks the person at the terminal; their answer without white space around it. Nothing can silence it.
    ///
    /// # Errors
    /// Standard input cannot be read.
    pub fn ask(&self, question: &str) -> io::Result<String> {
        self.bars.suspend(|| {
            let mut out = io::stderr();
            let _ = write!(out, "{question} ").and_then(|()| out.flush());
        });
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// What ended the command.
    pub fn failure(&self, failure: &Failure) {
        match self.format {
            LogFormat::Text => self.bars.suspend(|| print_failure(failure)),
            LogFormat::Json => tracing::error!(
                exit_code = failure.exit.code(),
                hint = failure.hint,
                "{}",
                failure.message
            ),
        }
    }
}

/// What is said of a panic: where, but not what, since a panic's message may quote data.
pub(super) fn panicked(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let line = format!(
        "error: internal error at {}; this is a bug of tray-import, please report it",
        place.as_deref().unwrap_or("an unknown place")
    );
    write_line(io::stderr(), &line);
}

/// A failure before there is a printer.
pub fn failure(failure: &Failure) {
    print_failure(failure);
}

fn print_failure(failure: &Failure) {
    write_line(io::stderr(), &format!("error: {}", failure.message));
    if let Some(text) = &failure.hint {
        hint(text);
    }
}

/// A word on what to do.
pub fn hint(text: &str) {
    write_line(io::stderr(), &format!("hint: {text}"));
}

/// A closed pipe (`| head`) is the reader's choice and no failure.
fn write_line(mut out: impl Write, line: &str) {
    let _ = writeln!(out, "{line}");
}

/// Lets log lines pass above the bars.
#[derive(Clone)]
pub struct LogWriter(pub Printer);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bars.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
