//! A person's own pages: profile, password, devices, apps; and what every page has in common.

use url::Url;

use crate::devices::{FIREFOX, sign_in_on};
use crate::support::web_browser::{Browser, Form, Page};
use crate::support::{Server, USER};

const NEW: &str = "marble-kettle-57-orchid";
const PAGES: [&str; 4] = ["/profile", "/password", "/devices", "/apps"];

/// A browser with which the user is signed in.
async fn signed_in(server: &Server) -> Browser {
    signed_in_as(server, USER).await
}

async fn signed_in_as(server: &Server, (name, password): (&str, &str)) -> Browser {
    let mut browser = Browser::of(server);
    let page = browser.open(&browser.url("/login?to=devices")).await;
    let page = browser.submit(page.form().set("username", name).set("password", password)).await;
    assert_eq!(page.leads_to().path(), "/devices", "{}", page.text());
    browser
}

async fn open(browser: &mut Browser, path: &str) -> Page {
    let url = browser.url(path);
    browser.open(&url).await
}

/// Sends a form, and follows the redirect.
async fn submit(browser: &mut Browser, form: Form) -> Page {
    let page = browser.submit(form).await;
    if page.is_redirect() { browser.follow(&page).await } else { page }
}

/// The form of a page that is not the one to log out.
fn form(page: &Page, field: &str) -> Form {
    let forms = page.forms();
    forms.into_iter().find(|form| form.has(field)).unwrap_or_else(|| panic!("no {field} in {}", page.text()))
}

/// The form by which all other devices are signed out.
fn last_form(page: &Page) -> Form {
    page.forms().pop().unwrap()
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in_and_comes_back() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    for path in PAGES {
        let page = open(&mut browser, path).await;
        assert_eq!(page.leads_to().as_str(), format!("{}/login?to={}", server.base, &path[1..]));
    }
    let device = open(&mut browser, "/devices/01890a5d-ac96-774b-bcce-b302099a8057").await;
    assert_eq!(device.leads_to().as_str(), format!("{}/login?to=devices", server.base));
    // A login that has expired is none.
    let mut browser = signed_in(&server).await;
    let page = open(&mut browser, "/profile").await;
    assert_eq!(page.status(), 200);
    let form = form(&page, "display_name").set("display_name", "Ann Smith");
    server.wait(31 * 86_400);
    let page = browser.submit(form).await;
    assert_eq!(page.leads_to().as_str(), format!("{}/login?to=profile", server.base));
    assert!(
        server
            .app
            .accounts
            .own_account(user(&server).await)
            .await
            .is_ok_and(|account| { account.profile.display_name.is_none() })
    );
}

