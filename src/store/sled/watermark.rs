//! The mark: the position up to which the log had come, in a file beside it. By it heirloom notices a log whose end is
//! missing, which sled opens without an error.
//!
//! The file has two slots with checksums. It is written after every group and synced once a second. Between two syncs
//! only one slot is written, so the other one is durable and intact even after a power cut.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::disk::{Disk, Synced};

const MAGIC: &[u8; 8] = b"hlmark\0\x01";
/// The distance of the slots, in bytes, so that they never share a page.
const SLOT: u64 = 4096;

/// The contents of the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watermark {
    /// The store's id.
    pub(super) store: [u8; 16],
    /// The position of the log's last entry; 0 if it has none.
    pub(super) position: u64,
    /// The digest of that entry.
    pub(super) digest: [u8; 32],
}

/// The mark's file.
#[derive(Debug)]
pub(super) struct WatermarkFile {
    file: File,
    /// Counts the writes: the higher slot is the newer.
    sequence: u64,
    /// The slot that is written until the next sync.
    slot: u64,
    /// Whether something was written since the last sync.
    pub(super) dirty: bool,
}

impl Watermark {
    /// Reads the newer of the intact slots, and changes nothing.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(newest(&file)?.map(|(.., mark)| mark)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The mark of a log with this last entry, given with the key of its position; `None` for an empty log.
    pub(super) fn of(store: [u8; 16], position: u64, entry: Option<(&[u8], &[u8])>) -> Self {
        let digest = entry.map_or([0; 32], |(key, entry)| digest(key, entry));
        Self { store, position, digest }
    }
}

/// The digest of an entry of the log, and of the key of its position.
pub(super) fn digest(key: &[u8], entry: &[u8]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(key);
    context.update(entry);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

impl WatermarkFile {
    /// Opens the file, or creates it, and reads the newer of the intact slots.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<Watermark>)> {
        let mut open = File::options();
        let file = open.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // At full length from the start, so that a later write can't run out of space.
        if file.metadata()?.len() < SLOT.saturating_mul(2) {
            file.write_all_at(&[0; 8192], 0)?;
        }
        // The newest slot may be from a process that was killed before it synced.
        file.sync_all()?;
        let newest = newest(&file)?;
        let (sequence, slot) = newest.map_or((0, 1), |(sequence, slot, _)| (sequence, slot));
        // Begins with the other slot, so that the newer one stays until the other is synced.
        Ok((Self { file, sequence, slot: other(slot), dirty: false }, newest.map(|(.., mark)| mark)))
    }

    /// Writes the mark without syncing it.
    pub(super) fn write(&mut self, mark: &Watermark) -> io::Result<()> {
        self.sequence = self.sequence.saturating_add(1);
        self.file.write_all_at(&encode(self.sequence, mark), offset(self.slot))?;
        self.dirty = true;
        Ok(())
    }

    /// Syncs what was written, and switches to the other slot.
    pub(super) fn sync(&mut self, disk: &dyn Disk) -> io::Result<()> {
        if self.dirty {
            disk.sync(Synced::Watermark, &self.file)?;
            self.slot = other(self.slot);
            self.dirty = false;
        }
        Ok(())
    }
}

fn other(slot: u64) -> u64 {
    1_u64.saturating_sub(slot)
}

fn offset(slot: u64) -> u64 {
    slot.saturating_mul(SLOT)
}

fn encode(sequence: u64, mark: &Watermark) -> Vec<u8> {
    let sequence = sequence.to_be_bytes();
    let position = mark.position.to_be_bytes();
    let body = [MAGIC, sequence.as_slice(), &mark.store, &position, &mark.digest].concat();
    let sum = crc32fast::hash(&body).to_be_bytes();
    [body.as_slice(), &sum].concat()
}

/// The newer of the intact slots: its sequence, its number, and the mark in it.
fn newest(file: &File) -> io::Result<Option<(u64, u64, Watermark)>> {
    let slots = [read_slot(file, 0)?, read_slot(file, 1)?];
    let whole =
        (0..).zip(slots).filter_map(|(slot, read)| read.map(|(sequence, mark)| (sequence, slot, mark)));
    Ok(whole.max_by_key(|(sequence, ..)| *sequence))
}

/// `None` if the slot is damaged, or the file is too short for it.
fn read_slot(file: &File, slot: u64) -> io::Result<Option<(u64, Watermark)>> {
    let mut bytes = [0; 76];
    match file.read_exact_at(&mut bytes, offset(slot)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(|()| decode(&bytes)),
    }
}

fn decode(bytes: &[u8]) -> Option<(u64, Watermark)> {
    let (body, sum) = bytes.split_last_chunk()?;
    let body = body.strip_prefix(MAGIC).filter(|_| u32::from_be_bytes(*sum) == crc32fast::hash(body))?;
    let (sequence, body) = body.split_first_chunk()?;
    let (store, body) = body.split_first_chunk()?;
    let (position, body) = body.split_first_chunk()?;
    let digest = body.try_into().ok()?;
    let mark = Watermark { store: *store, position: u64::from_be_bytes(*position), digest };
    Some((u64::from_be_bytes(*sequence), mark))
}

#[cfg(test)]
mod tests {
    use super::super::disk::SystemDisk;
    use super::*;
    use crate::frozen::Frozen;

    #[test]
    fn a_slot_of_the_mark_is_written_and_read_as_it_was() {
        let mut frozen = Frozen::read("sled-mark.txt");
        let digest = digest(b"l\0\0\0\0\0\0\0\x08", b"entry");
        let slot = (9, Watermark { store: [1; 16], position: 8, digest });
        let read = |bytes: &[u8]| decode(bytes).ok_or("none");
        frozen.both_ways("slot", &slot, |(sequence, mark)| encode(*sequence, mark), read);
        frozen.finish();
    }

    fn mark(position: u64) -> Watermark {
        Watermark { store: [1; 16], position, digest: [2; 32] }
    }

    #[test]
    fn the_newer_whole_slot_is_read_and_the_other_when_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        let (mut file, none) = WatermarkFile::open(&path).unwrap();
        assert_eq!(none, None);
        file.write(&mark(1)).unwrap();
        file.write(&mark(2)).unwrap();
        file.sync(&SystemDisk).unwrap();
        file.write(&mark(3)).unwrap();
        assert_eq!(WatermarkFile::open(&path).unwrap().1, Some(mark(3)));
        // The second slot holds position 3: a power cut in mid-write leaves the synced first.
        let raw = File::options().write(true).open(&path).unwrap();
        raw.write_all_at(&[9], SLOT + 40).unwrap();
        assert_eq!(WatermarkFile::open(&path).unwrap().1, Some(mark(2)));
        raw.write_all_at(&[9], 40).unwrap();
        assert_eq!(WatermarkFile::open(&path).unwrap().1, None);
    }

    #[test]
    fn the_synced_slot_is_left_alone_until_the_other_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        let (mut file, _) = WatermarkFile::open(&path).unwrap();
        file.write(&mark(1)).unwrap();
        file.sync(&SystemDisk).unwrap();
        for position in 2..9 {
            file.write(&mark(position)).unwrap();
            assert_eq!(read_slot(&file.file, 0).unwrap().unwrap().1, mark(1));
        }
        // Opened again, the newest is spared too.
        let (mut file, newest) = WatermarkFile::open(&path).unwrap();
        assert_eq!(newest, Some(mark(8)));
        file.write(&mark(9)).unwrap();
        assert_eq!(read_slot(&file.file, 1).unwrap().unwrap().1, mark(8));
    }
}
