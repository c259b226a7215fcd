//! Token buckets, one a session, a user or a client, in memory of a fixed size.
//!
//! A bucket is stored as one moment: when it will be full again (the "theoretical arrival time" of the generic cell
//! rate algorithm, ITU-T I.371). A full bucket needs no memory, so a client that refreshes normally is forgotten after
//! a moment, and a few thousand places are enough for all that are too fast. When there are more of those than places,
//! the buckets nearest to full are dropped first: then somebody passes a limit, and nobody is refused wrongly.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// A rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many requests are permitted at once; 0: no limit.
    pub burst: u32,
    /// One more request is permitted each time this duration has passed.
    pub every: Duration,
}

impl Rate {
    /// How long it takes to fill an empty bucket.
    const fn whole(&self) -> Duration {
        self.every.saturating_mul(self.burst)
    }
}

/// The buckets of all keys: 16 bytes, of which the last 8 are random or of a digest, so that nobody chooses
/// whose place they share.
pub struct Buckets {
    rate: Rate,
    sets: Mutex<Box<[Set]>>,
}

/// Four places that share one hash value; 8,192 such sets take 768 KiB.
type Set = [Place; 4];
const SETS: usize = 8192;

#[derive(Clone, Copy, Default)]
struct Place {
    key: [u8; 16],
    full_at: Timestamp,
}

