//! How an import shows that it is getting on: a bar at a terminal, a line every few seconds elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::printer::Printer;
use crate::import::tally::Tally;
use crate::report::summary::{duration, thousands};
use crate::results::record::Step;
use crate::tray::client::Client;
use crate::tray::transport::Transport;

const EVERY_LINE: Duration = Duration::from_secs(5);
const EVERY_FRAME: Duration = Duration::from_millis(250);

/// Shows progress until it is aborted.
pub async fn show<T: Transport>(
    printer: Printer,
    tally: Arc<Tally>,
    client: Arc<Client<T>>,
    rows: u64,
) {
    if !printer.shows_progress() {
        return;
    }
    let started = Instant::now();
    let mut window = Window::default();
    if !printer.shows_bars() {
        loop {
            tokio::time::sleep(EVERY_LINE).await;
            window.add(client.counters.total());
            let line = line(&tally, &client, rows, started, window.rate());
            printer.note(&format!(
                "{} of {} rows: {line}",
                thousands(tally.ended_total()),
                thousands(rows)
            ));
        }
    }
    let bar = printer.bars().add(ProgressBar::new(rows));
    let template = "{bar:30} {human_pos}/{human_len} rows  {percent}%\n{wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let _cleared = Cleared(bar.clone());
    loop {
        tokio::time::sleep(EVERY_FRAME).await;
        window.add(client.counters.total());
        bar.set_message(line(&tally, &client, rows, started, window.rate()));
        bar.set_position(tally.ended_total());
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
    tally: &Tally,
    client: &Client<T>,
    rows: u64,
    started: Instant,
    rate: f64,
) -> String {
    let mut parts = vec![
        format!("auths {}", thousands(tally.steps(Step::Authentication))),
        format!("instances {}", thousands(tally.steps(Step::Instance))),
        format!("enabled {}", thousands(tally.steps(Step::Enable))),
        format!("{rate:.0} calls/s"),
    ];
    let throttled = client.counters.throttled();
    if throttled > 0 {
        parts.push(format!("throttled {}", thousands(throttled)));
    }
    if tally.failures_total() > 0 {
        parts.push(format!("failed {}", thousands(tally.failures_total())));
    }
    let ended = tally.ended_total();
    if ended > 0 && ended < rows {
        let left = started
            .elapsed()
            .mul_f64((rows - ended) as f64 / ended as f64);
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
