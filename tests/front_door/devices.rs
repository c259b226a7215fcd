//! The user's devices: what is listed of them, how they are ended, and why one was signed out.

use heirloom::clock::Timestamp;
use heirloom::oauth::{SessionId, UserId};
use heirloom::session::{Issued, Session, SessionEvent, device, view};
use heirloom::store::{Append, Expected, StreamId};
use serde_json::{Value, json};

use crate::counting::counted;
use crate::support::{Answer, PUBLIC, Server, USER};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Signs a user in on a device of its own.
pub(crate) async fn sign_in_on(server: &Server, agent: &str, label: &str) -> Answer {
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", USER.0),
        ("password", USER.1),
        ("scope", "account"),
        ("device_label", label),
    ];
    server.send(server.token().header("user-agent", agent).form(&form)).await
}

/// Five devices of the user, a minute apart.
async fn five_devices(server: &Server) -> Vec<Answer> {
    let mut devices = Vec::new();
    for label in ["one", "two", "three", "four", "five"] {
        devices.push(sign_in_on(server, FIREFOX, label).await);
        server.wait(60);
    }
    devices
}

async fn list(server: &Server, token: &str, query: &str) -> Answer {
    let url = format!("{}/account/sessions{query}", server.base);
    server.send(server.client.get(url).bearer_auth(token)).await
}

