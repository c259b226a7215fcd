//! A store in use, and the facts that its users know about it.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use crate::contract::{key, stream, summarize};
use crate::support::power::RecordingDisk;
use crate::support::until::until;
use heirloom::store::sled::{Disk, SledOptions, SledStore};
use heirloom::store::{Append, Expected, MAX_SUMMARIZED, RecordChange, Remove, Store};

/// Something that was asked for or acknowledged, in order.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The stream has at least this version.
    Version(String, u64),
    /// From here on the stream may be gone.
    Removing(String),
    Removed(String),
    /// From here on a summary may replace the events from the second to this version.
    Summarizing(String),
    Summarized(String, u64),
}

/// The event at a version of a stream; no other event has this text.
pub fn event(name: &str, version: u64) -> Vec<u8> {
    format!("{name} {version} ").into_bytes().into_iter().chain(std::iter::repeat(b'.')).take(300).collect()
}

pub fn summary(name: &str, last: u64) -> String {
    format!("{name} up to {last}")
}

/// A store in use, and what is known about it.
pub struct Installation {
    pub store: Arc<SledStore>,
    pub hears: Hears,
}

/// Is called with each fact.
pub type Hears = Arc<dyn Fn(Fact) + Send + Sync>;

impl Installation {
    pub fn start(data: &Path, disk: Arc<dyn Disk>, hears: &Hears) -> Self {
        let options = SledOptions { disk, ..SledOptions::default() };
        let store = Arc::new(SledStore::open(data, options).unwrap());
        Self { store, hears: Arc::clone(hears) }
    }

    pub fn says(&self, fact: Fact) {
        (self.hears)(fact);
    }

    /// Appends `count` events after `version`.
    pub async fn append(&self, name: &str, version: u64, count: u64) -> u64 {
        let events = (version + 1..=version + count).map(|version| event(name, version)).collect();
        let last = version + count;
        let number = last.to_string().into_bytes();
        let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
        let mut records = vec![RecordChange::Put(key(name), number.clone())];
        if version == 0 {
            records.push(RecordChange::Insert(key(&format!("name of {name}")), vec![b'v'; 200]));
        }
        let append = Append { stream: stream(name), expected, events, snapshot: number, records };
        self.store.append(append).await.unwrap();
        self.says(Fact::Version(name.to_owned(), last));
        last
    }

    /// Appends to many streams at once, one event after another in each.
    pub async fn refresh(self: &Arc<Self>, names: &[String], from: u64, rounds: u64) {
        let mut tasks = Vec::new();
        for name in names {
            let (all, name) = (Arc::clone(self), name.clone());
            tasks.push(tokio::spawn(async move {
                let mut version = from;
                for _ in 0..rounds {
                    version = all.append(&name, version, 1).await;
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }

    pub async fn remove(&self, name: &str, version: u64) {
        self.says(Fact::Removing(name.to_owned()));
        let records =
            vec![RecordChange::Delete(key(name)), RecordChange::Delete(key(&format!("name of {name}")))];
        let remove = Remove { stream: stream(name), expected: Expected::Exact(version), records };
        self.store.remove(remove).await.unwrap();
        self.says(Fact::Removed(name.to_owned()));
    }

    /// Summarizes the versions from the second to `last`. Those up to `from` are summarized already.
    pub async fn shorten(&self, name: &str, version: u64, (from, last): (u64, u64)) {
        let mut first = from.max(2);
        while first < last {
            let next = last.min(first + MAX_SUMMARIZED as u64 - 1);
            self.says(Fact::Summarizing(name.to_owned()));
            let change = summarize(name, version, (first, next), &summary(name, next));
            self.store.summarize(change).await.unwrap();
            self.says(Fact::Summarized(name.to_owned(), next));
            first = next;
        }
    }

    /// Stops as a process does when shutdown is requested.
    pub fn stop(self: Arc<Self>) {
        let Self { store, .. } = Arc::into_inner(self).unwrap();
        drop(Arc::into_inner(store).unwrap());
    }
}

/// The size of the history.
pub struct Size {
    /// The number of events in each long stream.
    pub long: u64,
    /// The number of refreshes of each session, in each of three parts.
    pub rounds: u64,
    pub purged: u64,
}

/// A first start, sign-ups, refreshes, new keys, sessions that are removed and purged or summarized while others go on,
/// a stop in the midst of that, and two more starts.
pub async fn run(data: &Path, disk: &Arc<RecordingDisk>, size: &Size) -> Vec<Fact> {
    let facts = Arc::new(Mutex::new(Vec::new()));
    let (known, recording) = (Arc::clone(&facts), Arc::clone(disk));
    let hears: Hears = Arc::new(move |fact| {
        let mut all = known.lock().unwrap();
        all.push(fact);
        recording.facts.store(all.len(), SeqCst);
    });
    let start = || Arc::new(Installation::start(data, Arc::clone(disk) as _, &hears));
    let short = size.long / 100 * 25;
    let names: Vec<_> = (0..12).map(|number| format!("session {number}")).collect();
    let all = start();
    for number in 0..20 {
        all.append(&format!("user {number}"), 0, 1).await;
    }
    all.append("key", 0, 1).await;
    all.refresh(&names, 0, size.rounds).await;
    for part in 0..size.long / 100 {
        for number in 0..size.purged {
            all.append(&format!("gone {number}"), part * 100, 100).await;
        }
        // Some events of the two streams share a row.
        if part < short / 25 {
            for step in 0..5 {
                all.append("short", part * 25 + step * 5, 5).await;
                all.append("beside", part * 25 + step * 5, 5).await;
            }
        }
    }
    all.append("key", 1, 1).await;
    for number in 0..size.purged - 1 {
        all.remove(&format!("gone {number}"), size.long / 100 * 100).await;
    }
    all.refresh(&names, size.rounds, size.rounds).await;
    all.shorten("short", short, (0, short / 2)).await;
    until("half is purged", || all.store.stats().purging < size.purged as usize / 2 + 1).await;
    all.stop();
    disk.look();

    let all = start();
    all.remove(&format!("gone {}", size.purged - 1), size.long / 100 * 100).await;
    all.refresh(&names, 2 * size.rounds, size.rounds).await;
    all.shorten("short", short, (short / 2, short - 5)).await;
    all.append("short", short, 5).await;
    until("all is purged", || all.store.stats().purging == 0).await;
    for number in 20..30 {
        all.append(&format!("user {number}"), 0, 1).await;
    }
    all.stop();
    disk.look();
    let all = start();
    all.append("key", 2, 1).await;
    all.stop();
    disk.look();
    facts.lock().unwrap().clone()
}
