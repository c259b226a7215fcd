//! RP-initiated logout. The names of most tests are those of the OpenID Foundation's modules.

use heirloom::token::TokenType;
use serde_json::{Value, json};
use url::Url;

use super::request;
use crate::support::web_browser::{Browser, Page};
use crate::support::{PUBLIC, Server, USER};

const GOODBYE: &str = "https://app.example/goodbye";

async fn server() -> Server {
    Server::with(|setup| {
        setup.client(PUBLIC, |client| {
            client.metadata.post_logout_redirect_uris = vec![GOODBYE.parse().unwrap()];
        });
    })
    .await
}

/// A server, a browser that is signed in, and the claims of the ID token that the client would have.
async fn signed_in() -> (Server, Browser, Value) {
    let server = server().await;
    let mut browser = Browser::of(&server);
    browser.sign_in(&request(&browser, &[]), USER).await;
    let login = server.app.logins.current(&cookie(&browser)).await.unwrap().unwrap();
    let claims = json!({
        "iss": server.config.issuer, "sub": login.user.to_string(), "aud": PUBLIC, "sid": login.id.to_string(),
        "iat": 1, "exp": 2,
    });
    (server, browser, claims)
}

fn cookie(browser: &Browser) -> String {
    browser.cookie("heirloom_login").map(|cookie| cookie.value.clone()).unwrap_or_default()
}

fn signed(server: &Server, claims: &Value) -> String {
    server.app.keys.signing.signer().unwrap().sign(TokenType::Jwt, claims).unwrap()
}

fn url(browser: &Browser, pairs: &[(&str, &str)]) -> Url {
    let mut url = browser.url("/oauth/logout");
    url.query_pairs_mut().extend_pairs(pairs);
    url
}

async fn is_signed_in(browser: &mut Browser) -> bool {
    let asked = request(browser, &[("prompt", "none")]);
    let page = browser.come_from("https://app.example/", &asked).await;
    let to = page.leads_to();
    let error = to.query_pairs().find(|(name, _)| name == "error").map(|(_, value)| value.into_owned());
    assert!(matches!(error.as_deref(), None | Some("login_required")), "{to}");
    error.is_none()
}

/// A page, and the person is still signed in.
async fn stays(browser: &mut Browser, page: &Page, why: &str) {
    assert!(!page.is_redirect(), "{why}: {page:?}");
    assert!(is_signed_in(browser).await, "{why}");
}

