//! The contract suite: what every store promises, as functions over an open store. [`keeps!`] runs all of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use heirloom::store::{
    Append, Expected, MAX_SUMMARIZED, MAX_SUMMARY, MAX_VALUE, RecordChange, RecordKey, RecordedEvent, Remove,
    Snapshot, Store, StoreError, StreamId, Summarize,
};

/// A store under test.
pub type Tested = Arc<dyn Store>;

/// A module of tests: each promise, kept by a fresh store. `$open` makes one from the path of an empty folder.
macro_rules! keeps {
    ($module:ident, $open:expr) => {
        $crate::contract::keeps!(
            $module,
            $open,
            what_was_appended_is_read_back,
            a_long_stream_is_read_in_pages,
            an_append_expects_a_version,
            of_rivals_one_wins,
            records_change_only_with_their_append,
            an_append_without_events_changes_only_records,
            a_record_is_inserted_once,
            a_removed_stream_is_gone_and_may_be_made_again,
            a_summary_stands_where_the_last_of_its_events_stood,
            a_summary_can_be_summarized_until_one_is_left,
            a_summary_that_does_not_fit_the_stream_changes_nothing,
            nobody_ever_sees_half_of_a_summary,
            what_is_too_large_is_refused,
            a_reader_never_sees_half_of_an_append,
            a_follower_misses_nothing,
            the_log_reads_the_same_twice,
        );
    };
    ($module:ident, $open:expr, $($promise:ident),+ $(,)?) => {
        mod $module {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let folder = tempfile::tempdir().unwrap();
                    let open: fn(&std::path::Path) -> _ = $open;
                    let store: $crate::contract::Tested = std::sync::Arc::new(open(folder.path()));
                    $crate::contract::$promise(store).await;
                }
            )+
        }
    };
}
pub(crate) use keeps;

/// A stream of the suite.
pub fn stream(name: &str) -> StreamId {
    StreamId::new(b't', name.as_bytes()).unwrap()
}

/// A record's key.
pub fn key(name: &str) -> RecordKey {
    RecordKey::vault(&[name.as_bytes()])
}

/// An append of events whose snapshot is all of them, joined.
pub fn append(name: &str, expected: Expected, events: &[&str]) -> Append {
    let snapshot = events.concat().into_bytes();
    let events = events.iter().map(|event| event.as_bytes().to_vec()).collect();
    Append { stream: stream(name), expected, events, snapshot, records: Vec::new() }
}

/// One event in the place of those with the versions `first` to `last`, of a stream at a version.
pub fn summarize(name: &str, expected: u64, (first, last): (u64, u64), event: &str) -> Summarize {
    let (stream, event) = (stream(name), event.as_bytes().to_vec());
    Summarize { stream, expected: Expected::Exact(expected), first, last, event, records: Vec::new() }
}

/// Appends events `1`, `2` and so on until the stream is at a version, `at_once` at a time; the snapshot is the last.
pub async fn fill(store: &dyn Store, name: &str, until: u64, at_once: u64) {
    let mut version = store.load(stream(name)).await.unwrap().map_or(0, |head| head.version);
    while version < until {
        let events: Vec<_> = (version + 1..=until.min(version + at_once)).map(|n| n.to_string()).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
        let snapshot = events.last().unwrap().as_bytes().to_vec();
        version = store.append(Append { snapshot, ..append(name, expected, &events) }).await.unwrap().version;
    }
}

