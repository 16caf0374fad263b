//! Plots as inline SVG: few marks, labels at the lines themselves, colours by the page's style sheet.

use std::fmt::Write;

use super::summary::thousands;
use super::timeline::{Piece, Timeline};

/// How large a plot is drawn; its text keeps its size, so a phone gets a plot of its own.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Width in CSS pixels.
    pub width: f64,
    /// Height in CSS pixels.
    pub height: f64,
    /// What sets its ids apart from those of the other size.
    pub name: &'static str,
}

/// For screens and paper.
pub const WIDE: Size = Size {
    width: 720.0,
    height: 250.0,
    name: "wide",
};
/// For phones.
pub const NARROW: Size = Size {
    width: 346.0,
    height: 220.0,
    name: "narrow",
};

impl Size {
    /// The room at the right for a label as long as this one; on a phone, labels stand within the plot.
    fn margin(self, label: &str) -> f64 {
        if self.width < 500.0 {
            14.0
        } else {
            14.0 + 8.2 * label.chars().count() as f64
        }
    }
}

const LEFT: f64 = 52.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;

/// Where values stand.
struct Frame {
    size: Size,
    right: f64,
    bottom: f64,
    total: f64,
    highest: f64,
}

impl Frame {
    fn x(&self, second: f64) -> f64 {
        LEFT + (self.size.width - LEFT - self.right) * second / self.total
    }

    fn y(&self, value: f64) -> f64 {
        let height = self.size.height - TOP - self.bottom;
        TOP + height * (1.0 - value / self.highest)
    }

    /// Lines and numbers of both axes, and where runs were begun.
    fn axes(&self, timeline: &Timeline) -> String {
        let mut svg = String::new();
        let (left, end) = (LEFT, self.size.width - self.right);
        for tick in ticks(self.highest) {
            let y = self.y(tick);
            let class = if tick == 0.0 { "base" } else { "grid" };
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{left}\" x2=\"{end:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 8.0,
                y + 4.0,
                number(tick)
            );
        }
        let floor = self.size.height - self.bottom;
        let roof = TOP;
        for stretch in timeline.stretches.iter().skip(1) {
            let x = self.x(stretch.before as f64);
            let _ = write!(
                svg,
                "<line class=\"run\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{roof}\" y2=\"{floor:.1}\"/>"
            );
        }
        let most = if self.size.width < 500.0 { 4 } else { 7 };
        for second in times(timeline.total, most) {
            let x = self.x(second as f64);
            let anchor = if second == 0 { "start" } else { "middle" };
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                self.size.height - 8.0,
                time(second)
            );
        }
        svg
    }
}

/// Rows done, and failed, over the time at work.
pub fn progress(timeline: &Timeline, rows: u64, size: Size) -> String {
    let last = timeline.pieces.last().copied().unwrap_or_default();
    let text =
        |value: i64, name: &str| format!("{} {name}", thousands(u64::try_from(value).unwrap_or(0)));
    let highest = timeline
        .pieces
        .iter()
        .map(|piece| piece.done.max(piece.failed));
    let highest = highest
        .max()
        .unwrap_or(0)
        .max(i64::try_from(rows).unwrap_or(0));
    let frame = Frame {
        size,
        right: size.margin(&text(last.done, "done")),
        bottom: BOTTOM,
        total: timeline.total.max(1) as f64,
        highest: top(highest.max(1) as f64),
    };
    let mut svg = frame.axes(timeline);
    let done = line(timeline, &frame, |piece| piece.done as f64);
    let (floor, end) = (frame.y(0.0), frame.x(frame.total));
    let _ = write!(
        svg,
        "<path class=\"done-area\" d=\"{done}L{end:.1},{floor:.1}L{LEFT},{floor:.1}Z\"/>\
         <path class=\"done-line\" d=\"{done}\"/>"
    );
    let mut labels = vec![(last.done, "done")];
    if last.failed > 0 || timeline.pieces.iter().any(|piece| piece.failed > 0) {
        let failed = line(timeline, &frame, |piece| piece.failed as f64);
        let _ = write!(svg, "<path class=\"failed-line\" d=\"{failed}\"/>");
        labels.push((last.failed, "failed"));
    }
    let narrow = size.width < 500.0;
    let mut lowest = f64::INFINITY;
    for (value, name) in labels {
        let y = frame.y(value as f64);
        // labels do not run into each other, the upper one first
        let (x, y, anchor) = if narrow {
            (end, (y - 7.0).max(TOP + 9.0), "end")
        } else {
            (end + 8.0, y + 4.0, "start")
        };
        let y = if (lowest - y).abs() < 15.0 {
            lowest - 15.0
        } else {
            y
        };
        lowest = y;
        let _ = write!(
            svg,
            "<text class=\"label {name}-text\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            text(value, name)
        );
    }
    let desc = format!(
        "Over {} at work, {} of {} rows became done and {} failed.",
        time(timeline.total),
        thousands(u64::try_from(last.done).unwrap_or(0)),
        thousands(rows),
        thousands(u64::try_from(last.failed).unwrap_or(0)),
    );
    figure(size, "progress", "Rows done over time", &desc, &svg)
}

