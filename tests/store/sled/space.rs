//! A disk that is full or nearly full, and a last sync that fails.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use crate::contract::{append, stream};
use crate::support::disk::TestDisk;
use crate::support::until::until;
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Expected, Remove, Store, StoreError};

const NEW: Expected = Expected::NoStream;

/// Opens a store. The list gets what the store tells the operator when it fails.
fn open(folder: &Path, disk: &Arc<TestDisk>) -> (SledStore, Arc<Mutex<Vec<String>>>) {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let tell = Arc::clone(&told);
    let on_fatal = Arc::new(move |why: &str| tell.lock().unwrap().push(why.to_owned()));
    let options = SledOptions { on_fatal, disk: Arc::clone(disk) as _, ..SledOptions::default() };
    (SledStore::open(folder, options).unwrap(), told)
}

#[tokio::test]
async fn a_purge_waits_while_the_disk_is_nearly_full() {
    let temp = tempfile::tempdir().unwrap();
    let full = SledOptions { floor_bytes: u64::MAX, floor_share: 0, ..SledOptions::default() };
    let store = SledStore::open(temp.path(), full).unwrap();
    store.append(append("gone", NEW, &["e"; 40])).await.unwrap();
    let remove = Remove { stream: stream("gone"), expected: Expected::Exact(40), records: Vec::new() };
    store.remove(remove).await.unwrap();
    // Far more groups than the purge needs.
    for version in 0..40 {
        let expected = if version == 0 { NEW } else { Expected::Exact(version) };
        store.append(append("stays", expected, &["e"])).await.unwrap();
    }
    let stats = store.stats();
    assert!(stats.purging == 1 && stats.nearly_full.is_some(), "{stats:?}");
    drop(store);
    let store = SledStore::open(temp.path(), SledOptions::default()).unwrap();
    until("there is room, and all is purged", || store.stats().purging == 0).await;
}

/// A container's shared memory has 64 MiB; `heirloom dev` must work there.
#[test]
fn a_small_volume_is_not_nearly_full_because_it_is_small() {
    let temp = tempfile::tempdir().unwrap();
    let options = SledOptions { floor_bytes: u64::MAX, ..SledOptions::default() };
    let store = SledStore::open(temp.path(), options).unwrap();
    let volume = rustix::fs::statvfs(temp.path()).map(|disk| disk.f_blocks * disk.f_frsize).unwrap();
    assert_eq!(store.stats().floor_bytes, volume / 16);
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_to_who_waits_and_to_who_comes_later() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let (store, told) = open(temp.path(), &disk);
    store.append(append("a", NEW, &["1"])).await.unwrap();
    disk.no_room.store(true, SeqCst);
    disk.fail_flush.store(true, SeqCst);
    let refused = |error: StoreError| matches!(error, StoreError::NoRoom(_));
    assert!(refused(store.append(append("b", NEW, &["1"])).await.unwrap_err()));
    assert!(refused(store.load(stream("a")).await.unwrap_err()));
    // Whoever waits is answered first.
    until("the operator is told", || !told.lock().unwrap().is_empty()).await;
    let told = told.lock().unwrap().clone();
    assert!(told.len() == 1 && told[0].contains("make room") && !told[0].contains("backup"), "{told:?}");
}

#[tokio::test]
async fn a_last_sync_that_fails_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let (store, told) = open(temp.path(), &disk);
    disk.fail_mark.store(true, SeqCst);
    store.append(append("a", NEW, &["1"])).await.unwrap();
    drop(store);
    let told = told.lock().unwrap().clone();
    assert!(told.len() == 1 && told[0].contains("the mark"), "{told:?}");
}
