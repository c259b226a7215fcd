//! The rows of the log: how many there are, and what happens at the end of a row.

use std::path::Path;

use crate::contract::{append, fill, key, stream, summarize, whole_log, whole_stream};
use crate::support::folder;
use crate::support::until::until;
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Append, Expected, MAX_SUMMARIZED, MAX_VALUE, RecordChange, Remove, Store, StoreError};

const NEW: Expected = Expected::NoStream;

fn open(folder: &Path) -> SledStore {
    SledStore::open(folder, SledOptions::default()).unwrap()
}

/// How many rows of the log are in the tree.
fn rows(folder: &Path) -> usize {
    folder::raw(folder).scan_prefix(b"l").count()
}

#[tokio::test]
async fn changes_without_events_leave_one_row_in_the_log_however_many_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    for round in 0..50_u8 {
        let records = vec![RecordChange::Put(key("one"), vec![round])];
        store.append(Append { records, ..append("-", NEW, &[]) }).await.unwrap();
    }
    let ends = store.stats().position;
    drop(store);
    assert_eq!(rows(temp.path()), 1, "the seal that the mark stands for");
    let store = open(temp.path());
    assert!(store.append(append("a", NEW, &["e"])).await.unwrap().position > ends);
    assert_eq!(whole_log(&store).await.len(), 1);
}

#[tokio::test]
async fn eight_events_lie_in_a_row_and_large_ones_by_themselves() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    for number in 0..20 {
        store.append(append(&format!("small {number}"), NEW, &["e"])).await.unwrap();
    }
    drop(store);
    assert_eq!(rows(temp.path()), 3);

    // The row goes on after the start. Some of the events don't fit into it any more.
    let large = [1500, 1500, 1500, MAX_VALUE, 10, MAX_VALUE, 3000, 2000].map(|len| "x".repeat(len));
    let store = open(temp.path());
    let mut version = 0;
    for (number, data) in large.iter().enumerate() {
        let expected = if version == 0 { NEW } else { Expected::Exact(version) };
        let snapshot = vec![number as u8];
        let one = Append { snapshot, ..append("large", expected, &[data]) };
        version = store.append(one).await.unwrap().version;
        store.append(append(&format!("beside {number}"), NEW, &[&number.to_string()])).await.unwrap();
    }
    let log = whole_log(&store).await;
    assert_eq!(log.len(), 36);
    assert!(log.is_sorted_by(|one, next| one.position < next.position));
    drop(store);

    let store = open(temp.path());
    assert_eq!(whole_log(&store).await, log);
    for limit in [1, 3, 36] {
        let after = log[20].position;
        let page = store.read_log(after, limit).await.unwrap();
        assert_eq!(page, log[21..(21 + limit).min(36)]);
    }
    let events = store.read_stream(stream("large"), 0, 99).await.unwrap();
    let read: Vec<_> = events.iter().map(|event| event.data.len()).collect();
    assert_eq!(read, large.map(|data| data.len()));

    let removed = Remove { stream: stream("large"), expected: Expected::Exact(8), records: vec![] };
    store.remove(removed).await.unwrap();
    until("all is purged", || store.stats().purging == 0).await;
    let left: Vec<_> = log.into_iter().filter(|event| event.stream != stream("large")).collect();
    assert_eq!(whole_log(&store).await, left);
    drop(store);
    let store = open(temp.path());
    assert_eq!(whole_log(&store).await, left);
    let next = store.append(append("next", NEW, &["e"])).await.unwrap();
    assert!(next.position > left.last().unwrap().position);
}

#[tokio::test]
async fn a_removed_stream_is_purged_also_after_a_restart_and_positions_never_fall() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    let (mut version, mut last) = (0, 0);
    while version < 3000 {
        let expected = if version == 0 { NEW } else { Expected::Exact(version) };
        let appended = store.append(append("a", expected, &["e"; 60])).await.unwrap();
        (version, last) = (appended.version, appended.position);
    }
    store
        .remove(Remove { stream: stream("a"), expected: Expected::Exact(version), records: vec![] })
        .await
        .unwrap();
    // The store is closed at once, so most rows are still there.
    drop(store);
    let rows = folder::raw(temp.path()).scan_prefix(b"l").count();
    assert!(rows > 100, "{rows} rows left: nothing to purge after the restart");

    let store = open(temp.path());
    assert_eq!(whole_log(&store).await, []);
    let again = store.append(append("a", NEW, &["new"])).await.unwrap();
    assert!(again.position > last);
    assert_eq!(store.read_stream(stream("a"), 0, 9).await.unwrap().len(), 1);
    until("all is purged", || store.stats().purging == 0).await;
    let log = whole_log(&store).await;
    assert_eq!(log.len(), 1);
    drop(store);
    let tree = folder::raw(temp.path());
    assert_eq!(tree.scan_prefix(b"l").count(), 1, "the new event, in one row with a seal");
    assert_eq!(tree.scan_prefix(b"c").count() + tree.scan_prefix(b"p").count(), 0);
    drop(tree);

    // The last stream is removed and the log is empty. A new event still gets a position after all earlier ones.
    let store = open(temp.path());
    store
        .remove(Remove { stream: stream("a"), expected: Expected::Exact(1), records: vec![] })
        .await
        .unwrap();
    until("all is purged", || store.stats().purging == 0).await;
    drop(store);
    let store = open(temp.path());
    let next = store.append(append("b", NEW, &["new"])).await.unwrap();
    assert!(next.position > again.position);
}

