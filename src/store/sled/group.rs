//! A group: the changes that are decided together, applied atomically and synced once.

use std::collections::HashMap;

use sled::IVec;

use super::super::change::inserts_an_existing_record;
use super::super::{
    Append, Appended, MAX_APPEND_BYTES, MAX_APPEND_VALUES, MAX_SUMMARIZED, MAX_SUMMARY, MAX_VALUE,
    RecordChange, RecordKey, Remove, StoreError, StreamId, Summarize,
};
use super::fault::Fault;
use super::last_row::LastRow;
use super::layout::{self, CHUNK, Damaged, Head, chunk_key, log_key, record_key, snapshot_key};
use super::log::{Event, ROOM, SEAL};
use super::rows::Rows;
use super::tree::Tree;

/// The largest size of a group. Larger ones made sled use gigabytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// Rows a group writes or deletes.
    pub keys: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self { keys: MAX_APPEND_VALUES, bytes: MAX_APPEND_BYTES }
    }
}

/// One change that waits for its group.
#[derive(Debug)]
pub(super) enum GroupEntry {
    Append(Append),
    Remove(Remove),
    Summarize(Summarize),
}

/// The most that a change can add to a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) keys: usize,
    pub(super) bytes: usize,
}

/// A group that is being assembled. It reads only durable state, since the previous group is synced.
pub(super) struct Group<'a> {
    pub(super) tree: &'a Tree,
    /// The rows it changes.
    pub(super) rows: Rows,
    /// The last position given.
    pub(super) position: u64,
    /// The streams that it removes: their births, and the positions that are in no chunk.
    pub(super) removed: Vec<(u64, Vec<u64>)>,
    /// Whether it removes events from the log.
    pub(super) takes_away: bool,
    /// The heads of streams after the group's changes so far.
    pub(super) heads: HashMap<StreamId, Option<Head>>,
    records: HashMap<RecordKey, bool>,
    /// The row at the end of the log.
    pub(super) last_row: LastRow,
    /// The newest entry of the log that the group has written.
    newest: Option<Vec<u8>>,
    /// Whether a change without an event followed the newest entry of the log.
    unsealed: bool,
}

impl GroupEntry {
    pub(super) fn stream(&self) -> &StreamId {
        match self {
            Self::Append(append) => &append.stream,
            Self::Remove(remove) => &remove.stream,
            Self::Summarize(summarize) => &summarize.stream,
        }
    }

    /// The most that it can add to a group; [`StoreError::TooLarge`] if it, or a part of it, is too large for every
    /// store.
    pub(super) fn cost(&self) -> Result<Cost, StoreError> {
        let (rows, records) = match self {
            // The chunks that its events may fill.
            Self::Append(append) => {
                append.check_size()?;
                (append.events.len().div_ceil(16), &append.records)
            }
            // The head and the purge.
            Self::Remove(remove) => {
                remove.check_size()?;
                (2, &remove.records)
            }
            // The head, and the chunks at the two ends and between them.
            Self::Summarize(summarize) => {
                summarize.check_size()?;
                (most_taken_away(summarize).div_ceil(16).saturating_add(3), &summarize.records)
            }
        };
        let mut cost = Cost { keys: rows, bytes: rows.saturating_mul(256) };
        match self {
            Self::Append(append) => {
                append.events.iter().for_each(|event| cost.row(104, event.len()));
                cost.row(224, append.snapshot.len());
            }
            Self::Summarize(summarize) => {
                (0..most_taken_away(summarize)).for_each(|_| cost.row(ROOM.saturating_add(16), 0));
                cost.row(224, MAX_SUMMARY.saturating_add(MAX_VALUE));
            }
            Self::Remove(_) => {}
        }
        for (key, value) in records.iter().map(RecordChange::key_and_value) {
            cost.row(key.as_bytes().len().saturating_add(8), value.map_or(0, <[u8]>::len));
        }
        Ok(cost)
    }
}

impl Cost {
    /// Adds a row.
    fn row(&mut self, overhead: usize, len: usize) {
        self.keys = self.keys.saturating_add(1);
        self.bytes = self.bytes.saturating_add(overhead).saturating_add(len);
    }

