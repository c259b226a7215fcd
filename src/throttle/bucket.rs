//! Token buckets, one a session, a user or a client, in memory of a fixed size.
//!
//! A bucket is stored as one moment: when it will be full again (the "theoretical arrival time" of the generic cell
//! rate algorithm, ITU-T I.371). A full bucket needs no memory, so a client that refreshes normally is forgotten after
//! a moment, and a few thousand places are enough for all that are too fast. When there are more of those than places,
//! the buckets nearest to full are dropped first: then somebody passes a limit, and nobody is refused wrongly.
//!
//! # Several nodes
//! A node decides by its own buckets, at once. What it has taken out, it [tells](super::takes) the others a moment later,
//! and they take it out of theirs. A bucket that others have emptied meanwhile can so become emptier than empty. That makes
//! up for what was taken too much: in the long run, all nodes together permit exactly one rate.
//!
//! A take is *quiet*, and is not told, if the bucket was full for [`QUIET`] times [`Rate::every`] before: nobody took
//! anything out of it on this node, nor loudly on another. So sessions that are refreshed now and then cost nothing. With N
//! nodes, quiet takes let at most N - 1 pass that one node would refuse, not more as time goes by: for the next quiet take a
//! node has to wait until its bucket, which has everything that was told, is full, and then for as long as N - 1 others need
//! to fill up again. So, of one bucket, in any time t, N nodes permit at most
//!
//! ```text
//! burst + N + (t + d) / every + what other nodes took in the last d
//! ```
//!
//! where `d` is how long it takes until all have heard. That holds for up to [`QUIET`] nodes; 64 of them permit about two
//! rates.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::log_clock::CLOCKS_DIFFER;
use super::operation::LimitedAction;
use super::takes::Takes;
use crate::clock::Timestamp;

/// For how many nodes the limits hold: how many times [`Rate::every`] a bucket was full before a take is quiet, and how many
/// bursts it can be empty.
pub const QUIET: u32 = 32;

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
    /// If they are counted together with those of other nodes.
    shared: Option<(LimitedAction, Arc<Takes>)>,
    places: Mutex<Places>,
}

struct Places {
    sets: Box<[Set]>,
    /// The latest time at which a token was asked for.
    latest: Timestamp,
}

/// Four places that share one hash value; 8,192 such sets take 768 KiB.
type Set = [Place; 4];
const SETS: usize = 8192;

#[derive(Clone, Copy, Default)]
struct Place {
    key: [u8; 16],
    full_at: Timestamp,
}

/// Who asks for a token, and when, as the buckets count.
#[derive(Clone, Copy)]
struct Taker {
    key: [u8; 16],
    now: Timestamp,
}

