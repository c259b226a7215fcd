//! Personal data and secrets are in no event and in no log line, and are gone when an account is deleted.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::devices::user;
use crate::log::Log;
use crate::own_account::{change_password, delete, patch, sign_in};
use crate::sign_up::{contains, person, sign_up, vault_of};
use crate::support::{PUBLIC, Server};

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn after_an_account_is_deleted_its_person_is_in_nothing_that_can_be_read() {
    let server = Server::with(|setup| {
        setup.on_disk();
        setup.config.accounts.login_with_email = true;
        setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    // Words that occur nowhere else, so that the search finds nothing else.
    let canaries = ["qanaryname", "qanarymail", "Qanarycalled", "Qanaryagent", "qanarylabel", "203.0.113.77"];
    let [name, mail, called, agent, label, address] = canaries;
    let mut body = person(name, &format!("{mail}@example.com"));
    body["display_name"] = called.into();
    assert_eq!(sign_up(&server, &body).await.status, 201);
    let password = body["password"].as_str().unwrap();
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", name),
        ("password", password),
        ("scope", "account"),
        ("device_label", label),
    ];
    let request =
        server.token().header("user-agent", format!("{agent}/77")).header("x-forwarded-for", address);
    let signed_in = server.send(request.form(&form)).await;
    let token = server.refresh(&signed_in.refresh_token()).await.access_token();
    let personal = async || {
        let mut found = Vec::new();
        let vault = vault_of(&server).await;
        for canary in canaries {
            if vault.iter().any(|(key, value)| contains(key.as_bytes(), canary) || contains(value, canary)) {
                found.push(canary);
            }
        }
        found
    };
    assert_eq!(personal().await, canaries[..5], "an address is not even kept");
    assert_eq!(delete(&server, &token, password).await.status, 204);
    assert!(personal().await.is_empty());
    let streams = [
        heirloom::session::Session::stream(signed_in.session()).unwrap(),
        heirloom::user::stream(user(&signed_in)).unwrap(),
    ];
    let mut rest: Vec<Vec<u8>> = Vec::new();
    for stream in streams {
        rest.push(server.app.store.load(stream).await.unwrap().unwrap().data);
    }
    rest.extend(server.app.store.read_log(0, 1000).await.unwrap().into_iter().map(|event| event.data));
    for canary in canaries {
        assert!(rest.iter().all(|bytes| !contains(bytes, canary)), "{canary} is in an event or a snapshot");
    }
    // The bytes stay in the store's own file until it writes over that space. No other file has them.
    let data = server.config.data.clone();
    let server = server.restart(|_| {}).await;
    let mut others = Vec::new();
    for path in files(&data) {
        let bytes = std::fs::read(&path).unwrap();
        let holds = canaries.iter().any(|canary| contains(&bytes, canary));
        if !path.ends_with("db") {
            assert!(!holds, "{}", path.display());
            others.push(path);
        }
    }
    assert!(!others.is_empty(), "the mark, at least");
    assert_eq!(server.sign_in_as(name, password).await.outcome(), (400, "invalid_grant"));
}

#[tokio::test]
async fn what_is_secret_or_personal_is_in_no_event_no_log_and_no_refusal() {
    let log = Log::everywhere();
    let server = Server::with(|setup| setup.config.accounts.login_with_email = true).await;
    let invited = server
        .app
        .accounts
        .invite(Vec::new(), std::time::Duration::from_hours(1))
        .await
        .unwrap()
        .code
        .to_string();
    // Words that occur nowhere else, so that the search finds nothing else.
    let (name, email, called) = ("qanaryname", "qanarymail@example.com", "Qanarycalled");
    let (old, new, wrong) = ("qanaryold-71-harbour", "qanarynew-57-orchid", "qanarywrong");
    let body = json!({
        "username": name, "email": email, "display_name": called, "password": old, "invitation": invited,
    });
    let mut refusals = Vec::new();
    assert_eq!(sign_up(&server, &body).await.status, 201);
    refusals.push(sign_up(&server, &body).await);
    refusals.push(sign_up(&server, &json!({"username": name, "password": old})).await);
    refusals.push(sign_up(&server, &json!({"username": name, "email": [email], "password": old})).await);
    let token = sign_in(&server, email, old).await.access_token();
    refusals.push(sign_in(&server, email, wrong).await);
    refusals.push(change_password(&server, &token, wrong, new).await);
    refusals.push(change_password(&server, &token, old, name).await);
    refusals.push(delete(&server, &token, wrong).await);
    refusals.push(patch(&server, &token, json!({"email": format!("{email} ")  + email})).await);
    refusals.push(patch(&server, &token, json!({"emial": email, "display_name": [called]})).await);
    assert_eq!(change_password(&server, &token, old, new).await.status, 204);
    assert_eq!(delete(&server, &token, new).await.status, 204);
    let log = log.text().into_bytes();
    assert!(contains(&log, "account made"), "the log was caught");
    let events = server.app.store.read_log(0, 100_000).await.unwrap();
    for canary in ["qanary", "Qanary", &invited, &token] {
        assert!(!contains(&log, canary), "{canary} is in the log");
        for answer in &refusals {
            assert!((400..500).contains(&answer.status), "{}", answer.text);
            assert!(!contains(answer.text.as_bytes(), canary), "{canary} is in {}", answer.text);
        }
        assert!(events.iter().all(|event| !contains(&event.data, canary)), "{canary} is in an event");
    }
}
