//! A request by `HEAD` has no effect (RFC 9110 §9.2.1): no code, no end of a login, nothing written.

use reqwest::Method;
use reqwest::header::COOKIE;
use url::Url;

use super::{request, written};
use crate::support::web_browser::Browser;
use crate::support::{Answer, Server, USER};

async fn ask(method: Method, browser: &Browser, url: &Url) -> Answer {
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let cookies = ["heirloom_login", "heirloom_browser"];
    let cookies = cookies.map(|name| format!("{name}={}", browser.cookie(name).unwrap().value)).join("; ");
    Answer::of(
        http.build().unwrap().request(method, url.clone()).header(COOKIE, cookies).send().await.unwrap(),
    )
    .await
}

#[tokio::test]
async fn whoever_asks_by_head_gets_no_code_ends_no_login_and_writes_nothing() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let asked = request(&browser, &[]);
    let login = browser.begin(&asked).await.page();
    let next = browser.submit(login.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
    let consent = browser.settle(next).await.page();
    let allowed = browser.submit(consent.form_to("/consent").press("action", "allow")).await;
    let code = browser.settle(allowed).await.delivery().code().to_owned();
    let form = [("redirect_uri", super::CALLBACK), ("code_verifier", crate::support::codes::VERIFIER)];
    let tokens = server.redeem_with(&code, &form).await;
    let id_token = tokens.json["id_token"].as_str().unwrap();
    let mut log_out = browser.url("/oauth/logout");
    log_out.query_pairs_mut().append_pair("id_token_hint", id_token);
    let before = written(&server).await;
    for url in [&asked, &login.url, &consent.url, &log_out, &browser.url("/logout"), &browser.url("/signup")]
    {
        let head = ask(Method::HEAD, &browser, url).await;
        assert_eq!((head.status, head.header("allow")), (405, "GET, POST"), "{url}");
        assert_eq!((head.header("location"), head.header("set-cookie")), ("", ""), "{url}");
    }
    assert_eq!(written(&server).await, before, "nothing is written");
    // By GET, each of them does something.
    for url in [&asked, &login.url, &consent.url] {
        let get = ask(Method::GET, &browser, url).await;
        assert!(get.header("location").contains("code=hac_"), "{url}: {}", get.text);
    }
    ask(Method::GET, &browser, &log_out).await;
    assert!(written(&server).await > before);
}
