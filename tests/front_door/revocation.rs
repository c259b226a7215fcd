//! `POST /oauth/revoke` (RFC 7009).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heirloom::oauth::SessionId;
use heirloom::session::{EndReason, SessionEvent};

use crate::faults::{Failing, Fault, Hold, Holding};
use crate::support::{Answer, CONFIDENTIAL, PUBLIC, SECRET, Server, Setup, USER};

/// Revokes a token as the public client.
async fn revoke(server: &Server, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("client_id", PUBLIC), ("token", token)];
    form.extend_from_slice(more);
    server.send(server.client.post(format!("{}/oauth/revoke", server.base)).form(&form)).await
}

async fn revoke_confidential(server: &Server, token: &str) -> Answer {
    let request = server.client.post(format!("{}/oauth/revoke", server.base));
    server.send(request.basic_auth(CONFIDENTIAL, Some(SECRET)).form(&[("token", token)])).await
}

async fn how_it_ended(server: &Server, id: SessionId) -> Option<EndReason> {
    let ended = |event: &SessionEvent| {
        if let SessionEvent::Ended { reason, .. } = event { Some(*reason) } else { None }
    };
    server.events(id).await.iter().find_map(ended)
}

fn assert_done(answer: &Answer) {
    // Some clients insist on JSON, although there is nothing to say.
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    assert!(answer.header("content-type").starts_with("application/json"));
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
}

const GONE: (u16, &str) = (400, "invalid_grant");

