//! The browsers on `/devices`: which are signed in, which apps were signed in from them, and signing one out.

use heirloom::app::logins::{CurrentLogin, TypedPassword};
use heirloom::login::{Login, LoginEvent};
use heirloom::oauth::LoginId;

use crate::devices::FIREFOX;
use crate::sign_up::{contains, vault_of};
use crate::support::codes::Ask;
use crate::support::web_browser::{Browser, Form, Page};
use crate::support::{Server, USER};

const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/17.5 Mobile/15E148 Safari/604.1";
const BOB: (&str, &str) = ("bob", "quartz-tulip-39-lantern");

async fn open(browser: &mut Browser, path: &str) -> Page {
    let url = browser.url(path);
    browser.open(&url).await
}

/// A browser with which somebody is signed in, at their list of devices.
async fn signed_in(server: &Server, (name, password): (&str, &str), agent: &str) -> (Browser, Page) {
    let mut browser = Browser::of(server);
    agent.clone_into(&mut browser.user_agent);
    let page = open(&mut browser, "/login?to=devices").await;
    let page = browser.submit(page.form().set("username", name).set("password", password)).await;
    let page = browser.follow(&page).await;
    assert_eq!(page.url.path(), "/devices", "{}", page.text());
    (browser, page)
}

/// Signs the user in with a browser that is kept signed in.
async fn log_in_with(server: &Server, user_agent: &str) -> CurrentLogin {
    let typed = TypedPassword {
        form: None,
        name: USER.0,
        password: USER.1,
        persistent: true,
        current: None,
        client: None,
        peer: "127.0.0.1".parse().unwrap(),
        user_agent: Some(user_agent),
    };
    server.app.logins.log_in(typed).await.unwrap().0
}

/// The forms by which the browsers are signed out, in their order.
fn forms(page: &Page) -> Vec<Form> {
    page.forms().into_iter().filter(|form| form.has("browser")).collect()
}

/// What the page says of browsers and of apps.
fn parts(page: &Page) -> (String, String) {
    let text = page.text();
    let (_, rest) = text.split_once("Browsers").unwrap();
    let (browsers, apps) = rest
        .split_once("Apps Firefox")
        .or_else(|| rest.split_once("Apps Safari"))
        .or_else(|| rest.split_once("Apps No app"))
        .unwrap_or_else(|| panic!("{text}"));
    (browsers.to_owned(), apps.to_owned())
}

#[tokio::test]
async fn a_person_sees_in_which_browsers_they_are_signed_in_and_what_began_from_each() {
    let server = Server::start().await;
    let phone = log_in_with(&server, SAFARI).await;
    let offline = Ask { scope: "openid read offline_access", session: 1, ..Ask::default() };
    let code = server.authorize(&phone, offline).await.unwrap();
    assert_eq!(server.redeem(&code).await.status, 200);
    server.wait(3600);
    let (mut browser, page) = signed_in(&server, USER, FIREFOX).await;
    let (browsers, apps) = parts(&page);
    assert_eq!(forms(&page).len(), 2, "{}", page.text());
    let (here, there) = browsers.split_once("Safari · iPhone").unwrap();
    assert!(
        here.contains("Firefox · ") && here.contains("This browser") && here.contains("just now"),
        "{here}"
    );
    assert!(!here.contains("Stays signed in") && !here.contains("Apps signed in from it"), "{here}");
    assert!(there.contains("1 hour ago") && there.contains("Stays signed in when it is closed"), "{there}");
    assert!(
        there.contains("Apps signed in from it: Demo (public)") && !there.contains("This browser"),
        "{there}"
    );
    assert!(!apps.contains("This browser"), "the app began from the other one: {apps}");
    // What the browser said is nowhere but in the vault, and goes with the account.
    let said = |vault: &[(heirloom::store::RecordKey, Vec<u8>)]| {
        vault.iter().filter(|(_, value)| contains(value, "iPhone")).count()
    };
    assert_eq!(said(&vault_of(&server).await), 1);
    let log = server.app.store.read_log(0, 1000).await.unwrap();
    assert!(log.iter().all(|event| !contains(&event.data, "iPhone")));
    server.app.accounts.delete_user(USER.0).await.unwrap();
    assert_eq!(said(&vault_of(&server).await), 0);
    assert!(open(&mut browser, "/devices").await.is_redirect());
}

