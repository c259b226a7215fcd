//! The rows of the log. A row has several events: by themselves they would make of sled's pages, and of what sled keeps
//! of each page in memory, many times as many.
//!
//! A row holds what stands at consecutive positions, from a multiple of [`POSITIONS`] on, so the row of a position is
//! found by its number. The body of its value is a 2, then an entry for each:
//!
//! | first byte | then |
//! |---|---|
//! | 0 | nothing: a seal, which gives a position to a change that is no event |
//! | 3 | nothing: an event that was purged |
//! | 1 | an event: birth, version, length and id of the stream, length and data |
//! | 4 | a summary: as an event, with the first version that it stands for behind its own |
//!
//! Format 1 had a row for each: a body of such an entry alone, without the length of its data.

use std::collections::{BTreeMap, BTreeSet};

use sled::{Batch, IVec};

use super::super::StreamId;
use super::fault::Fault;
use super::layout::{self, Cursor, Damaged, body, log_key, log_position, value};
use super::rows::ReadRows;
use super::tree::Tree;

/// How many positions a row has room for.
pub(super) const POSITIONS: u64 = 8;
/// How large a row grows, in bytes, unless one event is larger, or a summary is longer than what it stands for.
pub(super) const ROOM: usize = 4096;
/// The first byte of a row with several entries.
pub(super) const MANY: u8 = 2;
/// The entry of a change that is no event.
pub(super) const SEAL: &[u8] = &[0];
/// What is left of an event.
pub(super) const PURGED: &[u8] = &[3];
/// The first byte of an event, and of one that stands for several.
const EVENT: u8 = 1;
const SUMMARY: u8 = 4;

/// An event as it lies in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    pub(super) birth: u64,
    pub(super) version: u64,
    /// The first version that it stands for, if it is a summary.
    pub(super) first: Option<u64>,
    /// The stream's id.
    pub(super) stream: &'a [u8],
    pub(super) data: &'a [u8],
}

/// What stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) position: u64,
    /// None for a seal, and where an event was purged.
    pub(super) event: Option<Event<'a>>,
    /// What the mark's digest is made of.
    pub(super) bytes: &'a [u8],
}

impl Event<'_> {
    /// The event as an entry.
    pub(super) fn entry(&self) -> Vec<u8> {
        let data = u32::try_from(self.data.len()).unwrap_or(u32::MAX).to_be_bytes();
        // A stream id has at most 65 bytes.
        let stream = [u8::try_from(self.stream.len()).unwrap_or(u8::MAX)];
        let (birth, version) = (self.birth.to_be_bytes(), self.version.to_be_bytes());
        let first = self.first.map(u64::to_be_bytes);
        let (kind, first) =
            first.as_ref().map_or((EVENT, [].as_slice()), |first| (SUMMARY, first.as_slice()));
        [&[kind], birth.as_slice(), &version, first, &stream, self.stream, &data, self.data].concat()
    }

    /// How long the entry of an event is.
    pub(super) fn entry_len(stream: &StreamId, data: &[u8]) -> usize {
        data.len().saturating_add(stream.as_bytes().len()).saturating_add(22)
    }

    /// The stream's id.
    pub(super) fn stream(&self) -> Result<StreamId, Damaged> {
        let (category, key) = self.stream.split_first().ok_or(Damaged)?;
        StreamId::new(*category, key).ok_or(Damaged)
    }
}

/// The position that the row of `position` begins with.
pub(super) const fn row_of(position: u64) -> u64 {
    position.saturating_sub(position % POSITIONS)
}

/// The entries of the row with this key, in the order of their positions.
pub(super) fn entries<'a>(key: &[u8], row: &'a [u8]) -> Result<Vec<Entry<'a>>, Damaged> {
    let (position, body) = (log_position(key)?, body(key, row)?);
    let mut rest = Cursor::new(body);
    match rest.byte() {
        Some(MANY) => many(position, rest).ok_or(Damaged),
        Some(0) if rest.rest().is_empty() => Ok(vec![Entry { position, event: None, bytes: row }]),
        Some(kind @ (EVENT | SUMMARY)) => {
            let event = head(kind, &mut rest).ok_or(Damaged)?;
            let event = Event { data: rest.rest(), ..event };
            Ok(vec![Entry { position, event: Some(event), bytes: row }])
        }
        Some(_) | None => Err(Damaged),
    }
}

