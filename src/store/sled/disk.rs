//! The disk as the store sees it, and the place where a test counts, holds or fails what the store asks of it.

use std::fs::File;
use std::io;

/// What the store syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// The one file in which sled keeps everything; once a group.
    Log,
    /// The mark, once a second at most.
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
    /// What the operating system says; the store takes any for the end of this run.
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
