//! Clients in a browser: one with its refresh token in a cookie, and one without a cookie.

mod cookie;
mod origin;

use reqwest::RequestBuilder;

use crate::support::{Answer, PUBLIC, Server, Setup, USER};

const BROWSER: &str = "browser-app";
const APP: &str = "https://app.example.com";
/// The origin of the pages of the client without a cookie.
const SPA: &str = "https://spa.example.com";
const REFUSED: (u16, &str) = (400, "invalid_request");
const GONE: (u16, &str) = (400, "invalid_grant");

fn with_browser(setup: &mut Setup) {
    let config = setup.config.clone();
    setup.config = config.with_browser_client(BROWSER.parse().unwrap(), APP.parse().unwrap());
    setup.client(PUBLIC, |client| client.metadata.origins = vec![SPA.parse().unwrap()]);
}

fn with_https(setup: &mut Setup) {
    with_browser(setup);
    "https://id.example.com".clone_into(&mut setup.config.issuer);
}

fn post(server: &Server, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
    server.client.post(format!("{}{path}", server.base)).form(form)
}

const SIGN_IN: [(&str, &str); 4] =
    [("grant_type", "password"), ("client_id", BROWSER), ("username", USER.0), ("password", USER.1)];
const REFRESH: [(&str, &str); 2] = [("grant_type", "refresh_token"), ("client_id", BROWSER)];

async fn sign_in(server: &Server) -> Answer {
    let answer = server.send(post(server, "/oauth/token", &SIGN_IN).header("origin", APP)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

async fn refresh(server: &Server, cookie: &str) -> Answer {
    let request = post(server, "/oauth/token", &REFRESH);
    server.send(request.header("origin", APP).header("cookie", cookie)).await
}

/// The cookie of an answer, as a browser sends it back: `name=value`.
fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}
