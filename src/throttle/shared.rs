//! An attempt on a node that shares its counters with others: here it is looked at, and what it counts is told to all nodes
//! as an [`Operation`].

use super::counter::Key;
use super::log_clock::LogTime;
use super::operation::{Counters, Operation, Position};
use super::outcome::{Permitted, Throttled};
use super::party::Party;
use super::{Attempt, Throttle};
use crate::clock::Timestamp;

/// An attempt before it is counted.
#[derive(Debug)]
pub struct SharedAttempt<'a> {
    throttle: &'a Throttle,
    counters: Counters,
    party: Party,
    repeat: Key,
}

/// An attempt that may be hashed; as [`Reservation`](super::Reservation), but its outcome is told to all nodes.
#[derive(Debug)]
#[must_use = "say how the attempt ended"]
pub struct SharedReservation<'a> {
    attempt: SharedAttempt<'a>,
    position: Option<Position>,
}

impl Throttle {
    /// Looks at an attempt. Counts nothing.
    #[must_use]
    pub fn shared(&self, attempt: Attempt<'_>, counters: Counters) -> SharedAttempt<'_> {
        let party = self.party(attempt.account, attempt.peer);
        let repeat = self.repeat(&party, attempt.password);
        SharedAttempt { throttle: self, counters, party, repeat }
    }

    /// Makes the network known to another name of an account, as [`Throttle::remember`].
    #[must_use]
    pub fn shared_remember(&self, account: &[u8], peer: std::net::IpAddr, counters: Counters) -> Operation {
        Operation::Known { counters, party: self.party(account, peer) }
    }
}

impl<'a> SharedAttempt<'a> {
    /// Whether the same wrong password was just counted on this node; says so once.
    #[must_use]
    pub fn is_repeat(&self, now: Timestamp) -> bool {
        self.throttle.state().repeats.take(self.repeat, now)
    }

    /// Permits a repeat, which counts nothing.
    pub fn repeated(self) -> SharedReservation<'a> {
        self.throttle.state().stats.note(&Ok(Permitted::Repeat));
        SharedReservation { attempt: self, position: None }
    }

    /// Whether it would be permitted, by what this node has heard so far.
    ///
    /// # Errors
    /// [`Throttled`] if not.
    pub fn look(&self, log: LogTime, now: Timestamp) -> Result<(), Throttled> {
        let (met, at) = (self.throttle.met(&self.party), log.at(now));
        let looked = self.throttle.state().look(&self.throttle.settings, &self.party, &met, at);
        looked.map_err(|throttled| throttled.later(log.stands_still(now)))
    }

    /// Counts it, once it is in the log and was applied.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        Operation::Attempted { counters: self.counters, party: self.party }
    }

    /// Takes in whether it is permitted.
    ///
    /// # Errors
    /// [`Throttled`] if not.
    pub fn decided(
        self,
        position: Position,
        outcome: Result<Permitted, Throttled>,
    ) -> Result<SharedReservation<'a>, Throttled> {
        self.throttle.state().stats.note(&outcome);
        outcome?;
        Ok(SharedReservation { attempt: self, position: Some(position) })
    }

    /// It was refused by what this node has heard.
    #[must_use]
    pub fn refused(self, throttled: Throttled) -> Throttled {
        self.throttle.state().stats.note(&Err(throttled));
        throttled
    }
}

impl SharedReservation<'_> {
    /// The password was right: as [`Reservation::succeeded`](super::Reservation::succeeded).
    #[must_use]
    pub fn succeeded(self) -> Operation {
        let SharedAttempt { throttle, counters, party, .. } = self.attempt;
        let mut state = throttle.state();
        state.stats.succeeded = state.stats.succeeded.saturating_add(1);
        Operation::Succeeded { counters, party, attempt: self.position }
    }

    /// The password was wrong: as [`Reservation::failed`](super::Reservation::failed). The failure is counted already. That
    /// the same password again counts nothing, this node alone remembers.
    pub fn failed(self, now: Timestamp) {
        let mut state = self.attempt.throttle.state();
        state.repeats.remember(self.attempt.repeat, now);
        state.stats.failed = state.stats.failed.saturating_add(1);
    }

    /// Nothing was hashed: as [`Reservation::abandoned`](super::Reservation::abandoned). `None` if nothing was counted.
    #[must_use]
    pub fn abandoned(self) -> Option<Operation> {
        let mut state = self.attempt.throttle.state();
        state.stats.abandoned = state.stats.abandoned.saturating_add(1);
        self.position.map(|attempt| Operation::Abandoned { attempt })
    }
}
