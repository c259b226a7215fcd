//! The reads: what each touches, and how it is done. A row that is not what was written there is never an answer.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::super::{RecordKey, RecordedEvent, Snapshot, StreamId};
use super::gate::{Touches, Visible};
use super::group::{read_head, read_snapshot};
use super::layout::{self, CHUNK, Damaged, Head, chunk_key, log_key, record_key, snapshot_key};
use super::log::{self, Entry, Event};
use super::tree::{Fault, Tree};

/// A read of durable state.
pub(super) trait Read: Send + Sync + 'static {
    /// What it answers.
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
    /// Takes the events of a row; says whether there may be more behind it.
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
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
        let last = self.after.saturating_add(limit).min(head.version);
        let mut chunk = (0, Vec::new());
        let mut events = Vec::new();
        for version in self.after.saturating_add(1)..=last {
            let before = version.saturating_sub(1);
            let number = before.checked_div(CHUNK).unwrap_or_default().saturating_add(1);
            if chunk.0 != number {
                chunk = (number, chunk_positions(tree, &head, number)?);
            }
            let at = usize::try_from(before % CHUNK).unwrap_or(usize::MAX);
            let position = chunk.1.get(at).copied().ok_or_else(|| self.missing(version))?;
            events.push(self.event(tree, (position, head.birth, version))?);
        }
        Ok(events)
    }
}

impl ReadStream {
    /// The event at a position, if it is the one that should stand there.
    fn event(
        &self,
        tree: &Tree,
        (position, birth, version): (u64, u64, u64),
    ) -> Result<RecordedEvent, Fault> {
        let event = tree.log_entry(position, |entry| {
            let event = entry.event.filter(|event| {
                event.birth == birth && event.version == version && event.stream == self.stream.as_bytes()
            });
            event.and_then(|event| recorded(position, &event).ok())
        })?;
        event.flatten().ok_or_else(|| self.missing(version))
    }

    fn missing(&self, version: u64) -> Fault {
        Fault::Damaged(format!("event {version} of stream {:?} is missing", self.stream))
    }
}

/// The positions of the sixteen events of a chunk; of those in the head for what is behind the last whole one.
fn chunk_positions(tree: &Tree, head: &Head, number: u64) -> Result<Vec<u64>, Fault> {
    if number > head.version.checked_div(CHUNK).unwrap_or_default() {
        return Ok(head.tail.clone());
    }
    let key = chunk_key(head.birth, number);
    let lost = || Fault::Damaged(format!("the index of the stream born at position {}", head.birth));
    let value = tree.get(&key)?.ok_or_else(lost)?;
    layout::parse_positions(&key, &value).map_err(|_| lost())
}

/// A chunk of a stream: its key, and the positions that it holds.
pub(super) struct Chunk {
    pub(super) key: Vec<u8>,
    pub(super) positions: Vec<u64>,
}

impl Tree {
    /// The rows behind `from` under a prefix, as many as `limit`, as `parse` makes them; what it makes nothing of is
    /// left out.
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

    /// The first chunks of a stream.
    pub(super) fn chunks(&self, birth: u64, limit: usize) -> Result<Vec<Chunk>, Fault> {
        let prefix = chunk_key(birth, 0).get(..9).unwrap_or_default().to_vec();
        self.collect((Bound::Included(prefix.clone()), &prefix), limit, |key, value| {
            let positions =
                layout::parse_positions(key, value).map_err(Fault::row("the index of a removed stream"))?;
            Ok(Some(Chunk { key: key.to_vec(), positions }))
        })
    }

    /// The removed streams that are not purged yet.
    pub(super) fn purging(&self) -> Result<BTreeMap<u64, Vec<u64>>, Fault> {
        let rows = self.collect((Bound::Included(b"p".to_vec()), b"p"), usize::MAX, |key, value| {
            let birth = layout::purge_birth(key).map_err(Fault::row("a purge"))?;
            let positions = layout::parse_positions(key, value).map_err(Fault::row("a purge"))?;
            Ok(Some((birth, positions)))
        })?;
        Ok(rows.into_iter().collect())
    }
}
