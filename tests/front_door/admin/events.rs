//! An administrator reads and follows the log.

use std::time::Duration;

use heirloom::oauth::SessionId;
use heirloom::session::SessionEvent;
use reqwest::Method;
use serde_json::{Value, json};

use super::Office;
use crate::support::{Answer, PUBLIC, Server, USER};
use crate::sweep::sweep_all;
use crate::timeline::{foreign, refreshed_session};

fn types(page: &Answer) -> Vec<&str> {
    page.json["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_log_is_read_in_pages_without_a_gap() {
    let office = Office::open().await;
    office.server.sign_in().await;
    let all = office.get("/admin/events").await;
    let expected = [
        "user_registered",
        "user_registered",
        "session_started",
        "tokens_issued",
        "session_started",
        "tokens_issued",
    ];
    assert_eq!(types(&all), expected);
    let (mut paged, mut after) = (Vec::new(), 0);
    loop {
        let page = office.get(&format!("/admin/events?limit=2&after={after}")).await;
        paged.extend(page.json["events"].as_array().unwrap().clone());
        let Some(next) = page.json["next"].as_u64() else { break };
        after = next;
    }
    assert_eq!(Value::from(paged), all.json["events"]);
    assert_eq!(after, office.server.position().await);
}

#[tokio::test]
async fn events_are_found_by_stream_and_by_type_and_say_who_did_it() {
    let office = Office::open().await;
    let (server, user) = (&office.server, office.user().await);
    let session = server.sign_in().await.session();
    office.delete(&format!("/admin/sessions/{session}")).await;
    office.put(&format!("/admin/users/{user}/roles"), json!({"roles": ["user", "moderator"]})).await;
    office.post("/admin/clients", json!({"id": "tv", "type": "public"})).await;

    let of_session = office.get(&format!("/admin/events?stream=session:{session}")).await;
    assert_eq!(types(&of_session), ["session_started", "tokens_issued", "session_ended"]);
    let end = &of_session.json["events"][2];
    let position = end["position"].as_u64().unwrap();
    assert_eq!(
        *end,
        json!({
            "position": position, "stream": format!("session:{session}"), "version": 3, "type": "session_ended",
            "at": server.now().to_string(), "by": office.actor(), "data": {"reason": "admin"},
        })
    );
    let behind = office.get(&format!("/admin/events?stream=session:{session}&after=1&limit=1")).await;
    assert_eq!((types(&behind), &behind.json["next"]), (vec!["tokens_issued"], &json!(2)));
    let started = &of_session.json["events"][0]["data"];
    assert_eq!((&started["user"], &started["scope"]), (&json!(user), &json!("read write")));

    let changes = office.get("/admin/events?type=user_roles_changed,client_registered").await;
    assert_eq!(types(&changes), ["user_roles_changed", "client_registered"]);
    let [roles, client] = [&changes.json["events"][0], &changes.json["events"][1]];
    assert_eq!((&roles["by"], &roles["data"]), (&office.actor(), &json!({"roles": ["user", "moderator"]})));
    assert_eq!((&client["by"], &client["stream"]), (&office.actor(), &json!("client:tv")));
    // `next` is the end of the log, and there is nothing after it.
    let next = changes.json["next"].as_u64().unwrap();
    assert_eq!(next, server.position().await);
    let rest = office.get(&format!("/admin/events?type=user_roles_changed&after={next}")).await;
    assert_eq!(rest.json, json!({"events": []}));
    for bad in ["stream=x", "stream=user:x", "stream=client:"] {
        assert_eq!(office.get(&format!("/admin/events?{bad}")).await.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn a_search_by_type_looks_at_a_bounded_number_of_events() {
    let office = Office::open().await;
    let mut tokens = office.server.sign_in().await;
    for _ in 0..1010 {
        tokens = office.server.refresh(&tokens.refresh_token()).await;
    }
    office.post("/admin/clients", json!({"id": "tv", "type": "public"})).await;
    let first = office.get("/admin/events?type=client_registered").await;
    assert_eq!(types(&first), Vec::<&str>::new());
    let next = first.json["next"].as_u64().unwrap();
    let second = office.get(&format!("/admin/events?type=client_registered&after={next}")).await;
    assert_eq!(types(&second), ["client_registered"]);
}

/// All nonces of a session in the log, as text in every encoding in which an event might show them.
async fn nonces(server: &Server, id: SessionId) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

    let events = server.events(id).await;
    let nonces = events.iter().flat_map(|event| match event {
        SessionEvent::TokensIssued { nonce, .. } | SessionEvent::TokensRotated { nonce, .. } => vec![*nonce],
        SessionEvent::Authorized(authorized) => vec![authorized.code.nonce],
        SessionEvent::RotationsSummarized(summary) => {
            summary.newest.iter().map(|rotation| rotation.nonce).collect()
        }
        SessionEvent::Started(_)
        | SessionEvent::AccessTokenIssued { .. }
        | SessionEvent::ReuseDetected { .. }
        | SessionEvent::ForeignClientRefused { .. }
        | SessionEvent::Ended { .. } => Vec::new(),
    });
    let encoded = nonces.flat_map(|nonce| {
        // The first byte is the length.
        let bytes = minicbor::to_vec(nonce).unwrap().split_off(1);
        assert_eq!(bytes.len(), 16);
        let hex = format!("{:032x}", u128::from_be_bytes(*bytes.first_chunk().unwrap()));
        let list = serde_json::to_string(&bytes).unwrap();
        [list, URL_SAFE_NO_PAD.encode(&bytes), STANDARD_NO_PAD.encode(&bytes), hex.to_uppercase(), hex]
    });
    encoded.collect()
}

/// With a nonce and the refresh secret, anybody could make a refresh token.
#[tokio::test]
async fn nonces_names_and_passwords_are_in_no_event_that_is_shown() {
    let office = Office::open().await;
    let server = &office.server;
    let mut live = Following::begin(&office, "?after=latest", None).await;
    let signed_in = server.sign_in().await;
    let id = signed_in.session();
    let mut newest = signed_in.clone();
    for _ in 0..6 {
        newest = server.refresh(&newest.refresh_token()).await;
    }
    server.refresh_confidential(&newest.refresh_token()).await;
    server.wait(60);
    server.refresh(&signed_in.refresh_token()).await;
    let names = server.event_names(id).await;
    assert_eq!(names[8..], ["foreign_client_refused", "reuse_detected", "session_ended"]);

    let shown = [
        office.get("/admin/events").await.text,
        office.get(&format!("/admin/events?stream=session:{id}")).await.text,
        office.get(&format!("/admin/sessions/{id}")).await.text,
        serde_json::to_string(&live.next(names.len()).await).unwrap(),
    ];
    let nonces = nonces(server, id).await;
    assert_eq!(nonces.len(), 7 * 5, "seven generations");
    let others = ["nonce", USER.0, USER.1].map(|text| format!("\"{text}"));
    for secret in nonces.iter().chain(&others) {
        let place = shown.iter().position(|text| text.contains(secret));
        assert_eq!(place, None, "{secret} is shown");
    }
}

/// A connection that receives events.
pub(crate) struct Following {
    response: reqwest::Response,
    text: String,
}

impl Following {
    pub(crate) async fn begin(office: &Office, query: &str, last: Option<u64>) -> Self {
        let request = office.request(Method::GET, &format!("/admin/events/live{query}"));
        let request = match last {
            Some(last) => request.header("Last-Event-ID", last),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { response, text: String::new() }
    }

    /// The next `count` events, each with its id and its data.
    pub(crate) async fn next(&mut self, count: usize) -> Vec<(u64, Value)> {
        let mut events = Vec::new();
        while events.len() < count {
            let Some((message, rest)) = self.text.split_once("\n\n") else {
                assert!(self.read().await, "the stream ended after {events:?}");
                continue;
            };
            let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(id), Some(name), Some(data)) = (field("id: "), field("event: "), field("data: ")) {
                let data: Value = serde_json::from_str(data).unwrap();
                assert_eq!(data["type"], name);
                events.push((id.parse().unwrap(), data));
            }
            let rest = rest.to_owned();
            self.text = rest;
        }
        events
    }

    /// Reads more of the answer; false at its end.
    async fn read(&mut self) -> bool {
        let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk()).await.unwrap();
        let Ok(Some(chunk)) = chunk else { return false };
        self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        true
    }

    async fn ended(mut self) {
        while self.read().await {}
    }
}

#[tokio::test]
async fn the_log_is_followed_live_and_resumed_where_it_broke_off() {
    let office = Office::open().await;
    let mut following = Following::begin(&office, "?after=latest", None).await;
    let session = office.server.sign_in().await.session();
    let seen = following.next(2).await;
    assert_eq!(seen[0].1["stream"], json!(format!("session:{session}")));
    assert_eq!(
        (&seen[0].1["type"], &seen[1].1["type"]),
        (&json!("session_started"), &json!("tokens_issued"))
    );
    drop(following);
    office.server.sign_in().await;
    // `Last-Event-ID` takes precedence over the query.
    let mut resumed = Following::begin(&office, "?after=0", Some(seen[0].0)).await;
    let again = resumed.next(3).await;
    assert_eq!(again[0], seen[1]);
    assert_eq!(again[2].0, office.server.position().await);
    let mut ends = Following::begin(&office, "?type=session_ended", None).await;
    office.delete(&format!("/admin/sessions/{session}")).await;
    assert_eq!(ends.next(1).await[0].1["data"]["reason"], "admin");
}

#[tokio::test]
async fn who_follows_what_does_not_happen_hears_something_at_once() {
    let office = Office::open().await;
    let mut following = Following::begin(&office, "?after=latest", None).await;
    assert!(following.read().await);
    assert!(
        following.text.starts_with(": ") && following.text.contains("\nretry: 2000\n\n"),
        "{}",
        following.text
    );
}

#[tokio::test]
async fn who_follows_is_cut_off_when_the_token_expires() {
    let office = Office::open().await;
    let mut following = Following::begin(&office, "", None).await;
    following.next(1).await;
    office.server.wait(600);
    following.ended().await;
}

#[tokio::test]
async fn followers_do_not_hold_up_the_stop() {
    let office = Office::open().await;
    let mut following = Following::begin(&office, "", None).await;
    following.next(1).await;
    let stopping = tokio::time::timeout(Duration::from_secs(7), office.server.stopped());
    let (stopped, ()) = tokio::join!(stopping, following.ended());
    assert!(stopped.is_ok(), "draining waited for the follower");
}

#[tokio::test]
async fn no_more_than_a_few_follow_at_a_time_and_who_leaves_makes_room() {
    let office = Office::open().await;
    let mut followers = Vec::new();
    for _ in 0..32 {
        followers.push(Following::begin(&office, "?after=latest", None).await);
    }
    let refused = office.get("/admin/events/live").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "30"));
    followers.clear();
    // The server notices that the followers have left only when it writes something.
    let deadline = std::time::Duration::from_secs(20);
    let room = async {
        loop {
            office.server.sign_in().await;
            let request = office.request(Method::GET, "/admin/events/live").send().await.unwrap();
            if request.status() == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(deadline, room).await.unwrap();
}

#[tokio::test]
async fn a_summary_says_what_it_stands_for_and_no_nonce() {
    let server = Server::with(|setup| {
        setup.config.sessions.rotations_kept = Some(Duration::from_hours(1));
        setup.client(PUBLIC, |client| client.metadata.lifetimes.refresh_idle = Duration::from_hours(2));
    })
    .await;
    // One refresh a second, and then none for two hours.
    let (_, id) = refreshed_session(&server, 60, (1000, foreign)).await;
    let nonces_before = nonces(&server, id).await;
    server.wait(2 * 3600);
    sweep_all(&server).await;
    assert!(server.event_names(id).await.contains(&"rotations_summarized"));
    let nonces = [nonces_before, nonces(&server, id).await].concat();
    let office = Office::on(server).await;
    let page = office.get(&format!("/admin/events?stream=session:{id}&type=rotations_summarized")).await;
    let [event] = page.json["events"].as_array().unwrap().as_slice() else { panic!("{}", page.text) };
    assert_eq!((&event["version"], &event["at"]), (&json!(48), &json!("2100-01-01T00:00:46.000Z")));
    let mut data = event["data"].clone();
    assert!(data["access_token"].take()["exp"].is_u64());
    let expected = json!({
        "rotations": 46, "access_tokens": 0, "generation": 46, "access_token": null,
        "first": "2100-01-01T00:00:01.000Z", "last": "2100-01-01T00:00:46.000Z",
        "idle_expiry": "2100-01-02T00:00:46.000Z",
    });
    assert_eq!(data, expected);
    assert!(nonces.iter().all(|nonce| !page.text.contains(nonce)), "{}", page.text);
    // The events that are left are too few for another summary. The summary is in the place of the last summarized
    // event: after the sign-in, before what follows.
    let all = office.get(&format!("/admin/events?stream=session:{id}")).await;
    let expected =
        [["session_started", "tokens_issued", "rotations_summarized"].as_slice(), &["tokens_rotated"; 14]];
    assert_eq!(types(&all), expected.concat());
    let positions =
        all.json["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap());
    assert!(positions.is_sorted());
}
