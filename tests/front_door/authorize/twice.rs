//! Forms that are sent twice: by a double click, or because the answer was slow. They count once.

use heirloom::login::LoginEvent;

use super::pushed::{push, with_uri};
use super::request;
use crate::support::web_browser::{Browser, Form};
use crate::support::{CONFIDENTIAL, Server, USER};

const BOB: (&str, &str) = ("bob", "quartz-tulip-39-lantern");

/// The names of all events of logins, oldest first.
async fn logins(server: &Server) -> Vec<&'static str> {
    let log = server.app.store.read_log(0, 10_000).await.unwrap();
    let of_logins = log.iter().filter(|event| event.stream.category() == heirloom::login::state::CATEGORY);
    of_logins.map(|event| LoginEvent::decode(&event.data).unwrap().name()).collect()
}

fn filled(form: &Form, (name, password): (&str, &str)) -> Form {
    form.clone().set("username", name).set("password", password)
}

/// A pushed request is good once, so a second login would be refused there.
#[tokio::test]
async fn a_log_in_that_is_sent_twice_is_one_login_and_one_code() {
    let server = Server::with(|setup| {
        setup.client(CONFIDENTIAL, |client| {
            client.metadata.consent = heirloom::client::ConsentPolicy::Implied;
        });
    })
    .await;
    let mut browser = Browser::of(&server);
    for (more, logged) in [(&[][..], "logged_in"), (&[("prompt", "login")], "reauthenticated")] {
        server.wait(100);
        let uri = push(&server, more).await.json["request_uri"].as_str().unwrap().to_owned();
        let page = browser.begin(&with_uri(&browser, CONFIDENTIAL, &uri)).await.page();
        let form = filled(&page.form_to("/login"), USER);
        // The second one leaves before the first one's cookie comes.
        let before = browser.cookie("heirloom_login").map(|cookie| cookie.value.clone());
        let first = browser.submit(form.clone()).await;
        let cookie = browser.cookie("heirloom_login").unwrap().value.clone();
        server.wait(2);
        match before {
            Some(before) => browser.plant("heirloom_login", &before),
            None => drop(browser.forget("heirloom_login")),
        }
        let second = browser.submit(form.clone()).await;
        let code = browser.settle(first).await.delivery().code().to_owned();
        assert_eq!(browser.settle(second).await.delivery().code(), code);
        // And one that comes after it.
        let third = browser.submit(form).await;
        assert_eq!(browser.settle(third).await.delivery().code(), code);
        assert_eq!(logins(&server).await.last(), Some(&logged));
        assert_eq!(browser.cookie("heirloom_login").unwrap().value[..44], cookie[..44], "the same login");
    }
    assert_eq!(logins(&server).await, ["logged_in", "reauthenticated"]);
}

#[tokio::test]
async fn two_log_ins_of_one_form_at_the_same_moment_are_one_login() {
    let server = Server::start().await;
    let mut browsers = [Browser::of(&server), Browser::of(&server)];
    let page = browsers[0].begin(&request(&browsers[0], &[])).await.page();
    let id = browsers[0].cookie("heirloom_browser").unwrap().value.clone();
    browsers[1].plant("heirloom_browser", &id);
    let form = filled(&page.form_to("/login"), USER);
    let [one, other] = &mut browsers;
    let (first, second) = tokio::join!(one.submit(form.clone()), other.submit(form));
    assert_eq!((first.leads_to().path(), second.leads_to().path()), ("/consent", "/consent"));
    assert_eq!(logins(&server).await, ["logged_in"]);
}

#[tokio::test]
async fn a_form_that_is_sent_again_later_or_by_somebody_else_begins_another_login() {
    let server = Server::start().await;
    server.app.accounts.register(BOB.0, BOB.1, Vec::new()).await.unwrap();
    let mut browser = Browser::of(&server);
    let page = browser.open(&browser.url("/login")).await;
    let form = page.form_to("/login");
    browser.submit(filled(&form, USER)).await;
    browser.forget("heirloom_login");
    browser.submit(filled(&form, BOB)).await;
    assert_eq!(logins(&server).await, ["logged_in", "logged_in"], "another person");
    browser.forget("heirloom_login");
    server.wait(60);
    browser.submit(filled(&form, USER)).await;
    assert_eq!(logins(&server).await.len(), 3, "a minute later");
    let log_out = browser.open(&browser.url("/logout")).await;
    browser.submit(log_out.form_to("/logout")).await;
    browser.submit(filled(&form, USER)).await;
    assert_eq!(logins(&server).await.len(), 5, "after the person has logged out");
    assert_eq!(browser.open(&browser.url("/profile")).await.status(), 200);
}

#[tokio::test]
async fn a_sign_up_that_is_sent_twice_makes_one_account_and_signs_in() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let page = browser.open(&browser.url("/signup")).await;
    let form = filled(&page.form_to("/signup"), BOB).set("email", "bob@example.com");
    browser.submit(form.clone()).await;
    browser.forget("heirloom_login");
    let wrong = browser.submit(form.clone().set("password", "another-orchid-57-kettle")).await;
    assert_eq!(wrong.status(), 409, "the name is taken");
    let of_another = filled(&page.form_to("/signup"), USER).set("email", "bob@example.com");
    assert_eq!(browser.submit(of_another).await.status(), 409, "the right password of somebody else");
    let second = browser.submit(form.clone()).await;
    assert_eq!(second.leads_to().path(), "/profile");
    assert_eq!(browser.open(&browser.url("/profile")).await.status(), 200);
    assert_eq!(logins(&server).await, ["logged_in"]);
    // Another form makes nothing of it.
    browser.forget("heirloom_login");
    let page = browser.open(&browser.url("/signup")).await;
    let form = filled(&page.form_to("/signup"), BOB).set("email", "bob@example.com");
    assert_eq!(browser.submit(form).await.status(), 409);
}
