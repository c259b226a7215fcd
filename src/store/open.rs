//! Opens a store by its location. Only this module knows which kinds of stores exist: a new kind is a new
//! [`StoreLocation`].

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::memory::MemoryStore;
use super::postgres::{self, Migrated, Migration, PostgresKeyTable, PostgresSettings, PostgresStore};
use super::sled::{self, SledOptions, SledStore};
use super::{Cluster, Exchange, History, KeyTable, OnFatal, Store, Verification};
use crate::clock::Clock;

/// Where a store is, which also says of which kind it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreLocation {
    /// The embedded store in a folder of this machine.
    Folder(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<PostgresSettings>),
    /// The memory of this process, which forgets everything.
    Memory,
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
    /// How nodes tell each other what is soon forgotten; `None` if only one node can use the store.
    pub exchange: Option<Arc<dyn Exchange>>,
    /// The store's unique id; it never changes. `None` of a store that does not outlive the process.
    pub id: Option<[u8; 16]>,
    /// Its terms, if it is in a database, and where its log ends.
    pub history: History,
    /// The nodes that share it; `None` if it has one process only.
    pub cluster: Option<Arc<dyn Cluster>>,
}

/// Why a store can't be opened or read. The message tells the operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What is wrong with a folder.
    #[error(transparent)]
    Folder(#[from] sled::OpenError),
    /// What is wrong with a database.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// The whole store is read where it is a folder.
    #[error("the store is the {0}: its own tools verify it, such as pg_amcheck")]
    NoFolder(String),
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Postgres(settings) => settings.place().fmt(f),
            Self::Memory => f.write_str("memory of this process"),
        }
    }
}

impl StoreLocation {
    /// Whether there is a store, intact or not.
    ///
    /// # Errors
    /// [`OpenError`] if a database can't be asked.
    pub async fn has_store(&self) -> Result<bool, OpenError> {
        match self {
            Self::Folder(folder) => Ok(SledStore::is_in(folder)),
            Self::Postgres(settings) => Ok(PostgresStore::is_in(settings).await?),
            Self::Memory => Ok(false),
        }
    }

    /// Finds out whether the store would open, as far as that can be told without opening it or changing anything. Returns
    /// what the operator should know; `clock` is compared with a database's.
    ///
    /// # Errors
    /// [`OpenError`] if it would not.
    pub async fn check(&self, clock: &dyn Clock) -> Result<Vec<String>, OpenError> {
        match self {
            Self::Folder(_) | Self::Memory => Ok(Vec::new()),
            Self::Postgres(settings) => Ok(PostgresStore::check(settings, clock).await?),
        }
    }

    /// The table of keys beside the store; `None` if the store has none. It can be read before the store is opened.
    ///
    /// # Errors
    /// If the operating system gives no thread for it.
    pub fn key_table(&self) -> io::Result<Option<Arc<dyn KeyTable>>> {
        match self {
            Self::Folder(_) | Self::Memory => Ok(None),
            Self::Postgres(settings) => Ok(Some(Arc::new(PostgresKeyTable::new((**settings).clone())?))),
        }
    }

    /// Reads the whole store without changing anything; it does not even take a lock.
    ///
    /// # Errors
    /// [`OpenError`] if it is in use, is not a store, can't be read, or is no folder.
    pub fn verify(&self) -> Result<Verification, OpenError> {
        match self {
            Self::Folder(folder) => Ok(sled::verify(folder)?),
            Self::Postgres(_) | Self::Memory => Err(OpenError::NoFolder(self.to_string())),
        }
    }
}

/// Makes a database's tables, or brings them to this version.
///
/// # Errors
/// [`OpenError`]; then nothing has changed.
pub async fn migrate(migration: &Migration) -> Result<Migrated, OpenError> {
    Ok(PostgresStore::migrate(migration).await?)
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
            let history = History { position: store.stats().position, ..History::default() };
            let id = Some(store.id());
            Ok(OpenedStore { store: Arc::new(store), id, history, cluster: None, exchange: None })
        }
        StoreLocation::Postgres(settings) => {
            let store = Arc::new(PostgresStore::open_with(*settings, accept_restored).await?);
            let (id, history) = (Some(store.id()), store.history());
            let cluster = Some(store.cluster());
            let exchange: Arc<dyn Exchange> = Arc::<PostgresStore>::clone(&store);
            Ok(OpenedStore { store, id, history, cluster, exchange: Some(exchange) })
        }
        StoreLocation::Memory => {
            let store = Arc::new(MemoryStore::new());
            Ok(OpenedStore { store, id: None, history: History::default(), cluster: None, exchange: None })
        }
    }
}
