//! What people have allowed clients: remembered, withdrawn, forgotten.

use std::sync::Arc;

use heirloom::app::admin::events::Subject;
use heirloom::app::consents::ListedConsent;
use heirloom::consent::{Allowed, ConsentEvent, ConsentId};
use heirloom::oauth::UserId;
use heirloom::session::SessionEvent;

use crate::admin::Office;
use crate::authorization_code::REFUSED;
use crate::authorize::{CALLBACK, request};
use crate::devices::lives;
use crate::faults::{Hold, Holding};
use crate::own_account;
use crate::support::codes::VERIFIER;
use crate::support::web_browser::Browser;
use crate::support::{CONFIDENTIAL, PUBLIC, Server, USER};

const DAY: u64 = 86_400;

fn read() -> Allowed {
    Allowed { scope: "read".parse().unwrap(), resource: None, redirect_host: "app.example.com".to_owned() }
}

async fn user(server: &Server) -> UserId {
    server.app.accounts.account_named(USER.0).await.unwrap().unwrap()
}

async fn id(server: &Server, client: &str) -> ConsentId {
    ConsentId { user: user(server).await, client: client.parse().unwrap() }
}

async fn events(server: &Server, id: &ConsentId) -> Vec<ConsentEvent> {
    let recorded = server.app.store.read_stream(id.stream().unwrap(), 0, 100).await.unwrap();
    recorded.iter().map(|event| ConsentEvent::decode(&event.data).unwrap()).collect()
}

async fn covers(server: &Server, id: &ConsentId) -> bool {
    server.app.consents.covers(id, &read()).await.unwrap().is_some()
}

#[tokio::test]
async fn what_was_allowed_is_remembered_once_and_listed_until_it_is_withdrawn() {
    let server = Server::start().await;
    let (web, other) = (id(&server, PUBLIC).await, id(&server, CONFIDENTIAL).await);
    assert!(!covers(&server, &web).await);
    server.app.consents.give(&web, &read()).await.unwrap();
    server.app.consents.give(&web, &read()).await.unwrap();
    assert!(covers(&server, &web).await && !covers(&server, &other).await);
    let elsewhere = Allowed { redirect_host: "evil.example".to_owned(), ..read() };
    assert_eq!(server.app.consents.covers(&web, &elsewhere).await.unwrap(), None);
    assert_eq!(events(&server, &web).await.len(), 1, "it is not written twice");
    let listed = server.app.consents.all_of(web.user).await.unwrap();
    let [ListedConsent { client, scope, since, .. }] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((client.as_str(), scope.as_str(), *since), (PUBLIC, "read", server.now()));

    server.app.consents.withdraw(&web, None).await.unwrap();
    server.app.consents.withdraw(&web, None).await.unwrap();
    assert!(!covers(&server, &web).await);
    assert!(server.app.consents.all_of(web.user).await.unwrap().is_empty());
    assert_eq!(events(&server, &web).await.len(), 2);
}

#[tokio::test]
async fn withdrawing_ends_the_sessions_of_that_client_and_no_others() {
    let server = Server::start().await;
    let (mut app, mut other) = (server.sign_in().await, server.sign_in_confidential().await);
    let id = id(&server, PUBLIC).await;
    // Also where nobody was asked.
    server.app.consents.withdraw(&id, None).await.unwrap();
    assert!(!lives(&server, &mut app).await);
    let events = server.events(app.session()).await;
    let Some(SessionEvent::Ended { reason, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(reason.as_str(), "consent_withdrawn");
    assert_eq!(server.refresh_confidential(&other.refresh_token()).await.status, 200);
    other = server.sign_in_confidential().await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn withdrawing_ends_also_sessions_beyond_a_limit_that_was_lowered() {
    let server = Server::with(|setup| setup.config.sessions.per_user = 30).await;
    let mut apps = Vec::new();
    for _ in 0..25 {
        apps.push(server.sign_in().await);
    }
    let server = server.restart(|setup| setup.config.sessions.per_user = 2).await;
    server.app.consents.withdraw(&id(&server, PUBLIC).await, None).await.unwrap();
    for app in &mut apps {
        assert!(!lives(&server, app).await);
    }
}

#[tokio::test]
async fn what_a_client_was_allowed_ends_with_all_its_sessions() {
    let office = Office::open().await;
    let server = &office.server;
    let id = id(server, PUBLIC).await;
    server.app.consents.give(&id, &read()).await.unwrap();
    assert_eq!(office.delete(&format!("/admin/clients/{PUBLIC}/sessions")).await.status, 204);
    assert!(!covers(server, &id).await);
    assert!(server.app.consents.all_of(id.user).await.unwrap().is_empty());
    server.app.consents.give(&id, &read()).await.unwrap();
    assert!(covers(server, &id).await);
}

#[tokio::test]
async fn a_withdrawn_consent_and_those_of_a_deleted_account_are_removed_after_the_retention() {
    let server = Server::start().await;
    let (web, other) = (id(&server, PUBLIC).await, id(&server, CONFIDENTIAL).await);
    for id in [&web, &other] {
        server.app.consents.give(id, &read()).await.unwrap();
    }
    server.app.consents.withdraw(&web, None).await.unwrap();
    server.wait(DAY);
    server.app.consents.give(&web, &read()).await.unwrap();
    server.wait(90 * DAY);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().consents, 0, "it was given again");
    let token = own_account::sign_in(&server, USER.0, USER.1).await.access_token();
    assert_eq!(own_account::delete(&server, &token, USER.1).await.status, 204);
    assert!(server.app.consents.all_of(web.user).await.unwrap().is_empty());
    server.wait(90 * DAY - 1);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().consents, 0, "the retention is not over");
    server.wait(1);
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap().consents, 2);
    assert!(events(&server, &web).await.is_empty() && events(&server, &other).await.is_empty());
}

