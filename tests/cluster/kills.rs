//! `kill -9` of nodes and of the whole database server, under load.

use std::time::Duration;

use crate::database::url;
use crate::load::Load;
use crate::nodes::Nodes;
use crate::postgres_server::{PostgresServer, settings};
use crate::proof::prove;
use crate::{Numbers, rounds};

/// Three kills; more with `HEIRLOOM_CLUSTER_KILLS`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_killed_lose_nothing() {
    let database = settings();
    let urls = vec![url(&[&database]); 3];
    let mut nodes = Nodes::start(&urls, &database.schema);
    let load = Load::begin(&nodes).await;
    let (kills, mut numbers) = (rounds("HEIRLOOM_CLUSTER_KILLS", 3), Numbers::of(7));
    for _ in 0..kills {
        load.shared.more(100 + numbers.below(200)).await;
        let number = numbers.below(3);
        nodes.kill(number);
        // The others go on meanwhile.
        load.shared.more(50 + numbers.below(100)).await;
        nodes.run(number, &[]);
    }
    let gap = load.shared.take_gap();
    let proved = prove(load, &mut nodes, &database).await;
    println!("{kills} kills of nodes: {proved}; the longest time without an answer {gap:?}");
    assert!(gap < Duration::from_secs(20), "{gap:?}");
    assert!(proved.unknown > 0, "nobody noticed");
}

/// Two kills; more with `HEIRLOOM_CLUSTER_DATABASE_KILLS`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_loses_nothing() {
    let mut server = PostgresServer::start();
    let database = server.settings("killed");
    let urls = vec![url(&[&database]); 3];
    let mut nodes = Nodes::start(&urls, &database.schema);
    let load = Load::begin(&nodes).await;
    let (kills, mut numbers) = (rounds("HEIRLOOM_CLUSTER_DATABASE_KILLS", 2), Numbers::of(8));
    for _ in 0..kills {
        load.shared.more(100 + numbers.below(300)).await;
        server.kill();
        server.run();
    }
    load.shared.more(100).await;
    let gap = load.shared.take_gap();
    let proved = prove(load, &mut nodes, &database).await;
    println!("{kills} kills of the database: {proved}; the longest time without an answer {gap:?}");
    assert!(proved.unknown > 0, "nobody noticed");
    drop(nodes);
}
