//! An administrator lists and ends sessions.

use heirloom::oauth::Actor;
use heirloom::session::{EndReason, SessionEvent};
use serde_json::{Value, json};

use super::Office;
use crate::support::{CONFIDENTIAL, PUBLIC, USER};

fn ids(page: &Value) -> Vec<String> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sessions_are_listed_by_user_and_by_client_a_page_at_a_time() {
    let office = Office::open().await;
    let (server, user) = (&office.server, office.user().await);
    let mut began = Vec::new();
    for _ in 0..3 {
        server.wait(1);
        began.push(server.sign_in().await.session().to_string());
    }
    server.wait(1);
    let confidential = server.sign_in_confidential().await.session().to_string();

    let of_user = format!("/admin/users/{user}/sessions");
    let first = office.get(&format!("{of_user}?limit=3")).await;
    assert_eq!(ids(&first.json), began);
    let second =
        office.get(&format!("{of_user}?limit=3&after={}", first.json["next"].as_str().unwrap())).await;
    assert_eq!((ids(&second.json), &second.json["next"]), (vec![confidential.clone()], &Value::Null));

    let of_client = office.get(&format!("/admin/clients/{CONFIDENTIAL}/sessions")).await;
    assert_eq!(ids(&of_client.json), [confidential]);
    // The administrator's own session comes first.
    let of_public = office.get(&format!("/admin/clients/{PUBLIC}/sessions")).await;
    assert_eq!(ids(&of_public.json)[1..], began);
    assert_eq!(office.get(&format!("{of_user}?after=x")).await.status, 422);
}

#[tokio::test]
async fn an_administrator_ends_one_session_and_no_other() {
    let office = Office::open().await;
    let server = &office.server;
    let (one, other) = (server.sign_in().await, server.sign_in().await);
    let path = format!("/admin/sessions/{}", one.session());
    let shown = office.get(&path).await;
    assert_eq!(
        shown.json,
        json!({
            "id": one.session().to_string(), "user": office.user().await, "client": PUBLIC,
            "scope": "read write", "audience": "demo-api", "started_at": server.now().to_string(),
            "last_seen_at": server.now().to_string(), "expires_at": "2100-01-15T00:00:00.000Z",
            "generation": 0, "live": true,
        })
    );
    assert_eq!(office.delete(&path).await.status, 204);
    assert_eq!(server.refresh(&one.refresh_token()).await.outcome(), (400, "invalid_grant"));
    assert_eq!(server.refresh(&other.refresh_token()).await.status, 200);
    let shown = office.get(&path).await.json;
    assert_eq!((&shown["live"], &shown["reason"]), (&json!(false), &json!("admin")));
    assert_eq!(shown["ended_at"], json!(server.now().to_string()));
    // Ending it a second time changes nothing.
    assert_eq!(office.delete(&path).await.status, 204);
    let ends: Vec<_> = server
        .events(one.session())
        .await
        .into_iter()
        .filter(|event| event.name() == "session_ended")
        .collect();
    let by = Some(Actor::Administrator(office.admin.parse().unwrap()));
    assert_eq!(ends, [SessionEvent::Ended { at: server.now(), reason: EndReason::Admin, by }]);
    for nobody in ["x", "01890a5d-ac96-774b-bcce-b302099a8057"] {
        let path = format!("/admin/sessions/{nobody}");
        assert_eq!((office.get(&path).await.status, office.delete(&path).await.status), (404, 404));
    }
}

#[tokio::test]
async fn a_session_is_shown_as_over_before_its_end_is_in_the_log() {
    let office = Office::open().await;
    let server = &office.server;
    let (public, confidential) = (server.sign_in().await, server.sign_in_confidential().await);
    let reason =
        async |session| office.get(&format!("/admin/sessions/{session}")).await.json["reason"].clone();
    office.delete(&format!("/admin/clients/{CONFIDENTIAL}/sessions")).await;
    assert_eq!(reason(confidential.session()).await, "client_epoch");
    assert_eq!(reason(public.session()).await, Value::Null);
    office.delete(&format!("/admin/users/{}/sessions", office.user().await)).await;
    assert_eq!(reason(public.session()).await, "user_epoch");
    let short = server.sign_in_as(USER.0, USER.1).await;
    server.wait(14 * 86_400);
    let token = super::sign_in_for(server, super::ADMIN, "admin").await.access_token();
    let url = format!("{}/admin/sessions/{}", server.base, short.session());
    let shown = server.send(server.client.get(url).bearer_auth(token)).await;
    assert_eq!(shown.json["reason"], "expired");
}

#[tokio::test]
async fn why_a_session_ended_is_told_in_words() {
    let office = Office::open().await;
    let session = office.server.sign_in().await.session();
    let path = format!("/admin/sessions/{session}");
    office.delete(&path).await;
    let timeline = office.get(&format!("{path}/events")).await;
    let kinds: Vec<_> =
        timeline.json["events"].as_array().unwrap().iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["signed_in", "ended"], "{}", timeline.text);
    assert_eq!(timeline.json["end"]["reason"], "admin");
    assert_eq!(office.get("/admin/sessions/x/events").await.status, 404);
}
