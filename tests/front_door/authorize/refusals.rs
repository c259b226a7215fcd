//! Which requests are refused, and where that is said: on a page until client and redirect URI are good, then to the
//! client.

use url::Url;

use super::{CALLBACK, CHALLENGE, request};
use crate::support::web_browser::Browser;
use crate::support::{CONFIDENTIAL, PUBLIC, Server, USER};

/// The answer to the client: its parameters by name.
async fn answered(browser: &mut Browser, asked: &Url) -> (String, String, String) {
    let page = browser.come_from("https://client.example/", asked).await;
    let to = page.leads_to();
    assert!(to.as_str().starts_with(CALLBACK), "{asked}: {to}");
    let get = |name: &str| {
        let mut found = to.query_pairs().filter(|(given, _)| given == name);
        let value = found.next().map(|(_, value)| value.into_owned()).unwrap_or_default();
        assert!(found.next().is_none(), "{name} twice: {to}");
        value
    };
    assert_eq!(get("iss"), browser.url("").as_str().trim_end_matches('/'), "RFC 9207: {to}");
    assert!(get("code").is_empty(), "{to}");
    (get("error"), get("error_description"), get("state"))
}

/// RFC 6749 §4.1.2.1: the server MUST NOT redirect to a bad redirect URI, whatever else is wrong.
#[tokio::test]
async fn until_client_and_redirect_uri_are_good_there_is_a_page() {
    let server = Server::with(|setup| setup.client(CONFIDENTIAL, |client| client.disabled = true)).await;
    let mut browser = Browser::of(&server);
    for (more, said) in [
        (&[("client_id", "")][..], "client_id is missing"),
        (&[("client_id", "nobody")], "no client here"),
        (&[("client_id", CONFIDENTIAL)], "no client here"),
        (&[("client_id", "\u{1}")], "no client here"),
        (&[("client_id", PUBLIC), ("client_id", PUBLIC)], "client_id is there more than once"),
        (&[("redirect_uri", "")], "redirect_uri is missing"),
        (&[("redirect_uri", CALLBACK), ("redirect_uri", CALLBACK)], "redirect_uri is there more than once"),
        (&[("redirect_uri", CALLBACK), ("redirect_uri", "https://evil.example")], "more than once"),
        (&[("redirect_uri", "https://evil.example"), ("response_type", "x")], "not registered"),
        (&[("redirect_uri", "https://evil.example"), ("prompt", "none")], "not registered"),
        (&[("request_uri", "urn:ietf:params:oauth:request_uri:hpr_x")], "request_uri was not given"),
    ] {
        let asked = request(&browser, more);
        let page = browser.come_from("https://client.example/", &asked).await;
        assert_eq!((page.status(), page.is_redirect()), (400, false), "{asked}");
        assert!(page.text().contains(said), "{asked}: {}", page.text());
        assert!(!page.text().contains("callback"), "what is registered is nobody's business");
        assert!(page.answer.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(page.answer.header("set-cookie"), "");
    }
}

/// Each is a redirect URI that something takes for a registered one.
#[tokio::test]
async fn redirect_uris_that_look_like_a_registered_one_lead_to_a_page() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| {
            client.metadata.redirect_uris =
                ["https://app.example/cb", "http://127.0.0.1/callback", "com.example.app:/cb"]
                    .map(|uri| uri.parse().unwrap())
                    .to_vec();
        });
    })
    .await;
    let mut browser = Browser::of(&server);
    for uri in [
        "https://app.example/cb/",
        "https://app.example/cb?",
        "https://app.example/cb?x=y",
        "https://app.example/cb#",
        "https://app.example/CB",
        "HTTPS://app.example/cb",
        "https://APP.example/cb",
        "https://app.example:443/cb",
        "https://app.example:444/cb",
        "https://app.example./cb",
        "https://app.example/x/../cb",
        "https://app.example/./cb",
        "https://app.example/%63b",
        "https://app.example%2Fcb",
        "https://app.example//cb",
        "https://app.example\\cb",
        "https://app.example\\@evil.example/cb",
        "https://app.example@evil.example/cb",
        "https://user:password@app.example/cb",
        "https://app.example.evil.example/cb",
        "https://evil.example/https://app.example/cb",
        "https://\u{430}pp.example/cb",
        "https://xn--pp-8cd.example/cb",
        "http://app.example/cb",
        "//app.example/cb",
        "/cb",
        "app.example/cb",
        " https://app.example/cb",
        "https://app.example/cb ",
        "https://app.example/cb\n",
        "https://app.example/cb\u{0}",
        "javascript:alert(1)//https://app.example/cb",
        "data:text/html,https://app.example/cb",
        "http://127.0.0.1/callback/",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.2/callback",
        "http://localhost/callback",
        "http://[::1]/callback",
        "https://127.0.0.1/callback",
        "com.example.app:/cb2",
        "com.example.app://cb",
        "com.example.APP:/cb",
    ] {
        let asked = request(&browser, &[("redirect_uri", uri)]);
        let page = browser.come_from("https://client.example/", &asked).await;
        assert_eq!((page.status(), page.answer.header("location")), (400, ""), "{uri}");
    }
    for uri in [
        "https://app.example/cb",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:51234/callback",
        "com.example.app:/cb",
    ] {
        let asked = request(&browser, &[("redirect_uri", uri), ("prompt", "none")]);
        let to = browser.come_from("https://client.example/", &asked).await.leads_to();
        assert!(to.as_str().starts_with(uri), "{to}");
    }
}

