//! `[store]`: what keeps users, sessions and the log of events.

use super::database;
use super::section::{At, Section};
use super::sources::Sources;
use crate::store::PostgresSettings;

/// `[store]`: the kind of the store, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// The embedded store in the data folder.
    #[default]
    Sled,
    /// A PostgreSQL database.
    Postgres(Box<PostgresSettings>),
}

#[derive(Clone, Copy)]
enum Kind {
    Sled,
    Postgres,
}

/// Reads `[store]`. libpq's environment variables, such as `PGHOST`, say what is left out.
pub(super) fn store(root: &mut Section<'_>, sources: &Sources) -> Store {
    let mut section = root.section("store");
    let kind = section.choice("kind", &[("sled", Kind::Sled), ("postgres", Kind::Postgres)]);
    let store = match kind.map_or(Kind::Sled, |kind| kind.value) {
        Kind::Postgres => database::database(&mut section, sources)
            .map_or(Store::Sled, |found| Store::Postgres(found.into())),
        Kind::Sled => {
            for key in database::KEYS {
                if let Some(At { place, .. }) = section.text(key) {
                    let message = format!("`{key}` is for a database");
                    section.problems.note(&place, message, "write kind = \"postgres\", or leave it out");
                }
            }
            if let Some(At { place, .. }) = section.boolean("migrate") {
                section.problems.note(&place, "`migrate` is for a database", "leave it out");
            }
            Store::Sled
        }
    };
    section.finish();
    store
}
