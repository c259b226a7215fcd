//! Several nodes on one database.

mod asked_again;
mod clocks;
mod epochs;
mod leases;
mod rate_limits;
mod seen_everywhere;
mod starts;

use std::time::Duration;

use serde_json::json;

use crate::admin::Office;
use crate::support::database::Pair;
use crate::support::{PUBLIC, Server, Setup};

#[tokio::test]
async fn the_embedded_store_has_one_node_which_does_all() {
    let office = Office::on(Server::with(Setup::on_disk).await).await;
    let nodes = office.get("/admin/nodes").await;
    let [node] = nodes.json["nodes"].as_array().unwrap().as_slice() else { panic!("{}", nodes.text) };
    assert_eq!(
        (&node["current"], &node["state"], &node["answers"]),
        (&json!(true), &json!("live"), &json!(true))
    );
    assert_eq!(node["leases"], json!(["sweeper", "logout_deliveries", "indexes"]));
    assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
    assert!(node["name"].as_str().is_some_and(|name| !name.is_empty()), "the machine's");
    assert_eq!(node["position"].as_u64().unwrap(), office.server.position().await);
    assert_eq!((&node["clock_ahead_milliseconds"], &node["differs"]), (&json!(null), &json!([])));
    // What the server does for all, it does without asking.
    assert!(!office.server.app.monitoring.metrics().contains("heirloom_node"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_see_all_nodes_and_in_what_they_differ() {
    let change = |setup: &mut Setup| {
        setup.config.tokens.lifetimes.access_token = Duration::from_mins(3);
        setup.config.server.drain = Duration::from_secs(3);
        setup.client(PUBLIC, |client| client.metadata.client_name = "Other".to_owned());
    };
    let Pair { one, other, database } = Pair::with(|_| {}, change).await;
    one.app.nodes.join().await.unwrap();
    one.app.nodes.answer().await.unwrap();
    let office = Office::on(one).await;
    other.clock.set(other.now().after(Duration::from_millis(700)));
    assert!(!office.server.app.nodes.has_others());
    other.app.nodes.join().await.unwrap();
    assert!(other.app.nodes.has_others());

    let nodes = office.get("/admin/nodes").await;
    let [one, second] = nodes.json["nodes"].as_array().unwrap().as_slice() else { panic!("{}", nodes.text) };
    assert_eq!((&one["name"], &one["current"], &one["answers"]), (&json!("one"), &json!(true), &json!(true)));
    assert_eq!((&second["name"], &second["current"]), (&json!("other"), &json!(false)));
    assert_eq!((&second["state"], &second["answers"]), (&json!("live"), &json!(false)), "it begins");
    assert_eq!(second["clock_ahead_milliseconds"], 700);
    // Not where it listens, nor how long it drains: clients and tokens.
    assert_eq!((&one["differs"], &second["differs"]), (&json!([]), &json!(["clients", "tokens"])));
    assert!(one["behind"].as_u64().unwrap() > 0, "it has written since: {}", nodes.text);

    // It hears at its next heartbeat what the other one writes.
    let before = office.server.position().await;
    other.sign_in().await;
    let written = other.position().await - before;
    office.server.clock.set(office.server.now().after(Duration::from_millis(300)));
    office.server.app.nodes.beat().await.unwrap();
    assert!(office.server.app.nodes.has_others(), "it does not answer yet");
    let metrics = office.server.app.monitoring.metrics();
    for sample in [
        "heirloom_nodes{state=\"live\"} 2",
        "heirloom_nodes{state=\"silent\"} 0",
        &format!("heirloom_node_behind_positions {written}"),
        "heirloom_node_clock_ahead_milliseconds 300",
        "heirloom_node_differs 1",
        "heirloom_node_clock_in_step 1",
        "heirloom_node_lease{lease=\"sweeper\"} 0",
    ] {
        assert!(metrics.contains(&format!("{sample}\n")), "{sample}: {metrics}");
    }

    // Who says nothing for a while is silent, and who stops is gone.
    database.clock.advance(Duration::from_secs(16));
    office.server.clock.advance(Duration::from_secs(16));
    office.server.app.nodes.beat().await.unwrap();
    let nodes = office.get("/admin/nodes").await.json;
    assert_eq!(
        (&nodes["nodes"][0]["state"], &nodes["nodes"][1]["state"]),
        (&json!("live"), &json!("silent"))
    );
    assert!(!office.server.app.monitoring.metrics().contains("heirloom_node_differs 1\n"));
    other.app.nodes.leave().await;
    assert_eq!(office.get("/admin/nodes").await.json["nodes"].as_array().unwrap().len(), 1);
}