/// The labels of the devices that are listed.
async fn labels(server: &Server, token: &str) -> Vec<String> {
    let answer = list(server, token, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let sessions = answer.json["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["label"].as_str().unwrap().to_owned()).collect()
}

async fn delete(server: &Server, token: &str, path: &str) -> Answer {
    let url = format!("{}/account/sessions{path}", server.base);
    server.send(server.client.delete(url).bearer_auth(token)).await
}

async fn timeline(server: &Server, token: &str, id: SessionId, query: &str) -> Answer {
    let url = format!("{}/account/sessions/{id}/events{query}", server.base);
    server.send(server.client.get(url).bearer_auth(token)).await
}

/// Refreshes, and says whether that worked.
async fn lives(server: &Server, device: &mut Answer) -> bool {
    let answer = server.refresh(&device.refresh_token()).await;
    let lives = answer.status == 200;
    if lives {
        *device = answer;
    }
    lives
}

#[tokio::test]
async fn a_device_is_listed_with_what_it_said_and_when_it_was_seen() {
    let server = Server::start().await;
    let begun = server.now();
    let laptop = sign_in_on(&server, FIREFOX, "Ann's laptop").await;
    server.wait(60);
    let script = sign_in_on(&server, "backup/1.0", "").await;
    server.wait(60);
    let answer = list(&server, &server.refresh(&laptop.refresh_token()).await.access_token(), "").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let idle = |seen: Timestamp| seen.after(std::time::Duration::from_hours(14 * 24)).to_string();
    let after = |seconds| begun.after(std::time::Duration::from_secs(seconds));
    let item = |id: SessionId, (first, last): (u64, u64)| {
        json!({
            "id": id.to_string(), "current": first == 0, "client_id": PUBLIC, "client_name": "Demo (public)",
            "scope": "account", "first_seen": after(first).to_string(), "last_seen": after(last).to_string(),
            "expires": idle(after(last)),
        })
    };
    let (mut first, mut second) = (item(laptop.session(), (0, 120)), item(script.session(), (60, 60)));
    first["device"] = "Firefox on Linux".into();
    first["label"] = "Ann's laptop".into();
    second["device"] = "backup".into();
    assert_eq!(answer.json, json!({"sessions": [first, second]}));
}

#[tokio::test]
async fn ending_one_device_ends_that_one_only_and_at_once() {
    let server = Server::start().await;
    let mut devices = five_devices(&server).await;
    let token = devices[0].access_token();
    let two = devices[1].session();
    assert_eq!(delete(&server, &token, &format!("/{two}")).await.status, 204);
    assert_eq!(labels(&server, &token).await, ["one", "three", "four", "five"]);
    assert_eq!(list(&server, &devices[1].access_token(), "").await.status, 401, "its access token");
    let mut live = Vec::new();
    for device in &mut devices {
        live.push(lives(&server, device).await);
    }
    assert_eq!(live, [true, false, true, true, true]);
    assert_eq!(delete(&server, &token, &format!("/{two}")).await.status, 204, "again");
    let told = timeline(&server, &token, two, "").await;
    assert_eq!(told.json["end"]["reason"], "user");
}

#[tokio::test]
async fn a_password_change_and_a_reuse_do_what_they_say_to_the_others() {
    let server = Server::start().await;
    let mut devices = five_devices(&server).await;
    let old = devices[2].refresh_token();
    for _ in 0..2 {
        assert!(lives(&server, &mut devices[2]).await);
    }
    server.wait(5);
    assert_eq!(server.refresh(&old).await.outcome(), (400, "invalid_grant"));
    let mut live = Vec::new();
    for device in &mut devices {
        live.push(lives(&server, device).await);
    }
    assert_eq!(live, [true, true, false, true, true], "a reuse ends its family");

    let keep = devices[0].session();
    server.app.set_password(USER.0, "another-lantern-42-tulip", Some(keep)).await.unwrap();
    let token = devices[0].access_token();
    assert_eq!(labels(&server, &token).await, ["one"]);
    let mut ends = Vec::new();
    for device in &devices {
        ends.push(timeline(&server, &token, device.session(), "").await.json["end"]["reason"].clone());
    }
    assert_eq!(json!(ends), json!([null, "user_epoch", "reuse", "user_epoch", "user_epoch"]));
    let mut live = Vec::new();
    for device in &mut devices {
        live.push(lives(&server, device).await);
    }
    assert_eq!(live, [true, false, false, false, false]);
}

#[tokio::test]
async fn all_others_or_all_are_ended_at_once() {
    let server = Server::start().await;
    let mut devices = five_devices(&server).await;
    let token = devices[3].access_token();
    assert_eq!(delete(&server, &token, "").await.status, 204);
    assert_eq!(labels(&server, &token).await, ["four"]);
    let mut live = Vec::new();
    for device in &mut devices {
        live.push(lives(&server, device).await);
    }
    assert_eq!(live, [false, false, false, true, false]);
    assert_eq!(delete(&server, &token, "?all=true").await.status, 204);
    assert_eq!(list(&server, &token, "").await.status, 401);
    assert!(!lives(&server, &mut devices[3]).await);
}

#[tokio::test]
async fn another_users_sessions_are_not_there() {
    let server = Server::start().await;
    let ann = sign_in_on(&server, FIREFOX, "ann's").await;
    server.app.register("eve", "violet-anchor-71-harbour", vec!["user".to_owned()]).await.unwrap();
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", "eve"),
        ("password", "violet-anchor-71-harbour"),
        ("scope", "account"),
    ];
    let eve = server.post(&form).await.access_token();
    assert_eq!(list(&server, &eve, "").await.json["sessions"].as_array().unwrap().len(), 1);
    let after = format!("?after={}", ann.session());
    assert!(list(&server, &eve, &after).await.text.find(&ann.session().to_string()).is_none());
    for id in [ann.session().to_string(), SessionId::from([7; 16]).to_string(), "7".to_owned()] {
        assert_eq!(delete(&server, &eve, &format!("/{id}")).await.status, 404);
        let url = format!("{}/account/sessions/{id}/events", server.base);
        assert_eq!(server.send(server.client.get(url).bearer_auth(&eve)).await.status, 404);
    }
    assert_eq!(server.refresh(&ann.refresh_token()).await.status, 200);
    let without = server.sign_in().await.access_token();
    for path in ["", "/7"] {
        assert!(matches!(delete(&server, &without, path).await.status, 401 | 403));
    }
}

#[tokio::test]
async fn the_list_is_paged() {
    let server = Server::start().await;
    let devices = five_devices(&server).await;
    let token = devices[0].access_token();
    server.app.end_own_session(user(&devices[0]), devices[2].session()).await.unwrap();
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = list(&server, &token, &query).await;
        let sessions = page.json["sessions"].as_array().unwrap();
        assert!(sessions.len() <= 2);
        seen.extend(sessions.iter().map(|session| session["label"].clone()));
        let Some(next) = page.json["next"].as_str() else { break };
        query = format!("?limit=2&after={next}");
    }
    assert_eq!(json!(seen), json!(["one", "two", "four", "five"]));
    assert_eq!(list(&server, &token, "?after=7").await.status, 422);
    for query in ["?limit=101", "?limit=0", "?limit=x"] {
        assert_eq!(list(&server, &token, query).await.status, 400);
    }
}

