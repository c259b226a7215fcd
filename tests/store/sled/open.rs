//! What a folder must be like to be opened (its format, who has it), and what a failure leaves behind.

mod mark;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::contract::{append, stream, whole_log};
use crate::support::disk::TestDisk;
use crate::support::folder;
use crate::support::until::until;
use heirloom::store::sled::{OpenError, SledOptions, SledStore};
use heirloom::store::{Expected, RecordedEvent, Remove, Store, StoreError, StreamId};

const NEW: Expected = Expected::NoStream;

fn open(folder: &Path) -> Result<SledStore, OpenError> {
    SledStore::open(folder, SledOptions::default())
}

/// Opens the store, appends an event to each stream, and closes it.
async fn with_events(folder: &Path, streams: &[&str]) {
    let store = open(folder).unwrap();
    for name in streams {
        store.append(append(name, NEW, &[name])).await.unwrap();
    }
}

async fn count(folder: &Path) -> usize {
    whole_log(&open(folder).unwrap()).await.len()
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    with_events(temp.path(), &["a"]).await;
    let tree = folder::raw(temp.path());
    let meta = tree.get(b"m").unwrap().unwrap();
    let newer = [99_u32.to_be_bytes().as_slice(), &meta[8..], b"and more"].concat();
    tree.insert(b"m", folder::value(b"m", &newer)).unwrap();
    // A newer version may write rows that this version can't read.
    let row = tree.scan_prefix(b"l").keys().next_back().unwrap().unwrap();
    tree.insert(&row, folder::value(&row, &[9])).unwrap();
    drop(tree);
    let error = open(temp.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("newer heirloom"), "{error}");
}

/// Rewrites the log in format 1, with a row for each event.
fn as_format_1(folder: &Path, log: &[RecordedEvent], births: &BTreeMap<StreamId, u64>) {
    let tree = folder::raw(folder);
    for row in tree.scan_prefix(b"l").keys() {
        tree.remove(row.unwrap()).unwrap();
    }
    tree.remove(b"b").unwrap();
    for RecordedEvent { position, stream, version, data } in log {
        let (key, id) = ([b"l".as_slice(), &position.to_be_bytes()].concat(), stream.as_bytes());
        let (birth, version) = (births[stream].to_be_bytes(), version.to_be_bytes());
        let body = [&[1], birth.as_slice(), &version, &[id.len() as u8], id, data].concat();
        tree.insert(&key, folder::value(&key, &body)).unwrap();
    }
    // In format 1 the last row is a seal, and the mark has the digest of the whole row.
    let position = log.last().unwrap().position + 1;
    let seal = [b"l".as_slice(), &position.to_be_bytes()].concat();
    let row = folder::value(&seal, &[0]);
    tree.insert(&seal, row.as_slice()).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &[seal, row].concat());
    let meta = tree.get(b"m").unwrap().unwrap();
    let store = meta.get(8..).unwrap();
    let mark =
        [b"hlmark\0\x01".as_slice(), &1_u64.to_be_bytes(), store, &position.to_be_bytes(), digest.as_ref()];
    let mut mark = mark.concat();
    mark.extend_from_slice(&crc32fast::hash(&mark).to_be_bytes());
    mark.resize(8192, 0);
    fs::write(folder.join("mark"), mark).unwrap();
    let meta = [1_u32.to_be_bytes().as_slice(), store].concat();
    tree.insert(b"m", folder::value(b"m", &meta)).unwrap();
}

#[tokio::test]
async fn an_older_format_is_read_and_goes_on_in_the_newer_one() {
    let temp = tempfile::tempdir().unwrap();
    with_events(temp.path(), &["a", "b", "c"]).await;
    let store = open(temp.path()).unwrap();
    for version in 1..12 {
        store.append(append("a", Expected::Exact(version), &["more"])).await.unwrap();
    }
    let log = whole_log(&store).await;
    drop(store);
    let births = log.iter().rev().map(|event| (event.stream.clone(), event.position)).collect();
    as_format_1(temp.path(), &log, &births);

    let store = open(temp.path()).expect("the mark of format 1 fits");
    assert_eq!(whole_log(&store).await, log);
    assert_eq!(store.read_log(log[8].position, 2).await.unwrap(), log[9..11]);
    assert_eq!(store.read_stream(stream("a"), 0, 99).await.unwrap().len(), 12);
    let next = store.append(append("b", Expected::Exact(1), &["next"])).await.unwrap();
    assert!(next.position > log.last().unwrap().position);
    let removed = Remove { stream: stream("a"), expected: Expected::Exact(12), records: vec![] };
    store.remove(removed).await.unwrap();
    until("all is purged", || store.stats().purging == 0).await;
    drop(store);
    let tree = folder::raw(temp.path());
    assert_eq!(tree.scan_prefix(b"l").count(), 4, "b, c and the seal as they were, and the new row");
    assert_eq!(tree.get(b"m").unwrap().unwrap()[4..8], 4_u32.to_be_bytes());
    drop(tree);
    let store = open(temp.path()).unwrap();
    assert_eq!(store.read_stream(stream("b"), 0, 9).await.unwrap().len(), 2);
    assert_eq!(whole_log(&store).await.len(), 3);
}

#[tokio::test]
async fn a_second_opening_says_who_has_it_and_leaves_the_first_unharmed() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path()).unwrap();
    store.append(append("a", NEW, &["1"])).await.unwrap();
    for _ in 0..3 {
        let error = open(temp.path()).unwrap_err();
        assert!(matches!(&error, OpenError::InUse { .. }), "{error}");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    }
    store.append(append("a", Expected::Exact(1), &["2"])).await.unwrap();
    drop(store);
    assert_eq!(count(temp.path()).await, 2);

    // sled's own file is open elsewhere.
    let tree = folder::raw(temp.path());
    let error = open(temp.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(tree);
    assert_eq!(count(temp.path()).await, 2);
}

