//! Sign-up: who may make an account, what is refused and why, and invitations.

mod email;

use std::time::Duration;

use heirloom::config::SignUp;
use heirloom::password::hash::Cost;
use heirloom::store::RecordKey;
use heirloom::user::{UserEvent, vault};
use serde_json::{Value, json};

use crate::support::{Answer, Server, Setup};

pub(crate) const PASSWORD: &str = "violet-anchor-71-harbour";

pub(crate) async fn sign_up(server: &Server, body: &Value) -> Answer {
    server.send(server.client.post(format!("{}/account", server.base)).json(body)).await
}

pub(crate) fn person(name: &str, email: &str) -> Value {
    json!({"username": name, "email": email, "password": PASSWORD})
}

/// The body with `field` set to `value`.
fn but(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

/// Asserts that exactly one field was refused, and by which rule.
#[track_caller]
fn assert_refused(answer: &Answer, field: &str, rule: &str) {
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json["type"], "urn:heirloom:problem:invalid");
    let errors = answer.json["errors"].as_array().unwrap();
    let found: Vec<_> = errors.iter().map(|error| (&error["field"], &error["rule"])).collect();
    assert_eq!(found, [(&json!(field), &json!(rule))], "{}", answer.text);
    assert!(errors[0]["message"].as_str().unwrap().ends_with('.'));
}

fn by_email(setup: &mut Setup) {
    setup.config.accounts.login_with_email = true;
}

