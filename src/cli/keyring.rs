//! Finds the keys of an installation: in the keys folder, or in the database.

use std::path::Path;

use super::{Failure, Installation, Outcome, store};
use crate::config::{Config, KeysIn};
use crate::store::StoreLocation;
use crate::token::{KeyEncryptionKey, KeyEncryptionKeys, KeyError, Keyring, SealedKeys};

/// The keys of a configuration. Nothing is read of them yet, but for what opens them.
///
/// # Errors
/// [`Failure`] if a file with a key-encryption key can't be used.
pub(super) fn of(config: &Config) -> Outcome<Keyring> {
    find(&config.keys_in, &config.keys, &store::location(config))
}

/// The keys of an installation, like [`of`].
///
/// # Errors
/// As there.
pub(super) fn of_installation(installation: &Installation) -> Outcome<Keyring> {
    let location = store::location_of(&installation.store, &installation.data);
    find(&installation.keys_in, &installation.keys, &location)
}

fn find(keys_in: &KeysIn, folder: &Path, store: &StoreLocation) -> Outcome<Keyring> {
    let KeysIn::Database(files) = keys_in else { return Ok(Keyring::in_folder(folder)) };
    let read = |file: &Path| KeyEncryptionKey::read(file).map_err(|error| failure(&error));
    let current = read(&files.current)?;
    let other = files.other.as_deref().map(read).transpose()?;
    let table = store.key_table().map_err(|error| Failure::Failed(error.to_string()))?;
    let table = table.ok_or_else(|| Failure::Failed(format!("{store} has no keys in it")))?;
    Ok(Keyring::in_database(SealedKeys::new(table, KeyEncryptionKeys::new(current, other))))
}

/// What the operator is told.
pub(super) fn failure(error: &KeyError) -> Failure {
    Failure::Failed(error.to_string())
}
