//! The time at work: the seconds of a batch in which runs were under way, one after the other, without the
//! nights between them.

use super::history::History;

/// Nothing recorded for so long, in seconds, and work has stopped. Longer than any pause within a run.
const BREAK: i64 = 600;

/// A stretch of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// The Unix time of its first second.
    pub start: i64,
    /// Its length in seconds, at least one.
    pub length: i64,
    /// The time at work before it, in seconds.
    pub before: i64,
    /// The rate asked for, if it was a run that says so.
    pub asked: Option<f64>,
}

/// A piece of the time at work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Piece {
    /// Its length in seconds.
    pub length: i64,
    /// Rows that are done at its end.
    pub done: i64,
    /// Rows that have failed at its end.
    pub failed: i64,
    /// Calls that left during it.
    pub calls: f64,
    /// Throttled answers during it.
    pub throttled: f64,
}

/// The time at work, in pieces of the same length.
#[derive(Debug, Default)]
pub struct Timeline {
    /// The stretches, in order.
    pub stretches: Vec<Stretch>,
    /// The pieces, in order; the last one may be shorter.
    pub pieces: Vec<Piece>,
    /// All of it, in seconds.
    pub total: i64,
}

impl Timeline {
    /// Of a batch, in at most so many pieces.
    pub fn new(history: &History, most: usize) -> Timeline {
        let stretches = stretches(history);
        let total = stretches.last().map_or(0, |last| last.before + last.length);
        let most = i64::try_from(most.max(1)).unwrap_or(1);
        let length = total.div_euclid(most) + i64::from(total % most != 0);
        let length = length.max(1);
        let count = usize::try_from((total + length - 1) / length).unwrap_or(0);
        let mut pieces = vec![Piece::default(); count];
        for (piece, start) in pieces.iter_mut().zip((0..).step_by(length as usize)) {
            piece.length = length.min(total - start);
        }
        // runs count their calls; lines of older versions have only what each row took
        let counted = history.runs.iter().any(|run| run.calls > 0);
        let mut place = 0;
        for (second, what) in &history.seconds {
            while stretches[place].start + stretches[place].length <= *second {
                place += 1;
            }
            let at = stretches[place].before + second - stretches[place].start;
            let Some(piece) = pieces.get_mut(usize::try_from(at / length).unwrap_or(0)) else {
                continue;
            };
            piece.done += i64::from(what.done);
            piece.failed += i64::from(what.failed);
            piece.throttled += f64::from(what.throttled);
            piece.calls += if counted {
                f64::from(what.calls)
            } else {
                f64::from(what.attempts)
            };
        }
        let (mut done, mut failed) = (0, 0);
        for piece in &mut pieces {
            done += piece.done;
            failed += piece.failed;
            (piece.done, piece.failed) = (done, failed);
        }
        Timeline {
            stretches,
            pieces,
            total,
        }
    }
}

/// A new stretch begins with every run, and after every long silence.
fn stretches(history: &History) -> Vec<Stretch> {
    let mut begins: Vec<(i64, Option<f64>)> = history
        .runs
        .iter()
        .map(|run| (run.began.as_second(), run.rate()))
        .collect();
    begins.sort_by_key(|(second, _)| *second);
    let mut begins = begins.into_iter().peekable();
    let mut found: Vec<Stretch> = Vec::new();
    let mut asked = None;
    for second in history.seconds.keys().copied() {
        let mut begun = false;
        while let Some((_, rate)) = begins.next_if(|(begin, _)| *begin <= second) {
            begun = true;
            asked = rate;
        }
        match found.last_mut() {
            Some(last) if !begun && second - (last.start + last.length) < BREAK => {
                last.length = second - last.start + 1;
            }
            _ => {
                let before = found.last().map_or(0, |last| last.before + last.length);
                found.push(Stretch {
                    start: second,
                    length: 1,
                    before,
                    asked,
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::history::Second;
    use super::*;

    #[test]
    fn the_night_is_left_out_and_nothing_is_lost() {
        let mut history = History::default();
        for second in (1_000..1_100).chain(90_000..90_050) {
            let what = Second {
                done: 2,
                attempts: 3,
                ..Second::default()
            };
            history.seconds.insert(second, what);
        }
        for most in [1, 7, 40, 1_000] {
            let timeline = Timeline::new(&history, most);
            assert_eq!(timeline.total, 150);
            assert_eq!(timeline.stretches.len(), 2);
            assert_eq!(timeline.stretches[1].before, 100);
            assert!(timeline.pieces.len() <= most.max(1));
            assert_eq!(timeline.pieces.last().unwrap().done, 300);
            let calls: f64 = timeline.pieces.iter().map(|piece| piece.calls).sum();
            assert_eq!(calls, 450.0);
            let length: i64 = timeline.pieces.iter().map(|piece| piece.length).sum();
            assert_eq!(length, 150);
        }
        let nothing = Timeline::new(&History::default(), 10);
        assert_eq!((nothing.total, nothing.pieces.len()), (0, 0));
    }
}
