//! Summaries: one event in place of several.

use std::sync::Arc;

use crate::contract::{Tested, data, fill, insert, key, put, stream, summarize, whole_log, whole_stream};
use heirloom::store::{
    Expected, MAX_SUMMARIZED, MAX_SUMMARY, RecordedEvent, Remove, Snapshot, StoreError, Summarize,
};

fn numbered(versions: impl Iterator<Item = u64>) -> Vec<(u64, String)> {
    versions.map(|version| (version, version.to_string())).collect()
}

pub async fn a_summary_stands_where_the_last_of_its_events_stood(store: Tested) {
    // Events of another stream lie between them.
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

    // In the log, the other events keep their positions, and the summary has the position of the last event that it
    // replaces.
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

    // The same summary again changes nothing, and the stream can be appended to.
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
    // A summary that begins inside of the previous one, and includes the stream's newest event.
    store.summarize(summarize("a", 200, (100, 200), "all")).await.unwrap();
    assert_eq!(whole_stream(&*store, "a").await, [(1, "1".to_owned()), (200, "all".to_owned())]);
    fill(&*store, "a", 220, 20).await;
    let expected = [vec![(1, "1".to_owned()), (200, "all".to_owned())], numbered(201..=220)].concat();
    assert_eq!(whole_stream(&*store, "a").await, expected);
    // Two separate summaries, and then one over everything.
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
        // What is refused: to summarize the first event; versions that don't exist; versions that are gone.
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

/// The versions that an event stands for: `17` for a single event, `3-17` for a summary.
fn span(event: &RecordedEvent) -> (u64, u64) {
    let text = std::str::from_utf8(&event.data).unwrap();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    (first.parse().unwrap(), last.parse().unwrap())
}

/// Checks that every version up to the last one is there exactly once, as an event or in a summary. Returns the last
/// one.
fn whole_up_to<'a>(events: impl IntoIterator<Item = &'a RecordedEvent>) -> u64 {
    events.into_iter().fold(0, |before, event| {
        let (first, last) = span(event);
        assert_eq!((first, last), (before + 1, event.version), "behind version {before}");
        last
    })
}

/// Appends to a stream and summarizes it at the same time, while one reader folds the stream and another reads the log.
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
