//! What one node does at a time: by a lease, and without harm when it is done by two.

use std::sync::Arc;
use std::time::Duration;

use heirloom::app::clock_guard::Evidence;
use heirloom::app::reindex::IndexError;
use heirloom::session::{EndReason, SessionEvent};
use heirloom::store::cluster::Lease;
use heirloom::store::{Append, Expected, RecordChange, RecordKey, StreamId};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::backchannel_logout::endings::log_out;
use crate::backchannel_logout::{APPS, Scene, sid};
use crate::support::database::Pair;
use crate::support::{Answer, Server};

/// A node with apps that are told of logouts, and another one beside it.
async fn scene() -> (Scene, Server) {
    let mut database = None;
    let Scene { server, apps } = Scene::with(|setup| database = Some(setup.on_database())).await;
    let Pair { one, other, .. } = Pair::beside(server, database.unwrap(), |_| {}).await;
    (Scene { server: one, apps }, other)
}

/// Has a node sweep, for which it wants the lease.
fn keep_sweeping(node: &Server) -> JoinHandle<()> {
    tokio::spawn(Arc::clone(&node.app.sweeper).keep_sweeping(Duration::from_hours(1), Evidence::default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sweepers_at_once_end_and_remove_each_session_once() {
    let pair = Pair::start().await;
    let mut sessions = Vec::new();
    for _ in 0..24 {
        sessions.push(pair.one.sign_in().await.session());
    }
    pair.wait(30 * 86_400);
    let [one, other] = [&pair.one, &pair.other].map(|node| Arc::clone(&node.app.sweeper));
    let (mut ended, mut removed, mut failed) = (0, 0, 0);
    let mut sweep = async || {
        let (one, other) = tokio::join!(one.sweep(5), other.sweep(5));
        for swept in [one.unwrap(), other.unwrap()] {
            ended += swept.ended;
            removed += swept.removed;
            failed += swept.failed;
        }
    };
    for _ in 0..24 {
        sweep().await;
    }
    pair.wait(91 * 86_400);
    for id in &sessions {
        let names = pair.other.events(*id).await;
        let ends = names
            .iter()
            .filter(|event| matches!(event, SessionEvent::Ended { reason: EndReason::Expired, .. }));
        assert_eq!(ends.count(), 1, "{names:?}");
    }
    for _ in 0..24 {
        sweep().await;
    }
    assert_eq!((ended, removed, failed), (24, 24, 0));
    for id in sessions {
        assert_eq!(pair.one.event_names(id).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deliverers_at_once_forget_nothing() {
    let (scene, other) = scene().await;
    for _ in 0..4 {
        let (mut browser, [app, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
        log_out(&mut browser).await;
        let deliverers = [&scene.server, &other].map(|node| {
            let deliverer = Arc::clone(&node.app.backchannel_logout);
            tokio::spawn(async move { deliverer.deliver_due().await })
        });
        for deliverer in deliverers {
            deliverer.await.unwrap().unwrap();
        }
        for told in [scene.apps[0].logins(), scene.apps[1].logins()] {
            assert!(!told.is_empty() && told.iter().all(|login| *login == sid(&app)), "{told:?}");
        }
        assert!(scene.told().await.iter().all(Vec::is_empty), "nothing is left");
    }
}

/// Delivers as the server does; the sender stops it.
fn deliver(node: &Server) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let deliverer = Arc::clone(&node.app.backchannel_logout);
    let stopping = async { drop(stopped.await) };
    (stop, tokio::spawn(deliverer.keep_delivering(stopping)))
}

async fn until(node: &Server, holds: bool, lease: Lease) {
    for _ in 0..3000 {
        if node.app.nodes.holds(lease) == holds {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("holds the lease {}: never {holds}", lease.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_tells_apps_of_the_logouts_of_all_and_another_takes_over_when_it_stops() {
    let (scene, other) = scene().await;
    let (one, other) = (&scene.server, &other);
    let other_beats = other.keep_beating();
    let other_delivers = deliver(other);
    until(other, true, Lease::LogoutDeliveries).await;
    let one_beats = one.keep_beating();
    let one_delivers = deliver(one);
    // The logout is at a node that does not deliver, and nobody wakes up the one that does.
    let (mut browser, [app]) = scene.signed_in([APPS[0]]).await;
    log_out(&mut browser).await;
    let token = scene.apps[0].next().await;
    assert_eq!(Answer::part(&token, 1)["sid"], sid(&app));
    assert!(!one.app.nodes.holds(Lease::LogoutDeliveries));

    drop(other_delivers.0);
    other_delivers.1.await.unwrap();
    other_beats.abort();
    other.app.nodes.leave().await;
    assert!(!other.app.nodes.holds(Lease::LogoutDeliveries));
    let (mut browser, [app]) = scene.signed_in([APPS[0]]).await;
    log_out(&mut browser).await;
    let token = scene.apps[0].next().await;
    assert_eq!(Answer::part(&token, 1)["sid"], sid(&app));
    assert!(one.app.nodes.holds(Lease::LogoutDeliveries));
    drop(one_delivers.0);
    one_delivers.1.await.unwrap();
    one_beats.abort();
    assert!(scene.apps[0].take().is_empty(), "each is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_reaches_nobody_stops_before_its_lease_ends() {
    let pair = Pair::start().await;
    pair.answer().await;
    let sweeps = keep_sweeping(&pair.one);
    let beats = pair.one.keep_beating();
    until(&pair.one, true, Lease::Sweeper).await;
    beats.abort();
    pair.wait(24);
    assert!(pair.one.app.nodes.holds(Lease::Sweeper));
    pair.wait(1);
    assert!(!pair.one.app.nodes.holds(Lease::Sweeper), "it does not trust it any more");
    // By the database's clock it is over as well: another node takes it, and the first one learns that.
    pair.database.change("UPDATE lease SET held_until = clock_timestamp() - interval '1 second'").await;
    let other_sweeps = keep_sweeping(&pair.other);
    tokio::task::yield_now().await;
    let beats = pair.other.keep_beating();
    until(&pair.other, true, Lease::Sweeper).await;
    pair.one.app.nodes.beat().await.unwrap();
    assert!(!pair.one.app.nodes.holds(Lease::Sweeper) && pair.other.app.nodes.holds(Lease::Sweeper));
    for task in [sweeps, other_sweeps, beats] {
        task.abort();
    }
}

/// As after a machine has slept: its monotonic clock stood still, and its lease may be long over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_whose_clock_has_jumped_does_not_trust_its_lease_and_gives_it_back() {
    let pair = Pair::start().await;
    pair.answer().await;
    let sweeps = keep_sweeping(&pair.one);
    let beats = pair.one.keep_beating();
    until(&pair.one, true, Lease::Sweeper).await;
    beats.abort();
    assert!(beats.await.is_err());
    pair.one.clock.set(pair.one.now().after(Duration::from_mins(1)));
    assert!(!pair.one.app.nodes.holds(Lease::Sweeper));
    pair.one.app.nodes.beat().await.unwrap();
    let nodes = pair.other.app.nodes.list().await.unwrap();
    assert!(nodes.iter().all(|node| node.leases.is_empty()), "another can take it");
    sweeps.abort();
}

fn marker() -> RecordKey {
    RecordKey::index(0, &[b"sessions"])
}

async fn put(node: &Server, record: RecordChange) {
    let stream = StreamId::new(b'-', b"records").unwrap();
    let append = Append {
        stream,
        expected: Expected::NoStream,
        events: Vec::new(),
        snapshot: Vec::new(),
        records: vec![record],
    };
    node.app.store.append(append).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_begin_together_make_the_indexes_one_after_another() {
    let pair = Pair::start().await;
    pair.one.sign_in().await;
    let nodes = [Arc::clone(&pair.one.app), Arc::clone(&pair.other.app)];
    let begun = nodes.map(|app| {
        tokio::spawn(async move {
            app.nodes.join().await.unwrap();
            app.indexes.prepare().await.unwrap()
        })
    });
    let [one, other] = begun;
    let made = [one.await.unwrap(), other.await.unwrap()];
    assert_eq!(made.iter().flatten().count(), 1, "one of them: {made:?}");
    assert!(pair.one.app.indexes.are_current().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_makes_no_indexes_while_a_node_of_the_old_one_answers() {
    let pair = Pair::start().await;
    put(&pair.one, RecordChange::Put(marker(), vec![1, 1, 1])).await;
    pair.answer().await;
    let refused = pair.other.app.indexes.prepare().await.unwrap_err();
    assert!(matches!(&refused, IndexError::OthersAnswer(names) if names == "one"), "{refused}");
    assert!(refused.to_string().contains("stop all of them"), "{refused}");
    let stored = pair.one.app.store.record(marker()).await.unwrap();
    assert_eq!(stored, Some(vec![1, 1, 1]), "nothing has changed");

    // A node that says that it answers, while another one is making them, looks once more.
    pair.one.app.nodes.leave().await;
    let made = pair.other.app.indexes.prepare().await.unwrap();
    assert!(made.is_some() && pair.one.app.indexes.are_current().await.unwrap());
    put(&pair.one, RecordChange::Delete(marker())).await;
    assert!(!pair.one.app.indexes.are_current().await.unwrap());
}