#[tokio::test]
async fn rp_initiated_logout_ends_the_login_and_leads_back_with_the_state() {
    let (server, mut browser, claims) = signed_in().await;
    let hint = signed(&server, &claims);
    let state = "ä + %00 &=\u{0}";
    let asked = url(
        &browser,
        &[("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE), ("state", state)],
    );
    assert!(is_signed_in(&mut browser).await);
    let to = browser.come_from("https://app.example/", &asked).await.leads_to();
    assert!(to.as_str().starts_with(GOODBYE), "{to}");
    let pairs: Vec<(String, String)> = to.query_pairs().into_owned().collect();
    assert_eq!(pairs, [("state".to_owned(), state.to_owned())]);
    assert_eq!(cookie(&browser), "");
    assert!(!is_signed_in(&mut browser).await);
    // Once more, when nobody is signed in any more.
    assert!(browser.open(&asked).await.leads_to().as_str().starts_with(GOODBYE));
}

#[tokio::test]
async fn no_state() {
    let (server, mut browser, claims) = signed_in().await;
    let hint = signed(&server, &claims);
    let asked = url(&browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", GOODBYE)]);
    assert_eq!(browser.open(&asked).await.leads_to().as_str(), GOODBYE);
}

#[tokio::test]
async fn a_request_by_post_is_the_same_although_the_browser_hides_the_cookie() {
    let (server, mut browser, claims) = signed_in().await;
    let hint = signed(&server, &claims);
    let fields = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE), ("state", "s")];
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = http.post(url(&browser, &[])).form(&fields).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let to = browser.url(answer.headers()["location"].to_str().unwrap());
    let page = browser.come_from("https://app.example/", &to).await;
    assert_eq!(page.leads_to().as_str(), format!("{GOODBYE}?state=s"));
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn bad_post_logout_redirect_uri_and_query_added_to_it_redirect_nowhere() {
    let (server, mut browser, claims) = signed_in().await;
    let hint = signed(&server, &claims);
    for uri in [
        "https://app.example/other",
        "https://app.example/goodbye?a=b",
        "https://app.example/goodbye/",
        "https://app.example/GOODBYE",
        "https://app.example/goodbye#x",
        "https://app.example./goodbye",
        "https://app.example:443/goodbye",
        "https://app.example/x/../goodbye",
        "https://user@app.example/goodbye",
        "//app.example/goodbye",
        "javascript:alert(1)",
        "/login",
    ] {
        let asked = url(&browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", uri)]);
        let page = browser.open(&asked).await;
        assert_eq!(page.status(), 400, "{uri}");
        assert!(!page.answer.text.contains(GOODBYE), "what is registered is nobody's business: {uri}");
        stays(&mut browser, &page, uri).await;
    }
}

#[tokio::test]
async fn modified_id_token_hint_and_bad_id_token_hint_are_refused() {
    use base64::Engine as _;
    let encode = |json: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string());
    let (server, mut browser, claims) = signed_in().await;
    let good = signed(&server, &claims);
    let kid = server.app.keys.signing.signer().unwrap().kid().to_string();
    let (body, none) = (encode(&claims), encode(&json!({"alg": "none", "kid": kid, "typ": "JWT"})));
    let other = Server::start().await;
    let foreign = signed(
        &other,
        &json!({
            "iss": other.config.issuer, "sub": claims["sub"], "aud": PUBLIC, "sid": claims["sid"],
        }),
    );
    let mut of_access = claims.clone();
    of_access["client_id"] = json!(PUBLIC);
    let mut of_logout = claims.clone();
    of_logout["events"] = json!({});
    let mut of_nobody = claims.clone();
    of_nobody.as_object_mut().unwrap().remove("iss");
    let signer = server.app.keys.signing.signer().unwrap();
    let access = server.sign_in().await.access_token();
    for (what, hint) in [
        ("no algorithm", format!("{none}.{body}.")),
        ("its signature is cut off", format!("{}.{}.", good.split('.').next().unwrap(), body)),
        ("the signature of another text", good.replacen(&body, &encode(&json!({"sub": "x"})), 1)),
        ("of another issuer", foreign),
        ("an access token", access),
        ("an access token that says JWT", signed(&server, &of_access)),
        ("a logout token", signed(&server, &of_logout)),
        ("an access token by its header", signer.sign(TokenType::AtJwt, &claims).unwrap()),
        ("of no issuer", signed(&server, &of_nobody)),
        ("no token", "x".to_owned()),
    ] {
        let asked = url(&browser, &[("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE)]);
        let page = browser.open(&asked).await;
        assert_eq!(page.status(), 400, "{what}");
        stays(&mut browser, &page, what).await;
    }
    let asked = url(&browser, &[("id_token_hint", &good), ("client_id", "my-web_app")]);
    let page = browser.open(&asked).await;
    stays(&mut browser, &page, "the ID token of another client").await;
    let asked = url(&browser, &[("id_token_hint", &good), ("id_token_hint", &good)]);
    let page = browser.open(&asked).await;
    stays(&mut browser, &page, "twice").await;
}

/// `no-id-token-hint`, `no-params`, `only-state`: the person is asked, and nothing is redirected.
#[tokio::test]
async fn without_an_id_token_the_person_is_asked_and_told() {
    for more in [
        &[][..],
        &[("state", "s")],
        &[("post_logout_redirect_uri", GOODBYE), ("client_id", PUBLIC), ("state", "s")],
    ] {
        let (_server, mut browser, _) = signed_in().await;
        let asked = url(&browser, more);
        let page = browser.come_from("https://app.example/", &asked).await;
        let page = browser.settle(page).await.page();
        assert!(page.text().contains(USER.0), "{}", page.text());
        stays(&mut browser, &page, "asked").await;
        let page = browser.submit(page.form_to("/logout")).await;
        assert_eq!((page.status(), page.is_redirect()), (200, false));
        assert!(!is_signed_in(&mut browser).await, "{more:?}");
    }
}

#[tokio::test]
async fn no_post_logout_redirect_uri() {
    let (server, mut browser, claims) = signed_in().await;
    let asked = url(&browser, &[("id_token_hint", signed(&server, &claims).as_str()), ("state", "s")]);
    assert_eq!(browser.open(&asked).await.status(), 200);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn an_id_token_of_another_login_or_person_asks_first_and_then_leads_back() {
    let (server, mut browser, mut claims) = signed_in().await;
    let other = || json!("01890a5d-ac96-774b-bcce-b302099a8057");
    for (member, value) in [("sub", other()), ("sid", other()), ("sid", Value::Null)] {
        claims[member] = value;
        let hint = signed(&server, &claims);
        let asked = url(&browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", GOODBYE)]);
        let first = browser.come_from("https://app.example/", &asked).await;
        let page = browser.settle(first).await.page();
        assert!(page.form_to("/logout").has_kind("hidden"));
        assert!(is_signed_in(&mut browser).await);
        // No other site can answer for the person.
        let forged = browser.submit_from("https://evil.example/", page.form_to("/logout")).await;
        assert_eq!(forged.status(), 403);
        assert!(is_signed_in(&mut browser).await);
        let left = browser.submit(page.form_to("/logout")).await;
        assert_eq!(left.leads_to().as_str(), GOODBYE);
        assert!(!is_signed_in(&mut browser).await);
        browser.sign_in(&request(&browser, &[]), USER).await;
    }
}

#[tokio::test]
async fn the_form_needs_the_token_of_its_browser() {
    let (_server, mut browser, _) = signed_in().await;
    let page = browser.open(&browser.url("/logout")).await;
    let form = page.form_to("/logout").set("form_token", "hft_AAAA");
    let again = browser.submit(form).await;
    stays(&mut browser, &again, "a token of nobody").await;
    browser.submit(again.form_to("/logout")).await;
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_state_that_is_too_long_is_refused() {
    let (server, mut browser, claims) = signed_in().await;
    let hint = signed(&server, &claims);
    for (length, status) in [(4097, 400), (4096, 303)] {
        let state = "s".repeat(length);
        let more = [("id_token_hint", &*hint), ("post_logout_redirect_uri", GOODBYE), ("state", &state)];
        assert_eq!(browser.open(&url(&browser, &more)).await.status(), status, "{length}");
    }
}

#[tokio::test]
async fn a_question_that_is_answered_after_an_hour_leads_nowhere() {
    for (seconds, leads) in [(3599, true), (3600, false)] {
        let (server, mut browser, mut claims) = signed_in().await;
        claims["sid"] = Value::Null;
        let hint = signed(&server, &claims);
        let asked = url(&browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", GOODBYE)]);
        let first = browser.come_from("https://app.example/", &asked).await;
        let page = browser.settle(first).await.page();
        server.wait(seconds);
        let left = browser.submit(page.form_to("/logout")).await;
        assert_eq!(left.is_redirect() && left.leads_to().as_str() == GOODBYE, leads, "{seconds}");
    }
}

#[tokio::test]
async fn the_uri_of_a_client_that_was_switched_off_is_not_led_to() {
    let (server, browser, claims) = signed_in().await;
    let hint = signed(&server, &claims);
    let asked = url(&browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", GOODBYE)]);
    let server = server.restart(|setup| setup.client(PUBLIC, |client| client.disabled = true)).await;
    let mut browser = Browser::of(&server);
    assert_eq!(browser.open(&asked).await.status(), 400);
}
