//! Writes what sled would find out by itself when it opens a file, after the file was read and found intact. So no
//! error while sled reads can make it treat a part of the log as empty.
//!
//! - `conf`: sled's settings, which are always the same.
//! - `snap.…`: where each page is, up to the end of the log. Otherwise sled would work it out from an older snapshot or
//!   the log. With a snapshot of the log's end, sled reads none of the log when it opens it. An existing snapshot is
//!   replaced.
//! - In `db`: segments after the end of the log are zeroed, and the segment in which it ends is closed, so that the log
//!   goes on in a new one.
//!
//! Each step is durable before the next one, and after each the folder can still be opened.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::disk::{Disk, Synced};
use super::fault::Fault;
use super::recovery::{Page, Place, Recovery, Segment};
use super::segments::{MESSAGE_HEADER, SEGMENT, SEGMENT_LSN, cap, push_varint, varint};
use crate::files::create_unfinished;

/// What sled's settings say: the length of a segment, no compression, and the version of the format.
const SETTINGS: &[u8] = b"segment_size: 1048576\nuse_compression: false\nversion: 0.34\n";
/// The file of the settings.
pub(super) const CONF: &str = "conf";

/// sled's folder, and what the recovery found in it.
pub(super) struct Preparation<'a> {
    pub(super) folder: &'a Path,
    pub(super) file: &'a File,
    pub(super) disk: &'a dyn Disk,
    pub(super) recovery: &'a Recovery,
}

/// The contents of one of sled's snapshots.
pub(super) struct Snapshot {
    /// The LSN up to which it covers the log.
    pub(super) lsn: u64,
    /// The LSN of each page's newest part.
    pages: Vec<u64>,
}

impl Preparation<'_> {
    /// Writes all files.
    pub(super) fn write(&self) -> io::Result<()> {
        write_settings(self.folder, self.disk)?;
        let Some(tip) = self.recovery.tip else { return Ok(()) };
        let Some(lsn) = self.close(tip)? else { return Ok(()) };
        let name = format!("snap.{lsn:016X}");
        let there = snapshots(self.folder)?;
        for path in &there {
            if !fs::read(path).is_ok_and(|bytes| is_whole(&bytes)) {
                tracing::warn!(store.file = %path.display(), "a file of sled's was damaged: made again from the log");
            }
        }
        write_whole(self.folder, &name, &snapshot(&self.recovery.pages, lsn), self.disk)?;
        for other in there.into_iter().filter(|path| !path.ends_with(&name)) {
            fs::remove_file(other)?;
        }
        self.disk.sync(Synced::Folder, &File::open(self.folder)?)
    }

    /// Closes the log at its end, and returns the LSN at which it goes on. The segment before that stays, with a part
    /// of a page in it: if it were missing, sled would take the log to end before it.
    fn close(&self, tip: Segment) -> io::Result<Option<u64>> {
        let mut empty = self.recovery.torn.clone();
        let is_used = self.recovery.is_used(tip.offset);
        if !is_used {
            let before = tip.lsn.checked_sub(SEGMENT_LSN).and_then(|lsn| self.recovery.offset(lsn));
            if !before.is_some_and(|before| self.recovery.is_used(before)) {
                return Ok(None);
            }
            empty.push(tip.offset);
        }
        for offset in &empty {
            self.file.write_all_at(&vec![0; SEGMENT], *offset)?;
        }
        if !empty.is_empty() {
            self.disk.sync(Synced::Log, self.file)?;
        }
        if !is_used {
            return Ok(Some(tip.lsn));
        }
        let at = self.recovery.end.saturating_sub(tip.lsn);
        let room = usize::try_from(at).ok().filter(|at| *at <= SEGMENT.saturating_sub(MESSAGE_HEADER));
        if let Some(room) = room.filter(|_| !self.recovery.capped) {
            self.file.write_all_at(&cap(tip.lsn, room), tip.offset.saturating_add(at))?;
            self.disk.sync(Synced::Log, self.file)?;
        }
        Ok(Some(tip.lsn.saturating_add(SEGMENT_LSN)))
    }
}

/// Whether a snapshot is intact.
pub(super) fn is_whole(snapshot: &[u8]) -> bool {
    Snapshot::parse(snapshot).is_some()
}

