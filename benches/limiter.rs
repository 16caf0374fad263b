//! What a slot costs: nothing where there is no limit, and little of the pause between two calls where there is.

use criterion::{Criterion, criterion_group, criterion_main};
use tray_import::tray::limiter::{Limiter, Pace};

fn limiter(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("limiter");
    // a rate that is never reached, so that nothing is waited for
    for (name, rate) in [("unlimited", None), ("below its rate", Some(1e9))] {
        let pace = Pace {
            rate,
            burst: 1_000_000,
        };
        let limiter = Limiter::new(pace);
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                limiter.acquire().await;
                limiter.accepted();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, limiter);
criterion_main!(benches);
