//! `/signup`: people make an account in the browser, and are signed in.

use heirloom::config::SignUp;

use crate::support::web_browser::{Browser, Form, Page};
use crate::support::{Server, USER};

const PASSWORD: &str = "marble-kettle-57-orchid";

async fn open(browser: &mut Browser, path: &str) -> Page {
    let url = browser.url(path);
    browser.open(&url).await
}

fn filled(page: &Page, name: &str) -> Form {
    page.form_to("/signup").set("username", name).set("email", "bob@example.com").set("password", PASSWORD)
}

async fn is_signed_in(browser: &mut Browser) -> bool {
    open(browser, "/profile").await.status() == 200
}

#[tokio::test]
async fn whoever_makes_an_account_is_signed_in_and_goes_on() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let login = open(&mut browser, "/login?to=devices").await;
    let link = login.links().into_iter().find(|(to, _)| to.path() == "/signup").unwrap().0;
    assert_eq!(link.query(), Some("to=devices"), "the link carries on what comes next");
    let page = browser.open(&link).await;
    assert_eq!(page.status(), 200, "{}", page.text());
    let position = server.position().await;
    let made = browser.submit(filled(&page, "bob")).await;
    assert_eq!(made.leads_to().path(), "/devices");
    assert!(is_signed_in(&mut browser).await);
    assert!(server.position().await > position);
    assert_eq!(server.sign_in_as("bob", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_typed_stays_but_the_password() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let page = open(&mut browser, "/signup").await;
    let form = filled(&page, USER.0).set("email", "ann@example.com");
    let taken = browser.submit(form).await;
    assert_eq!(taken.status(), 409, "{}", taken.text());
    let form = taken.form_to("/signup");
    assert_eq!(
        (form.value("username"), form.value("email"), form.value("password")),
        (USER.0, "ann@example.com", "")
    );
    let weak = browser.submit(form.set("username", "bob").set("password", "short")).await;
    assert_eq!(weak.status(), 422);
    let empty = browser.submit(weak.form_to("/signup").set("password", "")).await;
    assert_eq!(empty.status(), 422);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn nobody_signs_up_from_another_site_or_without_the_pages_token() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let page = open(&mut browser, "/signup").await;
    let position = server.position().await;
    let foreign = browser.submit_from("https://evil.example", filled(&page, "bob")).await;
    assert!(foreign.status() >= 400, "{}", foreign.status());
    let forged = browser.submit(filled(&page, "bob").set("form_token", "A")).await;
    assert_eq!(forged.status(), 403);
    let stale = forged.form_to("/signup");
    assert_eq!(stale.value("username"), "bob", "and nothing has to be typed again");
    assert_eq!(server.position().await, position, "nothing was written");
    let made = browser.submit(stale.set("password", PASSWORD)).await;
    assert_eq!(made.leads_to().path(), "/profile");
}

#[tokio::test]
async fn where_nobody_may_sign_up_the_page_says_so_and_an_invitation_is_asked_where_it_is_needed() {
    let server = Server::with(|setup| setup.config.accounts.registration = SignUp::Closed).await;
    let mut browser = Browser::of(&server);
    let closed = open(&mut browser, "/signup").await;
    assert!(closed.status() == 403 && closed.forms().is_empty());
    assert!(!open(&mut browser, "/login").await.links().iter().any(|(to, _)| to.path() == "/signup"));

    let server = Server::with(|setup| setup.config.accounts.registration = SignUp::Invite).await;
    let mut browser = Browser::of(&server);
    let page = open(&mut browser, "/signup").await;
    let refused = browser.submit(filled(&page, "bob").set("invitation", "wrong")).await;
    assert_eq!(refused.form_to("/signup").value("invitation"), "wrong", "{}", refused.text());
    assert!(!is_signed_in(&mut browser).await);
}
