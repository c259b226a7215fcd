//! The holder of an account can't fill the log: how often an account may be changed, signed in to and signed out of.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::devices::{FIREFOX, sign_in_on};
use crate::support::{Answer, PUBLIC, Server, Setup, USER};

fn limited(setup: &mut Setup) {
    setup.config.throttle = heirloom::config::Throttle::default();
}

async fn call(server: &Server, token: &str, (method, path): (Method, &str), body: Value) -> Answer {
    let request = server.client.request(method, format!("{}/account{path}", server.base)).bearer_auth(token);
    server.send(if body.is_null() { request } else { request.json(&body) }).await
}

async fn rename(server: &Server, token: &str, name: &str) -> Answer {
    call(server, token, (Method::PATCH, ""), json!({"display_name": name})).await
}

async fn end_others(server: &Server, token: &str) -> Answer {
    call(server, token, (Method::DELETE, "/sessions"), Value::Null).await
}

async fn set_password(server: &Server, token: &str, old: &str, new: &str) -> Answer {
    let body = json!({"current_password": old, "new_password": new});
    call(server, token, (Method::PUT, "/password"), body).await
}

/// Asserts that a request was refused, and may be repeated after `seconds` seconds.
#[track_caller]
fn assert_slowed(answer: &Answer, seconds: &str) {
    assert_eq!(answer.status, 429, "{}", answer.text);
    assert_eq!(answer.header("retry-after"), seconds);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json["type"], "urn:heirloom:problem:too-many-attempts");
}

const OTHER: (&str, &str) = ("bob", "violet-anchor-71-harbour");

/// An access token of another user.
async fn token_of_another(server: &Server) -> String {
    server.app.accounts.register(OTHER.0, OTHER.1, Vec::new()).await.unwrap();
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", OTHER.0),
        ("password", OTHER.1),
        ("scope", "account"),
    ];
    server.post(&form).await.access_token()
}

#[tokio::test]
async fn a_profile_is_changed_so_often_and_no_more_and_what_changes_nothing_writes_nothing() {
    let server = Server::with(limited).await;
    let (token, other) =
        (sign_in_on(&server, FIREFOX, "").await.access_token(), token_of_another(&server).await);
    for number in 0..30 {
        assert_eq!(rename(&server, &token, &format!("Ann {number}")).await.status, 200);
    }
    let position = server.position().await;
    for number in 30..33 {
        assert_slowed(&rename(&server, &token, &format!("Ann {number}")).await, "60");
    }
    for _ in 0..50 {
        assert_eq!(rename(&server, &token, "Ann 29").await.status, 200, "it is so already");
        assert_eq!(call(&server, &token, (Method::PATCH, ""), json!({})).await.status, 200);
    }
    assert_eq!(server.position().await, position, "nothing is written");
    assert_eq!(rename(&server, &other, "Bob").await.status, 200, "nobody else is held up");
    server.wait(60);
    assert_eq!(rename(&server, &token, "Ann").await.status, 200);
    assert_slowed(&rename(&server, &token, "Anna").await, "60");
}

#[tokio::test]
async fn who_has_stolen_a_token_does_not_keep_its_owner_from_ending_the_theft() {
    let server = Server::with(limited).await;
    let stolen = sign_in_on(&server, FIREFOX, "stolen").await;
    for number in 0..31 {
        rename(&server, &stolen.access_token(), &format!("Eve {number}")).await;
        // There are no other sessions to end, so this does not count.
        assert_eq!(end_others(&server, &stolen.access_token()).await.status, 204);
    }
    assert_slowed(&rename(&server, &stolen.access_token(), "Eve").await, "60");
    let owner = sign_in_on(&server, FIREFOX, "owner").await;
    assert_eq!(end_others(&server, &owner.access_token()).await.status, 204);
    assert_eq!(server.refresh(&stolen.refresh_token()).await.outcome(), (400, "invalid_grant"));
    assert_eq!(
        set_password(&server, &owner.access_token(), USER.1, "marble-kettle-57-orchid").await.status,
        204
    );
}

