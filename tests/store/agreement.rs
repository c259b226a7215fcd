//! The stores answer alike: random changes go to both of them, and all that can be read is compared. Only positions may
//! differ, which may have gaps; their order may not.

use std::collections::BTreeSet;
use std::sync::Arc;

use heirloom::store::memory::MemoryStore;
use heirloom::store::postgres::PostgresStore;
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{
    Append, Appended, Expected, RecordChange, RecordedEvent, Remove, Store, StoreError, StreamId, Summarize,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::contract::{Tested, key, stream, whole_log};
use crate::postgres_server;

/// What is asked of a store. Streams and records have few names, so that they meet again.
#[derive(Clone, Debug)]
enum RandomChange {
    Append { stream: u8, expected: Version, events: usize, records: Vec<Record> },
    Remove { stream: u8, expected: Version, records: Vec<Record> },
    Summarize { stream: u8, expected: Version, range: (u64, u64), records: Vec<Record> },
}

/// The version that a change expects.
#[derive(Clone, Copy, Debug)]
enum Version {
    /// The one that the stream has.
    Current,
    None,
    Exact(u64),
}

/// A change to a record.
#[derive(Clone, Copy, Debug)]
enum Record {
    Put(u8),
    Insert(u8),
    Delete(u8),
}

fn changes() -> impl Strategy<Value = Vec<RandomChange>> {
    let name = || 0..3_u8;
    let version = || prop_oneof![8 => Just(Version::Current), 1 => Just(Version::None), 1 => (0..9_u64).prop_map(Version::Exact)];
    let record = prop_oneof![
        (0..4_u8).prop_map(Record::Put),
        (0..4_u8).prop_map(Record::Insert),
        (0..4_u8).prop_map(Record::Delete)
    ];
    let records = || vec(record.clone(), 0..3);
    let append = (name(), version(), 0..6_usize, records());
    let remove = (name(), version(), records());
    let summarize = (name(), version(), (0..20_u64, 0..6_u64), records());
    let change = prop_oneof![
        6 => append.prop_map(|(stream, expected, events, records)| {
            RandomChange::Append { stream, expected, events, records }
        }),
        1 => remove.prop_map(|(stream, expected, records)| RandomChange::Remove { stream, expected, records }),
        3 => summarize.prop_map(|(stream, expected, (first, more), records)| {
            RandomChange::Summarize { stream, expected, range: (first, first + more), records }
        }),
    ];
    vec(change, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_store_in_memory_and_the_one_on_the_disk_answer_alike(changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let sled: Tested = Arc::new(SledStore::open(folder.path(), SledOptions::default()).unwrap());
        let memory: Tested = Arc::new(MemoryStore::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            agree(&*sled, &*memory, &changes).await;
        });
    }

    #[test]
    fn the_store_in_memory_and_the_one_in_postgresql_answer_alike(changes in changes()) {
        let memory: Tested = Arc::new(MemoryStore::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let postgres = PostgresStore::open(postgres_server::settings()).await.unwrap();
            agree(&postgres, &*memory, &changes).await;
        });
    }
}

/// Makes the same changes to two stores, and compares what they answer and all that they have.
async fn agree(one: &dyn Store, other: &dyn Store, changes: &[RandomChange]) {
    for (number, change) in changes.iter().enumerate() {
        let outcomes = (make(one, change, number).await, make(other, change, number).await);
        assert_eq!(outcomes.0, outcomes.1, "{number}: {change:?}");
        assert_eq!(everything(one).await, everything(other).await, "after {number}: {change:?}");
    }
}

fn id(number: u8) -> StreamId {
    stream(&number.to_string())
}

/// Makes a change; says the version that came of it, and whether there is a position.
async fn make(store: &dyn Store, change: &RandomChange, number: usize) -> Result<(u64, bool), StoreError> {
    let text = |what: usize| format!("{number}.{what}").into_bytes();
    let records = |records: &[Record]| {
        let change = |(at, record): (usize, &Record)| match record {
            Record::Put(name) => RecordChange::Put(key(&name.to_string()), text(at)),
            Record::Insert(name) => RecordChange::Insert(key(&name.to_string()), text(at)),
            Record::Delete(name) => RecordChange::Delete(key(&name.to_string())),
        };
        records.iter().enumerate().map(change).collect::<Vec<_>>()
    };
    let (RandomChange::Append { stream, expected, .. }
    | RandomChange::Remove { stream, expected, .. }
    | RandomChange::Summarize { stream, expected, .. }) = change;
    let stream = id(*stream);
    let expected = match expected {
        Version::None => Expected::NoStream,
        Version::Exact(version) => Expected::Exact(*version),
        Version::Current => match store.load(stream.clone()).await? {
            Some(snapshot) => Expected::Exact(snapshot.version),
            None => Expected::NoStream,
        },
    };
    match change {
        RandomChange::Append { events, records: changed, .. } => {
            let events = (0..*events).map(text).collect();
            let records = records(changed);
            let append = Append { stream, expected, events, snapshot: text(0), records };
            let Appended { version, position } = store.append(append).await?;
            Ok((version, position > 0))
        }
        RandomChange::Remove { records: changed, .. } => {
            let records = records(changed);
            store.remove(Remove { stream, expected, records }).await.map(|()| (0, false))
        }
        RandomChange::Summarize { range: (first, last), records: changed, .. } => {
            let (event, records) = (text(0), records(changed));
            let summarize = Summarize { stream, expected, first: *first, last: *last, event, records };
            store.summarize(summarize).await.map(|()| (0, false))
        }
    }
}

/// All that can be read of a store, without positions: the log, the streams with their events, the records.
async fn everything(store: &dyn Store) -> impl PartialEq + std::fmt::Debug + use<> {
    let log = whole_log(store).await;
    let positions: BTreeSet<u64> = log.iter().map(|event| event.position).collect();
    assert_eq!(positions.len(), log.len(), "one event a position");
    let mut streams = Vec::new();
    for number in 0..3 {
        let events = store.read_stream(id(number), 0, usize::MAX).await.unwrap();
        assert!(events.iter().all(|event| log.contains(event)));
        let behind = store.read_stream(id(number), 4, 3).await.unwrap();
        streams.push((store.load(id(number)).await.unwrap(), told(events), told(behind)));
    }
    let records = store.scan(key(""), None, usize::MAX).await.unwrap();
    (told(log), streams, records)
}

fn told(events: Vec<RecordedEvent>) -> Vec<(StreamId, u64, Vec<u8>)> {
    events.into_iter().map(|event| (event.stream, event.version, event.data)).collect()
}
