//! Rows of sled's tree: keys and values, both bytes.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use sled::IVec;

use super::fault::Fault;

/// Rows by key: the value to write, or `None` to delete the row.
pub(super) type Rows = BTreeMap<Vec<u8>, Option<IVec>>;

/// A source of rows: sled's tree, or its file read without sled.
pub(super) trait ReadRows {
    fn get(&self, key: &[u8]) -> Result<Option<IVec>, Fault>;

    /// The last row whose key begins with `prefix`.
    fn last(&self, prefix: &[u8]) -> Result<Option<(IVec, IVec)>, Fault>;

    /// Calls `visit` with the rows from a key on, in order, until it breaks or a key does not begin with `prefix`.
    fn visit(
        &self,
        from: Bound<Vec<u8>>,
        prefix: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault>;
}
