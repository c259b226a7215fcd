//! How an authorization and what it began come to an end: by time, by the login's end, by an administrator.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use heirloom::app::authorizations::AuthorizeError;
use heirloom::login::LogoutReason;
use heirloom::session::{EndReason, Session, SessionEvent, device};
use heirloom::user::Command;

use super::REFUSED;
use crate::faults::{Filling, TestDisk};
use crate::support::codes::Ask;
use crate::support::{PUBLIC, Server, USER};
use crate::sweep::sweep_all;

const OFFLINE: &str = "openid read offline_access";

#[tokio::test]
async fn a_code_lasts_a_minute() {
    let server = Server::start().await;
    let login = server.log_in().await;
    let good = server.authorize(&login, Ask::default()).await.unwrap();
    let late = server.authorize(&login, Ask { session: 2, ..Ask::default() }).await.unwrap();
    server.wait(59);
    assert_eq!(server.redeem(&good).await.status, 200);
    server.wait(1);
    assert_eq!(server.redeem(&late).await.outcome(), REFUSED);
}

/// The password may be changed while the old one is being checked.
#[tokio::test]
async fn a_login_of_before_the_epoch_was_raised_authorizes_nothing() {
    let server = Server::start().await;
    let login = server.log_in().await;
    let account = server.sign_in_for_account().await.access_token();
    let end_all = server.client.delete(format!("{}/account/sessions", server.base)).bearer_auth(account);
    assert_eq!(server.send(end_all).await.status, 204);
    let refused = server.authorize(&login, Ask { scope: OFFLINE, ..Ask::default() }).await;
    assert!(matches!(refused, Err(AuthorizeError::User)), "{refused:?}");
}

#[tokio::test]
async fn an_authorization_that_is_never_redeemed_is_removed_whole() {
    let server = Server::start().await;
    let login = server.log_in().await;
    let redeemed = server.authorize(&login, Ask { session: 2, ..Ask::default() }).await.unwrap();
    let redeemed = server.redeem(&redeemed).await;
    let code = server.authorize(&login, Ask::default()).await.unwrap();
    let id = Ask::default().id();
    let record = device::record(login.user, id);
    assert!(server.app.store.record(record.clone()).await.unwrap().is_some());
    assert_eq!(sweep_all(&server).await.removed, 0, "it is still good");
    server.wait(60);
    assert_eq!(sweep_all(&server).await.removed, 1);
    let stream = Session::stream(id).unwrap();
    assert!(server.app.store.load(stream).await.unwrap().is_none());
    assert!(server.app.store.record(record).await.unwrap().is_none());
    assert_eq!(server.redeem(&code).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&redeemed.refresh_token()).await.status, 200);
    assert_eq!(sweep_all(&server).await.removed, 0);
}

#[tokio::test]
async fn a_code_of_a_login_that_has_ended_is_refused() {
    for scope in ["openid read", OFFLINE] {
        let server = Server::start().await;
        let login = server.log_in().await;
        let code = server.authorize(&login, Ask { scope, ..Ask::default() }).await.unwrap();
        server.app.logins.log_out(login.id, LogoutReason::Logout, None).await.unwrap();
        assert_eq!(server.redeem(&code).await.outcome(), REFUSED);
        let events = server.event_names(Ask::default().id()).await;
        assert_eq!(events, ["session_authorized", "session_ended"], "{scope}");
    }
}

#[tokio::test]
async fn the_end_of_a_login_ends_its_online_sessions_and_leaves_the_offline_ones() {
    let server = Server::start().await;
    let (login, other) = (server.log_in().await, server.log_in().await);
    let mut begun = Vec::new();
    for (session, scope, login) in
        [(1, "openid read", &login), (2, OFFLINE, &login), (3, "openid read", &other)]
    {
        let code = server.authorize(login, Ask { scope, session, ..Ask::default() }).await.unwrap();
        begun.push(server.redeem(&code).await);
    }
    server.app.logins.log_out(login.id, LogoutReason::Logout, None).await.unwrap();
    let mut statuses = Vec::new();
    for answer in &begun {
        statuses.push(server.refresh(&answer.refresh_token()).await.status);
    }
    assert_eq!(statuses, [400, 200, 200]);
    let events = server.events(begun[0].session()).await;
    assert!(matches!(events.last(), Some(SessionEvent::Ended { reason: EndReason::LoginEnded, .. })));
}

