//! What clients are told of, and what not.

use reqwest::Method;
use serde_json::{Value, json};

use super::{APPS, QUIET, Scene, sid};
use crate::admin::Office;
use crate::authorize::request;
use crate::own_account::change_password;
use crate::support::web_browser::{Browser, Form, Page};
use crate::support::{Answer, Server, USER};

const NEW: &str = "marble-kettle-57-orchid";
const OTHER: (&str, &str) = ("bob", "walnut-copper-58-harbour");
const NOBODY: [Vec<Value>; 3] = [Vec::new(), Vec::new(), Vec::new()];

async fn open(browser: &mut Browser, path: &str) -> Page {
    let url = browser.url(path);
    browser.open(&url).await
}

/// The form of a page that has this button.
fn form(page: &Page, action: &str) -> Form {
    let forms = page.forms();
    let found = forms.into_iter().find(|form| form.buttons().iter().any(|(_, value, _)| *value == action));
    found.unwrap_or_else(|| panic!("no {action} in {}", page.answer.text)).press("action", action)
}

#[tokio::test]
async fn a_logout_that_an_app_begins_reaches_every_app_of_the_login_once() {
    let scene = Scene::start().await;
    let (mut browser, [first, ..]) = scene.signed_in([APPS[0], APPS[1], APPS[2], QUIET]).await;
    // Twice in one app: it is told once.
    scene.sign_in_to(&mut browser, APPS[0], USER, "openid").await;
    // In another browser, and another person: they stay.
    let (_, [elsewhere]) = scene.signed_in([APPS[0]]).await;
    scene.server.app.accounts.register(OTHER.0, OTHER.1, Vec::new()).await.unwrap();
    scene.signed_in_as(OTHER, [APPS[1]]).await;
    assert_eq!(scene.told().await, NOBODY);

    let mut url = browser.url("/oauth/logout");
    url.query_pairs_mut().append_pair("id_token_hint", &first.id_token());
    assert_eq!(browser.come_from("https://app.example/", &url).await.status(), 200);
    let login = vec![sid(&first)];
    assert_ne!(login[0], sid(&elsewhere));
    assert_eq!(scene.told().await, [login.clone(), login.clone(), login]);
    assert_eq!(scene.told().await, NOBODY, "nobody is told twice");
}

#[tokio::test]
async fn a_logout_on_the_pages_reaches_the_apps_of_the_login() {
    let scene = Scene::start().await;
    let (mut browser, [app, _]) = scene.signed_in([APPS[1], QUIET]).await;
    log_out(&mut browser).await;
    assert_eq!(scene.told().await, [vec![], vec![sid(&app)], vec![]]);
}

pub(crate) async fn log_out(browser: &mut Browser) {
    let page = open(browser, "/logout").await;
    let form = page.form_to("/logout");
    let (name, value, _) = form.buttons()[0];
    let (name, value) = (name.to_owned(), value.to_owned());
    browser.submit(form.press(&name, &value)).await;
    assert!(open(browser, "/devices").await.is_redirect(), "signed out");
}

/// An app's own session is often much longer than the one at the server, which may be over with its only access token.
#[tokio::test]
async fn an_app_is_told_although_its_session_here_is_long_over_and_swept() {
    let scene = Scene::with(|setup| {
        setup.client(APPS[0], |client| {
            client.metadata.refresh_tokens = heirloom::client::RefreshTokens::Never;
        });
    })
    .await;
    let (mut browser, [app]) = scene.signed_in([APPS[0]]).await;
    assert_eq!(app.json.get("refresh_token"), None);
    scene.server.wait(3600);
    assert_eq!(scene.server.app.sweeper.sweep(10).await.unwrap().ended, 1);
    assert_eq!(scene.told().await, NOBODY, "it was not logged out");
    log_out(&mut browser).await;
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![], vec![]]);
}

#[tokio::test]
async fn somebody_else_in_the_same_browser_logs_the_first_one_out() {
    let scene = Scene::start().await;
    scene.server.app.accounts.register(OTHER.0, OTHER.1, Vec::new()).await.unwrap();
    let (browser, [app]) = scene.signed_in([APPS[0]]).await;
    let login = scene.server.app.logins.current(&browser.cookie("heirloom_login").unwrap().value).await;
    let login = login.unwrap().unwrap();
    let typed = heirloom::app::logins::TypedPassword {
        name: OTHER.0,
        password: OTHER.1,
        persistent: false,
        form: None,
        current: Some(&login),
        client: None,
        user_agent: None,
        peer: "127.0.0.1".parse().unwrap(),
    };
    scene.server.app.logins.log_in(typed).await.unwrap();
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![], vec![]]);
}

