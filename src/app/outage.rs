//! Limits the log lines about requests that fail because the store fails: a thousand and more may fail in the moment
//! before the process ends. One line a second is written; the other failures are counted, and their number is logged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::TokenError;
use crate::store::StoreError;

/// How often such a line is written at most.
const EVERY: Duration = Duration::from_secs(1);

/// One for the process, because failing requests share nothing else.
static OUTAGE: Mutex<Outage> = Mutex::new(Outage { logged_at: None, unlogged: 0 });

#[derive(Debug)]
struct Outage {
    /// When a line was last written.
    logged_at: Option<Instant>,
    /// How many failures since then were only counted.
    unlogged: u64,
}

impl Outage {
    /// Whether to log this failure; if not, it is counted.
    fn should_log(&mut self, now: Instant) -> bool {
        let logged = self.logged_at.is_none_or(|last| now.saturating_duration_since(last) >= EVERY);
        if logged {
            self.logged_at = Some(now);
        } else {
            self.unlogged = self.unlogged.saturating_add(1);
        }
        logged
    }
}

impl TokenError {
    /// Whether to log this error: not if the store or a secret failed and that was logged within the last second.
    #[must_use]
    pub fn should_log(&self) -> bool {
        let (Self::SecretUnusable | Self::Store(StoreError::Unavailable(_) | StoreError::NoRoom(_))) = self
        else {
            return true;
        };
        OUTAGE.lock().unwrap_or_else(PoisonError::into_inner).should_log(now())
    }
}

/// Takes the number of failures that were only counted since the last call.
#[must_use]
pub fn take_unlogged() -> u64 {
    std::mem::take(&mut OUTAGE.lock().unwrap_or_else(PoisonError::into_inner).unlogged)
}

#[expect(clippy::disallowed_methods, reason = "paces the log; decides nothing that is stored")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_thousands_one_a_second_is_logged_and_the_others_are_counted() {
        let mut outage = Outage { logged_at: None, unlogged: 0 };
        let began = now();
        let logged = (0..3000).filter(|n| outage.should_log(began + Duration::from_millis(*n))).count();
        assert_eq!((logged, outage.unlogged), (3, 2997));
    }

    #[test]
    fn what_is_no_failure_of_the_store_is_always_logged() {
        assert!((0..9).all(|_| TokenError::Credentials.should_log()));
        assert!((0..9).all(|_| TokenError::Internal(String::new()).should_log()));
    }
}
