//! What must be in the store after a power cut, and whether it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::contract::{key, stream};
use crate::sled::power_cut::history::{Fact, event, summary};
use crate::support::folder;
use heirloom::store::sled::disk::Synced;
use heirloom::store::sled::{Disk, SledOptions, SledStore};
use heirloom::store::{RecordedEvent, Store};

/// Syncs nothing, since the folder is only read by this process.
struct NoSync;

impl Disk for NoSync {
    fn sync(&self, _: Synced, _: &File) -> io::Result<()> {
        Ok(())
    }
}

/// What must be there of a stream.
#[derive(Default)]
struct Demand {
    version: u64,
    may_be_gone: bool,
    is_gone: bool,
    /// It must be summarized up to this version at least.
    short: u64,
}

impl Demand {
    /// Whether the events of a stream are the original ones: each of them, or a summary behind the first one.
    fn fits(&self, name: &str, version: u64, events: &[RecordedEvent]) -> bool {
        let short = events.get(1).map_or(0, |second| second.version).max(2);
        let is_event = |event_: &RecordedEvent| event_.data == event(name, event_.version);
        let is_summary = |event: &RecordedEvent| event.data == summary(name, short).as_bytes();
        let versions = events.iter().map(|event| event.version);
        let as_made =
            events.iter().all(|event| is_event(event) || event.version == short && is_summary(event));
        let is_short = self.short == 0 || short >= self.short && is_summary(&events[1]);
        as_made && is_short && versions.eq((1..=version).filter(|version| *version < 2 || *version >= short))
    }
}

fn demands(facts: &[Fact]) -> BTreeMap<String, Demand> {
    let mut demands: BTreeMap<String, Demand> = BTreeMap::new();
    for fact in facts {
        match fact.clone() {
            Fact::Version(name, version) => demands.entry(name).or_default().version = version,
            Fact::Removing(name) => demands.entry(name).or_default().may_be_gone = true,
            Fact::Removed(name) => demands.entry(name).or_default().is_gone = true,
            Fact::Summarizing(_) => {}
            Fact::Summarized(name, last) => demands.entry(name).or_default().short = last,
        }
    }
    demands
}

/// Fails with a description if the power cut has broken anything.
pub async fn broken(folder: &Path, facts: &[Fact], acknowledged: usize) -> Result<(), String> {
    let options = SledOptions { disk: Arc::new(NoSync), ..SledOptions::default() };
    let store = SledStore::open(folder, options).map_err(|error| format!("not opened: {error}"))?;
    let fails = |what: String| if what.is_empty() { Ok(()) } else { Err(what) };
    // What was asked for but not acknowledged may be there, too.
    let mut demands = demands(&facts[..acknowledged]);
    for fact in &facts[acknowledged..] {
        let (Fact::Version(name, _)
        | Fact::Removing(name)
        | Fact::Removed(name)
        | Fact::Summarizing(name)
        | Fact::Summarized(name, _)) = fact;
        demands.entry(name.clone()).or_default();
    }
    let mut log: BTreeMap<String, Vec<RecordedEvent>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = store.read_log(after, 1000).await.map_err(|error| format!("the log: {error}"))?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in page {
            log.entry(String::from_utf8(event.stream.key().to_vec()).unwrap()).or_default().push(event);
        }
    }
    let mut whole = 0;
    for (name, demand) in demands {
        let head = store.load(stream(&name)).await.map_err(|error| format!("{name}: {error}"))?;
        let version = head.as_ref().map_or(0, |head| head.version);
        if demand.is_gone {
            fails(head.as_ref().map_or(String::new(), |_| format!("{name} is not removed")))?;
        } else if version < demand.version && !(demand.may_be_gone && version == 0) {
            return Err(format!("{name} is at {version}; {} was acknowledged", demand.version));
        }
        let events = store
            .read_stream(stream(&name), 0, usize::MAX)
            .await
            .map_err(|error| format!("{name}: {error}"))?;
        if !demand.fits(&name, version, &events) {
            return Err(format!("{name} is forked"));
        }
        whole += events.len() as u64;
        if log.remove(&name).unwrap_or_default() != events {
            return Err(format!("{name} is another one in the log"));
        }
        let number = (version > 0).then(|| version.to_string().into_bytes());
        let record = store.record(key(&name)).await.map_err(|error| format!("{name}: {error}"))?;
        if record != number || head.is_some_and(|head| Some(head.data) != number) {
            return Err(format!("{name}: the record or the snapshot is not as new as the log"));
        }
    }
    fails(if log.is_empty() { String::new() } else { format!("nobody knows of {:?}", log.keys()) })?;
    // The purge of removed streams goes on.
    for _ in 0..10_000 {
        if store.stats().purging == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    drop(store);
    left_over(folder, whole)
}

/// Fails if the tree has events that belong to no stream.
fn left_over(folder: &Path, events: u64) -> Result<(), String> {
    // A thread of sled may keep its lock for a moment.
    let closed = std::iter::repeat_with(|| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        folder::try_raw(folder)
    });
    let tree = closed.take(5000).find_map(Result::ok).ok_or("can't be opened again")?;
    let (mut found, mut purges) = (0, 0);
    for row in tree.iter() {
        let (key, value) = row.unwrap();
        match key[0] {
            b'l' => found += count(&value[4..]),
            b'p' => purges += 1,
            _ => {}
        }
    }
    if found == events && purges == 0 {
        return Ok(());
    }
    Err(format!("left over: {found} events are in the tree, {events} in its streams; {purges} purges"))
}

/// How many events a row of the log has.
pub fn count(row: &[u8]) -> u64 {
    assert_eq!(row[0], 2);
    let (mut at, mut events) = (1, 0);
    while at < row.len() {
        if row[at] == 1 || row[at] == 4 {
            // A summary also has the first version that it stands for.
            let head = if row[at] == 1 { at + 17 } else { at + 25 };
            let stream = usize::from(row[head]);
            let data = head + 1 + stream;
            at = data + 4 + u32::from_be_bytes(row[data..data + 4].try_into().unwrap()) as usize;
            events += 1;
        } else {
            at += 1;
        }
    }
    events
}