#[tokio::test]
async fn administrators_see_what_was_allowed() {
    let office = Office::open().await;
    let id = id(&office.server, PUBLIC).await;
    office.server.app.consents.give(&id, &read()).await.unwrap();
    office.server.app.consents.withdraw(&id, None).await.unwrap();
    let stream = Subject::Consent(id.user, id.client.digest()).to_string();
    let page = office.get(&format!("/admin/events?stream={stream}")).await;
    let [given, withdrawn] = page.json["events"].as_array().unwrap().as_slice() else {
        panic!("{}", page.text)
    };
    assert_eq!((&given["type"], &given["stream"]), (&"consent_given".into(), &stream.clone().into()));
    assert_eq!((&given["data"]["client"], &given["data"]["scope"]), (&PUBLIC.into(), &"read".into()));
    assert_eq!(given["data"]["redirect_host"], "app.example.com");
    assert_eq!(
        (&withdrawn["type"], &withdrawn["data"]["client"]),
        (&"consent_withdrawn".into(), &PUBLIC.into())
    );
    for strange in ["consent:x", &stream[..stream.len() - 1], &format!("{stream}0")] {
        assert_eq!(office.get(&format!("/admin/events?stream={strange}")).await.status, 422, "{strange}");
    }
}

#[tokio::test]
async fn a_code_from_before_a_consent_was_withdrawn_is_refused_even_if_it_is_given_anew() {
    for anew in [false, true] {
        let server = Server::start().await;
        let mut browser = Browser::of(&server);
        let sign_in = request(&browser, &[]);
        let code = browser.sign_in(&sign_in, USER).await.code().to_owned();
        let redeem = async |code: &str| {
            server.redeem_with(code, &[("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]).await
        };
        let web = id(&server, PUBLIC).await;
        server.wait(1);
        server.app.consents.withdraw(&web, None).await.unwrap();
        let after = if anew { Some(browser.sign_in(&sign_in, USER).await.code().to_owned()) } else { None };
        assert_eq!(redeem(&code).await.outcome(), REFUSED);
        let log = server.app.store.read_log(0, 1_000).await.unwrap();
        let ended = log.iter().filter_map(|event| SessionEvent::decode(&event.data).ok());
        let ended: Vec<_> = ended.filter(|event| event.name() == "session_ended").collect();
        let [SessionEvent::Ended { reason, .. }] = ended.as_slice() else { panic!("{ended:?}") };
        assert_eq!(reason.as_str(), "consent_withdrawn");
        // What was allowed since is another consent.
        if let Some(after) = after {
            assert_eq!(redeem(&after).await.status, 200);
        }
    }
}

/// The redemption has read that the consent stands, and the withdrawal sees no session yet.
#[tokio::test]
async fn a_code_that_is_redeemed_while_its_consent_is_withdrawn_begins_nothing_that_lasts() {
    let hold = Arc::new(Hold::default());
    let own = Arc::clone(&hold);
    let server = Arc::new(
        Server::with(|setup| setup.store = Some(Box::new(|inner| Arc::new(Holding { inner, hold: own }))))
            .await,
    );
    let mut browser = Browser::of(&server);
    let code = browser.sign_in(&request(&browser, &[]), USER).await.code().to_owned();
    hold.next_append();
    let redeeming = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.redeem_with(&code, &[("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]).await }
    });
    hold.held().await;
    server.app.consents.withdraw(&id(&server, PUBLIC).await, None).await.unwrap();
    hold.release();
    assert_eq!(redeeming.await.unwrap().outcome(), REFUSED);
    let log = server.app.store.read_log(0, 1_000).await.unwrap();
    let names: Vec<_> = log.iter().filter_map(|event| SessionEvent::decode(&event.data).ok()).collect();
    let names: Vec<_> = names.iter().map(SessionEvent::name).collect();
    assert!(names.ends_with(&["tokens_issued", "session_ended"]), "{names:?}");
}

#[tokio::test]
async fn a_code_needs_no_consent_where_none_was_asked_for() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.consent = heirloom::client::ConsentPolicy::Implied);
    })
    .await;
    let mut browser = Browser::of(&server);
    let sign_in = request(&browser, &[]);
    let code = browser.sign_in(&sign_in, USER).await.code().to_owned();
    let answer = server.redeem_with(&code, &[("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}
