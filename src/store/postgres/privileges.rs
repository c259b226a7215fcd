//! What the user in the database must be allowed to do.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::open_error::OpenError;
use super::schema;
use super::settings::{PostgresSettings, quoted};

/// What is done with the tables. Their versions are only read.
const CHANGES: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// The statements that give a role all that a node needs, but not the right to change tables.
pub(super) fn grants(settings: &PostgresSettings, role: &str) -> String {
    let (schema, role) = (settings.quoted_schema(), quoted(role));
    let list = |names: Vec<&str>| {
        names.into_iter().map(|name| format!("{schema}.{}", quoted(name))).collect::<Vec<_>>().join(", ")
    };
    let (tables, functions) = schema::names();
    let changed = tables.into_iter().filter(|name| *name != "schema_version").collect();
    format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role};\n\
         GRANT {} ON {} TO {role};\n\
         GRANT SELECT ON {schema}.schema_version TO {role};\n\
         GRANT EXECUTE ON FUNCTION {} TO {role};",
        CHANGES.join(", "),
        list(changed),
        list(functions)
    )
}

/// Refuses a role that lacks a privilege, and tables that are not all there. Without a role, it is about us.
pub(super) async fn refuse_lacks(
    client: &Client,
    settings: &PostgresSettings,
    role: Option<&str>,
) -> Result<(), OpenError> {
    let failed = |error| OpenError::schema(settings, &error);
    let role = match role {
        Some(role) => role.to_owned(),
        None => user(client).await.map_err(failed)?,
    };
    let lacks = lacks(client, &settings.schema, &role).await.map_err(failed)?;
    if lacks.is_empty() {
        return Ok(());
    }
    let (why, hint) = if let Some(missing) = lacks.iter().find(|lack| lack.starts_with("the ")) {
        (format!("{missing} is missing"), ". Restore it from a backup".to_owned())
    } else {
        let why = format!("the user {role} lacks {}", lacks.join(", "));
        (why, format!(". As the tables' owner, run:\n{}", grants(settings, &role)))
    };
    Err(OpenError::Schema { place: settings.place(), why, hint })
}

/// What a role may not do, and which tables and functions are missing.
async fn lacks(client: &Client, schema: &str, role: &str) -> Result<Vec<String>, Error> {
    let lacks = "
        WITH own AS (SELECT oid FROM pg_namespace WHERE nspname = $1)
        SELECT 'USAGE on the schema' FROM own WHERE NOT has_schema_privilege($5::name, oid, 'USAGE')
        UNION ALL
        SELECT CASE WHEN relname IS NULL THEN 'the table ' || name ELSE privilege || ' on ' || name END
            FROM unnest($2) AS name CROSS JOIN unnest($4) AS privilege CROSS JOIN own
            LEFT JOIN pg_class ON relname = name AND relnamespace = own.oid
            WHERE (name <> 'schema_version' OR privilege = 'SELECT')
                AND NOT coalesce(has_table_privilege($5::name, pg_class.oid, privilege), false)
        UNION ALL
        SELECT CASE WHEN proname IS NULL THEN 'the function ' || name ELSE 'EXECUTE on ' || name END
            FROM unnest($3) AS name CROSS JOIN own
            LEFT JOIN pg_proc ON proname = name AND pronamespace = own.oid
            WHERE NOT coalesce(has_function_privilege($5::name, pg_proc.oid, 'EXECUTE'), false)";
    let (tables, functions) = schema::names();
    let (changes, texts) = (CHANGES.to_vec(), Type::TEXT_ARRAY);
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&schema, Type::TEXT),
        (&tables, texts.clone()),
        (&functions, texts.clone()),
        (&changes, texts),
        (&role, Type::TEXT),
    ];
    client.query_typed(lacks, &parameters).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Who we are in the database.
async fn user(client: &Client) -> Result<String, Error> {
    client.query_typed_one("SELECT current_user::text", &[]).await?.try_get(0)
}
