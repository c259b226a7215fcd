//! The tables and functions in the database, with their version. A start makes what is missing, and never removes
//! anything.

use tokio_postgres::Client;

use super::open_error::OpenError;
use super::settings::PostgresSettings;

/// The versions, from 1, each in parts. One that was released never changes.
const VERSIONS: [&[&str]; 1] = [&[include_str!("schema/1.sql"), include_str!("schema/1_terms.sql")]];

/// In each schema, one row a version. `oldest_program` is the oldest version whose programs can work with it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version        integer     PRIMARY KEY,
    oldest_program integer     NOT NULL,
    made           timestamptz NOT NULL DEFAULT now()
)";

/// Makes the schema, or brings it to this program's version. Nodes that start together take turns.
pub(super) async fn prepare(client: &mut Client, settings: &PostgresSettings) -> Result<(), OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let schema = settings.quoted_schema();
    let transaction = client.transaction().await.map_err(failed)?;
    // Two that make the same schema at once would fail: "if not exists" does not wait for the other.
    let turn = "SELECT pg_advisory_xact_lock(hashtextextended('heirloom schema ' || $1, 0))";
    transaction.execute(turn, &[&settings.schema]).await.map_err(failed)?;
    let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    let exists: bool = transaction.query_one(exists, &[&settings.schema]).await.map_err(failed)?.get(0);
    if !exists {
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await.map_err(failed)?;
    }
    transaction.batch_execute(&format!("SET LOCAL search_path = {schema}")).await.map_err(failed)?;
    let is_there = "SELECT to_regclass('schema_version') IS NOT NULL";
    let is_there: bool = transaction.query_one(is_there, &[]).await.map_err(failed)?.get(0);
    if !is_there {
        transaction.batch_execute(TABLE).await.map_err(failed)?;
    }
    let newest = "SELECT coalesce(max(version), 0), coalesce(max(oldest_program), 0) FROM schema_version";
    let row = transaction.query_one(newest, &[]).await.map_err(failed)?;
    let (newest, oldest_program): (i32, i32) = (row.get(0), row.get(1));
    let known = (1..).zip(VERSIONS);
    let version = known.clone().map(|(version, _)| version).last().unwrap_or_default();
    if oldest_program > version {
        return Err(OpenError::Newer { place: settings.place(), oldest_program, version });
    }
    for (version, parts) in known.filter(|(version, _)| *version > newest) {
        for sql in parts {
            transaction.batch_execute(sql).await.map_err(failed)?;
        }
        let made = "INSERT INTO schema_version (version, oldest_program) VALUES ($1, $1)";
        transaction.execute(made, &[&version]).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// Whether the tables could be made: an error if not.
pub(super) async fn may_make(client: &Client, settings: &PostgresSettings) -> Result<(), OpenError> {
    let privilege = "SELECT CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)
        THEN has_schema_privilege($1, 'CREATE') ELSE has_database_privilege(current_database(), 'CREATE') END";
    let row = client.query_one(privilege, &[&settings.schema]).await;
    let has: bool = row.map_err(|error| OpenError::schema(settings, &error))?.get(0);
    if has { Ok(()) } else { Err(OpenError::may_not_make(settings)) }
}

/// Whether a store is in the schema.
pub(super) async fn is_there(client: &Client, settings: &PostgresSettings) -> Result<bool, OpenError> {
    let head = format!("{}.head", settings.quoted_schema());
    let row = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&head]).await;
    Ok(row.map_err(|error| OpenError::schema(settings, &error))?.get(0))
}
