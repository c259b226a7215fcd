//! Keys in a database, sealed: the same names and contents as in the keys folder. Everything is read at once and changed at
//! once, so several servers never see half of a change, and of two changes at the same time one is decided again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::error::KeyError;
use super::key_files::{KeyFiles, LockedFiles};
use super::name::COMPROMISED;
use super::sealing::{KeyEncryptionKey, KeyEncryptionKeys, NotOpened, Owner, id_text};
use crate::random::Random;
use crate::store::{KeyChanges, KeyRows, KeyTable};

/// A table of sealed keys, and what opens them.
#[derive(Clone, Debug)]
pub struct SealedKeys {
    table: Arc<dyn KeyTable>,
    keys: Arc<KeyEncryptionKeys>,
    seen: Arc<Mutex<Option<Seen>>>,
}

/// The newest state of the table that was seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    store: [u8; 16],
    version: u64,
}

/// The keys at a version.
pub(super) struct Snapshot<'a> {
    of: &'a SealedKeys,
    rows: KeyRows,
}

/// The keys at a version, with changes that are not made yet.
pub(super) struct Draft<'a> {
    snapshot: Snapshot<'a>,
    changes: KeyChanges,
}

impl SealedKeys {
    /// The keys of a table.
    #[must_use]
    pub fn new(table: Arc<dyn KeyTable>, keys: KeyEncryptionKeys) -> Self {
        Self { table, keys: Arc::new(keys), seen: Arc::default() }
    }

    /// The keys as they are now.
    pub(super) fn snapshot(&self) -> Result<Snapshot<'_>, KeyError> {
        let rows = self.table.rows()?;
        let Some(store) = rows.store else { return Ok(Snapshot { of: self, rows }) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen {
            Some(seen) if seen.store != store => {
                return Err(self.refused("it has another store than before"));
            }
            Some(seen) if seen.version > rows.version => {
                return Err(self.refused("it has an older state of them than before"));
            }
            Some(_) | None => *seen = Some(Seen { store, version: rows.version }),
        }
        Ok(Snapshot { of: self, rows })
    }

    /// The keys as they are now, for a change. Makes the tables if there are none.
    pub(super) fn draft(&self) -> Result<Draft<'_>, KeyError> {
        let mut snapshot = self.snapshot()?;
        if snapshot.rows.store.is_none() {
            self.table.prepare()?;
            snapshot = self.snapshot()?;
        }
        Ok(Draft { snapshot, changes: KeyChanges::new() })
    }

    /// Makes the changes, unless others were made since; then it returns `false`.
    pub(super) fn commit(&self, draft: Draft<'_>) -> Result<bool, KeyError> {
        Ok(draft.changes.is_empty() || self.table.change(draft.snapshot.rows.version, draft.changes)?)
    }

    /// Changes with every change of the keys; `None` if the database can't tell.
    pub(super) fn version(&self) -> Option<u64> {
        self.table.version().ok()
    }

    /// How messages call the place of all files.
    pub(super) fn place(&self) -> String {
        format!("the sealed keys in the {}", self.table.place())
    }

    /// How messages call the file of this name.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        format!("{name} in the {}", self.table.place()).into()
    }

    /// The error that a change was overtaken too often.
    pub(super) fn contended(&self) -> KeyError {
        self.refused("others change them all the time: try again")
    }

    fn refused(&self, why: &str) -> KeyError {
        KeyError::Refused { place: self.place(), why: why.to_owned() }
    }

    fn not_opened(&self, name: &str, why: NotOpened) -> KeyError {
        let path = self.file(name);
        match why {
            NotOpened::OtherKey(id) => {
                let known = |key: &KeyEncryptionKey| format!("{} is {}", key.path().display(), key.id());
                let known: Vec<_> = self.keys.all().map(known).collect();
                KeyError::OtherEncryptionKey { path, id: id_text(id), known: known.join(", ") }
            }
            NotOpened::OtherFormat(format) => {
                let reason = format!("it is sealed in format {format}, which this version does not know");
                KeyError::Broken { path, reason }
            }
            NotOpened::Damaged => {
                let reason = "it was changed, or sealed for another name or another installation: restore it from a \
                              backup of the database; keys/README.md says what to do when it is lost";
                KeyError::Broken { path, reason: reason.to_owned() }
            }
        }
    }
}

