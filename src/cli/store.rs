//! The store of an installation, by its configuration.

use super::accepted::Accepted;
use super::{Failure, Outcome};
use crate::config::Config;
use crate::store::{self, OnFatal, OpenedStore, StoreLocation, StoreSettings};

/// Where the store is.
pub(super) fn location(config: &Config) -> StoreLocation {
    StoreLocation::Folder(config.data.clone())
}

/// Opens the store, or makes a new one; `on_fatal` ends the process when the store has failed.
///
/// # Errors
/// [`Failure`] that says what to do.
pub(super) async fn open(config: &Config, accept: Accepted, on_fatal: OnFatal) -> Outcome<OpenedStore> {
    let settings = StoreSettings {
        location: location(config),
        accept_missing_mark: accept.missing_mark,
        accept_restored: accept.restored,
        floor_bytes: config.nearly_full,
        on_fatal,
    };
    store::open(settings).await.map_err(|error| Failure::Failed(error.to_string()))
}
