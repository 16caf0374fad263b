//! Work on all cores, received in order.
//!
//! The calling thread brings pieces and receives what came of them, in the order in which it brought them; rayon's
//! threads work on them. A bounded number of pieces is in flight at a time, so memory does not grow with their
//! number.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

/// Brings pieces with `next` until there is none, has `work` make something of each, and calls `receive` with it.
/// Both ends share `state`.
///
/// # Errors
/// What `next` returns, once all that was brought before has been received; or what `receive` returns, at once.
pub fn run<S, P: Send, W: Send, E>(
    state: &mut S,
    mut next: impl FnMut(&mut S) -> Result<Option<P>, E>,
    work: impl Fn(P) -> W + Sync,
    mut receive: impl FnMut(&mut S, W) -> Result<(), E>,
) -> Result<(), E> {
    // enough that nobody waits while this thread is not let run
    let most = 4 * rayon::current_num_threads();
    let (sender, results) = mpsc::channel();
    rayon::in_place_scope(|scope| {
        let (mut next_in, mut next_out, mut in_flight) = (0_u64, 0_u64, 0_usize);
        let mut end = None;
        let mut waiting = BTreeMap::new();
        loop {
            while end.is_none() && in_flight < most {
                let piece = match next(state) {
                    Ok(Some(piece)) => piece,
                    Ok(None) => {
                        end = Some(Ok(()));
                        break;
                    }
                    // what was brought before is received first
                    Err(error) => {
                        end = Some(Err(error));
                        break;
                    }
                };
                let (sender, number, work) = (sender.clone(), next_in, &work);
                scope.spawn(move |_| {
                    let done = catch_unwind(AssertUnwindSafe(|| work(piece)));
                    // nobody listens any more once `receive` has failed
                    let _ = sender.send((number, done));
                });
                next_in += 1;
                in_flight += 1;
            }
            if in_flight == 0 {
                return end.unwrap_or(Ok(()));
            }
            let Ok((number, done)) = results.recv() else {
                return Ok(());
            };
            in_flight -= 1;
            waiting.insert(number, done);
            while let Some(done) = waiting.remove(&next_out) {
                next_out += 1;
                receive(state, done.unwrap_or_else(|panic| resume_unwind(panic)))?;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_received_in_order_and_before_the_end() {
        for end in [Ok(None), Err("broken")] {
            let mut state = (0..200_u64, Vec::new());
            let outcome = run(
                &mut state,
                |(numbers, _)| numbers.next().map_or(end, |number| Ok(Some(number))),
                |number| {
                    // the earlier, the longer
                    (0..(200 - number) * 100).fold(number, |n, _| std::hint::black_box(n))
                },
                |(_, received), number| {
                    received.push(number);
                    Ok(())
                },
            );
            assert_eq!(outcome, end.map(|_: Option<u64>| ()));
            assert!(state.1.iter().copied().eq(0..200));
        }
    }

    #[test]
    fn an_error_of_the_receiver_ends_it() {
        let outcome = run(&mut 0, |_| Ok(Some(())), |()| (), |_, ()| Err("enough"));
        assert_eq!(outcome, Err("enough"));
    }
}
