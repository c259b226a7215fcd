//! A group is atomic: after a crash between the rows that it changes, all of its changes are there or none.

use std::fs;
use std::path::{Path, PathBuf};

use crate::contract::{append, fill, key, stream, summarize, whole_log, whole_stream};
use crate::support::folder;
use crate::support::until::until;
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Append, Expected, RecordChange, RecordedEvent, Remove, Store, Summarize};

const NEW: Expected = Expected::NoStream;

fn open(folder: &Path) -> SledStore {
    SledStore::open(folder, SledOptions::default()).unwrap()
}

/// Two appends: one makes the state before the group, the other is the group.
#[derive(Clone, Copy)]
struct Case {
    /// The length of the values.
    size: usize,
    /// How many more records there are. The first append puts every second one, the group the others.
    more: usize,
}

const SMALL: Case = Case { size: 10, more: 0 };
const LARGE: Case = Case { size: 8000, more: 0 };
const SPLITTING: Case = Case { size: 10, more: 300 };

impl Case {
    fn more(self, from: usize) -> Vec<RecordChange> {
        (from..self.more).step_by(2).map(|n| RecordChange::Put(key(&format!("{n:03}")), vec![b'm'])).collect()
    }

    async fn append_one(self, store: &SledStore) {
        let mut records = self.more(0);
        records.extend(["deleted", "put"].map(|name| RecordChange::Put(key(name), vec![b'o'; self.size])));
        store.append(Append { records, ..append("a", NEW, &["one"]) }).await.unwrap();
    }

    async fn append_two(self, store: &SledStore) {
        let value = || vec![b'n'; self.size];
        let mut records = self.more(1);
        records.extend([RecordChange::Delete(key("deleted")), RecordChange::Put(key("put"), value())]);
        records.extend(MADE.map(|name| RecordChange::Insert(key(name), value())));
        let append = Append { records, ..append("a", Expected::Exact(1), &["two", "three"]) };
        store.append(append).await.unwrap();
    }

    /// Checks that the folder holds all of one append and nothing of the next, and returns which one.
    async fn state(self, folder: &Path) -> usize {
        let store = open(folder);
        let head = store.load(stream("a")).await.unwrap().unwrap();
        let first = head.version == 1;
        let events = if first { vec!["one"] } else { vec!["one", "two", "three"] };
        assert_eq!(texts(store.read_stream(stream("a"), 0, 9).await.unwrap()), events);
        assert_eq!(texts(whole_log(&store).await), events);
        let (old, new) = (Some(vec![b'o'; self.size]), Some(vec![b'n'; self.size]));
        for name in MADE {
            assert_eq!(store.record(key(name)).await.unwrap(), new.clone().filter(|_| !first), "{name}");
        }
        assert_eq!(store.record(key("deleted")).await.unwrap(), old.clone().filter(|_| first));
        assert_eq!(store.record(key("put")).await.unwrap(), if first { old } else { new });
        for number in 0..self.more {
            let there = store.record(key(&format!("{number:03}"))).await.unwrap().is_some();
            assert_eq!(there, number % 2 == 0 || !first, "{number}");
        }
        assert_eq!(head.data, if first { b"one".as_slice() } else { b"twothree" });
        if first { 1 } else { 2 }
    }
}

const MADE: [&str; 4] = ["made 1", "made 2", "made 3", "made 4"];

fn texts(events: Vec<RecordedEvent>) -> Vec<String> {
    events.into_iter().map(|event| String::from_utf8(event.data).unwrap()).collect()
}

/// Folders that a crash may leave: each has what the group had written to sled's file up to some moment.
struct Crashes {
    temp: tempfile::TempDir,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Crashes {
    async fn of(case: Case) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (data, before) = (temp.path().join("data"), temp.path().join("before"));
        case.append_one(&open(&data)).await;
        let store = open(&data);
        folder::copy(&data, &before);
        case.append_two(&store).await;
        Self::between(temp)
    }

