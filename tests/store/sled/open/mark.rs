//! The mark says how far the log had come. A start refuses a log that does not fit its mark.

use std::fs;

use crate::contract::{append, key, stream, whole_log};
use crate::sled::open::{NEW, count, open, with_events};
use crate::support::folder;
use crate::support::until::until;
use heirloom::store::sled::{OpenError, SledOptions, SledStore};
use heirloom::store::{Append, Expected, RecordChange, RecordKey, Remove, Store};

#[tokio::test]
async fn a_log_ahead_of_its_mark_is_fine() {
    let temp = tempfile::tempdir().unwrap();
    let (data, mark) = (temp.path().join("data"), temp.path().join("data/mark"));
    with_events(&data, &["a"]).await;
    let old = fs::read(&mark).unwrap();
    with_events(&data, &["b", "c"]).await;
    fs::write(&mark, old).unwrap();
    assert_eq!(count(&data).await, 3);
    // The mark was written again, so a log that now loses its end is noticed.
    assert_eq!(count(&data).await, 3);

    // The same if the stream of the marked event has been removed meanwhile.
    let old = fs::read(&mark).unwrap();
    let store = open(&data).unwrap();
    store.append(append("d", NEW, &["d"])).await.unwrap();
    store
        .remove(Remove { stream: stream("c"), expected: Expected::Exact(1), records: vec![] })
        .await
        .unwrap();
    until("all is purged", || store.stats().purging == 0).await;
    drop(store);
    fs::write(&mark, old).unwrap();
    assert_eq!(count(&data).await, 3);
}

#[tokio::test]
async fn a_log_behind_its_mark_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    with_events(&data, &["a"]).await;
    let old = temp.path().join("old");
    folder::copy(&data, &old);

    // Every acknowledged change moves the mark: events, records alone, and removals.
    with_events(&data, &["b"]).await;
    let records = vec![RecordChange::Put(key("r"), b"v".to_vec())];
    let only_records = Append { records, ..append("a", Expected::Exact(1), &[]) };
    let remove = Remove { stream: stream("a"), expected: Expected::Exact(1), records: vec![] };
    for case in ["event", "record", "removal"] {
        let cut = temp.path().join(case);
        folder::copy(&old, &cut);
        if case == "event" {
            fs::copy(data.join("mark"), cut.join("mark")).unwrap();
        } else {
            let newer = temp.path().join(format!("newer {case}"));
            folder::copy(&old, &newer);
            let store = open(&newer).unwrap();
            if case == "record" {
                store.append(only_records.clone()).await.unwrap();
            } else {
                store.remove(remove.clone()).await.unwrap();
            }
            drop(store);
            fs::copy(newer.join("mark"), cut.join("mark")).unwrap();
        }
        let error = open(&cut).unwrap_err();
        assert!(matches!(error, OpenError::NotAsMarked { .. }), "{case}: {error}");
        let text = error.to_string();
        assert!(text.contains("lost acknowledged events") && text.contains("from a backup"), "{text}");
        assert!(text.contains(cut.to_str().unwrap()), "{text}");
    }
    // The whole log is gone.
    fs::remove_dir_all(data.join("sled")).unwrap();
    assert!(matches!(open(&data).unwrap_err(), OpenError::NotAsMarked { .. }));
}