/// How many bytes the tree has, keys and values.
fn bytes(folder: &Path) -> usize {
    folder::raw(folder).iter().map(|row| row.unwrap()).map(|(key, value)| key.len() + value.len()).sum()
}

#[tokio::test]
async fn what_is_summarized_gives_its_space_back_and_stays_so_after_a_restart() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    fill(&store, "beside", 1, 1).await;
    fill(&store, "a", 3000, 60).await;
    let before = whole_log(&store).await;
    drop(store);
    let (rows_before, bytes_before) = (rows(temp.path()), bytes(temp.path()));

    let store = open(temp.path());
    let (mut first, step) = (2, MAX_SUMMARIZED as u64 - 1);
    while first < 2990 {
        let last = (first + step).min(2990);
        store.summarize(summarize("a", 3000, (first, last), &format!("up to {last}"))).await.unwrap();
        first = last;
    }
    drop(store);
    let tree = folder::raw(temp.path());
    let chunks = tree.scan_prefix(b"c").count();
    drop(tree);
    assert_eq!(chunks, 2, "the first one, and that of the summary");
    assert!(rows(temp.path()) <= 5 && rows_before > 375, "{} of {rows_before} rows", rows(temp.path()));
    assert!(bytes(temp.path()) * 50 < bytes_before, "{} of {bytes_before} bytes", bytes(temp.path()));

    let store = open(temp.path());
    let left = whole_stream(&store, "a").await;
    assert_eq!(left.len(), 12);
    assert_eq!(left[1], (2990, "up to 2990".to_owned()));
    let log = whole_log(&store).await;
    assert!(log.iter().all(|event| before.iter().any(|before| {
        (before.position, before.version, &before.stream) == (event.position, event.version, &event.stream)
    })));
    // The newest event of the log is summarized. A power cut has left the mark that names it.
    fill(&store, "a", 3001, 1).await;
    let mark = std::fs::read(temp.path().join("mark")).unwrap();
    store.summarize(summarize("a", 3001, (2990, 3001), "all")).await.unwrap();
    drop(store);
    std::fs::write(temp.path().join("mark"), mark).unwrap();
    let store = open(temp.path());
    assert_eq!(whole_stream(&store, "a").await, [(1, "1".to_owned()), (3001, "all".to_owned())]);
    let next = store.append(append("a", Expected::Exact(3001), &["next"])).await.unwrap();
    assert!(next.version == 3002 && next.position > before.last().unwrap().position);

    let removed = Remove { stream: stream("a"), expected: Expected::Exact(3002), records: vec![] };
    store.remove(removed).await.unwrap();
    until("all is purged", || store.stats().purging == 0).await;
    drop(store);
    let tree = folder::raw(temp.path());
    assert_eq!(tree.scan_prefix(b"c").count() + tree.scan_prefix(b"p").count(), 0);
}

#[tokio::test]
async fn what_is_lost_is_not_taken_for_summarized() {
    // What is lost: the stream's second chunk, or its positions, or the row that has the summary.
    let chunk = |number: u64| [b"c".as_slice(), &8_u64.to_be_bytes(), &number.to_be_bytes()].concat();
    let row = |first: u64| [b"l".as_slice(), &first.to_be_bytes()].concat();
    for lost in [chunk(2), chunk(3), row(16), row(40)] {
        for empty in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let store = open(temp.path());
            fill(&store, "a", 100, 60).await;
            store.summarize(summarize("a", 100, (5, 14), "5 to 14")).await.unwrap();
            // Another group, because opening writes the last group again.
            fill(&store, "beside", 1, 1).await;
            drop(store);
            let tree = folder::raw(temp.path());
            assert!(tree.get(&lost).unwrap().is_some());
            if !empty {
                tree.remove(&lost).unwrap();
            } else if lost.starts_with(b"c") {
                tree.insert(lost.as_slice(), folder::value(&lost, &[0; 128])).unwrap();
            } else {
                tree.insert(lost.as_slice(), folder::value(&lost, &[2, 3, 3, 3, 3, 3, 3, 3, 3])).unwrap();
            }
            drop(tree);
            let store = open(temp.path());
            let read = store.read_stream(stream("a"), 0, usize::MAX).await;
            assert!(matches!(read, Err(StoreError::Corrupt(_))), "{lost:?} {empty}: {read:?}");
        }
    }
}
