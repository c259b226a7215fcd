//! People see, change and delete their own account, and change its password.

use heirloom::store::RecordChange;
use heirloom::user::{Command, UserEvent};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sign_up::{PASSWORD, contains, person, sign_up, vault_of};
use crate::support::{Answer, PUBLIC, Server, USER};

const NEW: &str = "marble-kettle-57-orchid";

/// Signs in for heirloom's own API and for another resource server.
pub(crate) async fn sign_in(server: &Server, name: &str, password: &str) -> Answer {
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", name),
        ("password", password),
        ("scope", "account email profile read"),
    ];
    server.post(&form).await
}

async fn call(server: &Server, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    let request = server.client.request(method, format!("{}{path}", server.base)).bearer_auth(token);
    server.send(if body.is_null() { request } else { request.json(body) }).await
}

async fn see(server: &Server, token: &str) -> Answer {
    call(server, token, Method::GET, "/account", &Value::Null).await
}

pub(crate) async fn patch(server: &Server, token: &str, body: Value) -> Answer {
    call(server, token, Method::PATCH, "/account", &body).await
}

pub(crate) async fn change_password(server: &Server, token: &str, old: &str, new: &str) -> Answer {
    let body = json!({"current_password": old, "new_password": new});
    call(server, token, Method::PUT, "/account/password", &body).await
}

pub(crate) async fn delete(server: &Server, token: &str, password: &str) -> Answer {
    call(server, token, Method::DELETE, "/account", &json!({"password": password})).await
}

/// For clients and proxies that can't send a body with DELETE.
#[tokio::test]
async fn an_account_is_deleted_by_post_as_well() {
    let server = Server::start().await;
    let token = sign_in(&server, USER.0, USER.1).await.access_token();
    let by_post = async |password: &str| {
        call(&server, &token, Method::POST, "/account/delete", &json!({"password": password})).await
    };
    assert_eq!(kind(&by_post("wrong").await), (403, "wrong-password"));
    assert_eq!(by_post(USER.1).await.status, 204);
    assert_eq!(by_post(USER.1).await.status, 401, "nothing of it is good any more");
    assert_eq!(sign_in(&server, USER.0, USER.1).await.outcome(), (400, "invalid_grant"));
}

fn kind(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.header("cache-control"), "no-store");
    (answer.status, answer.json["type"].as_str().unwrap().trim_start_matches("urn:heirloom:problem:"))
}

fn rule(answer: &Answer) -> (&str, &str) {
    assert_eq!(kind(answer), (422, "invalid"), "{}", answer.text);
    let error = &answer.json["errors"][0];
    (error["field"].as_str().unwrap(), error["rule"].as_str().unwrap())
}

/// The events of a user.
async fn events(server: &Server, signed_in: &Answer) -> Vec<UserEvent> {
    let id = signed_in.claims()["sub"].as_str().unwrap().parse().unwrap();
    let stream = heirloom::user::stream(id).unwrap();
    let recorded = server.app.store.read_stream(stream, 0, 100).await.unwrap();
    recorded.iter().map(|event| UserEvent::decode(&event.data).unwrap()).collect()
}

#[tokio::test]
async fn the_account_is_seen_and_changed_and_userinfo_follows() {
    let server = Server::start().await;
    let signed_in = sign_in(&server, USER.0, USER.1).await;
    let (token, id) = (signed_in.access_token(), signed_in.claims()["sub"].clone());
    let first = see(&server, &token).await;
    assert_eq!(first.json, json!({"id": id, "username": "ann", "roles": ["user"]}));
    assert_eq!((first.status, first.header("cache-control")), (200, "no-store"));
    let body = json!({"email": "Ann@Example.com", "display_name": "Ann  Lee"});
    let changed = patch(&server, &token, body).await;
    let expected = json!({
        "id": id, "username": "ann", "display_name": "Ann Lee", "email": "Ann@example.com",
        "email_verified": false, "roles": ["user"],
    });
    assert_eq!((changed.status, &changed.json), (200, &expected));
    assert_eq!(see(&server, &token).await.json, expected);
    let userinfo = call(&server, &token, Method::GET, "/oauth/userinfo", &Value::Null).await;
    let expected = json!({
        "sub": id, "preferred_username": "ann", "name": "Ann Lee", "email": "Ann@example.com",
        "email_verified": false, "roles": ["user"], "updated_at": server.now().seconds(),
    });
    assert_eq!(userinfo.json, expected);
    // A field that is left out stays, `null` removes it, and the same value again makes no event.
    assert_eq!(patch(&server, &token, json!({"display_name": null})).await.json["email"], "Ann@example.com");
    assert_eq!(patch(&server, &token, json!({})).await.json.get("display_name"), None);
    assert_eq!(patch(&server, &token, json!({"email": null})).await.json.get("email"), None);
    let events = events(&server, &signed_in).await;
    assert_eq!(events.iter().filter(|event| matches!(event, UserEvent::ProfileChanged { .. })).count(), 3);
    assert_eq!(rule(&patch(&server, &token, json!({"email": "ann"})).await), ("email", "malformed"));
    assert_eq!(rule(&patch(&server, &token, json!({"display_name": " "})).await), ("display_name", "empty"));
    assert_eq!(patch(&server, &token, json!({"username": "eve"})).await.status, 400);
}