/// The whole log, in pages.
pub async fn whole_log(store: &dyn Store) -> Vec<RecordedEvent> {
    let mut log: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = log.last().map_or(0, |event| event.position);
        let page = store.read_log(after, 100).await.unwrap();
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

fn data(events: &[RecordedEvent]) -> Vec<&[u8]> {
    events.iter().map(|event| event.data.as_slice()).collect()
}

fn put(name: &str, value: &str) -> RecordChange {
    RecordChange::Put(key(name), value.as_bytes().to_vec())
}

fn insert(name: &str, value: &str) -> RecordChange {
    RecordChange::Insert(key(name), value.as_bytes().to_vec())
}

pub async fn what_was_appended_is_read_back(store: Tested) {
    assert_eq!(store.load(stream("a")).await.unwrap(), None);
    let first = store.append(append("a", Expected::NoStream, &["1", "2"])).await.unwrap();
    assert_eq!(first.version, 2);
    let second = store.append(append("a", Expected::Exact(2), &["3"])).await.unwrap();
    assert_eq!(second.version, 3);
    assert!(second.position > first.position);

    let snapshot = Snapshot { version: 3, data: b"3".to_vec() };
    assert_eq!(store.load(stream("a")).await.unwrap(), Some(snapshot));
    let events = store.read_stream(stream("a"), 0, 10).await.unwrap();
    assert_eq!(data(&events), [b"1", b"2", b"3"]);
    assert_eq!(events.iter().map(|event| event.version).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(data(&store.read_stream(stream("a"), 1, 1).await.unwrap()), [b"2"]);
    assert_eq!(store.read_stream(stream("a"), 3, 10).await.unwrap(), []);
    assert_eq!(store.read_stream(stream("a"), u64::MAX, usize::MAX).await.unwrap(), []);
    assert_eq!(store.read_stream(stream("none"), 0, 10).await.unwrap(), []);
    assert_eq!(store.read_stream(stream("a"), 0, 0).await.unwrap(), []);
    assert_eq!(store.read_log(0, 0).await.unwrap(), []);
    assert_eq!(store.read_log(0, usize::MAX).await.unwrap(), events);
    assert_eq!(store.read_log(u64::MAX, usize::MAX).await.unwrap(), []);
}

pub async fn a_long_stream_is_read_in_pages(store: Tested) {
    let mut version = 0;
    for length in (1..=40).cycle().take(60) {
        let events: Vec<String> = (version + 1..=version + length).map(|n| n.to_string()).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
        version = store.append(append("long", expected, &events)).await.unwrap().version;
    }
    let mut read = Vec::new();
    loop {
        let page = store.read_stream(stream("long"), read.len() as u64, 7).await.unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read.len() as u64, version);
    for (event, number) in read.iter().zip(1_u64..) {
        assert_eq!((event.version, &event.data), (number, &number.to_string().into_bytes()));
    }
    assert_eq!(whole_log(&*store).await, read);
}

pub async fn an_append_expects_a_version(store: Tested) {
    use Expected::{Exact, NoStream};
    let wrong = Err(StoreError::WrongExpectedVersion);
    assert_eq!(store.append(append("a", Exact(0), &["1"])).await, wrong);
    assert_eq!(store.append(append("a", Exact(1), &["1"])).await, wrong);
    store.append(append("a", NoStream, &["1"])).await.unwrap();
    for expected in [NoStream, Exact(0), Exact(2)] {
        let mut refused = append("a", expected, &["2"]);
        refused.records.push(put("r", "v"));
        assert_eq!(store.append(refused).await, wrong, "{expected:?}");
        let remove = Remove { stream: stream("a"), expected, records: vec![put("r", "v")] };
        assert_eq!(store.remove(remove).await, Err(StoreError::WrongExpectedVersion));
    }
    assert_eq!(store.record(key("r")).await.unwrap(), None, "a refusal changes nothing");
    assert_eq!(whole_log(&*store).await.len(), 1);
}

/// Of many appends that were decided on one version, one lands, also when they meet in one group.
pub async fn of_rivals_one_wins(store: Tested) {
    store.append(append("a", Expected::NoStream, &["0"])).await.unwrap();
    for round in 1..=20 {
        let rivals: Vec<_> = (0..16)
            .map(|rival| {
                let store = Arc::clone(&store);
                let event = format!("{round}/{rival}");
                tokio::spawn(
                    async move { store.append(append("a", Expected::Exact(round), &[&event])).await },
                )
            })
            .collect();
        let mut won = 0;
        for rival in rivals {
            match rival.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert_eq!(error, StoreError::WrongExpectedVersion),
            }
        }
        assert_eq!(won, 1);
    }
    assert_eq!(store.load(stream("a")).await.unwrap().unwrap().version, 21);
}

pub async fn records_change_only_with_their_append(store: Tested) {
    let mut first = append("a", Expected::NoStream, &["1"]);
    first.records = vec![insert("x1", "a"), put("x2", "b"), put("y", "c")];
    store.append(first).await.unwrap();
    assert_eq!(store.record(key("x1")).await.unwrap(), Some(b"a".to_vec()));

    let mut taken = append("b", Expected::NoStream, &["1"]);
    taken.records = vec![put("z", "never"), insert("x1", "mine")];
    assert_eq!(store.append(taken).await, Err(StoreError::RecordExists));
    assert_eq!(store.load(stream("b")).await.unwrap(), None);
    assert_eq!(store.record(key("z")).await.unwrap(), None);

    // In the order given: what one change of an append frees, the next may take.
    let mut moves = append("a", Expected::Exact(1), &["2"]);
    moves.records = vec![RecordChange::Delete(key("x1")), insert("x1", "d"), insert("x3", "e")];
    store.append(moves).await.unwrap();
    let mut twice = append("a", Expected::Exact(2), &["3"]);
    twice.records = vec![insert("w", "1"), insert("w", "2")];
    assert_eq!(store.append(twice).await, Err(StoreError::RecordExists));

    let scanned = store.scan(key("x"), None, 10).await.unwrap();
    let expected = [("x1", "d"), ("x2", "b"), ("x3", "e")].map(|(k, v)| (key(k), v.as_bytes().to_vec()));
    assert_eq!(scanned, expected);
    assert_eq!(store.scan(key("x"), Some(key("x1")), 1).await.unwrap(), expected[1..2]);
    assert_eq!(store.scan(key("x"), Some(key("x3")), 9).await.unwrap(), []);
    assert_eq!(store.scan(key("x"), Some(key("a")), 9).await.unwrap(), expected);
    assert_eq!(store.scan(key("x"), Some(key("y")), 9).await.unwrap(), []);
    assert_eq!(store.scan(key("q"), None, 9).await.unwrap(), []);
}

pub async fn an_append_without_events_changes_only_records(store: Tested) {
    let mut without = append("a", Expected::NoStream, &[]);
    without.records.push(put("r", "1"));
    let appended = store.append(without.clone()).await.unwrap();
    assert_eq!((appended.version, appended.position), (0, 0));
    assert_eq!(store.load(stream("a")).await.unwrap(), None);

    let first = store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    without.expected = Expected::Exact(1);
    without.records = vec![put("r", "2")];
    let appended = store.append(without).await.unwrap();
    assert_eq!((appended.version, appended.position), (1, 0));
    let snapshot = Snapshot { version: 1, data: b"1".to_vec() };
    assert_eq!(store.load(stream("a")).await.unwrap(), Some(snapshot));
    assert_eq!(store.record(key("r")).await.unwrap(), Some(b"2".to_vec()));
    assert_eq!(whole_log(&*store).await.last().unwrap().position, first.position);
}

/// Of many appends that insert one record at the same moment, one lands.
pub async fn a_record_is_inserted_once(store: Tested) {
    for round in 0..20 {
        let rivals: Vec<_> = (0..16)
            .map(|rival| {
                let store = Arc::clone(&store);
                let mut append = append(&format!("{round}/{rival}"), Expected::NoStream, &["1"]);
                append.records.push(insert(&format!("name {round}"), &rival.to_string()));
                tokio::spawn(async move { store.append(append).await })
            })
            .collect();
        let mut winners = Vec::new();
        for (number, rival) in rivals.into_iter().enumerate() {
            match rival.await.unwrap() {
                Ok(_) => winners.push(number.to_string().into_bytes()),
                Err(error) => assert_eq!(error, StoreError::RecordExists),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store.record(key(&format!("name {round}"))).await.unwrap(), winners.pop());
    }
    assert_eq!(whole_log(&*store).await.len(), 20, "who lost the name has no stream");
}

pub async fn a_removed_stream_is_gone_and_may_be_made_again(store: Tested) {
    store.append(append("keep", Expected::NoStream, &["k"])).await.unwrap();
    let old: Vec<String> = (0..50).map(|n| format!("old {n}")).collect();
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let last = store.append(append("a", Expected::NoStream, &old)).await.unwrap();
    let remove = |expected| Remove { stream: stream("a"), expected, records: vec![put("gone", "yes")] };
    store.remove(remove(Expected::Exact(50))).await.unwrap();
    assert_eq!(store.load(stream("a")).await.unwrap(), None);
    assert_eq!(store.read_stream(stream("a"), 0, 99).await.unwrap(), []);
    assert_eq!(store.record(key("gone")).await.unwrap(), Some(b"yes".to_vec()));
    assert_eq!(data(&whole_log(&*store).await), [b"k"]);
    assert_eq!(store.remove(remove(Expected::Exact(50))).await, Err(StoreError::WrongExpectedVersion));

    let again = store.append(append("a", Expected::NoStream, &["new"])).await.unwrap();
    assert_eq!(again.version, 1);
    assert!(again.position > last.position);
    assert_eq!(data(&store.read_stream(stream("a"), 0, 99).await.unwrap()), [b"new"]);
    assert_eq!(data(&whole_log(&*store).await), [b"k".as_slice(), b"new"]);
}

pub async fn what_is_too_large_is_refused(store: Tested) {
    let large = "x".repeat(MAX_VALUE + 1);
    let most = "x".repeat(MAX_VALUE);
    let too_large = Err(StoreError::TooLarge);
    assert_eq!(store.append(append("a", Expected::NoStream, &[&large])).await, too_large);
    let mut snapshot = append("a", Expected::NoStream, &["1"]);
    snapshot.snapshot = large.clone().into_bytes();
    assert_eq!(store.append(snapshot).await, too_large);
    let longest = "k".repeat(RecordKey::MAX - 1);
    for records in [vec![put("r", &large)], vec![put(&format!("{longest}k"), "v")]] {
        let append = Append { records, ..append("a", Expected::NoStream, &["1"]) };
        assert_eq!(store.append(append).await, too_large);
    }
    let mut many = append("a", Expected::NoStream, &[]);
    many.events = vec![most.clone().into_bytes(); 33];
    assert_eq!(store.append(many).await, too_large, "more bytes than a group");
    let many = Append { events: vec![vec![]; 520], ..append("a", Expected::NoStream, &[]) };
    assert_eq!(store.append(many).await, too_large, "more rows than a group");
    assert_eq!(whole_log(&*store).await, []);

    let mut fits = append("a", Expected::NoStream, &[&most]);
    fits.records = vec![put(&longest, &most)];
    store.append(fits).await.unwrap();
    assert_eq!(store.record(key(&longest)).await.unwrap(), Some(most.into_bytes()));
}

/// The events, the snapshot and the records of an append are seen together: what is read first is never newer than
/// what is read after it.
pub async fn a_reader_never_sees_half_of_an_append(store: Tested) {
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for version in 0..200_u64 {
            let number = (version + 1).to_string();
            let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
            let append =
                Append { records: vec![put("number", &number)], ..append("a", expected, &[&number]) };
            writer.append(append).await.unwrap();
        }
    });
    let number = |data: Vec<u8>| String::from_utf8(data).unwrap().parse::<u64>().unwrap();
    while !writing.is_finished() {
        let logged = store.read_log(0, 1000).await.unwrap().len() as u64;
        let record = store.record(key("number")).await.unwrap().map_or(0, number);
        let head = store.load(stream("a")).await.unwrap();
        let (version, folded) = head.map_or((0, 0), |head| (head.version, number(head.data)));
        let events = store.read_stream(stream("a"), 0, 1000).await.unwrap().len() as u64;
        let again = store.record(key("number")).await.unwrap().map_or(0, number);
        assert_eq!(version, folded);
        let seen = [logged, record, version, events, again];
        assert!(seen.is_sorted(), "{seen:?}");
    }
    writing.await.unwrap();
}

