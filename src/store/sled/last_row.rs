//! The row at the end of the log: the one that new events are put into.

use std::collections::BTreeMap;

use sled::IVec;

use super::layout::{Cursor, Damaged, body, log_key, value};
use super::log::{MANY, POSITIONS, ROOM, SEAL, entries, is_many, many, replaced, row_of};

/// The row at the log's end, which goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LastRow {
    first: u64,
    entries: u64,
    events: bool,
    /// Whether there is more in it than in the tree.
    changed: bool,
    body: Vec<u8>,
}

impl LastRow {
    /// The first row behind `position`; nothing is in it yet.
    pub(super) fn behind(position: u64) -> Self {
        let first = row_of(position).saturating_add(POSITIONS);
        Self { first, entries: 0, events: false, changed: false, body: vec![MANY] }
    }

    /// The row as the tree has it; `None` if it is one of format 1, which does not go on.
    pub(super) fn resume(key: &[u8], row: &[u8]) -> Result<Option<Self>, Damaged> {
        let entries = entries(key, row)?;
        let first = entries.first().map(|entry| entry.position).filter(|_| is_many(row));
        let Some(first) = first else { return Ok(None) };
        Ok(Some(Self {
            first,
            entries: u64::try_from(entries.len()).unwrap_or(POSITIONS),
            events: entries.iter().any(|entry| entry.event.is_some()),
            changed: false,
            body: body(key, row)?.to_vec(),
        }))
    }

    /// Whether an entry of this length still fits.
    pub(super) fn fits(&self, len: usize) -> bool {
        self.entries == 0 || self.entries < POSITIONS && self.body.len().saturating_add(len) <= ROOM
    }

    /// The position of the next entry.
    pub(super) const fn next(&self) -> u64 {
        self.first.saturating_add(self.entries)
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, entry: &[u8]) {
        self.body.extend_from_slice(entry);
        self.entries = self.entries.saturating_add(1);
        self.events |= entry != SEAL;
        self.changed = true;
    }

    /// Whether this position is in it.
    pub(super) const fn holds(&self, position: u64) -> bool {
        self.first <= position && position < self.next()
    }

    /// Puts other entries in the place of its events.
    pub(super) fn replace(&mut self, others: &BTreeMap<u64, Vec<u8>>) -> Result<(), Damaged> {
        let entries = many(self.first, Cursor::new(self.body.get(1..).ok_or(Damaged)?)).ok_or(Damaged)?;
        let (body, events) = replaced(&entries, |position| others.get(&position).map(Vec::as_slice));
        (self.body, self.events, self.changed) = (body, events, true);
        Ok(())
    }

    /// Whether there is an event in it.
    pub(super) const fn has_events(&self) -> bool {
        self.events
    }

    /// Its key.
    pub(super) fn key(&self) -> [u8; 9] {
        log_key(self.first)
    }

    /// Its value, if it has changed since it was asked for last.
    pub(super) fn change(&mut self) -> Option<IVec> {
        std::mem::take(&mut self.changed).then(|| value(&self.key(), &self.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_full_by_positions_and_by_bytes_and_takes_one_event_of_any_size() {
        let mut row = LastRow::behind(0);
        for position in 8..16 {
            assert!(row.fits(1));
            assert_eq!(row.next(), position);
            row.push(SEAL);
        }
        assert!(!row.fits(1) && !row.has_events());
        let mut row = LastRow::behind(15);
        assert_eq!(row.next(), 16);
        assert!(row.fits(2 * ROOM));
        row.push(&[1; ROOM - 20]);
        assert!(row.fits(19) && !row.fits(20));
    }
}
