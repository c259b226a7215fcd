//! What happens on the way: pages that are asked again, two tabs, other sites' forms, requests that are pushed.

use super::{CALLBACK, request};
use crate::support::web_browser::{Browser, Page};
use crate::support::{PUBLIC, Server, USER};

const BOB: (&str, &str) = ("bob", "quartz-tulip-39-lantern");

async fn server() -> Server {
    let server = Server::start().await;
    server.app.accounts.register(BOB.0, BOB.1, vec!["user".to_owned()]).await.unwrap();
    server
}

/// The page on which a request ends.
async fn page_of(browser: &mut Browser, more: &[(&str, &str)]) -> Page {
    let asked = request(browser, more);
    browser.begin(&asked).await.page()
}

/// The error of a request that shows no page.
async fn error_of(browser: &mut Browser, more: &[(&str, &str)]) -> String {
    let asked = request(browser, more);
    let delivery = browser.begin(&asked).await.delivery();
    assert_eq!(delivery.get("state"), "a state");
    delivery.get("error").to_owned()
}

fn cookie(browser: &Browser) -> String {
    browser.cookie("heirloom_login").map(|cookie| cookie.value.clone()).unwrap_or_default()
}

#[tokio::test]
async fn state_comes_back_byte_for_byte_by_both_ways() {
    let server = server().await;
    let long = "ä+ %00&".repeat(140);
    for (mode, states) in [
        ("query", &["+", " ", "%00", "\0", "a\r\nb", "ä€🦀", "&=#?/\\\"'<>", long.as_str()][..]),
        ("form_post", &["+", "%00", "ä€🦀", "&=#?/\\\"'<>", "</form><script>", long.as_str()][..]),
    ] {
        let mut browser = Browser::of(&server);
        for state in states {
            let asked = request(&browser, &[("response_mode", mode), ("state", state)]);
            let delivery = browser.sign_in(&asked, USER).await;
            assert_eq!(delivery.is_post, mode == "form_post");
            assert_eq!((delivery.get("state"), delivery.names()), (*state, vec!["code", "state", "iss"]));
        }
    }
}

#[tokio::test]
async fn ensure_post_request_succeeds() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    browser.sign_in(&request(&browser, &[]), USER).await;
    let asked = request(&browser, &[("prompt", "none")]);
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let fields: Vec<_> = asked.query_pairs().into_owned().collect();
    let answer = http.post(browser.url("/oauth/authorize")).form(&fields).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let to = browser.url(answer.headers()["location"].to_str().unwrap());
    assert!(!browser.begin(&to).await.delivery().code().is_empty());
}

#[tokio::test]
async fn prompt_login_and_max_age_ask_again_for_each_request_once() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    browser.sign_in(&request(&browser, &[]), USER).await;
    let first = cookie(&browser);
    server.wait(10);
    assert!(!browser.begin(&request(&browser, &[("max_age", "10000")])).await.delivery().code().is_empty());
    for more in
        [[("prompt", "login")], [("max_age", "1")], [("max_age", "0")], [("prompt", "select_account")]]
    {
        let page = page_of(&mut browser, &more).await;
        assert_eq!(page.url.path(), "/login", "{more:?}");
        assert!(page.answer.text.contains(USER.0), "{more:?}");
        let again = browser.open(&page.url).await;
        assert_eq!(again.status(), 200);
        server.wait(2);
        let form = page.form_to("/login").set("username", USER.0).set("password", USER.1);
        let next = browser.submit(form).await;
        assert!(!browser.settle(next).await.delivery().code().is_empty(), "{more:?}");
        server.wait(2);
    }
    assert_ne!(cookie(&browser), first, "a new cookie at every sign-in");
    assert_eq!(error_of(&mut browser, &[("prompt", "none"), ("max_age", "1")]).await, "login_required");
}

#[tokio::test]
async fn whoever_signs_in_while_the_clock_is_set_back_is_not_asked_for_ever() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    browser.sign_in(&request(&browser, &[]), USER).await;
    for more in [[("prompt", "login")], [("max_age", "0")], [("prompt", "select_account")]] {
        server.wait(100);
        let page = page_of(&mut browser, &more).await;
        server.clock.set(server.now().before(std::time::Duration::from_secs(50)));
        let form = page.form_to("/login").set("username", USER.0).set("password", USER.1);
        let next = browser.submit(form).await;
        assert!(!browser.settle(next).await.delivery().code().is_empty(), "{more:?}");
    }
}

#[tokio::test]
async fn prompt_none_shows_no_page_and_prompt_consent_asks_again() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    assert_eq!(error_of(&mut browser, &[("prompt", "none")]).await, "login_required");
    browser.sign_in(&request(&browser, &[]), USER).await;
    assert!(!browser.begin(&request(&browser, &[("prompt", "none")])).await.delivery().code().is_empty());
    // More than the person has allowed.
    let more = [("prompt", "none"), ("scope", "openid read write")];
    assert_eq!(error_of(&mut browser, &more).await, "consent_required");
    let page = page_of(&mut browser, &[("prompt", "consent")]).await;
    assert_eq!(page.url.path(), "/consent");
    let denied = browser.submit(page.form_to("/consent").press("action", "deny")).await;
    assert_eq!(browser.settle(denied).await.delivery().get("error"), "access_denied");
    let allowed = browser.submit(page.form_to("/consent").press("action", "allow")).await;
    assert!(!browser.settle(allowed).await.delivery().code().is_empty());
}

