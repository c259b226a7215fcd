//! Several nodes on one database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heirloom::store::postgres::{PostgresSettings, PostgresStore};
use heirloom::store::{Append, Expected, RecordChange, RecordedEvent, StoreError};

use super::durability::syncs;
use super::lookups::becomes_true;
use crate::contract::{Tested, append, insert, key, put, stream, whole_log};
use crate::postgres_server;

async fn node(settings: &PostgresSettings) -> Tested {
    Arc::new(PostgresStore::open(settings.clone()).await.unwrap())
}

/// A few numbers after another, the same in each run.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Appends to one of 100 streams, and says in the event what it does to a record that all streams share: the text of the
/// event, or `-` for its deletion.
async fn fight(node: Tested, fighter: u64, rounds: u64) -> u64 {
    let (mut number, mut won) = (numbers(fighter), 0);
    for round in 0..rounds {
        let name = number(100).to_string();
        let version = node.load(stream(&name)).await.unwrap().map_or(0, |head| head.version);
        let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
        let shared = format!("shared {}", number(5));
        let deletes = number(3) == 0;
        let text =
            format!("{shared}={}", if deletes { "-".to_owned() } else { format!("{fighter}/{round}") });
        let change = if deletes { RecordChange::Delete(key(&shared)) } else { put(&shared, &text) };
        let own = put(&format!("own {name}"), &(version + 1).to_string());
        match node.append(Append { records: vec![own, change], ..append(&name, expected, &[&text]) }).await {
            Ok(appended) => {
                assert_eq!(appended.version, version + 1);
                won += 1;
            }
            Err(error) => assert_eq!(error, StoreError::WrongExpectedVersion),
        }
    }
    won
}

/// Follows the log until `done` and its end. Every page continues where the one before ended.
async fn follow(node: Tested, done: Arc<AtomicBool>) -> Vec<RecordedEvent> {
    let mut followed: Vec<RecordedEvent> = Vec::new();
    loop {
        let last = done.load(Ordering::Acquire);
        let page = node.read_log(followed.len() as u64, 50).await.unwrap();
        for event in &page {
            assert_eq!(event.position, followed.len() as u64 + 1, "a reader found a gap");
            followed.push(event.clone());
        }
        if last && page.is_empty() {
            return followed;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_fight_over_streams_leave_no_gap_and_lose_no_change() {
    let settings = postgres_server::settings();
    let nodes = [node(&settings).await, node(&settings).await];
    let done = Arc::new(AtomicBool::new(false));
    let follower = tokio::spawn(follow(node(&settings).await, Arc::clone(&done)));
    let fighters: Vec<_> = (0..24_u64)
        .map(|number| tokio::spawn(fight(Arc::clone(&nodes[number as usize % 2]), number, 50)))
        .collect();
    let mut won = 0;
    for fighter in fighters {
        won += fighter.await.unwrap();
    }
    done.store(true, Ordering::Release);
    let log = follower.await.unwrap();
    assert_eq!(log.len() as u64, won);
    assert_eq!(whole_log(&*nodes[0]).await, log);

    let (mut versions, mut shared) = (BTreeMap::new(), BTreeMap::new());
    for event in &log {
        let version = versions.entry(event.stream.clone()).or_insert(0);
        *version += 1;
        assert_eq!(event.version, *version);
        let text = String::from_utf8(event.data.clone()).unwrap();
        let (record, value) = text.split_once('=').unwrap();
        shared.insert(key(record), (value != "-").then(|| event.data.clone()));
    }
    for (id, version) in versions {
        assert_eq!(nodes[1].load(id.clone()).await.unwrap().unwrap().version, version);
        let name = std::str::from_utf8(id.key()).unwrap();
        let own = nodes[1].record(key(&format!("own {name}"))).await.unwrap();
        assert_eq!(own, Some(version.to_string().into_bytes()));
    }
    for (record, value) in shared {
        assert_eq!(nodes[0].record(record).await.unwrap(), value, "the last append decides");
    }
}

/// Somebody else holds up all changes, and two of them change the same record: the one that is committed last decides,
/// also if it deletes what was not there when it began to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_waited_deletes_what_was_written_meanwhile() {
    let settings = postgres_server::settings();
    let node = node(&settings).await;
    node.append(append("first", Expected::NoStream, &["1"])).await.unwrap();
    let (other, connection) = settings.server.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let schema = &settings.schema;
    let begin = format!("SET search_path = \"{schema}\"; BEGIN; SELECT lock_head_1()");
    other.batch_execute(&begin).await.unwrap();
    let mut deletes = append("a", Expected::NoStream, &["1"]);
    deletes.records = vec![RecordChange::Delete(key("r"))];
    let mut inserts = append("b", Expected::NoStream, &["1"]);
    inserts.records = vec![insert("s", "mine")];
    let waiting = [deletes, inserts].map(|append| {
        let node = Arc::clone(&node);
        tokio::spawn(async move { node.append(append).await })
    });
    let waits = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%append_1%'
         AND application_name = 'heirloom {schema}'"
    );
    becomes_true(&other, &waits).await;
    let rows = "INSERT INTO record VALUES ($1, 'of another node'), ($2, 'of another node')";
    other.execute(rows, &[&key("r").as_bytes(), &key("s").as_bytes()]).await.unwrap();
    other.batch_execute("COMMIT").await.unwrap();
    let [deletion, insertion] = waiting;
    assert_eq!(deletion.await.unwrap().unwrap().position, 2);
    assert_eq!(insertion.await.unwrap(), Err(StoreError::RecordExists));
    assert_eq!(node.record(key("r")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_nodes_that_insert_the_same_record_one_succeeds() {
    let settings = postgres_server::settings();
    let nodes = [node(&settings).await, node(&settings).await];
    for round in 0..20 {
        let rivals = [0, 1].map(|rival: usize| {
            let node = Arc::clone(&nodes[rival]);
            let mut append = append(&format!("{round}/{rival}"), Expected::NoStream, &["1"]);
            append.records.push(insert(&format!("name {round}"), &rival.to_string()));
            tokio::spawn(async move { node.append(append).await.is_ok() })
        });
        let [one, other] = rivals;
        let won = [one.await.unwrap(), other.await.unwrap()];
        assert!(won[0] != won[1], "{won:?}");
        let value = if won[0] { b"0" } else { b"1" };
        assert_eq!(nodes[0].record(key(&format!("name {round}"))).await.unwrap(), Some(value.to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_come_together_share_their_syncs() {
    let server = postgres_server::PostgresServer::start();
    let settings = server.settings("syncs");
    drop(node(&settings).await);
    let before = syncs(&settings).await;
    let node = node(&settings).await;
    let appenders: Vec<_> = (0..64_u64)
        .map(|number| {
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                crate::contract::fill(&*node, &number.to_string(), 20, 1).await;
            })
        })
        .collect();
    for appender in appenders {
        appender.await.unwrap();
    }
    let stats = node.stats();
    drop(node);
    let synced = syncs(&settings).await - before;
    println!("{} appends, {} groups, {synced} syncs", stats.changes, stats.groups);
    assert!(synced < 64 * 20 / 4, "{synced} syncs");
}
