//! The user's devices: how they are listed, and how they are ended.

use heirloom::clock::Timestamp;
use heirloom::oauth::{SessionId, UserId};
use heirloom::session::{Session, device, index};
use heirloom::store::StreamId;
use serde_json::json;

use crate::support::{Answer, PUBLIC, Server, USER};

pub(crate) const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Signs the usual user in on a device of its own.
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

/// Five devices of the user, which signed in a minute apart.
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

/// The labels of the listed devices.
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

pub(crate) async fn timeline(server: &Server, token: &str, id: SessionId, query: &str) -> Answer {
    let url = format!("{}/account/sessions/{id}/events{query}", server.base);
    server.send(server.client.get(url).bearer_auth(token)).await
}

/// Refreshes, and returns whether that worked.
pub(crate) async fn lives(server: &Server, device: &mut Answer) -> bool {
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
async fn a_session_without_a_refresh_token_lasts_as_long_as_its_access_token() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| {
            client.metadata.refresh_tokens = heirloom::client::RefreshTokens::OfflineAccess;
        });
    })
    .await;
    let short = sign_in_on(&server, FIREFOX, "short").await;
    assert_eq!(short.json.get("refresh_token"), None);
    server.wait(599);
    let token = short.access_token();
    let listed = list(&server, &token, "").await;
    let expected = server.now().after(std::time::Duration::from_secs(1)).to_string();
    assert_eq!(listed.json["sessions"][0]["expires"], expected);
    server.wait(1);
    let later = sign_in_on(&server, FIREFOX, "later").await.access_token();
    assert_eq!(labels(&server, &later).await, ["later"]);
    let told = timeline(&server, &later, short.session(), "").await;
    assert_eq!(
        told.json["end"],
        json!({"reason": "expired", "at": expected, "text": told.json["end"]["text"]})
    );
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().ended, 1);
    assert_eq!(server.event_names(short.session()).await.last(), Some(&"session_ended"));
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
    server.wait(30);
    assert_eq!(server.refresh(&old).await.outcome(), (400, "invalid_grant"));
    let mut live = Vec::new();
    for device in &mut devices {
        live.push(lives(&server, device).await);
    }
    assert_eq!(live, [true, true, false, true, true], "a reuse ends its family");

    let token = devices[0].access_token();
    let passwords = json!({"current_password": USER.1, "new_password": "another-lantern-42-tulip"});
    let change = server.client.put(format!("{}/account/password", server.base)).bearer_auth(&token);
    assert_eq!(server.send(change.json(&passwords)).await.status, 204);
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
    server.app.accounts.register("eve", "violet-anchor-71-harbour", vec!["user".to_owned()]).await.unwrap();
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
    server.app.sessions.end_own_session(user(&devices[0]), devices[2].session()).await.unwrap();
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

pub(crate) fn user(device: &Answer) -> UserId {
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

    // A session that is over is evicted before a live one, even if it was seen later.
    server.app.sessions.end_all_sessions(user(&four), Some(devices[2].session())).await.unwrap();
    server.wait(1);
    let five = sign_in_on(&server, FIREFOX, "five").await;
    assert_eq!(labels(&server, &five.access_token()).await, ["three", "five"]);
    server.wait(1);
    let six = sign_in_on(&server, FIREFOX, "six").await;
    assert_eq!(labels(&server, &six.access_token()).await, ["three", "five", "six"]);
    let index = server.app.store.scan(index::all_of_user(user(&six)), None, 100).await.unwrap();
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
    let index = server.app.store.scan(index::all_of_user(user(&last)), None, 100).await.unwrap();
    assert_eq!(index.len(), 4);
}

#[tokio::test]
async fn nothing_that_a_device_said_is_in_an_event_and_it_goes_with_the_user() {
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
    server.app.accounts.delete_user(USER.0).await.unwrap();
    assert_eq!(server.app.store.record(record).await.unwrap(), None);
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test]
async fn a_session_that_was_just_ended_can_not_keep_itself() {
    let server = Server::start().await;
    let (thief, victim) = (server.sign_in().await, server.sign_in().await);
    server.app.sessions.end_all_sessions(user(&victim), Some(victim.session())).await.unwrap();
    // The thief's request was already under way when the victim's took effect.
    assert!(server.app.sessions.end_all_sessions(user(&victim), Some(thief.session())).await.is_err());
    assert_eq!(server.refresh(&thief.refresh_token()).await.outcome(), (400, "invalid_grant"));
    assert_eq!(server.refresh(&victim.refresh_token()).await.status, 200);
}
