//! The result of verifying a store by reading all of it.

use std::path::PathBuf;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Why the store would not open; `None` if it would.
    pub refused: Option<String>,
    /// Rows whose checksum is wrong. The store opens, and stops when it reads one of them.
    pub damaged_rows: Vec<String>,
    /// Damaged files beside the log, which the next start makes again.
    pub remade: Vec<PathBuf>,
    /// The position at which the log ends.
    pub position: u64,
    /// The position at which the log should end by its mark; `None` if the mark can't be read.
    pub mark: Option<u64>,
    /// How many events there are.
    pub events: u64,
    /// How many streams there are, by category.
    pub streams: Vec<(u8, u64)>,
    /// How many records there are.
    pub records: u64,
    /// How many segments of the embedded store's file were read.
    pub segments: u64,
    /// How many messages those segments have.
    pub messages: u64,
}

impl Verification {
    /// Whether it would open, and all of it can be read.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.refused.is_none() && self.damaged_rows.is_empty()
    }
}