/// Two slow writers and a follower: the follower sees every event once, in order, and none late.
pub async fn a_follower_misses_nothing(store: Tested) {
    const EACH: u64 = 150;
    let writers: Vec<_> = ["one", "two"]
        .into_iter()
        .map(|name| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for version in 0..EACH {
                    let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
                    let appended =
                        store.append(append(name, expected, &[&version.to_string()])).await.unwrap();
                    acknowledged.push(appended.position);
                    tokio::time::sleep(Duration::from_micros(version % 7 * 300)).await;
                }
                acknowledged
            })
        })
        .collect();

    let mut followed: Vec<RecordedEvent> = Vec::new();
    let mut versions: BTreeMap<StreamId, u64> = BTreeMap::new();
    while followed.len() < 2 * EACH as usize {
        let after = followed.last().map_or(0, |event| event.position);
        for event in store.read_log(after, 3).await.unwrap() {
            assert!(event.position > followed.last().map_or(0, |event| event.position));
            let version = versions.entry(event.stream.clone()).or_default();
            *version += 1;
            assert_eq!(event.version, *version, "an event was missed");
            followed.push(event);
        }
        // What was read is durable state: the stream itself is never behind the log.
        for (stream, version) in &versions {
            assert!(store.load(stream.clone()).await.unwrap().unwrap().version >= *version);
        }
        tokio::task::yield_now().await;
    }
    let mut acknowledged = HashSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let positions: HashSet<u64> = followed.iter().map(|event| event.position).collect();
    assert_eq!(positions, acknowledged);
    assert_eq!(whole_log(&*store).await, followed, "nothing appeared late");
}

