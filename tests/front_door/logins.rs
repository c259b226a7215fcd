//! Logins at heirloom's own pages: how long they last, what ends them, and what is written down.

mod again;

use heirloom::app::TokenError;
use heirloom::app::admin::events::Subject;
use heirloom::app::logins::{CurrentLogin, TypedPassword};
use heirloom::app::sweep::Swept;
use heirloom::clock::Timestamp;
use heirloom::login::{LoginEvent, LogoutReason};
use heirloom::oauth::{Actor, LoginId, SessionId};
use heirloom::random::Random;
use heirloom::session::event::Started;
use heirloom::session::{EndReason, LoginReference, Session, SessionEvent};
use heirloom::store::{Append, Expected};
use heirloom::user::Command;
use reqwest::Method;

use crate::admin::Office;
use crate::own_account;
use crate::support::{NOW, PUBLIC, Server, USER};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const NEW: &str = "marble-kettle-57-orchid";

/// What the usual person types.
const fn typed<'a>() -> TypedPassword<'a> {
    let peer = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    TypedPassword {
        name: USER.0,
        password: USER.1,
        persistent: false,
        form: None,
        current: None,
        client: None,
        peer,
        user_agent: None,
    }
}

pub(crate) async fn log_in(server: &Server) -> (CurrentLogin, String) {
    server.app.logins.log_in(typed()).await.unwrap()
}

pub(crate) async fn is_current(server: &Server, cookie: &str) -> bool {
    server.app.logins.current(cookie).await.unwrap().is_some()
}

async fn events(server: &Server, id: LoginId) -> Vec<LoginEvent> {
    let stream = Subject::Login(id).stream().unwrap();
    let recorded = server.app.store.read_stream(stream, 0, 100).await.unwrap();
    recorded.iter().map(|event| LoginEvent::decode(&event.data).unwrap()).collect()
}

async fn names(server: &Server, id: LoginId) -> Vec<&'static str> {
    events(server, id).await.iter().map(LoginEvent::name).collect()
}

async fn end(server: &Server, id: LoginId) -> Option<(Timestamp, LogoutReason)> {
    match events(server, id).await.last() {
        Some(LoginEvent::LoggedOut { at, reason, .. }) => Some((*at, *reason)),
        Some(LoginEvent::LoggedIn(_) | LoginEvent::Reauthenticated { .. }) | None => None,
    }
}

#[tokio::test]
async fn a_login_lasts_as_long_as_it_is_used_and_a_day_at_most_without_a_word_written() {
    let server = Server::start().await;
    let (login, mut cookie) = log_in(&server).await;
    let position = server.position().await;
    assert_eq!(server.app.logins.renewed(&login).unwrap(), None, "it is new");
    for _ in 0..3 {
        server.wait(7 * HOUR);
        let current = server.app.logins.current(&cookie).await.unwrap().unwrap();
        assert_eq!((current.id, current.auth_time), (login.id, NOW));
        cookie = server.app.logins.renewed(&current).unwrap().unwrap();
    }
    server.wait(3 * HOUR - 1);
    assert!(is_current(&server, &cookie).await, "the last second of its day");
    server.wait(1);
    assert!(!is_current(&server, &cookie).await);
    assert_eq!(server.position().await, position, "nothing is written for being used");
}

#[tokio::test]
async fn a_login_that_is_not_used_is_over_unless_the_person_wanted_to_stay() {
    let server = Server::start().await;
    let (_, cookie) = log_in(&server).await;
    let stays = TypedPassword { persistent: true, ..typed() };
    let (login, kept) = server.app.logins.log_in(stays).await.unwrap();
    assert!(login.persistent);
    server.wait(12 * HOUR - 1);
    assert!(is_current(&server, &cookie).await);
    server.wait(1);
    assert!(!is_current(&server, &cookie).await);
    server.wait(29 * DAY);
    assert!(is_current(&server, &kept).await);
    server.wait(DAY);
    assert!(!is_current(&server, &kept).await);
}

#[tokio::test]
async fn the_times_are_those_of_the_settings() {
    let server = Server::with(|setup| {
        setup.config.logins.idle = std::time::Duration::from_secs(HOUR);
        setup.config.logins.persistent = None;
    })
    .await;
    assert!(!server.app.logins.may_persist());
    let stays = TypedPassword { persistent: true, ..typed() };
    let (login, cookie) = server.app.logins.log_in(stays).await.unwrap();
    assert!(!login.persistent);
    server.wait(HOUR);
    assert!(!is_current(&server, &cookie).await);
}

