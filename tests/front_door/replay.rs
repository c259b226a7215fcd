//! A replay costs the same however old the generation is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use heirloom::client::ReusePolicy;
use heirloom::clock::Steps;
use heirloom::oauth::{Generation, Kid, SessionEpoch};
use heirloom::session::{self, Availability, Policy, Presented, Refresh, Session};
use heirloom::store::{Append, Expected};

use crate::faults::{Away, Counting};
use crate::support::{PUBLIC, Server};

const REFUSED: (u16, &str) = (400, "invalid_grant");

/// Makes 100,000 generations through `decide` and `append` without signing, and then replays an old and a recent token.
#[tokio::test]
async fn a_replay_costs_the_same_however_old_the_generation_is() {
    const GENERATIONS: u32 = 100_000;
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let server = Server::with(move |setup| {
        setup.store = Some(Box::new(move |inner| Arc::new(Counting { inner, loads: counted })));
        setup.client(PUBLIC, |client| client.metadata.reuse = ReusePolicy::Refuse);
    })
    .await;
    let signed_in = server.sign_in().await;
    let replayed = age(&server, &signed_in.refresh_token(), GENERATIONS).await;
    server.wait(60);
    let mut costs = Vec::new();
    for token in &replayed {
        let (before, position) = (loads.load(Ordering::SeqCst), server.position().await);
        let answer = server.refresh(token).await;
        assert_eq!(answer.outcome(), REFUSED);
        let appended = server.position().await - position;
        costs.push((loads.load(Ordering::SeqCst) - before, appended, answer.text));
        server.wait(3600);
    }
    assert_eq!(costs[0], costs[1], "generation 3 and generation {}", GENERATIONS - 10);
    assert_eq!((costs[0].0, costs[0].1), (3, 1), "client, session, user; one event");
    let snapshot =
        server.app.store.load(Session::stream(signed_in.session()).unwrap()).await.unwrap().unwrap();
    assert!(snapshot.data.len() < 400, "{} bytes", snapshot.data.len());
}

/// The database goes away with an answer, and comes back when the retry window is long over. Nobody could try again
/// meanwhile, so whoever does it then gets the pair that was lost.
#[tokio::test]
async fn an_outage_of_the_store_does_not_use_up_the_retry_window() {
    let (away, outages) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let (switch, counted) = (Arc::clone(&away), Arc::clone(&outages));
    let server = Server::with(move |setup| {
        let around = move |inner| Away { inner, broken: switch, outages: counted };
        setup.store = Some(Box::new(move |inner| Arc::new(around(inner))));
    })
    .await;
    let first = server.sign_in().await.refresh_token();
    let second = server.refresh(&first).await.refresh_token();
    let long_before = server.sign_in().await.refresh_token();
    assert_eq!(server.refresh(&long_before).await.status, 200);
    server.wait(600);
    away.store(true, Ordering::SeqCst);
    assert_eq!(server.refresh(&second).await.status, 503);
    assert!(outages.load(Ordering::SeqCst) > 0);
    server.wait(600);
    away.store(false, Ordering::SeqCst);
    assert_eq!(server.refresh(&long_before).await.outcome(), REFUSED, "its window was over before");
    let third = server.refresh(&second).await;
    assert_eq!(third.status, 200, "{}", third.text);
    server.wait(29);
    assert_eq!(server.refresh(&second).await.refresh_token(), third.refresh_token());
    server.wait(1);
    assert_eq!(server.refresh(&second).await.outcome(), REFUSED, "the window began when the store was back");
    assert_eq!(server.refresh(&third.refresh_token()).await.outcome(), REFUSED, "this was reuse");
}

/// Rotates a session `generations` times, hundreds of times in each append. Returns the tokens of two of the
/// generations.
async fn age(server: &Server, token: &str, generations: u32) -> [String; 2] {
    let codec = server.app.keys.codec();
    let decoded = codec.decode(token).unwrap();
    let stream = Session::stream(decoded.session).unwrap();
    let loaded = server.app.store.load(stream.clone()).await.unwrap().unwrap();
    let (mut state, mut version) = (Session::decode(&loaded.data).unwrap(), loaded.version);
    let (mut presented, mut kept) =
        (Presented { generation: decoded.generation, nonce: decoded.nonce }, Vec::new());
    let scope = state.started.scope.clone();
    let client = PUBLIC.parse().unwrap();
    while presented.generation.0 < generations {
        let mut events = Vec::new();
        for _ in 0..50 {
            if presented.generation == Generation(3) || presented.generation == Generation(generations - 10) {
                let token = heirloom::oauth::RefreshToken {
                    session: decoded.session,
                    generation: presented.generation,
                    nonce: presented.nonce,
                };
                kept.push(codec.encode(&token).unwrap());
            }
            let command = Refresh {
                session: decoded.session,
                presented,
                client: &client,
                client_epoch: Some(SessionEpoch::default()),
                user_epoch: Some(SessionEpoch::default()),
                installation_epoch: 0,
                login_has_ended: false,
                requested: None,
                resources: &[],
                permitted: &scope,
                policy: plain_policy(),
                nonce: [7; 16].into(),
                kid: Kid::from_bytes([1; 32]),
                now: server.now(),
                steps: Steps::default(),
                availability: Availability::of(Duration::MAX),
                skew: Duration::ZERO,
            };
            let decision = session::decide(Some(&state), &command);
            presented = decision.outcome.unwrap().refresh.unwrap();
            for event in decision.events {
                state = Session::apply(Some(state), &event).unwrap();
                events.push(event.encode());
            }
        }
        let appended = events.len() as u64;
        let append = Append {
            stream: stream.clone(),
            expected: Expected::Exact(version),
            events,
            snapshot: state.encode(),
            records: Vec::new(),
        };
        server.app.store.append(append).await.unwrap();
        version += appended;
    }
    kept.try_into().unwrap()
}

fn plain_policy() -> Policy {
    Policy {
        access_token: Duration::from_mins(10),
        refresh_idle: Duration::from_hours(24),
        refresh_absolute: Duration::from_hours(48),
        retry_window: Duration::from_secs(30),
        retry_until_used: true,
        reuse_ends_family: true,
    }
}
