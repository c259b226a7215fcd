//! A counter of failures that forgets over time and asks for growing delays, and a sketch of many such counters.

use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::paged::Paged;
use crate::clock::Timestamp;

/// What a counter permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many failures pass without a delay; 0 turns the limit off.
    pub free: u32,
    /// The delay after the last free failure; it doubles with each further one.
    pub first_delay: Duration,
    /// The longest delay.
    pub longest_delay: Duration,
    /// The time in which half of the counted failures are forgotten.
    pub half_life: Duration,
}

impl Limit {
    /// Nothing is limited.
    pub const OFF: Self = Self { free: 0, ..Self::UP_TO_A_MINUTE };

    /// Delays of one second, two, four, up to a minute; half of the failures are forgotten in ten minutes.
    pub(super) const UP_TO_A_MINUTE: Self = Self {
        free: 10,
        first_delay: Duration::from_secs(1),
        longest_delay: Duration::from_mins(1),
        half_life: Duration::from_mins(10),
    };

    /// The delay after so many failures.
    fn delay(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.free) {
            None => Duration::ZERO,
            Some(beyond) => {
                let times = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
                self.first_delay.saturating_mul(times).min(self.longest_delay)
            }
        }
    }

    pub(super) const fn is_off(&self) -> bool {
        self.free == 0
    }
}

/// The failures counted, when that was last updated, and until when the next attempt must wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    /// The failures at `seen`, in units of 1/256 failure.
    level: u32,
    /// How much of that the next wider counter has counted as well, in units of 1/256 failure.
    passed_on: u32,
    seen: Timestamp,
    open: Timestamp,
}

/// One failure in the units of a level.
pub(super) const ONE: u32 = 256;

impl Counter {
    /// How long the next attempt must wait.
    pub(super) fn wait(&self, limit: &Limit, now: Timestamp) -> Duration {
        let wait = self.open.since(now);
        // A wait that is longer than the longest delay means that the clock was set back: then nobody waits.
        if limit.is_off() || wait > limit.longest_delay { Duration::ZERO } else { wait }
    }

    /// The failures that are not forgotten yet, rounded to the nearest number.
    pub(super) fn failures(&self, limit: &Limit, now: Timestamp) -> u32 {
        failures(self.level(limit, now))
    }

    /// Adds a failure, after which there are `failures`. If that closes the counter, returns until when it is closed.
    pub(super) fn count(&mut self, limit: &Limit, failures: u32, now: Timestamp) -> Option<Timestamp> {
        self.add(limit, (ONE, failures), now)
    }

    /// As [`Counter::count`], but adds a part of a failure.
    fn add(&mut self, limit: &Limit, (part, failures): (u32, u32), now: Timestamp) -> Option<Timestamp> {
        if limit.is_off() {
            return None;
        }
        // Once the delay is the longest, more failures would only be remembered longer.
        let most = limit.free.saturating_mul(2).saturating_add(32).saturating_mul(ONE);
        self.level = self.level(limit, now).saturating_add(part).min(most);
        self.passed_on = self.passed_on(limit, now);
        self.seen = now;
        let delay = limit.delay(failures);
        let until = (!delay.is_zero()).then(|| now.after(delay));
        self.open = self.open.max(until.unwrap_or_default());
        until
    }

    /// Undoes [`Counter::count`], which returned `until`.
    pub(super) fn give_back(&mut self, limit: &Limit, until: Option<Timestamp>) {
        self.take_off(limit, (ONE, 0), until);
    }

    /// Undoes [`Counter::add`] of `part`, and of what was passed on of it.
    fn take_off(&mut self, limit: &Limit, (part, passed_on): (u32, u32), until: Option<Timestamp>) {
        self.level = self.level.saturating_sub(part);
        self.passed_on = self.passed_on.saturating_sub(passed_on);
        if until == Some(self.open) || self.level < limit.free.saturating_mul(ONE) {
            self.open = Timestamp::default();
        }
    }

    fn level(&self, limit: &Limit, now: Timestamp) -> u32 {
        self.remembered(self.level, limit, now)
    }

    fn passed_on(&self, limit: &Limit, now: Timestamp) -> u32 {
        self.remembered(self.passed_on, limit, now)
    }

    /// What is left of a level that was last updated at `seen`.
    fn remembered(&self, level: u32, limit: &Limit, now: Timestamp) -> u32 {
        let elapsed = now.since(self.seen).as_millis();
        let half_life = limit.half_life.as_millis().max(1);
        let halvings = elapsed.checked_div(half_life).and_then(|times| u32::try_from(times).ok());
        let halved = halvings.and_then(|times| level.checked_shr(times)).unwrap_or(0);
        // Between two halvings, linear decay is close enough.
        let rest = elapsed.checked_rem(half_life).unwrap_or(0);
        let lost =
            u128::from(halved).saturating_mul(rest).checked_div(half_life.saturating_mul(2)).unwrap_or(0);
        halved.saturating_sub(u32::try_from(lost).unwrap_or(u32::MAX))
    }
}

