//! Each event that an administrator causes names the administrator.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::Office;

const PASSWORD: &str = "tulip-quartz-93-lantern";

/// Every administration endpoint that changes something.
fn changing() -> BTreeSet<(String, String)> {
    let specification: Value = serde_json::from_str(&heirloom::http::docs::specification().unwrap()).unwrap();
    let paths = specification["paths"].as_object().unwrap().iter();
    let of_admin = paths.filter(|(path, _)| path.starts_with("/admin"));
    of_admin
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys().filter(|method| *method != "get");
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

#[tokio::test]
async fn everything_that_an_administrator_does_is_an_event_with_the_actor() {
    let office = Office::open().await;
    let session = office.server.sign_in().await.session().to_string();
    let new = json!({"username": "bob", "password": PASSWORD});
    let bob = office.post("/admin/users", new).await;
    let bob = bob.json["id"].as_str().unwrap();
    let invited = office.post("/admin/invitations", json!({})).await;
    let invited = invited.json["user"].as_str().unwrap();
    let nothing = Value::Null;
    let kim = json!({"username": "kim", "password": PASSWORD});
    let tv = json!({"id": "tv", "type": "confidential", "scopes": ["read"]});
    let radio = json!({"scopes": ["read", "write"], "name": "Radio"});
    let (post, put, delete) = (Method::POST, Method::PUT, Method::DELETE);
    let steps = [
        (&post, "/admin/users", "", kim, "user_registered"),
        (&put, "/admin/users/{id}/roles", bob, json!({"roles": ["editor"]}), "user_roles_changed"),
        (&put, "/admin/users/{id}/password", bob, json!({"password": PASSWORD}), "user_password_changed"),
        (&post, "/admin/users/{id}/disable", bob, nothing.clone(), "user_disabled"),
        (&post, "/admin/users/{id}/enable", bob, nothing.clone(), "user_enabled"),
        (&delete, "/admin/users/{id}/sessions", bob, nothing.clone(), "user_sessions_ended"),
        (&delete, "/admin/users/{id}", bob, nothing.clone(), "user_deleted"),
        (&post, "/admin/invitations", "", json!({"roles": ["editor"]}), "user_invited"),
        (&delete, "/admin/invitations/{id}", invited, nothing.clone(), "user_invitation_withdrawn"),
        (&post, "/admin/clients", "", tv, "client_registered"),
        (&put, "/admin/clients/{id}", "tv", radio, "client_updated"),
        (&post, "/admin/clients/{id}/secret", "tv", json!({}), "client_secret_rotated"),
        (&post, "/admin/clients/{id}/disable", "tv", nothing.clone(), "client_disabled"),
        (&post, "/admin/clients/{id}/enable", "tv", nothing.clone(), "client_enabled"),
        (&delete, "/admin/clients/{id}/sessions", "tv", nothing.clone(), "client_sessions_ended"),
        (&delete, "/admin/clients/{id}", "tv", nothing.clone(), "client_deleted"),
        (&delete, "/admin/sessions/{id}", session.as_str(), nothing.clone(), "session_ended"),
    ];
    let mut driven = BTreeSet::new();
    for (method, path, id, body, kind) in steps {
        let before = office.server.position().await;
        let answer = office.send(method.clone(), &path.replace("{id}", id), &body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text);
        let log = office.get(&format!("/admin/events?after={before}")).await;
        let events = log.json["events"].as_array().unwrap();
        let said: Vec<_> = events.iter().map(|event| (&event["type"], &event["by"])).collect();
        assert_eq!(said, [(&json!(kind), &office.actor())], "{method} {path}");
        driven.insert((method.to_string(), path.to_owned()));
    }
    assert_eq!(driven, changing(), "every one is driven here");
}

#[tokio::test]
async fn an_event_says_all_that_was_registered_of_a_client() {
    let office = Office::open().await;
    let settings = json!({
        "id": "tv", "type": "public", "name": "TV", "scopes": ["read"], "refresh_tokens": "never",
        "reuse": "refuse", "revoke_access_tokens": true,
    });
    assert_eq!(office.post("/admin/clients", settings).await.status, 201);
    let log = office.get("/admin/events?stream=client:tv").await;
    let data = &log.json["events"][0]["data"];
    for (field, value) in [
        ("refresh_tokens", json!("never")),
        ("reuse", json!("refuse")),
        ("revoke_access_tokens", json!(true)),
        ("introspects_usernames", json!(false)),
        ("scope", json!("read")),
        ("confidential", json!(false)),
    ] {
        assert_eq!(data[field], value, "{field}: {data}");
    }
}
