//! The log of all streams, as readers and followers see it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::contract::{Tested, append, key, put, stream, whole_log};
use heirloom::store::{Append, Expected, RecordedEvent, StreamId};

/// The events, the snapshot and the records of an append become visible together: an earlier read never sees more of it
/// than a later read.
pub async fn a_reader_never_sees_half_of_an_append(store: Tested) {
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for version in 0..200_u64 {
            let number = (version + 1).to_string();
            let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
            let append =
                Append { records: vec![put("number", &number)], ..append("a", expected, &[&number]) };
            writer.append(append).await.unwrap();
        }
    });
    let number = |data: Vec<u8>| String::from_utf8(data).unwrap().parse::<u64>().unwrap();
    while !writing.is_finished() {
        let logged = store.read_log(0, 1000).await.unwrap().len() as u64;
        let record = store.record(key("number")).await.unwrap().map_or(0, number);
        let head = store.load(stream("a")).await.unwrap();
        let (version, folded) = head.map_or((0, 0), |head| (head.version, number(head.data)));
        let events = store.read_stream(stream("a"), 0, 1000).await.unwrap().len() as u64;
        let again = store.record(key("number")).await.unwrap().map_or(0, number);
        assert_eq!(version, folded);
        let seen = [logged, record, version, events, again];
        assert!(seen.is_sorted(), "{seen:?}");
    }
    writing.await.unwrap();
}

/// Two slow writers and a follower: the follower sees every event once and in order, and misses none.
pub async fn a_follower_misses_nothing(store: Tested) {
    const EACH: u64 = 150;
    let writers: Vec<_> = ["one", "two"]
        .into_iter()
        .map(|name| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for version in 0..EACH {
                    let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
                    let appended =
                        store.append(append(name, expected, &[&version.to_string()])).await.unwrap();
                    acknowledged.push(appended.position);
                    tokio::time::sleep(Duration::from_micros(version % 7 * 300)).await;
                }
                acknowledged
            })
        })
        .collect();

    let mut followed: Vec<RecordedEvent> = Vec::new();
    let mut versions: BTreeMap<StreamId, u64> = BTreeMap::new();
    while followed.len() < 2 * EACH as usize {
        let after = followed.last().map_or(0, |event| event.position);
        for event in store.read_log(after, 3).await.unwrap() {
            assert!(event.position > followed.last().map_or(0, |event| event.position));
            let version = versions.entry(event.stream.clone()).or_default();
            *version += 1;
            assert_eq!(event.version, *version, "an event was missed");
            followed.push(event);
        }
        // A reader of the log sees only durable state: the stream's snapshot is at least as new as the log.
        for (stream, version) in &versions {
            assert!(store.load(stream.clone()).await.unwrap().unwrap().version >= *version);
        }
        tokio::task::yield_now().await;
    }
    let mut acknowledged = HashSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let positions: HashSet<u64> = followed.iter().map(|event| event.position).collect();
    assert_eq!(positions, acknowledged);
    assert_eq!(whole_log(&*store).await, followed, "nothing appeared late");
}

/// Reading the log twice gives the same events, and each stream has the events that the log has of it.
pub async fn the_log_reads_the_same_twice(store: Tested) {
    for round in 0..30_u64 {
        for name in ["a", "b", "c"] {
            let expected = if round == 0 { Expected::NoStream } else { Expected::Exact(round) };
            store.append(append(name, expected, &[&format!("{name}{round}")])).await.unwrap();
        }
    }
    let log = whole_log(&*store).await;
    assert_eq!(log, whole_log(&*store).await);
    for name in ["a", "b", "c"] {
        let events = store.read_stream(stream(name), 0, 100).await.unwrap();
        let of_log: Vec<_> = log.iter().filter(|event| event.stream == stream(name)).cloned().collect();
        assert_eq!(events, of_log);
    }
}
