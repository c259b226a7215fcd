//! The statements by which the documents have an operator look after the database.

use heirloom::store::postgres::PostgresStore;

use super::opening::raw;
use crate::postgres_server::shared;

const PAGE: &str = include_str!("../../../docs/cluster.md");
/// What tells of standbys, slots and long transactions, of which there are none.
const FIND_NOTHING: [&str; 3] = ["FROM pg_stat_replication", "FROM pg_replication_slots", "xact_start"];

/// A misspelt name in a query would show nothing, as if all were well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_of_the_page_runs_and_those_about_heirloom_find_it() {
    // The names that the page uses.
    let mut settings = shared().settings("heirloom");
    settings.server.application_name("heirloom");
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    let client = raw(&settings).await;
    let (mut queries, mut blocks) = (0, 0);
    for text in PAGE.split('`') {
        if text.starts_with("SELECT ") {
            queries += 1;
            let rows = client.query(text, &[]).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
            let may_find_nothing = FIND_NOTHING.iter().any(|part| text.contains(part));
            assert!(!rows.is_empty() || may_find_nothing, "{text} finds nothing");
        } else if let Some(statements) = text.strip_prefix("sql\n") {
            blocks += 1;
            client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
        }
    }
    assert!(queries >= 9 && blocks >= 1, "{queries} queries and {blocks} blocks were found");
    drop(store);
}
