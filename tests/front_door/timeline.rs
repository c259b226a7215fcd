//! The timeline tells in words why somebody was signed out.

use heirloom::clock::Timestamp;
use heirloom::oauth::SessionId;
use heirloom::session::{Issued, Session, SessionEvent};
use heirloom::store::{Append, Expected};
use serde_json::{Value, json};

use crate::counting::counted;
use crate::devices::{FIREFOX, lives, sign_in_on, timeline};
use crate::support::{Answer, Server};

#[tokio::test]
async fn the_timeline_says_why_somebody_was_signed_out() {
    let server = Server::start().await;
    let mut stolen = sign_in_on(&server, FIREFOX, "stolen").await;
    let first = stolen.refresh_token();
    for _ in 0..3 {
        server.wait(60);
        assert!(lives(&server, &mut stolen).await);
    }
    assert_eq!(server.refresh_confidential(&stolen.refresh_token()).await.status, 400);
    server.wait(60);
    assert_eq!(server.refresh(&first).await.status, 400);
    let id = stolen.session();
    let token = sign_in_on(&server, FIREFOX, "new").await.access_token();
    let told = timeline(&server, &token, id, "").await;
    let texts: Vec<_> = told.json["events"].as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(
        json!(texts),
        json!([
            "Signed in with web.",
            "Refreshed 3 times between 2100-01-01T00:01:00.000Z and 2100-01-01T00:03:00.000Z.",
            "Another app, my-web_app, tried to use this session and was refused.",
            "An old refresh token was used, 3 behind the newest, which was 1m old: somebody else may have a copy of it.",
            "Signed out: an old refresh token was used again, so this session was ended in case somebody had stolen it.",
        ])
    );
    assert_eq!(told.json["end"]["at"], "2100-01-01T00:04:00.000Z");
    assert_eq!(told.json.get("next"), None);

    let page = timeline(&server, &token, id, "?limit=2").await;
    let next = page.json["next"].as_u64().unwrap();
    let rest = timeline(&server, &token, id, &format!("?after={next}")).await;
    let joined: Vec<Value> =
        [&page, &rest].into_iter().flat_map(|page| page.json["events"].as_array().unwrap().clone()).collect();
    assert_eq!(json!(joined), told.json["events"]);
}

/// The event of another client's attempt.
pub(crate) fn foreign(at: Timestamp, _: &Issued) -> SessionEvent {
    SessionEvent::ForeignClientRefused { at, client: "other".parse().unwrap() }
}

/// The event of a retry that needs another access token.
fn another_access_token(at: Timestamp, access: &Issued) -> SessionEvent {
    SessionEvent::AccessTokenIssued { at, access: access.clone() }
}

/// A session that was refreshed `rotations` times, with another event after each `every` refreshes.
pub(crate) async fn refreshed_session(
    server: &Server,
    rotations: u32,
    (every, other): (u32, fn(Timestamp, &Issued) -> SessionEvent),
) -> (Answer, SessionId) {
    let signed_in = sign_in_on(server, FIREFOX, "long").await;
    let id = signed_in.session();
    let stream = Session::stream(id).unwrap();
    let snapshot = server.app.store.load(stream.clone()).await.unwrap().unwrap();
    let (mut session, mut version) = (Session::decode(&snapshot.data).ok(), snapshot.version);
    let access = session.as_ref().unwrap().issued.clone().unwrap();
    let mut events = Vec::new();
    for number in 1..=rotations {
        let at = server.now().after(std::time::Duration::from_secs(u64::from(number)));
        let idle_expiry = at.after(std::time::Duration::from_hours(24));
        events.push(SessionEvent::TokensRotated {
            at,
            generation: heirloom::oauth::Generation(number),
            nonce: [7; 16].into(),
            access: access.clone(),
            idle_expiry,
        });
        if number % every == 0 {
            events.push(other(at, &access));
        }
        if events.len() >= 60 || number == rotations {
            session = events.iter().fold(session, Session::apply);
            let append = Append {
                stream: stream.clone(),
                expected: Expected::Exact(version),
                events: events.drain(..).map(|event| event.encode()).collect(),
                snapshot: session.as_ref().unwrap().encode(),
                records: Vec::new(),
            };
            version = server.app.store.append(append).await.unwrap().version;
        }
    }
    (signed_in, id)
}

#[tokio::test]
async fn a_long_timeline_is_told_after_few_reads() {
    let mut counts = None;
    let server = Server::with(|setup| counts = Some(counted(setup))).await;
    let counts = counts.unwrap();
    let (signed_in, id) = refreshed_session(&server, 12_000, (5000, foreign)).await;
    counts.take();
    let told = timeline(&server, &signed_in.access_token(), id, "").await;
    let (reads, rows) = counts.take();
    assert!(reads < 80 && rows < 2000, "{reads} reads, {rows} rows");
    let lines = told.json["events"].as_array().unwrap();
    let counted = lines.iter().map(|line| (line["kind"].as_str().unwrap(), line["count"].as_u64().unwrap()));
    let counted: Vec<_> = counted.collect();
    let other = ("foreign_client_refused", 1);
    let expected =
        [("signed_in", 1), ("refreshed", 5000), other, ("refreshed", 5000), other, ("refreshed", 2000)];
    assert_eq!(counted, expected);
    assert_eq!(told.json.get("next"), None);
}

#[tokio::test]
async fn a_timeline_with_no_rows_in_it_comes_in_pages_that_miss_nothing() {
    let mut counts = None;
    let server = Server::with(|setup| counts = Some(counted(setup))).await;
    let counts = counts.unwrap();
    let (signed_in, id) = refreshed_session(&server, 1500, (2, foreign)).await;
    let token = signed_in.access_token();
    let (mut refreshes, mut others, mut after, mut pages) = (0, 0, 0, 0);
    loop {
        counts.take();
        let told = timeline(&server, &token, id, &format!("?limit=100&after={after}")).await;
        assert!(counts.take().0 < 80);
        for line in told.json["events"].as_array().unwrap() {
            let count = line["count"].as_u64().unwrap();
            match line["kind"].as_str().unwrap() {
                "refreshed" => refreshes += count,
                "foreign_client_refused" => others += count,
                _ => {}
            }
        }
        pages += 1;
        let Some(next) = told.json["next"].as_u64() else { break };
        assert!(next > after);
        after = next;
    }
    assert_eq!((refreshes, others, pages), (1500, 750, 16));
}

#[tokio::test]
async fn a_row_that_cannot_be_skipped_is_told_in_bounded_pages() {
    let mut counts = None;
    let server = Server::with(|setup| counts = Some(counted(setup))).await;
    let counts = counts.unwrap();
    let (signed_in, id) = refreshed_session(&server, 3000, (1, another_access_token)).await;
    let token = signed_in.access_token();
    counts.take();
    let first = timeline(&server, &token, id, "").await;
    assert!(counts.take().0 < 80);
    let next = first.json["next"].as_u64().unwrap();
    let second = timeline(&server, &token, id, &format!("?after={next}")).await;
    let refreshes = |page: &Answer| page.json["events"].as_array().unwrap().last().unwrap()["count"].as_u64();
    assert_eq!(refreshes(&first).unwrap() + refreshes(&second).unwrap(), 6000);
    assert_eq!(second.json.get("next"), None);
}
