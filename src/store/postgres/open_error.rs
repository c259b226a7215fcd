//! Why a store in a database can't be opened. The messages tell the operator what to do.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::failure;
use super::settings::{PostgresSettings, quoted};

/// Why a store in a database can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No connection.
    #[error("no connection to the {place}: {why}")]
    Unreachable {
        /// Which database.
        place: String,
        /// What the operating system or the database says.
        why: String,
    },
    /// Tables can't be made or read.
    #[error("can't use the {place}: {why}{hint}")]
    Schema {
        /// Which database.
        place: String,
        /// What the database says.
        why: String,
        /// What helps.
        hint: String,
    },
    /// A newer version has changed the tables.
    #[error(
        "the {place} was changed by a newer heirloom: it needs one that knows version {oldest_program} of the tables, \
         and this one knows {version}"
    )]
    Newer {
        /// Which database.
        place: String,
        /// The oldest version whose programs can work with it.
        oldest_program: i32,
        /// This program's version.
        version: i32,
    },
    /// The database is not the one that it was.
    #[error("the {place} is refused: {why}")]
    Other {
        /// Which database.
        place: String,
        /// What differs.
        why: String,
    },
}

impl OpenError {
    pub(super) fn schema(settings: &PostgresSettings, error: &Error) -> Self {
        let lacks = error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
        let hint = if lacks { ". `heirloom serve --check` says what to grant" } else { "" };
        Self::Schema { place: settings.place(), why: failure::text(error), hint: hint.to_owned() }
    }

    /// Transactions would not see what was committed while they waited.
    pub(super) fn isolation(settings: &PostgresSettings, isolation: &str) -> Self {
        let why = format!("its transactions are {isolation}");
        let user = settings.server.get_user().unwrap_or("the user");
        let hint = format!(
            ". Run: ALTER ROLE \"{user}\" SET default_transaction_isolation = 'read committed'; and have a pooler \
             connect again"
        );
        Self::Schema { place: settings.place(), why, hint }
    }

    /// The user may not make the tables.
    pub(super) fn may_not_make(settings: &PostgresSettings, has_schema: bool) -> Self {
        let why = "the user may not make tables there".to_owned();
        Self::Schema { place: settings.place(), why, hint: grant(settings, has_schema) }
    }
}

/// What the database's owner runs, so that the user may make the tables.
fn grant(settings: &PostgresSettings, has_schema: bool) -> String {
    let user = quoted(settings.server.get_user().unwrap_or("the user"));
    let schema = settings.quoted_schema();
    let statement = if has_schema {
        format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}")
    } else {
        format!("CREATE SCHEMA {schema} AUTHORIZATION {user}")
    };
    format!(
        ". Make them with `heirloom migrate` as a user who may, or, as the database's owner, run: {statement}"
    )
}
