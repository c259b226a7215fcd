//! The log of a session that is used for ever stops growing: what the sweeper does with old refreshes, and what stays.

use std::path::Path;
use std::time::Duration;

use heirloom::app::sweep::Swept;
use heirloom::oauth::SessionId;
use heirloom::session::{Session, SessionEvent, index};
use serde_json::Value;

use crate::devices::{FIREFOX, sign_in_on, timeline};
use crate::support::{Answer, PUBLIC, Server, Setup};
use crate::sweep::sweep_all;
use crate::timeline::{foreign, refreshed_session};

const DAY: u64 = 86_400;

/// Sessions that end after a year, as long as they are used once in two weeks.
pub(crate) fn long_lived(setup: &mut Setup) {
    setup
        .client(PUBLIC, |client| client.metadata.lifetimes.refresh_absolute = Duration::from_hours(365 * 24));
}

/// Signs in, and refreshes daily for `days` days. Returns the first and the last answer.
pub(crate) async fn refreshed_daily(server: &Server, days: u64) -> (Answer, Answer) {
    let first = sign_in_on(server, FIREFOX, "daily").await;
    let mut newest = first.refresh_token();
    let mut last = None;
    for _ in 0..days {
        server.wait(DAY);
        let answer = server.refresh(&newest).await;
        newest = answer.refresh_token();
        last = Some(answer);
    }
    (first, last.unwrap())
}

/// Checks that the snapshot is the fold of what is left of the log.
async fn folds_to_its_snapshot(server: &Server, id: SessionId) {
    let snapshot = server.app.store.load(Session::stream(id).unwrap()).await.unwrap().unwrap();
    let folded = server.events(id).await.iter().fold(None, Session::apply);
    assert_eq!(folded, Some(Session::decode(&snapshot.data).unwrap()));
}

async fn count(server: &Server, id: SessionId, name: &str) -> usize {
    server.event_names(id).await.iter().filter(|each| **each == name).count()
}

#[tokio::test]
async fn a_session_that_is_refreshed_daily_has_a_short_log_and_goes_on() {
    let server = Server::with(long_lived).await;
    let (first, last) = refreshed_daily(&server, 60).await;
    let id = first.session();
    assert_eq!(server.events(id).await.len(), 62);
    assert_eq!(sweep_all(&server).await, Swept { queued_again: 1, summarized: 29, ..Swept::default() });

    // The refreshes of the last month stay events of their own, including the one that is exactly a month old.
    let names = server.event_names(id).await;
    assert_eq!(names[..3], ["session_started", "tokens_issued", "rotations_summarized"]);
    assert_eq!(names[3..], ["tokens_rotated"; 31]);
    folds_to_its_snapshot(&server, id).await;
    let page = server.get("/health/ready").await;
    assert_eq!(page.status, 200);
    assert!(server.app.monitoring.metrics().contains("\nheirloom_rotations_summarized_total 29\n"));

    // The timeline is as before, and the summary says what it replaced.
    let told = timeline(&server, &last.access_token(), id, "").await;
    let lines: Vec<_> = told.json["events"].as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(lines[0], "Signed in with web.");
    assert_eq!(lines[1], "Refreshed 60 times between 2100-01-02T00:00:00.000Z and 2100-03-02T00:00:00.000Z.");
    assert_eq!(lines.len(), 2);
    let SessionEvent::RotationsSummarized(summary) = &server.events(id).await[2] else { panic!("{names:?}") };
    assert_eq!((summary.rotations, summary.access_tokens, summary.generation.0), (29, 0, 29));

    // The session goes on: neither a retry nor a refresh touches the queue, and there is nothing to sweep until enough
    // is old.
    let queue = server.app.store.scan(index::expiry_queue(), None, 10).await.unwrap();
    let next = server.refresh(&last.refresh_token()).await;
    let again = server.refresh(&last.refresh_token()).await;
    assert_eq!(again.refresh_token(), next.refresh_token());
    assert_eq!(server.app.store.scan(index::expiry_queue(), None, 10).await.unwrap(), queue);
    assert_eq!(queue.len(), 1);
    assert_eq!(sweep_all(&server).await, Swept::default());
    let mut newest = next.refresh_token();
    for day in 0..30 {
        server.wait(DAY);
        newest = server.refresh(&newest).await.refresh_token();
        sweep_all(&server).await;
        let left = server.events(id).await.len();
        assert!(left < 2 + 1 + 31 + 17, "{left} events after {day} more days");
    }
    assert_eq!(count(&server, id, "rotations_summarized").await, 1, "the summary is summarized again");
    folds_to_its_snapshot(&server, id).await;

    // The very first token still counts as used.
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), (400, "invalid_grant"));
    let names = server.event_names(id).await;
    assert_eq!(names[names.len() - 2..], ["reuse_detected", "session_ended"]);
    assert_eq!(server.refresh(&newest).await.outcome(), (400, "invalid_grant"));
}

#[tokio::test]
async fn an_old_generation_ends_the_family_when_its_rotation_is_in_a_summary() {
    let server = Server::with(long_lived).await;
    let first = server.sign_in().await;
    let mut tokens = vec![first.refresh_token()];
    for _ in 0..50 {
        server.wait(DAY);
        tokens.push(server.refresh(tokens.last().unwrap()).await.refresh_token());
    }
    assert!(sweep_all(&server).await.summarized > 0);
    // Longer than the 30 s in which a start tolerates old tokens.
    let server = server.restart(|_| {}).await;
    server.wait(60);
    assert_eq!(server.refresh(&tokens[10]).await.outcome(), (400, "invalid_grant"));
    let events = server.events(first.session()).await;
    let Some(SessionEvent::ReuseDetected { presented, current, .. }) = events.iter().rev().nth(1) else {
        panic!("{events:?}")
    };
    assert_eq!((presented.0, current.0), (10, 50));
}

