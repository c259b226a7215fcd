//! What may be done so many times may be done so many times over all nodes together.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::PATIENCE;
use crate::chain::{Chain, Outcome};
use crate::database::url;
use crate::load::Shared;
use crate::nodes::Nodes;
use crate::postgres_server::settings;

/// How often a session may be refreshed at once.
const BURST: usize = 120;

/// Each asking takes something itself: a node that hears nothing of the other's takes refuses after [`BURST`] of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_refreshed_too_often_at_one_node_is_refused_at_another() {
    let database = settings();
    let throttle = format!("refresh_burst = {BURST}\nrefresh_every = \"1h\"");
    let nodes = Nodes::start_with(&vec![url(&[&database]); 2], &database.schema, &throttle);
    let shared = Shared::new(&nodes, Duration::ZERO);
    let mut chain = Chain::start(0, &shared).await;
    let at_one = refreshes(&mut chain, &shared, (0, Duration::ZERO)).await;
    let at_other = refreshes(&mut chain, &shared, (1, Duration::from_secs(1))).await;
    println!("{at_one} refreshes at one node, then {at_other} at the other");
    assert!(at_one <= BURST && at_other < BURST / 2, "{at_one}, {at_other}");
}

/// How often a node refreshes until it says that this was too often, with pauses.
async fn refreshes(chain: &mut Chain, shared: &Shared, (node, pause): (usize, Duration)) -> usize {
    let (mut refreshes, mut answered) = (0, Instant::now());
    loop {
        match chain.present(shared, node).await {
            Outcome::Tokens(token) => {
                (chain.newest, answered) = (token, Instant::now());
                refreshes += 1;
            }
            Outcome::Unknown => assert!(answered.elapsed() < PATIENCE, "nobody answers"),
            Outcome::Refused(why) => {
                assert!(why.starts_with("429 "), "{why}");
                return refreshes;
            }
        }
        sleep(pause).await;
    }
}