    /// Whether a change of this cost still fits a group that has `keys` rows and `bytes` bytes. Two rows are reserved
    /// for the log's last row and a seal.
    pub(super) fn fits(self, (keys, bytes): (usize, usize), limits: GroupLimits) -> bool {
        let keys = keys.saturating_add(self.keys).saturating_add(2);
        keys <= limits.keys && bytes.saturating_add(self.bytes) <= limits.bytes
    }
}

impl<'a> Group<'a> {
    /// An empty group after `position`, the log's end; `last_row` is the row that goes on.
    pub(super) fn new(tree: &'a Tree, position: u64, last_row: LastRow) -> Self {
        Self {
            tree,
            rows: Rows::new(),
            position,
            removed: Vec::new(),
            takes_away: false,
            heads: HashMap::new(),
            records: HashMap::new(),
            last_row,
            newest: None,
            unsealed: false,
        }
    }

    /// Decides a change against the state after the previous changes of the group. A refused change leaves the group
    /// unchanged.
    pub(super) fn decide(&mut self, change: GroupEntry) -> Result<Result<Appended, StoreError>, Fault> {
        let head = self.head(change.stream())?;
        let (expected, records) = match &change {
            GroupEntry::Append(append) => (append.expected, &append.records),
            GroupEntry::Remove(remove) => (remove.expected, &remove.records),
            GroupEntry::Summarize(summarize) => (summarize.expected, &summarize.records),
        };
        if !expected.is_met_by(head.as_ref().map(|head| head.version)) {
            return Ok(Err(StoreError::WrongExpectedVersion));
        }
        if inserts_an_existing_record(records, |key| self.record_exists(key))? {
            return Ok(Err(StoreError::RecordExists));
        }
        let summary = match (&change, &head) {
            (GroupEntry::Summarize(summarize), Some(head)) => match self.plan(head, summarize)? {
                Ok(summary) => Some(summary),
                Err(refused) => return Ok(Err(refused)),
            },
            (GroupEntry::Summarize(_), None) => return Ok(Err(StoreError::WrongExpectedVersion)),
            (GroupEntry::Append(_) | GroupEntry::Remove(_), _) => None,
        };
        self.records(records);
        match change {
            GroupEntry::Append(append) if append.events.is_empty() => {
                self.unsealed = true;
                let version = head.map_or(0, |head| head.version);
                Ok(Ok(Appended { version, position: 0 }))
            }
            GroupEntry::Append(append) => Ok(Ok(self.append(head, append))),
            GroupEntry::Remove(remove) => {
                if let Some(head) = head {
                    self.remove(remove.stream, head);
                }
                self.unsealed = true;
                Ok(Ok(Appended { version: 0, position: 0 }))
            }
            GroupEntry::Summarize(summarize) => {
                let version = head.as_ref().map_or(0, |head| head.version);
                if let (Some(head), Some(summary)) = (head, summary) {
                    self.summarize(summarize, head, &summary)?;
                }
                self.unsealed = true;
                Ok(Ok(Appended { version, position: 0 }))
            }
        }
    }

    /// Completes the group, so that its last position is that of its last change.
    pub(super) fn seal(&mut self) {
        if self.unsealed {
            self.room(SEAL.len());
            self.log(SEAL.to_vec());
        }
        self.put_last_row();
    }

    /// The newest log entry of the group: the key of its position, and its bytes.
    pub(super) fn newest(&self) -> Option<([u8; 9], &[u8])> {
        self.newest.as_deref().map(|entry| (log_key(self.position), entry))
    }

