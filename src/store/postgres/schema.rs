//! The tables and functions in the database, with their version. A start makes what is missing, and never removes
//! anything.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient};

use super::open_error::OpenError;
use super::settings::PostgresSettings;

/// The versions, from 1. One that was released never changes.
///
/// Programs of the version before run beside those of a new one while nodes are replaced one by one, and go on
/// afterwards if the operator goes back. So a version adds tables, functions under new names, and columns at the end of
/// a table that have a default and not the name of a variable or parameter of a function, which would then fail: it
/// could mean either. One with which older programs can't work says so by `oldest_program`. Nodes of these
/// notice within seconds; until then they must be able to do no harm, so it also takes the functions away by which they
/// make changes.
///
/// To change a table beside running nodes: `LOCK TABLE head IN EXCLUSIVE MODE` first, change `head` last. In any other
/// order, a change of a node waits for the migration, and the migration for it.
const VERSIONS: [Version; 2] = [
    Version {
        oldest_program: 1,
        parts: &[
            include_str!("schema/1.sql"),
            include_str!("schema/1_terms.sql"),
            include_str!("schema/1_keys.sql"),
            include_str!("schema/1_nodes.sql"),
            include_str!("schema/1_throttle.sql"),
        ],
    },
    Version { oldest_program: 1, parts: &[include_str!("schema/2.sql")] },
];

/// A version of the tables.
struct Version {
    /// The oldest version whose programs can work with it.
    oldest_program: i32,
    /// What makes it of the version before, in parts.
    parts: &'static [&'static str],
}

impl Version {
    /// The lines of all versions.
    fn all_lines() -> impl Iterator<Item = &'static str> {
        VERSIONS.iter().flat_map(|version| version.parts).flat_map(|sql| sql.lines())
    }
}

/// In each schema, one row a version. `oldest_program` is the oldest version whose programs can work with it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version        integer     PRIMARY KEY,
    oldest_program integer     NOT NULL,
    made           timestamptz NOT NULL DEFAULT now()
)";

/// The version, and the oldest program that can work with it.
pub(super) const NEWEST: &str =
    "SELECT coalesce(max(version), 0), coalesce(max(oldest_program), 0) FROM heirloom.schema_version";

/// What begins the definition of a table, and of a function.
const DEFINITIONS: [(&str, bool); 3] =
    [("CREATE TABLE ", true), ("CREATE UNLOGGED TABLE ", true), ("CREATE FUNCTION ", false)];

/// What is in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Whether the schema is there.
    pub(super) has_schema: bool,
    /// The version of the tables; 0: there are none.
    pub(super) version: i32,
    /// The oldest version whose programs can work with them.
    oldest_program: i32,
}

/// The names of all tables, and of all functions.
pub(super) fn names() -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut tables, mut functions) = (vec!["schema_version"], Vec::new());
    for line in Version::all_lines() {
        for (begin, is_table) in DEFINITIONS {
            let Some(name) = line.strip_prefix(begin).and_then(|rest| rest.split([' ', '(']).next()) else {
                continue;
            };
            let name = name.rsplit('.').next().unwrap_or(name);
            if is_table { tables.push(name) } else { functions.push(name) }
        }
    }
    (tables, functions)
}

/// This program's version of the tables.
pub(super) fn version() -> i32 {
    i32::try_from(VERSIONS.len()).unwrap_or(i32::MAX)
}

/// Whether this program can work with tables whose oldest program is of this version.
pub(super) fn is_for(oldest_program: i32) -> bool {
    oldest_program <= version()
}

/// Looks for the tables. Whoever may not use the schema can do that too, if there is none.
pub(super) async fn look(
    client: &impl GenericClient,
    settings: &PostgresSettings,
) -> Result<Found, OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), EXISTS (
        SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = $1 AND relname = 'schema_version')";
    let schema: (&(dyn ToSql + Sync), Type) = (&settings.schema, Type::TEXT);
    let row = client.query_typed_one(there, &[schema]).await.map_err(failed)?;
    let (has_schema, has_versions): (bool, bool) = (row.get(0), row.get(1));
    if !has_versions {
        return Ok(Found { has_schema, version: 0, oldest_program: 0 });
    }
    look_again(client, settings).await
}

/// As [`look`], where the tables are there.
pub(super) async fn look_again(
    client: &impl GenericClient,
    settings: &PostgresSettings,
) -> Result<Found, OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let row = client.query_typed_one(&settings.in_schema(NEWEST), &[]).await.map_err(failed)?;
    let (version, oldest_program) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    Ok(Found { has_schema: true, version, oldest_program })
}

impl Found {
    /// Refuses tables with which this program can't work.
    pub(super) fn refuse_newer(self, settings: &PostgresSettings) -> Result<(), OpenError> {
        if is_for(self.oldest_program) {
            return Ok(());
        }
        let (oldest_program, version) = (self.oldest_program, version());
        Err(OpenError::Newer { place: settings.place(), oldest_program, version })
    }