/// Calls a second, the rate asked for, and throttled answers, over the time at work.
pub fn calls(timeline: &Timeline, size: Size) -> String {
    let rate = |piece: &Piece| piece.calls / piece.length.max(1) as f64;
    let fastest = timeline.pieces.iter().map(rate).fold(0.0, f64::max);
    let asked = timeline.stretches.iter().filter_map(|s| s.asked);
    let highest = asked.fold(fastest, f64::max);
    let throttled: f64 = timeline.pieces.iter().map(|piece| piece.throttled).sum();
    let lane = if throttled > 0.0 { 26.0 } else { 0.0 };
    let frame = Frame {
        size,
        right: size.margin(&format!(
            "{} throttled",
            thousands(throttled.round() as u64)
        )),
        bottom: BOTTOM + lane,
        total: timeline.total.max(1) as f64,
        highest: top(highest.max(1.0)),
    };
    let mut svg = frame.axes(timeline);
    let line = steps(timeline, &frame, rate);
    let (floor, end) = (frame.y(0.0), frame.x(frame.total));
    let _ = write!(
        svg,
        "<path class=\"calls-area\" d=\"{line}L{end:.1},{floor:.1}L{LEFT},{floor:.1}Z\"/>\
         <path class=\"calls-line\" d=\"{line}\"/>"
    );
    for stretch in &timeline.stretches {
        if let Some(asked) = stretch.asked {
            let (from, to) = (stretch.before, stretch.before + stretch.length);
            let (x1, x2, y) = (frame.x(from as f64), frame.x(to as f64), frame.y(asked));
            let _ = write!(
                svg,
                "<line class=\"asked\" x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            );
        }
    }
    if let Some(asked) = timeline.stretches.last().and_then(|last| last.asked) {
        let (x, y, anchor) = if size.width < 500.0 {
            (end, frame.y(asked) - 5.0, "end")
        } else {
            (end + 8.0, frame.y(asked) + 4.0, "start")
        };
        let _ = write!(
            svg,
            "<text class=\"label asked-text\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{} asked for</text>",
            number(asked)
        );
    }
    if throttled > 0.0 {
        throttling(timeline, &frame, throttled, &mut svg);
    }
    let calls: f64 = timeline.pieces.iter().map(|piece| piece.calls).sum();
    let desc = format!(
        "Over {} at work, {:.1} calls a second on average and {:.1} at most; {} answers were throttled.",
        time(timeline.total),
        calls / frame.total,
        fastest,
        thousands(throttled.round() as u64),
    );
    figure(size, "calls", "Calls a second over time", &desc, &svg)
}

/// A lane of ticks below the plot: when Tray said "too fast", and how often.
fn throttling(timeline: &Timeline, frame: &Frame, all: f64, svg: &mut String) {
    let most = timeline.pieces.iter().map(|piece| piece.throttled);
    let most = most.fold(0.0, f64::max);
    let floor = frame.size.height - BOTTOM - 4.0;
    let mut second = 0;
    for piece in &timeline.pieces {
        if piece.throttled > 0.01 {
            let middle = second as f64 + piece.length as f64 / 2.0;
            let (x, height) = (frame.x(middle), 4.0 + 12.0 * piece.throttled / most);
            let _ = write!(
                svg,
                "<line class=\"throttled\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{floor:.1}\" y2=\"{:.1}\"/>",
                floor - height
            );
        }
        second += piece.length;
    }
    // where there is no room for it, the caption says it
    if frame.size.width >= 500.0 {
        let x = frame.size.width - frame.right + 8.0;
        let _ = write!(
            svg,
            "<text class=\"label throttled-text\" x=\"{x:.1}\" y=\"{floor:.1}\">{} throttled</text>",
            thousands(all.round() as u64)
        );
    }
}

/// A line through the values at the ends of the pieces, from nothing.
fn line(timeline: &Timeline, frame: &Frame, value: impl Fn(&Piece) -> f64) -> String {
    let mut path = format!("M{LEFT},{:.1}", frame.y(0.0));
    let mut second = 0;
    for piece in &timeline.pieces {
        second += piece.length;
        let (x, y) = (frame.x(second as f64), frame.y(value(piece)));
        let _ = write!(path, "L{x:.1},{y:.1}");
    }
    path
}

/// A line that keeps the value of each piece over its length.
fn steps(timeline: &Timeline, frame: &Frame, value: impl Fn(&Piece) -> f64) -> String {
    let mut path = format!("M{LEFT},{:.1}", frame.y(0.0));
    let mut second = 0;
    for piece in &timeline.pieces {
        let y = frame.y(value(piece));
        let from = frame.x(second as f64);
        second += piece.length;
        let _ = write!(
            path,
            "L{from:.1},{y:.1}L{:.1},{y:.1}",
            frame.x(second as f64)
        );
    }
    path
}

fn figure(size: Size, id: &str, title: &str, desc: &str, svg: &str) -> String {
    let Size {
        width,
        height,
        name,
    } = size;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot {name}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"{id}-{name}-title {id}-{name}-desc\">\
         <title id=\"{id}-{name}-title\">{title}</title><desc id=\"{id}-{name}-desc\">{desc}</desc>{svg}</svg>"
    )
}

