//! What ends a family, or makes heirloom refuse its tokens: the user, the client, time, the store, a restored store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heirloom::client::{RetryWindow, ReusePolicy};
use heirloom::session::{self, SessionEvent};
use heirloom::store::{Append, Expected};
use heirloom::user::Command;

use crate::faults::{Failing, Fault, Once};
use crate::support::{CONFIDENTIAL, PUBLIC, SECRET, Server, Setup, USER};

const REFUSED: (u16, &str) = (400, "invalid_grant");

/// In ZITADEL, locked and disabled users could still refresh (CVE-2023-22492).
#[tokio::test]
async fn a_changed_password_and_a_switched_off_or_deleted_user_end_all_families() {
    let commands: [Option<Command>; 4] =
        [None, Some(Command::Disable), Some(Command::EndSessions { keep: None }), Some(Command::Delete)];
    for command in commands {
        let server = Server::start().await;
        let (one, two) = (server.sign_in().await, server.sign_in_confidential().await);
        match &command {
            None => server.app.accounts.set_password(USER.0, "velvet-ocean-22-marble", None).await.unwrap(),
            Some(Command::Delete) => server.app.accounts.delete_user(USER.0).await.unwrap(),
            Some(command) => server.app.accounts.change(USER.0, command.clone()).await.unwrap(),
        }
        assert_eq!(server.refresh(&one.refresh_token()).await.outcome(), REFUSED, "{command:?}");
        assert_eq!(server.refresh_confidential(&two.refresh_token()).await.outcome(), REFUSED);
        let ended = server.events(one.session()).await.pop().unwrap();
        assert!(
            matches!(ended, SessionEvent::Ended { reason: session::EndReason::UserEpoch, .. }),
            "{ended:?}"
        );
    }
    let server = Server::start().await;
    let (kept, other) = (server.sign_in().await, server.sign_in().await);
    server
        .app
        .accounts
        .set_password(USER.0, "velvet-ocean-22-marble", Some(kept.session().into()))
        .await
        .unwrap();
    assert_eq!(server.refresh(&kept.refresh_token()).await.status, 200);
    assert_eq!(server.refresh(&other.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.sign_in().await.outcome(), REFUSED, "the old password is gone");
}

#[tokio::test]
async fn a_client_that_is_switched_off_can_not_refresh() {
    let server = Server::start().await;
    let token = server.sign_in().await.refresh_token();
    let server = server.restart(|setup| setup.client(PUBLIC, |client| client.disabled = true)).await;
    assert_eq!(server.refresh(&token).await.outcome(), (400, "invalid_client"));
    let server = server.restart(|setup| setup.client(PUBLIC, |client| client.disabled = false)).await;
    assert_eq!(server.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_switched_off_in_the_log_can_neither_sign_in_nor_refresh() {
    use heirloom::client::{Client, ClientEvent};
    let server = Server::start().await;
    let first = server.sign_in().await;
    let token = first.refresh_token();
    let mut expected = Expected::NoStream;
    let mut client = Client::default();
    for (event, may_sign_in) in [
        (ClientEvent::Disabled { at: server.now(), by: None }, false),
        (ClientEvent::Enabled { at: server.now(), by: None }, true),
    ] {
        client = client.apply(&event);
        let append = Append {
            stream: Client::stream(&PUBLIC.parse().unwrap()).unwrap(),
            expected,
            events: vec![event.encode()],
            snapshot: client.encode(),
            records: Vec::new(),
        };
        expected = Expected::Exact(server.app.store.append(append).await.unwrap().version);
        let outcome = if may_sign_in { REFUSED } else { (400, "invalid_client") };
        assert_eq!(server.refresh(&token).await.outcome(), outcome);
        let signed_in = server.sign_in().await;
        assert_eq!(signed_in.status == 200, may_sign_in, "{}", signed_in.text);
        assert!(may_sign_in || signed_in.error() == "invalid_client");
    }
    let ended = server.events(first.session()).await.pop().unwrap();
    assert!(
        matches!(ended, SessionEvent::Ended { reason: session::EndReason::ClientEpoch, .. }),
        "{ended:?}"
    );
}

#[tokio::test]
async fn expiry_is_to_the_second_and_clocks_that_jump_destroy_nothing() {
    const IDLE: u64 = 14 * 86_400;
    for (wait, status) in [(IDLE - 1, 200), (IDLE, 400), (IDLE + 1, 400)] {
        let server = Server::start().await;
        let token = server.sign_in().await.refresh_token();
        server.wait(wait);
        assert_eq!(server.refresh(&token).await.status, status);
    }
    let server = Server::start().await;
    let token = server.sign_in().await.refresh_token();
    let start = server.now();
    server.wait(365 * 86_400);
    assert_eq!(server.refresh(&token).await.outcome(), REFUSED);
    server.clock.set(start.after(Duration::from_secs(1)));
    let second = server.refresh(&token).await;
    server.refresh(&second.refresh_token()).await.refresh_token();
    server.wait(60);
    assert_eq!(server.refresh(&token).await.outcome(), REFUSED);
    server.clock.set(start.before(Duration::from_hours(1)));
    assert_eq!(server.refresh(&token).await.outcome(), REFUSED, "an ended family stays ended");
}

#[tokio::test]
async fn a_store_that_fails_gives_no_token_and_afterwards_there_is_one_truth() {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let server = Server::with(move |setup| {
        setup.store =
            Some(Box::new(move |inner| Arc::new(Failing { inner, broken: switch, fault: Fault::Append })));
    })
    .await;
    let token = server.sign_in().await.refresh_token();
    broken.store(true, Ordering::SeqCst);
    let refused = server.refresh(&token).await;
    assert_eq!(refused.outcome(), (503, "temporarily_unavailable"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(server.sign_in().await.outcome(), (503, "temporarily_unavailable"));
    broken.store(false, Ordering::SeqCst);
    let answer = server.refresh(&token).await;
    assert_eq!(server.event_names(answer.session()).await.len(), 3, "one truth");
}

#[tokio::test]
async fn an_append_whose_outcome_is_unknown_is_looked_at_again() {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let server = Server::with(move |setup| {
        // With no retry window, a second use would end the family; but this is not a second use.
        setup.client(PUBLIC, |client| client.metadata.retry_window = RetryWindow::For(Duration::ZERO));
        setup.store = Some(Box::new(move |inner| Arc::new(Once { inner, broken: switch })));
    })
    .await;
    let token = server.sign_in().await.refresh_token();
    broken.store(true, Ordering::SeqCst);
    let answer = server.refresh(&token).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(server.event_names(answer.session()).await.len(), 3);
    assert_eq!(server.refresh(&answer.refresh_token()).await.status, 200);
    assert_eq!(server.refresh(&token).await.outcome(), REFUSED);
}

#[tokio::test]
async fn a_withdrawn_role_is_gone_from_the_next_token() {
    let server = Server::start().await;
    let admin = Command::SetRoles { roles: vec!["admin".to_owned()] };
    server.app.accounts.change(USER.0, admin).await.unwrap();
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", USER.0),
        ("password", USER.1),
        ("scope", "read admin"),
    ];
    let first = server.post(&form).await;
    assert_eq!(first.json["scope"], "admin read");
    server.app.accounts.change(USER.0, Command::SetRoles { roles: Vec::new() }).await.unwrap();
    let next = server.refresh(&first.refresh_token()).await;
    assert_eq!(next.json["scope"], "read");
    assert_eq!((next.claims().get("roles"), next.claims()["aud"].as_str()), (None, Some("demo-api")));
    let server = server
        .restart(|setup| {
            setup.client(PUBLIC, |client| client.metadata.scope = "write".parse().unwrap());
        })
        .await;
    let after = server.refresh(&next.refresh_token()).await;
    assert_eq!(after.json.get("scope"), None, "{}", after.text);
    // Asking for the scope by name does not bring it back, and does not use the token up.
    let requested = server.refresh_with(&after.refresh_token(), &[("scope", "read admin")]).await;
    assert_eq!(requested.outcome(), (400, "invalid_scope"), "{}", requested.text);
    assert_eq!(server.refresh(&after.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn a_token_that_was_rotated_too_often_since_to_tell_when_is_refused_and_the_family_lives() {
    let server = Server::start().await;
    server.wait(60);
    let mut line = vec![server.sign_in().await.refresh_token()];
    for _ in 0..6 {
        line.push(server.refresh(&line[line.len() - 1]).await.refresh_token());
    }
    server.wait(29);
    assert_eq!(server.refresh(&line[1]).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&line[2]).await.refresh_token(), line[6]);
    assert_eq!(server.refresh(&line[6]).await.status, 200);
}

#[tokio::test]
async fn a_new_refresh_secret_is_not_used_before_the_data_know_it() {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let server = Server::with(|setup| {
        setup.store =
            Some(Box::new(move |inner| Arc::new(Failing { inner, broken: switch, fault: Fault::Append })));
    })
    .await;
    let old = server.sign_in().await;
    let folder = heirloom::token::Keyring::in_folder(&server.config.keys);
    folder.rotate_refresh_secret(crate::support::NOW).unwrap();
    broken.store(true, Ordering::SeqCst);
    assert_eq!(server.app.keys.look().await.refresh_secrets, [1]);
    broken.store(false, Ordering::SeqCst);
    assert_eq!(server.refresh(&old.refresh_token()).await.status, 200);
    assert_eq!(server.app.keys.look().await.refresh_secrets, [1, 2]);
}

#[tokio::test]
async fn a_store_restored_from_an_older_copy_refuses_what_it_never_issued() {
    let server = Server::with(Setup::on_disk).await;
    let older = server.sign_in().await;
    let untouched = server.sign_in().await;
    let backup = tempfile::tempdir().unwrap();
    let server = server.restart_on(|data| copy(data, backup.path())).await;
    let lost = server.refresh(&older.refresh_token()).await.refresh_token();
    let server = server
        .restart_on(|data| {
            std::fs::remove_dir_all(data).unwrap();
            copy(backup.path(), data);
        })
        .await;
    assert_eq!(server.refresh(&lost).await.outcome(), REFUSED);
    assert_eq!(server.event_names(older.session()).await.last(), Some(&"session_ended"));
    assert_eq!(server.refresh(&older.refresh_token()).await.outcome(), REFUSED, "nothing becomes good again");
    assert_eq!(server.refresh(&untouched.refresh_token()).await.status, 200);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_may_have_reuse_refused_instead() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.reuse = ReusePolicy::Refuse);
    })
    .await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    let third = server.refresh(&second.refresh_token()).await;
    server.wait(60);
    for _ in 0..3 {
        assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    }
    assert_eq!(server.event_names(first.session()).await.last(), Some(&"reuse_detected"));
    assert_eq!(server.refresh(&third.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_switched_off_is_told_the_same_by_every_endpoint() {
    let office = crate::admin::Office::open().await;
    let new = serde_json::json!({"id": "tv", "type": "confidential", "scopes": ["read"], "introspects": ["demo-api"]});
    let registered = office.post("/admin/clients", new).await;
    let secret = registered.json["client_secret"].as_str().unwrap();
    // A client that the configuration declares, and one that is registered under `/admin/clients`.
    for (id, secret) in [(CONFIDENTIAL, SECRET), ("tv", secret)] {
        let server = &office.server;
        let ask = async |path: &str, form: &[(&str, &str)]| {
            let request = server.client.post(format!("{}/oauth/{path}", server.base));
            server.send(request.basic_auth(id, Some(secret)).form(form)).await
        };
        let password = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
        let signed_in = ask("token", &password).await;
        let (refresh, access) = (signed_in.refresh_token(), signed_in.access_token());
        let switch = format!("/admin/clients/{id}");
        let off = office.post(&format!("{switch}/disable"), serde_json::Value::Null).await;
        assert_eq!(off.json["status"], "disabled");
        let position = server.position().await;
        for (path, form) in [
            ("token", &password[..]),
            ("token", &[("grant_type", "refresh_token"), ("refresh_token", &refresh)]),
            ("revoke", &[("token", &refresh)]),
            ("revoke", &[("token", &access)]),
            ("revoke", &[("token", "nonsense")]),
            ("introspect", &[("token", &refresh)]),
            ("introspect", &[("token", &access)]),
            ("introspect", &[("token", "nonsense")]),
        ] {
            let answer = ask(path, form).await;
            assert_eq!(answer.outcome(), (401, "invalid_client"), "{id}: {path} {form:?}: {}", answer.text);
            assert!(answer.header("www-authenticate").starts_with("Basic"), "{id}: {path}");
        }
        assert_eq!(server.position().await, position, "nothing is written");
        office.post(&format!("{switch}/enable"), serde_json::Value::Null).await;
        assert_eq!(ask("revoke", &[("token", &refresh)]).await.status, 200);
        let refused = ask("token", &[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await;
        assert_eq!(refused.outcome(), REFUSED, "its sessions had ended");
    }
}
