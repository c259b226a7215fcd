//! An administrator lists and withdraws invitations, and nothing is left of them later.

use std::time::Duration;

use heirloom::app::sweep::Swept;
use heirloom::config::SignUp;
use heirloom::oauth::UserId;
use heirloom::store::{RecordKey, StreamId};
use heirloom::user::{self, vault};
use reqwest::Method;
use serde_json::{Value, json};

use super::Office;
use crate::sign_up::{PASSWORD, person, sign_up};
use crate::support::{Answer, Server};

const HOUR: u64 = 3600;

async fn office() -> Office {
    let server = Server::with(|setup| {
        setup.config.accounts.registration = SignUp::Invite;
        setup.config.sessions.retention = Duration::from_hours(48);
        setup.config.throttle.network_sign_ups = 1000;
    });
    Office::on(server.await).await
}

async fn invite(office: &Office, roles: &[&str], hours: u64) -> Answer {
    let invited = office.post("/admin/invitations", json!({"roles": roles, "valid_for": hours * HOUR})).await;
    assert_eq!(invited.status, 201, "{}", invited.text);
    invited
}

fn account(invited: &Answer) -> UserId {
    invited.json["user"].as_str().unwrap().parse().unwrap()
}

fn path(invited: &Answer) -> String {
    format!("/admin/invitations/{}", account(invited))
}

/// Signs up with the code of an invitation.
async fn use_code(office: &Office, invited: &Answer, name: &str) -> Answer {
    let mut body = person(name, &format!("{name}@example.com"));
    body["invitation"] = invited.json["code"].clone();
    sign_up(&office.server, &body).await
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 422 && answer.json["errors"][0]["rule"] == "not_valid"
}

fn listed(page: &Answer) -> Vec<&Value> {
    assert_eq!(page.status, 200, "{}", page.text);
    page.json["invitations"].as_array().unwrap().iter().map(|one| &one["user"]).collect()
}

/// The events of a user's stream as an administrator sees them: type and actor.
async fn told(office: &Office, id: UserId) -> Vec<(String, Value)> {
    let page = office.get(&format!("/admin/events?stream=user:{id}")).await;
    let event = |event: &Value| (event["type"].as_str().unwrap().to_owned(), event["by"].clone());
    page.json["events"].as_array().unwrap().iter().map(event).collect()
}

/// How many records of invitations there are: by code, by account, in the queue.
async fn records(server: &Server) -> [usize; 3] {
    let mut counts = [0; 3];
    let prefixes = [RecordKey::vault(&[b"i"]), vault::open_invitations(), vault::invitations_due()];
    for (count, prefix) in counts.iter_mut().zip(prefixes) {
        *count = server.app.store.scan(prefix, None, 1000).await.unwrap().len();
    }
    counts
}

async fn is_there(server: &Server, stream: &StreamId) -> bool {
    server.app.store.load(stream.clone()).await.unwrap().is_some()
}

#[tokio::test]
async fn open_invitations_are_listed_a_page_at_a_time() {
    let office = office().await;
    let mut made = Vec::new();
    for roles in [&["editor"][..], &[], &["user", "editor"]] {
        made.push(invite(&office, roles, 1).await);
        office.server.wait(1);
    }
    let page = office.get("/admin/invitations").await;
    let expected = json!({
        "invitations": made.iter().zip([json!(["editor"]), json!([]), json!(["user", "editor"])]).map(
            |(one, roles)| json!({"user": one.json["user"], "roles": roles, "expires_at": one.json["expires_at"]})
        ).collect::<Vec<_>>(),
    });
    assert_eq!(page.json, expected);
    let first = office.get("/admin/invitations?limit=2").await;
    assert_eq!(listed(&first), [&made[0].json["user"], &made[1].json["user"]]);
    let next = first.json["next"].as_str().unwrap();
    let second = office.get(&format!("/admin/invitations?limit=2&after={next}")).await;
    assert_eq!((listed(&second), &second.json["next"]), (vec![&made[2].json["user"]], &Value::Null));
    // A used invitation is not listed any more, and neither is an expired one, before and after the sweep.
    assert_eq!(use_code(&office, &made[1], "bob").await.status, 201);
    assert_eq!(listed(&office.get("/admin/invitations").await).len(), 2);
    office.server.wait(HOUR - 3);
    assert_eq!(listed(&office.get_again("/admin/invitations").await), [&made[1 + 1].json["user"]]);
    assert_eq!(office.get_again("/admin/invitations?after=x").await.status, 422);
}

