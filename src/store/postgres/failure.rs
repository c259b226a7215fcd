//! What the store says when the database refuses or is away. The operator gets the database's message and its code, and
//! never its details, which can quote a row.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::super::StoreError;

/// The store's error for an error of the database or of the connection to it.
pub(super) fn store_error(error: &Error) -> StoreError {
    of_state(error.code(), text(error))
}

/// Everything passes but a full disk and damaged data: nothing else says that the next attempt must fail too. What failed
/// by a conflict (40001, 40P01), by a lock (55P03) or by time (57014) has changed nothing; what was cut off by the end of
/// the server (57P01 and others) may have.
fn of_state(code: Option<&SqlState>, text: String) -> StoreError {
    match code {
        Some(code) if *code == SqlState::DISK_FULL => StoreError::NoRoom(text),
        Some(code) if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED => {
            StoreError::Corrupt(text)
        }
        Some(_) | None => StoreError::Unavailable(text),
    }
}

/// What the schema's functions say on another head than the expected one.
const OTHER_HEAD: &str = "HL001";

/// Whether the connection is of no more use, although it may be open. The next connection finds out why, and says so.
pub(super) fn is_useless(error: &Error) -> bool {
    error.is_closed() || error.code().is_some_and(makes_useless)
}

/// Whether every other statement would fail likewise: the server only reads or ends, or it has another store than the
/// expected one.
fn makes_useless(code: &SqlState) -> bool {
    let useless = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::DATABASE_DROPPED,
    ];
    code.code() == OTHER_HEAD || useless.contains(code)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sqlstate_is_the_error_that_says_whether_to_try_again() {
        let of = |code: &str| of_state(Some(&SqlState::from_code(code)), code.to_owned());
        assert_eq!(of("53100"), StoreError::NoRoom("53100".to_owned()), "disk full");
        for damaged in ["XX001", "XX002"] {
            assert_eq!(of(damaged), StoreError::Corrupt(damaged.to_owned()));
        }
        for passing in [
            "40001", // serialization failure
            "40P01", // deadlock
            "55P03", // lock time-out
            "57014", // statement time-out
            "57P01", "57P02", "57P03", // shutdown, crash, starting up
            "53300", // too many connections
            "53200", // out of memory
            "25006", // only reads
            "08006", // connection failure
            "42501", // a privilege that was taken away
            "HL001", // another head
        ] {
            assert_eq!(of(passing), StoreError::Unavailable(passing.to_owned()));
        }
        assert_eq!(of_state(None, String::new()), StoreError::Unavailable(String::new()));
    }

    #[test]
    fn a_connection_is_given_up_where_every_statement_would_fail() {
        let useless = |code: &str| makes_useless(&SqlState::from_code(code));
        assert!(["25006", "HL001", "57P01", "57P02", "57P03", "57P04"].into_iter().all(useless));
        // A lock or a full disk passes, and so does what one statement alone meets.
        assert!(!["40001", "40P01", "55P03", "57014", "53100", "53300", "23505"].into_iter().any(useless));
    }
}