/// A level as a number of failures, to the nearest.
const fn failures(level: u32) -> u32 {
    level.saturating_add(ONE / 2) / ONE
}

/// A keyed hash of an account or a network: four independent numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Key([u64; ROWS]);

const ROWS: usize = 4;

impl<C> Encode<C> for Key {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(&self.bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Key {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = ByteArray::<32>::decode(decoder, context)?;
        Ok(Self::from(<[u8; 32]>::from(bytes)))
    }
}

impl From<[u8; 32]> for Key {
    fn from(hash: [u8; 32]) -> Self {
        let (lanes, _) = hash.as_chunks::<8>();
        let mut key = [0; ROWS];
        key.iter_mut().zip(lanes).for_each(|(number, lane)| *number = u64::from_le_bytes(*lane));
        Self(key)
    }
}

impl Key {
    pub(super) fn bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(self.0.map(u64::to_le_bytes).as_flattened()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// 128 bits of the key, enough to tell accounts apart.
    pub(super) fn wide(self) -> u128 {
        let [_, high, low, _] = self.0;
        u128::from(high).checked_shl(64).unwrap_or(0) | u128::from(low)
    }

    /// 64 bits of the key, enough to tell a few networks or accounts apart.
    pub(super) fn narrow(self) -> u64 {
        let [_, number, ..] = self.0;
        number
    }

    /// The index of this key in a table of `places`.
    pub(super) fn place(self, places: usize) -> usize {
        let [number, ..] = self.0;
        place(number, places)
    }
}

fn place(number: u64, places: usize) -> usize {
    let places = u64::try_from(places).unwrap_or(u64::MAX);
    usize::try_from(number.checked_rem(places).unwrap_or(0)).unwrap_or(0)
}

/// Counters for any number of keys in a fixed space: a count-min sketch. Its count of a key is never lower than what
/// was counted for that key.
pub(super) struct Sketch {
    rows: [Paged<Counter>; ROWS],
}

impl Sketch {
    pub(super) fn new(cells: usize) -> Self {
        Self { rows: std::array::from_fn(|_| Paged::new(cells)) }
    }

    /// How long the next attempt of `key` must wait.
    pub(super) fn wait(&self, key: Key, limit: &Limit, now: Timestamp) -> Duration {
        self.cells(key).map(|cell| cell.wait(limit, now)).min().unwrap_or_default()
    }

    /// As [`Sketch::wait`], but once there are delays, each `who` has a turn of its own. The turns are spread at random
    /// over a period that follows the delay and is as long as the delay; each counted attempt draws them anew.
    pub(super) fn wait_for_turn(&self, key: Key, who: Key, limit: &Limit, now: Timestamp) -> Duration {
        let spread =
            if limit.is_off() { Duration::ZERO } else { limit.delay(self.failures(key, limit, now)) };
        let turn = |cell: &Counter| {
            let turn = cell.open.after(spread.mul_f64(lot(who, cell.open)));
            let wait = turn.since(now);
            if wait > limit.longest_delay.saturating_mul(2) { Duration::ZERO } else { wait }
        };
        if spread.is_zero() {
            return self.wait(key, limit, now);
        }
        self.cells(key).map(turn).min().unwrap_or_default()
    }

    /// Adds a part of a failure. If that closes the key's counter, returns until when it is closed.
    pub(super) fn count(&mut self, key: Key, limit: &Limit, part: u32, now: Timestamp) -> Option<Timestamp> {
        let before = self.cells(key).map(|cell| cell.level(limit, now)).min().unwrap_or(0);
        let after = failures(before.saturating_add(part));
        self.cells_mut(key).filter_map(|cell| cell.add(limit, (part, after), now)).max()
    }

    /// How much of `part`, which was just counted here, the next wider counter must count too, so that it counts less
    /// than `most` of this key.
    pub(super) fn pass_on(
        &mut self,
        key: Key,
        limit: &Limit,
        (part, most): (u32, u32),
        now: Timestamp,
    ) -> u32 {
        let before = self.cells(key).map(|cell| cell.passed_on(limit, now)).min().unwrap_or(0);
        let passed_on = part.min(most.saturating_sub(before));
        self.cells_mut(key).for_each(|cell| cell.passed_on = cell.passed_on.saturating_add(passed_on));
        passed_on
    }

    /// Undoes a [`Sketch::count`] that returned `until`, and the [`Sketch::pass_on`] after it.
    pub(super) fn give_back(&mut self, key: Key, limit: &Limit, parts: (u32, u32), until: Option<Timestamp>) {
        self.cells_mut(key).for_each(|cell| cell.take_off(limit, parts, until));
    }

