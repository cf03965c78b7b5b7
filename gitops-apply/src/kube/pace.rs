//! How fast requests and retries may follow each other.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gitops_core::clock::{Clock, Timestamp};

use super::Rate;

/// A bucket of permits that fills at a rate.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    permits: f64,
    at: Option<Timestamp>,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        let state = State {
            permits: rate.burst.into(),
            at: None,
        };
        Self {
            rate,
            state: Mutex::new(state),
        }
    }

    /// Takes a permit if there is one.
    pub(super) fn try_take(&self, now: Timestamp) -> bool {
        let mut state = self.filled(now);
        let is_there = state.permits >= 1.0;
        if is_there {
            state.permits -= 1.0;
        }
        is_there
    }

    /// Takes the next permit and waits until it is due. Who comes first is served first.
    pub(super) async fn take(&self, clock: &dyn Clock) {
        let missing = {
            let mut state = self.filled(clock.now());
            state.permits -= 1.0;
            -state.permits
        };
        if missing > 0.0 {
            let seconds = missing / self.rate.per_second.max(f64::MIN_POSITIVE);
            let wait = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            clock.sleep(wait).await;
        }
    }

    fn filled(&self, now: Timestamp) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = state
            .at
            .and_then(|at| Duration::try_from(now.duration_since(at)).ok());
        if let Some(since) = since {
            let more = state.permits + since.as_secs_f64() * self.rate.per_second;
            state.permits = more.min(self.rate.burst.into());
        }
        state.at = Some(now);
        state
    }
}

/// 100 ms, doubled with each try up to 3.2 s, spread by up to a quarter so that many requests do not
/// come back at the same moment. The spread follows from the request, so that runs can be repeated.
pub(super) fn pause(path: &str, attempt: u32) -> Duration {
    let base = Duration::from_millis(100) * (1 << attempt.min(5));
    let seed = path
        .bytes()
        .chain(attempt.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    let share = u32::try_from(seed % 256).unwrap_or(0);
    base + base * share / 1024
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use gitops_core::clock::ManualClock;

    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_waits() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = ManualClock::at(start);
        let bucket = Bucket::new(Rate {
            per_second: 10.0,
            burst: 5,
        });
        block_on(async {
            for _ in 0..25 {
                bucket.take(&clock).await;
            }
        });
        let took = clock.now().duration_since(start).as_secs_f64();
        assert!((took - 2.0).abs() < 0.01, "{took}");
    }

    #[test]
    fn a_budget_is_used_up_and_fills_again() {
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let bucket = Bucket::new(Rate {
            per_second: 1.0,
            burst: 2,
        });
        assert!(bucket.try_take(clock.now()));
        assert!(bucket.try_take(clock.now()));
        assert!(!bucket.try_take(clock.now()));
        clock.advance(Duration::from_secs(1));
        assert!(bucket.try_take(clock.now()));
        assert!(!bucket.try_take(clock.now()));
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!(pause("a", 0) < Duration::from_millis(126));
        assert!(pause("a", 9) <= Duration::from_secs(4));
        assert_eq!(pause("a", 3), pause("a", 3));
    }
}