#[tokio::test]
async fn an_invitation_that_was_withdrawn_is_no_good_and_the_log_says_who_did_it() {
    let office = office().await;
    let (one, other) = (invite(&office, &[], 1).await, invite(&office, &[], 1).await);
    for _ in 0..2 {
        assert_eq!(office.delete(&path(&one)).await.status, 204, "again, it changes nothing");
    }
    let expected = [
        ("user_invited".to_owned(), office.actor()),
        ("user_invitation_withdrawn".to_owned(), office.actor()),
    ];
    assert_eq!(told(&office, account(&one)).await, expected);
    assert!(is_refused(&use_code(&office, &one, "eve").await));
    assert_eq!(listed(&office.get("/admin/invitations").await), [&other.json["user"]]);
    let user = format!("/admin/users/{}", account(&one));
    assert_eq!(office.get(&user).await.json["status"], "withdrawn");
    for (method, rest, body) in [
        (Method::POST, "/enable", Value::Null),
        (Method::POST, "/disable", Value::Null),
        (Method::PUT, "/roles", json!({"roles": ["admin"]})),
        (Method::PUT, "/password", json!({"password": PASSWORD})),
        (Method::DELETE, "", Value::Null),
    ] {
        assert_eq!(office.send(method, &format!("{user}{rest}"), &body).await.status, 404, "{rest}");
    }
    assert_eq!(use_code(&office, &other, "bob").await.status, 201, "nobody else's");
    // A used invitation is an account, which is deleted like any account.
    let refused = office.delete(&path(&other)).await;
    assert_eq!(
        (refused.status, &refused.json["type"]),
        (409, &json!("urn:heirloom:problem:invitation-used"))
    );
    assert_eq!(office.server.sign_in_as("bob", PASSWORD).await.status, 200);
    for nobody in ["x", "01890a5d-ac96-774b-bcce-b302099a8057"] {
        assert_eq!(office.delete(&format!("/admin/invitations/{nobody}")).await.status, 404);
    }
}

#[tokio::test]
async fn deleting_a_user_who_is_only_invited_withdraws_the_invitation() {
    let office = office().await;
    let invited = invite(&office, &["admin"], 1).await;
    let user = format!("/admin/users/{}", account(&invited));
    assert_eq!(office.get(&user).await.json["status"], "invited");
    assert_eq!(office.delete(&user).await.status, 204);
    assert_eq!(office.get(&user).await.json["status"], "withdrawn");
    assert!(is_refused(&use_code(&office, &invited, "eve").await));
}

#[tokio::test]
async fn of_a_withdrawal_and_a_sign_up_at_the_same_moment_one_wins() {
    let office = office().await;
    for round in 0..20 {
        let invited = invite(&office, &[], 1).await;
        let (to_withdraw, name) = (path(&invited), format!("eve-{round}"));
        let (withdrawn, made) = tokio::join!(office.delete(&to_withdraw), use_code(&office, &invited, &name));
        match (withdrawn.status, made.status) {
            (204, 422) | (409, 201) => {}
            statuses => panic!("{statuses:?}"),
        }
        let signed_in = office.server.sign_in_as(&name, PASSWORD).await.status;
        assert_eq!(signed_in == 200, made.status == 201);
    }
}