#[tokio::test]
async fn a_log_with_another_event_at_the_mark_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (one, other) = (temp.path().join("one"), temp.path().join("other"));
    with_events(&one, &["a"]).await;
    folder::copy(&one, &other);
    with_events(&one, &["b"]).await;
    with_events(&other, &["c", "d"]).await;
    fs::copy(one.join("mark"), other.join("mark")).unwrap();
    let error = open(&other).unwrap_err().to_string();
    assert!(error.contains("another event"), "{error}");

    // A log in which the marked position holds another event is noticed too: a change without an event, or an event
    // that was too large for the row.
    let base = temp.path().join("base");
    with_events(&base, &["a"]).await;
    let marked = temp.path().join("marked");
    folder::copy(&base, &marked);
    with_events(&marked, &["b"]).await;
    let large = "x".repeat(5000);
    let records = vec![RecordChange::Put(key("r"), b"r".to_vec())];
    let sealed = Append { records, ..append("-", NEW, &[]) };
    for (case, first) in [("seal", sealed), ("gap", append("large", NEW, &[&large]))] {
        let fork = temp.path().join(case);
        folder::copy(&base, &fork);
        let store = open(&fork).unwrap();
        store.append(first).await.unwrap();
        store.append(append("c", NEW, &["c"])).await.unwrap();
        drop(store);
        fs::copy(marked.join("mark"), fork.join("mark")).unwrap();
        let error = open(&fork).unwrap_err().to_string();
        assert!(error.contains("another event"), "{case}: {error}");
    }

    let third = temp.path().join("third");
    with_events(&third, &["a", "b", "c"]).await;
    fs::copy(one.join("mark"), third.join("mark")).unwrap();
    let error = open(&third).unwrap_err().to_string();
    assert!(error.contains("another store"), "{error}");
}

#[tokio::test]
async fn one_damaged_slot_is_fine_and_two_need_the_operators_word() {
    let temp = tempfile::tempdir().unwrap();
    let (data, mark) = (temp.path().join("data"), temp.path().join("data/mark"));
    with_events(&data, &["a"]).await;
    let whole = fs::read(&mark).unwrap();
    for slot in [0, 4096] {
        let mut damaged = whole.clone();
        damaged[slot + 20] ^= 1;
        fs::write(&mark, damaged).unwrap();
        assert_eq!(count(&data).await, 1);
    }
    let without: [&dyn Fn(); 3] =
        [&|| fs::remove_file(&mark).unwrap(), &|| fs::write(&mark, b"").unwrap(), &|| {
            fs::write(&mark, vec![7; 8192]).unwrap();
        }];
    for damage in without {
        damage();
        let error = open(&data).unwrap_err();
        assert!(matches!(error, OpenError::NoMark { .. }), "{error}");
        let accept = SledOptions { accept_missing_mark: true, ..SledOptions::default() };
        assert_eq!(whole_log(&SledStore::open(&data, accept).unwrap()).await.len(), 1);
        assert_eq!(count(&data).await, 1, "it has a mark again");
    }
}

#[tokio::test]
async fn that_a_log_was_taken_as_restored_is_remembered_until_somebody_has_seen_to_it() {
    let temp = tempfile::tempdir().unwrap();
    let accept = || SledOptions { accept_restored: true, ..SledOptions::default() };
    // The store is empty, so there is nothing to decide.
    let pending = async |store: &SledStore| store.record(RecordKey::restored()).await.unwrap().is_some();
    assert!(!pending(&SledStore::open(temp.path(), accept()).unwrap()).await);
    with_events(temp.path(), &["a", "b"]).await;
    for name in ["c", "d"] {
        // With a mark that fits, and with the mark of another store.
        drop(SledStore::open(temp.path(), accept()).unwrap());
        let store = open(temp.path()).unwrap();
        assert!(pending(&store).await);
        // The group that deletes the record is the last one when the log is accepted once more.
        let records = vec![RecordChange::Delete(RecordKey::restored())];
        store.append(Append { records, ..append(name, NEW, &[name]) }).await.unwrap();
        assert!(!pending(&store).await);
        drop(store);
        assert!(!pending(&open(temp.path()).unwrap()).await);
        let other = temp.path().join("other");
        with_events(&other, &["x", "y", "z", "z2", "z3"]).await;
        fs::copy(other.join("mark"), temp.path().join("mark")).unwrap();
        fs::remove_dir_all(other).unwrap();
        assert!(open(temp.path()).is_err());
    }
}