#[tokio::test]
async fn the_same_person_proves_it_again_and_somebody_else_replaces_the_login() {
    let server = Server::start().await;
    server.app.accounts.register("bob", NEW, Vec::new()).await.unwrap();
    let (login, first) = log_in(&server).await;
    server.wait(600);
    let again = TypedPassword { current: Some(&login), ..typed() };
    let (login, second) = server.app.logins.log_in(again).await.unwrap();
    assert_eq!((login.auth_time, server.now().since(NOW).as_secs()), (server.now(), 600));
    assert!(is_current(&server, &second).await);
    assert!(is_current(&server, &first).await, "the cookie from before, for a minute");
    server.wait(60);
    assert!(!is_current(&server, &first).await, "the cookie from before");

    let bob = TypedPassword { name: "bob", password: NEW, current: Some(&login), ..typed() };
    let (other, third) = server.app.logins.log_in(bob).await.unwrap();
    assert!(other.id != login.id && is_current(&server, &third).await);
    assert!(!is_current(&server, &second).await);
    assert_eq!(names(&server, login.id).await, ["logged_in", "reauthenticated", "logged_out"]);
    assert_eq!(end(&server, login.id).await, Some((server.now(), LogoutReason::Replaced)));
}

#[tokio::test]
async fn a_login_that_is_over_is_not_proved_again_but_another_begins() {
    let server = Server::start().await;
    let (login, _) = log_in(&server).await;
    server.app.logins.log_out(login.id, LogoutReason::Logout, None).await.unwrap();
    server.app.logins.log_out(login.id, LogoutReason::Logout, None).await.unwrap();
    let again = TypedPassword { current: Some(&login), ..typed() };
    let (other, cookie) = server.app.logins.log_in(again).await.unwrap();
    assert!(other.id != login.id && is_current(&server, &cookie).await);
    assert_eq!(names(&server, login.id).await, ["logged_in", "logged_out"]);
}

#[tokio::test]
async fn every_way_to_end_all_sessions_ends_logins_too() {
    let office = Office::open().await;
    let server = &office.server;
    let user = office.user().await;

    let (_, cookie) = log_in(server).await;
    let token = own_account::sign_in(server, USER.0, USER.1).await.access_token();
    let url = format!("{}/account/sessions", server.base);
    let ended = server.send(server.client.delete(&url).bearer_auth(&token)).await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    assert!(!is_current(server, &cookie).await, "the person ends all");

    let (_, cookie) = log_in(server).await;
    assert_eq!(office.delete(&format!("/admin/users/{user}/sessions")).await.status, 204);
    assert!(!is_current(server, &cookie).await, "an administrator ends all");

    let (_, cookie) = log_in(server).await;
    let token = own_account::sign_in(server, USER.0, USER.1).await.access_token();
    assert_eq!(own_account::change_password(server, &token, USER.1, NEW).await.status, 204);
    assert!(!is_current(server, &cookie).await, "another password, set by an app");
    let old = server.app.logins.log_in(typed()).await;
    assert!(matches!(old, Err(TokenError::Credentials)), "the old password");

    let new = TypedPassword { password: NEW, ..typed() };
    let (_, cookie) = server.app.logins.log_in(new).await.unwrap();
    server.app.accounts.change(USER.0, Command::Disable).await.unwrap();
    assert!(!is_current(server, &cookie).await, "the account is switched off");
    server.app.accounts.change(USER.0, Command::Enable).await.unwrap();
    assert!(!is_current(server, &cookie).await, "and stays ended");

    let (login, cookie) = server.app.logins.log_in(new).await.unwrap();
    server.app.accounts.delete_user(USER.0).await.unwrap();
    assert!(!is_current(server, &cookie).await, "the account is deleted");
    let after = server.app.logins.log_in_after_sign_up(login.user, None, None, None).await;
    assert!(matches!(after, Err(TokenError::Credentials)));
}

#[tokio::test]
async fn a_password_that_is_changed_at_the_pages_keeps_its_own_login_alone() {
    let server = Server::start().await;
    let (login, cookie) = log_in(&server).await;
    let (_, elsewhere) = log_in(&server).await;
    let app = server.sign_in().await;
    let change = |login: CurrentLogin, old, new| {
        let accounts = std::sync::Arc::clone(&server.app.accounts);
        async move { accounts.change_password_in(&login, (old, new), typed().peer).await }
    };
    assert!(change(login.clone(), "wrong", NEW).await.is_err());
    change(login.clone(), USER.1, NEW).await.unwrap();
    assert!(is_current(&server, &cookie).await);
    assert!(!is_current(&server, &elsewhere).await);
    assert_eq!(server.refresh(&app.refresh_token()).await.status, 400);
    // A login that was ended meanwhile does not keep itself.
    server.app.accounts.change(USER.0, Command::EndSessions { keep: None }).await.unwrap();
    assert!(change(login, NEW, USER.1).await.is_err());
    assert!(!is_current(&server, &cookie).await);
}