#[tokio::test]
async fn nothing_of_an_invitation_piles_up() {
    let office = office().await;
    let server = &office.server;
    let (withdrawn, expired) = (invite(&office, &[], 1).await, invite(&office, &[], 1).await);
    let (used, long) = (invite(&office, &[], 1).await, invite(&office, &[], 24 * 30).await);
    assert_eq!(use_code(&office, &used, "bob").await.status, 201);
    assert_eq!(records(server).await, [3, 3, 3], "of one that was used nothing is left but the account");
    office.delete(&path(&withdrawn)).await;
    assert_eq!(records(server).await, [2, 2, 3]);
    let streams = [&withdrawn, &expired, &used, &long].map(|one| user::stream(account(one)).unwrap());

    server.wait(HOUR - 1);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap(), Swept::default(), "nothing is due");
    server.wait(1);
    let swept = Swept { invitations: 1, ..Swept::default() };
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap(), swept, "one has expired");
    assert_eq!(records(server).await, [1, 1, 3], "its code is forgotten, its events are kept");
    assert_eq!(told_kinds(&office, account(&expired)).await, ["user_invited"]);

    // They are kept as long as ended sessions.
    server.wait(47 * HOUR - 1);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().invitations, 0);
    server.wait(1);
    assert_eq!(
        server.app.sweeper.sweep(10).await.unwrap().invitations,
        1,
        "what is left of the one withdrawn"
    );
    server.wait(HOUR);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().invitations, 1, "and of the one that has expired");
    let mut there = Vec::new();
    for stream in &streams {
        there.push(is_there(server, stream).await);
    }
    assert_eq!(there, [false, false, true, true]);
    assert_eq!(records(server).await, [1, 1, 1]);
    assert_eq!(server.sign_in_as("bob", PASSWORD).await.status, 200);
    assert_eq!(use_code(&office, &long, "kim").await.status, 201);
    assert_eq!(records(server).await, [0, 0, 0]);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().invitations, 0);
}

/// The types of a user's events, read after the administrator's token has expired.
async fn told_kinds(office: &Office, id: UserId) -> Vec<String> {
    let page = office.get_again(&format!("/admin/events?stream=user:{id}")).await;
    let events = page.json["events"].as_array().unwrap();
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_sweep_of_invitations_takes_its_batch() {
    let office = office().await;
    for _ in 0..25 {
        invite(&office, &[], 1).await;
    }
    office.server.wait(HOUR);
    let mut batches = Vec::new();
    loop {
        let swept = office.server.app.sweeper.sweep(10).await.unwrap();
        batches.push(swept.invitations);
        if !swept.more {
            break;
        }
    }
    assert_eq!(batches, [10, 10, 5]);
    assert_eq!(office.server.app.sweeper.stats().total.invitations, 25);
}

#[tokio::test]
async fn an_account_that_is_made_while_its_invitation_is_swept_stays() {
    let office = office().await;
    let server = &office.server;
    let invited = invite(&office, &[], 1).await;
    assert_eq!(use_code(&office, &invited, "bob").await.status, 201);
    // As if the sweeper had read this place in the queue before the invitation was used.
    let id = account(&invited);
    let stream = user::stream(id).unwrap();
    let snapshot = server.app.store.load(stream.clone()).await.unwrap().unwrap();
    let place = vault::invitation_due(server.now(), id);
    let append = heirloom::store::Append {
        stream: stream.clone(),
        expected: heirloom::store::Expected::Exact(snapshot.version),
        events: Vec::new(),
        snapshot: Vec::new(),
        records: vec![heirloom::store::RecordChange::Put(place, Vec::new())],
    };
    server.app.store.append(append).await.unwrap();
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().invitations, 1);
    assert!(is_there(server, &stream).await);
    assert_eq!(server.sign_in_as("bob", PASSWORD).await.status, 200);
    assert_eq!(records(server).await, [0, 0, 0]);
}