async fn user(server: &Server) -> heirloom::oauth::UserId {
    server.sign_in().await.claims()["sub"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_person_sees_and_changes_the_profile() {
    let server = Server::start().await;
    let mut browser = signed_in(&server).await;
    let page = open(&mut browser, "/profile").await;
    let change = form(&page, "email").set("display_name", "Ann <b>Smith</b>").set("email", "ann@example.com");
    let page = submit(&mut browser, change).await;
    assert!(page.text().contains("Your changes are saved."), "{}", page.text());
    let fields = form(&page, "email");
    assert_eq!(fields.value("display_name"), "Ann <b>Smith</b>");
    assert_eq!(fields.value("email"), "ann@example.com");
    assert!(!page.answer.text.contains("<b>Smith"), "{}", page.answer.text);

    let page = submit(&mut browser, fields.set("email", "ann@@example.com")).await;
    assert_eq!(page.status(), 422);
    assert!(page.text().contains("Enter an email address like name@example.com"), "{}", page.text());
    assert_eq!(form(&page, "email").value("email"), "ann@@example.com", "what was typed stands there");
    let page = open(&mut browser, "/profile").await;
    let page = submit(&mut browser, form(&page, "email").set("display_name", "").set("email", "")).await;
    assert_eq!(form(&page, "email").value("email"), "");
    let account = server.app.accounts.own_account(user(&server).await).await.ok().unwrap();
    assert!(account.profile.email.is_none() && account.profile.display_name.is_none());
}

#[tokio::test]
async fn another_password_signs_all_other_devices_out_and_keeps_this_browser() {
    let server = Server::start().await;
    let (mut here, mut elsewhere) = (signed_in(&server).await, signed_in(&server).await);
    let app = server.sign_in().await;
    let page = open(&mut here, "/password").await;
    let change = |page: &Page, old: &str, new: &str| {
        form(page, "old_password").set("old_password", old).set("new_password", new)
    };
    for (old, new, status, said) in [
        ("", NEW, 422, "Enter a password"),
        (USER.1, "short", 422, "The password needs at least 8 characters"),
        (USER.1, "password1", 422, "This password is easy to guess"),
        ("wrong-password", NEW, 403, "The current password is not correct"),
    ] {
        let page = submit(&mut here, change(&page, old, new)).await;
        assert!(page.status() == status && page.text().contains(said), "{}: {}", page.status(), page.text());
        assert!(!page.answer.text.contains(NEW), "no password comes back");
    }
    let page = submit(&mut here, change(&page, USER.1, NEW)).await;
    assert!(page.text().contains("Your password is changed"), "{}", page.text());
    assert_eq!(open(&mut here, "/profile").await.status(), 200);
    assert!(open(&mut elsewhere, "/profile").await.is_redirect());
    assert_eq!(server.refresh(&app.refresh_token()).await.error(), "invalid_grant");
    signed_in_as(&server, (USER.0, NEW)).await;
}

#[tokio::test]
async fn devices_are_listed_ended_and_told_of() {
    let server = Server::start().await;
    let mut browser = signed_in(&server).await;
    let page = open(&mut browser, "/devices").await;
    assert!(page.text().contains("No app is signed in to your account."), "{}", page.text());
    let session = server
        .send(server.token().header("user-agent", FIREFOX).form(&[
            ("grant_type", "password"),
            ("client_id", crate::support::PUBLIC),
            ("username", USER.0),
            ("password", USER.1),
        ]))
        .await;
    let mut token = session.refresh_token();
    for _ in 0..3 {
        server.wait(60);
        token = server.refresh(&token).await.refresh_token();
    }
    let page = open(&mut browser, "/devices").await;
    assert!(page.text().contains("Firefox · ") && page.text().contains("Demo (public)"), "{}", page.text());
    assert!(page.text().contains("just now") && page.text().contains("3 minutes ago"), "{}", page.text());
    let id = session.session().to_string();

    let told = open(&mut browser, &format!("/devices/{id}")).await;
    for text in ["Signed in with Demo (public)", "Renewed 3 times", "2100-01-01 00:00:00 UTC"] {
        assert!(told.text().contains(text), "{text}: {}", told.text());
    }
    assert!(told.answer.text.contains("<svg") && told.answer.text.contains("×3"));
    assert!(told.answer.text.contains("<time datetime=\"2100-01-01T00:00:00.000Z\">"));

    let end = form(&page, "device").press("action", "end");
    let page = submit(&mut browser, end).await;
    assert!(page.text().contains("The device is signed out."), "{}", page.text());
    assert!(page.text().contains("No app is signed in to your account."), "{}", page.text());
    assert_eq!(server.refresh(&token).await.error(), "invalid_grant");
    let told = open(&mut browser, &format!("/devices/{id}")).await;
    assert!(told.text().contains("You signed it out from the list of devices."), "{}", told.text());
}

#[tokio::test]
async fn other_peoples_devices_are_not_found() {
    let server = Server::start().await;
    server.app.accounts.register("bob", USER.1, Vec::new()).await.unwrap();
    let session = sign_in_on(&server, FIREFOX, "bob's").await;
    let mut browser = signed_in_as(&server, ("bob", USER.1)).await;
    let token = form(&last_page(&mut browser).await, "form_token").value("form_token").to_owned();
    let id = session.session().to_string();
    for id in [id.as_str(), "01890a5d-ac96-774b-bcce-b302099a8057", "x", "..%2f"] {
        let page = open(&mut browser, &format!("/devices/{id}")).await;
        assert_eq!(page.status(), 404, "{id}");
        assert!(page.text().contains("Nothing here"), "{}", page.text());
    }
    assert!(!token.is_empty());
    let own = sign_in_as_bob(&server).await;
    let page = open(&mut browser, "/devices").await;
    let form = form(&page, "device");
    assert_eq!(form.value("device"), own);
    let page = browser.submit(form.set("device", &id).press("action", "end")).await;
    assert_eq!(page.status(), 404);
    assert_eq!(server.refresh(&session.refresh_token()).await.status, 200, "it lives");
}

async fn last_page(browser: &mut Browser) -> Page {
    open(browser, "/devices").await
}

async fn sign_in_as_bob(server: &Server) -> String {
    server.sign_in_as("bob", USER.1).await.session().to_string()
}

#[tokio::test]
async fn everything_else_or_everything_is_signed_out_at_once() {
    let server = Server::start().await;
    let (mut here, mut elsewhere) = (signed_in(&server).await, signed_in(&server).await);
    let app = server.sign_in().await;
    let page = open(&mut here, "/devices").await;
    let page = submit(&mut here, last_form(&page).press("action", "end_others")).await;
    assert!(page.text().contains("All your other devices are signed out."), "{}", page.text());
    assert!(open(&mut elsewhere, "/devices").await.is_redirect());
    assert_eq!(server.refresh(&app.refresh_token()).await.error(), "invalid_grant");

    let app = server.sign_in().await;
    let page = open(&mut here, "/devices").await;
    let page = here.submit(last_form(&page).press("action", "end_all")).await;
    assert_eq!(page.leads_to().as_str(), format!("{}/login?to=devices", server.base));
    assert!(open(&mut here, "/devices").await.is_redirect());
    assert_eq!(server.refresh(&app.refresh_token()).await.error(), "invalid_grant");
}

/// RFC 6749 §10.12, for each form of a person's own pages.
#[tokio::test]
async fn a_form_of_another_site_browser_or_login_changes_nothing() {
    let server = Server::start().await;
    server.app.accounts.register("bob", USER.1, Vec::new()).await.unwrap();
    server.sign_in().await;
    let mut browser = signed_in(&server).await;
    let mut bobs = signed_in_as(&server, ("bob", USER.1)).await;
    let foreign = form(&open(&mut bobs, "/profile").await, "email").value("form_token").to_owned();
    let position = server.position().await;
    for path in PAGES {
        let page = open(&mut browser, path).await;
        let forms = page.forms().into_iter().filter(|form| form.action.path() == path);
        for form in forms {
            // From another site the cookie is not even sent.
            let page = browser.submit_from("https://evil.example/", form.clone()).await;
            assert_eq!(page.status(), 403, "{path}: {}", page.text());
            for token in ["", "hft_", foreign.as_str()] {
                let page = browser.submit(form.clone().set("form_token", token)).await;
                assert_eq!(page.status(), 403, "{path}: {}", page.text());
                assert!(page.text().contains("Try again"), "{}", page.text());
            }
            // A browser that has lost its cookie.
            let kept = browser.forget("heirloom_browser").unwrap();
            assert_eq!(browser.submit(form).await.status(), 403, "{path}");
            browser.forget("heirloom_browser");
            browser.plant("heirloom_browser", &kept.value);
        }
    }
    assert_eq!(server.position().await, position, "nothing happened");
}

#[tokio::test]
async fn every_page_has_the_headers_that_protect_it() {
    let server = Server::start().await;
    let mut browser = signed_in(&server).await;
    let paths = PAGES.into_iter().chain(["/login?to=devices", "/devices/x", "/profile/x", "/assets/x"]);
    for path in paths {
        let page = open(&mut browser, path).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(page.answer.header(name), value, "{path}");
        }
        if !page.is_redirect() {
            let policy = page.answer.header("content-security-policy");
            for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(directive), "{path}: {policy}");
            }
            assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{path}: {policy}");
            assert!(policy.ends_with("form-action 'self'"), "{path}: {policy}");
            assert!(!page.answer.header("permissions-policy").is_empty(), "{path}");
            assert_eq!(page.answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
            assert!(page.answer.header("content-type").starts_with("text/html"), "{path}");
        }
    }
}

