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
    /// The memory of the process; only in `heirloom dev`.
    Memory,
}

#[derive(Clone, Copy)]
enum Kind {
    Sled,
    Postgres,
}

/// Reads `[store]`. libpq's environment variables, such as `PGHOST`, say what is left out.
pub(super) fn store(root: &mut Section<'_>, sources: &Sources) -> Store {
    let mut section = root.section("store");
    let kinds = [("sled", Kind::Sled), ("postgres", Kind::Postgres)];
    let kind = section.text("kind").and_then(|kind| {
        if kind.value == "memory" {
            let message = "a store in memory forgets everything when the process ends: sessions, users, and who was \
                           locked out";
            let suggestion = "write kind = \"sled\" or \"postgres\"; `heirloom dev --store memory` is for trials";
            section.problems.note(&kind.place, message, suggestion);
            return None;
        }
        section.choice_of(kind, "kind", &kinds)
    });
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
