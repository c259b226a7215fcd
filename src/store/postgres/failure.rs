//! What the store says when the database refuses or is away. The operator gets the database's message and its code, and
//! never its details, which can quote a row.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::super::StoreError;

/// The store's error for an error of the database or of the connection to it.
pub(super) fn store_error(error: &Error) -> StoreError {
    let text = text(error);
    match error.code() {
        Some(code) if *code == SqlState::DISK_FULL => StoreError::NoRoom(text),
        Some(code) if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED => {
            StoreError::Corrupt(text)
        }
        Some(_) | None => StoreError::Unavailable(text),
    }
}

/// What the schema's functions say on another head than the expected one.
const OTHER_HEAD: &str = "HL001";

/// Whether the connection is of no more use, although it may be open: it leads to a server that only reads, or to another
/// store than the expected one. The next connection finds out which, and says so.
pub(super) fn is_useless(error: &Error) -> bool {
    let useless = |code: &SqlState| *code == SqlState::READ_ONLY_SQL_TRANSACTION || code.code() == OTHER_HEAD;
    error.is_closed() || error.code().is_some_and(useless)
}

/// The error for the operator.
pub(super) fn text(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("PostgreSQL: {} ({})", db.message(), db.code().code());
    }
    with_sources(error)
}

/// The error, and what it comes from.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let also = error.to_string();
        if !text.contains(&also) {
            text = format!("{text}: {also}");
        }
        cause = error.source();
    }
    text
}