/// The log read twice is the same, and each stream's events are those of the log.
pub async fn the_log_reads_the_same_twice(store: Tested) {
    for round in 0..30_u64 {
        for name in ["a", "b", "c"] {
            let expected = if round == 0 { Expected::NoStream } else { Expected::Exact(round) };
            store.append(append(name, expected, &[&format!("{name}{round}")])).await.unwrap();
        }
    }
    let log = whole_log(&*store).await;
    assert_eq!(log, whole_log(&*store).await);
    for name in ["a", "b", "c"] {
        let events = store.read_stream(stream(name), 0, 100).await.unwrap();
        let of_log: Vec<_> = log.iter().filter(|event| event.stream == stream(name)).cloned().collect();
        assert_eq!(events, of_log);
    }
}

/// The versions and the data of a stream's events, read in pages of several sizes, which are all the same.
pub async fn whole_stream(store: &dyn Store, name: &str) -> Vec<(u64, String)> {
    let whole = store.read_stream(stream(name), 0, usize::MAX).await.unwrap();
    for limit in [1, 2, 7, 16, 48] {
        let mut read: Vec<RecordedEvent> = Vec::new();
        loop {
            let after = read.last().map_or(0, |event| event.version);
            let page = store.read_stream(stream(name), after, limit).await.unwrap();
            let full = page.len() == limit;
            read.extend(page);
            if !full {
                break;
            }
        }
        assert_eq!(read, whole, "in pages of {limit}");
    }
    whole.into_iter().map(|event| (event.version, String::from_utf8(event.data).unwrap())).collect()
}

