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
//! How it is kept: nobody writes but who calls into sled ([`Tree`](super::tree::Tree)), as sled's flusher is off. Before and
//! after each row or batch that the writer writes, and before each flush, [`Durable::keep_up`] compares two numbers, and syncs
//! if sled has written into a segment beyond what is durable, beside the sync that ends each group and each step of a purge.
//! What one row makes sled write is far less than a segment. A batch is safe at any size, since sled itself takes nothing of
//! it for written before it has all; so a purge is synced when reads go on.
//!
//! Reading makes sled write, too: it splits and merges pages when it comes across them, whoever it is. But a read holds the
//! read barrier's lock, and a sync there would stop everybody. So readers leave the sync to the writer as long as there is room
//! ([`Durable::keep_within`]): until sled has written into the second half of the segment behind the durable one. That keeps
//! the rule:
//!
//! - Between the writer's flush and the end of its sync sled stands in the first half of a segment (but for groups of more
//!   than half of one), and a reader syncs nothing. The writer begins nothing new before its sync has ended.
//! - While the writer sleeps, only reads make sled write. sled writes a segment out when it is full, or up to a message that
//!   a read wants back. When the first is full, the second half is reached, and the read syncs before it goes on. What it
//!   has made sled put behind that is in memory, and in sled's cache, so that nobody wants it back: sled writes the next head
//!   when the next segment is full, or in the writer's flush.
//! - All syncs are one after another, and who has waited for one looks again whether another is needed. So of many reads that
//!   come to that point one syncs, once for every segment that reads alone have filled, or half of one that a group has.
//!
//! - At a start sled overwrites what it finds free before we can sync anything. After a kill the file may be read whole and
//!   be durable in part only: it is synced before sled opens it (`open`).
//! - sled's snapshot (`snap.*`) is written at a start only, by us. It refers to a log that is durable, as the file was synced
//!   before.
//! - Without the flusher a segment is emptied only while others are written: each page that sled writes whole has it move
//!   another one out of a segment that is half empty.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, Synced};

/// How large sled's segments are, in bytes. sled keeps a leaf of up to 19 entries in one message, and writes messages
/// larger than a quarter of a segment to files of their own, which it never syncs. With segments of 1 MiB the largest
/// values fit nineteen times, also beside the row of a small group.
pub(super) const SEGMENT: usize = 1 << 20;
/// How far reads may have sled write into the segment behind the durable one.
const ROOM: i64 = 1 << 19;

/// sled's file, and how much of what sled has written is durable.
pub(super) struct Durable {
    /// An own descriptor: errors of the disk are told once to every descriptor that was open then.
    file: File,
    disk: Arc<dyn Disk>,
    /// The last durable byte of sled's log.
    last: AtomicI64,
    /// Held during a sync.
    flight: Mutex<()>,
}

impl Durable {
    /// Nothing of the file is known to be durable.
    pub(super) fn new(file: File, disk: Arc<dyn Disk>) -> Self {
        Self { file, disk, last: AtomicI64::new(i64::MIN), flight: Mutex::new(()) }
    }

    /// To be called before sled is asked to write out what was applied.
    pub(super) fn before_flush(&self) -> io::Result<()> {
        self.disk.before_flush()
    }

    /// Makes durable what sled has written; `written` was asked for before.
    pub(super) fn sync(&self, written: i64) -> io::Result<()> {
        self.sync_in(self.flight(), written)
    }

    /// Syncs if sled has written into another segment than the last durable byte is in: for the writer.
    pub(super) fn keep_up(&self, written: i64) -> io::Result<()> {
        self.sync_if(written, |last| segment(written) > segment(last))
    }

    /// Syncs if the writer can't be waited for: for readers.
    pub(super) fn keep_within(&self, written: i64) -> io::Result<()> {
        self.sync_if(written, |last| segment(written.saturating_add(ROOM)) > segment(last).saturating_add(1))
    }

    fn sync_if(&self, written: i64, is_due: impl Fn(i64) -> bool) -> io::Result<()> {
        if !is_due(self.last.load(Ordering::Acquire)) {
            return Ok(());
        }
        let flight = self.flight();
        // Whoever was waited for may have done it.
        if is_due(self.last.load(Ordering::Acquire)) { self.sync_in(flight, written) } else { Ok(()) }
    }

    fn sync_in(&self, _flight: MutexGuard<'_, ()>, written: i64) -> io::Result<()> {
        self.disk.sync(Synced::Log, &self.file)?;
        self.last.fetch_max(written, Ordering::AcqRel);
        Ok(())
    }

    fn flight(&self) -> MutexGuard<'_, ()> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn segment(byte: i64) -> i64 {
    // sled starts at -1, before the first segment.
    byte.div_euclid(i64::try_from(SEGMENT).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;

    const WHOLE: i64 = 2 * ROOM;

    #[derive(Default)]
    struct Counting {
        syncs: AtomicUsize,
        /// Told of each sync, which then lasts until it is told to end.
        held: Option<(mpsc::SyncSender<()>, Mutex<mpsc::Receiver<()>>)>,
    }

    impl Disk for Counting {
        fn sync(&self, _: Synced, _: &File) -> io::Result<()> {
            if let Some((begun, end)) = &self.held {
                begun.send(()).unwrap();
                end.lock().unwrap().recv().unwrap_or_default();
            }
            self.syncs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    fn durable(disk: &Arc<Counting>, last: i64) -> Durable {
        let durable = Durable::new(tempfile::tempfile().unwrap(), Arc::clone(disk) as _);
        durable.last.store(last, Ordering::SeqCst);
        durable
    }

    #[test]
    fn readers_leave_the_sync_to_the_writer_as_long_as_there_is_room() {
        let disk = Arc::default();
        let durable = durable(&disk, WHOLE - 1);
        let syncs = || disk.syncs.load(Ordering::SeqCst);
        for written in [0, WHOLE - 1, WHOLE, WHOLE + ROOM - 1] {
            durable.keep_within(written).unwrap();
            assert_eq!(syncs(), 0, "{written}");
        }
        durable.keep_within(WHOLE + ROOM).unwrap();
        assert_eq!(syncs(), 1, "half of it is written");
        durable.keep_within(2 * WHOLE - 1).unwrap();
        assert_eq!(syncs(), 1, "the same segment");
        durable.keep_within(3 * WHOLE - 1).unwrap();
        assert_eq!(syncs(), 2, "full at once");
        durable.keep_up(3 * WHOLE).unwrap();
        assert_eq!(syncs(), 3, "the writer syncs at once");
    }

    #[test]
    fn who_has_waited_for_a_sync_needs_no_other() {
        let (begun, begins) = mpsc::sync_channel(8);
        let (end, ends) = mpsc::channel();
        let disk = Arc::new(Counting { syncs: AtomicUsize::new(0), held: Some((begun, Mutex::new(ends))) });
        let durable = durable(&disk, WHOLE - 1);
        let comes = std::sync::Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| durable.keep_up(WHOLE).unwrap());
            begins.recv().unwrap();
            threads.spawn(|| {
                comes.wait();
                durable.keep_up(WHOLE).unwrap();
            });
            comes.wait();
            // Time to come to the lock; that it has not is no failure.
            std::thread::yield_now();
            drop(end);
        });
        assert_eq!(disk.syncs.load(Ordering::SeqCst), 1);
    }
}
