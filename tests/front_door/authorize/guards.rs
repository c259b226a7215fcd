//! Guards that only matter when something else is wrong as well, or has changed in between.

use url::Url;

use super::{CALLBACK, request};
use crate::support::codes::VERIFIER;
use crate::support::web_browser::signing_in::Arrival;
use crate::support::web_browser::{Browser, Page};
use crate::support::{Answer, CONFIDENTIAL, PUBLIC, Server, USER};

/// Pushes the usual request of the public client, changed by `more`.
async fn push(server: &Server, more: &[(&str, &str)]) -> Answer {
    let asked = request(&Browser::of(server), more);
    let form: Vec<(String, String)> = asked.query_pairs().into_owned().collect();
    server.send(server.client.post(format!("{}/oauth/par", server.base)).form(&form)).await
}

/// The URL to which the browser takes a request that was pushed.
fn pushed(browser: &Browser, answer: &Answer) -> Url {
    let mut url = browser.url("/oauth/authorize");
    let request_uri = answer.json["request_uri"].as_str().unwrap();
    url.query_pairs_mut().extend_pairs([("client_id", PUBLIC), ("request_uri", request_uri)]);
    url
}

/// Fails unless the request ends on a page that says why.
async fn refused(browser: &mut Browser, asked: &Url, said: &str) {
    let page = browser.come_from("https://client.example/", asked).await;
    assert_eq!((page.status(), page.is_redirect()), (400, false), "{asked}");
    assert!(page.text().contains(said), "{asked}: {}", page.text());
}

fn asks_for_the_password(arrival: Arrival) -> Page {
    let page = arrival.page();
    assert!(page.form_to("/login").has_kind("password"), "{}", page.text());
    page
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_registered_is_not_pushed() {
    let server = Server::start().await;
    for uri in ["https://evil.example/callback", "http://127.0.0.1/callback/", "x"] {
        let answer = push(&server, &[("redirect_uri", uri)]).await;
        assert_eq!(answer.outcome(), (400, "invalid_request"), "{uri}");
        assert!(answer.text.contains("not registered"), "{uri}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_persons_time_begins_when_the_browser_brings_what_was_pushed() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let answer = push(&server, &[]).await;
    server.wait(80);
    let arrival = browser.begin(&pushed(&browser, &answer)).await;
    // An hour less a moment, which is more than an hour since it was pushed.
    server.wait(3600 - 20);
    assert!(browser.finish(arrival, USER).await.code().starts_with("hac_"));
}

#[tokio::test]
async fn a_redirect_uri_that_is_withdrawn_after_the_push_is_refused() {
    let server = Server::start().await;
    let answer = push(&server, &[]).await;
    let other = vec!["https://app.example/callback".parse().unwrap()];
    let server =
        server.restart(|setup| setup.client(PUBLIC, |client| client.metadata.redirect_uris = other)).await;
    let mut browser = Browser::of(&server);
    let asked = pushed(&browser, &answer);
    refused(&mut browser, &asked, "not registered").await;
}

/// OpenID Connect Core §3.1.2.1: without a page, only whom the hint names may be signed in.
#[tokio::test]
async fn with_prompt_none_a_hint_that_is_not_ours_names_nobody() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    browser.sign_in(&request(&browser, &[]), USER).await;
    for (hint, error) in [("", ""), ("x", "login_required"), ("e30.e30.", "login_required")] {
        let asked = request(&browser, &[("prompt", "none"), ("id_token_hint", hint)]);
        assert_eq!(browser.begin(&asked).await.delivery().get("error"), error, "{hint}");
    }
}

#[tokio::test]
async fn a_client_without_the_grant_is_told_so_at_its_redirect_uri() {
    let server =
        Server::with(|setup| setup.client(PUBLIC, |client| client.metadata.grant_types.clear())).await;
    let mut browser = Browser::of(&server);
    let answer = browser.begin(&request(&browser, &[])).await.delivery();
    assert_eq!((answer.get("error"), answer.get("state")), ("unauthorized_client", "a state"));
    assert_eq!(push(&server, &[]).await.error(), "unauthorized_client");
}

/// RFC 8252 §8.3: on some machines `localhost` is another one.
#[tokio::test]
async fn the_port_of_localhost_is_free_for_public_clients_alone() {
    let server = Server::with(|setup| {
        for id in [PUBLIC, CONFIDENTIAL] {
            setup.client(id, |client| {
                client.metadata.redirect_uris = vec!["http://localhost/callback".parse().unwrap()];
            });
        }
    })
    .await;
    let mut browser = Browser::of(&server);
    let other_port = ("redirect_uri", "http://localhost:33418/callback");
    asks_for_the_password(browser.begin(&request(&browser, &[other_port])).await);
    let asked = request(&browser, &[other_port, ("client_id", CONFIDENTIAL)]);
    refused(&mut browser, &asked, "not registered").await;
}

/// OpenID Connect Core §3.1.2.1: it is the same as `prompt=login`, also in the second of the sign-in.
#[tokio::test]
async fn max_age_0_asks_for_the_password_at_once() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    browser.sign_in(&request(&browser, &[]), USER).await;
    for (max_age, error) in [("1", ""), ("0", "login_required")] {
        let asked = request(&browser, &[("max_age", max_age), ("prompt", "none")]);
        assert_eq!(browser.begin(&asked).await.delivery().get("error"), error, "{max_age}");
    }
}

#[tokio::test]
async fn what_was_allowed_at_one_host_and_for_one_resource_is_asked_for_another() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| {
            client.metadata.redirect_uris =
                ["https://a.example/cb", "https://b.example/cb"].map(|uri| uri.parse().unwrap()).to_vec();
        });
    })
    .await;
    let mut browser = Browser::of(&server);
    let (a, b) = (("redirect_uri", "https://a.example/cb"), ("redirect_uri", "https://b.example/cb"));
    let (scope, resource) = (("scope", "openid"), ("resource", "demo-api"));
    browser.sign_in(&request(&browser, &[a, scope]), USER).await;
    browser.begin(&request(&browser, &[a, scope])).await.delivery().code();
    for more in [&[b, scope][..], &[a, scope, resource]] {
        let page = browser.begin(&request(&browser, more)).await.page();
        assert_eq!(page.url.path(), "/consent", "{more:?}");
    }
}

/// Somebody goes back in the browser, and allows what they have allowed.
#[tokio::test]
async fn a_page_that_is_answered_once_more_after_its_code_was_redeemed_gives_another_code() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let login = asks_for_the_password(browser.begin(&request(&browser, &[])).await);
    let next = browser.submit(login.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
    let consent = browser.settle(next).await.page();
    let mut codes = Vec::new();
    for _ in 0..2 {
        let allowed = browser.submit(consent.form_to("/consent").press("action", "allow")).await;
        let code = browser.settle(allowed).await.delivery().code().to_owned();
        let more = [("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        assert_eq!(server.redeem_with(&code, &more).await.status, 200);
        codes.push(code);
    }
    assert_ne!(codes[0], codes[1]);
}
