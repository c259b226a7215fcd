//! What was found out about a store by reading all of it.

use std::path::PathBuf;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Why the store would not open; `None` if it would.
    pub refused: Option<String>,
    /// Rows that are not what was written there; the store opens, and stops when it meets one.
    pub damaged_rows: Vec<String>,
    /// Files beside the log that are not what was written there; the next start makes them again.
    pub remade: Vec<PathBuf>,
    /// The position at which the log ends.
    pub position: u64,
    /// The position at which the log ends by the mark beside it; `None` if there is none that can be read.
    pub mark: Option<u64>,
    /// How many events there are.
    pub events: u64,
    /// How many streams there are: their categories, and their numbers.
    pub streams: Vec<(u8, u64)>,
    /// How many records there are.
    pub records: u64,
    /// How many segments of the embedded store's file were read.
    pub segments: u64,
    /// How many messages were read in them.
    pub messages: u64,
}

impl Verification {
    /// Whether it would open, and all of it can be read.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.refused.is_none() && self.damaged_rows.is_empty()
    }
}
