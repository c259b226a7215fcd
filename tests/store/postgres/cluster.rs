//! The nodes on one database: who lives, and who holds which lease.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heirloom::clock::{Clock as _, SystemClock, Timestamp};
use heirloom::store::cluster::{
    ClockDifference, Cluster, ExpectedClock, Heartbeat, Lease, NodeDescription, NodeId, Standing,
};
use heirloom::store::postgres::{PostgresKeyTable, PostgresSettings, PostgresStore};
use heirloom::store::{Exchange as _, Expected, Heard, KeyTable as _, RecordChange, RecordKey, Store as _};
use tokio_postgres::Client;

use super::opening::raw;
use super::pooler;
use crate::contract::{append, key};
use crate::postgres_server;

async fn open(settings: &PostgresSettings) -> (PostgresStore, Arc<dyn Cluster>) {
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    let cluster = store.cluster();
    (store, cluster)
}

fn heartbeat(id: u8, leases: &[Lease]) -> Heartbeat {
    let node = NodeDescription {
        id: NodeId::from([id; 16]),
        name: format!("node {id}"),
        version: "0.1.0".to_owned(),
        configuration: BTreeMap::from([("issuer".to_owned(), vec![id; 16]), ("tokens".to_owned(), vec![7])]),
    };
    Heartbeat {
        node,
        answers: true,
        uptime: Duration::from_secs(100),
        answered: Some(Duration::from_secs(90)),
        position: 7,
        clock: ClockDifference { ahead: -12, error: 3 },
        leases: leases.to_vec(),
        held_for: Duration::from_secs(30),
    }
}

