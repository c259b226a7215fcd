//! An asynchronous standby that takes over without all that was acknowledged.

use std::time::Duration;

use crate::chain::{Chain, Outcome};
use crate::database::{position, promote, standby_of, streams, url};
use crate::load::Load;
use crate::nodes::Nodes;
use crate::postgres_server::PostgresServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_behind_is_refused_until_the_operator_accepts_it() {
    let mut primary = PostgresServer::start();
    let mut standby = standby_of(&primary);
    let (before, after) = (primary.settings("heirloom"), standby.settings("heirloom"));
    streams(&before).await;
    let mut nodes = Nodes::start(&vec![url(&[&before, &after]); 3], "heirloom");
    let load = Load::begin(&nodes).await;
    // What comes now, the standby does not get.
    standby.kill();
    load.shared.more(100).await;
    let (shared, chains) = load.end().await;
    let acknowledged = position(&before).await;
    // One node is stopped properly, and two remember what they have acknowledged.
    nodes.stop(2);
    primary.kill();
    standby.run();
    promote(&standby);

    for number in [0, 1] {
        nodes.logged(number, "events are lost. Bring back the server that has them").await;
        assert_eq!(chains[0].present(&shared, number).await, Outcome::Unknown);
    }
    let refused = nodes.refuses_to_run(2);
    assert!(refused.contains("and had come to") && refused.contains("serve --restored"), "{refused}");
    assert!(position(&after).await < acknowledged);

    // The operator goes on with what is there.
    nodes.run(2, &["--restored"]);
    assert_eq!(refusals(&chains, &shared, 2).await, chains.len(), "sessions from before");
    shared.ask_only(&[2]);
    let fresh = Chain::start(2, &shared).await;
    for number in [0, 1] {
        nodes.logged(number, "restart this node too").await;
        assert_eq!(fresh.present(&shared, number).await, Outcome::Unknown);
        nodes.stop(number);
        nodes.run(number, &[]);
    }
    // The restarts end no session again.
    nodes.stop(2);
    nodes.run(2, &[]);
    let mut fresh = fresh;
    fresh.refresh_everywhere(&shared).await;
    assert_eq!(refusals(&chains, &shared, 0).await, chains.len());
    assert!(!nodes.log(0).contains("every session has ended"), "only the node with the flag ends sessions");
}

/// A node that has started after a standby took over remembers by its keys folder that something is missing, also when
/// the standby has gone on since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_standby_lacks_is_known_also_after_it_has_gone_on() {
    let mut primary = PostgresServer::start();
    let mut standby = standby_of(&primary);
    let (before, after) = (primary.settings("heirloom"), standby.settings("heirloom"));
    streams(&before).await;
    let mut nodes = Nodes::start(&vec![url(&[&before, &after]); 3], "heirloom");
    let (shared, chains) = Load::begin(&nodes).await.end().await;
    // Everything up to here, the standby has got; a node that is killed remembers no more than that.
    nodes.stop(0);
    nodes.run(0, &[]);
    while position(&after).await < position(&before).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    standby.kill();
    let load = Load::of(shared, chains);
    load.shared.more(30).await;
    let (shared, chains) = load.end().await;
    let acknowledged = position(&before).await;
    nodes.stop(2);
    nodes.kill(0);
    primary.kill();
    standby.run();
    promote(&standby);
    // It knows nothing of what is missing, and goes on.
    nodes.run(0, &[]);
    shared.ask_only(&[0]);
    let mut fresh = Chain::start(2, &shared).await;
    while position(&after).await <= acknowledged + 10 {
        fresh.refresh(&shared).await;
    }
    nodes.logged(1, "events are lost. Bring back the server that has them").await;
    assert_eq!(fresh.present(&shared, 1).await, Outcome::Unknown);
    let refused = nodes.refuses_to_run(2);
    assert!(refused.contains("and had come to"), "{refused}");
    drop(chains);
}

/// How many of the newest tokens a node refuses.
async fn refusals(chains: &[Chain], shared: &crate::load::Shared, node: usize) -> usize {
    let mut refused = 0;
    for chain in chains {
        let outcome = chain.present(shared, node).await;
        refused += usize::from(matches!(&outcome, Outcome::Refused(why) if why.contains("invalid_grant")));
    }
    refused
}
