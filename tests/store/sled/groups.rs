//! The care that sled needs: groups and syncs, reads of durable state, removal, limits.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::contract::{append, key, stream, summarize};
use crate::support::disk::TestDisk;
use crate::support::until::until;
use heirloom::store::sled::{GroupLimits, SledOptions, SledStore};
use heirloom::store::{
    Append, Appended, Expected, MAX_VALUE, RecordChange, RecordKey, Remove, Store, StoreError, StoreFuture,
};
use tokio::task::JoinHandle;

pub const NEW: Expected = Expected::NoStream;

fn options(disk: &Arc<TestDisk>) -> SledOptions {
    SledOptions { disk: Arc::clone(disk) as _, ..SledOptions::default() }
}

pub fn open(folder: &Path, options: SledOptions) -> Arc<SledStore> {
    Arc::new(SledStore::open(folder, options).unwrap())
}

/// Runs `appends` in one group, in this order.
async fn in_one_group(
    store: &Arc<SledStore>,
    disk: &TestDisk,
    appends: Vec<Append>,
) -> Vec<Result<Appended, StoreError>> {
    let all = appends.into_iter().map(|append| store.append(append)).collect();
    all_in_one_group(store, disk, all).await
}

/// Runs all changes in one group, in this order. They wait in the queue behind a group whose sync is held.
async fn all_in_one_group<T>(
    store: &Arc<SledStore>,
    disk: &TestDisk,
    mut changes: Vec<StoreFuture<'_, T>>,
) -> Vec<Result<T, StoreError>> {
    disk.hold();
    let first = spawn(store, append("before the group", NEW, &["1"]));
    until("the first group is at its sync", || disk.waiting.load(SeqCst) == 1).await;
    for change in &mut changes {
        // Polled once, a change is in the queue.
        assert!(change.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    disk.release();
    first.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for change in changes {
        answers.push(change.await);
    }
    answers
}

fn spawn(store: &Arc<SledStore>, append: Append) -> JoinHandle<Result<Appended, StoreError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.append(append).await })
}