    /// Refuses tables that are older than this program's, or not there.
    pub(super) fn refuse_older(self, settings: &PostgresSettings) -> Result<(), OpenError> {
        let needed = version();
        if self.version >= needed {
            return Ok(());
        }
        let why = match self.version {
            0 => "it has no tables, and `migrate = false` forbids to make them".to_owned(),
            version => format!(
                "its tables are of version {version}, this program needs version {needed}, and `migrate = false` \
                 forbids to change them"
            ),
        };
        let hint = ". Run `heirloom migrate --config FILE` as a user who may".to_owned();
        Err(OpenError::Schema { place: settings.place(), why, hint })
    }
}

/// Makes the schema, or brings it to this program's version; returns the versions that it made. Nodes that start together
/// take turns. `grants` is run in any case, in the same transaction.
pub(super) async fn prepare(
    client: &mut Client,
    settings: &PostgresSettings,
    grants: Option<&str>,
) -> Result<Vec<i32>, OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let before = look(client, settings).await?;
    before.refuse_newer(settings)?;
    if before.version >= version() && grants.is_none() {
        return Ok(Vec::new());
    }
    may_make(client, settings).await?;
    let schema = settings.quoted_schema();
    let transaction = client.transaction().await.map_err(failed)?;
    // Who stops in the middle keeps nobody waiting for long.
    let limit = "SET LOCAL idle_in_transaction_session_timeout = '6s'";
    transaction.batch_execute(limit).await.map_err(failed)?;
    // Two that make the same schema at once would fail: "if not exists" does not wait for the other.
    let turn = "SELECT pg_advisory_xact_lock(hashtextextended('heirloom schema ' || $1, 0))";
    transaction.query_typed(turn, &[(&settings.schema, Type::TEXT)]).await.map_err(failed)?;
    // What waits for a lock on a table has everybody wait behind it.
    transaction.batch_execute("SET LOCAL lock_timeout = '4s'").await.map_err(failed)?;
    let found = look(&transaction, settings).await?;
    found.refuse_newer(settings)?;
    if !found.has_schema {
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await.map_err(failed)?;
    }
    transaction.batch_execute(&format!("SET LOCAL search_path = {schema}")).await.map_err(failed)?;
    let mut made = Vec::new();
    if found.version < version() {
        transaction.batch_execute(TABLE).await.map_err(failed)?;
    }
    for (number, version) in (1..).zip(VERSIONS).filter(|(number, _)| *number > found.version) {
        for sql in version.parts {
            transaction.batch_execute(sql).await.map_err(failed)?;
        }
        let add = "INSERT INTO schema_version (version, oldest_program) VALUES ($1, $2)";
        let row: [(&(dyn ToSql + Sync), Type); 2] =
            [(&number, Type::INT4), (&version.oldest_program, Type::INT4)];
        transaction.query_typed(add, &row).await.map_err(failed)?;
        made.push(number);
    }
    if let Some(grants) = grants {
        transaction.batch_execute(grants).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(made)
}

/// Whether the tables could be made or changed: an error if not.
pub(super) async fn may_make(client: &Client, settings: &PostgresSettings) -> Result<(), OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let privilege = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), coalesce(
        (SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE')
            FROM pg_namespace WHERE nspname = $1),
        has_database_privilege(current_database(), 'CREATE'))";
    let row = client.query_typed_one(privilege, &[(&settings.schema, Type::TEXT)]).await.map_err(failed)?;
    let (has_schema, may): (bool, bool) = (row.get(0), row.get(1));
    if may { Ok(()) } else { Err(OpenError::may_not_make(settings, has_schema)) }
}

/// Whether there is an event, or was one.
pub(super) async fn has_events(client: &Client, settings: &PostgresSettings) -> Result<bool, OpenError> {
    if !is_there(client, settings).await? {
        return Ok(false);
    }
    let position = format!("SELECT position > 0 FROM {}.head", settings.quoted_schema());
    let row = client.query_typed_one(&position, &[]).await;
    Ok(row.map_err(|error| OpenError::schema(settings, &error))?.get(0))
}

/// Whether the tables of a store are in the schema.
pub(super) async fn is_there(client: &Client, settings: &PostgresSettings) -> Result<bool, OpenError> {
    let head = "SELECT EXISTS (
        SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = $1 AND relname = 'head')";
    let row = client.query_typed_one(head, &[(&settings.schema, Type::TEXT)]).await;
    Ok(row.map_err(|error| OpenError::schema(settings, &error))?.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_and_function_is_known_by_its_name() {
        let (tables, functions) = names();
        for table in ["schema_version", "head", "stream", "event", "record"] {
            assert!(tables.contains(&table), "{table}: {tables:?}");
        }
        assert!(functions.contains(&"append_1") && functions.contains(&"lock_head_1"), "{functions:?}");
        let defined = Version::all_lines()
            .filter(|line| {
                line.starts_with("CREATE ")
                    && ![" INDEX ", " TRIGGER "].iter().any(|other| line.contains(other))
            })
            .count();
        assert_eq!(tables.len() + functions.len(), defined + 1, "{tables:?} {functions:?}");
    }
}