#[tokio::test]
async fn who_signs_up_gets_the_account_and_can_sign_in() {
    let server = Server::start().await;
    let body = but(person(" José ", "Jose@Example.COM"), "display_name", " José  L. ");
    let answer = sign_up(&server, &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!((answer.header("location"), answer.header("cache-control")), ("/account", "no-store"));
    let signed_in = server.sign_in_as("JOSE\u{301}", PASSWORD).await;
    let expected = json!({
        "id": signed_in.claims()["sub"],
        "username": "josé",
        "display_name": "José L.",
        "email": "Jose@example.com",
        "email_verified": false,
        "roles": ["user"],
    });
    assert_eq!(answer.json, expected);
    assert_eq!(signed_in.claims()["roles"], json!(["user"]));
    let by_address = server.sign_in_as("jose@example.com", PASSWORD).await;
    assert_eq!(by_address.outcome(), (400, "invalid_grant"), "an address is no name unless it is set so");
}

#[tokio::test]
async fn what_is_wrong_is_named_by_field_and_rule() {
    let server = Server::with(|setup| setup.config.throttle.network_sign_ups = 1000).await;
    let eve = || person("eve", "eve@example.com");
    for (body, field, rule) in [
        (but(eve(), "username", "ANN"), "username", "taken"),
        (but(eve(), "username", "ａｎｎ"), "username", "taken"),
        (but(eve(), "username", "  "), "username", "empty"),
        (but(eve(), "username", "e ve"), "username", "not_permitted"),
        (but(eve(), "username", "e\u{1b}[31m"), "username", "not_permitted"),
        (but(eve(), "username", "e".repeat(129)), "username", "too_long"),
        (but(eve(), "email", "eve"), "email", "malformed"),
        (but(eve(), "email", "eve@example.com\r\nBcc: ann@example.com"), "email", "malformed"),
        (but(eve(), "email", ""), "email", "empty"),
        (but(eve(), "email", format!("{}@example.com", "e".repeat(65))), "email", "too_long"),
        (but(eve(), "display_name", "a\u{202e}b"), "display_name", "not_permitted"),
        (but(eve(), "password", "q7#Vz!p"), "password", "too_short"),
        (but(eve(), "password", "iloveyou"), "password", "guessable"),
        (but(eve(), "password", "eve@example.com"), "password", "guessable"),
        (but(eve(), "password", ""), "password", "empty"),
        (but(eve(), "invitation", "made-up"), "invitation", "not_valid"),
    ] {
        assert_refused(&sign_up(&server, &body).await, field, rule);
    }
    let before = server.app.passwords.hashes_started();
    assert_refused(&sign_up(&server, &but(eve(), "password", "é".repeat(513))).await, "password", "too_long");
    assert_eq!(server.app.passwords.hashes_started(), before, "refused before any hash");
    // Nothing of the refused sign-ups was stored.
    assert_eq!(sign_up(&server, &eve()).await.status, 201);
}

#[tokio::test]
async fn a_malformed_sign_up_is_400_and_repeats_no_value() {
    let server = Server::start().await;
    for body in [
        r#"{"username": "eve", "email": "eve@example.com", "password": {"a": "canary-77"}}"#,
        r#"{"username": "eve", "email": ["canary-77"], "password": "x"}"#,
        r#"{"username": "eve", "password": "canary-77"}"#,
        r#"{"username": "eve", "email": "eve@example.com", "password": "canary-77", "role": "admin"}"#,
        r#"["canary-77"]"#,
        r#"{"username": "canary-77"#,
    ] {
        let request = server.client.post(format!("{}/account", server.base)).body(body);
        let answer = server.send(request.header("content-type", "application/json")).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
}

#[tokio::test]
async fn of_parallel_sign_ups_with_one_name_one_is_made() {
    let server = Server::with(by_email).await;
    for (same, other) in [("name", "address"), ("address", "name")] {
        let tries = (0..8).map(|index| {
            let (name, email) = if same == "name" {
                ("bob".to_owned(), format!("bob-{index}@example.com"))
            } else {
                (format!("carl-{index}"), "carl@example.com".to_owned())
            };
            let request = server.client.post(format!("{}/account", server.base)).json(&person(&name, &email));
            tokio::spawn(async move { Answer::of(request.send().await.unwrap()).await })
        });
        let mut made = 0;
        for answer in tries.collect::<Vec<_>>() {
            let answer = answer.await.unwrap();
            made += usize::from(answer.status == 201);
            if answer.status != 201 {
                assert_refused(&answer, if same == "name" { "username" } else { "email" }, "taken");
            }
        }
        assert_eq!(made, 1, "same {same}, another {other}");
    }
}

#[tokio::test]
async fn nobody_signs_up_where_it_is_closed() {
    let server = Server::with(|setup| setup.config.accounts.registration = SignUp::Closed).await;
    let invitation = server.app.accounts.invite(Vec::new(), Duration::from_hours(1)).await.unwrap();
    let with = but(person("eve", "eve@example.com"), "invitation", invitation.code.as_str());
    for body in [person("eve", "eve@example.com"), with] {
        let answer = sign_up(&server, &body).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.json["type"], "urn:heirloom:problem:registration-closed");
    }
    assert_eq!(server.sign_in_as("eve", PASSWORD).await.status, 400);
}

#[tokio::test]
async fn an_invitation_is_good_for_one_account_and_brings_its_roles() {
    let server = Server::with(|setup| {
        setup.config.accounts.registration = SignUp::Invite;
        // Hashing takes long here, so that several sign-ups find the invitation unused.
        setup.cost = Cost::RECOMMENDED;
    })
    .await;
    let eve = || person("eve", "eve@example.com");
    assert_refused(&sign_up(&server, &eve()).await, "invitation", "required");
    let invited =
        server.app.accounts.invite(vec!["moderator".to_owned()], Duration::from_hours(1)).await.unwrap();
    let code = invited.code.as_str();
    // A sign-up that fails does not use the invitation up.
    let weak = but(but(eve(), "invitation", code), "password", "iloveyou");
    assert_refused(&sign_up(&server, &weak).await, "password", "guessable");
    let before = server.app.passwords.hashes_started();
    let tries = (0..8).map(|index| {
        let body = person(&format!("eve-{index}"), &format!("eve-{index}@example.com"));
        let body = but(body, "invitation", code);
        let request = server.client.post(format!("{}/account", server.base)).json(&body);
        tokio::spawn(async move { Answer::of(request.send().await.unwrap()).await })
    });
    let mut made = Vec::new();
    for answer in tries.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        if answer.status == 201 {
            made.push(answer);
        } else {
            assert_refused(&answer, "invitation", "not_valid");
        }
    }
    assert!(server.app.passwords.hashes_started() - before > 1, "they met");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].json["roles"], json!(["moderator"]));
    assert_eq!(made[0].json["id"], invited.account.to_string());
    let again = but(person("again", "again@example.com"), "invitation", code);
    assert_refused(&sign_up(&server, &again).await, "invitation", "not_valid");
    let stream = heirloom::user::stream(invited.account).unwrap();
    let events = server.app.store.read_stream(stream, 0, 10).await.unwrap();
    let events: Vec<_> = events.iter().map(|event| UserEvent::decode(&event.data).unwrap()).collect();
    assert!(matches!(events[..], [UserEvent::Invited { .. }, UserEvent::Registered { .. }]), "{events:?}");
}

#[tokio::test]
async fn an_invitation_expires_and_is_forgotten_and_its_code_is_nowhere_in_the_store() {
    let server = Server::with(|setup| setup.config.accounts.registration = SignUp::Invite).await;
    let invited = server.app.accounts.invite(Vec::new(), Duration::from_hours(1)).await.unwrap();
    let code = invited.code.as_str();
    for (key, value) in vault_of(&server).await {
        assert!(!contains(key.as_bytes(), code) && !contains(&value, code));
    }
    let eve = but(person("eve", "eve@example.com"), "invitation", code);
    server.wait(3600);
    assert_refused(&sign_up(&server, &eve).await, "invitation", "not_valid");
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().invitations, 1);
    let kept = server.app.store.scan(vault::open_invitations(), None, 10).await.unwrap();
    assert!(kept.is_empty());
}