impl Buckets {
    /// Starts with every bucket full.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let sets = if rate.burst == 0 { 0 } else { SETS };
        let sets = vec![Set::default(); sets].into_boxed_slice();
        Self { rate, shared: None, places: Mutex::new(Places { sets, latest: Timestamp::default() }) }
    }

    /// The same, counted together with the buckets of other nodes, which hear of these takes.
    #[must_use]
    pub fn shared(rate: Rate, action: LimitedAction, takes: Arc<Takes>) -> Self {
        Self { shared: Some((action, takes)), ..Self::new(rate) }
    }

    /// How long `key` must wait for its next request; zero if it need not.
    #[must_use]
    pub fn wait(&self, key: &[u8; 16], now: Timestamp) -> Duration {
        if self.rate.burst == 0 {
            return Duration::ZERO;
        }
        let taker = self.taker(key, now);
        let wait = self.wait_in(&mut self.places_at(taker.now), taker);
        self.by_the_clock(wait, now)
    }

    /// Takes one token out of the bucket of `key`.
    pub fn take(&self, key: &[u8; 16], now: Timestamp) {
        if self.rate.burst != 0 {
            let taker = self.taker(key, now);
            self.take_in(&mut self.places_at(taker.now), taker);
        }
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
        let taker = self.taker(key, now);
        let mut places = self.places_at(taker.now);
        let wait = self.wait_in(&mut places, taker);
        if !wait.is_zero() {
            return Err(self.by_the_clock(wait, now));
        }
        self.take_in(&mut places, taker);
        Ok(())
    }

    /// Another node has taken so many, the first of them at `at`. It is `now`, by the log's time.
    pub(super) fn heard(&self, key: [u8; 16], number: u32, (at, now): (Timestamp, Timestamp)) {
        if self.rate.burst != 0 {
            self.remove(&mut self.places(), Taker { key, now }, (number, at));
        }
    }

    fn wait_in(&self, places: &mut Places, Taker { key, now }: Taker) -> Duration {
        let found = set(&mut places.sets, &key).and_then(|set| set.iter().find(|place| place.key == key));
        let missing = found.map_or(Duration::ZERO, |place| self.missing(place.full_at, now));
        missing.saturating_add(self.rate.every).saturating_sub(self.rate.whole())
    }

    fn take_in(&self, places: &mut Places, taker: Taker) {
        let before = self.remove(places, taker, (1, taker.now));
        if let Some((action, takes)) = &self.shared
            && before.is_some_and(|full_at| !self.is_quiet(full_at, taker.now))
        {
            takes.add(*action, taker.key, taker.now);
        }
    }

    /// Removes so many tokens, the first of them at `at`. Returns when the bucket would have been full, if that was known.
    fn remove(&self, places: &mut Places, taker: Taker, (number, at): (u32, Timestamp)) -> Option<Timestamp> {
        let Taker { key, now } = taker;
        let set = set(&mut places.sets, &key)?;
        let known = set.iter().position(|place| place.key == key);
        let fullest = || {
            let places = set.iter().enumerate();
            let rank = |place: &Place| (self.missing(place.full_at, now), place.full_at);
            places.min_by_key(|(_, place)| rank(place)).map(|(index, _)| index)
        };
        let place = known.or_else(fullest).and_then(|index| set.get_mut(index))?;
        let before = (place.key == key).then_some(place.full_at);
        let full_at = before.map_or(at, |full_at| full_at.min(now.after(self.missing(full_at, now))).max(at));
        // Never emptier than empty on one node: those who took at once, each after a look of its own, would seem to be
        // before a step of the clock.
        let full_at = full_at.after(self.rate.every.saturating_mul(number)).min(now.after(self.most()));
        *place = Place { key, full_at };
        before
    }

    fn is_quiet(&self, full_at: Timestamp, now: Timestamp) -> bool {
        now.since(full_at) >= self.rate.every.saturating_mul(QUIET)
    }

    /// How long until a bucket is full. If that is longer than filling an empty one takes, the clock was set back: the
    /// bucket then counts as full. One that is shared is never emptier than [`Self::most`].
    fn missing(&self, full_at: Timestamp, now: Timestamp) -> Duration {
        let (missing, most) = (full_at.since(now), self.most());
        if missing > most && self.shared.is_none() { Duration::ZERO } else { missing.min(most) }
    }

    /// How long it takes to fill the emptiest bucket.
    const fn most(&self) -> Duration {
        let whole = self.rate.whole();
        if self.shared.is_some() { whole.saturating_mul(QUIET) } else { whole }
    }

    fn taker(&self, key: &[u8; 16], now: Timestamp) -> Taker {
        match &self.shared {
            None => Taker { key: *key, now },
            Some((_, takes)) => Taker { key: takes.key(key), now: takes.time().at(now) },
        }
    }

    /// How long a wait is by this node's clock, which shows `now`.
    fn by_the_clock(&self, wait: Duration, now: Timestamp) -> Duration {
        match &self.shared {
            Some((_, takes)) if !wait.is_zero() => wait.saturating_add(takes.time().stands_still(now)),
            Some(_) | None => wait,
        }
    }

    /// The places, for somebody who asks now.
    fn places_at(&self, now: Timestamp) -> MutexGuard<'_, Places> {
        let mut places = self.places();
        // A bucket that is shared can be emptier than empty. So it does not show by itself that the clock was set back.
        if self.shared.is_some() && places.latest.since(now) > CLOCKS_DIFFER {
            places.sets.fill(Set::default());
            places.latest = now;
        }
        places.latest = places.latest.max(now);
        places
    }

    /// A poisoned lock is used anyway: each step leaves the buckets consistent, so a panic elsewhere does no harm.
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
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
