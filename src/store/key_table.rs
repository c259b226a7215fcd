//! A small table beside the store, by which several servers share their keys. It knows nothing of keys: its values are
//! sealed, and opaque to it.

use std::collections::BTreeMap;
use std::fmt;

/// A few named values with a counter of their changes. The calls wait for the database, at most for some seconds.
pub trait KeyTable: fmt::Debug + Send + Sync {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Changes with every change of the table, by whomever it is made; 0 if there is no table.
    ///
    /// # Errors
    /// [`KeyTableError`] if the database can't tell.
    fn version(&self) -> Result<u64, KeyTableError>;

    /// All rows; the default if there is no table.
    ///
    /// # Errors
    /// As [`KeyTable::version`].
    fn rows(&self) -> Result<KeyRows, KeyTableError>;

    /// Makes the tables that are missing, those of the store among them.
    ///
    /// # Errors
    /// As [`KeyTable::version`].
    fn prepare(&self) -> Result<(), KeyTableError>;

    /// Makes all changes if `version` is still the table's version, and says whether it was: atomically, and durably.
    ///
    /// # Errors
    /// As [`KeyTable::version`]: then it is unknown whether they were made.
    fn change(&self, version: u64, changes: KeyChanges) -> Result<bool, KeyTableError>;
}

/// The rows at a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRows {
    /// The store's unique id; `None` if there is no store yet.
    pub store: Option<[u8; 16]>,
    /// The version.
    pub version: u64,
    /// The values by their names.
    pub values: BTreeMap<String, Vec<u8>>,
}

/// The new values of some names; `None` removes one.
pub type KeyChanges = BTreeMap<String, Option<Vec<u8>>>;

/// The table can't be read or changed. For the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyTableError(pub String);
