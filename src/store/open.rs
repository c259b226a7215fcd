//! Opens a store by its location. Only this module knows which kinds of stores exist: a new kind is a new
//! [`StoreLocation`].

use std::path::PathBuf;
use std::sync::Arc;

use super::sled::{self, SledOptions, SledStore};
use super::{OnFatal, Store, Verification};

/// Where a store is, which also says of which kind it is.
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
    /// Opens a log although its mark is missing, so that nothing shows whether its end is missing.
    pub accept_missing_mark: bool,
    /// Opens a log that was restored from a backup; the caller must then end all sessions. Until it has, the record
    /// [`RecordKey::restored`](super::RecordKey::restored) exists.
    pub accept_restored: bool,
    /// The free space, in bytes, below which the store counts as nearly full.
    pub floor_bytes: u64,
    /// Called once if the store fails.
    pub on_fatal: OnFatal,
}

/// A store that was opened.
pub struct OpenedStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The store's unique id; it never changes.
    pub id: [u8; 16],
}

/// Why a store can't be opened or read. The message tells the operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What is wrong with a folder.
    #[error(transparent)]
    Folder(#[from] sled::OpenError),
}

impl StoreLocation {
    /// Whether there is a store, intact or not.
    #[must_use]
    pub fn has_store(&self) -> bool {
        let Self::Folder(folder) = self;
        SledStore::is_in(folder)
    }

    /// Reads the whole store without changing anything; it does not even take a lock.
    ///
    /// # Errors
    /// [`OpenError`] if it is in use, is not a store, or can't be read.
    pub fn verify(&self) -> Result<Verification, OpenError> {
        let Self::Folder(folder) = self;
        Ok(sled::verify(folder)?)
    }
}

/// Opens the store at a location, or creates one if there is none.
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