#[tokio::test]
async fn wrong_methods_and_unknown_paths_are_answered_by_a_page() {
    let server = Server::start().await;
    for (method, path, status, allow) in [
        (reqwest::Method::PUT, "/profile", 405, "GET, HEAD, POST"),
        (reqwest::Method::POST, "/devices/x", 405, "GET, HEAD"),
        (reqwest::Method::GET, "/devices/x/y", 404, ""),
    ] {
        let request = server.client.request(method, format!("{}{path}", server.base));
        let answer = crate::support::Answer::of(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{path}");
        assert!(answer.text.contains("<!doctype html>"), "{path}");
    }
}

#[tokio::test]
async fn the_files_of_the_pages_may_be_kept_for_ever() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let page = open(&mut browser, "/login").await;
    let files: Vec<Url> = page
        .answer
        .text
        .split(['"'])
        .filter(|text| text.starts_with("/assets/"))
        .map(|path| browser.url(path))
        .collect();
    assert!(files.len() >= 2, "{}", page.answer.text);
    for file in files {
        let found = browser.open(&file).await.answer;
        assert_eq!(found.header("cache-control"), "public, max-age=31536000, immutable", "{file}");
        let again = server.client.get(file.clone()).header("if-none-match", found.header("etag"));
        assert_eq!(again.send().await.unwrap().status(), 304, "{file}");
    }
}

