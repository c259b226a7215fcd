//! Damaged folders. Each one either opens with everything acknowledged, or is refused with a reason. Damage that is
//! found later is an error then. There is never a wrong answer, a raw panic or a hang.
//!
//! A separate process opens each folder, since damage may stop sled's threads, which all stores of a process share.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crate::contract::{append, key, stream};
use crate::support::child::{start, tell};
use crate::support::{child, folder};
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{Append, Expected, RecordChange, Store, StoreError};

const STREAMS: u64 = 60;
const ROUNDS: u64 = 12;

/// The full name of the test below.
const CHILD: &str = "sled::damage::child";

/// Not a test by itself: a child opens the folder, and compares all that it reads with what was written.
#[test]
fn child() {
    let Some((task, folder)) = child::task() else { return };
    let on_fatal = Arc::new(|why: &str| {
        tell(&format!("fatal {why}"));
        std::process::exit(0);
    });
    // A very small cache, so that pages are read from the file each time.
    match SledStore::open(&folder, SledOptions { on_fatal, cache_bytes: 4096, ..SledOptions::default() }) {
        Err(refused) => tell(&format!("refused {refused}")),
        Ok(store) => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            if let Some(place) = task.strip_prefix("damage ") {
                damage(&folder, place.parse().unwrap());
            }
            let met = runtime.block_on(read_all(&store));
            tell(&if met.is_empty() { "whole".to_owned() } else { format!("met {}", met[0]) });
        }
    }
}

/// Flips bytes in a fortieth of sled's file while it is open.
fn damage(folder: &Path, place: u64) {
    let file = fs::File::options().read(true).write(true).open(folder.join("sled/db")).unwrap();
    let length = file.metadata().unwrap().len() / 40;
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, place * length).unwrap();
    bytes.iter_mut().step_by(64).for_each(|byte| *byte ^= 0xff);
    file.write_all_at(&bytes, place * length).unwrap();
}

fn text(name: u64, version: u64) -> String {
    // The texts differ in length, so that a cut or swapped one is noticed.
    format!("event {version} of {name} {}", "x".repeat((name * 7 + version * 13) as usize % 90))
}

/// Large, so that the file has several of sled's segments.
fn record(name: u64, version: u64) -> Vec<u8> {
    text(name, version).repeat(20).into_bytes()
}

/// Reads everything, and returns the errors about damage. A wrong answer fails an assertion.
async fn read_all(store: &dyn Store) -> Vec<StoreError> {
    let mut met = Vec::new();
    for name in 0..STREAMS {
        let id = stream(&name.to_string());
        match store.load(id.clone()).await {
            Ok(head) => {
                let head = head.unwrap_or_else(|| panic!("WRONG: an acknowledged stream is missing"));
                assert_eq!((head.version, head.data), (ROUNDS, text(name, ROUNDS).into_bytes()), "WRONG");
            }
            Err(error) => met.push(error),
        }
        match store.read_stream(id, 0, 100).await {
            Ok(events) => {
                let events: Vec<_> = events.into_iter().map(|event| event.data).collect();
                let written: Vec<_> = (1..=ROUNDS).map(|version| text(name, version).into_bytes()).collect();
                assert_eq!(events, written, "WRONG");
            }
            Err(error) => met.push(error),
        }
        match store.record(key(&name.to_string())).await {
            Ok(value) => assert_eq!(value, Some(record(name, ROUNDS)), "WRONG"),
            Err(error) => met.push(error),
        }
    }
    match store.read_log(0, usize::MAX).await {
        Ok(log) => assert_eq!(log.len() as u64, STREAMS * ROUNDS, "WRONG"),
        Err(error) => met.push(error),
    }
    met
}

/// Makes a store that was opened several times, and the last time was killed.
fn written(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for rounds in [0..4, 4..9, 9..ROUNDS] {
        let store = SledStore::open(&folder.join("data"), SledOptions::default()).unwrap();
        for version in rounds {
            for name in 0..STREAMS {
                let now = text(name, version + 1);
                let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
                let records = vec![RecordChange::Put(key(&name.to_string()), record(name, version + 1))];
                let append = Append { records, ..append(&name.to_string(), expected, &[&now]) };
                if (version, name) == (ROUNDS - 1, STREAMS - 1) {
                    fs::copy(folder.join("data/sled/db"), folder.join("db before the last group")).unwrap();
                }
                runtime.block_on(store.append(append)).unwrap();
            }
        }
        let killed = folder.join("killed");
        drop(fs::remove_dir_all(&killed));
        folder::copy(&folder.join("data"), &killed);
    }
}

/// The segment in which the log ends: the one with the highest number in its header.
fn tip(db: &[u8]) -> Range<usize> {
    let lsn = |segment: &[u8]| i64::from_le_bytes(*segment[4..].first_chunk().unwrap()) ^ i64::MAX;
    let segments = db.chunks(1 << 20).enumerate().filter(|(_, segment)| segment[..20] != [0; 20]);
    let (number, segment) = segments.max_by_key(|(_, segment)| lsn(segment)).unwrap();
    (number << 20)..(number << 20) + segment.len()
}

/// A damaged copy of the folder: one file has other bytes.
struct Case {
    what: String,
    file: PathBuf,
    bytes: Vec<u8>,
    task: String,
}

impl Case {
    fn new(what: String, file: &Path, bytes: Vec<u8>) -> Self {
        Self { what, file: file.to_owned(), bytes, task: "open".to_owned() }
    }
}

