//! What happens on one node is seen on every other: by who follows the log live, in timelines, and in the lists of
//! administrators.

use serde_json::{Value, json};

use crate::admin::events::Following;
use crate::admin::{ADMIN, Office};
use crate::support::database::Pair;
use crate::support::{PUBLIC, USER};

/// The values of one field.
fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|entry| entry[field].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_on_one_node_is_seen_on_another() {
    let Pair { one, other, .. } = Pair::start().await;
    let office = Office::on(one).await;
    let other = Office { server: other, token: office.token.clone(), admin: office.admin.clone() };
    let one = &office.server;
    let mut live = Following::begin(&other, "?after=latest", None).await;

    // One step after another: who follows has seen the one before, and must look again.
    let signed_in = one.sign_in().await;
    let mut seen = live.next(2).await;
    let session = signed_in.session().to_string();
    let of_user = format!("/admin/users/{}/sessions", office.user().await);
    let path = format!("/admin/sessions/{session}");
    assert_eq!(other.get(&path).await.json["live"], json!(true));
    assert_eq!(one.refresh(&signed_in.refresh_token()).await.status, 200);
    seen.extend(live.next(1).await);
    assert_eq!(other.get(&path).await.json["generation"], json!(1));
    assert_eq!(office.delete(&path).await.status, 204);
    seen.extend(live.next(1).await);
    for (_, event) in &seen {
        assert_eq!(event["stream"], json!(format!("session:{session}")));
    }
    let (positions, events): (Vec<u64>, Vec<Value>) = seen.into_iter().unzip();
    let expected = ["session_started", "tokens_issued", "tokens_rotated", "session_ended"];
    assert_eq!(each(&json!(events), "type"), expected);
    assert!(positions.is_sorted_by(|before, after| before < after), "{positions:?}");
    assert_eq!(positions.last(), Some(&one.position().await));

    let timeline = other.get(&format!("{path}/events")).await;
    assert_eq!(each(&timeline.json["events"], "kind"), ["signed_in", "refreshed", "ended"]);
    assert_eq!(timeline.json["end"]["reason"], "admin");
    assert_eq!(other.get(&path).await.json["live"], json!(false));

    let second = one.sign_in().await.session().to_string();
    for list in [of_user, format!("/admin/clients/{PUBLIC}/sessions")] {
        let (here, there) = (office.get(&list).await.json, other.get(&list).await.json);
        assert!(each(&there["sessions"], "id").contains(&second.as_str()), "{list}: {there}");
        assert_eq!(here, there, "{list}");
    }
    let bob = json!({"username": "bob", "password": "marble-kettle-57-orchid"});
    assert_eq!(office.post("/admin/users", bob).await.status, 201);
    let users = other.get("/admin/users").await.json;
    let mut names = each(&users["users"], "username");
    names.sort_unstable();
    let mut expected = ["bob", USER.0, ADMIN.0];
    expected.sort_unstable();
    assert_eq!(names, expected);
}
