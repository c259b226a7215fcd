//! Measures the free space on the disk, and decides whether the disk is nearly full.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::time::now;

/// The disk that the store's folder is on.
#[derive(Debug)]
pub(super) struct Space {
    folder: PathBuf,
    /// The free space, in bytes, below which the disk counts as nearly full...
    floor: u64,
    /// ...but at most one part in this many of the volume; 0: no such limit.
    share: u64,
    /// Since when it has been nearly full.
    since: Mutex<Option<Instant>>,
}

/// The result of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) free: u64,
    pub(super) floor: u64,
    /// How long the disk has been nearly full, as far as it was measured.
    pub(super) nearly_full: Option<Duration>,
}

impl Space {
    pub(super) fn new(folder: &Path, floor: u64, share: u64) -> Self {
        Self { folder: folder.to_owned(), floor, share, since: Mutex::default() }
    }

    /// Measures the disk. If the operating system gives no answer, it counts as full.
    pub(super) fn look(&self) -> Room {
        let disk = rustix::fs::statvfs(&self.folder).ok();
        let bytes = |blocks: fn(&rustix::fs::StatVfs) -> u64| {
            disk.as_ref().map_or(0, |disk| blocks(disk).saturating_mul(disk.f_frsize))
        };
        let free = bytes(|disk| disk.f_bavail);
        let floor = scaled(self.floor, bytes(|disk| disk.f_blocks), self.share);
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if free < floor || disk.is_none() {
            since.get_or_insert_with(now);
        } else {
            *since = None;
        }
        Room { free, floor, nearly_full: since.map(|since| since.elapsed()) }
    }
}

/// The floor on a volume of this size.
fn scaled(floor: u64, volume: u64, share: u64) -> u64 {
    volume.checked_div(share).map_or(floor, |most| floor.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_a_sixteenth_of_a_small_volume() {
        const MIB: u64 = 1 << 20;
        assert_eq!(scaled(256 * MIB, 1 << 40, 16), 256 * MIB);
        assert_eq!(scaled(256 * MIB, 64 * MIB, 16), 4 * MIB);
        assert_eq!(scaled(256 * MIB, 64 * MIB, 0), 256 * MIB);
    }

    #[test]
    fn it_is_told_since_when_the_disk_is_nearly_full() {
        let folder = tempfile::tempdir().unwrap();
        let room = Space::new(folder.path(), 1, 16).look();
        assert!(room.free > 0 && room.nearly_full.is_none(), "{room:?}");
        let full = Space::new(folder.path(), u64::MAX, 0);
        let first = full.look().nearly_full.unwrap();
        assert!(full.look().nearly_full.unwrap() >= first);
        assert!(Space::new(Path::new("/there is no such folder"), 0, 0).look().nearly_full.is_some());
    }
}