    fn append(&mut self, head: Option<Head>, append: Append) -> Appended {
        let mut head = head.unwrap_or(Head { birth: 0, version: 0, tail: Vec::new(), snapshot: Vec::new() });
        for data in append.events {
            let position = self.room(Event::entry_len(&append.stream, &data));
            if head.version == 0 {
                head.birth = position;
            }
            head.version = head.version.saturating_add(1);
            head.tail.push(position);
            let stream = append.stream.as_bytes();
            let event = Event { birth: head.birth, version: head.version, first: None, stream, data: &data };
            self.log(event.entry());
            if head.version.is_multiple_of(CHUNK) {
                let number = head.version.checked_div(CHUNK).unwrap_or_default();
                let key = chunk_key(head.birth, number);
                let value = layout::positions_value(&key, &std::mem::take(&mut head.tail));
                self.put(key, value);
            }
        }
        self.unsealed = false;
        head.snapshot = append.snapshot;
        let key = snapshot_key(&append.stream);
        let value = head.value(&key);
        self.put(key, value);
        let appended = Appended { version: head.version, position: self.position };
        self.heads.insert(append.stream, Some(head));
        appended
    }

    /// Removes the stream at once. Its events stay in the tree until they are purged, but no reader sees them.
    fn remove(&mut self, stream: StreamId, head: Head) {
        self.takes_away = true;
        self.delete(snapshot_key(&stream));
        let key = layout::purge_key(head.birth);
        let value = layout::positions_value(&key, &head.tail);
        self.put(key.to_vec(), value);
        self.removed.push((head.birth, head.tail));
        self.heads.insert(stream, None);
    }

    fn head(&self, stream: &StreamId) -> Result<Option<Head>, Fault> {
        match self.heads.get(stream) {
            Some(head) => Ok(head.clone()),
            None => read_head(self.tree, &snapshot_key(stream)),
        }
    }

    fn record_exists(&self, key: &RecordKey) -> Result<bool, Fault> {
        match self.records.get(key) {
            Some(exists) => Ok(*exists),
            None => Ok(self.tree.get(&record_key(key))?.is_some()),
        }
    }

    fn records(&mut self, changes: &[RecordChange]) {
        for (key, value) in changes.iter().map(RecordChange::key_and_value) {
            let row = record_key(key);
            match value {
                Some(data) => {
                    let value = layout::value(&row, data);
                    self.put(row, value);
                }
                None => self.delete(row),
            }
            self.records.insert(key.clone(), value.is_some());
        }
    }

    /// Makes room for an entry at the end of the log, and returns its position.
    fn room(&mut self, len: usize) -> u64 {
        if !self.last_row.fits(len) {
            if self.last_row.has_events() {
                self.put_last_row();
            } else {
                // A row with nothing but seals is not needed any more.
                self.delete(self.last_row.key().to_vec());
            }
            self.last_row = LastRow::behind(self.position);
        }
        self.last_row.next()
    }

    /// Writes an entry into the room made for it.
    fn log(&mut self, entry: Vec<u8>) {
        self.position = self.last_row.next();
        self.last_row.push(&entry);
        self.newest = Some(entry);
    }

    fn put_last_row(&mut self) {
        if let Some(value) = self.last_row.change() {
            self.put(self.last_row.key().to_vec(), value);
        }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: IVec) {
        self.rows.insert(key, Some(value));
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.rows.insert(key, None);
    }
}

/// The head of a stream as stored in the tree, under this key.
pub(super) fn read_head(tree: &Tree, key: &[u8]) -> Result<Option<Head>, Fault> {
    read(tree, key, Head::parse)
}

/// The version and snapshot of a stream as stored in the tree, under this key.
pub(super) fn read_snapshot(tree: &Tree, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, Fault> {
    read(tree, key, Head::parse_snapshot)
}

fn read<T>(
    tree: &Tree,
    key: &[u8],
    parse: impl Fn(&[u8], &[u8]) -> Result<T, Damaged>,
) -> Result<Option<T>, Fault> {
    let Some(value) = tree.get(key)? else { return Ok(None) };
    let what = format_args!("the snapshot of stream {:?}", layout::snapshot_stream(key));
    parse(key, &value).map(Some).map_err(Fault::row(what))
}

/// The most events that a summary can replace.
fn most_taken_away(summarize: &Summarize) -> usize {
    let versions = summarize.last.saturating_sub(summarize.first).saturating_add(1);
    usize::try_from(versions).map_or(MAX_SUMMARIZED, |versions| versions.min(MAX_SUMMARIZED))
}