/// Who holds which lease.
fn held(standing: &Standing) -> Vec<(Lease, u8)> {
    standing.leases.iter().map(|(lease, holder)| (*lease, holder.as_bytes()[0])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_says_is_read_by_the_others_until_it_leaves() {
    let settings = postgres_server::settings();
    let ((store, one), (_reader, other)) = (open(&settings).await, open(&settings).await);
    store.append(append("a", Expected::NoStream, &["1", "2"])).await.unwrap();
    assert_eq!(other.look().await.unwrap().nodes, []);
    let said = heartbeat(1, &[]);
    one.beat(said.clone()).await.unwrap();
    let standing = other.beat(Heartbeat { uptime: Duration::ZERO, ..heartbeat(2, &[]) }).await.unwrap();
    assert_eq!(standing.position, 2);
    let [first, second] = standing.nodes.as_slice() else { panic!("{standing:?}") };
    assert_eq!((&first.node, first.answers, first.position, first.clock), (&said.node, true, 7, said.clock));
    assert_eq!(second.node.id, NodeId::from([2; 16]));
    assert_eq!(first.seen.since(first.started), Duration::from_secs(100));
    assert!(standing.now.since(first.seen) < Duration::from_mins(1));
    // Each heartbeat counts, and who does not answer any more says so.
    let earlier = "UPDATE node SET seen = seen - interval '1 hour'";
    raw(&settings).await.batch_execute(earlier).await.unwrap();
    one.beat(Heartbeat { answers: false, answered: None, position: 8, ..said }).await.unwrap();
    let again = other.look().await.unwrap().nodes.remove(0);
    assert_eq!((again.answers, again.position, again.started), (false, 8, first.started));
    assert!(again.seen >= first.seen, "it was seen again");
    // When it did is remembered, also when it stops.
    assert_eq!(again.answered, first.answered);
    let answered = first.answered.unwrap();
    assert_eq!((answered.until, answered.time()), (first.seen, Duration::from_secs(90)));
    one.leave(NodeId::from([1; 16])).await.unwrap();
    let standing = other.look().await.unwrap();
    assert_eq!((standing.nodes.len(), standing.left), (1, vec![answered]));
    one.beat(Heartbeat { answered: None, ..heartbeat(3, &[]) }).await.unwrap();
    assert_eq!(other.look().await.unwrap().nodes.remove(0).answered, None);
    one.leave(NodeId::from([3; 16])).await.unwrap();
    let standing = other.look().await.unwrap();
    assert_eq!((standing.nodes.len(), standing.left.len()), (1, 1), "there is nothing to remember of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_silent_for_a_day_is_forgotten() {
    let settings = postgres_server::settings();
    let (_store, cluster) = open(&settings).await;
    let client = raw(&settings).await;
    for id in [1, 2] {
        cluster.beat(heartbeat(id, &[])).await.unwrap();
    }
    let silent = "UPDATE node SET seen = seen - $1::text::interval WHERE name = 'node 1'";
    client.execute(silent, &[&"23 hours 59 minutes"]).await.unwrap();
    assert_eq!(cluster.beat(heartbeat(2, &[])).await.unwrap().nodes.len(), 2);
    client.execute(silent, &[&"2 minutes"]).await.unwrap();
    assert_eq!(cluster.look().await.unwrap().nodes.len(), 1);
    cluster.beat(heartbeat(2, &[])).await.unwrap();
    let rows: i64 = client.query_one("SELECT count(*) FROM node", &[]).await.unwrap().get(0);
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_has_one_holder_until_it_ends_or_is_given_back() {
    let settings = postgres_server::settings();
    let (_store, cluster) = open(&settings).await;
    let client = raw(&settings).await;
    let both = [Lease::Sweeper, Lease::LogoutDeliveries];
    let one = cluster.beat(heartbeat(1, &both)).await.unwrap();
    assert_eq!(held(&one), [(Lease::LogoutDeliveries, 1), (Lease::Sweeper, 1)]);
    let other = cluster.beat(heartbeat(2, &[Lease::Sweeper, Lease::Indexes])).await.unwrap();
    assert_eq!(held(&other), [(Lease::Indexes, 2), (Lease::LogoutDeliveries, 1), (Lease::Sweeper, 1)]);

    // Whoever asks again keeps it; what is not asked for is free.
    let one = cluster.beat(heartbeat(1, &[Lease::Sweeper])).await.unwrap();
    assert_eq!(held(&one), [(Lease::Indexes, 2), (Lease::Sweeper, 1)]);
    let other = cluster.beat(heartbeat(2, &both)).await.unwrap();
    assert_eq!(held(&other), [(Lease::LogoutDeliveries, 2), (Lease::Sweeper, 1)]);

    end_leases(&client).await;
    assert_eq!(held(&cluster.look().await.unwrap()), []);
    let other = cluster.beat(heartbeat(2, &both)).await.unwrap();
    assert_eq!(
        held(&other),
        [(Lease::LogoutDeliveries, 2), (Lease::Sweeper, 2)],
        "it has ended: another takes it"
    );
    cluster.leave(NodeId::from([2; 16])).await.unwrap();
    let one = cluster.beat(heartbeat(1, &both)).await.unwrap();
    assert_eq!(held(&one), [(Lease::LogoutDeliveries, 1), (Lease::Sweeper, 1)]);

    // It ends by the database's clock.
    let left =
        "SELECT extract(epoch FROM held_until - clock_timestamp())::float8 FROM lease WHERE name = 'sweeper'";
    let left: f64 = client.query_one(left, &[]).await.unwrap().get(0);
    assert!((1.0..=30.0).contains(&left), "{left}");
}

/// What a node of a later version says beyond what this one knows.
const LATER: &str = "
    INSERT INTO node (id, name, version, sections, digests, answers, started, seen, position, clock_ahead, clock_error)
        VALUES (decode(repeat('09', 16), 'hex'), 'later', '9.0.0', '{issuer,of_a_later_version}',
                ARRAY['\\x01'::bytea, '\\x020304'], true, now(), now(), 7, 0, 1);
    INSERT INTO lease (name, holder, held_until)
        VALUES ('of_a_later_version', decode(repeat('09', 16), 'hex'), now() + interval '1 hour')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_later_version_says_is_passed_over_and_left_alone() {
    let settings = postgres_server::settings();
    let (_store, cluster) = open(&settings).await;
    let client = raw(&settings).await;
    client.batch_execute(LATER).await.unwrap();
    let standing = cluster.beat(heartbeat(1, &[Lease::Sweeper])).await.unwrap();
    assert_eq!(held(&standing), [(Lease::Sweeper, 1)]);
    let later = standing.nodes.iter().find(|node| node.node.name == "later").unwrap();
    assert_eq!((later.node.version.as_str(), later.answered), ("9.0.0", None));
    let section = later.node.configuration.get("of_a_later_version");
    assert_eq!(section, Some(&vec![2, 3, 4]));
    cluster.beat(heartbeat(1, &[])).await.unwrap();
    cluster.leave(NodeId::from([1; 16])).await.unwrap();
    let leases = client.query("SELECT name FROM lease", &[]).await.unwrap();
    let leases: Vec<String> = leases.iter().map(|row| row.get(0)).collect();
    assert_eq!(leases, ["of_a_later_version"]);
}

async fn end_leases(client: &Client) {
    client.execute("UPDATE lease SET held_until = clock_timestamp() - interval '1 ms'", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_nodes_that_take_a_lease_at_once_one_gets_it() {
    let settings = postgres_server::settings();
    let ((_one, one), (_other, other)) = (open(&settings).await, open(&settings).await);
    let client = raw(&settings).await;
    for round in 0..20 {
        let wanted = [Lease::Sweeper];
        let (one, other) = tokio::join!(one.beat(heartbeat(1, &wanted)), other.beat(heartbeat(2, &wanted)));
        let (one, other) = (held(&one.unwrap()), held(&other.unwrap()));
        // Each sees itself as the holder only if it is.
        let holds = [one.contains(&(Lease::Sweeper, 1)), other.contains(&(Lease::Sweeper, 2))];
        assert_eq!(holds.iter().filter(|holds| **holds).count(), 1, "round {round}: {one:?} {other:?}");
        if round % 2 == 0 {
            end_leases(&client).await;
        } else {
            client.execute("DELETE FROM lease", &[]).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_and_changes_do_not_wait_for_each_other() {
    let settings = postgres_server::settings();
    let (store, cluster) = open(&settings).await;
    let mut client = raw(&settings).await;
    let changing = client.transaction().await.unwrap();
    changing.execute("SELECT lock_head_1()", &[]).await.unwrap();
    cluster.beat(heartbeat(1, &Lease::ALL)).await.unwrap();
    changing.rollback().await.unwrap();

    let beating = client.transaction().await.unwrap();
    beating.batch_execute("LOCK TABLE node, lease IN ACCESS EXCLUSIVE MODE").await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    store.read_log(0, 9).await.unwrap();
    beating.rollback().await.unwrap();
}

/// Every session is ended when restored data are accepted. So it is refused before anything is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_data_are_not_accepted_while_a_node_answers() {
    let settings = postgres_server::settings();
    let (store, cluster) = open(&settings).await;
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    cluster.beat(heartbeat(1, &[])).await.unwrap();
    let refused = PostgresStore::open_with(settings.clone(), true).await.unwrap_err().to_string();
    assert!(refused.contains("node 1") && refused.contains("nothing was changed"), "{refused}");
    let again = PostgresStore::open(settings.clone()).await.unwrap();
    assert_eq!(again.record(RecordKey::restored()).await.unwrap(), None, "a plain start ends nothing");
    assert_eq!(again.history().position, 1);
    // One that begins, and does not answer yet, is no reason; nor is one that has gone.
    cluster.beat(Heartbeat { answers: false, ..heartbeat(1, &[]) }).await.unwrap();
    let accepted = PostgresStore::open_with(settings, true).await.unwrap();
    assert!(accepted.record(RecordKey::restored()).await.unwrap().is_some());
}

/// What nodes say, what they tell each other and their keys: each statement may come to another connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nodes_share_goes_through_a_pooler_too() {
    let settings = pooler::settings();
    let opened = [open(&settings).await, open(&settings).await, open(&settings).await, open(&settings).await];
    let nodes = (1..).zip(opened).map(|(id, (store, cluster))| {
        tokio::spawn(async move {
            for round in 0..40 {
                let entry = vec![id, round];
                let (standing, told) = tokio::join!(
                    cluster.beat(heartbeat(id, &[Lease::Sweeper])),
                    store.exchange(Heard::default(), Some(entry.clone())),
                );
                assert_eq!(held(&standing.unwrap()).len(), 1);
                let written = told.unwrap().written.unwrap();
                let mut heard = store.exchange(Heard::default(), None).await.unwrap().entries.into_iter();
                assert_eq!(heard.find(|(number, _)| *number == written), Some((written, entry)));
            }
        })
    });
    let nodes: Vec<_> = nodes.collect();
    let keys = tokio::task::spawn_blocking(move || {
        let tables = [(); 2].map(|()| PostgresKeyTable::new(settings.clone()).unwrap());
        for byte in 0..40 {
            let key = BTreeMap::from([("key".to_owned(), Some(vec![byte]))]);
            assert!(tables[0].change(tables[1].version().unwrap(), key).unwrap());
        }
        tables[1].rows().unwrap().values
    });
    assert_eq!(keys.await.unwrap(), BTreeMap::from([("key".to_owned(), vec![39])]));
    for node in nodes {
        node.await.unwrap();
    }
}

/// What a test says of the database's clock.
#[derive(Default)]
struct Said {
    latest: Mutex<Option<Timestamp>>,
    late: AtomicU64,
}

impl ExpectedClock for Said {
    fn latest(&self) -> Option<Timestamp> {
        *self.latest.lock().unwrap()
    }

    fn was_late(&self) {
        self.late.fetch_add(1, Ordering::SeqCst);
    }
}

/// It would write an old time: its clocks stood still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_comes_later_than_its_node_says_changes_nothing() {
    let (store, cluster) = open(&postgres_server::settings()).await;
    let said = Arc::<Said>::default();
    cluster.expect(Arc::<Said>::clone(&said));
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    let outages = store.outages();
    let now = SystemClock.now();
    *said.latest.lock().unwrap() = Some(now.before(Duration::from_millis(1)));
    let mut late = append("a", Expected::Exact(1), &["2"]);
    late.records = vec![RecordChange::Put(key("r"), b"v".to_vec())];
    let refused = store.append(late.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("nothing was changed"), "{refused}");
    assert_eq!(said.late.load(Ordering::SeqCst), 1);
    assert!(store.outages() > outages, "nobody could refresh: windows stay open");
    assert_eq!(store.read_log(0, 9).await.unwrap().len(), 1);
    assert_eq!(store.record(key("r")).await.unwrap(), None);
    // The clocks were set right.
    *said.latest.lock().unwrap() = Some(now.after(Duration::from_hours(1)));
    assert_eq!(store.append(late).await.unwrap().version, 2);
    assert_eq!(said.late.load(Ordering::SeqCst), 1);
}
