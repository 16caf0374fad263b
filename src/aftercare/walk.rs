//! The pool: goes over the batch's end users, several at a time.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::stop::{Reason, Stop};

/// Visits each of `units` (end users, as a rule), `at_once` of them at a time, in their order. The pace of calls is
/// the client's affair. When the run is to stop, no visit begins any more; those under way come to the end that
/// they choose, and are waited for.
pub async fn walk<U, V>(
    units: impl IntoIterator<Item = U>,
    at_once: usize,
    stop: &Stop,
    visit: impl Fn(U) -> V,
) where
    V: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
    let mut visits = JoinSet::new();
    for unit in units {
        while let Some(ended) = visits.try_join_next() {
            joined(stop, &ended);
        }
        let place = tokio::select! {
            biased;
            () = stop.wait() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let visit = visit(unit);
        visits.spawn(async move {
            visit.await;
            drop(place);
        });
    }
    while let Some(ended) = visits.join_next().await {
        joined(stop, &ended);
    }
}

fn joined(stop: &Stop, ended: &Result<(), tokio::task::JoinError>) {
    if ended.as_ref().is_err_and(tokio::task::JoinError::is_panic) {
        let message = "an internal error ended the visit of an end user";
        stop.because(Reason::Failed(message.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn so_many_at_once_and_none_after_a_stop() {
        let stop = Arc::new(Stop::default());
        let (now, most, ended) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let counts = Arc::new((now, most, ended));
        walk(0..100, 7, &stop, |unit| {
            let (counts, stop) = (Arc::clone(&counts), Arc::clone(&stop));
            async move {
                let now = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
                counts.1.fetch_max(now, Ordering::SeqCst);
                if unit == 20 {
                    stop.because(Reason::Interrupted);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
                counts.0.fetch_sub(1, Ordering::SeqCst);
                counts.2.fetch_add(1, Ordering::SeqCst);
            }
        })
        .await;
        assert_eq!(counts.1.load(Ordering::SeqCst), 7);
        let ended = counts.2.load(Ordering::SeqCst);
        assert!((21..=27).contains(&ended), "{ended} visits");
    }

    #[tokio::test]
    async fn a_visit_that_panics_stops_the_run() {
        let stop = Stop::default();
        walk([()], 1, &stop, |()| async { panic!("for the test") }).await;
        assert!(stop.is_set());
    }
}
