//! The reads of the store: which rows each touches, and how it works. A damaged row is an error, never an answer.

use std::ops::{Bound, ControlFlow};

use super::super::{RecordKey, RecordedEvent, Snapshot, StreamId};
use super::fault::Fault;
use super::group::{read_head, read_snapshot};
use super::layout::{self, CHUNK, Damaged, GONE, Head, chunk_key, log_key, record_key, snapshot_key};
use super::log::{self, Entry, Event};
use super::read_barrier::{Touches, Visible};
use super::tree::Tree;

/// A read of durable state.
pub(super) trait Read: Send + Sync + 'static {
    /// The type of its answer.
    type Found: Send + 'static;

    /// Which rows it touches.
    fn touches(&self) -> Touches<'_>;

    /// Reads; no group opens meanwhile.
    fn rows(&self, tree: &Tree, visible: &Visible) -> Result<Self::Found, Fault>;
}

/// The snapshot of a stream.
pub(super) struct Load {
    row: Vec<u8>,
}

/// The value of a record.
pub(super) struct Record {
    row: Vec<u8>,
}

/// Records with a prefix.
pub(super) struct Scan {
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
    limit: usize,
}

/// Events of all streams.
pub(super) struct ReadLog {
    pub(super) after: u64,
    pub(super) limit: usize,
}

/// Events of a stream.
pub(super) struct ReadStream {
    stream: StreamId,
    row: Vec<u8>,
    after: u64,
    limit: usize,
}

impl Load {
    pub(super) fn new(stream: &StreamId) -> Self {
        Self { row: snapshot_key(stream) }
    }
}

impl Record {
    pub(super) fn new(key: &RecordKey) -> Self {
        Self { row: record_key(key) }
    }
}

impl Scan {
    pub(super) fn new(prefix: &RecordKey, after: Option<&RecordKey>, limit: usize) -> Self {
        Self { prefix: record_key(prefix), after: after.map(record_key), limit }
    }
}

impl ReadStream {
    pub(super) fn new(stream: StreamId, after: u64, limit: usize) -> Self {
        Self { row: snapshot_key(&stream), stream, after, limit }
    }
}

impl Read for Load {
    type Found = Option<Snapshot>;

    fn touches(&self) -> Touches<'_> {
        Touches::Row(&self.row)
    }

    fn rows(&self, tree: &Tree, _: &Visible) -> Result<Self::Found, Fault> {
        Ok(read_snapshot(tree, &self.row)?.map(|(version, data)| Snapshot { version, data }))
    }
}

impl Read for Record {
    type Found = Option<Vec<u8>>;

    fn touches(&self) -> Touches<'_> {
        Touches::Row(&self.row)
    }

    fn rows(&self, tree: &Tree, _: &Visible) -> Result<Self::Found, Fault> {
        let Some(value) = tree.get(&self.row)? else { return Ok(None) };
        layout::body(&self.row, &value).map(|body| Some(body.to_vec())).map_err(Fault::row("a record"))
    }
}

impl Read for Scan {
    type Found = Vec<(RecordKey, Vec<u8>)>;

    fn touches(&self) -> Touches<'_> {
        Touches::Prefix(&self.prefix)
    }

    fn rows(&self, tree: &Tree, _: &Visible) -> Result<Self::Found, Fault> {
        let from = match &self.after {
            Some(after) if *after >= self.prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(self.prefix.clone()),
        };
        tree.collect((from, &self.prefix), self.limit, |key, value| {
            let body = layout::body(key, value).map_err(Fault::row("a record"))?;
            Ok(Some((RecordKey::from_bytes(key.get(1..).unwrap_or_default()), body.to_vec())))
        })
    }
}

impl Read for ReadLog {
    type Found = Vec<RecordedEvent>;

    fn touches(&self) -> Touches<'_> {
        Touches::Log
    }

    fn rows(&self, tree: &Tree, visible: &Visible) -> Result<Self::Found, Fault> {
        let from = Bound::Included(log_key(log::row_of(self.after)).to_vec());
        let mut found = Vec::new();
        let mut fault = None;
        tree.visit(from, b"l", |key, row| match self.take(key, row, visible, &mut found) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(damaged) => {
                fault = Some(Fault::row("a row of the log")(damaged));
                ControlFlow::Break(())
            }
        })?;
        fault.map_or(Ok(found), Err)
    }
}

impl ReadLog {
    /// Takes the events of a row; returns whether there may be more after it.
    fn take(
        &self,
        key: &[u8],
        row: &[u8],
        visible: &Visible,
        found: &mut Vec<RecordedEvent>,
    ) -> Result<bool, Damaged> {
        for Entry { position, event, .. } in log::entries(key, row)? {
            if position > visible.position || found.len() >= self.limit {
                return Ok(false);
            }
            let event = event.filter(|event| !visible.purging.contains_key(&event.birth));
            if let Some(event) = event.filter(|_| position > self.after) {
                found.push(recorded(position, &event)?);
            }
        }
        Ok(found.len() < self.limit)
    }
}

fn recorded(position: u64, event: &Event<'_>) -> Result<RecordedEvent, Damaged> {
    Ok(RecordedEvent { position, stream: event.stream()?, version: event.version, data: event.data.to_vec() })
}

impl Read for ReadStream {
    type Found = Vec<RecordedEvent>;

