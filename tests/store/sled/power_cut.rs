//! A power cut at any moment: of what was not synced, any part may be missing, in any order. What was acknowledged is there,
//! no stream is forked, and of a removed stream, or of what was summarized, nothing is left once the purge has gone on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};

use crate::contract::{key, stream, summarize};
use crate::support::power::{PowerCut, Random, RecordingDisk};
use crate::support::until::until;
use crate::support::{child, folder, loop_device};
use heirloom::store::sled::disk::Synced;
use heirloom::store::sled::{Disk, SledOptions, SledStore, SystemDisk};
use heirloom::store::{Append, Expected, MAX_SUMMARIZED, RecordChange, RecordedEvent, Remove, Store};

/// What was asked for or acknowledged, in its order.
#[derive(Clone, Debug)]
enum Fact {
    /// The stream is at this version at least.
    Version(String, u64),
    /// From here on it may be gone.
    Removing(String),
    Removed(String),
    /// From here on one event may stand in the place of those from the second to this version.
    Summarizing(String),
    Summarized(String, u64),
}

/// The event that stands at a version of a stream, and nowhere else.
fn event(name: &str, version: u64) -> Vec<u8> {
    format!("{name} {version} ").into_bytes().into_iter().chain(std::iter::repeat(b'.')).take(300).collect()
}

fn summary(name: &str, last: u64) -> String {
    format!("{name} up to {last}")
}

/// A store that is used, and what is known of it.
struct Installation {
    store: Arc<SledStore>,
    hears: Hears,
}

/// Who is told of each fact.
type Hears = Arc<dyn Fn(Fact) + Send + Sync>;

impl Installation {
    fn start(data: &Path, disk: Arc<dyn Disk>, hears: &Hears) -> Self {
        let options = SledOptions { disk, ..SledOptions::default() };
        let store = Arc::new(SledStore::open(data, options).unwrap());
        Self { store, hears: Arc::clone(hears) }
    }

    fn says(&self, fact: Fact) {
        (self.hears)(fact);
    }

