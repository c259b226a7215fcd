//! Remembers recent wrong passwords: a client that tries `Basic` and then the body sends the same one twice.

use std::time::Duration;

use super::counter::Key;
use crate::clock::Timestamp;

/// A table where a newer entry replaces an older one. A lost entry has one effect: its repeat counts as a failure.
pub(super) struct Repeats {
    entries: Vec<Entry>,
    window: Duration,
}

const ENTRIES: usize = 4096;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The hash of account, network and password together.
    key: Key,
    at: Timestamp,
    repeated: bool,
}

impl Repeats {
    pub(super) fn new(window: Duration) -> Self {
        Self { entries: vec![Entry::default(); if window.is_zero() { 0 } else { ENTRIES }], window }
    }

    /// Whether this is the first repeat of a wrong password within the window. Only the first repeat counts nothing.
    pub(super) fn take(&mut self, key: Key, now: Timestamp) -> bool {
        let window = self.window;
        let Some(entry) = self.entry(key) else { return false };
        let free = entry.is_fresh(key, now, window) && !entry.repeated;
        if free {
            entry.repeated = true;
        }
        free
    }

    /// Records a wrong password.
    pub(super) fn remember(&mut self, key: Key, now: Timestamp) {
        let window = self.window;
        let Some(entry) = self.entry(key) else { return };
        if !entry.is_fresh(key, now, window) {
            *entry = Entry { key, at: now, repeated: false };
        }
    }

    fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        let at = key.place(self.entries.len());
        self.entries.get_mut(at)
    }
}

impl Entry {
    fn is_fresh(&self, key: Key, now: Timestamp, window: Duration) -> bool {
        self.key == key && now.since(self.at) <= window
    }
}