pub(super) fn many(first: u64, mut row: Cursor<'_>) -> Option<Vec<Entry<'_>>> {
    let mut entries = Vec::with_capacity(usize::try_from(POSITIONS).ok()?);
    let mut position = first;
    while !row.rest().is_empty() {
        let whole = row.rest();
        let event = match row.byte()? {
            0 | 3 => None,
            kind @ (EVENT | SUMMARY) => {
                let event = head(kind, &mut row)?;
                let len = usize::try_from(row.u32()?).ok()?;
                Some(Event { data: row.bytes(len)?, ..event })
            }
            _ => return None,
        };
        let bytes = whole.get(..whole.len().checked_sub(row.rest().len())?)?;
        entries.push(Entry { position, event, bytes });
        position = position.checked_add(1)?;
    }
    let fits = !entries.is_empty() && position.checked_sub(first)? <= POSITIONS;
    fits.then_some(entries)
}

/// An event up to its data.
fn head<'a>(kind: u8, row: &mut Cursor<'a>) -> Option<Event<'a>> {
    let (birth, version) = (row.u64()?, row.u64()?);
    let first = if kind == SUMMARY { Some(row.u64()?) } else { None };
    let len = usize::from(row.byte()?);
    Some(Event { birth, version, first, stream: row.bytes(len)?, data: &[] })
}

/// Whether a row is not of format 1.
pub(super) fn is_many(row: &[u8]) -> bool {
    row.get(layout::CHECKSUM) == Some(&MANY)
}

/// A row without some of its events, and whether it has others.
fn without(key: &[u8], row: &[u8], gone: &BTreeSet<u64>) -> Result<(IVec, bool), Damaged> {
    let (body, events) = replaced(&entries(key, row)?, |position| gone.contains(&position).then_some(PURGED));
    Ok((value(key, &body), events))
}

/// The body of a row in which other entries stand in the place of some of its events, and whether it has events.
pub(super) fn replaced<'a>(
    entries: &[Entry<'_>],
    other: impl Fn(u64) -> Option<&'a [u8]>,
) -> (Vec<u8>, bool) {
    let (mut body, mut events) = (vec![MANY], false);
    for entry in entries {
        let other = entry.event.and_then(|_| other(entry.position));
        body.extend_from_slice(other.unwrap_or(entry.bytes));
        events |= other.map_or(entry.event.is_some(), |other| other != PURGED);
    }
    (body, events)
}

/// What becomes of the row of a position.
pub(super) struct Changed {
    pub(super) key: [u8; 9],
    /// Its new value; none if no event is left in it.
    pub(super) value: Option<IVec>,
    /// The positions that it has; the others are in other rows.
    pub(super) positions: std::ops::Range<u64>,
}

/// Puts other entries in the place of the event at `position`, and of all others in the same row. `row` reads a row.
pub(super) fn replace(
    position: u64,
    others: &BTreeMap<u64, Vec<u8>>,
    row: impl Fn(&[u8]) -> Result<Option<IVec>, Fault>,
) -> Result<Changed, Fault> {
    let damaged = |damaged| Fault::row(format_args!("the row of event {position}"))(damaged);
    let other = |position| others.get(&position).map(Vec::as_slice);
    let key = log_key(row_of(position));
    if let Some(row) = row(&key)?.filter(|row| is_many(row)) {
        let entries = entries(&key, &row).map_err(damaged)?;
        let (body, events) = replaced(&entries, other);
        let positions = row_of(position)..row_of(position).saturating_add(POSITIONS);
        return Ok(Changed { key, value: events.then(|| value(&key, &body)), positions });
    }
    // It has had a row for itself since format 1, and the length of its data is that of the row.
    let key = log_key(position);
    let row = row(&key)?.ok_or(Damaged).map_err(damaged)?;
    entries(&key, &row).map_err(damaged)?;
    let entry = other(position).filter(|entry| *entry != PURGED);
    let body = entry.map(|entry| alone(entry).ok_or(Damaged).map_err(damaged)).transpose()?;
    let positions = position..position.saturating_add(1);
    Ok(Changed { key, value: body.map(|body| value(&key, &body)), positions })
}

