//! The changes that a store can make, and the checks that every store shares: a change that is too large, one decided
//! on another version, and a record that is inserted twice.

use std::collections::HashMap;
use std::fmt;

use super::{RecordKey, StoreError, StreamId};

/// The longest event, snapshot or record value, in bytes. sled writes larger ones to files that it never syncs.
pub const MAX_VALUE: usize = 8 * 1024;
/// The most values of one [`Append`]: its events, its snapshot and its record changes. A store may accept somewhat
/// fewer, if its own values count too.
pub const MAX_APPEND_VALUES: usize = 512;
/// The most bytes of the values and record keys of one [`Append`] together. A store may accept somewhat fewer, as with
/// [`MAX_APPEND_VALUES`].
pub const MAX_APPEND_BYTES: usize = 256 * 1024;
/// The most events that one [`Summarize`] may replace: each may be in another row of the log, and all these rows are
/// written at once.
pub const MAX_SUMMARIZED: usize = 48;
/// The longest summary, in bytes: it is written to a row of the log that may be full.
pub const MAX_SUMMARY: usize = 1024;

/// The version of a stream on which an append was decided. A stream's version is that of its last event, that is, how
/// many were appended to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is no such stream.
    NoStream,
    /// The stream is at exactly this version. `Exact(0)` never matches: a stream without events does not exist.
    Exact(u64),
}

/// One atomic change: events of one stream, its new snapshot, and records.
#[derive(Clone, Debug)]
pub struct Append {
    /// The stream.
    pub stream: StreamId,
    /// The version that the events were decided on.
    pub expected: Expected,
    /// The events, oldest first; each at most [`MAX_VALUE`] bytes. Without events only records change, and the stream's
    /// version stays.
    pub events: Vec<Vec<u8>>,
    /// The fold of the stream including `events`, at most [`MAX_VALUE`] bytes.
    pub snapshot: Vec<u8>,
    /// Record changes made together with the events.
    pub records: Vec<RecordChange>,
}

/// One atomic removal of a whole stream.
#[derive(Clone, Debug)]
pub struct Remove {
    /// The stream.
    pub stream: StreamId,
    /// Its version.
    pub expected: Expected,
    /// Record changes made together with the removal.
    pub records: Vec<RecordChange>,
}

/// One event that replaces several.
#[derive(Clone, Debug)]
pub struct Summarize {
    /// The stream.
    pub stream: StreamId,
    /// The stream's version, which stays.
    pub expected: Expected,
    /// The version of the first replaced event; it may not be the stream's first event.
    pub first: u64,
    /// The version of the last replaced event, which the summary gets.
    pub last: u64,
    /// The summary.
    pub event: Vec<u8>,
    /// Record changes made together with it.
    pub records: Vec<RecordChange>,
}

/// A change to one record, made inside an [`Append`].
#[derive(Clone, PartialEq, Eq)]
pub enum RecordChange {
    /// Writes the record, replacing an existing one.
    Put(RecordKey, Vec<u8>),
    /// Writes the record; the append fails with [`StoreError::RecordExists`] if there is one.
    Insert(RecordKey, Vec<u8>),
    /// Deletes the record, if there is one.
    Delete(RecordKey),
}

impl Expected {
    /// Whether a stream at `version` (`None`: no stream) is as expected.
    #[must_use]
    pub fn is_met_by(self, version: Option<u64>) -> bool {
        match self {
            Self::NoStream => version.is_none(),
            Self::Exact(expected) => version == Some(expected),
        }
    }
}

impl Append {
    /// Refuses a change that is too large for every store.
    pub(super) fn check_size(&self) -> Result<(), StoreError> {
        let values = self.events.iter().chain([&self.snapshot]);
        values.map(Vec::as_slice).try_fold(Size::of_records(&self.records)?, Size::with)?.fits()
    }
}

impl Remove {
    /// As [`Append::check_size`].
    pub(super) fn check_size(&self) -> Result<(), StoreError> {
        Size::of_records(&self.records)?.fits()
    }
}

impl Summarize {
    /// As [`Append::check_size`]. Only the store knows how many events are replaced.
    pub(super) fn check_size(&self) -> Result<(), StoreError> {
        if self.event.len() > MAX_SUMMARY {
            return Err(StoreError::TooLarge);
        }
        Size::of_records(&self.records)?.with(&self.event)?.fits()
    }
}

/// The size of a change: the number of its values, and their bytes together with those of the record keys.
#[derive(Default)]
struct Size {
    values: usize,
    bytes: usize,
}

impl Size {
    fn of_records(records: &[RecordChange]) -> Result<Self, StoreError> {
        records.iter().try_fold(Self::default(), |size, change| {
            let (key, value) = change.key_and_value();
            if key.as_bytes().len() > RecordKey::MAX {
                return Err(StoreError::TooLarge);
            }
            let Self { values, bytes } = size.with(value.unwrap_or_default())?;
            Ok(Self { values, bytes: bytes.saturating_add(key.as_bytes().len()) })
        })
    }

    fn with(self, value: &[u8]) -> Result<Self, StoreError> {
        if value.len() > MAX_VALUE {
            return Err(StoreError::TooLarge);
        }
        Ok(Self { values: self.values.saturating_add(1), bytes: self.bytes.saturating_add(value.len()) })
    }

    fn fits(self) -> Result<(), StoreError> {
        let fits = self.values <= MAX_APPEND_VALUES && self.bytes <= MAX_APPEND_BYTES;
        if fits { Ok(()) } else { Err(StoreError::TooLarge) }
    }
}

impl RecordChange {
    /// The key, and the value that the record will have; `None` if it is deleted.
    #[must_use]
    pub fn key_and_value(&self) -> (&RecordKey, Option<&[u8]>) {
        match self {
            Self::Put(key, value) | Self::Insert(key, value) => (key, Some(value)),
            Self::Delete(key) => (key, None),
        }
    }
}

/// Whether one of `changes` inserts a record that exists at that moment, the changes before it included. `exists` says
/// which records existed before all of them.
pub(super) fn inserts_an_existing_record<E>(
    changes: &[RecordChange],
    mut exists: impl FnMut(&RecordKey) -> Result<bool, E>,
) -> Result<bool, E> {
    let mut after = HashMap::new();
    for change in changes {
        let (key, value) = change.key_and_value();
        if matches!(change, RecordChange::Insert(..)) {
            let exists = match after.get(key) {
                Some(exists) => *exists,
                None => exists(key)?,
            };
            if exists {
                return Ok(true);
            }
        }
        after.insert(key, value.is_some());
    }
    Ok(false)
}

impl fmt::Debug for RecordChange {
    /// Prints no values, because the vault has secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(key, _) => write!(f, "Put({key:?})"),
            Self::Insert(key, _) => write!(f, "Insert({key:?})"),
            Self::Delete(key) => write!(f, "Delete({key:?})"),
        }
    }
}
