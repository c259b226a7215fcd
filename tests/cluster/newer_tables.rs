//! Tables that a later version has changed, under nodes of this version.

use std::time::{Duration, Instant};

use heirloom::store::postgres::PostgresSettings;

use crate::PATIENCE;
use crate::chain::Outcome;
use crate::crossing::Versions;
use crate::database::{raw, url};
use crate::load::Load;
use crate::nodes::Nodes;
use crate::postgres_server::settings;
use crate::proof::prove;

/// What a version may do to the tables beside nodes of the version before, in the order that `schema.rs` asks for.
const ADDS: &str = "
    BEGIN;
    SET LOCAL lock_timeout = '4s';
    LOCK TABLE head IN EXCLUSIVE MODE;
    CREATE TABLE later (id bigint PRIMARY KEY, what text NOT NULL);
    CREATE FUNCTION later_1() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM later';
    DO $$
    DECLARE
        existing regclass;
    BEGIN
        FOR existing IN
            SELECT pg_class.oid::regclass FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE nspname = current_schema() AND relkind = 'r' ORDER BY relname = 'head', relname
        LOOP
            EXECUTE format('ALTER TABLE %s ADD COLUMN later text NOT NULL DEFAULT ''added''', existing);
        END LOOP;
    END
    $$;
    INSERT INTO schema_version (version, oldest_program) VALUES (100, 1);
    COMMIT";

/// Adds to the tables. A node may wait for it and it for the node; then one of them is told to try again.
async fn add(database: &PostgresSettings) {
    let (client, began) = (raw(database).await, Instant::now());
    while let Err(error) = client.batch_execute(ADDS).await {
        assert!(began.elapsed() < PATIENCE, "{error:?}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
    let added = "SELECT count(*) FROM information_schema.columns
        WHERE table_schema = current_schema() AND column_name = 'later'";
    let added: i64 = client.query_one(added, &[]).await.unwrap().get(0);
    assert!(added >= 12, "{added} tables");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_a_later_version_are_used_until_it_says_that_they_are_for_newer_programs() {
    let (versions, database) = (Versions::given(), settings());
    let mut nodes = Nodes::start_as(&versions.newer, &vec![url(&[&database]); 3], &database.schema);
    let load = Load::begin(&nodes).await;
    add(&database).await;
    load.shared.more(100).await;
    // Both versions start on them, and a lease changes hands.
    for (number, program) in [(0, &versions.older), (1, &versions.newer), (2, &versions.older)] {
        nodes.stop(number);
        nodes.becomes(number, program);
        nodes.run(number, &[]);
        load.shared.more(20).await;
    }
    nodes.one_logged(&[0, 1, 2], "this node has taken a lease").await;
    for number in [0, 2] {
        nodes.stop(number);
        nodes.becomes(number, &versions.newer);
        nodes.run(number, &[]);
    }
    let gap = load.shared.take_gap();
    let proved = prove(load, &mut nodes, &database).await;
    println!("tables of a later version: {proved}; the longest time without an answer {gap:?}");

    let load = Load::begin(&nodes).await;
    let client = raw(&database).await;
    client
        .batch_execute("INSERT INTO schema_version (version, oldest_program) VALUES (101, 101)")
        .await
        .unwrap();
    let said = "it needs one that knows version 101 of the tables";
    for number in 0..3 {
        nodes.logged(number, said).await;
    }
    load.shared.quiet(Duration::from_secs(2)).await;
    assert!(nodes.stop(2).success(), "it stops as always: {}", nodes.log(2));
    let refused = nodes.refuses_to_run(2);
    assert!(refused.contains(said), "{refused}");
    // Nobody asks an operator to do that. But it shows that nothing was lost meanwhile, and nobody signed out.
    client.batch_execute("DELETE FROM schema_version WHERE version = 101").await.unwrap();
    nodes.run(2, &[]);
    load.shared.more(100).await;
    let (shared, mut chains) = load.end().await;
    for chain in &mut chains {
        chain.refresh_everywhere(&shared).await;
        assert_ne!(chain.present(&shared, 0).await, Outcome::Unknown);
    }
    nodes.assert_nobody_was_signed_out();
}