    /// The crashes between the folder `before` and the folder `data`.
    fn between(temp: tempfile::TempDir) -> Self {
        let (data, before) = (temp.path().join("data"), temp.path().join("before"));
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

    /// Makes the folder of a moment, in place of the previous one.
    fn at(&self, moment: usize) -> PathBuf {
        let folder = self.temp.path().join("crashed");
        drop(fs::remove_dir_all(&folder));
        folder::copy(&self.temp.path().join("before"), &folder);
        let (written, missing) = (&self.new[..moment], self.old.get(moment..).unwrap_or_default());
        fs::write(folder.join("sled/db"), [written, missing].concat()).unwrap();
        folder
    }

    /// Whether sled finds only a part of the group at that moment. Changes the folder.
    fn is_within(&self, moment: usize) -> bool {
        let tree = folder::raw(&self.at(moment));
        let row = |name| tree.get([b"r", key(name).as_bytes()].concat()).unwrap().is_some();
        (row("001") || !row("deleted")) && !row("made 4")
    }
}

#[tokio::test]
async fn a_crash_within_a_small_group_leaves_all_of_it_or_nothing() {
    for (case, step) in [(SMALL, 7), (SPLITTING, 250)] {
        let crashes = Crashes::of(case).await;
        let (mut seen, mut within) = ([0; 3], 0);
        for moment in crashes.moments(step) {
            seen[case.state(&crashes.at(moment)).await] += 1;
            within += usize::from(crashes.is_within(moment));
        }
        assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
        assert!(within > 2, "the crash came between its rows {within} times only");
    }
}

#[tokio::test]
async fn a_crash_within_a_large_group_leaves_all_of_it_or_nothing() {
    let crashes = Crashes::of(LARGE).await;
    let mut seen = [0; 3];
    for moment in crashes.moments(900) {
        assert!(!crashes.is_within(moment));
        seen[LARGE.state(&crashes.at(moment)).await] += 1;
    }
    assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
}

/// Crashes in a summary of versions 2 to 40 of a stream; the events of another stream, of length `size`, lie between
/// them.
async fn summarized(size: usize) -> Crashes {
    let temp = tempfile::tempdir().unwrap();
    let (data, before) = (temp.path().join("data"), temp.path().join("before"));
    let store = open(&data);
    for until in 1..=60 {
        fill(&store, "a", until, 1).await;
        let expected = if until == 1 { NEW } else { Expected::Exact(until - 1) };
        store.append(append("b", expected, &[&"b".repeat(size)])).await.unwrap();
    }
    drop(store);
    let store = open(&data);
    folder::copy(&data, &before);
    let records = vec![RecordChange::Put(key("r"), b"r".to_vec())];
    store.summarize(Summarize { records, ..summarize("a", 60, (2, 40), "summary") }).await.unwrap();
    Crashes::between(temp)
}

/// Whether the stream is summarized. Fails if it is summarized in part.
async fn is_summarized(folder: &Path) -> bool {
    let store = open(folder);
    let left = whole_stream(&store, "a").await;
    let is_summarized = left.len() == 22;
    let numbered =
        |versions: std::ops::RangeInclusive<u64>| versions.map(|version| (version, version.to_string()));
    if is_summarized {
        let summary = (40, "summary".to_owned());
        assert_eq!(left, numbered(1..=1).chain([summary]).chain(numbered(41..=60)).collect::<Vec<_>>());
    } else {
        assert_eq!(left, numbered(1..=60).collect::<Vec<_>>());
    }
    assert_eq!(store.record(key("r")).await.unwrap().is_some(), is_summarized);
    assert_eq!(store.load(stream("a")).await.unwrap().unwrap().data, b"60");
    assert_eq!(store.read_stream(stream("b"), 0, usize::MAX).await.unwrap().len(), 60);
    assert_eq!(whole_log(&store).await.len(), left.len() + 60);
    // The stream can be appended to.
    fill(&store, "a", 70, 1).await;
    assert_eq!(whole_stream(&store, "a").await.len(), left.len() + 10);
    is_summarized
}

#[tokio::test]
async fn a_crash_within_a_summary_leaves_all_of_it_or_nothing() {
    // The group of the first case is small, so it is first written to the redo row; the second is a batch.
    for (size, step) in [(10, 150), (500, 1500)] {
        let crashes = summarized(size).await;
        let mut seen = [0; 2];
        for moment in crashes.moments(step) {
            seen[usize::from(is_summarized(&crashes.at(moment)).await)] += 1;
        }
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    }
}

#[tokio::test]
async fn a_large_group_is_not_undone_by_the_small_one_before_it() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    SMALL.append_one(&store).await;
    LARGE.append_two(&store).await;
    drop(store);
    assert_eq!(LARGE.state(temp.path()).await, 2);
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
    // Opening writes again what is missing of the last group: the row of the log that the purge has changed.
    drop(open(temp.path()));
    let tree = folder::raw(temp.path());
    let rows: Vec<_> = tree.iter().map(|row| row.unwrap()).collect();
    let holds = |text: &[u8]| {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        rows.iter().any(|(key, value)| holds(key) || holds(value))
    };
    assert!(holds(b"stays") && !holds(b"gone"));
    assert_eq!(tree.scan_prefix(b"p").count(), 0);
}
