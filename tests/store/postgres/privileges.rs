//! A node whose role may not make tables: `migrate` makes them, and grants the role what it needs.

use heirloom::clock::{ManualClock, SystemClock, Timestamp};
use heirloom::store::postgres::{Migration, PostgresSettings, PostgresStore};
use heirloom::store::{Append, Expected, RecordKey, Remove, Store as _, Summarize};

use super::opening::raw;
use crate::contract::{append, insert, key, put, stream};
use crate::postgres_server::{self, PostgresServer};

/// A place on the shared server, and a role that may do nothing yet.
async fn with_role() -> (PostgresSettings, PostgresSettings, String) {
    let owner = postgres_server::settings();
    let role = format!("web \"{}", owner.schema);
    raw(&owner).await.batch_execute(&format!("CREATE ROLE {} LOGIN", quoted(&role))).await.unwrap();
    let mut weak = owner.clone();
    weak.server.user(&role);
    (owner, weak, role)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn migration(settings: &PostgresSettings, grant_to: Option<&str>) -> Migration {
    Migration { settings: settings.clone(), grant_to: grant_to.map(ToOwned::to_owned), dry_run: false }
}

/// Everything that a store does.
async fn use_all(store: &PostgresStore) {
    for name in ["a", "b"] {
        let mut first = append(name, Expected::NoStream, &["1", "2", "3"]);
        first.records = vec![put("r", "v"), insert(&format!("own {name}"), "v")];
        store.append(first).await.unwrap();
    }
    let more = Append { records: Vec::new(), ..append("a", Expected::Exact(3), &["4"]) };
    store.append(more).await.unwrap();
    let (expected, event) = (Expected::Exact(4), b"2 and 3".to_vec());
    let summary = Summarize { stream: stream("a"), expected, first: 2, last: 3, event, records: Vec::new() };
    store.summarize(summary).await.unwrap();
    let records = vec![heirloom::store::RecordChange::Delete(key("own b"))];
    store.remove(Remove { stream: stream("b"), expected: Expected::Exact(3), records }).await.unwrap();
    assert_eq!(store.load(stream("a")).await.unwrap().unwrap().version, 4);
    assert_eq!(store.read_stream(stream("a"), 0, 9).await.unwrap().len(), 3);
    assert_eq!(store.read_log(0, 9).await.unwrap().len(), 3);
    assert_eq!(store.record(key("r")).await.unwrap(), Some(b"v".to_vec()));
    assert_eq!(store.scan(RecordKey::from_bytes(b""), None, 9).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_with_what_migrate_grants_runs_a_node_and_changes_no_table() {
    let (owner, mut weak, role) = with_role().await;
    let migrated = PostgresStore::migrate(&migration(&owner, Some(&role))).await.unwrap();
    assert_eq!((migrated.made.len(), migrated.version), (2, 2));
    let again = PostgresStore::migrate(&migration(&owner, Some(&role))).await.unwrap();
    assert_eq!((again.made.len(), again.version), (0, 2));
    for migrate in [true, false] {
        weak.migrate = migrate;
        PostgresStore::check(&weak, &SystemClock).await.unwrap();
        PostgresStore::open(weak.clone()).await.unwrap();
    }
    use_all(&PostgresStore::open(weak.clone()).await.unwrap()).await;
    let client = raw(&weak).await;
    for forbidden in
        ["CREATE TABLE other ()", "DROP TABLE record", "TRUNCATE event", "DELETE FROM schema_version"]
    {
        let error = client.batch_execute(forbidden).await.unwrap_err().to_string();
        let error = format!("{error} {:?}", client.batch_execute(forbidden).await.unwrap_err().code());
        assert!(error.contains("42501"), "{forbidden}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_names_what_a_role_lacks_and_its_statements_mend_it() {
    let (owner, weak, role) = with_role().await;
    PostgresStore::migrate(&migration(&owner, None)).await.unwrap();
    let raw = raw(&owner).await;
    let role = quoted(&role);
    let lacks = async || PostgresStore::check(&weak, &SystemClock).await.unwrap_err().to_string();
    let mend = async |said: &str| {
        let (_, statements) = said.split_once("run:\n").unwrap_or_else(|| panic!("{said}"));
        raw.batch_execute(statements).await.unwrap();
        PostgresStore::check(&weak, &SystemClock).await.unwrap();
    };
    let said = lacks().await;
    for part in
        ["lacks USAGE on the schema", "SELECT on schema_version", "UPDATE on head", "DELETE on record"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    mend(&said).await;
    for (taken, named) in [
        (format!("REVOKE INSERT ON event FROM {role}"), "lacks INSERT on event."),
        (format!("REVOKE SELECT ON schema_version FROM {role}"), "lacks SELECT on schema_version."),
        (format!("REVOKE EXECUTE ON FUNCTION remove_1 FROM public, {role}"), "lacks EXECUTE on remove_1."),
        (format!("REVOKE USAGE ON SCHEMA \"{}\" FROM {role}", owner.schema), "lacks USAGE on the schema."),
    ] {
        raw.batch_execute(&taken).await.unwrap();
        let said = lacks().await;
        assert!(said.contains(named), "{taken}: {said}");
        mend(&said).await;
    }
    raw.batch_execute("DROP FUNCTION summarize_1").await.unwrap();
    let said = lacks().await;
    assert!(said.contains("the function summarize_1 is missing. Restore it"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_change_tables_is_told_to_migrate_and_changes_none() {
    let settings = PostgresSettings { migrate: false, ..postgres_server::settings() };
    for said in [
        PostgresStore::open(settings.clone()).await.unwrap_err().to_string(),
        PostgresStore::check(&settings, &SystemClock).await.unwrap_err().to_string(),
    ] {
        assert!(said.contains("it has no tables") && said.contains("`heirloom migrate"), "{said}");
    }
    let schemas = async || {
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
        raw(&settings).await.query_one(schemas, &[&settings.schema]).await.unwrap().get::<_, i64>(0)
    };
    let would = Migration { dry_run: true, ..migration(&settings, None) };
    assert_eq!(PostgresStore::migrate(&would).await.unwrap().made, [1, 2]);
    let refused = PostgresStore::migrate(&migration(&settings, Some("nobody here"))).await.unwrap_err();
    assert!(refused.to_string().contains("\"nobody here\" does not exist"), "{refused}");
    assert_eq!(schemas().await, 0, "something was made");
    PostgresStore::migrate(&migration(&settings, None)).await.unwrap();
    PostgresStore::open(settings).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_its_giver_may_not_give_is_an_error() {
    let (owner, weak, role) = with_role().await;
    PostgresStore::migrate(&migration(&owner, Some(&role))).await.unwrap();
    let schema = quoted(&owner.schema);
    let other = format!("GRANT CREATE ON SCHEMA {schema} TO {}", quoted(&role));
    raw(&owner).await.batch_execute(&other).await.unwrap();
    // It may change the schema, but does not own the tables; GRANT then only warns.
    let refused =
        PostgresStore::migrate(&migration(&weak, Some("pg_monitor"))).await.unwrap_err().to_string();
    assert!(
        refused.contains("the user pg_monitor lacks") || refused.contains("permission denied"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_warns_of_what_the_database_is_set_to_and_of_its_clock() {
    let server = PostgresServer::start_with(|_| {
        "listen_addresses = ''\nfull_page_writes = off\nsynchronous_commit = off\n".to_owned()
    });
    let settings = server.settings("warned");
    let clock = ManualClock::at(Timestamp::from_seconds(1_000_000_000));
    for store in ["none", "there"] {
        let warnings = PostgresStore::check(&settings, &clock).await.unwrap().join("\n");
        for part in ["full_page_writes is off", "synchronous_commit is off", "ahead of this machine's"] {
            assert!(warnings.contains(part), "{store}, {part}: {warnings}");
        }
        drop(PostgresStore::open(settings.clone()).await.unwrap());
    }
}