fn numbered(versions: impl Iterator<Item = u64>) -> Vec<(u64, String)> {
    versions.map(|version| (version, version.to_string())).collect()
}

pub async fn a_summary_stands_where_the_last_of_its_events_stood(store: Tested) {
    // Other streams' events lie between them.
    for until in 1..=60 {
        fill(&*store, "a", until, 1).await;
        fill(&*store, "b", until, 1).await;
    }
    let before = whole_log(&*store).await;
    let mut change = summarize("a", 60, (3, 41), "3 to 41");
    change.records = vec![put("r", "1")];
    store.summarize(change.clone()).await.unwrap();

    let expected = [numbered(1..=2), vec![(41, "3 to 41".to_owned())], numbered(42..=60)].concat();
    assert_eq!(whole_stream(&*store, "a").await, expected);
    assert_eq!(whole_stream(&*store, "b").await, numbered(1..=60));
    assert_eq!(store.record(key("r")).await.unwrap(), Some(b"1".to_vec()));
    let snapshot = Snapshot { version: 60, data: b"60".to_vec() };
    assert_eq!(store.load(stream("a")).await.unwrap(), Some(snapshot));
    for after in 2..41 {
        let next = store.read_stream(stream("a"), after, 2).await.unwrap();
        assert_eq!(data(&next), [b"3 to 41".as_slice(), b"42"], "behind {after}");
    }

    // In the log, the others are where they were, and the summary is where the last one was.
    let mut left = before.clone();
    left.retain(|event| event.stream != stream("a") || !(3..41).contains(&event.version));
    for event in &mut left {
        if event.stream == stream("a") && event.version == 41 {
            event.data = b"3 to 41".to_vec();
        }
    }
    assert_eq!(whole_log(&*store).await, left);
    for event in &before {
        let rest: Vec<_> = left.iter().filter(|left| left.position > event.position).cloned().collect();
        assert_eq!(store.read_log(event.position, usize::MAX).await.unwrap(), rest);
    }

    // Done again, it changes nothing; and the stream goes on.
    store.summarize(change).await.unwrap();
    assert_eq!(whole_log(&*store).await, left);
    fill(&*store, "a", 70, 3).await;
    assert_eq!(whole_stream(&*store, "a").await, [expected, numbered(61..=70)].concat());
}