/// When an append of a group deletes a key, the next append of that group may insert it; a later one finds it taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_deleted_in_a_group_can_be_inserted_in_it_once() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let store = open(temp.path(), options(&disk));
    let insert = |name: &str| Append {
        records: vec![RecordChange::Insert(key("r"), name.into())],
        ..append(name, NEW, &["1"])
    };
    store.append(insert("first")).await.unwrap();
    let delete = vec![RecordChange::Delete(key("r"))];
    let delete = Append { records: delete, ..append("first", Expected::Exact(1), &["2"]) };
    let answers = in_one_group(&store, &disk, vec![delete, insert("second"), insert("third")]).await;
    assert!(answers[0].is_ok() && answers[1].is_ok(), "{answers:?}");
    assert_eq!(answers[2], Err(StoreError::RecordExists));
    assert_eq!(store.record(key("r")).await.unwrap(), Some(b"second".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_synced_once() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let store = open(temp.path(), options(&disk));
    let began = Instant::now();
    let opening = disk.log_syncs.load(SeqCst);
    let appends: Vec<_> = (0..500).map(|n| spawn(&store, append(&n.to_string(), NEW, &["e"]))).collect();
    for append in appends {
        append.await.unwrap().unwrap();
    }
    let stats = store.stats();
    assert_eq!(disk.log_syncs.load(SeqCst) - opening, stats.groups);
    assert_eq!(stats.changes, 500);
    assert!(stats.groups < 250, "{} groups for 500 appends", stats.groups);
    assert!(stats.largest_group > 1 && stats.longest_group > Duration::ZERO && stats.position >= 500);

    // The mark is written after each group, but synced only once a second.
    let marks = disk.mark_syncs.load(SeqCst);
    store.append(append("last", NEW, &["e"])).await.unwrap();
    let most = 3 + began.elapsed().as_secs();
    assert!(marks <= most, "{marks} syncs of the mark, {most} at most");
    until("the mark is synced", || disk.mark_syncs.load(SeqCst) > marks).await;
}

#[test]
fn what_is_created_is_synced_in_its_folder() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().canonicalize().unwrap();
    let disk = TestDisk::new();
    let _store = open(&root.join("a/b"), options(&disk));
    let synced = disk.folders.lock().unwrap();
    for created in ["", "a", "a/b", "a/b/sled", "a/b/sled/conf", "a/b/sled/blobs"] {
        let path = root.join(created);
        assert!(
            synced.iter().any(|synced| *synced == path || synced.join("") == path),
            "{created}: {synced:?}"
        );
    }
    assert_eq!(std::fs::metadata(root.join("a/b")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_meets_an_open_group_waits_for_its_sync() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let store = open(temp.path(), options(&disk));
    let with = |name: &str, value: &str| vec![RecordChange::Put(key(name), value.into())];
    store.append(Append { records: with("ra", "1"), ..append("a", NEW, &["1"]) }).await.unwrap();
    store.append(Append { records: with("rb", "1"), ..append("b", NEW, &["1"]) }).await.unwrap();

    disk.hold();
    let second = Append { records: with("ra", "2"), ..append("a", Expected::Exact(1), &["2"]) };
    let appended = spawn(&store, second);
    until("the group is at its sync", || disk.waiting.load(SeqCst) == 1).await;

    // A read of something that the group changes waits.
    let mut load = pin!(store.load(stream("a")));
    let mut record = pin!(store.record(key("ra")));
    let context = &mut Context::from_waker(Waker::noop());
    assert!(load.as_mut().poll(context).is_pending());
    assert!(record.as_mut().poll(context).is_pending());
    let scanning = Arc::clone(&store);
    let scan = tokio::spawn(async move { scanning.scan(key("r"), None, 9).await });
    let reading = Arc::clone(&store);
    let read = tokio::spawn(async move { reading.read_stream(stream("a"), 0, 9).await });

    // A read of anything else is answered. The log seems to end where it is durable.
    let poll = pin!(store.load(stream("b"))).as_mut().poll(context);
    assert!(matches!(poll, Poll::Ready(Ok(Some(_)))));
    assert_eq!(store.read_stream(stream("b"), 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.scan(key("rb"), None, 9).await.unwrap().len(), 1);
    assert_eq!(store.read_log(0, 9).await.unwrap().len(), 2);
    assert!(!appended.is_finished() && !scan.is_finished() && !read.is_finished());
    assert!(load.as_mut().poll(context).is_pending());

    disk.release();
    appended.await.unwrap().unwrap();
    assert_eq!(load.await.unwrap().unwrap().version, 2);
    assert_eq!(record.await.unwrap().unwrap(), b"2");
    assert_eq!(scan.await.unwrap().unwrap()[0].1, b"2");
    assert_eq!(read.await.unwrap().unwrap().len(), 2);
    assert_eq!(store.read_log(0, 9).await.unwrap().len(), 3);
}

/// The runtime has one thread for reads, which handles them in order.
#[test]
fn the_log_waits_for_a_removal_or_a_summary_that_is_not_durable() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let disk = TestDisk::new();
        let store = open(temp.path(), options(&disk));
        store.append(append("a", NEW, &["1", "2", "3", "4"])).await.unwrap();
        let remove = Remove { stream: stream("a"), expected: Expected::Exact(4), records: Vec::new() };
        let summarizing = store.summarize(summarize("a", 4, (2, 3), "2 and 3"));
        for (change, left) in
            [(summarizing, ["1", "2 and 3", "4"].as_slice()), (store.remove(remove), [].as_slice())]
        {
            let (mut change, mut read) = (change, store.read_log(0, 9));
            let context = &mut Context::from_waker(Waker::noop());
            disk.hold();
            assert!(change.as_mut().poll(context).is_pending());
            until("the group is at its sync", || disk.waiting.load(SeqCst) == 1).await;
            assert!(read.as_mut().poll(context).is_pending());
            // This read comes after the waiting one, and is answered.
            store.read_stream(stream("b"), 0, 9).await.unwrap();
            let early = read.as_mut().poll(context);
            disk.release();
            change.await.unwrap();
            assert!(early.is_pending(), "{early:?}, then {left:?}");
            let log = read.await.unwrap();
            assert_eq!(log.iter().map(|event| event.data.as_slice()).collect::<Vec<_>>(), bytes(left));
        }
    });
}

fn bytes<'a>(texts: &[&'a str]) -> Vec<&'a [u8]> {
    texts.iter().map(|text| text.as_bytes()).collect()
}

