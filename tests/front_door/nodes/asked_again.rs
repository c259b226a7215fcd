//! Who signs in, and what a person is asked, follows at once what another node has changed. The other node has a memory to
//! fill: everything was asked of it before.

use serde_json::json;

use super::epochs::offices;
use crate::admin::Office;
use crate::authorize::request;
use crate::backchannel_logout::endings::log_out;
use crate::support::web_browser::Browser;
use crate::support::{Answer, PUBLIC, Server, USER};

const NEW: &str = "marble-kettle-57-orchid";
const LOGIN: &str = "heirloom_login";

async fn sign_in(node: &Server, password: &str) -> Answer {
    let form =
        [("grant_type", "password"), ("client_id", PUBLIC), ("username", USER.0), ("password", password)];
    node.post(&form).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_replaced_on_one_node_is_refused_at_once_on_another() {
    let (office, other) = offices().await;
    assert_eq!(sign_in(&other, USER.1).await.status, 200);
    assert_eq!(sign_in(&other, NEW).await.status, 400);
    let path = format!("/admin/users/{}/password", office.user().await);
    assert_eq!(office.put(&path, json!({"password": NEW})).await.status, 204);
    assert_eq!(sign_in(&other, USER.1).await.outcome(), (400, "invalid_grant"));
    assert_eq!(sign_in(&other, NEW).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_given_away_on_one_node_is_another_persons_at_once_on_another() {
    let (office, other) = offices().await;
    let asked = json!({"username": "bob", "password": NEW});
    let bob = office.post("/admin/users", asked.clone()).await.json["id"].as_str().unwrap().to_owned();
    let form = [("grant_type", "password"), ("client_id", PUBLIC), ("username", "bob"), ("password", NEW)];
    let first = other.post(&form).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(office.delete(&format!("/admin/users/{bob}")).await.status, 204);
    assert_eq!(other.post(&form).await.outcome(), (400, "invalid_grant"));
    assert_eq!(office.post("/admin/users", asked).await.status, 201);
    let second = other.post(&form).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_ne!(second.claims()["sub"], first.claims()["sub"]);
}

async fn by_secret(node: &Server, secret: &str) -> Answer {
    let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
    node.send(node.token().basic_auth("tv", Some(secret)).form(&form)).await
}

async fn new_secret(office: &Office) -> String {
    let rotated = office.post("/admin/clients/tv/secret", json!({"overlap": 0})).await;
    rotated.json["client_secret"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_secret_that_was_replaced_on_one_node_is_refused_at_once_on_another() {
    let (office, other) = offices().await;
    let tv = json!({"id": "tv", "type": "confidential", "scopes": ["read"]});
    assert_eq!(office.post("/admin/clients", tv).await.status, 201);
    let first = new_secret(&office).await;
    assert_eq!(by_secret(&other, &first).await.status, 200);
    let second = new_secret(&office).await;
    assert_eq!(by_secret(&other, &first).await.outcome(), (401, "invalid_client"));
    assert_eq!(by_secret(&other, &second).await.status, 200);
}

/// What a client learns that wants no page to be shown; nothing if it gets a code.
async fn error_without_a_page(browser: &mut Browser) -> String {
    let delivery = browser.begin(&request(browser, &[("prompt", "none")])).await.delivery();
    delivery.get("error").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_and_a_login_that_are_over_on_one_node_are_over_at_once_on_another() {
    let (office, other) = offices().await;
    let (one, mut browser) = (&office.server, Browser::of(&office.server));
    let url = request(&browser, &[]);
    browser.sign_in(&url, USER).await;
    browser.goes_to(&other);
    assert_eq!(error_without_a_page(&mut browser).await, "");

    let user = office.user().await.parse().unwrap();
    let id = heirloom::consent::ConsentId { user, client: PUBLIC.parse().unwrap() };
    one.app.consents.withdraw(&id, None).await.unwrap();
    assert_eq!(error_without_a_page(&mut browser).await, "consent_required");
    browser.goes_to(one);
    browser.sign_in(&url, USER).await;
    browser.goes_to(&other);
    assert_eq!(error_without_a_page(&mut browser).await, "");

    // Somebody has a copy of the cookie.
    let login = browser.cookie(LOGIN).unwrap().value.clone();
    browser.goes_to(one);
    log_out(&mut browser).await;
    browser.goes_to(&other);
    browser.plant(LOGIN, &login);
    assert_eq!(error_without_a_page(&mut browser).await, "login_required");
}
