//! Verifies a store, or a copy of one, without changing it: whether it would open, and whether every checksum is right.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};

use super::check::{Check, Found};
use super::fault::Fault;
use super::layout::{self, Damaged, Head, META, Meta};
use super::log;
use super::open::{LOCK, MARK, SLED};
use super::open_error::OpenError;
use super::pages::Pages;
use super::preparation::{CONF, is_whole, settings, snapshots};
use super::rows::ReadRows as _;
use super::segments::SledFile;
use super::tree::FILE;
use super::watermark::Watermark;
use crate::store::Verification;

/// Reads the whole store in `folder`, and writes nothing; it does not even take a lock.
///
/// # Errors
/// [`OpenError::InUse`] while a server has the folder, because the file changes while it is read. [`OpenError::Io`] if
/// there is no store, or it can't be read.
pub fn verify(folder: &Path) -> Result<Verification, OpenError> {
    unused(folder)?;
    let (sled, mark) = (folder.join(SLED), folder.join(MARK));
    let marked = Watermark::read(&mark).map_err(|source| OpenError::Io { path: mark, source })?;
    let path = sled.join(FILE);
    let file = File::open(&path).map_err(|source| OpenError::Io { path: path.clone(), source })?;
    let state = |file: &File| file.metadata().and_then(|file| Ok((file.len(), file.modified()?)));
    let before = state(&file);
    let check = Check { folder, sled: &sled, marked, accept_missing_mark: false, accept_restored: false };
    let mut verification = Verification {
        mark: marked.map(|mark| mark.position),
        remade: remade(&sled),
        ..Verification::default()
    };
    let found = check.run(&file).or_else(|error| {
        verification.refused = Some(error.to_string());
        // The contents are reported even if the mark does not fit.
        Check { accept_missing_mark: true, accept_restored: true, ..check }.run(&file)
    });
    if let Ok(Some(found)) = found {
        verification.count(&file, &found).map_err(|fault| OpenError::of(folder, &fault))?;
    }
    unused(folder)?;
    if before.ok() != state(&file).ok() {
        let holder = "a process that writes to it".to_owned();
        return Err(OpenError::InUse { folder: folder.to_owned(), holder });
    }
    Ok(verification)
}

/// Checks that no server has the folder at the moment. A copy need not have a lock file.
fn unused(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(LOCK);
    let mut lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(OpenError::Io { path, source }),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The pid only helps the operator; without it the answer is the same.
            drop(lock.read_to_string(&mut holder));
            let holder = format!("process {}", holder.trim());
            Err(OpenError::InUse { folder: folder.to_owned(), holder })
        }
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

/// Damaged files beside the log, which the next start makes again.
fn remade(sled: &Path) -> Vec<PathBuf> {
    let is_damaged = |path: &PathBuf| {
        let bytes = fs::read(path);
        let is_conf = path.ends_with(CONF);
        !bytes.is_ok_and(|bytes| if is_conf { bytes == settings() } else { is_whole(&bytes) })
    };
    let there = snapshots(sled).unwrap_or_default().into_iter().chain([sled.join(CONF)]);
    there.filter(is_damaged).collect()
}

impl Verification {
    /// Reads every row.
    fn count(&mut self, file: &File, found: &Found) -> Result<(), Fault> {
        (self.position, self.messages) = (found.log.position, found.recovery.messages);
        let sled_file = SledFile::new(file)?;
        self.segments = u64::try_from(sled_file.offsets().count()).unwrap_or(u64::MAX);
        let pages = Pages::new(sled_file, &found.recovery)?;
        pages.visit(Bound::Unbounded, b"", |key, value| {
            if self.row(key, value).is_err() {
                self.damaged_rows.push(key.escape_ascii().to_string());
            }
            ControlFlow::Continue(())
        })
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), Damaged> {
        match key.first() {
            Some(b'l') => {
                let events = log::entries(key, value)?.iter().filter(|entry| entry.event.is_some()).count();
                self.events = self.events.saturating_add(u64::try_from(events).unwrap_or(u64::MAX));
            }
            Some(b's') => {
                Head::parse(key, value)?;
                let category = layout::snapshot_stream(key).ok_or(Damaged)?.category();
                match self.streams.iter_mut().find(|(there, _)| *there == category) {
                    Some((_, count)) => *count = count.saturating_add(1),
                    None => self.streams.push((category, 1)),
                }
            }
            Some(b'r') => {
                layout::body(key, value)?;
                self.records = self.records.saturating_add(1);
            }
            _ if key == META => drop(Meta::parse(value)?),
            _ => drop(layout::body(key, value)?),
        }
        Ok(())
    }
}
