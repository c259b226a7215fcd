//! Replaces several events by one, within a group.
//!
//! The group itself changes all rows, so this is atomic and synced like any other change, and the space is free for
//! sled at once. Therefore the number of events is limited: each may be in another row of the log. Rows without events
//! and chunks without positions are deleted. The head is written again with only its positions changed, so that readers
//! of the stream wait for the group.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{MAX_SUMMARIZED, StoreError, Summarize};
use super::fault::Fault;
use super::group::Group;
use super::layout::{self, CHUNK, Damaged, GONE, Head, chunk_key, snapshot_key};
use super::log::{self, Event, PURGED};
use super::reads::Place;

/// What a summary replaces.
pub(super) struct Summary {
    /// The replaced events; the summary gets the place of the last.
    places: Vec<Place>,
    /// The first version that it covers.
    first: u64,
}

impl Group<'_> {
    /// Decides which events are replaced, or why none are.
    pub(super) fn plan(
        &self,
        head: &Head,
        summarize: &Summarize,
    ) -> Result<Result<Summary, StoreError>, Fault> {
        let Summarize { first, last, .. } = *summarize;
        // At most once a stream and group: a second summary was decided on events that no longer exist.
        let is_touched = self.heads.contains_key(&summarize.stream);
        if is_touched || first < 2 || last < first || last > head.version {
            return Ok(Err(StoreError::WrongExpectedVersion));
        }
        let limit = MAX_SUMMARIZED.saturating_add(1);
        let mut places = self.tree.places(head, first.saturating_sub(1), limit)?;
        places.retain(|place| place.version <= last);
        if places.len() > MAX_SUMMARIZED {
            return Ok(Err(StoreError::TooLarge));
        }
        let Some(begins) = places.first().filter(|_| places.last().is_some_and(|end| end.version == last))
        else {
            return Ok(Err(StoreError::WrongExpectedVersion));
        };
        let stands_from =
            log::entry_at(self.tree, begins.position, |entry| entry.event.map(|event| event.first))?;
        let lost = |damaged| {
            Fault::row(format_args!("event {} of stream {:?}", begins.version, summarize.stream))(damaged)
        };
        let stands_from = stands_from.flatten().ok_or(Damaged).map_err(lost)?;
        let first = stands_from.unwrap_or(begins.version);
        Ok(Ok(Summary { places, first }))
    }

    /// Removes the events, and puts the summary in the place of the last.
    pub(super) fn summarize(
        &mut self,
        change: Summarize,
        mut head: Head,
        summary: &Summary,
    ) -> Result<(), Fault> {
        let Summarize { stream, last, event, .. } = change;
        let (birth, first) = (head.birth, Some(summary.first));
        let entry = Event { birth, version: last, first, stream: stream.as_bytes(), data: &event }.entry();
        let entry_of = |place: &Place| if place.version == last { entry.clone() } else { PURGED.to_vec() };
        let others = summary.places.iter().map(|place| (place.position, entry_of(place))).collect();
        self.replace(&others)?;
        let gone = summary.places.iter().map(|place| place.version).filter(|version| *version != last);
        self.forget(&mut head, &gone.collect())?;
        let key = snapshot_key(&stream);
        let value = head.value(&key);
        self.put(key, value);
        self.heads.insert(stream, Some(head));
        self.takes_away = true;
        Ok(())
    }

    /// Replaces events by other entries.
    fn replace(&mut self, others: &BTreeMap<u64, Vec<u8>>) -> Result<(), Fault> {
        let mut behind = 0;
        for position in others.keys().copied() {
            if position < behind {
                continue;
            }
            if self.last_row.holds(position) {
                // The positions in the log's last row.
                return self.last_row.replace(others).map_err(Fault::row("the end of the log"));
            }
            let changed = log::replace(position, others, |key| match self.rows.get(key) {
                Some(row) => Ok(row.clone()),
                None => self.tree.get(key),
            })?;
            behind = changed.positions.end;
            match changed.value {
                Some(value) => self.put(changed.key.to_vec(), value),
                None => self.delete(changed.key.to_vec()),
            }
        }
        Ok(())
    }

    /// Removes the positions of events from the stream's index.
    fn forget(&mut self, head: &mut Head, gone: &BTreeSet<u64>) -> Result<(), Fault> {
        let whole = head.version.checked_div(CHUNK).unwrap_or_default();
        let number =
            |version: u64| version.saturating_sub(1).checked_div(CHUNK).unwrap_or_default().saturating_add(1);
        let numbers: BTreeSet<u64> = gone.iter().map(|version| number(*version)).collect();
        for number in numbers {
            let begins = number.saturating_sub(1).saturating_mul(CHUNK).saturating_add(1);
            let forget = |positions: &mut Vec<u64>| {
                let gone = |version| gone.contains(&version);
                (begins..)
                    .zip(positions)
                    .filter(|(version, _)| gone(*version))
                    .for_each(|(_, position)| *position = GONE);
            };
            if number > whole {
                forget(&mut head.tail);
                continue;
            }
            let mut positions = self.tree.chunk(head.birth, number)?;
            forget(&mut positions);
            let key = chunk_key(head.birth, number);
            if positions.iter().all(|position| *position == GONE) {
                self.delete(key);
            } else {
                let value = layout::positions_value(&key, &positions);
                self.put(key, value);
            }
        }
        Ok(())
    }
}