/// Parameter pollution, downgrades, and what is not supported: the client is told, with its state and the issuer.
#[tokio::test]
async fn what_else_is_wrong_the_client_is_told() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    for (more, code, state) in [
        (&[("response_type", "")][..], "invalid_request", "a state"),
        (&[("response_type", "token")], "unsupported_response_type", "a state"),
        (&[("response_type", "code id_token")], "unsupported_response_type", "a state"),
        (&[("response_mode", "fragment")], "invalid_request", "a state"),
        (&[("request", "eyJhbGciOiJub25lIn0.e30.")], "request_not_supported", "a state"),
        (&[("request_uri", "https://client.example/r.jwt")], "request_uri_not_supported", "a state"),
        (&[("registration", "{}")], "registration_not_supported", "a state"),
        (&[("scope", "fly")], "invalid_scope", "a state"),
        (&[("scope", "\"")], "invalid_scope", "a state"),
        (&[("resource", "https://other.example")], "invalid_target", "a state"),
        (&[("code_challenge", "")], "invalid_request", "a state"),
        (&[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request", "a state"),
        (&[("code_challenge_method", "")], "invalid_request", "a state"),
        (&[("code_challenge_method", "plain")], "invalid_request", "a state"),
        (&[("prompt", "none login")], "invalid_request", "a state"),
        (&[("max_age", "-1")], "invalid_request", "a state"),
        (&[("scope", "read"), ("scope", "write")], "invalid_request", "a state"),
        (&[("response_type", "code"), ("response_type", "code")], "invalid_request", "a state"),
        (
            &[
                ("code_challenge", CHALLENGE),
                ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN"),
            ],
            "invalid_request",
            "a state",
        ),
        (&[("nonce", "a"), ("nonce", "b")], "invalid_request", "a state"),
        // Two states: neither goes back.
        (&[("state", "a"), ("state", "b")], "invalid_request", ""),
        (&[("prompt", "none")], "login_required", "a state"),
        (&[("prompt", "none"), ("id_token_hint", "x")], "login_required", "a state"),
    ] {
        let asked = request(&browser, more);
        let (error, description, sent_back) = answered(&mut browser, &asked).await;
        assert_eq!((error.as_str(), sent_back.as_str()), (code, state), "{asked}: {description}");
        assert!(!description.is_empty());
        // RFC 6749 §4.1.2.1.
        assert!(description.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)));
    }
    let long = "s".repeat(4097);
    let asked = request(&browser, &[("state", &long)]);
    assert_eq!(answered(&mut browser, &asked).await.0, "invalid_request");
    let long = "n".repeat(2049);
    let asked = request(&browser, &[("nonce", &long)]);
    assert_eq!(answered(&mut browser, &asked).await.0, "invalid_request");
}

/// An encoding that two programs read in two ways is read in none.
#[tokio::test]
async fn a_request_that_cannot_be_read_is_a_page() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    for tail in ["&x=%", "&x=%zz", "&x=%ff", &"&a=b".repeat(65)] {
        let asked = Url::parse(&format!("{}{tail}", request(&browser, &[]))).unwrap();
        let page = browser.open(&asked).await;
        assert_eq!((page.status(), page.is_redirect()), (400, false), "{tail}");
    }
    let answer = server.client.put(request(&browser, &[])).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "GET, POST"));
}

/// A confidential client may be registered for sign-ins by OpenID Connect without PKCE; then the nonce finds an injected
/// code.
#[tokio::test]
async fn only_a_confidential_client_may_leave_pkce_out_and_needs_a_nonce_then() {
    use heirloom::client::PkcePolicy;
    let server = Server::with(|setup| {
        setup.client(CONFIDENTIAL, |client| client.metadata.pkce = PkcePolicy::Optional);
        setup.client(PUBLIC, |client| client.metadata.pkce = PkcePolicy::Optional);
    })
    .await;
    let mut browser = Browser::of(&server);
    let without = [("code_challenge", ""), ("code_challenge_method", ""), ("prompt", "none")];
    for (client, more, code) in [
        (CONFIDENTIAL, &[("nonce", "n")][..], "login_required"),
        (CONFIDENTIAL, &[], "invalid_request"),
        (CONFIDENTIAL, &[("nonce", "n"), ("scope", "read")], "invalid_request"),
        (CONFIDENTIAL, &[("nonce", "n"), ("code_challenge_method", "S256")], "invalid_request"),
        (PUBLIC, &[("nonce", "n")], "invalid_request"),
    ] {
        let kept = without.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        let more: Vec<_> = kept.chain(more).copied().chain([("client_id", client)]).collect();
        let asked = request(&browser, &more);
        assert_eq!(answered(&mut browser, &asked).await.0, code, "{asked}");
    }
}

/// `ensure-registered-redirect-uri` and the rest happen before anybody is asked anything: nothing is written, and no
/// cookie is set.
#[tokio::test]
async fn an_anonymous_request_writes_nothing() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let before = (server.position().await, server.app.store.stats());
    for turn in 0..50 {
        let (state, prompt) = (format!("s{turn}"), if turn % 2 == 0 { "none" } else { "" });
        let asked = request(&browser, &[("state", &state), ("prompt", prompt)]);
        let page = browser.come_from("https://client.example/", &asked).await;
        assert_eq!(page.status(), 303);
        if prompt.is_empty() {
            assert_eq!(browser.follow(&page).await.status(), 200);
        }
    }
    let after = (server.position().await, server.app.store.stats());
    assert_eq!(before.0, after.0);
    assert_eq!(before.1.changes, after.1.changes);
    let delivery = browser.sign_in(&request(&browser, &[]), USER).await;
    assert!(!delivery.code().is_empty() && server.position().await > before.0);
}
