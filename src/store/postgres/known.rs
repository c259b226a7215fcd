//! What a process knows of its database, and must find on each connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio_postgres::{Error, Row};

use super::super::cluster::ExpectedClock;
use super::super::{History, Lack, Remembered, StoreError, Term};
use super::failure::store_error;
use super::numbers::{bigint, number};

/// What is known.
#[derive(Default)]
pub(super) struct Known {
    /// The store's id and its terms, since the first connection.
    found: Mutex<Option<Found>>,
    /// The highest position that was read from `head` or acknowledged.
    position: AtomicU64,
    /// How many changes had an unknown outcome.
    outages: AtomicU64,
    /// Whether a newer program has changed the tables, so that this one can't work with them.
    is_newer: AtomicBool,
    /// What this node expects of the database's clock.
    clock: OnceLock<Arc<dyn ExpectedClock>>,
}

/// Why a database is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has the store of another installation.
    AnotherStore,
    /// It lacks something, or this process does; what the operator should do.
    Lacking(String),
}

/// What a new connection learns.
#[derive(Clone, Debug)]
pub(super) struct Found {
    store: [u8; 16],
    history: History,
}

impl Found {
    /// A row of `arrive_1`.
    pub(super) fn of(row: &Row) -> Result<Self, StoreError> {
        let failed = |error: Error| store_error(&error);
        let (store, last) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let marks: Vec<&[u8]> = row.try_get(2).map_err(failed)?;
        let began: Vec<i64> = row.try_get(3).map_err(failed)?;
        let accepted: Vec<bool> = row.try_get(4).map_err(failed)?;
        let mut terms = Vec::with_capacity(marks.len());
        for ((mark, began), is_accepted) in marks.into_iter().zip(began).zip(accepted) {
            terms.push(Term { mark: bytes(mark)?, began: number(began)?, is_accepted });
        }
        Ok(Self { store: bytes(store)?, history: History { terms, position: number(last)? } })
    }
}

fn bytes(read: &[u8]) -> Result<[u8; 16], StoreError> {
    read.try_into().map_err(|_| StoreError::Corrupt("an id that has not 16 bytes".to_owned()))
}

impl Known {
    /// The store's id; `None` before the first connection.
    pub(super) fn store(&self) -> Option<[u8; 16]> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|found| found.store)
    }

    /// The terms, and where the log ended when the last connection was made.
    pub(super) fn history(&self) -> History {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.as_ref().map(|found| found.history.clone()).unwrap_or_default()
    }

    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// How many changes had an unknown outcome.
    pub(super) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Acquire)
    }

    /// Takes in that nobody knows how a change ended.
    pub(super) fn note_outage(&self) {
        self.outages.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes in whether a newer program has changed the tables, so that this one can't work with them.
    pub(super) fn note_newer(&self, is_newer: bool) {
        self.is_newer.store(is_newer, Ordering::Release);
    }

    /// Whether a newer program has changed the tables. Then no connection is of any use.
    pub(super) fn is_newer(&self) -> bool {
        self.is_newer.load(Ordering::Acquire)
    }

    /// The node's clock; the first one stays.
    pub(super) fn expect(&self, clock: Arc<dyn ExpectedClock>) {
        // A store has one node.
        let _ = self.clock.set(clock);
    }

    /// The latest time that the database's clock may show when an append comes, in milliseconds; `None` if any.
    pub(super) fn latest(&self) -> Option<i64> {
        self.clock.get()?.latest().map(|time| bigint(time.millis()))
    }

    /// Takes in that it showed a later one.
    pub(super) fn was_late(&self) -> StoreError {
        self.note_outage();
        if let Some(clock) = self.clock.get() {
            clock.was_late();
        }
        let why =
            "the database's clock has gone on while this node's stood still, or was set: nothing was changed";
        StoreError::Unavailable(why.to_owned())
    }

    /// Takes in that everything up to `position` is durable.
    pub(super) fn acknowledge(&self, position: u64) {
        self.position.fetch_max(position, Ordering::AcqRel);
    }

    /// The number of terms. Connections from before the newest one are of no more use.
    pub(super) fn terms(&self) -> usize {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.as_ref().map_or(0, |found| found.history.terms.len())
    }

    /// Takes in what a connection learned, and returns the number of terms. `acknowledged` is the position that was known
    /// before the connection was made.
    ///
    /// # Errors
    /// Why the database is refused.
    pub(super) fn take_in(&self, new: Found, acknowledged: u64) -> Result<usize, Refusal> {
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref() {
            compare(known, &new, acknowledged)?;
        }
        self.acknowledge(new.history.position);
        let terms = new.history.terms.len();
        // Two connections may have been made at the same time.
        if known.as_ref().is_none_or(|known| known.history.terms.len() <= terms) {
            *known = Some(new);
        }
        Ok(terms)
    }
}

