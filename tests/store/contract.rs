//! The contract suite: what every store promises. Each promise is a function over an open store; each subject has a
//! file. [`keeps!`] runs all of them.

pub(crate) mod appends;
pub(crate) mod log;
pub(crate) mod records;
pub(crate) mod summaries;

use std::sync::Arc;

use heirloom::store::{Append, Expected, RecordChange, RecordKey, RecordedEvent, Store, StreamId, Summarize};

/// The store under test.
pub type Tested = Arc<dyn Store>;

/// A module of tests, one for each promise, each with a new store. `$open` opens one in the empty folder that it is
/// given.
macro_rules! keeps {
    ($module:ident, $open:expr) => {
        $crate::contract::keeps! {
            $module, $open,
            appends: [
                what_was_appended_is_read_back,
                a_long_stream_is_read_in_pages,
                an_append_expects_a_version,
                of_rivals_one_wins,
                a_removed_stream_is_gone_and_may_be_made_again,
                what_is_too_large_is_refused,
            ],
            records: [
                records_change_only_with_their_append,
                an_append_without_events_changes_only_records,
                a_record_is_inserted_once,
            ],
            summaries: [
                a_summary_stands_where_the_last_of_its_events_stood,
                a_summary_can_be_summarized_until_one_is_left,
                a_summary_that_does_not_fit_the_stream_changes_nothing,
                nobody_ever_sees_half_of_a_summary,
            ],
            log: [
                a_reader_never_sees_half_of_an_append,
                a_follower_misses_nothing,
                the_log_reads_the_same_twice,
            ],
        }
    };
    ($module:ident, $open:expr, $($subject:ident: [$($promise:ident),+ $(,)?]),+ $(,)?) => {
        mod $module {
            use super::*;

            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let folder = tempfile::tempdir().unwrap();
                    let open: fn(&std::path::Path) -> _ = $open;
                    let store: $crate::contract::Tested = std::sync::Arc::new(open(folder.path()));
                    $crate::contract::$subject::$promise(store).await;
                }
            )+)+
        }
    };
}
pub(crate) use keeps;

/// A stream for the suite.
pub fn stream(name: &str) -> StreamId {
    StreamId::new(b't', name.as_bytes()).unwrap()
}

/// A record's key.
pub fn key(name: &str) -> RecordKey {
    RecordKey::vault(&[name.as_bytes()])
}

/// An append whose snapshot is the text of all its events.
pub fn append(name: &str, expected: Expected, events: &[&str]) -> Append {
    let snapshot = events.concat().into_bytes();
    let events = events.iter().map(|event| event.as_bytes().to_vec()).collect();
    Append { stream: stream(name), expected, events, snapshot, records: Vec::new() }
}

/// A summary of the versions `first` to `last` of a stream that is at version `expected`.
pub fn summarize(name: &str, expected: u64, (first, last): (u64, u64), event: &str) -> Summarize {
    let (stream, event) = (stream(name), event.as_bytes().to_vec());
    Summarize { stream, expected: Expected::Exact(expected), first, last, event, records: Vec::new() }
}

/// Appends events `1`, `2` and so on until the stream is at version `until`, `at_once` at a time. The snapshot is the
/// last event.
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

pub fn put(name: &str, value: &str) -> RecordChange {
    RecordChange::Put(key(name), value.as_bytes().to_vec())
}

pub fn insert(name: &str, value: &str) -> RecordChange {
    RecordChange::Insert(key(name), value.as_bytes().to_vec())
}

/// The versions and data of a stream's events. They are read in pages of several sizes, which must all give the same.
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
