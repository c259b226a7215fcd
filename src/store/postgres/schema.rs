//! The tables and functions in the database, with their version. A start makes what is missing, and never removes
//! anything.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};

use super::open_error::OpenError;
use super::settings::PostgresSettings;

/// The versions, from 1, each in parts. One that was released never changes.
const VERSIONS: [&[&str]; 1] = [&[
    include_str!("schema/1.sql"),
    include_str!("schema/1_terms.sql"),
    include_str!("schema/1_keys.sql"),
    include_str!("schema/1_nodes.sql"),
    include_str!("schema/1_throttle.sql"),
]];

/// In each schema, one row a version. `oldest_program` is the oldest version whose programs can work with it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version        integer     PRIMARY KEY,
    oldest_program integer     NOT NULL,
    made           timestamptz NOT NULL DEFAULT now()
)";

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
    for line in VERSIONS.iter().copied().flatten().flat_map(|sql| sql.lines()) {
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

/// Looks for the tables. Whoever may not use the schema can do that too, if there is none.
pub(super) async fn look(
    client: &impl GenericClient,
    settings: &PostgresSettings,
) -> Result<Found, OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), EXISTS (
        SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = $1 AND relname = 'schema_version')";
    let schema: (&(dyn tokio_postgres::types::ToSql + Sync), Type) = (&settings.schema, Type::TEXT);
    let row = client.query_typed_one(there, &[schema]).await.map_err(failed)?;
    let (has_schema, has_versions): (bool, bool) = (row.get(0), row.get(1));
    if !has_versions {
        return Ok(Found { has_schema, version: 0, oldest_program: 0 });
    }
    let newest = format!(
        "SELECT coalesce(max(version), 0), coalesce(max(oldest_program), 0) FROM {}.schema_version",
        settings.quoted_schema()
    );
    let row = client.query_typed_one(&newest, &[]).await.map_err(failed)?;
    Ok(Found { has_schema, version: row.get(0), oldest_program: row.get(1) })
}

impl Found {
    /// Refuses tables with which this program can't work.
    pub(super) fn refuse_newer(self, settings: &PostgresSettings) -> Result<(), OpenError> {
        let (oldest_program, version) = (self.oldest_program, version());
        if oldest_program > version {
            return Err(OpenError::Newer { place: settings.place(), oldest_program, version });
        }
        Ok(())
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
    for (version, parts) in (1..).zip(VERSIONS).filter(|(version, _)| *version > found.version) {
        for sql in parts {
            transaction.batch_execute(sql).await.map_err(failed)?;
        }
        let add = "INSERT INTO schema_version (version, oldest_program) VALUES ($1, $1)";
        transaction.query_typed(add, &[(&version, Type::INT4)]).await.map_err(failed)?;
        made.push(version);
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
        let all = VERSIONS.iter().copied().flatten().flat_map(|sql| sql.lines());
        let defined = all
            .filter(|line| {
                line.starts_with("CREATE ")
                    && ![" INDEX ", " TRIGGER "].iter().any(|other| line.contains(other))
            })
            .count();
        assert_eq!(tables.len() + functions.len(), defined + 1, "{tables:?} {functions:?}");
    }
}