#[tokio::test]
async fn a_browser_that_is_signed_out_takes_all_with_it_that_began_there_and_nothing_else() {
    let server = Server::start().await;
    let phone = log_in_with(&server, SAFARI).await;
    let mut tokens = Vec::new();
    for (scope, session) in [("openid read offline_access", 1), ("openid read", 2)] {
        let code = server.authorize(&phone, Ask { scope, session, ..Ask::default() }).await.unwrap();
        tokens.push(server.redeem(&code).await.refresh_token());
    }
    let laptop = log_in_with(&server, FIREFOX).await;
    let code = server.authorize(&laptop, Ask { session: 3, ..Ask::default() }).await.unwrap();
    let kept = server.redeem(&code).await.refresh_token();
    let (mut browser, page) = signed_in(&server, USER, FIREFOX).await;
    let form = forms(&page).into_iter().find(|form| form.value("browser") == phone.id.to_string()).unwrap();
    let answer = browser.submit(form.clone().press("action", "end_browser")).await;
    assert_eq!(answer.leads_to().query(), Some("done=browser"));
    let page = browser.follow(&answer).await;
    assert!(page.text().contains("The browser is signed out, and so are the apps"), "{}", page.text());
    assert!(!parts(&page).0.contains("Safari"), "{}", page.text());
    for token in &tokens {
        assert_eq!(server.refresh(token).await.error(), "invalid_grant");
    }
    assert_eq!(
        server.event_names(Ask { session: 1, ..Ask::default() }.id()).await.last(),
        Some(&"session_ended")
    );
    let end = |id: LoginId| {
        let stream = Login::stream(id).unwrap();
        let store = &server.app.store;
        async move {
            LoginEvent::decode(&store.read_stream(stream, 0, 9).await.unwrap().last().unwrap().data).unwrap()
        }
    };
    assert_eq!(end(phone.id).await.name(), "logged_out");
    assert_eq!(end(laptop.id).await.name(), "logged_in");
    assert_eq!(server.refresh(&kept).await.status, 200, "another browser's app goes on");
    assert_eq!(open(&mut browser, "/devices").await.status(), 200, "and so does this one");
    // Once more changes nothing.
    let position = server.position().await;
    assert!(browser.submit(form.press("action", "end_browser")).await.is_redirect());
    assert_eq!(server.position().await, position);
    // What the browser said goes with the login.
    let said = async |server: &Server| {
        vault_of(server).await.iter().filter(|(_, value)| contains(value, "iPhone")).count()
    };
    assert_eq!(said(&server).await, 1);
    server.wait(91 * 86_400);
    while server.app.sweeper.sweep(100).await.unwrap() != heirloom::app::sweep::Swept::default() {}
    assert_eq!(said(&server).await, 0);
}

#[tokio::test]
async fn this_browser_is_signed_out_and_other_peoples_browsers_are_not_found() {
    let server = Server::start().await;
    server.app.accounts.register(BOB.0, BOB.1, Vec::new()).await.unwrap();
    let anns = log_in_with(&server, SAFARI).await;
    let (mut bobs, page) = signed_in(&server, BOB, FIREFOX).await;
    let [form] = forms(&page).try_into().unwrap();
    let position = server.position().await;
    for id in [anns.id.to_string().as_str(), "01890a5d-ac96-774b-bcce-b302099a8057", "x", ""] {
        let answer = bobs.submit(form.clone().set("browser", id).press("action", "end_browser")).await;
        assert_eq!(answer.status(), 404, "{id}");
    }
    assert_eq!(server.position().await, position, "nothing happened");
    let answer = bobs.submit(form.press("action", "end_browser")).await;
    assert_eq!(answer.leads_to().as_str(), format!("{}/login?to=devices", server.base));
    assert!(bobs.cookie("heirloom_login").is_none() && open(&mut bobs, "/devices").await.is_redirect());
}

/// A person who signs in for ever has a list of pages, and no page reads more than its part.
#[tokio::test]
async fn a_long_list_of_browsers_has_pages() {
    let server = Server::with(|setup| {
        setup.config.throttle.sign_in_burst = 200;
        setup.config.sessions.per_user = 100;
    })
    .await;
    for _ in 0..60 {
        log_in_with(&server, SAFARI).await;
    }
    server.wait(1);
    let (mut browser, page) = signed_in(&server, USER, FIREFOX).await;
    assert_eq!(forms(&page).len(), 50);
    let rest = browser.click(&page, "More browsers").await;
    assert_eq!(forms(&rest).len(), 11);
    assert_eq!(parts(&rest).0.matches("This browser").count(), 1);
}

#[tokio::test]
async fn consent_names_the_resource_also_if_no_scope_is_of_it() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    for (scope, resource, named) in [
        ("openid profile", "demo-api", "use demo-api"),
        ("openid read", "demo-api", "use “read” at demo-api"),
        ("openid profile", "", ""),
    ] {
        let more = [("scope", scope), ("resource", resource), ("prompt", "login consent")];
        let login = browser.begin(&crate::authorize::request(&browser, &more)).await.page();
        let form = login.form_to("/login").set("username", USER.0).set("password", USER.1);
        let page = browser.submit(form).await;
        let page = browser.follow(&page).await;
        assert_eq!(page.url.path(), "/consent");
        assert_eq!(
            page.text().matches("demo-api").count(),
            usize::from(!named.is_empty()),
            "{}",
            page.text()
        );
        assert!(page.text().contains(named), "{}", page.text());
    }
}

/// An account may be deleted while the password of a log in is being hashed.
#[tokio::test]
async fn what_a_browser_said_is_not_kept_for_an_account_that_was_deleted_meanwhile() {
    let server = Server::start().await;
    let token = crate::own_account::sign_in(&server, USER.0, USER.1).await.access_token();
    let phone = log_in_with(&server, SAFARI).await;
    let key = heirloom::session::device::record(phone.user, phone.id);
    let said = server.app.store.record(key.clone()).await.unwrap().unwrap();
    assert_eq!(crate::own_account::delete(&server, &token, USER.1).await.status, 204);
    assert_eq!(server.app.store.record(key.clone()).await.unwrap(), None);
    let late = vec![heirloom::store::RecordChange::Put(key.clone(), said)];
    crate::sweep::indexes::change_records(&server, late).await;
    server.wait(30 * 86_400);
    server.app.sweeper.sweep(100).await.unwrap();
    assert_eq!(server.app.store.record(key).await.unwrap(), None);
}