#[tokio::test]
async fn an_operators_own_client_is_not_asked_for() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.consent = heirloom::client::ConsentPolicy::Implied);
    })
    .await;
    let mut browser = Browser::of(&server);
    let page = page_of(&mut browser, &[]).await;
    let form = page.form_to("/login").set("username", USER.0).set("password", USER.1);
    let next = browser.submit(form).await;
    assert!(next.leads_to().as_str().starts_with(CALLBACK));
}

#[tokio::test]
async fn whoever_cancels_goes_back_to_the_client() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    let page = page_of(&mut browser, &[]).await;
    let next = browser.submit(page.form_to("/login").press("action", "cancel")).await;
    assert_eq!(browser.settle(next).await.delivery().get("error"), "access_denied");
}

#[tokio::test]
async fn a_failed_sign_in_keeps_the_name_and_says_the_same_of_everybody() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    let page = page_of(&mut browser, &[]).await;
    let mut texts = Vec::new();
    for name in [USER.0, "nobody"] {
        let form = page.form_to("/login").set("username", name).set("password", "a wrong password");
        let again = browser.submit(form).await;
        assert_eq!(again.status(), 400);
        assert!(again.answer.text.contains(name) && !again.answer.text.contains("a wrong password"));
        assert_eq!(cookie(&browser), "");
        texts.push(again.text());
    }
    assert_eq!(texts[0], texts[1]);
    let form = page.form_to("/login").set("username", USER.0);
    assert_eq!(browser.submit(form).await.status(), 400);
}

/// CSRF, login CSRF and clickjacking.
#[tokio::test]
async fn forms_of_other_sites_and_of_other_browsers_are_refused() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    let page = page_of(&mut browser, &[]).await;
    let form = page.form_to("/login").set("username", USER.0).set("password", USER.1);
    let forged = browser.submit_from("https://evil.example/", form.clone()).await;
    assert_eq!((forged.status(), cookie(&browser).as_str()), (403, ""));
    // The attacker's own token, in the person's browser.
    let mut other = Browser::of(&server);
    let theirs = page_of(&mut other, &[]).await.form_to("/login");
    let stolen = theirs.fields().into_iter().find(|(name, _)| name == "form_token").unwrap().1;
    let stale = browser.submit(form.clone().set("form_token", &stolen)).await;
    assert_eq!((stale.status(), cookie(&browser).as_str()), (403, ""));
    assert!(stale.answer.text.contains(USER.0) && !stale.answer.text.contains(USER.1));
    // The page that was shown goes on.
    let next = browser.submit(stale.form_to("/login").set("password", USER.1)).await;
    let consent = browser.settle(next).await.page();
    let forged = browser
        .submit_from("https://evil.example/", consent.form_to("/consent").press("action", "allow"))
        .await;
    assert_eq!(forged.status(), 403);
    for shown in [&page, &consent, &forged] {
        assert_eq!(shown.answer.header("x-frame-options"), "DENY");
        assert!(shown.answer.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert!(shown.answer.header("cache-control").contains("no-store"));
    }
    let asked = consent.form_to("/consent").set("form_token", &stolen).press("action", "allow");
    let again = browser.submit(asked).await;
    assert_eq!((again.status(), again.url.path()), (200, "/consent"));
}

#[tokio::test]
async fn a_consent_page_of_one_person_is_not_answered_by_another() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    let page = page_of(&mut browser, &[]).await;
    let next = browser.submit(page.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
    let of_ann = browser.settle(next).await.page();
    // In another tab, a moment later, Bob signs in.
    server.wait(1);
    let switched = browser.submit(of_ann.form_to("/consent").press("action", "switch")).await;
    let page = browser.settle(switched).await.page();
    assert_eq!(page.url.path(), "/login");
    server.wait(1);
    browser.submit(page.form_to("/login").set("username", BOB.0).set("password", BOB.1)).await;
    let again = browser.submit(of_ann.form_to("/consent").press("action", "allow")).await;
    assert_eq!((again.status(), again.url.path()), (200, "/consent"));
    assert!(again.text().contains(BOB.0) && !again.text().contains(&format!("account {}", USER.0)));
}

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other_and_the_back_button_begins_anew() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    let one = page_of(&mut browser, &[]).await;
    let other = page_of(&mut browser, &[("redirect_uri", "http://127.0.0.1:9999/callback")]).await;
    let next = browser.submit(other.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
    let consent = browser.settle(next).await.page();
    let next = browser.submit(consent.form_to("/consent").press("action", "allow")).await;
    let second = browser.settle(next).await.delivery();
    assert_eq!(second.url.port(), Some(9999));
    // The first tab: its form is still good, and so is its page.
    let first = browser.open(&one.url).await;
    let first = browser.settle(first).await.delivery();
    assert!(first.code() != second.code() && first.url.port() == Some(3000));
    // Clicked twice: the same code. Redeemed meanwhile: another one.
    let twice = browser.submit(consent.form_to("/consent").press("action", "allow")).await;
    assert_eq!(browser.settle(twice).await.delivery().code(), second.code());
    server.wait(3600);
    let late = browser.open(&one.url).await;
    assert_eq!(late.status(), 400);
    assert!(!late.links().is_empty(), "a way forward");
}