/// The snapshots in sled's folder.
pub(super) fn snapshots(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"snap.") {
            snapshots.push(entry.path());
        }
    }
    Ok(snapshots)
}

impl Snapshot {
    /// The newest intact snapshot in sled's folder. One that is damaged or can't be read is made again.
    pub(super) fn newest(folder: &Path) -> Option<Self> {
        let there = snapshots(folder).unwrap_or_default();
        let whole = there.into_iter().filter_map(|path| Self::parse(&fs::read(path).ok()?));
        whole.max_by_key(|snapshot| snapshot.lsn)
    }

    /// Compares the recovery with an older snapshot: no page can be older now.
    pub(super) fn check(&self, recovery: &Recovery) -> Result<(), Fault> {
        for (number, lsn) in self.pages.iter().enumerate().filter(|(_, lsn)| **lsn < recovery.end) {
            let newest = recovery.pages.get(number).and_then(Page::newest);
            if newest.is_none_or(|newest| newest < *lsn) {
                return Err(Fault::Damaged(format!(
                    "the newest part of page {number} of its file is missing"
                )));
            }
        }
        Ok(())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (bytes, sum) = bytes.split_last_chunk()?;
        let (mut bytes, len) = bytes.split_last_chunk()?;
        if u32::from_le_bytes(*sum) != crc32fast::hash(bytes)
            || u64::from_le_bytes(*len) != bytes.len() as u64
        {
            return None;
        }
        let rest = &mut bytes;
        let lsn = number(rest)?.checked_sub(1)?;
        let _segment = varint(rest)?;
        let mut pages = Vec::new();
        while let Some(parts) = rest.split_off_first().copied() {
            let mut newest = 0;
            for _ in 0..parts.max(1) {
                newest = number(rest)?;
                let is_elsewhere = *rest.split_off_first()? != 0;
                let _offset = varint(rest)?;
                if is_elsewhere {
                    number(rest)?;
                }
                if parts > 0 {
                    varint(rest)?;
                }
            }
            pages.push(newest);
        }
        Some(Self { lsn, pages })
    }
}

/// A snapshot of where each page is, if the log goes on in a new segment at `lsn`.
fn snapshot(pages: &[Page], lsn: u64) -> Vec<u8> {
    let mut bytes = lsn.saturating_add(1).to_le_bytes().to_vec();
    // No segment.
    push_varint(&mut bytes, 0);
    for page in pages {
        match page {
            // A file that was found intact has none.
            Page::Missing => {}
            Page::Free(place) => {
                bytes.push(0);
                push_place(&mut bytes, *place);
            }
            Page::Present { base, links } => {
                bytes.push(u8::try_from(links.len()).unwrap_or(u8::MAX).saturating_add(1));
                for place in [base].into_iter().chain(links) {
                    push_place(&mut bytes, *place);
                    push_varint(&mut bytes, place.size.into());
                }
            }
        }
    }
    let (sum, len) = (crc32fast::hash(&bytes), bytes.len() as u64);
    bytes.extend(len.to_le_bytes());
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn push_place(bytes: &mut Vec<u8>, place: Place) {
    bytes.extend(place.lsn.to_le_bytes());
    // Not in a file of its own.
    bytes.push(0);
    push_varint(bytes, place.offset);
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.split_off(..8)?.first_chunk()?))
}

/// Writes sled's settings, unless they are there already.
pub(super) fn write_settings(folder: &Path, disk: &dyn Disk) -> io::Result<()> {
    let whole = settings();
    match fs::read(folder.join(CONF)) {
        Ok(there) if there == whole => return Ok(()),
        Ok(_) => {
            let path = folder.join(CONF);
            tracing::warn!(store.file = %path.display(), "a file of sled's was damaged: made again");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    write_whole(folder, CONF, &whole, disk)
}

/// sled's settings as a file.
pub(super) fn settings() -> Vec<u8> {
    [SETTINGS, &crc32fast::hash(SETTINGS).to_le_bytes()].concat()
}

/// Writes a file atomically.
fn write_whole(folder: &Path, name: &str, bytes: &[u8], disk: &dyn Disk) -> io::Result<()> {
    let unfinished = folder.join("unfinished");
    let mut file = create_unfinished(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, folder.join(name))?;
    disk.sync(Synced::Folder, &File::open(folder)?)
}