/// Both have read the stream. When the second runs, the first has put one event in the place of several.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_summaries_of_a_stream_in_one_group_the_second_is_refused() {
    for rival in [(2, 5), (2, 9), (4, 7)] {
        let temp = tempfile::tempdir().unwrap();
        let disk = TestDisk::new();
        let store = open(temp.path(), options(&disk));
        store.append(append("a", NEW, &["1", "2", "3", "4", "5", "6", "7", "8", "9"])).await.unwrap();
        let all = [((2, 5), "first"), (rival, "rival")]
            .map(|(range, text)| store.summarize(summarize("a", 9, range, text)));
        let answers = all_in_one_group(&store, &disk, all.into()).await;
        assert_eq!(answers, [Ok(()), Err(StoreError::WrongExpectedVersion)], "{rival:?}");
        assert_eq!(store.stats().largest_group, 2);
        let left = store.read_stream(stream("a"), 0, 9).await.unwrap();
        let left: Vec<_> = left.iter().map(|event| event.data.as_slice()).collect();
        assert_eq!(left, bytes(&["1", "first", "6", "7", "8", "9"]), "{rival:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_one_group_are_decided_against_each_other() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let store = open(temp.path(), options(&disk));
    let named = |stream: &str, name: &str| Append {
        records: vec![RecordChange::Insert(key(name), stream.into())],
        ..append(stream, NEW, &["1"])
    };
    let appends = vec![
        append("a", NEW, &["first"]),
        append("a", NEW, &["rival"]),
        append("a", Expected::Exact(1), &["second"]),
        append("a", Expected::Exact(1), &["rival"]),
        named("b", "name"),
        named("c", "name"),
        Append {
            records: vec![RecordChange::Delete(key("name"))],
            ..append("b", Expected::Exact(1), &["2"])
        },
        named("d", "name"),
    ];
    let answers = in_one_group(&store, &disk, appends).await;
    assert_eq!(store.stats().largest_group, 8, "all of them met in one group");
    let wrong = Err(StoreError::WrongExpectedVersion);
    assert_eq!(answers[0].as_ref().unwrap().version, 1);
    assert_eq!(answers[1], wrong);
    assert_eq!(answers[2].as_ref().unwrap().version, 2);
    assert_eq!(answers[3], wrong);
    assert_eq!(answers[5], Err(StoreError::RecordExists));
    assert!(answers[4].is_ok() && answers[6].is_ok() && answers[7].is_ok());
    assert_eq!(store.record(key("name")).await.unwrap().unwrap(), b"d");
    assert_eq!(store.load(stream("c")).await.unwrap(), None);
    let events = store.read_stream(stream("a"), 0, 9).await.unwrap();
    assert_eq!(
        events.iter().map(|event| event.data.as_slice()).collect::<Vec<_>>(),
        [b"first".as_slice(), b"second"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_keeps_its_limits_and_the_queue_its_length() {
    let temp = tempfile::tempdir().unwrap();
    let disk = TestDisk::new();
    let limits = GroupLimits { keys: 20, bytes: 256 * 1024 };
    let store = open(temp.path(), SledOptions { limits, queue: 40, ..options(&disk) });
    disk.hold();
    let appends: Vec<_> = (0..100).map(|n| spawn(&store, append(&n.to_string(), NEW, &["e"]))).collect();
    until("a group is at its sync", || disk.waiting.load(SeqCst) == 1).await;
    disk.release();
    for append in appends {
        append.await.unwrap().unwrap();
    }
    // Each append has a snapshot, and a row for eight events. Two rows of the limit are reserved for the log's end.
    assert!((2..=15).contains(&store.stats().largest_group), "{:?}", store.stats());

    let bytes = SledOptions { limits: GroupLimits { keys: 128, bytes: 40_000 }, ..SledOptions::default() };
    let store = open(&temp.path().join("bytes"), SledOptions { disk: Arc::clone(&disk) as _, ..bytes });
    let large = "x".repeat(MAX_VALUE);
    let appends = (0..12).map(|n| append(&n.to_string(), NEW, &[&large])).collect();
    for answer in in_one_group(&store, &disk, appends).await {
        answer.unwrap();
    }
    assert_eq!(store.stats().largest_group, 2, "16 KiB each, at most 40,000 bytes");
}

/// Polled once, an append stands in the queue.
fn queue_up(store: &Arc<SledStore>, name: &str) {
    let append = store.append(append(name, NEW, &["e"]));
    assert!(pin!(append).poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_written_before_the_store_closes_even_if_nobody_asks_for_it_any_more() {
    let (temp, disk) = (tempfile::tempdir().unwrap(), TestDisk::new());
    let store = open(temp.path(), options(&disk));
    disk.hold();
    queue_up(&store, "first");
    until("a group is at its sync", || disk.waiting.load(SeqCst) == 1).await;
    queue_up(&store, "last");
    let closing = tokio::task::spawn_blocking(|| drop(store));
    disk.release();
    closing.await.unwrap();
    let store = open(temp.path(), options(&disk));
    for name in ["first", "last"] {
        assert_eq!(store.load(stream(name)).await.unwrap().unwrap().version, 1, "{name}");
    }
}

/// 8 KiB is the largest value. A leaf full of such values, with the longest keys, is still not written to a file of its
/// own.
#[tokio::test]
async fn the_largest_values_never_leave_the_one_file() {
    let temp = tempfile::tempdir().unwrap();
    let blobs = temp.path().join("sled/blobs");
    // Written out of order and several times, so that leaves get full and are then written as a whole.
    for _ in 0..4 {
        let store = open(temp.path(), SledOptions::default());
        for round in (0..80_u8).map(|n| n % 16 * 5 + n / 16) {
            let name = format!("{round:03}{}", "k".repeat(RecordKey::MAX - 4));
            let large = vec![round; MAX_VALUE];
            let records = vec![RecordChange::Put(key(&name), large.clone())];
            let (stream, id) = (stream(&format!("{round:03}")), stream(&format!("{round:03}")));
            let version = store.load(id).await.unwrap().map_or(0, |head| head.version);
            let expected = if version == 0 { NEW } else { Expected::Exact(version) };
            let append = Append { stream, expected, events: vec![large.clone()], snapshot: large, records };
            store.append(append).await.unwrap();
            assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 0, "round {round}");
        }
    }
    assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 0);
}

#[test]
fn free_space_is_told_and_held_against_the_floor() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path(), SledOptions { floor_bytes: 1, ..SledOptions::default() });
    assert!(store.free_space() > 0);
    assert!(!store.is_nearly_full());
    drop(store);
    assert!(
        open(temp.path(), SledOptions { floor_bytes: u64::MAX, floor_share: 0, ..SledOptions::default() })
            .is_nearly_full()
    );
}