#[tokio::test]
async fn all_other_devices_or_all_are_ended_and_their_apps_are_told() {
    let scene = Scene::start().await;
    let (mut here, [kept]) = scene.signed_in([APPS[0]]).await;
    let (_, [other, _]) = scene.signed_in([APPS[0], QUIET]).await;
    let (_, [third]) = scene.signed_in([APPS[2]]).await;
    let page = open(&mut here, "/devices").await;
    here.submit(form(&page, "end_others")).await;
    assert_eq!(scene.told().await, [vec![sid(&other)], vec![], vec![sid(&third)]]);
    let page = open(&mut here, "/devices").await;
    here.submit(form(&page, "end_all")).await;
    assert_eq!(scene.told().await, [vec![sid(&kept)], vec![], vec![]], "the others were told before");
}

#[tokio::test]
async fn another_password_reaches_the_apps_of_all_other_logins() {
    let scene = Scene::start().await;
    let (mut here, _) = scene.signed_in([APPS[0]]).await;
    let (_, [other]) = scene.signed_in([APPS[1]]).await;
    let page = open(&mut here, "/password").await;
    let form = page.forms().into_iter().find(|form| form.has("old_password")).unwrap();
    here.submit(form.set("old_password", USER.1).set("new_password", NEW)).await;
    assert_eq!(scene.told().await, [vec![], vec![sid(&other)], vec![]]);
    log_out(&mut here).await;
    assert_eq!(scene.told().await[0].len(), 1, "it was kept until now");
}

/// The app from which the password was changed goes on: it is not told, although its login is over.
#[tokio::test]
async fn an_app_that_changes_the_password_is_not_told_of_its_own_login() {
    let scene = Scene::start().await;
    let mut browser = Browser::of(&scene.server);
    let scope = "openid account offline_access";
    let app = scene.sign_in_to(&mut browser, APPS[0], USER, scope).await;
    let beside = scene.sign_in_to(&mut browser, APPS[1], USER, scope).await;
    assert_eq!(change_password(&scene.server, &app.access_token(), USER.1, NEW).await.status, 204);
    assert_eq!(scene.told().await, [vec![], vec![sid(&beside)], vec![]]);
    // When all are ended at last, it is told.
    let user = scene.server.app.accounts.account_named(USER.0).await.unwrap().unwrap();
    scene.server.app.sessions.end_all_sessions(user, None).await.unwrap_or_else(|_| panic!("it ends them"));
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![], vec![]]);
}

/// A login that was ended has been told of; what it left behind, which needs no login, ends with the others.
#[tokio::test]
async fn an_app_whose_session_has_outlived_its_login_is_told_when_that_ends() {
    let scene = Scene::start().await;
    let mut browser = Browser::of(&scene.server);
    let offline = scene.sign_in_to(&mut browser, APPS[0], USER, "openid offline_access").await;
    scene.sign_in_to(&mut browser, APPS[1], USER, "openid").await;
    log_out(&mut browser).await;
    assert_eq!(scene.told().await, [vec![sid(&offline)], vec![sid(&offline)], vec![]]);
    let user = scene.server.app.accounts.account_named(USER.0).await.unwrap().unwrap();
    for told in [vec![sid(&offline)], vec![]] {
        scene
            .server
            .app
            .sessions
            .end_all_sessions(user, None)
            .await
            .unwrap_or_else(|_| panic!("it ends them"));
        assert_eq!(scene.told().await, [told, vec![], vec![]], "once");
    }
}

#[tokio::test]
async fn a_device_that_is_ended_from_the_list_has_its_own_app_told() {
    let scene = Scene::start().await;
    let (mut here, [first, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
    end_device(&mut here, &first).await;
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![], vec![]]);
    log_out(&mut here).await;
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![sid(&first)], vec![]], "it may have begun again");
}

async fn end_device(browser: &mut Browser, tokens: &Answer) {
    let page = open(browser, "/devices").await;
    let id = tokens.session().to_string();
    let forms = page.forms();
    let end = forms.into_iter().find(|form| form.has("device") && form.value("device") == id).unwrap();
    browser.submit(end.press("action", "end")).await;
}

