//! A client whose registration changes while a person is asked.

use serde_json::json;

use super::{CALLBACK, request};
use crate::admin::Office;
use crate::support::USER;
use crate::support::web_browser::Browser;

#[tokio::test]
async fn a_client_that_was_widened_meanwhile_gets_no_more_than_the_person_saw() {
    let office = Office::open().await;
    let tv = json!({"id": "tv", "type": "public", "redirect_uris": [CALLBACK], "scopes": ["read"]});
    assert_eq!(office.post("/admin/clients", tv).await.status, 201);
    let mut browser = Browser::of(&office.server);
    // Without a scope the client gets what it is registered for.
    let asked = request(&browser, &[("client_id", "tv"), ("scope", "")]);
    let page = browser.begin(&asked).await.page();
    let next = browser.submit(page.form_to("/login").set("username", USER.0).set("password", USER.1)).await;
    let consent = browser.settle(next).await.page();
    let wider = json!({"redirect_uris": [CALLBACK], "scopes": ["read", "write"]});
    assert_eq!(office.put("/admin/clients/tv", wider).await.status, 200);
    let allowed = browser.submit(consent.form_to("/consent").press("action", "allow")).await;
    let again = browser.settle(allowed).await.page();
    assert_eq!(again.url.path(), "/consent", "the person is asked once more");
    let allowed = browser.submit(again.form_to("/consent").press("action", "allow")).await;
    assert!(!browser.settle(allowed).await.delivery().code().is_empty());
}
