//! Opens the store of an installation.

use super::accepted::Accepted;
use super::{Failure, Outcome};
use crate::config::Config;
use crate::store::{self, OnFatal, OpenedStore, StoreLocation, StoreSettings};

/// Where the store of this configuration is.
pub(super) fn location(config: &Config) -> StoreLocation {
    StoreLocation::Folder(config.data.clone())
}

/// Opens the store, or creates it. `on_fatal` is called to end the process when the store has failed.
///
/// # Errors
/// [`Failure`] that tells the operator what to do.
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
