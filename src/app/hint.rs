//! A hint for the operator that many requests could give: it is logged once in a while.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

/// How often the hint is logged at most.
const EVERY: Duration = Duration::from_mins(1);

/// When a hint for the operator was last logged; it is logged once a minute at most.
#[derive(Debug, Default)]
pub(super) struct Hint(AtomicU64);

impl Hint {
    /// Whether the hint should be logged again, also if the clock was set back. It then counts as logged.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let logged = self.0.load(Ordering::Relaxed);
        let then = Timestamp::from_millis(logged);
        let is_due = logged == 0 || now < then || now.since(then) >= EVERY;
        is_due && self.0.compare_exchange(logged, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_is_logged_once_a_minute_and_after_a_clock_is_set_back() {
        let hint = Hint::default();
        let start = Timestamp::from_seconds(1_000_000);
        assert!(hint.is_due(start));
        assert!(!hint.is_due(start.after(Duration::from_secs(59))));
        assert!(hint.is_due(start.after(EVERY)));
        assert!(hint.is_due(start.before(Duration::from_hours(24))));
        assert!(!hint.is_due(start.before(Duration::from_hours(24))));
    }
}
