//! Opens the store of an installation.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::accepted::Accepted;
use super::{Failure, Outcome};
use crate::clock::SystemClock;
use crate::config::{Config, Store};
use crate::store::{self, OnFatal, OpenedStore, StoreLocation, StoreSettings};

/// Where the store of this configuration is.
pub(super) fn location(config: &Config) -> StoreLocation {
    location_of(&config.store, &config.data)
}

/// Where a store of this kind is, with this data folder.
pub(super) fn location_of(store: &Store, data: &Path) -> StoreLocation {
    match store {
        Store::Sled => StoreLocation::Folder(data.to_owned()),
        Store::Postgres(database) => StoreLocation::Postgres(database.clone()),
        Store::Memory => StoreLocation::Memory,
    }
}

/// Whether there is a store.
///
/// # Errors
/// [`Failure`] if a database can't be asked.
pub(super) async fn exists(config: &Config) -> Outcome<bool> {
    location(config).has_store().await.map_err(|error| Failure::Failed(error.to_string()))
}

/// What a check of the store found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Whether there is a store.
    pub(super) exists: bool,
    /// What the operator should know.
    pub(super) warnings: Vec<String>,
}

/// Finds out what can be known of the store without opening it or changing anything.
///
/// # Errors
/// [`Failure`] if it would not open.
pub(super) fn check(config: &Config) -> Outcome<Checked> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| failed(&error))?.block_on(async {
        let warnings = location(config).check(&SystemClock).await.map_err(|error| failed(&error))?;
        let exists = exists(config).await?;
        Ok(Checked { exists, warnings })
    })
}

/// Opens the store, or creates it. `on_fatal` is called to end the process when the store has failed.
///
/// # Errors
/// [`Failure`] that tells the operator what to do.
pub(super) async fn open(config: &Config, accept: Accepted, on_fatal: OnFatal) -> Outcome<OpenedStore> {
    if config.store != Store::Sled {
        make_folder(config)?;
    }
    let settings = StoreSettings {
        location: location(config),
        accept_missing_mark: accept.missing_mark,
        accept_restored: accept.restored,
        floor_bytes: config.nearly_full,
        on_fatal,
    };
    store::open(settings).await.map_err(|error| Failure::Failed(error.to_string()))
}

/// Makes the data folder, which has the operators' socket also where the store is in a database.
fn make_folder(config: &Config) -> Outcome {
    let mut folder = DirBuilder::new();
    let made = folder.recursive(true).mode(0o700).create(&config.data);
    made.map_err(|error| Failure::File { path: config.data.clone(), error })
}