/// The code was there before the device was ended; the app redeems it after that.
#[tokio::test]
async fn an_app_that_begins_by_an_older_code_after_its_end_is_told_of_the_logout() {
    let scene = Scene::start().await;
    let (mut here, [first]) = scene.signed_in([APPS[0]]).await;
    let url = request(&here, &[("client_id", APPS[0]), ("scope", "openid")]);
    let code = here.sign_in(&url, USER).await.code().to_owned();
    end_device(&mut here, &first).await;
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![], vec![]]);
    let again = scene.redeem(APPS[0], &code).await;
    assert_eq!(sid(&again), sid(&first));
    log_out(&mut here).await;
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![], vec![]]);
}

#[tokio::test]
async fn a_withdrawn_consent_has_that_app_told() {
    let scene = Scene::start().await;
    let (mut here, [first, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
    let user = scene.server.app.accounts.account_named(USER.0).await.unwrap().unwrap();
    let id = heirloom::consent::ConsentId { user, client: APPS[0].parse().unwrap() };
    scene.server.app.consents.withdraw(&id, None).await.unwrap();
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![], vec![]]);
    // It begins again, and is told again.
    scene.sign_in_to(&mut here, APPS[0], USER, "openid").await;
    log_out(&mut here).await;
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![sid(&first)], vec![]]);
}

/// Nothing of it lives here any more, but the app's own cookie may.
#[tokio::test]
async fn whoever_knows_a_login_that_has_expired_is_told_when_all_of_the_user_ends() {
    let scene = Scene::start().await;
    let (_, [first]) = scene.signed_in([APPS[0]]).await;
    scene.server.wait(20 * 86_400);
    scene.server.app.sweeper.sweep(10).await.unwrap();
    let (_, [second]) = scene.signed_in([APPS[1]]).await;
    scene.server.wait(20 * 86_400);
    assert!(scene.server.app.sweeper.sweep(10).await.unwrap().logins >= 1);
    assert_eq!(scene.told().await, NOBODY);
    let user = scene.server.app.accounts.account_named(USER.0).await.unwrap().unwrap();
    for told in [[vec![sid(&first)], vec![sid(&second)], vec![]], NOBODY] {
        scene
            .server
            .app
            .sessions
            .end_all_sessions(user, None)
            .await
            .unwrap_or_else(|_| panic!("it ends them"));
        assert_eq!(scene.told().await, told);
    }
}

/// With and without a consent that was asked for.
#[tokio::test]
async fn a_withdrawn_consent_has_the_app_told_whose_session_is_over() {
    let scene = Scene::start().await;
    let (_, [first, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
    scene.server.wait(40 * 86_400);
    scene.server.app.sweeper.sweep(10).await.unwrap();
    let user = scene.server.app.accounts.account_named(USER.0).await.unwrap().unwrap();
    let id = heirloom::consent::ConsentId { user, client: APPS[0].parse().unwrap() };
    scene.server.app.consents.withdraw(&id, None).await.unwrap();
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![], vec![]]);
    let allowed = heirloom::consent::Allowed {
        scope: "openid".parse().unwrap(),
        resource: None,
        redirect_host: "app.example".to_owned(),
    };
    scene.server.app.consents.give(&id, &allowed).await.unwrap();
    scene.server.app.consents.withdraw(&id, None).await.unwrap();
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![], vec![]], "once");
}

/// The login knows which apps to tell: its sessions with `offline_access` have no entry of their own.
#[tokio::test]
async fn a_browser_that_is_signed_out_has_each_app_told_once() {
    let scene = Scene::start().await;
    let mut browser = Browser::of(&scene.server);
    let app = scene.sign_in_to(&mut browser, APPS[0], USER, "openid offline_access").await;
    scene.sign_in_to(&mut browser, APPS[0], USER, "openid offline_access").await;
    let user = scene.server.app.accounts.account_named(USER.0).await.unwrap().unwrap();
    let login = scene.server.app.logins.current(&browser.cookie("heirloom_login").unwrap().value).await;
    let login = login.unwrap().unwrap().id;
    assert!(scene.server.app.sessions.end_own_login(user, login).await.unwrap());
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![], vec![]]);
}

