//! Requests that a client pushes (RFC 9126).

use url::Url;

use super::{CALLBACK, CHALLENGE, request, written};
use crate::support::web_browser::Browser;
use crate::support::{CONFIDENTIAL, PUBLIC, SECRET, Server, USER};
use crate::sweep::sweep_all;

/// Pushes a request of the confidential client.
pub(super) async fn push(server: &Server, more: &[(&str, &str)]) -> crate::support::Answer {
    let usual = [
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid read"),
        ("state", "a state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let form = [&usual[..], more].concat();
    let request = server.client.post(format!("{}/oauth/par", server.base)).form(&form);
    server.send(request.basic_auth(CONFIDENTIAL, Some(SECRET))).await
}

pub(super) fn with_uri(browser: &Browser, client: &str, uri: &str) -> Url {
    let mut url = browser.url("/oauth/authorize");
    url.query_pairs_mut().append_pair("client_id", client).append_pair("request_uri", uri);
    url
}

#[tokio::test]
async fn a_pushed_request_is_good_once_for_its_client_and_for_ninety_seconds() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let before = written(&server).await;
    let pushed = push(&server, &[]).await;
    assert_eq!((pushed.status, pushed.json["expires_in"].as_u64()), (201, Some(90)));
    assert_eq!(written(&server).await, before, "nothing is stored");
    let uri = pushed.json["request_uri"].as_str().unwrap().to_owned();
    let foreign = browser.open(&with_uri(&browser, PUBLIC, &uri)).await;
    assert_eq!(foreign.status(), 400);
    let asked = with_uri(&browser, CONFIDENTIAL, &uri);
    let delivery = browser.sign_in(&asked, USER).await;
    assert_eq!(delivery.get("state"), "a state");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", delivery.code()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    let tokens = server.send(server.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    let again = browser.begin(&asked).await.delivery();
    assert_eq!((again.get("error"), again.get("state")), ("invalid_request_uri", "a state"));
    let uri = push(&server, &[]).await.json["request_uri"].as_str().unwrap().to_owned();
    server.wait(90);
    let late = browser.begin(&with_uri(&browser, CONFIDENTIAL, &uri)).await.delivery();
    assert_eq!(late.get("error"), "invalid_request_uri");
    // The page takes no pushed request.
    let sealed = uri.rsplit(':').next().unwrap();
    let page = browser.open(&browser.url(&format!("/login?request={sealed}"))).await;
    assert_eq!(page.status(), 400);
    for (more, code) in [
        (("redirect_uri", "https://evil.example"), "invalid_request"),
        (("request_uri", uri.as_str()), "request_uri_not_supported"),
        (("prompt", "smile"), "invalid_request"),
    ] {
        let refused = push(&server, &[more]).await;
        assert_eq!(
            (refused.status, refused.error() == code || more.0 == "redirect_uri"),
            (400, true),
            "{more:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_must_push_is_refused_otherwise() {
    let server = Server::with(|setup| {
        setup.client(CONFIDENTIAL, |client| client.metadata.require_pushed_authorization_requests = true);
    })
    .await;
    let mut browser = Browser::of(&server);
    let asked = request(&browser, &[("client_id", CONFIDENTIAL)]);
    assert_eq!(browser.begin(&asked).await.delivery().get("error"), "invalid_request");
    let uri = push(&server, &[]).await.json["request_uri"].as_str().unwrap().to_owned();
    assert_eq!(browser.begin(&with_uri(&browser, CONFIDENTIAL, &uri)).await.page().url.path(), "/login");
}

#[tokio::test]
async fn a_pushed_request_whose_code_was_never_redeemed_is_used_all_the_same() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let uri = push(&server, &[]).await.json["request_uri"].as_str().unwrap().to_owned();
    let asked = with_uri(&browser, CONFIDENTIAL, &uri);
    let login = browser.begin(&asked).await.page();
    let next = browser.submit(login.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
    let consent = browser.settle(next).await.page();
    let allow = consent.form_to("/consent").press("action", "allow");
    let first = browser.submit(allow.clone()).await;
    let code = browser.settle(first).await.delivery().code().to_owned();
    // Clicked twice, or the same link again: the same code, as long as that is good.
    let twice = browser.submit(allow.clone()).await;
    assert_eq!(browser.settle(twice).await.delivery().code(), code);
    server.wait(1);
    assert_eq!(browser.begin(&asked).await.delivery().code(), code);
    server.wait(60);
    assert_eq!(sweep_all(&server).await.removed, 0, "it is remembered");
    for minutes in [0, 30, 28] {
        server.wait(minutes * 60);
        sweep_all(&server).await;
        let late = browser.submit(allow.clone()).await;
        assert_eq!(browser.settle(late).await.delivery().get("error"), "invalid_request_uri", "{minutes}");
    }
    // Not longer than the request is good.
    server.wait(3 * 60);
    assert_eq!(browser.submit(allow).await.status(), 400, "the request has expired");
    server.wait(60);
    assert_eq!(sweep_all(&server).await.removed, 1);
}

#[tokio::test]
async fn asking_for_another_account_does_not_make_a_pushed_request_good_for_longer() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let uri = push(&server, &[]).await.json["request_uri"].as_str().unwrap().to_owned();
    let login = browser.begin(&with_uri(&browser, CONFIDENTIAL, &uri)).await.page();
    let next = browser.submit(login.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
    let consent = browser.settle(next).await.page();
    server.wait(59 * 60);
    let switched = browser.submit(consent.form_to("/consent").press("action", "switch")).await;
    let login = browser.settle(switched).await.page();
    assert_eq!((login.status(), login.url.path()), (200, "/login"));
    server.wait(3 * 60);
    let late = browser.submit(login.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
    assert_eq!(late.status(), 400, "the request has expired");
}
