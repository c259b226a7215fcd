//! What of sled's file is durable, and when it must be synced so that sled can't write over what is still needed.
//!
//! sled appends to segments of [`SEGMENT`] bytes. A segment whose pages have all been written again elsewhere is free: it
//! is overwritten, or cut off at the file's end. sled frees it only when it takes the new copies to be on disk. But it takes
//! for that what it has *written*: behind each write it calls `sync_file_range`, which neither writes the file's length and
//! extents nor empties the disk's cache. After a power cut the new copies are missing, and the old ones are overwritten. Nor does
//! sled's recovery notice a segment that is missing further back: it goes on with the next one, and then a purge was over for
//! good while the rows that it had deleted were there again.
//!
//! So there is a rule, and sled's own order makes of it what is needed:
//!
//! > **No segment is begun behind one that has no durable byte yet.**
//!
//! - The head of a segment says up to where sled had written when it was begun. sled's recovery believes it: it looks for a
//!   gap only from there on. With the rule there is none before it, since all that we sync is synced from the beginning.
//! - A segment whose last new copy lies in segment *r* is freed when a head was written that says that *r* + 1 was begun;
//!   by the rule something of *r* + 1 was durable then, hence all of *r*.
//!
//! How it is kept: nobody writes but who calls into sled ([`Tree`](super::tree::Tree)), as sled's flusher is off. After
//! each row that is written or read (sled splits and merges pages when it comes across them, whoever it is), and before each
//! flush, [`Durable::keep_up`] compares two numbers, and syncs if sled has written into a segment beyond what is durable: that
//! is once for every [`SEGMENT`] bytes, beside the sync that ends each group and each step of a purge. What one row makes sled
//! write is far less than a segment. A batch is safe at any size, since sled itself takes nothing of it for written
//! before it has all.
//!
//! - At a start sled overwrites what it finds free before we can sync anything. After a kill the file may be read whole and
//!   be durable in part only: it is synced before sled opens it (`open`).
//! - sled's snapshot (`snap.*`) is written at a start only, by us. It refers to a log that is durable, as the file was synced
//!   before.
//! - Without the flusher a segment is emptied only while others are written: each page that sled writes whole has it move
//!   another one out of a segment that is half empty.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::disk::{Disk, Synced};

/// How large sled's segments are, in bytes. sled keeps a leaf of up to 19 entries in one message, and writes messages
/// larger than a quarter of a segment to files of their own, which it never syncs. With segments of 1 MiB the largest
/// values fit nineteen times, also beside the row of a small group.
pub(super) const SEGMENT: usize = 1 << 20;

/// sled's file, and how much of what sled has written is durable.
pub(super) struct Durable {
    /// An own descriptor: errors of the disk are told once to every descriptor that was open then.
    file: File,
    disk: Arc<dyn Disk>,
    /// The last durable byte of sled's log.
    last: AtomicI64,
}

impl Durable {
    /// Nothing of the file is known to be durable.
    pub(super) fn new(file: File, disk: Arc<dyn Disk>) -> Self {
        Self { file, disk, last: AtomicI64::new(i64::MIN) }
    }

    /// To be called before sled is asked to write out what was applied.
    pub(super) fn before_flush(&self) -> io::Result<()> {
        self.disk.before_flush()
    }

    /// Makes durable what sled has written; `written` was asked for before.
    pub(super) fn sync(&self, written: i64) -> io::Result<()> {
        self.disk.sync(Synced::Log, &self.file)?;
        self.last.fetch_max(written, Ordering::AcqRel);
        Ok(())
    }

    /// Syncs if sled has written into another segment than the last durable byte is in.
    pub(super) fn keep_up(&self, written: i64) -> io::Result<()> {
        if segment(written) <= segment(self.last.load(Ordering::Acquire)) {
            return Ok(());
        }
        self.sync(written)
    }
}

fn segment(byte: i64) -> i64 {
    // sled starts at -1, before the first segment.
    byte.div_euclid(i64::try_from(SEGMENT).unwrap_or(i64::MAX))
}