#[tokio::test]
async fn a_restore_from_a_backup_ends_logins() {
    let server = Server::start().await;
    let (_, cookie) = log_in(&server).await;
    server.app.installation.end_sessions_by_restore(Actor::System).await.unwrap();
    assert!(!is_current(&server, &cookie).await);
}

#[tokio::test]
async fn whoever_has_just_made_an_account_is_signed_in() {
    let server = Server::start().await;
    let ann = server.app.accounts.own_account(log_in(&server).await.0.user).await.unwrap();
    let (before, _) = log_in(&server).await;
    let new = server.app.accounts.register("bob", NEW, Vec::new()).await.unwrap();
    let made = server.app.logins.log_in_after_sign_up(new, None, Some(&before), None);
    let (login, cookie) = made.await.unwrap();
    assert!(login.user == new && ann.id != new && is_current(&server, &cookie).await);
    assert_eq!(end(&server, before.id).await, Some((server.now(), LogoutReason::Replaced)));
}

#[tokio::test]
async fn guesses_at_the_pages_and_at_the_token_endpoint_are_counted_together() {
    let server = Server::start().await;
    let mut refused = 0;
    for number in 0..20 {
        let password = format!("guess number {number}");
        let guess = TypedPassword { password: &password, ..typed() };
        match server.app.logins.log_in(guess).await {
            Err(TokenError::Credentials) => refused += 1,
            Err(TokenError::Throttled { .. }) => break,
            other => panic!("{:?}", other.map(|(login, _)| login)),
        }
    }
    assert!((1..20).contains(&refused), "{refused}");
    assert_eq!(server.sign_in().await.status, 429, "the token endpoint knows of them");
    let metrics = server.app.monitoring.metrics();
    assert!(
        metrics.contains(&format!("heirloom_logins_total{{outcome=\"credentials\"}} {refused}\n")),
        "{metrics}"
    );
    assert!(metrics.contains("heirloom_logins_total{outcome=\"throttled\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn whoever_signs_in_in_a_loop_with_the_right_password_is_slowed_down() {
    let server = Server::with(|setup| setup.config.throttle.sign_in_burst = 5).await;
    let mut signed_in = 0;
    while server.app.logins.log_in(typed()).await.is_ok() {
        signed_in += 1;
        assert!(signed_in < 10, "each sign-in is written to the log");
    }
    let refused = server.app.logins.log_in(typed()).await;
    assert!(
        matches!(refused, Err(TokenError::TooManySignIns { .. })),
        "{:?}",
        refused.map(|(login, _)| login)
    );
    assert_eq!(server.sign_in().await.status, 429, "the token endpoint counts the same");
}

#[tokio::test]
async fn the_sweeper_writes_down_that_a_login_is_over_and_removes_it_after_the_retention() {
    let server = Server::start().await;
    let (expired, _) = log_in(&server).await;
    let (ended, _) = log_in(&server).await;
    let (over, _) = server.app.logins.log_in(TypedPassword { persistent: true, ..typed() }).await.unwrap();
    server.app.logins.log_out(ended.id, LogoutReason::Logout, None).await.unwrap();
    server.wait(DAY - 1);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap(), Swept::default(), "nothing is due");
    server.wait(HOUR);
    let swept = server.app.sweeper.sweep(10).await.unwrap();
    assert_eq!(swept, Swept { logins: 1, ..Swept::default() });
    let day_later = NOW.after(std::time::Duration::from_secs(DAY));
    assert_eq!(end(&server, expired.id).await, Some((day_later, LogoutReason::Expired)));

    server.app.accounts.change(USER.0, Command::EndSessions { keep: None }).await.unwrap();
    server.wait(29 * DAY);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().logins, 1);
    assert_eq!(end(&server, over.id).await, Some((server.now(), LogoutReason::UserEpoch)));

    server.wait(61 * DAY);
    assert_eq!(server.app.sweeper.sweep(1).await.unwrap().logins, 1);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().logins, 1);
    assert!(events(&server, expired.id).await.is_empty() && events(&server, ended.id).await.is_empty());
    server.wait(DAY * 30);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().logins, 1);
    assert!(events(&server, over.id).await.is_empty(), "and nothing of any login is left");
}

