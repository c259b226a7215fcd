//! A password that is typed again in a live login, and how many logins one person may have.

use heirloom::app::logins::TypedPassword;
use heirloom::app::sweep::Swept;
use heirloom::clock::Timestamp;
use heirloom::login::LogoutReason;

use super::{DAY, HOUR, NEW, end, is_current, names, typed};
use crate::support::web_browser::Browser;
use crate::support::{NOW, Server, USER};

fn days(days: u64) -> Timestamp {
    NOW.after(std::time::Duration::from_secs(days * DAY))
}

#[tokio::test]
async fn a_password_that_is_typed_again_makes_a_login_last_as_a_new_one() {
    let server = Server::start().await;
    let (login, _) = server.app.logins.log_in(typed()).await.unwrap();
    assert_eq!(login.absolute_expiry, days(1));
    server.wait(HOUR);
    let again = TypedPassword { current: Some(&login), ..typed() };
    let (login, _) = server.app.logins.log_in(again).await.unwrap();
    assert_eq!((login.persistent, login.absolute_expiry.since(days(1)).as_secs()), (false, HOUR));
    server.wait(HOUR);
    let keep = TypedPassword { persistent: true, current: Some(&login), ..typed() };
    let (login, cookie) = server.app.logins.log_in(keep).await.unwrap();
    assert_eq!((login.persistent, login.absolute_expiry.since(days(30)).as_secs()), (true, 2 * HOUR));
    // The sweeper finds the first place in its queue, and makes another.
    server.wait(2 * DAY);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap(), Swept { logins: 1, ..Swept::default() });
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap(), Swept::default());
    assert!(is_current(&server, &cookie).await);
    server.wait(28 * DAY);
    assert!(!is_current(&server, &cookie).await);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().logins, 1);
    assert_eq!(end(&server, login.id).await, Some((login.absolute_expiry, LogoutReason::Expired)));
}

#[tokio::test]
async fn the_cookie_stays_when_the_person_ticks_the_box_at_the_second_time() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let asked = crate::authorize::request(&browser, &[("prompt", "login")]);
    browser.sign_in(&asked, USER).await;
    assert_eq!(browser.cookie("heirloom_login").unwrap().expires, None);
    server.wait(1);
    let page = browser.begin(&asked).await.page();
    let form = page.form_to("/login").set("username", USER.0).set("password", USER.1).tick("keep", "yes");
    browser.submit(form).await;
    assert_eq!(
        browser.cookie("heirloom_login").unwrap().expires.map(|at| at.since(days(30)).as_secs()),
        Some(1)
    );
    server.wait(20 * DAY);
    browser.close();
    assert_eq!(browser.open(&browser.url("/profile")).await.status(), 200);
}

#[tokio::test]
async fn one_person_has_so_many_logins_and_the_oldest_end_first() {
    let server = Server::with(|setup| setup.config.sessions.per_user = 3).await;
    server.app.accounts.register("bob", NEW, Vec::new()).await.unwrap();
    let bob = TypedPassword { name: "bob", password: NEW, ..typed() };
    let (bob, of_bob) = server.app.logins.log_in(bob).await.unwrap();
    let mut begun = Vec::new();
    for _ in 0..6 {
        server.wait(1);
        begun.push(server.app.logins.log_in(typed()).await.unwrap());
        if begun.len() == 2 {
            server.app.logins.log_out(begun[1].0.id, LogoutReason::Logout, None).await.unwrap();
        }
    }
    let mut live = Vec::new();
    for (login, cookie) in &begun {
        live.push(is_current(&server, cookie).await);
        if live.len() == 1 || live.len() == 3 {
            assert_eq!(end(&server, login.id).await.map(|(_, reason)| reason), Some(LogoutReason::Evicted));
        }
    }
    assert_eq!(live, [false, false, false, true, true, true]);
    assert!(is_current(&server, &of_bob).await && names(&server, bob.id).await == ["logged_in"]);
    // One that has expired, but is not written down yet, goes first.
    let keep = TypedPassword { persistent: true, ..typed() };
    let (_, kept) = server.app.logins.log_in(keep).await.unwrap();
    server.wait(DAY);
    for _ in 0..2 {
        server.app.logins.log_in(typed()).await.unwrap();
    }
    assert!(is_current(&server, &kept).await);
    assert_eq!(end(&server, begun[5].0.id).await.map(|(_, reason)| reason), Some(LogoutReason::Expired));
}