#[tokio::test]
async fn sign_ups_are_throttled_by_network_and_sign_ins_are_not_touched_by_it() {
    let server = Server::with(|setup| {
        setup.config.throttle.network_sign_ups = 3;
        setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    let from = async |peer: &str, name: &str| {
        let request = server.client.post(format!("{}/account", server.base));
        let body = person(name, &format!("{name}@example.com"));
        server.send(request.json(&body).header("x-forwarded-for", peer)).await
    };
    for (name, status) in [("ann", 422), ("eve-1", 201), ("eve-2", 201)] {
        assert_eq!(from("203.0.113.9", name).await.status, status, "{name}");
    }
    let before = server.app.passwords.hashes_started();
    let throttled = from("203.0.113.9", "eve-3").await;
    assert_eq!(throttled.status, 429, "{}", throttled.text);
    assert!(throttled.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(throttled.header("content-type"), "application/problem+json");
    assert_eq!(server.app.passwords.hashes_started(), before);
    assert_eq!(from("203.0.113.10", "bob").await.status, 201, "another network");
    assert_eq!(server.sign_in().await.status, 200);
    server.wait(600);
    assert_eq!(from("203.0.113.9", "eve-3").await.status, 201, "not for good");
}

#[tokio::test]
async fn without_a_good_invitation_nobody_is_told_who_exists() {
    let server = Server::with(|setup| {
        by_email(setup);
        setup.config.accounts.registration = SignUp::Invite;
        setup.config.throttle.network_sign_ups = 1000;
    })
    .await;
    let invitation =
        server.app.accounts.invite(vec!["user".to_owned()], Duration::from_hours(1)).await.unwrap();
    let code = invitation.code.as_str();
    assert_eq!(
        sign_up(&server, &but(person("bob", "bob@example.com"), "invitation", code)).await.status,
        201
    );
    let hashes = server.app.passwords.hashes_started();
    let mut answers = Vec::new();
    // An unknown code, and one that was used.
    for code in ["made-up", code] {
        for (name, address) in [
            ("nobody", "nobody@example.com"),
            ("bob", "nobody@example.com"),
            ("nobody", "bob@example.com"),
            ("bob@example.com", "other@example.com"),
            ("ann", "bob@example.com"),
        ] {
            for password in [PASSWORD, "iloveyou"] {
                let body = but(but(person(name, address), "invitation", code), "password", password);
                let answer = sign_up(&server, &body).await;
                assert_refused(&answer, "invitation", "not_valid");
                answers.push(answer.text);
            }
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(server.app.passwords.hashes_started(), hashes, "nor by the time that it takes");
}

#[tokio::test]
async fn a_forwarded_address_is_no_way_around_the_limit_of_sign_ups() {
    let server = Server::with(|setup| setup.config.throttle.network_sign_ups = 3).await;
    let mut statuses = Vec::new();
    for index in 0..5 {
        let request = server.client.post(format!("{}/account", server.base));
        let request = request.header("x-forwarded-for", format!("203.0.113.{index}"));
        let body = person(&format!("eve-{index}"), "eve@example.com");
        statuses.push(server.send(request.json(&body)).await.status);
    }
    assert_eq!(statuses, [201, 201, 201, 429, 429]);
}

#[tokio::test]
async fn sign_ups_that_overflow_the_hashing_pool_are_503_with_retry_after_and_not_counted() {
    let server = Server::with(|setup| {
        setup.config.passwords.threads = 1;
        setup.config.passwords.queue = 1;
        setup.config.throttle.network_sign_ups = 17;
        setup.cost = Cost::RECOMMENDED;
    })
    .await;
    let storm = (0..16).map(|index| {
        let body = person(&format!("eve-{index}"), &format!("eve-{index}@example.com"));
        let request = server.client.post(format!("{}/account", server.base)).json(&body);
        tokio::spawn(async move { Answer::of(request.send().await.unwrap()).await })
    });
    let (mut made, mut busy) = (0_u32, 0_u32);
    for answer in storm.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        made += u32::from(answer.status == 201);
        if answer.status != 201 {
            assert_eq!(answer.status, 503, "{}", answer.text);
            assert!(!answer.header("retry-after").is_empty());
            assert_eq!(answer.json["type"], "urn:heirloom:problem:unavailable");
            busy += 1;
        }
    }
    assert!(made > 0 && busy > 2, "{made} made, {busy} told to come back");
    for name in ["kim", "lea"] {
        assert_eq!(sign_up(&server, &person(name, "k@example.com")).await.status, 201, "not counted");
    }
}

/// All vault records.
pub(crate) async fn vault_of(server: &Server) -> Vec<(RecordKey, Vec<u8>)> {
    server.app.store.scan(RecordKey::vault(&[]), None, 100_000).await.unwrap()
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