/// Runs a child for each case. Counts the results, by the first word that the child prints.
fn outcomes(cases: &[Case], base: &Path) -> BTreeMap<String, usize> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, SeqCst)) {
                    let outcome = outcome(case, base);
                    *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn outcome(case: &Case, base: &Path) -> String {
    let temp = tempfile::tempdir().unwrap();
    folder::copy(base, temp.path());
    fs::write(temp.path().join(&case.file), &case.bytes).unwrap();
    let mut started = start(CHILD, &case.task, temp.path(), "");
    let said = started.line();
    let ended = started.end();
    let all = format!("{}: {said:?}\n{}\n{}", case.what, ended.out, ended.err);
    assert!(
        ended.status.success() && !ended.out.contains("panicked") && !ended.err.contains("panicked"),
        "{all}"
    );
    let said = said.unwrap_or_else(|| panic!("{all}"));
    let (outcome, why) = said.split_once(' ').unwrap_or((&said, ""));
    assert!(
        outcome == "whole" || why.contains(temp.path().to_str().unwrap()),
        "the folder is not named: {all}"
    );
    assert!(outcome != "refused" || why.contains("from a backup"), "no advice: {all}");
    outcome.to_owned()
}

#[test]
fn a_file_that_lost_its_end_opens_whole_or_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let base = temp.path().join("killed");
    let file = PathBuf::from("sled/db");
    let bytes = fs::read(base.join(&file)).unwrap();
    let tip = tip(&bytes);
    let used = tip.start + bytes[tip.clone()].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let sizes = [
        1, 2, 3, 4, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 512, 610, 987, 1597, 2584, 4096, 4181, 6765,
        8192,
    ];
    let without = |cut: &usize, end: usize| {
        let mut bytes = bytes.clone();
        bytes[used - cut..end].fill(0);
        bytes
    };
    // If the segment is the file's last one, it is cut off.
    let cuts = sizes.iter().map(|cut| {
        let mut cut_off = without(cut, tip.end);
        if tip.end == bytes.len() {
            cut_off.truncate(used - cut);
        }
        Case::new(format!("cut {cut}"), &file, cut_off)
    });
    let zeroed =
        sizes.iter().step_by(3).map(|cut| Case::new(format!("zeroed {cut}"), &file, without(cut, used)));
    let whole = Case::new("whole".to_owned(), &file, bytes.clone());
    let outcomes = outcomes(&cuts.chain(zeroed).chain([whole]).collect::<Vec<_>>(), &base);
    // A missing end is noticed, unless it is a part of the last group, which the start writes again. The undamaged copy
    // opens.
    assert!(outcomes.get("refused") > Some(&4) && outcomes.get("whole") > Some(&1), "{outcomes:?}");
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
}

#[test]
fn a_last_group_of_which_a_part_is_missing_is_done_again_or_refused() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let base = temp.path().join("killed");
    let file = PathBuf::from("sled/db");
    let bytes = fs::read(base.join(&file)).unwrap();
    let before = fs::read(temp.path().join("db before the last group")).unwrap();
    let is_new = |at: &usize| before.get(*at) != bytes.get(*at);
    let (first, last) = ((0..bytes.len()).find(is_new).unwrap(), (0..bytes.len()).rfind(is_new).unwrap());
    let zeroed = (first..=last).rev().step_by((last - first) / 40 + 1).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at..=last].fill(0);
        Case::new(format!("zeroed from {at} to {last}"), &file, bytes)
    });
    let outcomes = outcomes(&zeroed.collect::<Vec<_>>(), &base);
    assert!(outcomes.contains_key("refused") && outcomes.contains_key("whole"), "{outcomes:?}");
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
}

#[test]
fn flipped_bytes_are_never_a_wrong_answer() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let base = temp.path().join("killed");
    let mut cases = Vec::new();
    for entry in fs::read_dir(base.join("sled")).unwrap().chain(fs::read_dir(&base).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_dir() || path.ends_with("lock") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let file = path.strip_prefix(&base).unwrap().to_owned();
        let places = if path.ends_with("db") { 120 } else { 10 };
        for place in 0..places {
            let mut bytes = bytes.clone();
            // Spread over the file, without a regular distance.
            let at = place * used / places + place * 37 % (used / places).max(1);
            bytes[at] ^= if place % 2 == 0 { 0xff } else { 1 << (place % 8) };
            cases.push(Case::new(format!("{} flipped at {at}", file.display()), &file, bytes));
        }
    }
    let outcomes = outcomes(&cases, &base);
    assert!(outcomes.contains_key("refused") && outcomes.contains_key("whole"), "{outcomes:?}");
}

#[test]
fn damage_met_later_is_an_error_and_ends_the_run() {
    let temp = tempfile::tempdir().unwrap();
    written(temp.path());
    let base = temp.path().join("killed");
    let mark = PathBuf::from("mark");
    let bytes = fs::read(base.join(&mark)).unwrap();
    let cases: Vec<_> = (0..40)
        .map(|place| Case {
            task: format!("damage {place}"),
            ..Case::new(format!("part {place}"), &mark, bytes.clone())
        })
        .collect();
    let outcomes = outcomes(&cases, &base);
    assert!(outcomes.contains_key("fatal"), "{outcomes:?}");
    assert!(!outcomes.contains_key("refused"), "{outcomes:?}");
}
