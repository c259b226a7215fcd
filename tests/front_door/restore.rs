//! After a restore from a backup, one event ends every session in the data.

use heirloom::oauth::{Actor, SessionId};
use heirloom::session::{EndReason, Session, Status};
use heirloom::store::StreamId;

use crate::devices::{FIREFOX, sign_in_on, timeline};
use crate::support::{Answer, Server};

const REFUSED: (u16, &str) = (400, "invalid_grant");

async fn ended(server: &Server, id: SessionId) -> Option<EndReason> {
    let snapshot = server.app.store.load(Session::stream(id).unwrap()).await.unwrap().unwrap();
    match Session::decode(&snapshot.data).unwrap().status {
        Status::Ended { reason, .. } => Some(reason),
        Status::Live | Status::Authorized { .. } => None,
    }
}

async fn devices(server: &Server, by: &Answer) -> Answer {
    let url = format!("{}/account/sessions", server.base);
    server.send(server.client.get(url).bearer_auth(by.access_token())).await
}

#[tokio::test]
async fn a_restore_ends_every_session_by_one_event_and_new_ones_are_good() {
    let server = Server::start().await;
    let old = sign_in_on(&server, FIREFOX, "old").await;
    let swept = sign_in_on(&server, FIREFOX, "swept").await;
    let before = server.position().await;
    server.app.installation.end_sessions_by_restore(Actor::Operator(7)).await.unwrap();
    assert_eq!(server.position().await, before + 1, "one event, however many sessions there are");
    let stream = StreamId::new(b'i', b"").unwrap();
    assert_eq!(server.app.store.read_stream(stream, 0, 9).await.unwrap().len(), 1);

    // Access tokens are refused at once, and administrators see that the session is over.
    assert_eq!(devices(&server, &old).await.status, 401);
    let details = server.app.administration.session_details(old.session()).await.unwrap().unwrap();
    assert_eq!((details.over, details.ended_at), (Some(EndReason::Restored), None));

    // Row 5: the refresh token is refused, and `session_ended` is written with the reason.
    assert_eq!(server.refresh(&old.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(ended(&server, old.session()).await, Some(EndReason::Restored));

    // A session that began after the restore works. Lists show only that one, and the timeline says why the other
    // ended.
    let new = sign_in_on(&server, FIREFOX, "new").await;
    let new = server.refresh(&new.refresh_token()).await;
    let listed = devices(&server, &new).await;
    assert_eq!(listed.json["sessions"].as_array().unwrap().len(), 1, "{}", listed.text);
    let told = timeline(&server, &new.access_token(), swept.session(), "").await;
    assert!(told.text.contains("restored from a backup"), "{}", told.text);

    // The sweeper writes the end of a session that nobody uses.
    server.wait(15 * 86_400);
    server.app.sweeper.sweep(100).await.unwrap();
    assert_eq!(ended(&server, swept.session()).await, Some(EndReason::Restored));
}

#[tokio::test]
async fn the_epoch_outlives_a_restart_and_a_second_restore_ends_what_began_since() {
    let server = Server::start().await;
    server.app.installation.end_sessions_by_restore(Actor::Operator(0)).await.unwrap();
    let first = server.sign_in().await;
    let server = server.restart(|_| {}).await;
    let first = server.refresh(&first.refresh_token()).await;
    assert_eq!(first.status, 200, "{}", first.text);
    server.app.installation.end_sessions_by_restore(Actor::Operator(0)).await.unwrap();
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
}
