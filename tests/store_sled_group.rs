//! A group is atomic: a crash between the rows that it changes leaves all of them or none.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    unreachable_pub,
    dead_code,
    reason = "a test may panic, and its helpers are no interface"
)]

#[path = "support/store/contract.rs"]
mod contract;
#[path = "support/store/folder.rs"]
mod folder;
#[path = "support/store/until.rs"]
mod until;

use std::fs;
use std::path::{Path, PathBuf};

use contract::{append, key, stream, whole_log};
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Append, Expected, RecordChange, Remove, Store};
use until::until;

const NEW: Expected = Expected::NoStream;

fn open(folder: &Path) -> SledStore {
    SledStore::open(folder, SledOptions::default()).unwrap()
}

/// Of what `append_two` changes, how much is there: 1 is the state before it, 2 the one behind it.
async fn state(folder: &Path, size: usize) -> usize {
    let store = open(folder);
    let head = store.load(stream("a")).await.unwrap().unwrap();
    let events = if head.version == 1 { vec!["one"] } else { vec!["one", "two", "three"] };
    let read = |events: Vec<heirloom::store::RecordedEvent>| {
        events.into_iter().map(|event| String::from_utf8(event.data).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(store.read_stream(stream("a"), 0, 9).await.unwrap()), events);
    assert_eq!(read(whole_log(&store).await), events);
    let (old, new) = (Some(vec![b'o'; size]), Some(vec![b'n'; size]));
    let mut records = Vec::new();
    for name in ["deleted", "made 1", "made 2", "made 3", "made 4", "put"] {
        records.push(store.record(key(name)).await.unwrap());
    }
    if head.version == 1 {
        assert_eq!(head.data, b"one");
        assert_eq!(records, [old.clone(), None, None, None, None, old]);
        return 1;
    }
    assert_eq!((head.version, head.data.as_slice()), (3, b"twothree".as_slice()));
    assert_eq!(records, [None, new.clone(), new.clone(), new.clone(), new.clone(), new]);
    2
}

async fn append_one(store: &SledStore, size: usize) {
    let records = ["deleted", "put"].map(|name| RecordChange::Put(key(name), vec![b'o'; size])).to_vec();
    store.append(Append { records, ..append("a", NEW, &["one"]) }).await.unwrap();
}

async fn append_two(store: &SledStore, size: usize) {
    let value = || vec![b'n'; size];
    let made = ["made 1", "made 2", "made 3", "made 4"].map(|name| RecordChange::Insert(key(name), value()));
    let mut records = vec![RecordChange::Delete(key("deleted")), RecordChange::Put(key("put"), value())];
    records.extend(made);
    let append = Append { records, ..append("a", Expected::Exact(1), &["two", "three"]) };
    store.append(append).await.unwrap();
}

/// Folders as a crash may leave them: of all that the group wrote to sled's file, what was written up to some moment.
struct Crashes {
    temp: tempfile::TempDir,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Crashes {
    async fn of(size: usize) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (data, before) = (temp.path().join("data"), temp.path().join("before"));
        append_one(&open(&data), size).await;
        let store = open(&data);
        folder::copy(&data, &before);
        append_two(&store, size).await;
        let (old, new) = (fs::read(before.join("sled/db")).unwrap(), fs::read(data.join("sled/db")).unwrap());
        Self { temp, old, new }
    }

    fn moments(&self, step: usize) -> Vec<usize> {
        let old = self.old.iter().chain(std::iter::repeat(&0));
        let written: Vec<_> = (0..self.new.len()).zip(self.new.iter().zip(old)).collect();
        let mut written = written.iter().filter(|(_, (new, old))| new != old).map(|(at, _)| *at);
        let (first, last) = (written.next().unwrap(), written.next_back().unwrap());
        (first..last).step_by(step).chain([last + 1]).collect()
    }

    fn at(&self, moment: usize) -> PathBuf {
        let folder = self.temp.path().join(moment.to_string());
        drop(fs::remove_dir_all(&folder));
        folder::copy(&self.temp.path().join("before"), &folder);
        let (written, missing) = (&self.new[..moment], self.old.get(moment..).unwrap_or_default());
        fs::write(folder.join("sled/db"), [written, missing].concat()).unwrap();
        folder
    }

    /// Whether sled finds a part of the group there. It changes the folder.
    fn is_within(&self, moment: usize) -> bool {
        let tree = folder::raw(&self.at(moment));
        let row = |name| tree.get([b"r", key(name).as_bytes()].concat()).unwrap().is_some();
        !row("deleted") && !row("made 4")
    }
}

#[tokio::test]
async fn a_crash_within_a_small_group_leaves_all_of_it_or_nothing() {
    let crashes = Crashes::of(10).await;
    let (mut seen, mut within) = ([0; 3], 0);
    for moment in crashes.moments(5) {
        seen[state(&crashes.at(moment), 10).await] += 1;
        within += usize::from(crashes.is_within(moment));
    }
    assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
    assert!(within > 5, "the crash came between its rows {within} times only");
}

#[tokio::test]
async fn a_crash_within_a_large_group_leaves_all_of_it_or_nothing() {
    let crashes = Crashes::of(8000).await;
    let mut seen = [0; 3];
    for moment in crashes.moments(700) {
        assert!(!crashes.is_within(moment));
        seen[state(&crashes.at(moment), 8000).await] += 1;
    }
    assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
}

#[tokio::test]
async fn a_large_group_is_not_undone_by_the_small_one_before_it() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    append_one(&store, 10).await;
    append_two(&store, 8000).await;
    drop(store);
    assert_eq!(state(temp.path(), 8000).await, 2);
}

#[tokio::test]
async fn what_was_purged_does_not_come_back() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    for name in ["gone", "stays"] {
        store.append(append(name, NEW, &[name])).await.unwrap();
    }
    let removed = Remove { stream: stream("gone"), expected: Expected::Exact(1), records: vec![] };
    store.remove(removed).await.unwrap();
    until("all is purged", || store.stats().purging == 0).await;
    drop(store);
    // Opening does again what is missing of the last group: the row of the log that the purge has changed.
    drop(open(temp.path()));
    let tree = folder::raw(temp.path());
    let log: Vec<_> = tree.scan_prefix(b"l").values().map(|row| row.unwrap().to_vec()).collect();
    let holds = |text: &[u8]| log.iter().any(|row| row.windows(text.len()).any(|part| part == text));
    assert!(holds(b"stays") && !holds(b"gone"));
    assert_eq!(tree.scan_prefix(b"p").count(), 0);
}