/// A round number that is no less.
fn top(value: f64) -> f64 {
    let step = step(value);
    (value / step).ceil() * step
}

/// The distance of ticks up to this value: 1, 2 or 5 with noughts, four or so of them.
fn step(highest: f64) -> f64 {
    let rough = highest / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

fn ticks(highest: f64) -> Vec<f64> {
    let step = step(highest);
    let count = (highest / step).round() as usize;
    let tick = |n: usize| n as f64 * step;
    (0..=count)
        .map(tick)
        // rows and calls come whole
        .filter(|tick| highest < 4.0 || tick.fract().abs() < 1e-9)
        .collect()
}

fn number(value: f64) -> String {
    if value.fract().abs() < 1e-9 {
        thousands(value.abs().round() as u64)
    } else {
        format!("{value:.1}")
    }
}

/// Round times up to a total, at most so many.
fn times(total: i64, most: i64) -> Vec<i64> {
    const STEPS: [i64; 19] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
        86_400, 172_800,
    ];
    let step = STEPS.into_iter().find(|step| total / step < most);
    let step = step.unwrap_or(total / most + 1);
    // the last one must have room for its text
    (0..=total / step)
        .map(|n| n * step)
        .filter(|at| *at * 100 <= total * 97 || *at == 0)
        .collect()
}

/// A time as people say it: `30 s`, `10 min`, `1 h`, `1 h 30`.
pub fn time(seconds: i64) -> String {
    match seconds {
        0 => "0".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3_600 if seconds % 60 == 0 => format!("{} min", seconds / 60),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds % 3_600 < 60 => format!("{} h", seconds / 3_600),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (highest, top_is) in [
            (1.0, 1.0),
            (7.0, 8.0),
            (25.0, 30.0),
            (500.0, 600.0),
            (99_999.0, 100_000.0),
        ] {
            assert_eq!(top(highest), top_is, "{highest}");
            let ticks = ticks(top(highest));
            assert!((2..=6).contains(&ticks.len()), "{highest}: {ticks:?}");
            assert_eq!(*ticks.last().unwrap(), top_is);
        }
        for total in [1, 3, 59, 61, 3_599, 20_000, 1_000_000, 100_000_000] {
            let times = times(total, 7);
            assert!((1..=8).contains(&times.len()), "{total}: {times:?}");
        }
    }
}
