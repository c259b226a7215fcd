//! Signing in with an e-mail address: an address belongs to one account, and nobody is told which.

use crate::sign_up::{PASSWORD, assert_refused, by_email, person, sign_up};
use crate::support::{Server, Setup, USER};

#[tokio::test]
async fn with_login_with_email_all_spellings_of_an_address_are_one_account() {
    let server = Server::with(by_email).await;
    assert_eq!(sign_up(&server, &person("bob", "Bob@bücher.example")).await.status, 201);
    let by_name = server.sign_in_as("bob", PASSWORD).await;
    for spelling in ["bob@bücher.example", " BOB@XN--BCHER-KVA.EXAMPLE ", "Bob@Bücher.Example"] {
        let by_address = server.sign_in_as(spelling, PASSWORD).await;
        assert_eq!(by_address.claims()["sub"], by_name.claims()["sub"], "{spelling}");
    }
    assert_refused(&sign_up(&server, &person("eve", "BOB@xn--bcher-kva.example")).await, "email", "taken");
    // Nobody can take an address as a name, nor a name that is an address as their address.
    assert_refused(
        &sign_up(&server, &person("bob@bücher.example", "e@e.example")).await,
        "username",
        "taken",
    );
    assert_eq!(sign_up(&server, &person("kim@example.com", "kim@example.com")).await.status, 201);
    assert_refused(&sign_up(&server, &person("eve", "kim@example.com")).await, "email", "taken");
}

/// The answers to a wrong password for each of the names: status, `Retry-After` and body.
async fn guesses(server: &Server, names: &[&str]) -> Vec<(u16, String, String)> {
    let mut answers = Vec::new();
    for (attempt, name) in names.iter().enumerate() {
        let answer = server.sign_in_as(name, &format!("wrong {attempt}")).await;
        answers.push((answer.status, answer.header("retry-after").to_owned(), answer.text));
    }
    answers
}

#[tokio::test]
async fn with_login_with_email_throttling_tells_neither_who_exists_nor_which_address_is_whose() {
    let limited = |setup: &mut Setup| {
        by_email(setup);
        setup.config.throttle.account_attempts = 3;
    };
    let server = Server::with(limited).await;
    assert_eq!(sign_up(&server, &person("bob", "bob@bücher.example")).await.status, 201);
    // All spellings of an address share a counter, whether somebody has it or not: upper case, full width, a soft
    // hyphen in the domain, its ASCII form.
    let spellings = |name: &str| {
        [
            format!("{name}@bücher.example"),
            format!("{}@BÜCHER.example", name.to_uppercase()),
            format!("{name}@bü\u{ad}cher.example"),
            format!("{name}@ｂücher.ｅxample"),
            format!(" {name}@xn--bcher-kva.example "),
        ]
    };
    let known = guesses(&server, &spellings("bob").each_ref().map(String::as_str)).await;
    let unknown = guesses(&server, &spellings("eve").each_ref().map(String::as_str)).await;
    assert_eq!(known, unknown);
    assert_eq!(known.iter().map(|answer| answer.0).collect::<Vec<_>>(), [400, 400, 400, 429, 429]);
    // A name and an address in turns: it makes no difference whether they belong to one account.
    // Some hours later, all is forgotten.
    server.wait(6 * 60 * 60);
    let known = guesses(&server, &["bob", "bob@bücher.example"].repeat(4)).await;
    let unknown = guesses(&server, &["eve", "eve@bücher.example"].repeat(4)).await;
    let mixed = guesses(&server, &["kim", "lea@bücher.example"].repeat(4)).await;
    assert_eq!((&known, &known), (&unknown, &mixed));
    assert_eq!(known.iter().filter(|answer| answer.0 == 400).count(), 6, "each has a counter of its own");
}

#[tokio::test]
async fn a_network_that_is_known_to_the_address_is_known_to_the_name() {
    let server = Server::with(|setup| {
        by_email(setup);
        setup.config.throttle.account_attempts = 3;
        setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    assert_eq!(sign_up(&server, &person("bob", "bob@example.com")).await.status, 201);
    let from = async |address: &str, name: &str, password: &str| {
        let form =
            [("grant_type", "password"), ("client_id", "web"), ("username", name), ("password", password)];
        server.send(server.token().header("x-forwarded-for", address).form(&form)).await.status
    };
    assert_eq!(from("192.0.2.1", "bob@example.com", PASSWORD).await, 200);
    for stranger in ["203.0.113.1", "203.0.113.2"] {
        for attempt in 0..4 {
            from(stranger, "bob", &format!("wrong {attempt}")).await;
        }
    }
    assert_eq!(from("203.0.113.3", "bob", PASSWORD).await, 429, "two networks close the name to strangers");
    assert_eq!(from("192.0.2.1", "bob", PASSWORD).await, 200);
}

#[tokio::test]
async fn with_login_with_email_an_unknown_address_is_answered_like_a_wrong_password() {
    let server = Server::with(by_email).await;
    assert_eq!(sign_up(&server, &person("bob", "bob@example.com")).await.status, 201);
    let mut answers = Vec::new();
    for name in ["nobody@example.com", "bob@example.com", "bob"] {
        let before = server.app.passwords.hashes_started();
        let answer = server.sign_in_as(name, "x").await;
        assert_eq!(server.app.passwords.hashes_started() - before, 1, "{name}");
        answers.push((answer.status, answer.text));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn without_login_with_email_sign_up_does_not_tell_which_addresses_are_known() {
    let server = Server::start().await;
    assert_eq!(sign_up(&server, &person("bob", "bob@example.com")).await.status, 201);
    assert_eq!(sign_up(&server, &person("eve", "bob@example.com")).await.status, 201);
    let server = server.restart(by_email).await;
    assert_eq!(server.sign_in_as("bob@example.com", PASSWORD).await.status, 400, "given before it was set");
    assert_eq!(server.sign_in_as(USER.0, USER.1).await.status, 200);
}
