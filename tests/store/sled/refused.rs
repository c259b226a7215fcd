//! A refused start changes nothing, byte for byte. A store that never held an event, or files that sled can make again,
//! are no reason to refuse.

mod failing_disk;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::contract::{append, key, stream, whole_log};
use crate::support::folder;
use crate::support::until::until;
use heirloom::store::sled::{OpenError, SledOptions, SledStore, verify};
use heirloom::store::{Append, Expected, RecordChange, RecordedEvent, Remove, Store};

const NEW: Expected = Expected::NoStream;

fn open(folder: &Path) -> Result<SledStore, OpenError> {
    SledStore::open(folder, SledOptions { cache_bytes: 4096, ..SledOptions::default() })
}

/// Every file of a folder except the lock, which says who opened the folder last.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("lock") {
                files.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    files
}

/// A store with a history: several segments, some of them used twice, a removed stream, and two openings.
async fn with_history(folder: &Path) -> Vec<RecordedEvent> {
    let mut log = Vec::new();
    for opening in 0..3_u64 {
        let store = open(folder).unwrap();
        for round in opening * 12..opening * 12 + 12 {
            for name in 0..40 {
                let name = format!("{name}");
                let expected = if round == 0 { NEW } else { Expected::Exact(round) };
                let event = format!("{name} {round} {}", "x".repeat((round * 7) as usize % 90));
                let records = vec![RecordChange::Put(key(&name), event.repeat(12).into_bytes())];
                store.append(Append { records, ..append(&name, expected, &[&event]) }).await.unwrap();
            }
        }
        let passing = format!("passing {opening}");
        store.append(append(&passing, NEW, &["e"; 400])).await.unwrap();
        let remove = Remove { stream: stream(&passing), expected: Expected::Exact(400), records: vec![] };
        store.remove(remove).await.unwrap();
        until("all is purged", || store.stats().purging == 0).await;
        log = whole_log(&store).await;
    }
    log
}

async fn is_whole(store: &SledStore, log: &[RecordedEvent]) {
    assert!(whole_log(store).await == log, "the log differs");
    for event in log.iter().rev().take(40) {
        let head = store.load(event.stream.clone()).await.unwrap().unwrap();
        assert!(head.data == event.data && head.version == event.version, "a snapshot differs");
    }
}

/// 160 bits; more with `HEIRLOOM_FLIPPED_BITS`.
#[tokio::test]
async fn a_flipped_bit_loses_nothing_or_is_refused_and_then_nothing_is_changed() {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().join("base");
    let log = with_history(&base).await;
    let bytes = fs::read(base.join("sled/db")).unwrap();
    let count = std::env::var("HEIRLOOM_FLIPPED_BITS").ok().and_then(|n| n.parse().ok()).unwrap_or(160);
    // Each byte of the segments' headers, and `count` places elsewhere.
    let headers =
        (0..bytes.len().div_ceil(1 << 20)).flat_map(|segment| (0..20).map(move |at| (segment << 20) + at));
    let elsewhere = (0..count).map(|n| n * (bytes.len() / count) + n * 7919 % 4096);
    let (mut refused, mut opened) = (0, 0);
    for (n, at) in headers.chain(elsewhere).enumerate() {
        let data = temp.path().join("data");
        drop(fs::remove_dir_all(&data));
        folder::copy(&base, &data);
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (n % 8);
        fs::write(data.join("sled/db"), flipped).unwrap();
        let before = files(&data);
        match open(&data) {
            Ok(store) => {
                is_whole(&store, &log).await;
                opened += 1;
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("from a backup") && !text.contains("sled:"), "{text}");
                assert!(files(&data) == before, "byte {at}: something was changed ({error})");
                fs::write(data.join("sled/db"), &bytes).unwrap();
                is_whole(&open(&data).unwrap(), &log).await;
                refused += 1;
            }
        }
    }
    assert!(refused > 20 && opened > 20, "{refused} refused, {opened} opened");
    println!("{refused} bits: refused, nothing changed; {opened} bits: opened, nothing lost");
}