pub async fn a_summary_can_be_summarized_until_one_is_left(store: Tested) {
    fill(&*store, "a", 200, 60).await;
    let (mut first, mut last) = (2, 30);
    while last < 200 {
        store.summarize(summarize("a", 200, (first, last), &format!("up to {last}"))).await.unwrap();
        let expected = [numbered(1..=1), vec![(last, format!("up to {last}"))], numbered(last + 1..=200)];
        assert_eq!(whole_stream(&*store, "a").await, expected.concat());
        (first, last) = (last, last + 40);
    }
    // From inside of what the last one stands for, with the stream's newest event.
    store.summarize(summarize("a", 200, (100, 200), "all")).await.unwrap();
    assert_eq!(whole_stream(&*store, "a").await, [(1, "1".to_owned()), (200, "all".to_owned())]);
    fill(&*store, "a", 220, 20).await;
    let expected = [vec![(1, "1".to_owned()), (200, "all".to_owned())], numbered(201..=220)].concat();
    assert_eq!(whole_stream(&*store, "a").await, expected);
    // Two apart, and all of them in one.
    store.summarize(summarize("a", 220, (201, 202), "two")).await.unwrap();
    store.summarize(summarize("a", 220, (215, 219), "five")).await.unwrap();
    store.summarize(summarize("a", 220, (2, 219), "all but one")).await.unwrap();
    let expected = [(1, "1"), (219, "all but one"), (220, "220")].map(|(n, text)| (n, text.to_owned()));
    assert_eq!(whole_stream(&*store, "a").await, expected);
    assert_eq!(whole_log(&*store).await.len(), 3);

    let remove = Remove { stream: stream("a"), expected: Expected::Exact(220), records: Vec::new() };
    store.remove(remove).await.unwrap();
    assert_eq!(whole_log(&*store).await, []);
    fill(&*store, "a", 3, 1).await;
    assert_eq!(whole_stream(&*store, "a").await, numbered(1..=3));
}

