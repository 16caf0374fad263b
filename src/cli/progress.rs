//! How a long command shows that it is getting on: a bar at a terminal, a line every few seconds elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::printer::Printer;
use crate::import::tally::Tally;
use crate::model::Step;
use crate::report::summary::{duration, thousands};
use crate::tray::client::Client;
use crate::tray::transport::Transport;

const EVERY_LINE: Duration = Duration::from_secs(5);
const EVERY_FRAME: Duration = Duration::from_millis(250);

/// Work that can be shown.
pub trait Work: Send + Sync + 'static {
    /// What is counted: "rows".
    const UNITS: &'static str;

    /// How many of them have come to their end.
    fn ended(&self) -> u64;

    /// What else there is to say, in a few words each.
    fn parts(&self) -> Vec<String>;

    /// How many have failed.
    fn failed(&self) -> u64;
}

impl Work for Tally {
    const UNITS: &'static str = "rows";

    fn ended(&self) -> u64 {
        self.ended_total()
    }

    fn parts(&self) -> Vec<String> {
        vec![
            format!("auths {}", thousands(self.steps(Step::Authentication))),
            format!("instances {}", thousands(self.steps(Step::Instance))),
            format!("enabled {}", thousands(self.steps(Step::Enable))),
        ]
    }

    fn failed(&self) -> u64 {
        self.failures_total()
    }
}

/// Shows progress until it is aborted.
pub async fn show<T: Transport, W: Work>(
    printer: Printer,
    work: Arc<W>,
    client: Arc<Client<T>>,
    total: u64,
) {
    if !printer.shows_progress() {
        return;
    }
    let started = Instant::now();
    let mut window = Window::default();
    window.add(client.counters.total());
    if !printer.shows_bars() {
        loop {
            tokio::time::sleep(EVERY_LINE).await;
            window.add(client.counters.total());
            let line = line(&*work, &client, total, started, window.rate());
            printer.note(&format!(
                "{} of {} {}: {line}",
                thousands(work.ended()),
                thousands(total),
                W::UNITS
            ));
        }
    }
    let bar = printer.bars().add(ProgressBar::new(total));
    let template = format!(
        "{{bar:30}} {{human_pos}}/{{human_len}} {}  {{percent}}%\n{{wide_msg}}",
        W::UNITS
    );
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    let _cleared = Cleared(bar.clone());
    loop {
        tokio::time::sleep(EVERY_FRAME).await;
        window.add(client.counters.total());
        bar.set_message(line(&*work, &client, total, started, window.rate()));
        bar.set_position(work.ended());
    }
}

/// Takes the bar away when the task that shows it is aborted.
struct Cleared(ProgressBar);

impl Drop for Cleared {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn line<T: Transport>(
    work: &impl Work,
    client: &Client<T>,
    total: u64,
    started: Instant,
    rate: f64,
) -> String {
    let mut parts = work.parts();
    parts.push(format!("{rate:.0} calls/s"));
    let throttled = client.counters.throttled();
    if throttled > 0 {
        parts.push(format!("throttled {}", thousands(throttled)));
    }
    if work.failed() > 0 {
        parts.push(format!("failed {}", thousands(work.failed())));
    }
    let ended = work.ended();
    if ended > 0 && ended < total {
        let left = started
            .elapsed()
            .mul_f64((total - ended) as f64 / ended as f64);
        parts.push(format!("ETA {}", duration(left)));
    }
    parts.join(", ")
}

/// Calls a second over the last few looks.
#[derive(Default)]
struct Window {
    looks: std::collections::VecDeque<(Instant, u64)>,
}

impl Window {
    fn add(&mut self, calls: u64) {
        self.looks.push_back((Instant::now(), calls));
        while self.looks.len() > 20 {
            self.looks.pop_front();
        }
    }

    fn rate(&self) -> f64 {
        match (self.looks.front(), self.looks.back()) {
            (Some((from, before)), Some((to, now))) if to > from => {
                (now - before) as f64 / (*to - *from).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}
