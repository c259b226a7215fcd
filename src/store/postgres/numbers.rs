//! Versions, positions and limits: the contract's are unsigned, PostgreSQL's are signed.

use super::super::{Expected, StoreError};

/// The number as a `bigint`. One that is too large for it is larger than any in the database.
pub(super) fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How many rows at most.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A version or a position as it was read.
pub(super) fn number(read: i64) -> Result<u64, StoreError> {
    u64::try_from(read).map_err(|_| StoreError::Corrupt(format!("{read} is no version and no position")))
}

/// The expected version as the database's functions have it, where 0 is no stream.
pub(super) fn expected(expected: Expected) -> Result<i64, StoreError> {
    match expected {
        Expected::NoStream => Ok(0),
        // A stream without events does not exist.
        Expected::Exact(0) => Err(StoreError::WrongExpectedVersion),
        Expected::Exact(version) => Ok(bigint(version)),
    }
}