impl Buckets {
    /// Starts with every bucket full.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let sets = if rate.burst == 0 { 0 } else { SETS };
        Self { rate, sets: Mutex::new(vec![Set::default(); sets].into_boxed_slice()) }
    }

    /// How long `key` must wait for its next request; zero if it need not.
    #[must_use]
    pub fn wait(&self, key: &[u8; 16], now: Timestamp) -> Duration {
        if self.rate.burst == 0 {
            return Duration::ZERO;
        }
        self.wait_in(&mut self.sets(), key, now)
    }

    /// Takes one token out of the bucket of `key`.
    pub fn take(&self, key: &[u8; 16], now: Timestamp) {
        self.take_in(&mut self.sets(), key, now);
    }

    /// Takes one token out of the bucket of `key` if there is one. Of many concurrent calls, no more succeed than there
    /// are tokens.
    ///
    /// # Errors
    /// How long to wait for the next token.
    pub fn try_take(&self, key: &[u8; 16], now: Timestamp) -> Result<(), Duration> {
        if self.rate.burst == 0 {
            return Ok(());
        }
        let mut sets = self.sets();
        let wait = self.wait_in(&mut sets, key, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.take_in(&mut sets, key, now);
        Ok(())
    }

    fn wait_in(&self, sets: &mut [Set], key: &[u8; 16], now: Timestamp) -> Duration {
        let found = set(sets, key).and_then(|set| set.iter().find(|place| place.key == *key));
        let missing = found.map_or(Duration::ZERO, |place| self.missing(place.full_at, now));
        missing.saturating_add(self.rate.every).saturating_sub(self.rate.whole())
    }

    fn take_in(&self, sets: &mut [Set], key: &[u8; 16], now: Timestamp) {
        let Some(set) = set(sets, key) else { return };
        let known = set.iter().position(|place| place.key == *key);
        let fullest = || {
            let places = set.iter().enumerate();
            places.min_by_key(|(_, place)| self.missing(place.full_at, now)).map(|(index, _)| index)
        };
        if let Some(place) = known.or_else(fullest).and_then(|index| set.get_mut(index)) {
            let full_at = if place.key == *key { place.full_at } else { now };
            // Never emptier than empty: those who took at once, each after a look of its own, would seem to be before a
            // step of the clock.
            let missing = self.missing(full_at, now).saturating_add(self.rate.every).min(self.rate.whole());
            *place = Place { key: *key, full_at: now.after(missing) };
        }
    }

    /// How long until a bucket is full. If that is longer than filling an empty one takes, the clock was set back: the
    /// bucket then counts as full.
    fn missing(&self, full_at: Timestamp, now: Timestamp) -> Duration {
        Some(full_at.since(now)).filter(|missing| *missing <= self.rate.whole()).unwrap_or_default()
    }

    /// A poisoned lock is used anyway: each step leaves the buckets consistent, so a panic elsewhere does no harm.
    fn sets(&self) -> MutexGuard<'_, Box<[Set]>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set<'a>(sets: &'a mut [Set], key: &[u8; 16]) -> Option<&'a mut Set> {
    let random = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default();
    let index = random.checked_rem(u64::try_from(sets.len()).ok()?)?;
    sets.get_mut(usize::try_from(index).ok()?)
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(2) };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000 + seconds)
    }

    fn go(buckets: &Buckets, key: [u8; 16], now: Timestamp) -> Result<(), u64> {
        let wait = buckets.wait(&key, now);
        if wait.is_zero() {
            buckets.take(&key, now);
            return Ok(());
        }
        Err(wait.as_secs())
    }

    #[test]
    fn a_burst_is_free_and_then_one_in_each_interval() {
        let buckets = Buckets::new(RATE);
        let key = [7; 16];
        for _ in 0..3 {
            assert_eq!(go(&buckets, key, at(0)), Ok(()));
        }
        assert_eq!(go(&buckets, key, at(0)), Err(2));
        assert_eq!(go(&buckets, key, at(1)), Err(1), "to be refused costs nothing");
        assert_eq!(go(&buckets, [8; 16], at(1)), Ok(()), "each has its own");
        assert_eq!(go(&buckets, key, at(2)), Ok(()));
        assert_eq!(go(&buckets, key, at(2)), Err(2));
        for _ in 0..3 {
            assert_eq!(go(&buckets, key, at(100)), Ok(()), "full again, and not fuller");
        }
        assert_eq!(go(&buckets, key, at(100)), Err(2));
    }

    #[test]
    fn of_many_who_try_at_once_no_more_than_the_burst_get_one() {
        let buckets = Buckets::new(RATE);
        let got: usize = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..8).map(|_| scope.spawn(|| buckets.try_take(&[7; 16], at(0)).is_ok())).collect();
            tries.into_iter().map(|one| usize::from(one.join().unwrap())).sum()
        });
        assert_eq!(got, 3);
        assert_eq!(buckets.try_take(&[7; 16], at(1)), Err(Duration::from_secs(1)));
        assert_eq!(buckets.try_take(&[7; 16], at(2)), Ok(()));
        assert_eq!(Buckets::new(Rate { burst: 0, ..RATE }).try_take(&[7; 16], at(0)), Ok(()));
    }

    #[test]
    fn who_takes_more_than_there_is_at_once_waits_all_the_same() {
        let buckets = Buckets::new(RATE);
        for _ in 0..4 {
            buckets.take(&[7; 16], at(0));
        }
        assert_eq!(go(&buckets, [7; 16], at(0)), Err(2));
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_nobody_out() {
        let buckets = Buckets::new(RATE);
        for _ in 0..3 {
            assert_eq!(go(&buckets, [7; 16], at(5_000)), Ok(()));
        }
        assert_eq!(go(&buckets, [7; 16], at(0)), Ok(()));
    }

    #[test]
    fn without_a_burst_there_is_no_limit() {
        let buckets = Buckets::new(Rate { burst: 0, ..RATE });
        for _ in 0..1_000 {
            assert_eq!(go(&buckets, [7; 16], at(0)), Ok(()));
        }
    }

    #[test]
    fn those_in_the_greatest_hurry_are_remembered_however_many_there_are() {
        let buckets = Buckets::new(RATE);
        for _ in 0..3 {
            assert_eq!(go(&buckets, [7; 16], at(0)), Ok(()));
        }
        // Keys that all meet in one set.
        for other in 0..1_000_u64 {
            let mut key = [7; 16];
            key[..8].copy_from_slice(&other.to_be_bytes());
            assert_eq!(go(&buckets, key, at(0)), Ok(()));
        }
        assert_eq!(go(&buckets, [7; 16], at(0)), Err(2));
    }
}