    fn failures(&self, key: Key, limit: &Limit, now: Timestamp) -> u32 {
        self.cells(key).map(|cell| cell.failures(limit, now)).min().unwrap_or(0)
    }

    fn cells(&self, key: Key) -> impl Iterator<Item = &Counter> {
        self.rows.iter().zip(key.0).filter_map(|(row, number)| row.get(place(number, row.len())))
    }

    fn cells_mut(&mut self, key: Key) -> impl Iterator<Item = &mut Counter> {
        self.rows.iter_mut().zip(key.0).filter_map(|(row, number)| {
            let at = place(number, row.len());
            row.get_mut(at)
        })
    }
}

/// A number from 0 to 1 that nobody outside can predict, because the numbers of a key are secret (`SplitMix64`).
fn lot(who: Key, draw: Timestamp) -> f64 {
    let [.., secret] = who.0;
    let mut mixed = secret ^ draw.millis();
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ mixed.checked_shr(30).unwrap_or(0)).wrapping_mul(factor);
    }
    let top = u32::try_from(mixed.checked_shr(32).unwrap_or(0)).unwrap_or(0);
    f64::from(top) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { free: 3, ..Limit::UP_TO_A_MINUTE };

    #[test]
    fn delays_double_up_to_the_longest() {
        let delays: Vec<_> = (0..=12).map(|failures| LIMIT.delay(failures).as_secs()).collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(LIMIT.delay(u32::MAX), LIMIT.longest_delay);
    }

    #[test]
    fn half_is_forgotten_in_each_half_life() {
        let start = Timestamp::from_seconds(1_000_000);
        let mut counter = Counter::default();
        for failures in 1..=8 {
            counter.count(&LIMIT, failures, start);
        }
        let remembered = |seconds| counter.failures(&LIMIT, start.after(Duration::from_secs(seconds)));
        assert_eq!([0, 300, 600, 900, 1200, 1800, 2400, 1_000_000].map(remembered), [8, 6, 4, 3, 2, 1, 1, 0]);
    }

    #[test]
    fn a_counter_is_remembered_for_hours_and_not_for_ever_whatever_was_counted() {
        let start = Timestamp::from_seconds(1_000_000);
        let mut counter = Counter::default();
        for failures in 1..=100_000 {
            counter.count(&LIMIT, failures, start);
        }
        assert!(counter.failures(&LIMIT, start.after(Duration::from_hours(2))) < LIMIT.free);
    }

    #[test]
    fn a_sketch_never_says_less_than_was_counted_even_when_it_is_far_too_small() {
        let now = Timestamp::from_seconds(1_000_000);
        let mut sketch = Sketch::new(4);
        let key = |n: u64| Key([n, n / 3, n / 5, n / 7]);
        for n in 0..50 {
            for _ in 0..=n % 5 {
                sketch.count(key(n), &LIMIT, ONE, now);
            }
        }
        for n in 0..50 {
            assert!(u64::from(sketch.failures(key(n), &LIMIT, now)) > n % 5);
        }
    }

    #[test]
    fn what_is_passed_on_never_reaches_the_most_and_is_made_up_as_it_is_forgotten() {
        let most = 2 * ONE;
        let start = Timestamp::from_seconds(1_000_000);
        let mut sketch = Sketch::new(64);
        let key = Key([1, 2, 3, 4]);
        let mut above = Counter::default();
        // Two hours of failures, one a minute.
        for minute in 0..120 {
            let now = start.after(Duration::from_mins(minute));
            sketch.count(key, &LIMIT, ONE, now);
            let part = sketch.pass_on(key, &LIMIT, (ONE, most), now);
            above.add(&LIMIT, (part, 0), now);
            let level = above.level(&LIMIT, now);
            assert!(
                level <= most && (minute < 2 || level > most - ONE / 2),
                "{level} after {minute} minutes"
            );
        }
        assert!(sketch.failures(key, &LIMIT, start.after(Duration::from_hours(2))) > 10);
        assert_eq!(std::mem::size_of::<Counter>(), 24, "as the sizes in the documentation say");
    }

    #[test]
    fn lots_are_spread_evenly_and_drawn_anew() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let mut tenths = [0_u32; 10];
        for n in 0..10_000_u64 {
            let lot = lot(Key([0, 0, 0, n]), at);
            tenths
                .iter_mut()
                .zip(1..)
                .filter(|(_, tenth)| lot <= f64::from(*tenth) / 10.0)
                .for_each(|(n, _)| *n += 1);
        }
        assert!(tenths.iter().zip(1..).all(|(n, tenth)| n.abs_diff(tenth * 1000) < 200), "{tenths:?}");
        let (one, later) = (Key([0, 0, 0, 1]), at.after(Duration::from_mins(1)));
        assert!((lot(one, at) - lot(one, later)).abs() > 1e-6);
    }
}