impl Snapshot<'_> {
    fn owner<'n>(&self, name: &'n str) -> Owner<'n> {
        Owner { store: self.rows.store.unwrap_or_default(), name }
    }
}

impl KeyFiles for Snapshot<'_> {
    fn names(&self) -> Result<Vec<String>, KeyError> {
        Ok(self.rows.values.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let missing = || KeyError::io(&self.file(name), std::io::ErrorKind::NotFound.into());
        let sealed = self.rows.values.get(name).ok_or_else(missing)?;
        self.of.keys.open(self.owner(name), sealed).map_err(|why| self.of.not_opened(name, why))
    }

    fn epitaph(&self, name: &str) -> String {
        let text = self.read(&format!("{name}{COMPROMISED}")).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.of.file(name)
    }

    fn place(&self) -> String {
        self.of.place()
    }
}

impl KeyFiles for Draft<'_> {
    fn names(&self) -> Result<Vec<String>, KeyError> {
        self.snapshot.names()
    }

    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.snapshot.read(name)
    }

    fn epitaph(&self, name: &str) -> String {
        self.snapshot.epitaph(name)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.snapshot.file(name)
    }

    fn place(&self) -> String {
        self.snapshot.place()
    }
}

impl LockedFiles for Draft<'_> {
    fn create(&mut self, name: &str, bytes: &[u8]) -> Result<(), KeyError> {
        if self.snapshot.rows.values.contains_key(name) {
            return Err(KeyError::io(&self.file(name), std::io::ErrorKind::AlreadyExists.into()));
        }
        self.put(name, bytes)
    }

    fn destroy(&mut self, name: &str, epitaph: &str) -> Result<(), KeyError> {
        let tombstone = format!("{name}{COMPROMISED}");
        if !self.snapshot.rows.values.contains_key(&tombstone) {
            self.put(&tombstone, format!("{epitaph}\n").as_bytes())?;
        }
        self.snapshot.rows.values.remove(name);
        self.changes.insert(name.to_owned(), None);
        Ok(())
    }
}

impl Draft<'_> {
    /// Seals everything under the current key-encryption key that is sealed under another, and says how many that are.
    pub(super) fn reseal(&mut self) -> Result<usize, KeyError> {
        let keys = &self.snapshot.of.keys;
        let values = self.snapshot.rows.values.iter().filter(|(_, sealed)| !keys.is_current(sealed));
        let names: Vec<String> = values.map(|(name, _)| name.clone()).collect();
        let mut resealed = 0_usize;
        for name in &names {
            match self.read(name) {
                Ok(plain) => self.put(name, &plain)?,
                // One that an operator put there; its name says everything.
                Err(_) if name.ends_with(COMPROMISED) => continue,
                Err(error) => return Err(error),
            }
            resealed = resealed.saturating_add(1);
        }
        Ok(resealed)
    }

    fn put(&mut self, name: &str, plain: &[u8]) -> Result<(), KeyError> {
        let nonce = Random::system().bytes().map_err(|error| KeyError::NotMade(error.to_string()))?;
        let sealed = self.snapshot.of.keys.seal(self.snapshot.owner(name), nonce, plain);
        let sealed = sealed.ok_or_else(|| KeyError::NotMade("AES-256-GCM failed".to_owned()))?;
        self.snapshot.rows.values.insert(name.to_owned(), sealed.clone());
        self.changes.insert(name.to_owned(), Some(sealed));
        Ok(())
    }
}

#[cfg(test)]
#[path = "sealed_keys_tests.rs"]
mod tests;
