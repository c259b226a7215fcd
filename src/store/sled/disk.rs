//! The store's calls to the disk, which tests replace to count, delay or fail them.

use std::fs::File;
use std::io;

/// What is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// The one file in which sled keeps everything; synced once a group.
    Log,
    /// The mark's file; synced at most once a second.
    Watermark,
    /// A folder, after something was created in it.
    Folder,
}

/// The calls that make things durable. [`SystemDisk`] in production.
pub trait Disk: Send + Sync {
    /// Runs before sled is asked to write a group out; an error counts as sled's own.
    ///
    /// # Errors
    /// Only in tests.
    fn before_flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Makes what was written to `file` durable.
    ///
    /// # Errors
    /// The operating system's error; the store ends the run after any.
    fn sync(&self, what: Synced, file: &File) -> io::Result<()> {
        match what {
            Synced::Log | Synced::Watermark => file.sync_data(),
            Synced::Folder => file.sync_all(),
        }
    }
}

/// The operating system's own calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {}
