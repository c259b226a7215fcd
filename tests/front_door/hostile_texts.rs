//! Texts that a client or a person chooses, on every page that shows them: none becomes HTML, none leaves its attribute,
//! none turns the text around it.

use serde_json::json;

use crate::authorize::request;
use crate::own_account::patch;
use crate::support::web_browser::{Browser, Page};
use crate::support::{PUBLIC, Server};

const TAG: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
/// The same, with a character that turns the text behind it.
const TURNED: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202e}evil";
/// Names of people and scopes have no white space.
const WORD: &str = "a<script>alert(1)</script>'><img/src=x/onerror=alert(2)>";
const NAME: &str = "a<script>alert(1)</script>\"'><img/src=x/onerror=alert(2)>";
const PASSWORD: &str = "marble-kettle-57-orchid";

/// A page shows a hostile text, and shows it as a text.
fn harmless(page: &Page, what: &str, shows: &[&str]) {
    let html = &page.answer.text;
    for bad in ["<script", "<img src=x", "<img/", "onerror=alert(2)>\"", "'><img"] {
        assert!(!html.contains(bad), "{what}: {bad} stands in {html}");
    }
    for text in shows {
        let escaped = text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;");
        let escaped = escaped.replace('"', "&#34;").replace('\'', "&#39;");
        assert!(html.contains(&escaped), "{what}: {text} is not on the page: {html}");
    }
    for (place, _) in html.match_indices('\u{202e}') {
        let before = &html[..place];
        let is_open = |begin: &str, end: &str| before.rfind(begin) > before.rfind(end);
        // In the window's title there is nothing else to turn but the name of the pages.
        let is_apart = is_open("<bdi>", "</bdi>") || is_open("<", ">") || is_open("<title>", "</title>");
        assert!(is_apart, "{what}: what stands behind it is turned: {}", &html[place.saturating_sub(80)..]);
    }
}

async fn server() -> Server {
    let server = Server::with(|setup| {
        setup.config.audiences[0].scopes = format!("read write {WORD}").parse().unwrap();
        setup.client(PUBLIC, |client| {
            TURNED.clone_into(&mut client.metadata.client_name);
            client.metadata.scope = format!("openid profile email account read {WORD}").parse().unwrap();
            client.metadata.client_uri = "https://a.example/about'onmouseover='alert(1)".parse().ok();
            client.metadata.policy_uri = "https://a.example/#'onmouseover='alert(1)".parse().ok();
            client.metadata.tos_uri = "https://a.example/'onmouseover='alert(1)".parse().ok();
        });
    })
    .await;
    server.app.accounts.register(NAME, PASSWORD, vec!["user".to_owned()]).await.unwrap();
    server
}

async fn open(browser: &mut Browser, path: &str) -> Page {
    let url = browser.url(path);
    browser.open(&url).await
}

#[tokio::test]
async fn on_the_pages_of_a_sign_in_no_chosen_text_becomes_html() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    let scope = format!("openid read {WORD}");
    let more =
        [("scope", scope.as_str()), ("login_hint", TAG), ("state", TAG), ("response_mode", "form_post")];
    let login = browser.begin(&request(&browser, &more)).await.page();
    harmless(&login, "log in", &[TURNED, TAG]);
    let wrong =
        browser.submit(login.form_to("/login").set("username", TURNED).set("password", "wrong")).await;
    assert_eq!(wrong.status(), 400);
    harmless(&wrong, "log in, refused", &[TURNED]);
    assert_eq!(wrong.form_to("/login").value("username"), TURNED, "it comes back as it was typed");

    let link = login.links().into_iter().find(|(to, _)| to.path() == "/signup").unwrap().0;
    let sign_up = browser.open(&link).await;
    harmless(&sign_up, "sign up", &[TURNED]);
    let form = sign_up.form_to("/signup").set("username", TAG).set("email", TAG).set("display_name", TAG);
    let refused = browser.submit(form.set("password", "short")).await;
    assert!(refused.status() >= 400);
    harmless(&refused, "sign up, refused", &[TAG]);

    let form = wrong.form_to("/login").set("username", NAME).set("password", PASSWORD);
    let consent = browser.submit(form).await;
    let consent = browser.follow(&consent).await;
    assert_eq!(consent.url.path(), "/consent", "{}", consent.text());
    harmless(&consent, "consent", &[TURNED, NAME, WORD, "https://a.example/about'onmouseover='alert(1)"]);
    assert!(!consent.answer.text.contains("'onmouseover"), "{}", consent.answer.text);
    let posted = browser.submit(consent.form_to("/consent").press("action", "allow")).await;
    harmless(&posted, "the form that answers the client", &[TURNED, TAG]);
    let question = open(&mut browser, "/logout").await;
    harmless(&question, "log out", &[NAME]);
}