#[tokio::test]
async fn ending_sessions_where_there_is_nothing_to_end_writes_nothing() {
    let server = Server::with(limited).await;
    let this = sign_in_on(&server, FIREFOX, "this").await;
    let token = this.access_token();
    let other = sign_in_on(&server, FIREFOX, "other").await;
    assert_eq!(end_others(&server, &token).await.status, 204);
    // The other session is over but its end is not in the log yet, so the index still lists it.
    assert!(!server.event_names(other.session()).await.contains(&"session_ended"));
    let of_other = format!("/sessions/{}", other.session());
    assert_eq!(call(&server, &token, (Method::DELETE, &of_other), Value::Null).await.status, 204);
    let position = server.position().await;
    for _ in 0..100 {
        assert_eq!(end_others(&server, &token).await.status, 204);
        assert_eq!(call(&server, &token, (Method::DELETE, &of_other), Value::Null).await.status, 204);
    }
    assert_eq!(server.position().await, position);
    assert_eq!(server.refresh(&this.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn sessions_are_ended_so_often_and_no_more() {
    let server = Server::with(limited).await;
    let this = sign_in_on(&server, FIREFOX, "this").await;
    let token = this.access_token();
    for number in 0..30 {
        let other = sign_in_on(&server, FIREFOX, "other").await;
        let path =
            if number % 2 == 0 { "/sessions".to_owned() } else { format!("/sessions/{}", other.session()) };
        assert_eq!(call(&server, &token, (Method::DELETE, &path), Value::Null).await.status, 204);
        assert_eq!(server.refresh(&other.refresh_token()).await.outcome(), (400, "invalid_grant"));
    }
    let other = sign_in_on(&server, FIREFOX, "other").await;
    let position = server.position().await;
    assert_slowed(&end_others(&server, &token).await, "60");
    for path in ["/sessions?all=true", &format!("/sessions/{}", other.session())] {
        assert_slowed(&call(&server, &token, (Method::DELETE, path), Value::Null).await, "60");
    }
    assert_eq!(server.position().await, position, "nothing is written");
    let other = server.refresh(&other.refresh_token()).await;
    server.wait(60);
    assert_eq!(end_others(&server, &token).await.status, 204);
    assert_eq!(server.refresh(&other.refresh_token()).await.outcome(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_password_is_changed_so_often_and_no_more() {
    let server = Server::with(limited).await;
    let token = sign_in_on(&server, FIREFOX, "").await.access_token();
    let mut passwords = [USER.1, "marble-kettle-57-orchid"];
    for _ in 0..30 {
        assert_eq!(set_password(&server, &token, passwords[0], passwords[1]).await.status, 204);
        passwords.swap(0, 1);
    }
    let position = server.position().await;
    assert_slowed(&set_password(&server, &token, passwords[0], passwords[1]).await, "60");
    assert_eq!(server.position().await, position, "nothing is written");
    assert_eq!(server.sign_in_as(USER.0, passwords[0]).await.status, 200, "it is as it was");
    server.wait(60);
    assert_eq!(set_password(&server, &token, passwords[0], passwords[1]).await.status, 204);
}

#[tokio::test]
async fn one_user_signs_in_so_often_and_no_more() {
    let server = Server::with(|setup| {
        limited(setup);
        setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    for _ in 0..60 {
        assert_eq!(server.sign_in().await.status, 200);
    }
    let (position, hashes) = (server.position().await, server.app.passwords.hashes_started());
    for _ in 0..20 {
        let refused = server.sign_in().await;
        assert_eq!((refused.outcome(), refused.header("retry-after")), ((429, "slow_down"), "1"));
    }
    assert_eq!(server.position().await, position, "nothing is written");
    assert_eq!(server.app.passwords.hashes_started(), hashes, "and nothing is hashed");
    let wrong = sign_in_from(&server, "192.0.2.1", "wrong").await;
    assert_eq!(
        wrong.outcome(),
        (400, "invalid_grant"),
        "a stranger needs the password to use it up, and to see that"
    );
    // On an unknown network even the right password counts as a guess then, so no more is hashed than for guesses.
    for _ in 0..20 {
        assert_eq!(sign_in_from(&server, "192.0.2.1", USER.1).await.outcome(), (429, "slow_down"));
    }
    assert!(server.app.passwords.hashes_started() - hashes <= 11);
    token_of_another(&server).await;
    server.wait(1);
    assert_eq!(server.sign_in().await.status, 200);
    assert_eq!(server.sign_in().await.outcome(), (429, "slow_down"));
}

async fn sign_in_from(server: &Server, address: &str, password: &str) -> Answer {
    let form =
        [("grant_type", "password"), ("client_id", PUBLIC), ("username", USER.0), ("password", password)];
    server.send(server.token().header("x-forwarded-for", address).form(&form)).await
}

#[tokio::test]
async fn dev_has_no_limit_of_sign_ins_and_changes() {
    let server = Server::start().await;
    for _ in 0..65 {
        assert_eq!(server.sign_in().await.status, 200);
    }
    let token = sign_in_on(&server, FIREFOX, "").await.access_token();
    for number in 0..35 {
        assert_eq!(rename(&server, &token, &format!("Ann {number}")).await.status, 200);
    }
}

#[tokio::test]
async fn a_new_password_that_is_refused_does_not_count() {
    let server = Server::with(|setup| {
        limited(setup);
        setup.config.throttle.change_burst = 1;
    })
    .await;
    let token = sign_in_on(&server, FIREFOX, "").await.access_token();
    assert_eq!(set_password(&server, &token, USER.1, "iloveyou").await.status, 422);
    assert_eq!(set_password(&server, &token, USER.1, "tulip-quartz-93-lantern").await.status, 204);
    assert_slowed(
        &set_password(&server, &token, "tulip-quartz-93-lantern", "harbour-tulip-93-violet").await,
        "60",
    );
}

#[tokio::test]
async fn new_passwords_that_are_too_weak_are_judged_so_often_in_one_session_and_cost_no_hash() {
    let server = Server::with(limited).await;
    let this = sign_in_on(&server, FIREFOX, "this").await.access_token();
    let other = sign_in_on(&server, FIREFOX, "other").await.access_token();
    let hashes = server.app.passwords.hashes_started();
    for _ in 0..60 {
        assert_eq!(set_password(&server, &this, USER.1, "iloveyou").await.status, 422);
    }
    assert_slowed(&set_password(&server, &this, USER.1, "iloveyou").await, "1");
    assert_eq!(server.app.passwords.hashes_started(), hashes);
    assert_eq!(set_password(&server, &other, USER.1, "marble-kettle-57-orchid").await.status, 204);
}

#[tokio::test]
async fn a_session_that_has_expired_by_a_clock_that_is_ahead_is_ended_with_all_others() {
    let server = Server::start().await;
    let start = server.now();
    let earlier = sign_in_on(&server, FIREFOX, "").await;
    server.clock.set(start.after(Duration::from_hours(24 * 365)));
    let during = sign_in_on(&server, FIREFOX, "").await;
    assert_eq!(end_others(&server, &during.access_token()).await.status, 204);
    server.clock.set(start.after(Duration::from_hours(1)));
    assert_eq!(server.refresh(&earlier.refresh_token()).await.outcome(), (400, "invalid_grant"));
}