#[tokio::test]
async fn a_token_of_any_generation_ends_its_family_with_and_without_a_hint() {
    let server = Server::start().await;
    let hints: [&[(&str, &str)]; 4] = [
        &[],
        &[("token_type_hint", "refresh_token")],
        &[("token_type_hint", "access_token")],
        &[("token_type_hint", "no such type")],
    ];
    for (generation, hint) in hints.into_iter().enumerate() {
        let (signed_in, other) = (server.sign_in().await, server.sign_in().await);
        let mut tokens = vec![signed_in.refresh_token()];
        for _ in 0..3 {
            tokens.push(server.refresh(tokens.last().unwrap()).await.refresh_token());
            server.wait(60);
        }
        assert_done(&revoke(&server, &tokens[generation], hint).await);
        assert_eq!(how_it_ended(&server, signed_in.session()).await, Some(EndReason::Logout));
        assert_eq!(server.refresh(&tokens[3]).await.outcome(), GONE);
        assert_eq!(server.refresh(&other.refresh_token()).await.status, 200, "nobody else's");
        assert_done(&revoke(&server, &tokens[generation], hint).await);
        let ends = server.event_names(signed_in.session()).await;
        assert_eq!(ends.iter().filter(|name| **name == "session_ended").count(), 1, "once");
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let server = Server::with(Setup::on_disk).await;
    let token = server.sign_in().await.refresh_token();
    assert_done(&revoke(&server, &token, &[]).await);
    let server = server.restart(|_| {}).await;
    assert_eq!(server.refresh(&token).await.outcome(), GONE);
}

/// RFC 7009 §2.2.
#[tokio::test]
async fn an_unknown_token_is_200() {
    let server = Server::start().await;
    let token = server.sign_in().await.refresh_token();
    let position = server.position().await;
    let damaged = format!("{}A", &token[..token.len() - 1]);
    for unknown in ["nonsense", "hrt_", &damaged, "a.b.c"] {
        if unknown != token {
            assert_done(&revoke(&server, unknown, &[]).await);
        }
    }
    assert_eq!(server.position().await, position);
}

/// RFC 7009 §2.1.
#[tokio::test]
async fn a_foreign_clients_token_is_untouched_and_nothing_is_told() {
    let server = Server::start().await;
    let (ours, theirs) = (server.sign_in().await, server.sign_in_confidential().await);
    let position = server.position().await;
    let unknown = revoke(&server, "nonsense", &[]).await;
    for token in [theirs.refresh_token(), theirs.access_token()] {
        let answer = revoke(&server, &token, &[]).await;
        assert_done(&answer);
        assert_eq!(answer.headers.len(), unknown.headers.len());
    }
    assert_done(&revoke_confidential(&server, &ours.refresh_token()).await);
    assert_done(&revoke_confidential(&server, &ours.access_token()).await);
    assert_eq!(server.position().await, position, "not even an event");
    assert_eq!(server.refresh(&ours.refresh_token()).await.status, 200);
    assert_eq!(server.refresh_confidential(&theirs.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn an_access_token_ends_its_session_unless_the_client_is_set_otherwise() {
    let server =
        Server::with(|setup| setup.client(PUBLIC, |client| client.metadata.revoke_access_tokens = false))
            .await;
    let confidential = server.sign_in_confidential().await;
    assert_done(&revoke_confidential(&server, &confidential.access_token()).await);
    assert_eq!(server.refresh_confidential(&confidential.refresh_token()).await.outcome(), GONE);
    let public = server.sign_in().await;
    let refused = revoke(&server, &public.access_token(), &[("token_type_hint", "access_token")]).await;
    assert_eq!(refused.outcome(), (400, "unsupported_token_type"));
    assert_eq!(server.refresh(&public.refresh_token()).await.status, 200);
    // An expired access token is answered 200 as well, and ends nothing.
    server.wait(600);
    assert_done(&revoke(&server, &public.access_token(), &[]).await);
    let server = server
        .restart(|setup| setup.client(PUBLIC, |client| client.metadata.revoke_access_tokens = true))
        .await;
    let public = server.sign_in().await;
    assert_done(&revoke(&server, &public.access_token(), &[]).await);
    assert_eq!(server.refresh(&public.refresh_token()).await.outcome(), GONE);
}

/// oidc-client-ts (`revokeTokens`) and angular-oauth2-oidc (`revokeTokenAndLogout`) revoke the access token first, and
/// stop at the first refusal.
#[tokio::test]
async fn a_public_client_that_revokes_the_access_token_first_is_signed_out() {
    let server = Server::start().await;
    let (signed_in, other) = (server.sign_in().await, server.sign_in().await);
    for (token, hint) in
        [(signed_in.access_token(), "access_token"), (signed_in.refresh_token(), "refresh_token")]
    {
        assert_done(&revoke(&server, &token, &[("token_type_hint", hint)]).await);
        assert_eq!(how_it_ended(&server, signed_in.session()).await, Some(EndReason::Logout));
    }
    assert_eq!(server.refresh(&signed_in.refresh_token()).await.outcome(), GONE);
    // A damaged or an expired token is answered 200, and ends nothing.
    let (access, position) = (other.access_token(), server.position().await);
    let damaged = format!("{}AAAA", &access[..access.len() - 4]);
    assert_done(&revoke(&server, &damaged, &[]).await);
    server.wait(600);
    assert_done(&revoke(&server, &access, &[]).await);
    assert_eq!(server.position().await, position);
    assert_eq!(server.refresh(&other.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn clients_authenticate_as_at_the_token_endpoint() {
    let server = Server::start().await;
    let url = format!("{}/oauth/revoke", server.base);
    let token = server.sign_in_confidential().await.refresh_token();
    let form = [("token", token.as_str())];
    let wrong =
        server.send(server.client.post(&url).basic_auth(CONFIDENTIAL, Some("wrong")).form(&form)).await;
    assert_eq!(wrong.outcome(), (401, "invalid_client"));
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
    let wrong = [("client_id", CONFIDENTIAL), ("client_secret", "wrong"), form[0]];
    for (form, outcome) in [
        (&wrong[..], (400, "invalid_client")),
        (&form, (400, "invalid_client")),
        (&[("client_id", PUBLIC)], (400, "invalid_request")),
    ] {
        assert_eq!(server.send(server.client.post(&url).form(form)).await.outcome(), outcome);
    }
    let query = server.client.post(format!("{url}?token={token}")).form(&[("client_id", PUBLIC)]);
    assert_eq!(server.send(query).await.outcome(), (400, "invalid_request"), "not in the URL");
    assert_eq!(server.get("/oauth/revoke").await.status, 405);
    assert_eq!(server.refresh_confidential(&token).await.status, 200, "nothing has happened");
    let right = [("client_id", CONFIDENTIAL), ("client_secret", SECRET), ("token", &token)];
    assert_done(&server.send(server.client.post(&url).form(&right)).await);
    assert_eq!(server.refresh_confidential(&token).await.outcome(), GONE);
}

/// RFC 7009 §2.2.1.
#[tokio::test]
async fn a_store_that_fails_is_503_and_never_200() {
    let broken = Arc::new(AtomicBool::new(false));
    let server = Server::with(|setup| {
        let broken = Arc::clone(&broken);
        setup.store = Some(Box::new(|inner| Arc::new(Failing { inner, broken, fault: Fault::Append })));
    })
    .await;
    let token = server.sign_in().await.refresh_token();
    broken.store(true, Ordering::SeqCst);
    let answer = revoke(&server, &token, &[]).await;
    assert_eq!(answer.outcome(), (503, "temporarily_unavailable"));
    assert!(!answer.header("retry-after").is_empty());
    broken.store(false, Ordering::SeqCst);
    assert_done(&revoke(&server, &token, &[]).await);
    assert_eq!(server.refresh(&token).await.outcome(), GONE);
}

/// Both requests have loaded the session when one of them is written; the other then finds an unexpected version.
#[tokio::test]
async fn a_sign_out_ends_the_session_whether_it_overtakes_a_refresh_or_is_overtaken() {
    let hold = Arc::<Hold>::default();
    let around = Arc::clone(&hold);
    let server =
        Server::with(|setup| setup.store = Some(Box::new(|inner| Arc::new(Holding { inner, hold: around }))))
            .await;

    let overtaken = server.sign_in().await;
    hold.next_append();
    let refresh_first = async {
        hold.held().await;
        let refreshed = server.refresh(&overtaken.refresh_token()).await;
        hold.release();
        refreshed
    };
    let token = overtaken.refresh_token();
    let (revoked, refreshed) = tokio::join!(revoke(&server, &token, &[]), refresh_first);
    assert_done(&revoked);
    assert_eq!(server.refresh(&refreshed.refresh_token()).await.outcome(), GONE);
    assert_eq!(how_it_ended(&server, overtaken.session()).await, Some(EndReason::Logout));

    let other = server.sign_in().await;
    hold.next_append();
    let sign_out_first = async {
        hold.held().await;
        let revoked = revoke(&server, &other.refresh_token(), &[]).await;
        hold.release();
        revoked
    };
    let token = other.refresh_token();
    let (refreshed, revoked) = tokio::join!(server.refresh(&token), sign_out_first);
    assert_done(&revoked);
    assert_eq!(refreshed.outcome(), GONE);
}

/// The race is repeated until a refresh came first. Then the sign-out must end what that refresh made.
#[tokio::test]
async fn a_sign_out_wins_over_refreshes_at_the_same_moment() {
    let server = Arc::new(Server::start().await);
    for race in 0..50 {
        if sign_out_among_refreshes(&server, race).await > 0 {
            return;
        }
    }
    panic!("no refresh ever came before the sign-out");
}

/// One race. The sign-out starts after `pause` turns of the scheduler. Returns how many refreshes came first.
async fn sign_out_among_refreshes(server: &Arc<Server>, pause: usize) -> usize {
    let signed_in = server.sign_in().await;
    let token = signed_in.refresh_token();
    let refreshes: Vec<_> = (0..16)
        .map(|_| {
            let (server, token) = (Arc::clone(server), token.clone());
            tokio::spawn(async move { server.refresh(&token).await })
        })
        .collect();
    for _ in 0..pause {
        tokio::task::yield_now().await;
    }
    assert_done(&revoke(server, &token, &[]).await);
    let mut came_first = 0;
    for refresh in refreshes {
        let answer = refresh.await.unwrap();
        assert!(answer.status == 200 || answer.outcome() == GONE, "{}", answer.text);
        if answer.status == 200 {
            came_first += 1;
            assert_eq!(server.refresh(&answer.refresh_token()).await.outcome(), GONE);
        }
    }
    assert_eq!(how_it_ended(server, signed_in.session()).await, Some(EndReason::Logout));
    assert_eq!(server.sign_in_as(USER.0, USER.1).await.status, 200);
    came_first
}