#[tokio::test]
async fn what_an_administrator_ends_is_told() {
    let Scene { server, apps } = Scene::start().await;
    let office = Office::on(server).await;
    let user = office.user().await;
    let scene = Scene { server: office.server, apps };
    let (_, [first, _]) = scene.signed_in([APPS[0], APPS[1]]).await;
    let ask = async |method: Method, path: String| {
        let request = scene.server.client.request(method, format!("{}{path}", scene.server.base));
        scene.server.send(request.bearer_auth(&office.token)).await.status
    };
    assert_eq!(ask(Method::DELETE, format!("/admin/sessions/{}", first.session())).await, 204);
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![], vec![]]);
    assert_eq!(ask(Method::DELETE, format!("/admin/users/{user}/sessions")).await, 204);
    assert_eq!(scene.told().await, [vec![sid(&first)], vec![sid(&first)], vec![]]);
    let (_, [second]) = scene.signed_in([APPS[2]]).await;
    assert_eq!(ask(Method::POST, format!("/admin/users/{user}/disable")).await, 200);
    assert_eq!(scene.told().await, [vec![], vec![], vec![sid(&second)]]);
    assert_eq!(ask(Method::POST, format!("/admin/users/{user}/enable")).await, 200);
    let (_, [third]) = scene.signed_in([APPS[2]]).await;
    assert_eq!(ask(Method::DELETE, format!("/admin/users/{user}")).await, 204);
    assert_eq!(scene.told().await, [vec![], vec![], vec![sid(&third)]]);
}

#[tokio::test]
async fn a_stolen_refresh_token_that_is_used_has_the_app_told() {
    let scene = Scene::start().await;
    let (_, [app]) = scene.signed_in([APPS[0]]).await;
    let refresh = async |token: &str| {
        let form = [("grant_type", "refresh_token"), ("client_id", APPS[0]), ("refresh_token", token)];
        scene.server.post(&form).await
    };
    assert_eq!(refresh(&app.refresh_token()).await.status, 200);
    scene.server.wait(3600);
    assert_eq!(refresh(&app.refresh_token()).await.status, 400);
    assert_eq!(scene.told().await, [vec![sid(&app)], vec![], vec![]]);
}

/// Nobody else ended it: the app itself, or time.
#[tokio::test]
async fn of_its_own_revocation_and_of_expiry_no_app_is_told() {
    let scene = Scene::start().await;
    let (mut browser, [app, other]) = scene.signed_in([APPS[0], APPS[1]]).await;
    let form = [("client_id", APPS[0]), ("token", &app.refresh_token())];
    let revoke = scene.server.client.post(format!("{}/oauth/revoke", scene.server.base)).form(&form);
    assert_eq!(scene.server.send(revoke).await.status, 200);
    assert_eq!(scene.told().await, NOBODY);
    // Its own cookie may live all the same, so it is told of the logout.
    log_out(&mut browser).await;
    assert_eq!(scene.told().await, [vec![sid(&other)], vec![sid(&other)], vec![]]);

    scene.signed_in([APPS[2]]).await;
    scene.server.wait(31 * 86_400);
    assert!(scene.server.app.sweeper.sweep(10).await.unwrap().logins >= 1);
    assert_eq!(scene.told().await, NOBODY);
}

/// An app without `openid` has no `sid`; one that signs in by the password grant has no login.
#[tokio::test]
async fn a_session_without_openid_or_without_a_login_is_nobodys_to_tell() {
    let scene = Scene::start().await;
    let mut browser = Browser::of(&scene.server);
    let plain = scene.sign_in_to(&mut browser, APPS[0], USER, "read").await;
    assert_eq!(plain.json.get("id_token"), None);
    log_out(&mut browser).await;
    let form = [
        ("grant_type", "password"),
        ("client_id", APPS[1]),
        ("username", USER.0),
        ("password", USER.1),
        ("scope", "account openid"),
    ];
    let session = scene.server.post(&form).await;
    assert_eq!(session.status, 200, "{}", session.text);
    end_own(&scene.server, &session.access_token(), &session.session().to_string()).await;
    assert_eq!(scene.told().await, NOBODY);
}

async fn end_own(server: &Server, token: &str, session: &str) {
    let url = format!("{}/account/sessions/{session}", server.base);
    assert_eq!(server.send(server.client.delete(url).bearer_auth(token)).await.status, 204);
}

#[tokio::test]
async fn the_records_of_who_knows_a_login_go_with_it() {
    let scene = Scene::start().await;
    scene.signed_in([APPS[0], QUIET]).await;
    let known = async || {
        let prefix = heirloom::store::RecordKey::vault(&[b"bk"]);
        scene.server.app.store.scan(prefix, None, 100).await.unwrap().len()
    };
    assert_eq!(known().await, 2);
    scene.server.wait(31 * 86_400);
    scene.server.app.sweeper.sweep(10).await.unwrap();
    scene.server.wait(91 * 86_400);
    scene.server.app.sweeper.sweep(10).await.unwrap();
    assert_eq!(known().await, 0);
    assert_eq!(json!(scene.told().await), json!([[], [], []]));
}