    fn touches(&self) -> Touches<'_> {
        Touches::Row(&self.row)
    }

    fn rows(&self, tree: &Tree, _: &Visible) -> Result<Self::Found, Fault> {
        let Some(head) = read_head(tree, &self.row)? else { return Ok(Vec::new()) };
        let places = tree.places(&head, self.after, self.limit)?;
        let mut next = self.after.saturating_add(1);
        let mut events = Vec::with_capacity(places.len());
        for place in &places {
            let (event, stands_from) = self.event(tree, head.birth, *place)?;
            // If versions before it are missing, it must be a summary that covers them.
            if place.version > next && stands_from.is_none_or(|first| first > next) {
                return Err(self.missing(next));
            }
            next = place.version.saturating_add(1);
            events.push(event);
        }
        // A stream's last event always exists.
        let is_whole = places.len() >= self.limit || next > head.version;
        if is_whole { Ok(events) } else { Err(self.missing(next)) }
    }
}

impl ReadStream {
    /// The event at a place, if it is the expected one; and for a summary, the first version that it covers.
    fn event(
        &self,
        tree: &Tree,
        birth: u64,
        Place { version, position }: Place,
    ) -> Result<(RecordedEvent, Option<u64>), Fault> {
        let event = log::entry_at(tree, position, |entry| {
            let event = entry.event.filter(|event| {
                event.birth == birth && event.version == version && event.stream == self.stream.as_bytes()
            });
            event.and_then(|event| Some((recorded(position, &event).ok()?, event.first)))
        })?;
        event.flatten().ok_or_else(|| self.missing(version))
    }

    fn missing(&self, version: u64) -> Fault {
        Fault::Damaged(format!("event {version} of stream {:?} is missing", self.stream))
    }
}

/// The prefix of the keys of a stream's chunks.
fn chunks_prefix(birth: u64) -> Vec<u8> {
    chunk_key(birth, 0).get(..9).unwrap_or_default().to_vec()
}

/// Where an event of a stream is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: u64,
    pub(super) position: u64,
}

/// A chunk of a stream: its key and its positions.
pub(super) struct Chunk {
    pub(super) key: Vec<u8>,
    pub(super) positions: Vec<u64>,
}

impl Tree {
    /// At most `limit` rows after `from` under a prefix, converted by `parse`, which may leave rows out.
    fn collect<T>(
        &self,
        (from, prefix): (Bound<Vec<u8>>, &[u8]),
        limit: usize,
        mut parse: impl FnMut(&[u8], &[u8]) -> Result<Option<T>, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut found = Vec::new();
        let mut fault = None;
        if limit == 0 {
            return Ok(found);
        }
        self.visit(from, prefix, |key, value| {
            match parse(key, value) {
                Ok(row) => found.extend(row),
                Err(why) => fault = Some(why),
            }
            if fault.is_some() || found.len() >= limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        fault.map_or(Ok(found), Err)
    }

    /// The places of the existing events of a stream after version `after`, at most `limit`.
    pub(super) fn places(&self, head: &Head, after: u64, limit: usize) -> Result<Vec<Place>, Fault> {
        let mut places = Vec::new();
        let mut next = after.saturating_add(1);
        while next <= head.version && places.len() < limit {
            let (number, positions) = self.chunk_from(head, next)?;
            let begins = number.saturating_sub(1).saturating_mul(CHUNK).saturating_add(1);
            let there =
                (begins..).zip(positions).filter(|(version, position)| *version >= next && *position != GONE);
            places.extend(there.map(|(version, position)| Place { version, position }));
            next = begins.saturating_add(CHUNK);
        }
        places.truncate(limit);
        Ok(places)
    }

    /// The first chunk with events from `version` on: its number and its positions. After the last whole chunk, the
    /// positions in the head.
    fn chunk_from(&self, head: &Head, version: u64) -> Result<(u64, Vec<u64>), Fault> {
        let number = version.saturating_sub(1).checked_div(CHUNK).unwrap_or_default().saturating_add(1);
        let whole = head.version.checked_div(CHUNK).unwrap_or_default();
        if number > whole {
            return Ok((number, head.tail.clone()));
        }
        let (from, prefix) = (chunk_key(head.birth, number), chunks_prefix(head.birth));
        let found = self.collect((Bound::Included(from), &prefix), 1, |key, value| {
            let positions = layout::parse_positions(key, value);
            let chunk = positions.and_then(|positions| Ok((layout::chunk_number(key)?, positions)));
            let chunk = chunk.and_then(|(number, positions)| {
                let is_whole = u64::try_from(positions.len()) == Ok(CHUNK) && number <= whole;
                is_whole.then_some((number, positions)).ok_or(Damaged)
            });
            chunk
                .map(Some)
                .map_err(Fault::row(format_args!("the index of the stream born at position {}", head.birth)))
        })?;
        // No whole chunk is left.
        Ok(found.into_iter().next().unwrap_or_else(|| (whole.saturating_add(1), head.tail.clone())))
    }

    /// The positions in a chunk that must exist.
    pub(super) fn chunk(&self, birth: u64, number: u64) -> Result<Vec<u64>, Fault> {
        let key = chunk_key(birth, number);
        let lost =
            |damaged| Fault::row(format_args!("the index of the stream born at position {birth}"))(damaged);
        let value = self.get(&key)?.ok_or(Damaged).map_err(lost)?;
        layout::parse_positions(&key, &value).map_err(lost)
    }

    /// The first chunks of a stream.
    pub(super) fn chunks(&self, birth: u64, limit: usize) -> Result<Vec<Chunk>, Fault> {
        let prefix = chunks_prefix(birth);
        self.collect((Bound::Included(prefix.clone()), &prefix), limit, |key, value| {
            let positions =
                layout::parse_positions(key, value).map_err(Fault::row("the index of a removed stream"))?;
            Ok(Some(Chunk { key: key.to_vec(), positions }))
        })
    }
}