#[tokio::test]
async fn the_pages_speak_the_language_that_the_browser_asks_for() {
    let server = Server::with(|setup| setup.config.pages.language = heirloom::config::Language::French).await;
    let mut browser = Browser::of(&server);
    for (asked, tag, word) in [
        ("de-AT, en;q=0.5", "de", "Anmelden"),
        ("ja", "ja", "ログイン"),
        ("es-MX", "es", "Iniciar sesión"),
        ("en", "en", "Sign in"),
        ("pt", "fr", "Connexion"),
    ] {
        asked.clone_into(&mut browser.languages);
        let page = open(&mut browser, "/login").await;
        assert!(page.answer.text.contains(&format!("<html lang=\"{tag}\">")), "{}", page.answer.text);
        assert!(page.text().contains(word), "{}", page.text());
    }
}

#[tokio::test]
async fn below_an_issuers_path_all_links_and_forms_stay_there() {
    let server = Server::with(|setup| setup.config.issuer = "https://example.com/auth/id".to_owned()).await;
    let mut browser = Browser::of(&server);
    let page = open(&mut browser, "/devices").await;
    assert_eq!(page.leads_to().as_str(), "https://example.com/auth/id/login?to=devices");
    let page = browser.follow(&page).await;
    let page = browser.submit(page.form().set("username", USER.0).set("password", USER.1)).await;
    assert_eq!(page.leads_to().as_str(), "https://example.com/auth/id/devices");
    let page = browser.follow(&page).await;
    for (link, text) in page.links() {
        assert!(link.path().starts_with("/auth/id/") || text.contains("Skip"), "{link}");
    }
    assert!(page.forms().iter().all(|form| form.action.path().starts_with("/auth/id/")));
    let page = open(&mut browser, "/profile").await;
    let page = browser.submit(form(&page, "email").set("display_name", "Ann")).await;
    assert_eq!(page.leads_to().as_str(), "https://example.com/auth/id/profile?done=saved");
    assert_eq!(browser.cookie_names().len(), 2, "{:?}", browser.cookie_names());
}

#[tokio::test]
async fn who_makes_an_account_is_signed_in_with_it() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let page = open(&mut browser, "/login").await;
    let page = browser.click(&page, "Create an account").await;
    let fill = |page: &Page, name: &str, password: &str| {
        let filled = page.form().set("username", name).set("email", "cy@example.com");
        filled.set("display_name", "Cy <i>").set("password", password)
    };
    for (name, password, status, said) in [
        ("", NEW, 422, "Enter a username"),
        (USER.0, NEW, 409, "This username is already taken"),
        ("cy", "short", 422, "The password needs at least 8 characters"),
    ] {
        let page = browser.submit(fill(&page, name, password)).await;
        assert!(page.status() == status && page.text().contains(said), "{}: {}", page.status(), page.text());
        assert_eq!(page.form().value("display_name"), "Cy <i>", "what was typed stands there");
        assert!(!page.answer.text.contains(NEW), "no password comes back");
    }
    let foreign = browser.submit_from("https://evil.example/", fill(&page, "cy", NEW)).await;
    assert_eq!(foreign.status(), 403);
    let stale = browser.submit(fill(&page, "cy", NEW).set("form_token", "hft_x")).await;
    assert!(stale.status() == 403 && stale.text().contains("open too long"), "{}", stale.text());
    let page = submit(&mut browser, fill(&page, "cy", NEW)).await;
    assert!(page.url.path() == "/profile" && page.text().contains("Signed in as cy"), "{}", page.text());

    let closed =
        server.restart(|setup| setup.config.accounts.registration = heirloom::config::SignUp::Closed).await;
    let mut browser = Browser::of(&closed);
    let page = open(&mut browser, "/signup").await;
    assert!(page.forms().is_empty() && page.text().contains("New accounts are not open"), "{}", page.text());
}
