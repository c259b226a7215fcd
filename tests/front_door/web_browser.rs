//! The tests' browser itself, against a server that answers what a test says and shows what it was sent.

use std::sync::Arc;
use std::time::Duration;

use heirloom::clock::ManualClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use url::Url;

use crate::support::web_browser::cookies::{Cookies, SameSite, Sent};
use crate::support::web_browser::{Browser, csp};
use crate::support::{NOW, Server};

const CLIENT: &str = "https://app.example";

/// Starts a server that answers each request with the first of `answers` whose path fits, and shows the request in the
/// header `x-request`.
async fn browser(answers: &'static [(&str, &str)]) -> Browser {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !is_whole(&request) {
                let mut bytes = [0; 4096];
                let size = stream.read(&mut bytes).await.unwrap();
                assert!(size > 0, "half a request: {request}");
                request.push_str(std::str::from_utf8(&bytes[..size]).unwrap());
            }
            let path = request.split(' ').nth(1).unwrap();
            let (_, answer) = answers.iter().find(|(at, _)| path.split('?').next() == Some(at)).unwrap();
            let (head, body) = answer.split_once("\n\n").unwrap();
            let shown = request.replace("\r\n", "|");
            let head = head.replace('\n', "\r\n");
            let answer = format!(
                "HTTP/1.1 {head}\r\nx-content-type-options: nosniff\r\nx-request: {shown}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Browser::at("http://id.example/at", &base, Arc::new(ManualClock::at(NOW)))
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

const PAGE: &str = "200 OK
content-type: text/html; charset=utf-8
content-security-policy: default-src 'none'; form-action 'self' https:
referrer-policy: same-origin
set-cookie: browser=b1; Path=/; HttpOnly; SameSite=Lax

<!doctype html><title>Log in</title><!-- <form> --><style>a<b{}</style>
<p>Who <b>are</b>&nbsp;you &amp; why?</p> <a href=\"more?a=1&amp;b=2\">Read <b>more</b></a>
<form method=\"post\" action=\"/at/login\"><input type=hidden_is_quoted name=\"x\">
</form>";

const LOGIN: &str = "200 OK
content-type: text/html
content-security-policy: form-action 'self' https:
referrer-policy: same-origin
set-cookie: browser=b1; Path=/; HttpOnly; SameSite=Lax

<h1>Log in</h1> <p>Who <b>are</b> you &amp; why?</p> <a href=\"more?a=1&amp;b=2\">Read <b>more</b></a>
<form method=\"post\" action=\"/at/login?request=har_1\">
<input type=\"hidden\" name=\"token\" value=\"&quot;t&#39;&#x41;\"><input name=\"username\" required>
<input type=\"password\" name=\"password\"><input type=\"checkbox\" name=\"keep\" value=\"yes\">
<input type=\"radio\" name=\"how\" value=\"a\" checked><input type=\"radio\" name=\"how\" value=\"b\">
<button name=\"go\" value=\"in\">Log in</button><button name=\"go\" value=\"out\">Cancel</button></form>";

const CONSENT: &str = "200 OK
content-type: text/html

<form method=\"post\" action=\"/at/consent\"><button name=\"action\" value=\"deny\">No</button>
<button name=\"action\" value=\"allow\">Yes</button></form>";

const TO_CLIENT: &str = "303 See Other\nlocation: https://app.example/cb?code=hac_1&state=a%20b\n\n";

const ANSWERS: &[(&str, &str)] = &[
    ("/at/oauth/authorize", "303 See Other\nlocation: /at/page\n\n"),
    ("/at/page", LOGIN),
    ("/at/login", "303 See Other\nlocation: /at/asked\n\n"),
    ("/at/asked", CONSENT),
    ("/at/consent", TO_CLIENT),
    ("/at/more", LOGIN),
    ("/at/odd", PAGE),
];

#[tokio::test]
async fn it_goes_from_an_authorization_url_to_the_code() {
    let mut browser = browser(ANSWERS).await;
    let delivery = browser.sign_in(&browser.url("/oauth/authorize?a=b"), ("ann", "pass word")).await;
    assert_eq!((delivery.code(), delivery.get("state"), delivery.is_post), ("hac_1", "a b", false));
    assert_eq!((delivery.names(), delivery.get("iss")), (vec!["code", "state"], ""));
    assert_eq!(browser.cookie_names(), ["browser"]);
}

#[tokio::test]
async fn it_fills_in_a_form_and_sends_what_a_browser_sends() {
    let mut browser = browser(ANSWERS).await;
    let redirect = browser.come_from(CLIENT, &browser.url("/oauth/authorize")).await;
    let request = redirect.answer.header("x-request");
    assert!(
        request.contains("sec-fetch-site: cross-site") && request.contains("host: id.example|"),
        "{request}"
    );
    assert!(redirect.is_redirect() && redirect.leads_to() == browser.url("/page"));
    let page = browser.follow(&redirect).await;
    assert!(page.answer.header("x-request").contains("sec-fetch-site: cross-site"), "a redirect keeps it");
    assert_eq!(page.text(), "Log in Who are you & why? Read more Log in Cancel");
    let form = page.form_to("/at/login");
    assert_eq!(form.buttons(), [("go", "in", "Log in"), ("go", "out", "Cancel")]);
    assert!(form.has("keep") && !form.has("nothing") && form.value("token") == "\"t'A");
    let sent = form.set("username", "ann").tick("keep", "yes").tick("how", "b").press("go", "out");
    let answer = browser.submit(sent).await;
    let request = answer.answer.header("x-request").to_owned();
    let body = "token=%22t%27A&username=ann&password=&keep=yes&how=b&go=out";
    for part in [
        "POST /at/login?request=har_1 ",
        "|origin: http://id.example|",
        "|sec-fetch-site: same-origin|",
        "|referer: http://id.example/at/page|",
        "|cookie: browser=b1|",
        body,
    ] {
        assert!(request.contains(part), "{part} is not in {request}");
    }
    let consent = browser.follow(&answer).await;
    let allowed = browser.submit(consent.form().press("action", "allow")).await;
    assert!(allowed.answer.header("x-request").contains("|action=allow"));
    assert_eq!(allowed.leads_to().as_str(), "https://app.example/cb?code=hac_1&state=a%20b");
    let more = browser.click(&page, "Read more").await;
    assert!(more.answer.header("x-request").contains("sec-fetch-site: same-origin"));
    assert_eq!(more.url, browser.url("/more?a=1&b=2"));
    let typed = browser.open(&browser.url("/page")).await;
    assert!(typed.answer.header("x-request").contains("sec-fetch-site: none"));
}

#[tokio::test]
async fn a_form_on_another_site_is_sent_without_the_cookies_and_with_its_own_origin() {
    let mut browser = browser(ANSWERS).await;
    let page = browser.begin(&browser.url("/oauth/authorize")).await.page();
    let answer = browser.submit_from("https://evil.example/", page.form()).await;
    let request = answer.answer.header("x-request");
    assert!(request.contains("|origin: https://evil.example|"), "{request}");
    assert!(request.contains("cross-site") && !request.contains("cookie") && !request.contains("referer"));
}

const BLOCKED: &[(&str, &str)] = &[
    (
        "/at/page",
        "200 OK
content-type: text/html
content-security-policy: form-action 'self'
referrer-policy: no-referrer

<form method=\"post\" action=\"login\"><input type=\"password\" name=\"password\"><button>Go</button></form>",
    ),
    ("/at/login", TO_CLIENT),
    (
        "/at/post",
        "200 OK
content-type: text/html
content-security-policy: form-action https://app.example

<form method=\"post\" action=\"https://app.example/cb\"><input name=\"code\" value=\"hac_2\"><button>Go</button></form>",
    ),
];

#[tokio::test]
#[should_panic(expected = "form-action \"'self'\" blocks https://app.example/cb")]
async fn a_redirect_behind_a_form_that_the_policy_forbids_fails() {
    let mut browser = browser(BLOCKED).await;
    browser.sign_in(&browser.url("/page"), ("ann", "x")).await;
}

#[tokio::test]
async fn a_page_without_a_referrer_has_no_origin_and_an_answer_can_come_by_a_form() {
    let mut browser = browser(BLOCKED).await;
    let page = browser.begin(&browser.url("/page")).await.page();
    let answer = browser.submit(page.form()).await;
    assert!(answer.answer.header("x-request").contains("|origin: null|"));
    let delivery = browser.begin(&browser.url("/post")).await.delivery();
    assert_eq!((delivery.code(), delivery.is_post), ("hac_2", true));
    assert_eq!(delivery.url.as_str(), "https://app.example/cb");
}

#[tokio::test]
#[should_panic(expected = "has no double quotes")]
async fn an_attribute_without_quotes_fails() {
    let mut browser = browser(ANSWERS).await;
    browser.open(&browser.url("/odd")).await.forms();
}

#[tokio::test]
async fn cookies_can_be_planted_and_forgotten_and_end_with_the_browser() {
    let mut browser = browser(ANSWERS).await;
    browser.open(&browser.url("/page")).await;
    let cookie = browser.cookie("browser").unwrap();
    assert!(cookie.http_only && cookie.same_site == SameSite::Lax && !cookie.secure);
    browser.plant("browser", "other");
    browser.plant("second", "2");
    let page = browser.open(&browser.url("/page")).await;
    assert!(page.answer.header("x-request").contains("cookie: browser=other; second=2"));
    assert_eq!(browser.forget("second").unwrap().value, "2");
    browser.close();
    assert_eq!(browser.cookie("browser"), None);
}

#[tokio::test]
async fn it_finds_the_server_of_an_issuer_with_another_name() {
    let server = Server::with(|setup| "https://id.example/at".clone_into(&mut setup.config.issuer)).await;
    let mut browser = Browser::of(&server);
    let page = browser.open(&browser.url("/docs")).await;
    assert_eq!((page.status(), page.url.as_str()), (200, "https://id.example/at/docs"));
}

#[test]
fn cookies_follow_the_rules() {
    let (plain, secure) = (url("http://id.example/a/b"), url("https://id.example/a/b"));
    let mut jar = Cookies::default();
    for (at, refused, why) in [
        (&plain, "a=1; Secure", "the connection is not"),
        (&secure, "__Host-a=1; Path=/", "needs Secure"),
        (&secure, "__Host-a=1; Secure", "needs Path=/"),
        (&secure, "__Host-a=1; Secure; Path=/; Domain=id.example", "have no \"Domain"),
        (&secure, "a=1; SameSite=None", "needs Secure"),
        (&secure, "nothing", "no name"),
    ] {
        assert!(jar.keep(at, refused, NOW).unwrap_err().contains(why), "{refused}");
    }
    jar.keep(&secure, "__Host-strict=1; Path=/; Secure; HttpOnly; SameSite=Strict", NOW).unwrap();
    jar.keep(&secure, "lax=2; Path=/a; SameSite=Lax; Max-Age=60", NOW).unwrap();
    let sent = |jar: &Cookies, at: &str, cross_site, is_get, later| {
        let at = url(at);
        jar.header(&at, Sent { cross_site, is_get }, NOW.after(Duration::from_secs(later)))
    };
    let both = Some("__Host-strict=1; lax=2".to_owned());
    assert_eq!(sent(&jar, "https://id.example/a/b", false, false, 59), both);
    assert_eq!(sent(&jar, "https://id.example/a", true, true, 0), Some("lax=2".to_owned()));
    assert_eq!(sent(&jar, "https://id.example/a", true, false, 0), None);
    assert_eq!(sent(&jar, "https://id.example/ab", false, true, 0), Some("__Host-strict=1".to_owned()));
    assert_eq!(sent(&jar, "https://id.example/a", true, true, 60), None, "expired");
    assert_eq!(sent(&jar, "http://id.example/a", false, true, 0), Some("lax=2".to_owned()), "not Secure");
    assert_eq!(sent(&jar, "https://other.example/a", false, true, 0), None);
    jar.keep(&secure, "lax=; Path=/a; Max-Age=0", NOW).unwrap();
    assert_eq!(jar.names(&secure), ["__Host-strict"]);
}

#[test]
fn the_policy_of_forms_is_read_as_browsers_read_it() {
    let page = url("https://id.example/login");
    let allows = |sources: &str, to: &str| csp::allows(sources, &page, &url(to));
    assert!(allows("'self'", "https://id.example/x") && !allows("'self'", "https://id.example:8443/x"));
    assert!(
        allows("'self' https:", "https://app.example/cb")
            && !allows("'none' https:", "http://app.example/cb")
    );
    assert!(allows("com.example.app:", "com.example.app:/cb"));
    assert!(allows("http://127.0.0.1:*", "http://127.0.0.1:4711/cb"));
    assert!(
        !allows("http://127.0.0.1:1", "http://127.0.0.1:2/") && allows("http://[::1]:2", "http://[::1]:2/")
    );
    assert!(
        allows("https://a.example/cb", "https://a.example/cb")
            && !allows("https://a.example/cb", "https://a.example/")
    );
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}