#[tokio::test]
async fn all_are_kept_if_that_is_set_and_those_of_another_release_are_reached() {
    let server = Server::with(|setup| {
        long_lived(setup);
        setup.config.sessions.rotations_kept = None;
    })
    .await;
    let (first, last) = refreshed_daily(&server, 60).await;
    assert_eq!(sweep_all(&server).await, Swept { queued_again: 1, ..Swept::default() });
    assert_eq!(server.events(first.session()).await.len(), 62);
    // As after an update from a release without summaries: the place in the queue is at the session's expiry, and has
    // no value.
    let kept = Some(Duration::from_hours(30 * 24));
    let server = server.restart(|setup| setup.config.sessions.rotations_kept = kept).await;
    server.wait(13 * DAY);
    assert_eq!(server.refresh(&last.refresh_token()).await.status, 200);
    assert_eq!(sweep_all(&server).await, Swept::default());
    server.wait(DAY);
    assert_eq!(sweep_all(&server).await, Swept { queued_again: 1, summarized: 43, ..Swept::default() });
    folds_to_its_snapshot(&server, first.session()).await;
}

#[tokio::test]
async fn administration_shows_the_summary_and_what_is_no_refresh_stays() {
    let server = Server::with(|setup| {
        long_lived(setup);
        setup.config.sessions.rotations_kept = Some(Duration::from_hours(1));
        setup.client(PUBLIC, |client| client.metadata.lifetimes.refresh_idle = Duration::from_hours(2));
    })
    .await;
    // After every 40 refreshes, another client has tried the token.
    let (signed_in, id) = refreshed_session(&server, 200, (40, foreign)).await;
    server.wait(3 * 3600);
    let swept = sweep_all(&server).await;
    assert_eq!((swept.summarized, swept.failed), (195, 0));
    let mut expected = vec!["session_started", "tokens_issued"];
    expected.extend([["rotations_summarized", "foreign_client_refused"]; 5].as_flattened());
    let names = server.event_names(id).await;
    let last = names.len() - 6;
    assert_eq!(names[..last], expected[..expected.len() - 1]);
    assert_eq!(names[last..last + 5], ["tokens_rotated"; 5]);
    folds_to_its_snapshot(&server, id).await;

    let page = heirloom::app::admin::events::EventFilter {
        stream: Some(heirloom::app::admin::events::Subject::Session(id)),
        types: vec!["rotations_summarized".to_owned()],
    };
    let page = server.app.events.read_events(&page, 0, 10).await.unwrap();
    let versions: Vec<u64> = page.events.iter().map(|event| event.version).collect();
    assert_eq!(versions, [42, 83, 124, 165, 201]);
    let told = timeline(&server, &sign_in_on(&server, FIREFOX, "new").await.access_token(), id, "").await;
    let counted: Vec<_> = told.json["events"].as_array().unwrap().iter().map(kind_and_count).collect();
    let row = [("refreshed", 40), ("foreign_client_refused", 1)];
    let expected = [[("signed_in", 1)].as_slice(), [row; 5].as_flattened()].concat();
    assert_eq!(counted, expected);
    drop(signed_in);
}

fn kind_and_count(line: &Value) -> (&str, u64) {
    (line["kind"].as_str().unwrap(), line["count"].as_u64().unwrap())
}

/// The bytes of all keys and values in the tree, and of these, the bytes of the log and of the streams' indexes.
fn bytes(data: &Path) -> (usize, usize) {
    let tree = sled::Config::new().path(data.join("sled")).segment_size(1 << 20).open().unwrap();
    let sizes = tree.iter().map(|row| row.unwrap()).map(|(key, value)| (key[0], key.len() + value.len()));
    sizes.fold((0, 0), |(all, log), (kind, size)| {
        (all + size, if b"lc".contains(&kind) { log + size } else { log })
    })
}

/// Sixty days with a refresh every ten minutes. Run it with `--nocapture` to see the figures.
#[tokio::test]
async fn a_session_of_8640_refreshes_takes_little_when_they_are_old() {
    let server = Server::with(|setup| {
        setup.on_disk();
        long_lived(setup);
        setup.config.sessions.rotations_kept = Some(Duration::from_hours(1));
        setup.client(PUBLIC, |client| client.metadata.lifetimes.refresh_idle = Duration::from_hours(2));
    })
    .await;
    let (signed_in, id) = refreshed_session(&server, 8640, (10_000, foreign)).await;
    let mut before = (0, 0);
    let server = server.restart_on(|data| before = bytes(data)).await;
    server.wait(5 * 3600);
    let swept = sweep_all(&server).await;
    assert_eq!((swept.summarized, swept.failed), (8635, 0));
    assert_eq!(server.events(id).await.len(), 2 + 1 + 5);
    folds_to_its_snapshot(&server, id).await;
    let mut after = (0, 0);
    let server = server.restart_on(|data| after = bytes(data)).await;
    let figures = format!("before: {before:?}, after: {after:?} (bytes of all rows, of those of the log)");
    std::io::Write::write_all(&mut std::io::stderr(), figures.as_bytes()).unwrap();
    assert!(after.1 < 10_000 && before.1 > 1_000_000, "{before:?} {after:?}");
    assert_eq!(server.events(id).await.len(), 8);
    drop(signed_in);
}