#[tokio::test]
async fn on_a_persons_own_pages_no_chosen_text_becomes_html() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    TAG.clone_into(&mut browser.user_agent);
    let login = browser.begin(&request(&browser, &[("scope", &format!("openid {WORD}"))])).await.page();
    let form = login.form_to("/login").set("username", NAME).set("password", PASSWORD);
    let consent = browser.submit(form).await;
    let consent = browser.follow(&consent).await;
    let answered = browser.submit(consent.form_to("/consent").press("action", "allow")).await;
    assert!(answered.is_redirect());
    let signed_in = server
        .send(server.token().header("user-agent", TAG).form(&[
            ("grant_type", "password"),
            ("client_id", PUBLIC),
            ("username", NAME),
            ("password", PASSWORD),
            ("scope", "account"),
            ("device_label", TAG),
        ]))
        .await;
    let changed = patch(&server, &signed_in.access_token(), json!({"display_name": TAG})).await;
    assert_eq!(changed.status, 200, "{}", changed.text);

    let profile = open(&mut browser, "/profile").await;
    harmless(&profile, "profile", &[NAME, TAG]);
    let form = profile.forms().into_iter().find(|form| form.has("email")).unwrap();
    let refused = browser.submit(form.set("email", TURNED)).await;
    assert_eq!(refused.status(), 422);
    harmless(&refused, "profile, refused", &[TURNED]);
    let devices = open(&mut browser, "/devices").await;
    harmless(&devices, "devices", &[NAME, TURNED, TAG]);
    let device = open(&mut browser, &format!("/devices/{}", signed_in.session())).await;
    harmless(&device, "device", &[NAME, TURNED, TAG]);
    let apps = open(&mut browser, "/apps").await;
    harmless(&apps, "apps", &[NAME, TURNED, WORD]);
    harmless(&open(&mut browser, "/password").await, "password", &[NAME]);
}

#[tokio::test]
async fn on_error_pages_no_part_of_the_request_becomes_html() {
    let server = server().await;
    let mut browser = Browser::of(&server);
    for more in [
        [("client_id", TAG), ("state", TAG)],
        [("redirect_uri", TAG), ("state", TAG)],
        [("redirect_uri", "https://evil.example/?<script>"), ("state", TAG)],
        [("request_uri", TAG), ("redirect_uri", TAG)],
    ] {
        let page = browser.open(&request(&browser, &more)).await;
        assert_eq!(page.status(), 400, "{more:?}: {}", page.text());
        harmless(&page, "an error", &[]);
    }
    let tag = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%3E%3Cimg%20src%3Dx%20onerror%3Dalert(2)%3E";
    for path in [
        format!("/login?request={tag}"),
        format!("/login?to={tag}&{tag}=1"),
        format!("/login?{tag}=1&{tag}=2"),
        format!("/login?to={tag}&to={tag}"),
        format!("/consent?request={tag}"),
        format!("/signup?request={tag}"),
        format!("/logout?request={tag}"),
        format!("/oauth/logout?id_token_hint={tag}&post_logout_redirect_uri={tag}&state={tag}"),
        format!("/oauth/authorize?client_id={tag}&client_id={tag}"),
        format!("/oauth/authorize?{tag}={tag}&{tag}={tag}"),
        format!("/devices/{tag}"),
        format!("/profile/{tag}"),
        format!("/assets/{tag}"),
    ] {
        browser.languages = format!("{tag}, en");
        let page = open(&mut browser, &path).await;
        if !page.is_redirect() {
            harmless(&page, &path, &[]);
        }
    }
}