#[tokio::test]
async fn the_account_needs_its_scope_and_a_live_session() {
    let server = Server::start().await;
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", USER.0),
        ("password", USER.1),
        ("scope", "profile"),
    ];
    let profile = server.post(&form).await.access_token();
    let account = sign_in(&server, USER.0, USER.1).await.access_token();
    let bodies = [
        (Method::GET, "/account", Value::Null),
        (Method::PATCH, "/account", json!({"display_name": "x"})),
        (Method::PUT, "/account/password", json!({"current_password": USER.1, "new_password": NEW})),
        (Method::DELETE, "/account", json!({"password": USER.1})),
        (Method::POST, "/account/delete", json!({"password": USER.1})),
    ];
    for (method, path, body) in &bodies {
        assert_eq!(kind(&call(&server, &profile, method.clone(), path, body).await).0, 403, "{method}");
        assert_eq!(kind(&call(&server, "nonsense", method.clone(), path, body).await).0, 401, "{method}");
    }
    server.app.accounts.change(USER.0, Command::Disable).await.unwrap();
    for (method, path, body) in &bodies {
        assert_eq!(kind(&call(&server, &account, method.clone(), path, body).await).0, 401, "{method}");
    }
    let absent = call(&server, &account, Method::POST, "/account/password", &json!({})).await;
    assert_eq!((kind(&absent), absent.header("allow")), ((405, "method-not-allowed"), "PUT"));
}