fn compare(known: &Found, new: &Found, acknowledged: u64) -> Result<(), Refusal> {
    if known.store != new.store {
        return Err(Refusal::AnotherStore);
    }
    lacking(known, new, acknowledged).map_or(Ok(()), |why| Err(Refusal::Lacking(why)))
}

fn lacking(known: &Found, new: &Found, acknowledged: u64) -> Option<String> {
    let mark = known.history.mark();
    let lost = |until: u64| {
        format!(
            "it ends at position {until}, but everything up to {acknowledged} was acknowledged: {} events are lost",
            acknowledged.saturating_sub(until)
        )
    };
    match new.history.lack_of(Remembered { mark, position: acknowledged }) {
        None => {
            let later = mark.and_then(|mark| new.history.after(mark)).unwrap_or_default();
            let is_accepted = later.iter().any(|term| term.is_accepted);
            is_accepted.then(|| {
                "a start with --restored has ended every session meanwhile: restart this node too".to_owned()
            })
        }
        Some(Lack::Term) => Some(
            "it is not the server that took over at the last fail-over, nor one that follows it. Shut this one down, \
             or make it a standby of the other one"
                .to_owned(),
        ),
        Some(Lack::Events { until, is_accepted: true }) => Some(format!(
            "{}. A start with --restored has accepted that meanwhile: restart this node too",
            lost(until)
        )),
        Some(Lack::Events { until, is_accepted: false }) => Some(format!(
            "{}. Bring back the server that has them; or, to go on without, stop every node and start one with \
             `heirloom serve --restored`, which ends every session",
            lost(until)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(terms: &[(u8, u64, bool)], position: u64) -> Found {
        let term = |(mark, began, is_accepted)| Term { mark: [mark; 16], began, is_accepted };
        let terms = terms.iter().copied().map(term).collect();
        Found { store: [0; 16], history: History { terms, position } }
    }

    fn refused(known: &Known, found: Found) -> String {
        match known.take_in(found, 9) {
            Err(Refusal::Lacking(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_restart_is_asked_of_whoever_ran_while_a_restore_was_accepted() {
        let known = Known::default();
        assert_eq!(known.take_in(found(&[(1, 0, false)], 9), 0), Ok(1));
        let accepted = found(&[(1, 0, false), (2, 9, true)], 10);
        assert!(refused(&known, accepted.clone()).contains("restart this node"));
        let behind = found(&[(1, 0, true), (2, 7, true)], 8);
        let refused = refused(&known, behind);
        assert!(refused.contains("2 events are lost. A start with --restored"), "{refused}");
        let fresh = Known::default();
        assert_eq!(fresh.take_in(accepted, 0), Ok(2), "this one has started since");
        assert_eq!((fresh.terms(), fresh.position()), (2, 10));
    }

    #[test]
    fn a_connection_made_at_the_same_time_does_not_bring_back_an_old_term() {
        let known = Known::default();
        known.take_in(found(&[(1, 0, false)], 9), 0).unwrap();
        assert_eq!(known.take_in(found(&[(1, 0, false), (2, 9, false)], 9), 9), Ok(2));
        let refused = refused(&known, found(&[(1, 0, false)], 100));
        assert!(refused.contains("last fail-over"), "{refused}");
        assert_eq!(known.terms(), 2);
    }
}
