//! A disk that counts, delays and fails the store's syncs.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use heirloom::store::sled::Disk;
use heirloom::store::sled::disk::Synced;

#[derive(Default)]
pub struct TestDisk {
    pub log_syncs: AtomicU64,
    pub mark_syncs: AtomicU64,
    /// The folders that were synced.
    pub folders: Mutex<Vec<PathBuf>>,
    pub fail_flush: AtomicBool,
    pub fail_log: AtomicBool,
    pub fail_mark: AtomicBool,
    /// Whether failures are for want of room (ENOSPC).
    pub no_room: AtomicBool,
    held: Mutex<bool>,
    changed: Condvar,
    /// How many syncs of the log are waiting now.
    pub waiting: AtomicU64,
}

impl TestDisk {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on, syncs of the log wait until they are released.
    pub fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    pub fn release(&self) {
        *self.held.lock().unwrap() = false;
        self.changed.notify_all();
    }

    fn broken(&self, fails: &AtomicBool) -> io::Result<()> {
        // 28 is ENOSPC, 5 is EIO.
        let error = if self.no_room.load(SeqCst) { 28 } else { 5 };
        if fails.load(SeqCst) { Err(io::Error::from_raw_os_error(error)) } else { Ok(()) }
    }
}

impl Disk for TestDisk {
    fn before_flush(&self) -> io::Result<()> {
        self.broken(&self.fail_flush)
    }

    fn sync(&self, what: Synced, file: &File) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        match what {
            Synced::Log => {
                self.waiting.fetch_add(1, SeqCst);
                let held = self.held.lock().unwrap();
                drop(self.changed.wait_while(held, |held| *held).unwrap());
                self.waiting.fetch_sub(1, SeqCst);
                self.broken(&self.fail_log)?;
                self.log_syncs.fetch_add(1, SeqCst);
                file.sync_data()
            }
            Synced::Watermark => {
                self.broken(&self.fail_mark)?;
                self.mark_syncs.fetch_add(1, SeqCst);
                file.sync_data()
            }
            Synced::Folder => {
                let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
                self.folders.lock().unwrap().push(path);
                file.sync_all()
            }
        }
    }
}