pub async fn a_summary_that_does_not_fit_the_stream_changes_nothing(store: Tested) {
    fill(&*store, "a", 100, 50).await;
    store.summarize(summarize("a", 100, (10, 20), "10 to 20")).await.unwrap();
    let before = whole_log(&*store).await;
    let wrong = Err(StoreError::WrongExpectedVersion);
    for (name, expected, range) in [
        ("a", 99, (30, 40)),
        ("a", 101, (30, 40)),
        ("none", 1, (2, 2)),
        // The first event stays; there is nothing there; there is nothing there any more.
        ("a", 100, (1, 5)),
        ("a", 100, (0, 5)),
        ("a", 100, (9, 8)),
        ("a", 100, (90, 101)),
        ("a", 100, (12, 15)),
        ("a", 100, (2, 19)),
    ] {
        let mut change = summarize(name, expected, range, "wrong");
        change.records = vec![put("r", "v")];
        assert_eq!(store.summarize(change).await, wrong, "{name} {expected} {range:?}");
    }
    let none = Summarize { expected: Expected::NoStream, ..summarize("none", 0, (2, 3), "none") };
    assert_eq!(store.summarize(none).await, wrong);
    let too_large = Err(StoreError::TooLarge);
    let many = 30 + MAX_SUMMARIZED as u64;
    assert_eq!(store.summarize(summarize("a", 100, (30, many), "many")).await, too_large);
    let long = "x".repeat(MAX_SUMMARY + 1);
    assert_eq!(store.summarize(summarize("a", 100, (30, 40), &long)).await, too_large);
    let mut taken = summarize("a", 100, (30, 40), "taken");
    taken.records = vec![insert("r", "v"), insert("r", "v")];
    assert_eq!(store.summarize(taken).await, Err(StoreError::RecordExists));
    assert_eq!(store.record(key("r")).await.unwrap(), None);
    assert_eq!(whole_log(&*store).await, before);

    store.summarize(summarize("a", 100, (30, many - 1), &long[1..])).await.unwrap();
    store.summarize(summarize("a", 100, (2, 2), "one")).await.unwrap();
    let left = whole_stream(&*store, "a").await;
    assert_eq!(left.len(), 100 - 10 - (MAX_SUMMARIZED - 1));
    assert_eq!(left.get(1), Some(&(2, "one".to_owned())));
}

/// The versions that an event stands for: `17` for itself, `3-17` for those that it was put in the place of.
fn span(event: &RecordedEvent) -> (u64, u64) {
    let text = std::str::from_utf8(&event.data).unwrap();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    (first.parse().unwrap(), last.parse().unwrap())
}

/// Whether each version up to some one is there, by itself or in a summary, and none twice; which one.
fn whole_up_to<'a>(events: impl IntoIterator<Item = &'a RecordedEvent>) -> u64 {
    events.into_iter().fold(0, |before, event| {
        let (first, last) = span(event);
        assert_eq!((first, last), (before + 1, event.version), "behind version {before}");
        last
    })
}

/// Appends and summaries of one stream at once, with somebody who folds it and somebody who reads the log.
pub async fn nobody_ever_sees_half_of_a_summary(store: Tested) {
    fill(&*store, "a", 1, 1).await;
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for until in 2..=300 {
            fill(&*writer, "a", until, 1).await;
            fill(&*writer, "b", until, 1).await;
        }
    });
    let summarizer = Arc::clone(&store);
    let summarizing = tokio::spawn(async move {
        let mut done = 0;
        while done < 280 {
            let events = summarizer.read_stream(stream("a"), 1, 20).await.unwrap();
            let (Some(first), Some(last)) = (events.first(), events.last()) else { continue };
            let version = summarizer.load(stream("a")).await.unwrap().unwrap().version;
            let summary = format!("{}-{}", span(first).0, last.version);
            let change = summarize("a", version, (first.version, last.version), &summary);
            match summarizer.summarize(change).await {
                Ok(()) => done = last.version,
                Err(error) => assert_eq!(error, StoreError::WrongExpectedVersion),
            }
            tokio::task::yield_now().await;
        }
    });
    while !writing.is_finished() || !summarizing.is_finished() {
        let version = store.load(stream("a")).await.unwrap().unwrap().version;
        let events = store.read_stream(stream("a"), 0, usize::MAX).await.unwrap();
        let read = whole_up_to(&events);
        assert!(read >= version, "{read} of {version}");
        let log = store.read_log(0, usize::MAX).await.unwrap();
        assert!(log.is_sorted_by(|one, next| one.position < next.position));
        let logged = whole_up_to(log.iter().filter(|event| event.stream == stream("a")));
        assert!(logged >= read, "{logged} of {read}");
    }
    writing.await.unwrap();
    summarizing.await.unwrap();
    let left = store.read_stream(stream("a"), 0, usize::MAX).await.unwrap();
    assert!(left.len() < 30, "{}", left.len());
    assert_eq!(whole_up_to(&left), 300);
    assert_eq!(whole_stream(&*store, "b").await, numbered(1..=300));
}
