//! Appends to streams: versions, conflicts, pages, limits, and removed streams.

use std::sync::Arc;

use crate::contract::{Tested, append, data, key, put, stream, whole_log};
use heirloom::store::{Append, Expected, MAX_VALUE, RecordKey, Remove, Snapshot, StoreError};

pub async fn what_was_appended_is_read_back(store: Tested) {
    assert_eq!(store.load(stream("a")).await.unwrap(), None);
    let first = store.append(append("a", Expected::NoStream, &["1", "2"])).await.unwrap();
    assert_eq!(first.version, 2);
    let second = store.append(append("a", Expected::Exact(2), &["3"])).await.unwrap();
    assert_eq!(second.version, 3);
    assert!(second.position > first.position);

    let snapshot = Snapshot { version: 3, data: b"3".to_vec() };
    assert_eq!(store.load(stream("a")).await.unwrap(), Some(snapshot));
    let events = store.read_stream(stream("a"), 0, 10).await.unwrap();
    assert_eq!(data(&events), [b"1", b"2", b"3"]);
    assert_eq!(events.iter().map(|event| event.version).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(data(&store.read_stream(stream("a"), 1, 1).await.unwrap()), [b"2"]);
    assert_eq!(store.read_stream(stream("a"), 3, 10).await.unwrap(), []);
    assert_eq!(store.read_stream(stream("a"), u64::MAX, usize::MAX).await.unwrap(), []);
    assert_eq!(store.read_stream(stream("none"), 0, 10).await.unwrap(), []);
    assert_eq!(store.read_stream(stream("a"), 0, 0).await.unwrap(), []);
    assert_eq!(store.read_log(0, 0).await.unwrap(), []);
    assert_eq!(store.read_log(0, usize::MAX).await.unwrap(), events);
    assert_eq!(store.read_log(u64::MAX, usize::MAX).await.unwrap(), []);
}

pub async fn a_long_stream_is_read_in_pages(store: Tested) {
    let mut version = 0;
    for length in (1..=40).cycle().take(60) {
        let events: Vec<String> = (version + 1..=version + length).map(|n| n.to_string()).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
        version = store.append(append("long", expected, &events)).await.unwrap().version;
    }
    let mut read = Vec::new();
    loop {
        let page = store.read_stream(stream("long"), read.len() as u64, 7).await.unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read.len() as u64, version);
    for (event, number) in read.iter().zip(1_u64..) {
        assert_eq!((event.version, &event.data), (number, &number.to_string().into_bytes()));
    }
    assert_eq!(whole_log(&*store).await, read);
}

pub async fn an_append_expects_a_version(store: Tested) {
    use Expected::{Exact, NoStream};
    let wrong = Err(StoreError::WrongExpectedVersion);
    assert_eq!(store.append(append("a", Exact(0), &["1"])).await, wrong);
    assert_eq!(store.append(append("a", Exact(1), &["1"])).await, wrong);
    store.append(append("a", NoStream, &["1"])).await.unwrap();
    for expected in [NoStream, Exact(0), Exact(2)] {
        let mut refused = append("a", expected, &["2"]);
        refused.records.push(put("r", "v"));
        assert_eq!(store.append(refused).await, wrong, "{expected:?}");
        let remove = Remove { stream: stream("a"), expected, records: vec![put("r", "v")] };
        assert_eq!(store.remove(remove).await, Err(StoreError::WrongExpectedVersion));
    }
    assert_eq!(store.record(key("r")).await.unwrap(), None, "a refusal changes nothing");
    assert_eq!(whole_log(&*store).await.len(), 1);
}

/// Of many appends that expect the same version, one succeeds, even if they are in one group.
pub async fn of_rivals_one_wins(store: Tested) {
    store.append(append("a", Expected::NoStream, &["0"])).await.unwrap();
    for round in 1..=20 {
        let rivals: Vec<_> = (0..16)
            .map(|rival| {
                let store = Arc::clone(&store);
                let event = format!("{round}/{rival}");
                tokio::spawn(
                    async move { store.append(append("a", Expected::Exact(round), &[&event])).await },
                )
            })
            .collect();
        let mut won = 0;
        for rival in rivals {
            match rival.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert_eq!(error, StoreError::WrongExpectedVersion),
            }
        }
        assert_eq!(won, 1);
    }
    assert_eq!(store.load(stream("a")).await.unwrap().unwrap().version, 21);
}

pub async fn a_removed_stream_is_gone_and_may_be_made_again(store: Tested) {
    store.append(append("keep", Expected::NoStream, &["k"])).await.unwrap();
    let old: Vec<String> = (0..50).map(|n| format!("old {n}")).collect();
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let last = store.append(append("a", Expected::NoStream, &old)).await.unwrap();
    let remove = |expected| Remove { stream: stream("a"), expected, records: vec![put("gone", "yes")] };
    store.remove(remove(Expected::Exact(50))).await.unwrap();
    assert_eq!(store.load(stream("a")).await.unwrap(), None);
    assert_eq!(store.read_stream(stream("a"), 0, 99).await.unwrap(), []);
    assert_eq!(store.record(key("gone")).await.unwrap(), Some(b"yes".to_vec()));
    assert_eq!(data(&whole_log(&*store).await), [b"k"]);
    assert_eq!(store.remove(remove(Expected::Exact(50))).await, Err(StoreError::WrongExpectedVersion));

    let again = store.append(append("a", Expected::NoStream, &["new"])).await.unwrap();
    assert_eq!(again.version, 1);
    assert!(again.position > last.position);
    assert_eq!(data(&store.read_stream(stream("a"), 0, 99).await.unwrap()), [b"new"]);
    assert_eq!(data(&whole_log(&*store).await), [b"k".as_slice(), b"new"]);
}

pub async fn what_is_too_large_is_refused(store: Tested) {
    let large = "x".repeat(MAX_VALUE + 1);
    let most = "x".repeat(MAX_VALUE);
    let too_large = Err(StoreError::TooLarge);
    assert_eq!(store.append(append("a", Expected::NoStream, &[&large])).await, too_large);
    let mut snapshot = append("a", Expected::NoStream, &["1"]);
    snapshot.snapshot = large.clone().into_bytes();
    assert_eq!(store.append(snapshot).await, too_large);
    let longest = "k".repeat(RecordKey::MAX - 1);
    for records in [vec![put("r", &large)], vec![put(&format!("{longest}k"), "v")]] {
        let append = Append { records, ..append("a", Expected::NoStream, &["1"]) };
        assert_eq!(store.append(append).await, too_large);
    }
    let mut many = append("a", Expected::NoStream, &[]);
    many.events = vec![most.clone().into_bytes(); 33];
    assert_eq!(store.append(many).await, too_large, "more bytes than a group");
    let many = Append { events: vec![vec![]; 520], ..append("a", Expected::NoStream, &[]) };
    assert_eq!(store.append(many).await, too_large, "more rows than a group");
    assert_eq!(whole_log(&*store).await, []);

    let mut fits = append("a", Expected::NoStream, &[&most]);
    fits.records = vec![put(&longest, &most)];
    store.append(fits).await.unwrap();
    assert_eq!(store.record(key(&longest)).await.unwrap(), Some(most.into_bytes()));
}