/// A disk that fails at one kind of call. Waiting callers are told that the outcome is unknown, the operator is told
/// once, and nothing is answered any more. The folder opens again with everything acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_disk_ends_the_run_and_loses_nothing() {
    let cases: [fn(&TestDisk) -> &AtomicBool; 2] = [|disk| &disk.fail_flush, |disk| &disk.fail_log];
    for fails in cases {
        let temp = tempfile::tempdir().unwrap();
        let disk = TestDisk::new();
        let (store, told) = observed(&temp.path().join("data"), &disk);
        for n in 0..50 {
            store.append(append(&n.to_string(), NEW, &["kept"])).await.unwrap();
        }
        fails(&disk).store(true, SeqCst);
        let appends: Vec<_> = (50..80)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.append(append(&n.to_string(), NEW, &["unknown"])).await })
            })
            .collect();
        for append in appends {
            assert!(matches!(append.await.unwrap(), Err(StoreError::Unavailable(_))));
        }
        fails(&disk).store(false, SeqCst);
        assert!(matches!(store.append(append("z", NEW, &["1"])).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.load(stream("1")).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.read_log(0, 9).await, Err(StoreError::Unavailable(_))));
        let told = said(&told).await;
        assert!(told.len() == 1 && told[0].contains(temp.path().to_str().unwrap()), "{told:?}");
        // Everything acknowledged is there: the operator needs to look at the disk, but needs no backup.
        assert!(told[0].contains("look at the disk") && !told[0].contains("backup"), "{told:?}");
        drop(store);
        // After that nobody drops sled, so it keeps its file until the process ends.
        let raw = sled::Config::new().path(temp.path().join("data/sled")).segment_size(1 << 20).open();
        assert!(raw.is_err_and(|error| error.to_string().contains("lock")));

        // So the test opens a copy, as the next process would find it.
        let next = temp.path().join("next");
        folder::copy(&temp.path().join("data"), &next);
        let store = open(&next).unwrap();
        let log = whole_log(&store).await;
        assert_eq!(log.iter().filter(|event| event.data == b"kept").count(), 50);
        for event in log {
            assert_eq!(store.load(event.stream.clone()).await.unwrap().unwrap().data, event.data);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_that_cannot_be_synced_ends_the_run() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let (store, told) = observed(temp.path(), &disk);
    disk.fail_mark.store(true, SeqCst);
    for n in 0..5_000 {
        if store.append(append(&n.to_string(), NEW, &["e"])).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(matches!(store.load(stream("0")).await, Err(StoreError::Unavailable(_))));
    let told = said(&told).await;
    assert!(told[0].contains("mark") && told[0].contains("look at the disk"), "{told:?}");
}

type Told = Arc<Mutex<Vec<String>>>;

/// What the operator is told. Waiting callers may get their answers a moment earlier.
async fn said(told: &Told) -> Vec<String> {
    for _ in 0..5_000 {
        if !told.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    told.lock().unwrap().clone()
}

fn observed(folder: &Path, disk: &Arc<TestDisk>) -> (Arc<SledStore>, Told) {
    let told = Told::default();
    let tell = Arc::clone(&told);
    let on_fatal = Arc::new(move |why: &str| tell.lock().unwrap().push(why.to_owned()));
    let options = SledOptions { on_fatal, disk: Arc::clone(disk) as _, ..SledOptions::default() };
    (Arc::new(SledStore::open(folder, options).unwrap()), told)
}

/// sled panics at a file name among its blobs that is not UTF-8: a certain panic while it opens.
#[test]
fn a_panic_of_sled_while_it_opens_is_a_refusal() {
    use std::os::unix::ffi::OsStrExt as _;
    let temp = tempfile::tempdir().unwrap();
    drop(open(temp.path()).unwrap());
    let name = std::ffi::OsStr::from_bytes(b"\xff");
    fs::write(temp.path().join("sled/blobs").join(name), b"").unwrap();
    let error = open(temp.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains(temp.path().to_str().unwrap()) && error.contains("blob_io.rs"), "{error}");
}

/// sled takes a snapshot that it was still writing when the process ended for a complete one. A kill or a full disk at
/// that moment must not make the store unusable.
#[tokio::test]
async fn a_snapshot_that_sled_did_not_finish_is_not_in_the_way() {
    let temp = tempfile::tempdir().unwrap();
    with_events(temp.path(), &["a", "b"]).await;
    for left in [&b""[..], &[7; 64]] {
        fs::write(temp.path().join("sled/snap.00000000FFFFFFFF.generating"), left).unwrap();
        assert_eq!(count(temp.path()).await, 2);
    }
}

#[tokio::test]
async fn the_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    // The folder was made by hand, as for a service.
    fs::create_dir(&data).unwrap();
    for _ in 0..2 {
        for path in [&data, &data.join("sled")].into_iter().filter(|path| path.exists()) {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        with_events(&data, &[]).await;
        assert_eq!([mode(&data), mode(&data.join("sled"))], [0o700; 2]);
        assert_eq!([mode(&data.join("lock")), mode(&data.join("mark"))], [0o600; 2]);
    }
    // With another file in it, the folder may be somebody else's, so its permissions stay; those of sled's folder are
    // still restricted.
    fs::write(data.join("somebody's"), "").unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    with_events(&data, &[]).await;
    assert_eq!([mode(&data), mode(&data.join("sled"))], [0o755, 0o700]);
}