    /// Appends `count` events behind `version`.
    async fn append(&self, name: &str, version: u64, count: u64) -> u64 {
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

    /// Many append at once, each to a stream of its own, one event after another.
    async fn refresh(self: &Arc<Self>, names: &[String], from: u64, rounds: u64) {
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

    async fn remove(&self, name: &str, version: u64) {
        self.says(Fact::Removing(name.to_owned()));
        let records =
            vec![RecordChange::Delete(key(name)), RecordChange::Delete(key(&format!("name of {name}")))];
        let remove = Remove { stream: stream(name), expected: Expected::Exact(version), records };
        self.store.remove(remove).await.unwrap();
        self.says(Fact::Removed(name.to_owned()));
    }

    /// Puts one event in the place of those from the second to `last`, where one stands for those up to `from` already.
    async fn shorten(&self, name: &str, version: u64, (from, last): (u64, u64)) {
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

    /// Stops as a process does that is told to.
    fn stop(self: Arc<Self>) {
        let Self { store, .. } = Arc::into_inner(self).unwrap();
        drop(Arc::into_inner(store).unwrap());
    }
}

/// How much happens.
struct Size {
    /// Events of each long stream.
    long: u64,
    /// Refreshes of each session, in each of three parts.
    rounds: u64,
    purged: u64,
}

/// A first start, sign-ups, refreshes, a new key now and then, sessions that are removed and purged or summarized while
/// others go on, a stop in the midst of that, two more starts.
async fn run(data: &Path, disk: &Arc<RecordingDisk>, size: &Size) -> Vec<Fact> {
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
        // Of the others' events, some lie in one row with each other.
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

/// Syncs nothing: what is looked at lives as long as the process.
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
    /// Up to which version it is summarized at least.
    short: u64,
}

impl Demand {
    /// Whether the events of a stream are those that were made: each of them, or a summary behind the first.
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

/// What a power cut has broken, if it has.
async fn broken(folder: &Path, facts: &[Fact], acknowledged: usize) -> Result<(), String> {
    let options = SledOptions { disk: Arc::new(NoSync), ..SledOptions::default() };
    let store = SledStore::open(folder, options).map_err(|error| format!("not opened: {error}"))?;
    let fails = |what: String| if what.is_empty() { Ok(()) } else { Err(what) };
    // What was asked for last may be there, too.
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
    // What was removed goes.
    for _ in 0..10_000 {
        if store.stats().purging == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    drop(store);
    left_over(folder, whole)
}

/// Looks into the tree for events that no stream has any more.
fn left_over(folder: &Path, events: u64) -> Result<(), String> {
    // A thread of sled may hold its lock for a moment longer.
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

/// How many events are in a row of the log.
fn count(row: &[u8]) -> u64 {
    assert_eq!(row[0], 2);
    let (mut at, mut events) = (1, 0);
    while at < row.len() {
        if row[at] == 1 || row[at] == 4 {
            // A summary has the first version that it stands for, too.
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

/// In memory, where there is such a place: sled syncs by itself when it is opened.
fn fast_tempdir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What came of the states, and of the first that was not right.
#[derive(Default)]
struct Found {
    states: usize,
    torn: usize,
    wrong: Vec<String>,
}

/// Two hundred states; more, of a longer run, with `HEIRLOOM_POWER_CUTS`. Another seed with `HEIRLOOM_POWER_SEED`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<usize>().ok());
    let states = number("HEIRLOOM_POWER_CUTS");
    let seed = number("HEIRLOOM_POWER_SEED").unwrap_or(1) as u64;
    let size = match states {
        None => Size { long: 2400, rounds: 12, purged: 3 },
        Some(_) => Size { long: 8600, rounds: 60, purged: 3 },
    };
    let temp = fast_tempdir();
    let root = temp.path().canonicalize().unwrap();
    let data = root.join("data");
    let disk = Arc::new(RecordingDisk::new(&data));
    // Between the syncs, too.
    let (looking, running) = (Arc::clone(&disk), Arc::new(()));
    let until = Arc::downgrade(&running);
    let looker = std::thread::spawn(move || {
        while until.strong_count() > 0 {
            looking.look();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let facts = Arc::new(run(&data, &disk, &size).await);
    drop(running);
    looker.join().unwrap();
    let recording = disk.recording();
    let most = recording.unsynced("sled/db").into_iter().max().unwrap();
    println!("{} moments; at most {most} bytes of sled's file were not synced", recording.len());
    assert!(most < 1 << 20, "{most} bytes were not synced at one time: more than a segment");

    let found = Arc::new(Mutex::new(Found::default()));
    let (cuts, receive) = mpsc::sync_channel::<PowerCut>(2);
    let receive = Arc::new(Mutex::new(receive));
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let folder = root.join(format!("cut {worker}"));
            let (receive, facts, found) = (Arc::clone(&receive), Arc::clone(&facts), Arc::clone(&found));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let next = receive.lock().unwrap().recv();
                    let Ok(cut) = next else { return };
                    cut.write(&folder);
                    let broken = std::panic::catch_unwind(AssertUnwindSafe(|| {
                        runtime.block_on(broken(&folder, &facts, cut.facts))
                    }));
                    let broken = broken.unwrap_or_else(|_| Err("a panic".to_owned()));
                    let mut found = found.lock().unwrap();
                    found.states += 1;
                    found.torn += usize::from(cut.torn);
                    found.wrong.extend(broken.err().map(|why| format!("{} {why}", cut.how)));
                }
            })
        })
        .collect();
    drop(receive);
    let mut random = Random(seed);
    recording.power_cuts(states.unwrap_or(200), &mut random, |cut| cuts.send(cut).unwrap());
    drop(cuts);
    for worker in workers {
        worker.join().unwrap();
    }
    let found = found.lock().unwrap();
    println!("{} states, {} with something torn, {} wrong", found.states, found.torn, found.wrong.len());
    assert!(found.wrong.is_empty(), "seed {seed}: {:#?}", &found.wrong[..found.wrong.len().min(20)]);
    assert!(found.torn > found.states / 2);
}

/// The test below, by its whole name.
const CHILD: &str = "sled::power_cut::child";

/// Not a test of its own: a process that uses a store until it is killed, and says what it knows.
#[test]
fn child() {
    let Some((_, folder)) = child::task() else { return };
    let hears: Hears = Arc::new(|fact| {
        child::tell(&match fact {
            Fact::Version(name, version) => format!("{version}\t{name}"),
            Fact::Removing(name) => format!("removing\t{name}"),
            Fact::Removed(name) => format!("removed\t{name}"),
            Fact::Summarizing(_) | Fact::Summarized(..) => unreachable!("it summarizes nothing"),
        });
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let all = Arc::new(Installation::start(&folder, Arc::new(SystemDisk), &hears));
        let names: Vec<_> = (0..6).map(|number| format!("session {number}")).collect();
        for cycle in 0_u64.. {
            let sessions = Arc::clone(&all);
            let (names, from) = (names.clone(), cycle * 20);
            let refreshing = tokio::spawn(async move { sessions.refresh(&names, from, 20).await });
            let gone = format!("gone {cycle}");
            for part in 0..30 {
                all.append(&gone, part * 100, 100).await;
            }
            all.remove(&gone, 3000).await;
            refreshing.await.unwrap();
        }
    });
}

/// The fact of a line that a child says.
fn fact(line: &str) -> Fact {
    let (what, name) = line.split_once('\t').unwrap();
    let name = name.to_owned();
    match what {
        "removing" => Fact::Removing(name),
        "removed" => Fact::Removed(name),
        version => Fact::Version(name, version.parse().unwrap()),
    }
}

/// Stops a process where it is; what it has asked the kernel for is done first.
fn stop(process: u32) {
    signal(process, rustix::process::Signal::STOP);
    let stopped = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, stat)| stat.starts_with(" T"))
    };
    while !std::fs::read_dir(format!("/proc/{process}/task")).unwrap().all(|thread| stopped(thread.unwrap()))
    {
        std::thread::yield_now();
    }
}

fn signal(process: u32, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}

/// A real file system: what its image has at a moment is what the disk would have. Three moments; more with
/// `HEIRLOOM_LOOP_CUTS`.
#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut_on_a_real_file_system() {
    let cuts = std::env::var("HEIRLOOM_LOOP_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let temp = tempfile::tempdir().unwrap();
    let mounted = match loop_device::Mounted::make(temp.path()) {
        Ok(mounted) => mounted,
        Err(why) => return println!("skipped: mounting is not possible here: {why}"),
    };
    let mut started = child::start(CHILD, "write", &mounted.folder.join("data"), "");
    let (mut facts, mut random, mut wrong) = (Vec::new(), Random(1), Vec::new());
    for cut in 0..cuts {
        let enough = facts.len() + 20 + random.below(300);
        while facts.len() < enough {
            facts.push(fact(&started.line().unwrap()));
        }
        stop(started.child.id());
        let left = mounted.cut(temp.path());
        signal(started.child.id(), rustix::process::Signal::CONT);
        // What it may have asked for, and was not answered to us.
        let cycle = facts.iter().filter(|fact| matches!(fact, Fact::Removing(_))).count();
        let (known, mut facts) = (facts.len(), facts.clone());
        facts.extend((0..6).map(|number| Fact::Version(format!("session {number}"), 0)));
        facts.extend((0..=cycle).map(|cycle| Fact::Version(format!("gone {cycle}"), 0)));
        // It is ahead of what we have heard: what was filled is perhaps removed already.
        let may_go: Vec<_> = (0..cycle + 200).map(|cycle| Fact::Removing(format!("gone {cycle}"))).collect();
        let known = known + may_go.len();
        facts.splice(0..0, may_go);
        wrong.extend(
            broken(&left.folder.join("data"), &facts, known).await.err().map(|why| format!("{cut}: {why}")),
        );
    }
    started.child.kill().unwrap();
    started.child.wait().unwrap();
    println!("{cuts} cuts, {} facts, {} wrong", facts.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
