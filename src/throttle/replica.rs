//! The counters of one node of several. All nodes apply the same operations in the same order, so all count the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Throttle;
use super::log_clock::{LogClock, LogTime};
use super::operation::{Counters, Entry, Operation, Position};
use super::outcome::{Permitted, Throttled};
use super::party::Party;
use super::rate_limits::RateLimits;
use super::state::Counted;
use super::takes::Takes;
use crate::clock::Timestamp;

/// For how long an attempt can be taken back: longer than a password waits for its hash.
const OPEN_FOR: Duration = Duration::from_mins(1);
/// How many attempts can be taken back: those that are on their way to a hash on all nodes, and those that failed lately.
const OPEN: usize = 16_384;

/// Applies operations to this node's counters, in the order of the log. What it decides follows from the log alone, but for
/// [`Permitted`] and [`Throttled`] of its own attempts, which it returns.
pub struct Replica {
    node: [u8; 8],
    key: [u8; 8],
    sign_ins: Arc<Throttle>,
    sign_ups: Arc<Throttle>,
    rate_limits: RateLimits,
    takes: Arc<Takes>,
    clock: LogClock,
    era: [u8; 16],
    /// What the last attempts have counted.
    open: BTreeMap<Position, Open>,
}

struct Open {
    at: Timestamp,
    counters: Counters,
    party: Party,
    counted: Counted,
}

/// An entry that was applied.
#[derive(Debug, Default)]
pub struct Applied {
    /// Whether this node has said it.
    pub is_own: bool,
    /// What became of its operations, in their order.
    pub outcomes: Vec<Settled>,
}

/// Where an operation is in the log; and of an attempt, whether it is permitted.
pub type Settled = (Position, Option<Result<Permitted, Throttled>>);

impl Replica {
    /// The counters of this node, which is known by a random number, and its buckets with what is taken out of them. All of
    /// them have the key that all nodes share.
    #[must_use]
    pub fn new(
        node: [u8; 8],
        (sign_ins, sign_ups): (Arc<Throttle>, Arc<Throttle>),
        (rate_limits, takes): (RateLimits, Arc<Takes>),
    ) -> Self {
        let key = sign_ins.key_tag();
        Self {
            node,
            key,
            sign_ins,
            sign_ups,
            rate_limits,
            takes,
            clock: LogClock::default(),
            era: [0; 16],
            open: BTreeMap::new(),
        }
    }

    /// The entry that tells all nodes of these operations.
    #[must_use]
    pub fn entry(&self, operations: &[Operation], now: Timestamp) -> Vec<u8> {
        Entry::new(self.key, self.node, now, operations).encode()
    }

    /// Applies the entry with this number: each once, in the order of the numbers. An entry under another key, or in a
    /// format that this version does not know, changes nothing. `now` is this node's time, from which the waits are
    /// returned.
    pub fn apply(&mut self, number: u64, entry: &[u8], now: Timestamp) -> Applied {
        let Ok(entry) = Entry::decode(entry) else { return Applied::default() };
        let is_own = *entry.node == self.node;
        if *entry.key != self.key {
            return Applied { is_own, outcomes: Vec::new() };
        }
        self.clock.move_on(*entry.node, entry.at);
        self.takes.move_on(self.time());
        let behind = self.time().stands_still(now);
        let numbered = (0..).zip(entry.operations());
        let outcomes = numbered.map(|(index, operation)| {
            let position = Position { entry: number, index, era: self.era.into() };
            let outcome = operation.and_then(|operation| self.operate(position, operation, is_own));
            (position, outcome.map(|decided| decided.map_err(|throttled| throttled.later(behind))))
        });
        Applied { is_own, outcomes: outcomes.collect() }
    }

    /// The time of the log for this node, as far as it was applied.
    #[must_use]
    pub fn time(&self) -> LogTime {
        self.clock.time_of(self.node)
    }

    /// The log has begun anew, in another era. What was counted stays counted.
    pub fn begin_anew(&mut self, era: [u8; 16]) {
        self.era = era;
        self.open.clear();
    }

    fn operate(
        &mut self,
        at: Position,
        operation: Operation,
        is_own: bool,
    ) -> Option<Result<Permitted, Throttled>> {
        let now = self.clock.now();
        match operation {
            Operation::Attempted { counters, party } => {
                let counted = self.counters(counters).count_party(&party, now);
                Some(counted.map(|counted| {
                    let permitted = counted.permitted();
                    self.open.insert(at, Open { at: now, counters, party, counted });
                    while let Some(oldest) = self.open.first_entry()
                        && (now.since(oldest.get().at) > OPEN_FOR || self.open.len() > OPEN)
                    {
                        self.open.pop_first();
                    }
                    permitted
                }))
            }
            Operation::Succeeded { counters, party, attempt } => {
                if let Some(attempt) = attempt {
                    self.take_back(attempt);
                }
                self.counters(counters).know_party(&party, now);
                None
            }
            Operation::Abandoned { attempt } => {
                self.take_back(attempt);
                None
            }
            Operation::Known { counters, party } => {
                self.counters(counters).remember_party(&party, now);
                None
            }
            // Out of this node's own buckets it was taken at once.
            Operation::Took { action, key, number, .. } if is_own => {
                self.takes.told(action, *key, number, now);
                None
            }
            Operation::Took { action, key, number, age } => {
                let at = now.before(Duration::from_millis(age.into()));
                self.rate_limits.of(action).heard(*key, number, (at, now));
                None
            }
        }
    }

    fn take_back(&mut self, attempt: Position) {
        if let Some(Open { counters, party, counted, .. }) = self.open.remove(&attempt) {
            self.counters(counters).give_back(&party, &counted);
        }
    }

    fn counters(&self, counters: Counters) -> &Throttle {
        match counters {
            Counters::SignIns => &self.sign_ins,
            Counters::SignUps => &self.sign_ups,
        }
    }
}
