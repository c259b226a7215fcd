//! An administrator lists and changes users.

use heirloom::config::SignUp;
use heirloom::oauth::{Actor, UserId};
use heirloom::user::{self, UserEvent};
use serde_json::{Value, json};

use super::Office;
use crate::support::{Server, USER};

async fn user_events(server: &Server, id: &str) -> Vec<UserEvent> {
    let stream = user::stream(id.parse::<UserId>().unwrap()).unwrap();
    let recorded = server.app.store.read_stream(stream, 0, 100).await.unwrap();
    recorded.iter().map(|event| UserEvent::decode(&event.data).unwrap()).collect()
}

fn names(page: &Value) -> Vec<&str> {
    page["users"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn users_are_searched_by_the_beginning_of_their_names_a_page_at_a_time() {
    let office = Office::open().await;
    for name in ["bob", "bertha", "boris", "carl"] {
        let new = json!({"username": name, "password": "tulip-quartz-93-lantern"});
        assert_eq!(office.post("/admin/users", new).await.status, 201);
    }
    let all = office.get("/admin/users").await;
    assert_eq!(names(&all.json), ["ann", "bertha", "bob", "boris", "carl", "root"]);
    assert_eq!(all.json["next"], Value::Null);
    let first = office.get("/admin/users?prefix=B&limit=2").await;
    assert_eq!(names(&first.json), ["bertha", "bob"]);
    let next = first.json["next"].as_str().unwrap();
    let second = office.get(&format!("/admin/users?prefix=b&limit=2&after={next}")).await;
    assert_eq!(names(&second.json), ["boris"]);
    assert_eq!(second.json["next"], Value::Null);
    let bad = office.get("/admin/users?prefix=%01").await;
    assert_eq!((bad.status, bad.json["errors"][0]["field"].as_str()), (422, Some("prefix")));
    let bad = office.get("/admin/users?after=%01").await;
    assert_eq!((bad.status, bad.json["errors"][0]["field"].as_str()), (422, Some("after")));
}

#[tokio::test]
async fn an_administrator_creates_a_user_who_signs_in() {
    let office = Office::open().await;
    let new = json!({"username": "Bob", "password": "tulip-quartz-93-lantern", "roles": ["moderator"]});
    let created = office.post("/admin/users", new.clone()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.json["id"].as_str().unwrap();
    assert_eq!(created.header("location"), format!("/admin/users/{id}"));
    assert_eq!(
        created.json,
        json!({"id": id, "username": "bob", "status": "active", "roles": ["moderator"]})
    );
    assert_eq!(office.get(&format!("/admin/users/{id}")).await.json, created.json);
    let signed_in = office.server.sign_in_as("bob", "tulip-quartz-93-lantern").await;
    assert_eq!(signed_in.claims()["roles"], json!(["moderator"]));
    let by = Some(Actor::Administrator(office.admin.parse().unwrap()));
    assert!(
        matches!(&user_events(&office.server, id).await[..], [UserEvent::Registered { by: who, .. }] if *who == by)
    );

    for (change, field, rule) in [
        (json!({"username": "BOB"}), "username", "taken"),
        (json!({"username": "a b"}), "username", "not_permitted"),
        (json!({"password": "short"}), "password", "too_short"),
        (json!({"roles": ["a b"]}), "roles", "not_permitted"),
    ] {
        let mut bad = json!({"username": "carl", "password": "tulip-quartz-93-lantern", "roles": []});
        bad.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = office.post("/admin/users", bad).await;
        let error = &refused.json["errors"][0];
        assert_eq!(
            (refused.status, &error["field"], &error["rule"]),
            (422, &json!(field), &json!(rule)),
            "{}",
            refused.text
        );
    }
}

#[tokio::test]
async fn what_an_administrator_does_to_a_user_holds_at_once_and_stands_in_the_log() {
    let office = Office::open().await;
    let (server, id) = (&office.server, office.user().await);
    let path = |rest: &str| format!("/admin/users/{id}{rest}");
    let sign_in = async || server.sign_in().await;

    let before = sign_in().await;
    let disabled = office.post(&path("/disable"), Value::Null).await;
    assert_eq!((disabled.status, &disabled.json["status"]), (200, &json!("disabled")), "{}", disabled.text);
    assert_eq!(server.refresh(&before.refresh_token()).await.outcome(), (400, "invalid_grant"));
    assert_eq!(sign_in().await.outcome(), (400, "invalid_grant"));
    assert_eq!(office.post(&path("/enable"), Value::Null).await.json["status"], "active");

    let before = sign_in().await;
    let roles = office.put(&path("/roles"), json!({"roles": ["admin", "user"]})).await;
    assert_eq!(roles.json["roles"], json!(["admin", "user"]));
    let refreshed = server.refresh(&before.refresh_token()).await;
    assert_eq!(refreshed.claims()["roles"], json!(["admin", "user"]));

    assert_eq!(office.delete(&path("/sessions")).await.status, 204);
    assert_eq!(server.refresh(&refreshed.refresh_token()).await.outcome(), (400, "invalid_grant"));

    let before = sign_in().await;
    let new = "marble-violet-17-anchor";
    assert_eq!(office.put(&path("/password"), json!({"password": new})).await.status, 204);
    assert_eq!(server.refresh(&before.refresh_token()).await.outcome(), (400, "invalid_grant"));
    assert_eq!(sign_in().await.outcome(), (400, "invalid_grant"));
    let before = server.sign_in_as(USER.0, new).await;

    assert_eq!(office.delete(&path("")).await.status, 204);
    assert_eq!(server.refresh(&before.refresh_token()).await.outcome(), (400, "invalid_grant"));
    let gone = office.get(&path("")).await;
    assert_eq!(gone.json, json!({"id": id, "status": "deleted", "roles": []}));
    assert_eq!(office.delete(&path("")).await.status, 404);
    assert_eq!(office.post(&path("/enable"), Value::Null).await.status, 404);

    let by = Some(Actor::Administrator(office.admin.parse().unwrap()));
    let events = user_events(server, &id).await;
    let done_by: Vec<_> = events
        .iter()
        .map(|event| match event {
            UserEvent::Registered { by, .. } => ("registered", *by),
            UserEvent::Disabled { by, .. } => ("disabled", *by),
            UserEvent::Enabled { by, .. } => ("enabled", *by),
            UserEvent::RolesChanged { by, .. } => ("roles_changed", *by),
            UserEvent::SessionsEnded { by, .. } => ("sessions_ended", *by),
            UserEvent::PasswordChanged { by, .. } => ("password_changed", *by),
            UserEvent::Deleted { by, .. } => ("deleted", *by),
            UserEvent::PasswordRehashed { by, .. } => ("password_rehashed", *by),
            UserEvent::Invited { by, .. } => ("invited", *by),
            UserEvent::ProfileChanged { by, .. } => ("profile_changed", *by),
            UserEvent::InvitationWithdrawn { by, .. } => ("invitation_withdrawn", *by),
        })
        .collect();
    let expected = ["disabled", "enabled", "roles_changed", "sessions_ended", "password_changed", "deleted"];
    assert_eq!(done_by[0], ("registered", None));
    assert_eq!(done_by[1..], expected.map(|name| (name, by)));
}

#[tokio::test]
async fn what_is_no_user_is_not_found() {
    let office = Office::open().await;
    for id in ["nonsense", "01890a5d-ac96-774b-bcce-b302099a8057"] {
        assert_eq!(office.get(&format!("/admin/users/{id}")).await.status, 404);
        assert_eq!(office.delete(&format!("/admin/users/{id}/sessions")).await.status, 404);
    }
}

#[tokio::test]
async fn somebody_who_is_invited_signs_up_once_with_the_roles_of_the_invitation() {
    let server = Server::with(|setup| setup.config.accounts.registration = SignUp::Invite).await;
    let office = Office::on(server).await;
    let invited = office.post("/admin/invitations", json!({"roles": ["editor"], "valid_for": 60})).await;
    assert_eq!(invited.status, 201, "{}", invited.text);
    let id = invited.json["user"].as_str().unwrap();
    assert_eq!(office.get(&format!("/admin/users/{id}")).await.json["status"], "invited");
    let new = json!({
        "username": "bob", "email": "bob@example.com", "password": "tulip-quartz-93-lantern",
        "invitation": invited.json["code"],
    });
    let sign_up = async || {
        let request = office.server.client.post(format!("{}/account", office.server.base));
        office.server.send(request.json(&new)).await
    };
    let signed_up = sign_up().await;
    assert_eq!(signed_up.status, 201, "{}", signed_up.text);
    let user = office.get(&format!("/admin/users/{id}")).await;
    assert_eq!((&user.json["username"], &user.json["roles"]), (&json!("bob"), &json!(["editor"])));
    let by = Some(Actor::Administrator(office.admin.parse().unwrap()));
    let events = user_events(&office.server, id).await;
    assert!(
        matches!(&events[..], [UserEvent::Invited { by: a, .. }, UserEvent::Registered { by: None, .. }] if *a == by),
        "{events:?}"
    );
    // Deleting the account deletes the e-mail address and the profile.
    assert_eq!(office.delete(&format!("/admin/users/{id}")).await.status, 204);
    assert_eq!(sign_up().await.json["errors"][0]["field"], "invitation");
}
