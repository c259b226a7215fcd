//! Processes that are killed, run out of disk space, or find the folder taken.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::contract::{append, key, stream, summarize, whole_log, whole_stream};
use crate::support::child;
use crate::support::child::{Started, start, tell};
use heirloom::store::sled::{OpenError, SledOptions, SledStore};
use heirloom::store::{Append, Expected, RecordChange, Remove, Store};

const WRITERS: usize = 8;

/// The full name of the test below.
const CHILD: &str = "sled::crash::child";

/// Not a test by itself: the work of a child process.
#[test]
fn child() {
    let Some((task, folder)) = child::task() else { return };
    let on_fatal = Arc::new(|why: &str| {
        tell(&format!("fatal: {why}"));
        std::process::exit(3);
    });
    if task == "start" {
        let refused = SledStore::open(&folder, SledOptions::default()).unwrap_err();
        return tell(&format!(
            "{}{refused}",
            if matches!(refused, OpenError::Refused { .. }) { "" } else { "WRONG " }
        ));
    }
    let store =
        Arc::new(SledStore::open(&folder, SledOptions { on_fatal, ..SledOptions::default() }).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match task.as_str() {
        "write" => runtime.block_on(write_for_ever(store)),
        "own" => runtime.block_on(own(store)),
        other => panic!("no such task: {other}"),
    }
}

/// Appends to several streams, prints each acknowledged append, and sometimes removes another stream.
async fn write_for_ever(store: Arc<SledStore>) {
    for writer in 0..WRITERS {
        tokio::spawn(write_one(Arc::clone(&store), writer));
    }
    // Waits until the process is killed, or `on_fatal` ends it.
    std::future::pending::<()>().await;
}

async fn write_one(store: Arc<SledStore>, writer: usize) {
    let name = format!("w{writer}");
    let mut version = store.load(stream(&name)).await.unwrap().map_or(0, |head| head.version);
    while let Ok(appended) = store.append(append_next(&name, version)).await {
        version = appended.version;
        tell(&format!("{name} {version}"));
        if version % 50 == 0 {
            make_and_remove(&*store, &format!("gone {writer} {version}")).await;
            make_and_summarize(&*store, &format!("short {writer} {version}")).await;
        }
    }
}

fn append_next(name: &str, version: u64) -> Append {
    let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
    let number = (version + 1).to_string();
    let records = vec![
        RecordChange::Put(key(name), number.clone().into()),
        RecordChange::Insert(key(&format!("{name} once {number}")), vec![]),
    ];
    Append { records, ..append(name, expected, &[&number]) }
}

async fn make_and_remove(store: &dyn Store, name: &str) {
    let made = store.append(append(name, Expected::NoStream, &["e"; 40])).await;
    let remove = Remove { stream: stream(name), expected: Expected::Exact(40), records: Vec::new() };
    if made.is_ok() && store.remove(remove).await.is_ok() {
        tell(&format!("removed {name}"));
    }
}

/// Makes a stream of 60 events and summarizes it, so that 3 events are left.
async fn make_and_summarize(store: &dyn Store, name: &str) {
    let events: Vec<_> = (1..=60).map(|number| number.to_string()).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let mut done = store.append(append(name, Expected::NoStream, &events)).await.is_ok();
    for range in [(2, 30), (30, 59)] {
        done = done && store.summarize(summarize(name, 60, range, "summary")).await.is_ok();
    }
    if done {
        tell(&format!("summarized {name}"));
    }
}

/// What the children have printed.
#[derive(Default)]
struct Said {
    summarized: Vec<String>,
    versions: HashMap<String, u64>,
    removed: Vec<String>,
    acknowledged: usize,
    fatal: Option<String>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("removed ") {
            self.removed.push(name.to_owned());
        } else if let Some(name) = line.strip_prefix("summarized ") {
            self.summarized.push(name.to_owned());
        } else if let Some(why) = line.strip_prefix("fatal: ") {
            self.fatal = Some(why.to_owned());
        } else {
            let (name, version) = line.rsplit_once(' ').unwrap();
            self.versions.insert(name.to_owned(), version.parse().unwrap());
        }
        self.acknowledged += 1;
    }

    /// Checks that the folder has everything that was printed, and that all streams are complete.
    async fn holds(&self, folder: &Path) {
        let store = SledStore::open(folder, SledOptions::default()).unwrap();
        let log = whole_log(&store).await;
        for writer in 0..WRITERS {
            let name = format!("w{writer}");
            let said = self.versions.get(&name).copied().unwrap_or_default();
            let head = store.load(stream(&name)).await.unwrap();
            let version = head.as_ref().map_or(0, |head| head.version);
            assert!(version >= said, "{name} is at {version}; {said} was acknowledged");
            let events = store.read_stream(stream(&name), 0, usize::MAX).await.unwrap();
            let numbers: Vec<_> = (1..=version).map(|n| n.to_string().into_bytes()).collect();
            assert_eq!(events.iter().map(|event| event.data.clone()).collect::<Vec<_>>(), numbers, "{name}");
            let in_log: Vec<_> = log.iter().filter(|event| event.stream == stream(&name)).cloned().collect();
            assert_eq!(in_log, events, "{name}");
            let newest = numbers.last().cloned();
            assert_eq!(head.map(|head| head.data), newest, "{name}: the snapshot is as new as the log");
            assert_eq!(
                store.record(key(&name)).await.unwrap(),
                newest,
                "{name}: the record is as new as the log"
            );
            let once = store.scan(key(&format!("{name} once ")), None, usize::MAX).await.unwrap();
            assert_eq!(once.len() as u64, version, "{name}");
        }
        for name in &self.removed {
            assert_eq!(store.load(stream(name)).await.unwrap(), None);
            assert!(!log.iter().any(|event| event.stream == stream(name)), "{name} was removed");
        }
        for name in &self.summarized {
            let left =
                [(1, "1"), (59, "summary"), (60, "60")].map(|(version, text)| (version, text.to_owned()));
            assert_eq!(whole_stream(&store, name).await, left, "{name}");
            assert_eq!(log.iter().filter(|event| event.stream == stream(name)).count(), 3, "{name}");
        }
    }
}

