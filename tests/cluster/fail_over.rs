//! A primary that dies under load, its standby that takes over, and the primary that comes back.

use std::time::{Duration, Instant};

use crate::chain::Outcome;
use crate::database::{end_connections, position, promote, raw, set, standby_of, streams, url};
use crate::load::Load;
use crate::nodes::Nodes;
use crate::postgres_server::PostgresServer;
use crate::proof::prove;

/// A primary that acknowledges what its standby has.
fn synchronous() -> PostgresServer {
    PostgresServer::start_with(|_| {
        "listen_addresses = ''\nsynchronous_standby_names = 'standby'\nsynchronous_commit = local\n"
            .to_owned()
    })
}

/// Starts a standby of a primary that already waits for it.
async fn with_standby(primary: &PostgresServer) -> PostgresServer {
    let standby = standby_of(primary);
    streams(&primary.settings("public")).await;
    standby
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_takes_over_and_the_old_primary_is_never_written_to_again() {
    let mut primary = synchronous();
    let mut standby = with_standby(&primary).await;
    let (before, after) = (primary.settings("heirloom"), standby.settings("heirloom"));
    let mut nodes = Nodes::start(&vec![url(&[&before, &after]); 3], "heirloom");
    let load = Load::begin(&nodes).await;
    load.shared.more(200).await;

    let killed = Instant::now();
    primary.kill();
    promote(&standby);
    let promoted = killed.elapsed();
    load.shared.more(100).await;
    let gap = load.shared.take_gap();
    println!("fail-over: promoted {promoted:?} after the kill; the longest time without an answer {gap:?}");
    assert!(gap < Duration::from_secs(40), "{gap:?}");

    // The old primary comes back and takes changes, as nobody has told it. It is the first in each node's list.
    set(&primary.folder, "synchronous_standby_names = ''");
    primary.run();
    let last = position(&before).await;
    end_connections(&after).await;
    load.shared.more(100).await;
    nodes.kill(1);
    nodes.run(1, &[]);
    end_connections(&after).await;
    load.shared.more(200).await;
    let terms = "SELECT count(*) FROM term";
    assert_eq!(raw(&after).await.query_one(terms, &[]).await.unwrap().get::<_, i64>(0), 2);

    // Now the old primary is the only one that is there. A node remembers over its own restart too.
    for number in 0..3 {
        while nodes.data_position(number).split(' ').nth(2) != nodes.data_position(1).split(' ').nth(2) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    standby.kill();
    nodes.logged(0, "is not the server that took over at the last fail-over").await;
    nodes.kill(2);
    let refused = nodes.refuses_to_run(2);
    assert!(refused.contains("is not the server that took over at the last fail-over"), "{refused}");
    standby.run();
    nodes.run(2, &[]);
    load.shared.more(100).await;

    let proved = prove(load, &mut nodes, &after).await;
    println!("fail-over: {proved}");
    assert_eq!(position(&before).await, last, "the old primary was written to");
}

/// No change can be acknowledged, so none is: the nodes answer 503, and go on when the standby is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_only_synchronous_standby_is_away_no_change_is_acknowledged_and_none_is_lost() {
    let primary = synchronous();
    let mut standby = with_standby(&primary).await;
    let database = primary.settings("heirloom");
    let mut nodes = Nodes::start(&vec![url(&[&database]); 2], "heirloom");
    let load = Load::begin(&nodes).await;
    standby.kill();
    // A client may still get an answer to what the standby had confirmed. Nothing else becomes visible.
    load.shared.quiet(Duration::from_secs(2)).await;
    let last = position(&database).await;
    nodes.one_logged(&[0, 1], "lost a connection to PostgreSQL").await;
    // What a node that gave up leaves behind must not fill the server.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(position(&database).await, last, "committed without the standby");
    let stuck = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let stuck: i64 = raw(&database).await.query_one(stuck, &[]).await.unwrap().get(0);
    println!("a standby that is away: {stuck} connections wait for it");
    assert!((1..=3).contains(&stuck), "{stuck}");
    standby.run();
    let back = load.shared.more(100).await;
    let proved = prove(load, &mut nodes, &database).await;
    println!("a standby that is away: answers {back:?} after it was back; {proved}");
}

/// The primary is away for longer than anybody wants to wait. Everything is answered at once, by 503.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_every_node_answers_503_at_once() {
    let mut server = PostgresServer::start();
    let database = server.settings("heirloom");
    let mut nodes = Nodes::start(&vec![url(&[&database]); 2], "heirloom");
    let (shared, chains) = Load::begin(&nodes).await.end().await;
    server.kill();
    while chains[0].present(&shared, 0).await != Outcome::Unknown
        || chains[0].present(&shared, 1).await != Outcome::Unknown
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shared.take_longest();
    for chain in &chains {
        for node in 0..2 {
            assert_eq!(chain.present(&shared, node).await, Outcome::Unknown);
        }
    }
    let longest = shared.take_longest();
    // Whoever waited for the database would wait for longer.
    assert!(longest.iter().all(|took| *took < Duration::from_secs(4)), "{longest:?}");
    server.run();
    let load = Load::of(shared, chains);
    load.shared.more(50).await;
    println!("{}", prove(load, &mut nodes, &database).await);
}