#[tokio::test]
async fn administrators_see_the_events_of_a_login_without_its_nonce() {
    let office = Office::open().await;
    let (login, cookie) = log_in(&office.server).await;
    let again = TypedPassword { current: Some(&login), ..typed() };
    office.server.app.logins.log_in(again).await.unwrap();
    office.server.app.logins.log_out(login.id, LogoutReason::Logout, None).await.unwrap();
    let page = office.get(&format!("/admin/events?stream=login:{}", login.id)).await;
    let seen: Vec<_> = page.json["events"].as_array().unwrap().iter().collect();
    assert_eq!(seen.len(), 3, "{}", page.text);
    assert_eq!(seen[0]["type"], "logged_in");
    assert_eq!(seen[0]["stream"], format!("login:{}", login.id));
    assert_eq!(seen[0]["data"]["user"], login.user.to_string());
    assert_eq!(seen[0]["data"]["amr"], serde_json::json!(["pwd"]));
    assert_eq!((&seen[1]["type"], &seen[2]["data"]["reason"]), (&"reauthenticated".into(), &"logout".into()));
    assert!(!page.text.contains("nonce") && !page.text.contains(&cookie[..20]));
    let found = office.get("/admin/events?type=logged_out").await;
    assert_eq!(found.json["events"].as_array().unwrap().len(), 1);
    let strange = office.send(Method::GET, "/admin/events?stream=login:x", &serde_json::Value::Null).await;
    assert_eq!(strange.status, 422);
}

/// Begins a session of the public client from a login, as a code that is redeemed does.
async fn begin_from(server: &Server, login: &CurrentLogin, scope: &str) -> SessionId {
    let id = SessionId::from(Random::system().uuid(server.now()).unwrap());
    let reference =
        LoginReference { id: login.id, auth_time: login.auth_time, methods: login.methods.clone() };
    let user = server.app.accounts.account_named(USER.0).await.unwrap();
    let started = SessionEvent::Started(Started {
        at: server.now(),
        client: PUBLIC.parse().unwrap(),
        client_epoch: 0,
        user,
        user_epoch: 0,
        scope: scope.parse().unwrap(),
        audience: None,
        absolute_expiry: login.absolute_expiry,
        idle_expiry: login.absolute_expiry,
        refreshable: true,
        installation_epoch: None,
        login: Some(reference),
    });
    let session = Session::apply(None, &started).unwrap();
    let append = Append {
        stream: Session::stream(id).unwrap(),
        expected: Expected::NoStream,
        events: vec![started.encode()],
        snapshot: session.encode(),
        records: heirloom::session::index::changes(id, None, &session),
    };
    server.app.store.append(append).await.unwrap();
    id
}

#[tokio::test]
async fn a_session_without_offline_access_ends_with_its_login_and_another_lives_on() {
    let office = Office::open().await;
    let server = &office.server;
    let (login, _) = log_in(server).await;
    let online = begin_from(server, &login, "read").await;
    let offline = begin_from(server, &login, "offline_access read").await;
    let lives = async |id| server.app.sessions.live(id).await.unwrap().is_some();
    assert!(lives(online).await && lives(offline).await);
    server.app.logins.log_out(login.id, LogoutReason::Logout, None).await.unwrap();
    assert!(!lives(online).await, "at once");
    assert!(lives(offline).await);
    let seen = office.get(&format!("/admin/sessions/{online}")).await;
    assert!(seen.text.contains("login_ended"), "{}", seen.text);
    server.wait(DAY);
    server.app.sweeper.sweep(10).await.unwrap();
    let ended = server.events(online).await;
    assert!(
        matches!(ended.last(), Some(SessionEvent::Ended { reason: EndReason::LoginEnded, .. })),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_session_that_is_kept_when_all_others_are_ended_lives_on_without_its_login() {
    let server = Server::start().await;
    let (login, cookie) = log_in(&server).await;
    let (kept, other) =
        (begin_from(&server, &login, "read").await, begin_from(&server, &login, "read").await);
    server.app.sessions.end_all_sessions(login.user, Some(kept)).await.unwrap();
    let lives = async |id| server.app.sessions.live(id).await.unwrap().is_some();
    assert!(lives(kept).await && !lives(other).await && !is_current(&server, &cookie).await);
}

#[tokio::test]
async fn a_password_that_is_changed_at_the_pages_keeps_the_sessions_of_its_login() {
    let server = Server::start().await;
    let ((here, _), (there, _)) = (log_in(&server).await, log_in(&server).await);
    let (own, foreign) =
        (begin_from(&server, &here, "read").await, begin_from(&server, &there, "read").await);
    server.app.accounts.change_password_in(&here, (USER.1, NEW), typed().peer).await.unwrap();
    let lives = async |id| server.app.sessions.live(id).await.unwrap().is_some();
    assert!(lives(own).await && !lives(foreign).await);
}