#[tokio::test]
async fn an_online_session_lasts_no_longer_than_its_login() {
    let server = Server::start().await;
    let login = server.log_in().await;
    let online = server.authorize(&login, Ask::default()).await.unwrap();
    let offline = Ask { session: 2, scope: OFFLINE, ..Ask::default() };
    let offline = server.authorize(&login, offline).await.unwrap();
    let (online, offline) = (server.redeem(&online).await, server.redeem(&offline).await);
    server.wait(login.absolute_expiry.since(server.now()).as_secs());
    assert_eq!(server.refresh(&online.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&offline.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn what_ends_a_persons_sessions_makes_their_codes_worthless() {
    let server = Server::start().await;
    let code = server.code(Ask::default()).await;
    server.app.accounts.change(USER.0, Command::EndSessions { keep: None }).await.unwrap();
    assert_eq!(server.redeem(&code).await.outcome(), REFUSED);
    let switched_off = server.code(Ask { session: 2, ..Ask::default() }).await;
    let login = server.log_in().await;
    server.app.accounts.change(USER.0, Command::Disable).await.unwrap();
    assert_eq!(server.redeem(&switched_off).await.outcome(), REFUSED);
    let refused = server.authorize(&login, Ask { session: 3, ..Ask::default() }).await;
    assert!(matches!(refused, Err(AuthorizeError::User)));
}

#[tokio::test]
async fn a_session_that_began_with_a_code_counts_for_the_limit() {
    let server = Server::with(|setup| setup.config.sessions.per_user = 2).await;
    let first = server.sign_in().await;
    server.wait(1);
    let second = server.sign_in().await;
    server.wait(1);
    let code = server.code(Ask::default()).await;
    // Asking alone ends nothing.
    assert_eq!(server.refresh(&first.refresh_token()).await.status, 200);
    server.wait(1);
    let third = server.redeem(&code).await;
    let events = server.events(second.session()).await;
    assert!(matches!(events.last(), Some(SessionEvent::Ended { reason: EndReason::Evicted, .. })));
    assert_eq!(server.refresh(&third.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn with_a_disk_that_is_nearly_full_nothing_new_is_authorized_and_codes_are_redeemed() {
    let disk = Arc::new(TestDisk::default());
    let own = Arc::clone(&disk);
    let server = Server::with(|setup| {
        setup.store = Some(Box::new(|inner| Arc::new(Filling { inner, disk: own })));
    })
    .await;
    let login = server.log_in().await;
    let code = server.authorize(&login, Ask::default()).await.unwrap();
    disk.full.store(true, Ordering::SeqCst);
    let refused = server.authorize(&login, Ask { session: 2, ..Ask::default() }).await;
    assert!(refused.unwrap_err().to_string().contains("nearly full"));
    assert_eq!(server.authorize(&login, Ask::default()).await.unwrap(), code);
    assert_eq!(server.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn an_id_that_was_used_is_not_used_again() {
    let server = Server::start().await;
    let login = server.log_in().await;
    let code = server.authorize(&login, Ask::default()).await.unwrap();
    let other = Ask { scope: "openid", ..Ask::default() };
    assert!(matches!(server.authorize(&login, other).await, Err(AuthorizeError::Used(_))));
    assert_eq!(server.redeem(&code).await.status, 200);
    assert!(matches!(server.authorize(&login, Ask::default()).await, Err(AuthorizeError::Used(_))));
}

#[tokio::test]
async fn after_a_restart_codes_are_good_and_what_they_began_is_known() {
    let server = Server::start().await;
    let login = server.log_in().await;
    let redeemed = server.authorize(&login, Ask::default()).await.unwrap();
    let waits = server.authorize(&login, Ask { session: 2, ..Ask::default() }).await.unwrap();
    let answer = server.redeem(&redeemed).await;
    let server = server.restart(|_| {}).await;
    assert_eq!(server.redeem(&waits).await.status, 200);
    server.wait(10);
    assert_eq!(server.redeem(&redeemed).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&answer.refresh_token()).await.outcome(), REFUSED, "it was replayed");
    assert_eq!(answer.claims()["client_id"], PUBLIC);
}

#[tokio::test]
async fn an_app_that_signs_in_again_and_again_evicts_itself_and_no_other_device() {
    let server = Server::with(|setup| setup.config.sessions.per_user = 3).await;
    let phone = server.sign_in().await;
    let login = server.log_in().await;
    for session in 1..=6 {
        server.wait(1);
        let code = server.authorize(&login, Ask { session, ..Ask::default() }).await.unwrap();
        assert_eq!(server.redeem(&code).await.status, 200, "{session}");
    }
    assert_eq!(server.refresh(&phone.refresh_token()).await.status, 200);
}