/// An entry as the body of a row of format 1.
fn alone(entry: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Cursor::new(entry);
    let kind = rest.byte()?;
    head(kind, &mut rest)?;
    let before = entry.get(..entry.len().checked_sub(rest.rest().len())?)?;
    let len = usize::try_from(rest.u32()?).ok()?;
    Some([before, rest.bytes(len)?].concat())
}

/// Shows `see` what stands at a position, unless nothing does.
pub(super) fn entry_at<T>(
    rows: &impl ReadRows,
    position: u64,
    see: impl FnOnce(Entry<'_>) -> T,
) -> Result<Option<T>, Fault> {
    // Its row, or the one that it has had for itself since format 1.
    for key in [log_key(row_of(position)), log_key(position)] {
        let Some(row) = rows.get(&key)? else { continue };
        let entries = entries(&key, &row).map_err(Fault::row(format_args!("the row of event {position}")))?;
        if let Some(entry) = entries.into_iter().find(|entry| entry.position == position) {
            return Ok(Some(see(entry)));
        }
    }
    Ok(None)
}

/// Whether there is a row with room for this position that is not of format 1.
pub(super) fn has_row_of(rows: &impl ReadRows, position: u64) -> Result<bool, Fault> {
    Ok(rows.get(&log_key(row_of(position)))?.is_some_and(|row| is_many(&row)))
}

impl Tree {
    /// Takes events out of their rows, and rows without any out of the tree. The row at the log's `end` stays, for its
    /// positions.
    pub(super) fn purge(&self, gone: &BTreeSet<u64>, end: u64, batch: &mut Batch) -> Result<(), Fault> {
        let mut done = None;
        for position in gone {
            let first = row_of(*position);
            if done == Some(first) {
                continue;
            }
            let key = log_key(first);
            let Some(row) = self.get(&key)?.filter(|row| is_many(row)) else {
                batch.remove(&log_key(*position));
                continue;
            };
            let left = without(&key, &row, gone);
            let (row, events) = left.map_err(Fault::row(format_args!("the row of event {position}")))?;
            if events || row_of(end) == first {
                batch.insert(&key, row);
            } else {
                batch.remove(&key);
            }
            done = Some(first);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::last_row::LastRow;
    use super::*;

    const EVENT: Event<'static> = Event { birth: 7, version: 9, first: None, stream: b"skey", data: b"data" };
    const SECOND: Event<'static> = Event { version: 10, ..EVENT };
    const SUMMARY: Event<'static> = Event { version: 10, first: Some(9), data: b"nine and ten", ..EVENT };

    /// The row at positions 8, 9 and 10.
    fn three() -> ([u8; 9], IVec) {
        let mut row = LastRow::behind(3);
        for entry in [&*EVENT.entry(), SEAL, &*SECOND.entry()] {
            row.push(entry);
        }
        assert_eq!((row.next(), row.has_events()), (11, true));
        (row.key(), row.change().unwrap())
    }

    fn events(key: &[u8], row: &[u8]) -> Vec<(u64, bool)> {
        entries(key, row).unwrap().iter().map(|entry| (entry.position, entry.event.is_some())).collect()
    }

    #[test]
    fn entries_come_back_as_they_were_written_and_the_row_goes_on() {
        let (key, row) = three();
        assert_eq!(key, log_key(8));
        let entries = entries(&key, &row).unwrap();
        let seen: Vec<_> = entries.iter().map(|entry| (entry.position, entry.event)).collect();
        assert_eq!(seen, [(8, Some(EVENT)), (9, None), (10, Some(SECOND))]);
        assert_eq!(entries[0].bytes, EVENT.entry());
        assert_eq!(EVENT.entry().len(), Event::entry_len(&EVENT.stream().unwrap(), EVENT.data));
        assert_eq!(EVENT.stream(), Ok(StreamId::new(b's', b"key").unwrap()));

        let mut again = LastRow::resume(&key, &row).unwrap().unwrap();
        assert_eq!((again.next(), again.has_events(), again.change()), (11, true, None));
        again.push(SEAL);
        assert_eq!(events(&key, &again.change().unwrap()), [(8, true), (9, false), (10, true), (11, false)]);
    }

    #[test]
    fn what_is_purged_leaves_its_place() {
        let (key, row) = three();
        let (left, more) = without(&key, &row, &BTreeSet::from([8])).unwrap();
        assert_eq!((events(&key, &left), more), (vec![(8, false), (9, false), (10, true)], true));
        let left = entries(&key, &left).unwrap().iter().map(|entry| entry.bytes.to_vec()).collect::<Vec<_>>();
        assert_eq!(left, [PURGED.to_vec(), SEAL.to_vec(), SECOND.entry()]);
        assert!(!without(&key, &row, &BTreeSet::from([8, 10])).unwrap().1);
    }

    #[test]
    fn a_summary_stands_in_the_place_of_the_last_event_in_any_row() {
        let others = BTreeMap::from([(8, PURGED.to_vec()), (10, SUMMARY.entry())]);
        let expected = [(8, None), (9, None), (10, Some(SUMMARY))];
        let seen = |key: &[u8], row: &[u8]| {
            let entries = entries(key, row).unwrap();
            assert!(entries.iter().map(|entry| (entry.position, entry.event)).eq(expected));
        };
        let (key, row) = three();
        let changed = replace(10, &others, |at| Ok((at == key).then(|| row.clone()))).unwrap();
        assert_eq!((changed.key, changed.positions), (key, 8..16));
        seen(&key, &changed.value.unwrap());
        let mut last = LastRow::resume(&key, &row).unwrap().unwrap();
        assert!(last.holds(8) && last.holds(10) && !last.holds(7) && !last.holds(11));
        last.replace(&others).unwrap();
        assert!(last.has_events() && last.next() == 11);
        seen(&key, &last.change().unwrap());
        last.replace(&BTreeMap::from([(10, PURGED.to_vec())])).unwrap();
        assert!(!last.has_events());
    }

    #[test]
    fn a_summary_stands_in_a_row_of_format_1_as_well() {
        let key = log_key(11);
        let row = value(&key, &alone(&SECOND.entry()).unwrap());
        let others = BTreeMap::from([(11, SUMMARY.entry()), (12, PURGED.to_vec())]);
        let changed = replace(11, &others, |at| Ok((at == key).then(|| row.clone()))).unwrap();
        let left = changed.value.unwrap();
        assert_eq!(
            entries(&key, &left),
            Ok(vec![Entry { position: 11, event: Some(SUMMARY), bytes: &left }])
        );
        assert_eq!((changed.key, changed.positions), (key, 11..12));
        let next = log_key(12);
        let changed = replace(12, &others, |at| Ok((at == next).then(|| value(&next, SEAL)))).unwrap();
        assert_eq!(changed.value, None);
        assert!(replace(12, &others, |_| Ok(None)).is_err());
    }

    #[test]
    fn rows_of_format_1_are_read_and_do_not_go_on() {
        let key = log_key(11);
        let mut body = EVENT.entry();
        // As it was: the data, to the end.
        body.drain(body.len() - 8..body.len() - 4);
        assert_eq!(alone(&EVENT.entry()), Some(body.clone()));
        let row = value(&key, &body);
        assert_eq!(entries(&key, &row), Ok(vec![Entry { position: 11, event: Some(EVENT), bytes: &row }]));
        assert_eq!(LastRow::resume(&key, &row), Ok(None));
        let row = value(&key, SEAL);
        assert_eq!(entries(&key, &row), Ok(vec![Entry { position: 11, event: None, bytes: &row }]));
    }

    #[test]
    fn a_flipped_bit_a_cut_and_another_place_are_damage() {
        let (key, row) = three();
        assert_eq!(entries(&log_key(16), &row), Err(Damaged));
        for at in 0..row.len() {
            assert_eq!(entries(&key, &row[..at]), Err(Damaged));
            let mut bad = row.to_vec();
            bad[at] ^= 1;
            assert_eq!(entries(&key, &bad), Err(Damaged));
        }
        for body in [[].as_slice(), &[2], &[2, 2], &[2, 1, 0], &[0, 0], &[3], &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(entries(&key, &value(&key, body)), Err(Damaged), "{body:?}");
        }
    }
}
