//! Records: they change together with their append, or not at all.

use std::sync::Arc;

use crate::contract::{Tested, append, insert, key, put, stream, whole_log};
use heirloom::store::{Expected, RecordChange, Snapshot, StoreError};

pub async fn records_change_only_with_their_append(store: Tested) {
    let mut first = append("a", Expected::NoStream, &["1"]);
    first.records = vec![insert("x1", "a"), put("x2", "b"), put("y", "c")];
    store.append(first).await.unwrap();
    assert_eq!(store.record(key("x1")).await.unwrap(), Some(b"a".to_vec()));

    let mut taken = append("b", Expected::NoStream, &["1"]);
    taken.records = vec![put("z", "never"), insert("x1", "mine")];
    assert_eq!(store.append(taken).await, Err(StoreError::RecordExists));
    assert_eq!(store.load(stream("b")).await.unwrap(), None);
    assert_eq!(store.record(key("z")).await.unwrap(), None);

    // Records change in the given order, so a change may insert a key that an earlier one of the same append has
    // deleted.
    let mut moves = append("a", Expected::Exact(1), &["2"]);
    moves.records = vec![RecordChange::Delete(key("x1")), insert("x1", "d"), insert("x3", "e")];
    store.append(moves).await.unwrap();
    let mut twice = append("a", Expected::Exact(2), &["3"]);
    twice.records = vec![insert("w", "1"), insert("w", "2")];
    assert_eq!(store.append(twice).await, Err(StoreError::RecordExists));

    let scanned = store.scan(key("x"), None, 10).await.unwrap();
    let expected = [("x1", "d"), ("x2", "b"), ("x3", "e")].map(|(k, v)| (key(k), v.as_bytes().to_vec()));
    assert_eq!(scanned, expected);
    assert_eq!(store.scan(key("x"), Some(key("x1")), 1).await.unwrap(), expected[1..2]);
    assert_eq!(store.scan(key("x"), Some(key("x3")), 9).await.unwrap(), []);
    assert_eq!(store.scan(key("x"), Some(key("a")), 9).await.unwrap(), expected);
    assert_eq!(store.scan(key("x"), Some(key("y")), 9).await.unwrap(), []);
    assert_eq!(store.scan(key("q"), None, 9).await.unwrap(), []);
}

pub async fn an_append_without_events_changes_only_records(store: Tested) {
    let mut without = append("a", Expected::NoStream, &[]);
    without.records.push(put("r", "1"));
    let appended = store.append(without.clone()).await.unwrap();
    assert_eq!((appended.version, appended.position), (0, 0));
    assert_eq!(store.load(stream("a")).await.unwrap(), None);

    let first = store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    without.expected = Expected::Exact(1);
    without.records = vec![put("r", "2")];
    let appended = store.append(without).await.unwrap();
    assert_eq!((appended.version, appended.position), (1, 0));
    let snapshot = Snapshot { version: 1, data: b"1".to_vec() };
    assert_eq!(store.load(stream("a")).await.unwrap(), Some(snapshot));
    assert_eq!(store.record(key("r")).await.unwrap(), Some(b"2".to_vec()));
    assert_eq!(whole_log(&*store).await.last().unwrap().position, first.position);
}

/// Of many appends that insert the same record at once, one succeeds.
pub async fn a_record_is_inserted_once(store: Tested) {
    for round in 0..20 {
        let rivals: Vec<_> = (0..16)
            .map(|rival| {
                let store = Arc::clone(&store);
                let mut append = append(&format!("{round}/{rival}"), Expected::NoStream, &["1"]);
                append.records.push(insert(&format!("name {round}"), &rival.to_string()));
                tokio::spawn(async move { store.append(append).await })
            })
            .collect();
        let mut winners = Vec::new();
        for (number, rival) in rivals.into_iter().enumerate() {
            match rival.await.unwrap() {
                Ok(_) => winners.push(number.to_string().into_bytes()),
                Err(error) => assert_eq!(error, StoreError::RecordExists),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store.record(key(&format!("name {round}"))).await.unwrap(), winners.pop());
    }
    assert_eq!(whole_log(&*store).await.len(), 20, "who lost the name has no stream");
}