#[tokio::test]
async fn a_password_change_ends_every_other_session_and_keeps_this_one() {
    let server = Server::start().await;
    let this = sign_in(&server, USER.0, USER.1).await;
    let others = [server.sign_in().await, server.sign_in_confidential().await];
    let answer = change_password(&server, &this.access_token(), USER.1, NEW).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(see(&server, &this.access_token()).await.status, 200);
    assert_eq!(server.refresh(&others[0].refresh_token()).await.outcome(), (400, "invalid_grant"));
    assert_eq!(
        server.refresh_confidential(&others[1].refresh_token()).await.outcome(),
        (400, "invalid_grant")
    );
    let next = server.refresh(&this.refresh_token()).await;
    assert_eq!(next.status, 200);
    assert_eq!(server.sign_in().await.outcome(), (400, "invalid_grant"), "the old password");
    let later = sign_in(&server, USER.0, NEW).await;
    // A change from another session ends the session that the first change spared.
    assert_eq!(change_password(&server, &later.access_token(), NEW, USER.1).await.status, 204);
    assert_eq!(server.refresh(&next.refresh_token()).await.outcome(), (400, "invalid_grant"));
    assert_eq!(server.refresh(&later.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn a_password_change_needs_the_old_password_and_a_good_new_one() {
    let server = Server::start().await;
    let token = sign_in(&server, USER.0, USER.1).await.access_token();
    for (old, new, field, broken) in [
        (USER.1, "q7#Vz!p", "new_password", "too_short"),
        (USER.1, "iloveyou", "new_password", "guessable"),
        (USER.1, "", "new_password", "empty"),
        (USER.1, &"é".repeat(513), "new_password", "too_long"),
    ] {
        assert_eq!(rule(&change_password(&server, &token, old, new).await), (field, broken));
    }
    assert_eq!(kind(&change_password(&server, &token, "wrong", NEW).await), (403, "wrong-password"));
    let before = server.app.passwords.hashes_started();
    let long = "x".repeat(1025);
    assert_eq!(kind(&change_password(&server, &token, &long, NEW).await), (403, "wrong-password"));
    assert_eq!(server.app.passwords.hashes_started(), before, "refused before any hash");
    assert_eq!(server.sign_in().await.status, 200);
    // The decomposed form of the characters is the same password.
    assert_eq!(change_password(&server, &token, USER.1, "cafe\u{301}  noir et  lait").await.status, 204);
    assert_eq!(change_password(&server, &token, "café  noir et  lait", NEW).await.status, 204);
    // All bytes of a password count.
    let head = "a1-".repeat(24);
    let [at_73_a, at_73_b] = ["A", "B"].map(|letter| format!("{head}{letter}tail"));
    assert_eq!(change_password(&server, &token, NEW, &at_73_a).await.status, 204);
    assert_eq!(kind(&change_password(&server, &token, &at_73_b, NEW).await), (403, "wrong-password"));
    assert_eq!(change_password(&server, &token, &at_73_a, NEW).await.status, 204);
}

#[tokio::test]
async fn guesses_at_the_account_endpoints_and_at_sign_in_share_one_counter() {
    let server = Server::with(|setup| setup.config.throttle.account_attempts = 10).await;
    let token = sign_in(&server, USER.0, USER.1).await.access_token();
    let before = server.app.passwords.hashes_started();
    let guesses = (0..60).map(|index| {
        let password = format!("guess {index}");
        let url = |path: &str| format!("{}{path}", server.base);
        let request = match index % 3 {
            0 => {
                server.client.delete(url("/account")).bearer_auth(&token).json(&json!({"password": password}))
            }
            1 => server
                .client
                .put(url("/account/password"))
                .bearer_auth(&token)
                .json(&json!({"current_password": password, "new_password": NEW})),
            _ => server.token().form(&[
                ("grant_type", "password"),
                ("client_id", PUBLIC),
                ("username", USER.0),
                ("password", &password),
            ]),
        };
        tokio::spawn(async move {
            let answer = Answer::of(request.send().await.unwrap()).await;
            (index % 3, answer.status, answer.headers.contains_key("retry-after"))
        })
    });
    let mut throttled = [0; 3];
    for guess in guesses.collect::<Vec<_>>() {
        let (endpoint, status, retry_after) = guess.await.unwrap();
        assert!([400, 401, 403, 429, 503].contains(&status), "{status}");
        assert!(retry_after || status < 429);
        throttled[endpoint] += usize::from(status == 429);
    }
    let hashed = server.app.passwords.hashes_started() - before;
    assert!((1..=11).contains(&hashed), "{hashed} hashed");
    assert!(throttled.iter().sum::<usize>() >= 40, "{throttled:?}");
    assert_eq!(kind(&delete(&server, &token, USER.1).await), (429, "too-many-attempts"));
    server.wait(300);
    assert_eq!(change_password(&server, &token, USER.1, NEW).await.status, 204, "not for good");
}

/// In ZITADEL, an id that was used again kept what it had owned (CVE-2026-55670).
#[tokio::test]
async fn a_deleted_account_is_gone_and_its_names_taken_again_inherit_nothing() {
    let server = Server::with(|setup| setup.config.accounts.login_with_email = true).await;
    assert_eq!(sign_up(&server, &person("bob", "bob@example.com")).await.status, 201);
    let old = sign_in(&server, "bob@example.com", PASSWORD).await;
    let other = sign_in(&server, "bob", PASSWORD).await;
    let id = old.claims()["sub"].as_str().unwrap().parse::<heirloom::oauth::UserId>().unwrap();
    remember_devices(&server, id, 150).await;
    assert_eq!(kind(&delete(&server, &old.access_token(), "wrong").await), (403, "wrong-password"));
    assert_eq!(see(&server, &old.access_token()).await.status, 200);
    let deleted = delete(&server, &old.access_token(), PASSWORD).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    // Nothing of the account works any more, and nothing personal is left.
    assert_eq!(see(&server, &old.access_token()).await.status, 401);
    assert_eq!(server.refresh(&other.refresh_token()).await.outcome(), (400, "invalid_grant"));
    for name in ["bob", "bob@example.com"] {
        assert_eq!(sign_in(&server, name, PASSWORD).await.outcome(), (400, "invalid_grant"));
    }
    // No app has to be told of it.
    server.app.backchannel_logout.deliver_due().await.unwrap();
    for (key, value) in vault_of(&server).await {
        for bytes in [key.as_bytes(), &value] {
            assert!(!contains(bytes, "bob"));
            assert!(!bytes.windows(16).any(|window| window == id.as_bytes()));
        }
    }
    // The events stay; they don't name the person.
    assert!(matches!(
        events(&server, &old).await[..],
        [UserEvent::Registered { .. }, .., UserEvent::Deleted { .. }]
    ));
    // Name and address can be taken again, together and separately, and bring nothing back.
    let new = but_password(person("bob", "other@example.com"), NEW);
    assert_eq!(sign_up(&server, &new).await.status, 201);
    let new = but_password(person("bobby", "bob@example.com"), NEW);
    assert_eq!(sign_up(&server, &new).await.status, 201);
    for name in ["bob", "bob@example.com"] {
        assert_eq!(sign_in(&server, name, PASSWORD).await.outcome(), (400, "invalid_grant"));
        assert_ne!(sign_in(&server, name, NEW).await.claims()["sub"], old.claims()["sub"]);
    }
    assert_eq!(see(&server, &old.access_token()).await.status, 401);
    assert_eq!(server.refresh(&old.refresh_token()).await.outcome(), (400, "invalid_grant"));
}

fn but_password(mut body: Value, password: &str) -> Value {
    body["password"] = password.into();
    body
}

/// Writes as many device records as a person with many sessions has.
async fn remember_devices(server: &Server, id: heirloom::oauth::UserId, many: u8) {
    let stream = heirloom::user::stream(id).unwrap();
    let snapshot = server.app.store.load(stream.clone()).await.unwrap().unwrap();
    let key = |index: u8| {
        let bytes = [heirloom::session::device::records_of(id).as_bytes(), &[index; 16]].concat();
        RecordChange::Put(heirloom::store::RecordKey::from_bytes(&bytes), b"a device of bob's".to_vec())
    };
    for first in (0..many).step_by(50) {
        let append = heirloom::store::Append {
            stream: stream.clone(),
            expected: heirloom::store::Expected::Exact(snapshot.version),
            events: Vec::new(),
            snapshot: snapshot.data.clone(),
            records: (first..many.min(first + 50)).map(key).collect(),
        };
        server.app.store.append(append).await.unwrap();
    }
}

#[tokio::test]
async fn an_address_that_is_given_up_is_free_and_one_that_is_taken_is_not() {
    let server = Server::with(|setup| setup.config.accounts.login_with_email = true).await;
    assert_eq!(sign_up(&server, &person("bob", "bob@example.com")).await.status, 201);
    let ann = sign_in(&server, USER.0, USER.1).await.access_token();
    let bob = sign_in(&server, "bob", PASSWORD).await.access_token();
    let taken = patch(&server, &ann, json!({"email": "BOB@example.com"})).await;
    assert_eq!(rule(&taken), ("email", "taken"));
    assert_eq!(see(&server, &ann).await.json.get("email"), None);
    // Another spelling of one's own address is allowed.
    assert_eq!(
        patch(&server, &bob, json!({"email": "Bob@example.com"})).await.json["email"],
        "Bob@example.com"
    );
    assert_eq!(sign_in(&server, "bob@example.com", PASSWORD).await.status, 200);
    assert_eq!(patch(&server, &bob, json!({"email": "bob@example.org"})).await.status, 200);
    assert_eq!(sign_in(&server, "bob@example.com", PASSWORD).await.status, 400);
    assert_eq!(sign_in(&server, "bob@example.org", PASSWORD).await.status, 200);
    assert_eq!(patch(&server, &ann, json!({"email": "bob@example.com"})).await.status, 200);
    assert_eq!(sign_in(&server, "bob@example.com", USER.1).await.status, 200);
    assert_eq!(patch(&server, &ann, json!({"email": null})).await.status, 200);
    assert_eq!(sign_in(&server, "bob@example.com", USER.1).await.status, 400);
}

#[tokio::test]
async fn an_address_becomes_a_name_when_it_is_set_once_more_and_deleting_frees_only_ones_own() {
    let server = Server::start().await;
    for name in ["bob", "eve"] {
        assert_eq!(sign_up(&server, &person(name, "both@example.com")).await.status, 201);
    }
    let server = server.restart(|setup| setup.config.accounts.login_with_email = true).await;
    let bob = sign_in(&server, "bob", PASSWORD).await.access_token();
    let eve = sign_in(&server, "eve", PASSWORD).await.access_token();
    assert_eq!(patch(&server, &bob, json!({"email": "both@example.com"})).await.status, 200);
    assert_eq!(rule(&patch(&server, &eve, json!({"email": "both@example.com"})).await), ("email", "taken"));
    assert_eq!(patch(&server, &eve, json!({"display_name": "Eve"})).await.status, 200, "hers is not touched");
    assert_eq!(delete(&server, &eve, PASSWORD).await.status, 204);
    assert_eq!(sign_in(&server, "both@example.com", PASSWORD).await.status, 200, "it is bob's");
    let server = server.restart(|setup| setup.config.accounts.login_with_email = false).await;
    assert_eq!(sign_in(&server, "both@example.com", PASSWORD).await.status, 400);
    assert_eq!(sign_in(&server, "bob", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn changes_of_an_address_that_is_a_name_are_throttled_as_sign_ups_are() {
    let server = Server::with(|setup| {
        setup.config.accounts.login_with_email = true;
        setup.config.throttle.network_sign_ups = 3;
    })
    .await;
    let token = sign_in(&server, USER.0, USER.1).await.access_token();
    let mut statuses = Vec::new();
    for index in 0..5 {
        statuses.push(patch(&server, &token, json!({"email": format!("a{index}@example.com")})).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(patch(&server, &token, json!({"display_name": "Ann"})).await.status, 200);
}