/// Twenty rounds; more with `HEIRLOOM_KILL_ROUNDS`.
#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let rounds = std::env::var("HEIRLOOM_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let temp = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    for round in 0..rounds {
        let mut started = start(CHILD, "write", temp.path(), "");
        // The first child is killed soon after it has made the folder.
        let enough = said.acknowledged + 1 + round * 37 % 400;
        while said.acknowledged < enough {
            let line = started.line();
            said.hear(&line.unwrap_or_else(|| panic!("the child ended early")));
        }
        started.child.kill().unwrap();
        while let Some(line) = started.line() {
            said.hear(&line);
        }
        assert!(!started.end().status.success());
        // In every other round, the next child finds the folder as the killed one left it.
        if round % 2 == 1 {
            said.holds(temp.path()).await;
        }
    }
    said.holds(temp.path()).await;
    assert!(said.acknowledged > 100);
}

/// The operating system lets sled's file grow only up to a limit, a different one each time.
#[tokio::test]
async fn a_full_disk_ends_the_process_with_a_clear_error_and_loses_nothing() {
    // In blocks of 512 bytes. sled's file is 1 MiB at the beginning.
    for blocks in [2_300, 2_501, 3_333, 4_100, 5_555] {
        let temp = tempfile::tempdir().unwrap();
        let mut said = Said::default();
        let mut started = start(CHILD, "write", temp.path(), &format!("trap '' XFSZ; ulimit -f {blocks}"));
        while let Some(line) = started.line() {
            said.hear(&line);
        }
        let ended = started.end();
        assert_eq!(ended.status.code(), Some(3), "{}{}", ended.out, ended.err);
        assert!(!ended.err.contains("panicked at"), "{}", ended.err);
        let why = said.fatal.take().unwrap();
        assert!(why.contains(temp.path().to_str().unwrap()), "{why}");
        assert!(said.acknowledged > 10, "{} acknowledged", said.acknowledged);
        said.holds(temp.path()).await;
    }
}

/// A start on a full disk reports that and damages nothing: the next one works once there is room.
#[tokio::test]
async fn a_start_on_a_full_disk_is_refused_and_does_no_harm() {
    let temp = tempfile::tempdir().unwrap();
    let store = SledStore::open(temp.path(), SledOptions::default()).unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    drop(store);
    // There is room for the lock and the mark, but not for what sled wants to write.
    let mut started = start(CHILD, "start", temp.path(), "trap '' XFSZ; ulimit -f 1");
    let said = started.line().unwrap();
    assert!(said.contains("too large") && !said.contains("WRONG") && !said.contains("backup"), "{said}");
    assert!(started.end().status.success());
    let store = SledStore::open(temp.path(), SledOptions::default()).unwrap();
    assert_eq!(store.load(stream("a")).await.unwrap().unwrap().version, 1);
}

/// Keeps the folder until a line comes on standard input.
async fn own(store: Arc<SledStore>) {
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    tell("open");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    store.append(append("a", Expected::Exact(1), &["2"])).await.unwrap();
    tell("done");
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    let mut first = start(CHILD, "own", temp.path(), "");
    assert_eq!(first.line().as_deref(), Some("open"));
    let error = SledStore::open(temp.path(), SledOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", first.child.id())), "{error}");
    go_on(&mut first);
    assert_eq!(first.line().as_deref(), Some("done"));
    assert!(first.end().status.success());
    let store = SledStore::open(temp.path(), SledOptions::default()).unwrap();
    assert_eq!(store.load(stream("a")).await.unwrap().unwrap().version, 2);
}

fn go_on(started: &mut Started) {
    started.child.stdin.take().unwrap().write_all(b"\n").unwrap();
}