#[tokio::test]
async fn what_is_made_of_the_log_is_made_again_from_it() {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().join("base");
    let log = with_history(&base).await;
    let sled = base.join("sled");
    let snapshot = fs::read_dir(&sled)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .find(|name| name.to_string_lossy().starts_with("snap."));
    let mut damages: Vec<(PathBuf, Option<Vec<u8>>)> = Vec::new();
    for name in [PathBuf::from(snapshot.unwrap()), PathBuf::from("conf")] {
        let bytes = fs::read(sled.join(&name)).unwrap();
        damages.push((name.clone(), None));
        let step = bytes.len().div_ceil(12);
        damages.extend((0..bytes.len()).step_by(step).map(|at| (name.clone(), Some(bytes[..at].to_vec()))));
        for (n, at) in (0..12).chain((12..bytes.len()).step_by(step)).enumerate() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (n % 8);
            damages.push((name.clone(), Some(flipped)));
        }
    }
    damages.push(("snap.FFFFFFFFFFFFFFFF".into(), Some(b"what is this".to_vec())));
    for (name, bytes) in damages {
        let data = temp.path().join("data");
        drop(fs::remove_dir_all(&data));
        folder::copy(&base, &data);
        let path = data.join("sled").join(&name);
        match &bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        // sled needs no snapshot.
        let is_noticed = bytes.is_some() || name == Path::new("conf");
        assert_eq!(verify(&data).unwrap().remade, if is_noticed { vec![path] } else { vec![] });
        let store = open(&data).unwrap_or_else(|error| panic!("{name:?} {bytes:?}: {error}"));
        is_whole(&store, &log).await;
        drop(store);
        is_whole(&open(&data).unwrap(), &log).await;
    }
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_anywhere_is_made_anew() {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().join("base");
    drop(open(&base).unwrap());
    let (conf, db) = (fs::read(base.join("sled/conf")).unwrap(), fs::read(base.join("sled/db")).unwrap());
    let used = db.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let confs = (0..conf.len()).step_by(3).map(|at| (Some(conf[..at].to_vec()), None));
    let cut = (0..used).step_by(used / 25).map(|at| (Some(conf.clone()), Some(db[..at].to_vec())));
    let torn = (0..used).step_by(used / 25).map(|at| {
        let mut torn = db.clone();
        torn[..at].fill(0);
        (Some(conf.clone()), Some(torn))
    });
    let marks = [None, Some(vec![]), Some(vec![0; 8192])];
    for (n, (conf, db)) in confs.chain(cut).chain(torn).chain([(None, None)]).enumerate() {
        let data = temp.path().join(n.to_string());
        fs::create_dir_all(data.join("sled/blobs")).unwrap();
        for (name, bytes) in [("sled/conf", &conf), ("sled/db", &db), ("mark", &marks[n % 3])] {
            if let Some(bytes) = bytes {
                fs::write(data.join(name), bytes).unwrap();
            }
        }
        let store = open(&data).unwrap_or_else(|error| panic!("state {n}: {error}"));
        store.append(append("a", NEW, &["e"])).await.unwrap();
        drop(store);
        assert_eq!(whole_log(&open(&data).unwrap()).await.len(), 1, "state {n}");
    }
}

/// A store that has lost its mark and whose file is damaged is not replaced by a new one.
#[tokio::test]
async fn a_store_that_held_an_event_is_never_made_anew() {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().join("base");
    let store = open(&base).unwrap();
    store.append(append("a", NEW, &["e"])).await.unwrap();
    drop(store);
    let db = fs::read(base.join("sled/db")).unwrap();
    let used = db.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for (n, mark) in [None, Some(vec![0; 8192])].iter().enumerate() {
        for at in (0..24).chain((24..used).step_by(used / 30)) {
            let data = temp.path().join("data");
            drop(fs::remove_dir_all(&data));
            folder::copy(&base, &data);
            match mark {
                None => fs::remove_file(data.join("mark")).unwrap(),
                Some(mark) => fs::write(data.join("mark"), mark).unwrap(),
            }
            let mut damaged = db.clone();
            damaged[at] ^= 16;
            fs::write(data.join("sled/db"), damaged).unwrap();
            let before = files(&data);
            let Err(error) = open(&data) else { panic!("mark {n}, byte {at}: opened") };
            assert!(files(&data) == before, "mark {n}, byte {at}: {error}");
        }
    }
}