fn user(device: &Answer) -> UserId {
    device.claims()["sub"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_sign_in_beyond_the_limit_ends_the_session_that_was_seen_longest_ago() {
    let server = Server::with(|setup| setup.config.sessions.per_user = 3).await;
    let mut devices = Vec::new();
    for label in ["one", "two", "three"] {
        devices.push(sign_in_on(&server, FIREFOX, label).await);
        server.wait(60);
    }
    assert!(lives(&server, &mut devices[0]).await);
    server.wait(60);
    let four = sign_in_on(&server, FIREFOX, "four").await;
    let token = four.access_token();
    assert_eq!(labels(&server, &token).await, ["one", "three", "four"]);
    assert!(!lives(&server, &mut devices[1]).await);
    assert_eq!(timeline(&server, &token, devices[1].session(), "").await.json["end"]["reason"], "evicted");

    // What is over already goes before what lives, even if it was seen later.
    server.app.end_all_sessions(user(&four), Some(devices[2].session())).await.unwrap();
    server.wait(1);
    let five = sign_in_on(&server, FIREFOX, "five").await;
    assert_eq!(labels(&server, &five.access_token()).await, ["three", "five"]);
    server.wait(1);
    let six = sign_in_on(&server, FIREFOX, "six").await;
    assert_eq!(labels(&server, &six.access_token()).await, ["three", "five", "six"]);
    let index = server.app.store.scan(view::all_of_user(user(&six)), None, 100).await.unwrap();
    assert_eq!(index.len(), 3, "the index forgets what ended");
    let told = timeline(&server, &six.access_token(), four.session(), "").await;
    assert_eq!(told.json["end"]["reason"], "user_epoch");
    assert_eq!(server.event_names(four.session()).await.last(), Some(&"session_ended"));
}

#[tokio::test]
async fn a_limit_that_was_lowered_is_reached_by_and_by() {
    let server = Server::with(|setup| setup.config.sessions.per_user = 30).await;
    for _ in 0..25 {
        sign_in_on(&server, FIREFOX, "old").await;
        server.wait(1);
    }
    let server = server.restart(|setup| setup.config.sessions.per_user = 2).await;
    let mut left = Vec::new();
    for _ in 0..4 {
        left.push(labels(&server, &sign_in_on(&server, FIREFOX, "new").await.access_token()).await.len());
    }
    assert_eq!(left, [18, 11, 4, 2]);
}

#[tokio::test]
async fn parallel_sign_ins_at_the_limit_leave_no_more_than_it_behind_the_next_one() {
    let server = Server::with(|setup| setup.config.sessions.per_user = 4).await;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, url) = (server.client.clone(), format!("{}/oauth/token", server.base));
        running.spawn(async move {
            let form = [
                ("grant_type", "password"),
                ("client_id", PUBLIC),
                ("username", USER.0),
                ("password", USER.1),
            ];
            client.post(url).form(&form).send().await.unwrap().status().as_u16()
        });
    }
    assert_eq!(running.join_all().await, [200; 8]);
    let last = sign_in_on(&server, FIREFOX, "last").await;
    let index = server.app.store.scan(view::all_of_user(user(&last)), None, 100).await.unwrap();
    assert_eq!(index.len(), 4);
}

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

/// What another client's attempt writes.
fn foreign(at: Timestamp, _: &Issued) -> SessionEvent {
    SessionEvent::ForeignClientRefused { at, client: "other".parse().unwrap() }
}

/// What a retry writes that needs another access token.
fn another_access_token(at: Timestamp, access: &Issued) -> SessionEvent {
    SessionEvent::AccessTokenIssued { at, access: access.clone() }
}

/// A session that was refreshed `rotations` times, with something else after each `every`.
async fn refreshed_session(
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

#[tokio::test]
async fn c77_nothing_that_a_device_said_is_in_an_event_and_it_goes_with_the_user() {
    let server = Server::start().await;
    let signed_in = sign_in_on(&server, "Canary-Agent/77", "canary label").await;
    server.refresh(&signed_in.refresh_token()).await;
    let id = user(&signed_in);
    let record = device::record(id, signed_in.session());
    let stored = server.app.store.record(record.clone()).await.unwrap().unwrap();
    assert!(holds(&stored, "Canary-Agent/77") && holds(&stored, "canary label"));
    for event in server.app.store.read_log(0, 1000).await.unwrap() {
        for word in ["Canary", "canary", USER.0, "127.0.0.1"] {
            assert!(!holds(&event.data, word), "{word} is in an event");
        }
    }
    let stream: StreamId = Session::stream(signed_in.session()).unwrap();
    let snapshot = server.app.store.load(stream).await.unwrap().unwrap();
    assert!(!holds(&snapshot.data, "anary"));
    server.app.delete_user(USER.0).await.unwrap();
    assert_eq!(server.app.store.record(record).await.unwrap(), None);
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
