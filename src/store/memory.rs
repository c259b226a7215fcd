//! A store in memory, for tests and trials. It keeps the whole contract except durability: its data end with it. A test that
//! restarts a server gives the same store to the next one.
//!
//! One mutex guards everything, so changes and reads come one after another, and no future ever waits.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::change::inserts_an_existing_record;
use super::{
    Append, Appended, Expected, MAX_SUMMARIZED, RecordChange, RecordKey, RecordedEvent, Remove, Snapshot,
    Store, StoreError, StoreFuture, StoreStats, StreamId, Summarize,
};

/// Streams, snapshots and records in the memory of this process.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    /// Every event, by its position.
    log: BTreeMap<u64, RecordedEvent>,
    streams: BTreeMap<StreamId, Stream>,
    records: BTreeMap<RecordKey, Vec<u8>>,
    /// The last position given to an event; it stays when that event is removed.
    position: u64,
    /// How many changes were requested, refused ones included.
    changes: u64,
}

#[derive(Default)]
struct Stream {
    version: u64,
    snapshot: Vec<u8>,
    /// The position of each existing event, by its version.
    positions: BTreeMap<u64, u64>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn append(&self, append: Append) -> StoreFuture<'_, Appended> {
        Box::pin(async { append.check_size().and_then(|()| self.state().append(append)) })
    }

    fn remove(&self, remove: Remove) -> StoreFuture<'_, ()> {
        Box::pin(async { remove.check_size().and_then(|()| self.state().remove(remove)) })
    }

    fn summarize(&self, summarize: Summarize) -> StoreFuture<'_, ()> {
        Box::pin(async { summarize.check_size().and_then(|()| self.state().summarize(summarize)) })
    }

    fn load(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        Box::pin(async move { Ok(self.state().streams.get(&stream).map(Stream::snapshot)) })
    }

    fn read_stream(&self, stream: StreamId, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        Box::pin(async move {
            let State { log, streams, .. } = &*self.state();
            let Some(stream) = streams.get(&stream) else { return Ok(Vec::new()) };
            let positions =
                stream.positions.range((Excluded(after), Unbounded)).map(|(_, position)| position);
            Ok(positions.filter_map(|position| log.get(position)).take(limit).cloned().collect())
        })
    }

    fn read_log(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        Box::pin(async move {
            let log = &self.state().log;
            Ok(log.range((Excluded(after), Unbounded)).take(limit).map(|(_, event)| event.clone()).collect())
        })
    }

    fn record(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.state().records.get(&key).cloned()) })
    }

    fn scan(
        &self,
        prefix: RecordKey,
        after: Option<RecordKey>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move {
            let begin = match &after {
                Some(after) if *after >= prefix => Excluded(after),
                Some(_) | None => Included(&prefix),
            };
            let records = &self.state().records;
            let found = records.range::<RecordKey, _>((begin, Unbounded)).take(limit);
            let found = found.take_while(|(key, _)| key.as_bytes().starts_with(prefix.as_bytes()));
            Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
        })
    }

    fn is_nearly_full(&self) -> bool {
        false
    }

    /// Each change counts as a group of its own, and there is no disk.
    fn stats(&self) -> StoreStats {
        let State { position, changes, .. } = *self.state();
        StoreStats {
            groups: changes,
            changes,
            largest_group: changes.min(1),
            position,
            ..StoreStats::default()
        }
    }
}

impl State {
    fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let version = self.check(&append.stream, append.expected, &append.records)?;
        self.change_records(append.records);
        if append.events.is_empty() {
            return Ok(Appended { version: version.unwrap_or_default(), position: 0 });
        }
        let stream = self.streams.entry(append.stream.clone()).or_default();
        for data in append.events {
            self.position = self.position.saturating_add(1);
            stream.version = stream.version.saturating_add(1);
            stream.positions.insert(stream.version, self.position);
            let (position, version, stream) = (self.position, stream.version, append.stream.clone());
            self.log.insert(position, RecordedEvent { position, stream, version, data });
        }
        stream.snapshot = append.snapshot;
        Ok(Appended { version: stream.version, position: self.position })
    }

    fn remove(&mut self, remove: Remove) -> Result<(), StoreError> {
        self.check(&remove.stream, remove.expected, &remove.records)?;
        self.change_records(remove.records);
        if let Some(stream) = self.streams.remove(&remove.stream) {
            for position in stream.positions.values() {
                self.log.remove(position);
            }
        }
        Ok(())
    }

    fn summarize(&mut self, summarize: Summarize) -> Result<(), StoreError> {
        let Summarize { stream, expected, first, last, event, records } = summarize;
        self.check(&stream, expected, &records)?;
        let Some(stream) = self.streams.get_mut(&stream).filter(|_| first > 1 && first <= last) else {
            return Err(StoreError::WrongExpectedVersion);
        };
        let mut gone: Vec<(u64, u64)> = stream.positions.range(first..=last).map(|(v, p)| (*v, *p)).collect();
        if gone.len() > MAX_SUMMARIZED {
            return Err(StoreError::TooLarge);
        }
        let Some((_, position)) = gone.pop().filter(|(version, _)| *version == last) else {
            return Err(StoreError::WrongExpectedVersion);
        };
        for (version, position) in gone {
            stream.positions.remove(&version);
            self.log.remove(&position);
        }
        if let Some(recorded) = self.log.get_mut(&position) {
            recorded.data = event;
        }
        self.change_records(records);
        Ok(())
    }

    /// Checks a change decided on `expected`, and returns the stream's version.
    fn check(
        &mut self,
        stream: &StreamId,
        expected: Expected,
        records: &[RecordChange],
    ) -> Result<Option<u64>, StoreError> {
        self.changes = self.changes.saturating_add(1);
        let version = self.streams.get(stream).map(|stream| stream.version);
        if !expected.is_met_by(version) {
            return Err(StoreError::WrongExpectedVersion);
        }
        let exists = |key: &RecordKey| Ok::<_, Infallible>(self.records.contains_key(key));
        match inserts_an_existing_record(records, exists) {
            Ok(false) => Ok(version),
            Ok(true) => Err(StoreError::RecordExists),
        }
    }

    fn change_records(&mut self, changes: Vec<RecordChange>) {
        for change in changes {
            match change {
                RecordChange::Put(key, value) | RecordChange::Insert(key, value) => {
                    self.records.insert(key, value);
                }
                RecordChange::Delete(key) => {
                    self.records.remove(&key);
                }
            }
        }
    }
}

impl Stream {
    fn snapshot(&self) -> Snapshot {
        Snapshot { version: self.version, data: self.snapshot.clone() }
    }
}