/// For a whole store, `verify` reports what the store itself reports; for a damaged copy, what a start would report. It
/// changes nothing.
#[tokio::test]
async fn a_store_is_verified_without_being_changed() {
    let temp = tempfile::tempdir().unwrap();
    let (base, data) = (temp.path().join("base"), temp.path().join("data"));
    let log = with_history(&base).await;
    let before = files(&base);
    let found = verify(&base).unwrap();
    assert!(files(&base) == before && found.is_whole() && found.remade.is_empty(), "{found:?}");
    assert_eq!((found.events, found.streams.as_slice()), (log.len() as u64, [(b't', 40)].as_slice()));
    assert_eq!((found.records, found.mark), (40, Some(found.position)));
    assert!(found.position >= log.last().unwrap().position && found.messages > 1000, "{found:?}");

    // A server has the folder open.
    let store = open(&base).unwrap();
    assert!(matches!(verify(&base), Err(OpenError::InUse { .. })));
    // A copy of an idle store is whole, also without a lock, and if nobody may write to it.
    folder::copy(&base, &data);
    fs::remove_file(data.join("lock")).unwrap();
    drop(store);
    assert!(verify(&data).unwrap().is_whole());
    assert!(!data.join("lock").exists());

    // A mark that is newer than the log, no mark, a damaged file, no store.
    let mark = fs::read(data.join("mark")).unwrap();
    let store = open(&base).unwrap();
    store.append(append("newer", NEW, &["e"])).await.unwrap();
    drop(store);
    fs::copy(base.join("mark"), data.join("mark")).unwrap();
    let behind = verify(&data).unwrap();
    assert!(
        behind.refused.is_some_and(|why| why.contains("had come to")) && behind.events == log.len() as u64
    );
    fs::remove_file(data.join("mark")).unwrap();
    assert!(verify(&data).unwrap().refused.is_some_and(|why| why.contains("no readable mark")));
    fs::write(data.join("mark"), mark).unwrap();
    fs::write(data.join("sled/conf"), "").unwrap();
    let found = verify(&data).unwrap();
    assert!(found.is_whole() && found.remade == [data.join("sled/conf")], "{found:?}");
    assert!(matches!(verify(temp.path()), Err(OpenError::Io { .. })));

    // For a damaged file, `verify` says what a start would say.
    let db = fs::read(base.join("sled/db")).unwrap();
    let (mut refused, mut opened) = (0, 0);
    for at in (0..24).chain((24..db.len()).step_by(db.len() / 40)) {
        drop(fs::remove_dir_all(&data));
        folder::copy(&base, &data);
        let mut damaged = db.clone();
        damaged[at] ^= 1;
        fs::write(data.join("sled/db"), damaged).unwrap();
        let as_it_is = files(&data);
        let found = verify(&data).unwrap();
        assert!(files(&data) == as_it_is, "byte {at}");
        let start = open(&data).err().map(|error| error.to_string());
        assert_eq!((&found.refused, found.is_whole()), (&start, start.is_none()), "byte {at}");
        if start.is_some() { refused += 1 } else { opened += 1 }
    }
    assert!(refused > 10 && opened > 0, "{refused} refused, {opened} opened");
}

/// Measures how long a large store takes to open, in turn with sled alone on a copy. Runs only with
/// `HEIRLOOM_LARGE_STORE`, which is the number of streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_store_opens_in_about_the_time_that_sled_needs() {
    let Some(streams) = std::env::var("HEIRLOOM_LARGE_STORE").ok().and_then(|n| n.parse::<usize>().ok())
    else {
        return;
    };
    let temp =
        tempfile::tempdir_in(std::env::var_os("HEIRLOOM_LARGE_STORE_IN").unwrap_or("/tmp".into())).unwrap();
    let (data, copy) = (temp.path().join("data"), temp.path().join("copy"));
    let event = "x".repeat(90);
    let store = std::sync::Arc::new(SledStore::open(&data, SledOptions::default()).unwrap());
    for first in (0..streams).step_by(2000) {
        let appends = (first..(first + 2000).min(streams)).map(|n| {
            let (store, event) = (std::sync::Arc::clone(&store), event.clone());
            let name = format!("{:016x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            tokio::spawn(async move {
                let records =
                    (0..3).map(|k| RecordChange::Put(key(&format!("{k}{name}")), vec![1; 60])).collect();
                let events = [event.as_str(); 5];
                store
                    .append(Append { records, snapshot: vec![7; 180], ..append(&name, NEW, &events) })
                    .await
                    .unwrap();
            })
        });
        for append in appends.collect::<Vec<_>>() {
            append.await.unwrap();
        }
    }
    drop(store);
    let mib = fs::metadata(data.join("sled/db")).unwrap().len() >> 20;
    println!("{streams} streams, {mib} MiB");
    for turn in 0..4 {
        drop(fs::remove_dir_all(&copy));
        folder::copy(&data, &copy);
        let began = std::time::Instant::now();
        let sled = folder::raw(&copy);
        let sled_took = began.elapsed();
        drop(sled);
        drop(fs::remove_dir_all(&copy));
        folder::copy(&data, &copy);
        let began = std::time::Instant::now();
        let store = SledStore::open(&copy, SledOptions::default()).unwrap();
        let took = began.elapsed();
        drop(store);
        println!("turn {turn}: sled alone {sled_took:?}, heirloom {took:?}");
    }
}
