//! Opens a store where it is, and answers what is asked of one that is not open. Nothing outside of this module knows which
//! kinds of stores there are: another kind is another [`StoreLocation`].

use std::path::PathBuf;
use std::sync::Arc;

use super::sled::{self, SledOptions, SledStore};
use super::{OnFatal, Store, Verification};

/// Where a store is, and so of which kind it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreLocation {
    /// The embedded store in a folder of this machine.
    Folder(PathBuf),
}

/// How a store is opened.
#[derive(Clone)]
pub struct StoreSettings {
    /// Where it is.
    pub location: StoreLocation,
    /// Opens a log although nothing tells whether its end is missing.
    pub accept_missing_mark: bool,
    /// Opens a log that was restored from a backup: the caller sees to what follows from that. Until it has, there is a
    /// record ([`RecordKey::restored`](super::RecordKey::restored)).
    pub accept_restored: bool,
    /// The free space, in bytes, under which the store says that it is nearly full.
    pub floor_bytes: u64,
    /// Called once if the store fails.
    pub on_fatal: OnFatal,
}

/// A store that was opened.
pub struct OpenedStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What tells this store from every other; it never changes.
    pub id: [u8; 16],
}

/// Why a store can't be opened or read. The text is for the operator and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What is wrong with a folder.
    #[error(transparent)]
    Folder(#[from] sled::OpenError),
}

impl StoreLocation {
    /// Whether there is a store, whole or not.
    #[must_use]
    pub fn has_store(&self) -> bool {
        let Self::Folder(folder) = self;
        SledStore::is_in(folder)
    }

    /// Reads the whole store without a change, not even of a lock.
    ///
    /// # Errors
    /// [`OpenError`] if it is in use, or is none, or can't be read.
    pub fn verify(&self) -> Result<Verification, OpenError> {
        let Self::Folder(folder) = self;
        Ok(sled::verify(folder)?)
    }
}

/// Opens the store at a location; where there is none, a new one is made.
///
/// # Errors
/// [`OpenError`].
pub async fn open(settings: StoreSettings) -> Result<OpenedStore, OpenError> {
    let StoreSettings { location, accept_missing_mark, accept_restored, floor_bytes, on_fatal } = settings;
    match location {
        StoreLocation::Folder(folder) => {
            let options = SledOptions {
                on_fatal,
                accept_missing_mark,
                accept_restored,
                floor_bytes,
                ..SledOptions::default()
            };
            let store = SledStore::open(&folder, options)?;
            let id = store.id();
            Ok(OpenedStore { store: Arc::new(store), id })
        }
    }
}
