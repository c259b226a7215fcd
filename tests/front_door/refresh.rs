//! The refresh token grant through the front door: rotation, retries, reuse, and everything that ends a family.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use heirloom::client::{RetryWindow, ReusePolicy};
use heirloom::clock::Timestamp;
use heirloom::oauth::{Generation, Kid, Scope, Standing};
use heirloom::session::{self, Policy, Presented, Refresh, Session, SessionEvent};
use heirloom::store::{Append, Expected};
use heirloom::user::Command;

use crate::faults::{Counting, Failing, Fault, Once};
use crate::support::{PUBLIC, Server, USER};

const REFUSED: (u16, &str) = (400, "invalid_grant");

#[tokio::test]
async fn a_refresh_hands_down_a_new_pair() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    server.wait(300);
    let second = server.refresh(&first.refresh_token()).await;
    assert_eq!(second.header("cache-control"), "no-store");
    assert_ne!(second.refresh_token(), first.refresh_token());
    assert_eq!(second.json["scope"], "read write");
    let (before, after) = (first.claims(), second.claims());
    for same in ["iss", "sub", "aud", "client_id", "sid", "auth_time"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(before["jti"], after["jti"]);
    let names = server.event_names(first.session()).await;
    assert_eq!(names, ["session_started", "tokens_issued", "tokens_rotated"]);
}

#[tokio::test]
async fn c42_reuse_ends_the_family_and_nothing_else() {
    let server = Server::start().await;
    let (mine, other_device) = (server.sign_in().await, server.sign_in().await);
    let second = server.refresh(&mine.refresh_token()).await;
    let third = server.refresh(&second.refresh_token()).await;
    server.wait(5);
    assert_eq!(server.refresh(&mine.refresh_token()).await.outcome(), REFUSED);
    for dead in [&mine, &second, &third] {
        assert_eq!(server.refresh(&dead.refresh_token()).await.outcome(), REFUSED);
    }
    let names = server.event_names(mine.session()).await;
    assert_eq!(names[names.len() - 2..], ["reuse_detected", "session_ended"]);
    assert_eq!(server.refresh(&other_device.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn c44_ten_thousand_replays_are_one_event() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    server.refresh(&server.refresh(&first.refresh_token()).await.refresh_token()).await.refresh_token();
    server.wait(60);
    let stolen = first.refresh_token();
    for _ in 0..2_500 {
        let four = [(); 4].map(|()| server.refresh(&stolen));
        let [a, b, c, d] = four;
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        assert!([a, b, c, d].iter().all(|answer| answer.outcome() == REFUSED));
    }
    let names = server.event_names(first.session()).await;
    assert_eq!(names.iter().filter(|name| **name == "reuse_detected").count(), 1);
    assert_eq!(names.len(), 6, "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c45_parallel_refreshes_leave_one_line() {
    for _ in 0..5 {
        let server = Server::start().await;
        let first = server.sign_in().await;
        let answers = parallel_refreshes(&server, &first.refresh_token(), 32).await;
        let tokens: HashSet<_> = answers.iter().collect();
        assert_eq!(tokens.len(), 1, "one successor, and the same access token");
        let names = server.event_names(first.session()).await;
        assert_eq!(names, ["session_started", "tokens_issued", "tokens_rotated"]);
        let (_, successor) = &answers[0];
        assert_eq!(server.refresh(successor).await.status, 200);
    }
}

/// So many refreshes with one token at once, each over a connection of its own; all must succeed.
async fn parallel_refreshes(server: &Server, token: &str, count: usize) -> Vec<(String, String)> {
    let barrier = Arc::new(tokio::sync::Barrier::new(count));
    let sent: Vec<_> = (0..count)
        .map(|_| {
            let (url, token) = (format!("{}/oauth/token", server.base), token.to_owned());
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                let client = crate::support::client();
                barrier.wait().await;
                let form =
                    [("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", &token)];
                let response = client.post(url).form(&form).send().await.unwrap();
                let answer = crate::support::Answer::of(response).await;
                (answer.access_token(), answer.refresh_token())
            })
        })
        .collect();
    let mut answers = Vec::new();
    for sent in sent {
        answers.push(sent.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn c46_a_lost_answer_is_given_again_within_the_window() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let lost = server.refresh(&first.refresh_token()).await;
    for (wait, expires_in) in [(0, 600), (10, 590), (19, 571)] {
        server.wait(wait);
        let again = server.refresh(&first.refresh_token()).await;
        assert_eq!(again.refresh_token(), lost.refresh_token());
        assert_eq!(again.access_token(), lost.access_token());
        assert_eq!(again.json["expires_in"], expires_in);
    }
    assert_eq!(server.event_names(first.session()).await.len(), 3, "a retry records nothing");
    server.wait(1);
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&lost.refresh_token()).await.outcome(), REFUSED, "the family has ended");
}

#[tokio::test]
async fn a_client_with_credentials_may_retry_until_the_successor_is_used() {
    let server = Server::start().await;
    let first = server.sign_in_confidential().await;
    let lost = server.refresh_confidential(&first.refresh_token()).await;
    server.wait(86_400);
    let again = server.refresh_confidential(&first.refresh_token()).await;
    assert_eq!(again.refresh_token(), lost.refresh_token());
    assert_eq!(again.json["expires_in"], 600, "with a fresh access token");
    server.refresh_confidential(&again.refresh_token()).await.refresh_token();
    server.wait(10);
    assert_eq!(server.refresh_confidential(&first.refresh_token()).await.outcome(), REFUSED);
}

#[tokio::test]
async fn c47_without_a_window_a_second_use_ends_the_family() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.retry_window = RetryWindow::For(Duration::ZERO));
    })
    .await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&second.refresh_token()).await.outcome(), REFUSED);
}

#[tokio::test]
async fn c48_time_in_which_the_server_was_down_does_not_count() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let lost = server.refresh(&first.refresh_token()).await;
    server.wait(120);
    let server = server.restart(|_| {}).await;
    let again = server.refresh(&first.refresh_token()).await;
    assert_eq!((again.access_token(), again.refresh_token()), (lost.access_token(), lost.refresh_token()));
}

#[tokio::test]
async fn c49_an_ended_family_stays_ended_after_a_restart() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    server.wait(31);
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    let server = server.restart(|_| {}).await;
    for token in [&first, &second] {
        assert_eq!(server.refresh(&token.refresh_token()).await.outcome(), REFUSED);
    }
}

#[tokio::test]
async fn c50_another_clients_token_is_refused_and_the_session_lives() {
    let server = Server::start().await;
    let mine = server.sign_in().await;
    for _ in 0..3 {
        assert_eq!(server.refresh_confidential(&mine.refresh_token()).await.outcome(), REFUSED);
    }
    let names = server.event_names(mine.session()).await;
    assert_eq!(names, ["session_started", "tokens_issued", "foreign_client_refused"]);
    assert_eq!(server.refresh(&mine.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn c51_scope_can_be_narrowed_for_one_access_token_and_never_widened() {
    let server = Server::start().await;
    let token = server.sign_in().await.refresh_token();
    let wider = server.refresh_with(&token, &[("scope", "read write profile")]).await;
    assert_eq!(wider.outcome(), (400, "invalid_scope"));
    let narrow = server.refresh_with(&token, &[("scope", "read")]).await;
    assert_eq!(
        (narrow.json["scope"].as_str(), narrow.claims()["scope"].as_str()),
        (Some("read"), Some("read"))
    );
    // AppAuth repeats all that it asked for.
    let full = server.refresh_with(&narrow.refresh_token(), &[("scope", "write read")]).await;
    assert_eq!(full.json["scope"], "read write");
    let plain = server.refresh(&full.refresh_token()).await;
    assert_eq!(plain.json["scope"], "read write");
    let target = server.refresh_with(&plain.refresh_token(), &[("resource", "other-api")]).await;
    assert_eq!(target.outcome(), (400, "invalid_target"));
    server.wait(60);
    let stale = server.refresh_with(&token, &[("scope", "read write profile")]).await;
    assert_eq!(stale.outcome(), REFUSED, "reuse, not invalid_scope");
    assert_eq!(server.refresh(&plain.refresh_token()).await.outcome(), REFUSED);
}

/// A request may ask for 64 scopes at most; a client may be registered for more, and gets them when it asks for none.
#[tokio::test]
async fn a_client_with_more_scopes_than_a_request_may_name_can_refresh() {
    let words: Vec<_> = (0..80).map(|index| format!("records:{index}:read")).collect();
    let scopes: Scope = words.iter().map(String::as_str).collect();
    let server = Server::with(move |setup| {
        for audience in &mut setup.config.audiences {
            audience.scopes = scopes.clone();
        }
        setup.client(PUBLIC, |client| client.scopes = scopes.clone());
    })
    .await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    assert_eq!((second.status, &second.json["scope"]), (200, &first.json["scope"]), "{}", second.text);
    assert_eq!(second.json["scope"].as_str().unwrap().split(' ').count(), 80);
}

#[tokio::test]
async fn c52_a_damaged_token_is_refused_without_a_look_at_the_store() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let server = Server::with(move |setup| {
        setup.store = Some(Box::new(move |inner| Arc::new(Counting { inner, loads: counted })));
    })
    .await;
    let token = server.sign_in().await.refresh_token();
    let before = loads.load(Ordering::SeqCst);
    let last = token.len() - 1;
    let flipped = |index: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    for bad in [
        token[..last].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        token.replacen("hrt_", "", 1),
        token.replacen("hrt_", "HRT_", 1),
        flipped(4),
        flipped(20),
        flipped(last),
        "hrt_".to_owned(),
        "../../etc/passwd".to_owned(),
    ] {
        assert_eq!(server.refresh(&bad).await.outcome(), REFUSED, "{bad}");
    }
    assert_eq!(loads.load(Ordering::SeqCst), before);
    assert_eq!(server.refresh(&token).await.status, 200);
    assert_eq!(loads.load(Ordering::SeqCst), before + 3, "client, session, user: the counter counts");
}

#[tokio::test]
async fn c53_a_changed_password_and_a_switched_off_or_deleted_user_end_all_families() {
    let commands: [Option<Command>; 4] =
        [None, Some(Command::Disable), Some(Command::EndSessions { keep: None }), Some(Command::Delete)];
    for command in commands {
        let server = Server::start().await;
        let (one, two) = (server.sign_in().await, server.sign_in_confidential().await);
        match &command {
            None => server.app.set_password(USER.0, "velvet-ocean-22-marble", None).await.unwrap(),
            Some(Command::Delete) => server.app.delete_user(USER.0).await.unwrap(),
            Some(command) => server.app.change(USER.0, command.clone()).await.unwrap(),
        }
        assert_eq!(server.refresh(&one.refresh_token()).await.outcome(), REFUSED, "{command:?}");
        assert_eq!(server.refresh_confidential(&two.refresh_token()).await.outcome(), REFUSED);
        let ended = server.events(one.session()).await.pop().unwrap();
        assert!(
            matches!(ended, SessionEvent::Ended { reason: session::EndReason::UserEpoch, .. }),
            "{ended:?}"
        );
    }
    let server = Server::start().await;
    let (kept, other) = (server.sign_in().await, server.sign_in().await);
    server.app.set_password(USER.0, "velvet-ocean-22-marble", Some(kept.session())).await.unwrap();
    assert_eq!(server.refresh(&kept.refresh_token()).await.status, 200);
    assert_eq!(server.refresh(&other.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.sign_in().await.outcome(), REFUSED, "the old password is gone");
}

#[tokio::test]
async fn c27_a_client_that_is_switched_off_can_not_refresh() {
    let server = Server::start().await;
    let token = server.sign_in().await.refresh_token();
    let server = server.restart(|setup| setup.client(PUBLIC, |client| client.disabled = true)).await;
    assert_eq!(server.refresh(&token).await.outcome(), (400, "invalid_client"));
    let server = server.restart(|setup| setup.client(PUBLIC, |client| client.disabled = false)).await;
    assert_eq!(server.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn c27_a_client_that_is_switched_off_in_the_log_can_neither_sign_in_nor_refresh() {
    use heirloom::client::{Client, ClientEvent};
    let server = Server::start().await;
    let first = server.sign_in().await;
    let token = first.refresh_token();
    let mut expected = Expected::NoStream;
    let mut client = Client::default();
    for (event, may_sign_in) in [
        (ClientEvent::Disabled { at: server.now(), by: None }, false),
        (ClientEvent::Enabled { at: server.now(), by: None }, true),
    ] {
        client = client.apply(&event);
        let append = Append {
            stream: Client::stream(&PUBLIC.parse().unwrap()).unwrap(),
            expected,
            events: vec![event.encode()],
            snapshot: client.encode(),
            records: Vec::new(),
        };
        expected = Expected::Exact(server.app.store.append(append).await.unwrap().version);
        assert_eq!(server.refresh(&token).await.outcome(), REFUSED);
        let signed_in = server.sign_in().await;
        assert_eq!(signed_in.status == 200, may_sign_in, "{}", signed_in.text);
        assert!(may_sign_in || signed_in.error() == "invalid_client");
    }
    let ended = server.events(first.session()).await.pop().unwrap();
    assert!(
        matches!(ended, SessionEvent::Ended { reason: session::EndReason::ClientEpoch, .. }),
        "{ended:?}"
    );
}

#[tokio::test]
async fn c54_expiry_is_to_the_second_and_clocks_that_jump_destroy_nothing() {
    const IDLE: u64 = 14 * 86_400;
    for (wait, status) in [(IDLE - 1, 200), (IDLE, 400), (IDLE + 1, 400)] {
        let server = Server::start().await;
        let token = server.sign_in().await.refresh_token();
        server.wait(wait);
        assert_eq!(server.refresh(&token).await.status, status);
    }
    let server = Server::start().await;
    let token = server.sign_in().await.refresh_token();
    let start = server.now();
    server.wait(365 * 86_400);
    assert_eq!(server.refresh(&token).await.outcome(), REFUSED);
    server.clock.set(start.after(Duration::from_secs(1)));
    let second = server.refresh(&token).await;
    server.refresh(&second.refresh_token()).await.refresh_token();
    server.wait(60);
    assert_eq!(server.refresh(&token).await.outcome(), REFUSED);
    server.clock.set(start.before(Duration::from_hours(1)));
    assert_eq!(server.refresh(&token).await.outcome(), REFUSED, "an ended family stays ended");
}

#[tokio::test]
async fn c55_a_store_that_fails_gives_no_token_and_afterwards_there_is_one_truth() {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let server = Server::with(move |setup| {
        setup.store =
            Some(Box::new(move |inner| Arc::new(Failing { inner, broken: switch, fault: Fault::Append })));
    })
    .await;
    let token = server.sign_in().await.refresh_token();
    broken.store(true, Ordering::SeqCst);
    let refused = server.refresh(&token).await;
    assert_eq!(refused.outcome(), (503, "temporarily_unavailable"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(server.sign_in().await.outcome(), (503, "temporarily_unavailable"));
    broken.store(false, Ordering::SeqCst);
    let answer = server.refresh(&token).await;
    assert_eq!(server.event_names(answer.session()).await.len(), 3, "one truth");
}

#[tokio::test]
async fn an_append_whose_outcome_is_unknown_is_looked_at_again() {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let server = Server::with(move |setup| {
        // Even where a second use ends the family: this is no second use.
        setup.client(PUBLIC, |client| client.retry_window = RetryWindow::For(Duration::ZERO));
        setup.store = Some(Box::new(move |inner| Arc::new(Once { inner, broken: switch })));
    })
    .await;
    let token = server.sign_in().await.refresh_token();
    broken.store(true, Ordering::SeqCst);
    let answer = server.refresh(&token).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(server.event_names(answer.session()).await.len(), 3);
    assert_eq!(server.refresh(&answer.refresh_token()).await.status, 200);
    assert_eq!(server.refresh(&token).await.outcome(), REFUSED);
}

#[tokio::test]
async fn c81_a_withdrawn_role_is_gone_from_the_next_token() {
    let server = Server::start().await;
    let admin = Command::SetRoles { roles: vec!["admin".to_owned()] };
    server.app.change(USER.0, admin).await.unwrap();
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", USER.0),
        ("password", USER.1),
        ("scope", "read admin"),
    ];
    let first = server.post(&form).await;
    assert_eq!(first.json["scope"], "admin read");
    server.app.change(USER.0, Command::SetRoles { roles: Vec::new() }).await.unwrap();
    let next = server.refresh(&first.refresh_token()).await;
    assert_eq!(next.json["scope"], "read");
    assert_eq!((next.claims().get("roles"), next.claims()["aud"].as_str()), (None, Some("demo-api")));
    let server = server
        .restart(|setup| {
            setup.client(PUBLIC, |client| client.scopes = "write".parse().unwrap());
        })
        .await;
    let after = server.refresh(&next.refresh_token()).await;
    assert_eq!(after.json.get("scope"), None, "{}", after.text);
    // Asking for it by name does not bring it back, and consumes nothing.
    let asked = server.refresh_with(&after.refresh_token(), &[("scope", "read admin")]).await;
    assert_eq!(asked.outcome(), (400, "invalid_scope"), "{}", asked.text);
    assert_eq!(server.refresh(&after.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn c82_a_straggler_is_refused_and_the_family_lives() {
    let server = Server::start().await;
    let first = server.sign_in().await.refresh_token();
    let second = server.refresh(&first).await.refresh_token();
    let third = server.refresh(&second).await.refresh_token();
    server.wait(4);
    assert_eq!(server.refresh(&first).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&third).await.status, 200);
}

#[tokio::test]
async fn c83_a_store_restored_from_an_older_copy_refuses_what_it_never_issued() {
    let server = Server::start().await;
    let older = server.sign_in().await;
    let untouched = server.sign_in().await;
    let backup = tempfile::tempdir().unwrap();
    let server = server.restart_on(|data| copy(data, backup.path())).await;
    let lost = server.refresh(&older.refresh_token()).await.refresh_token();
    let server = server
        .restart_on(|data| {
            std::fs::remove_dir_all(data).unwrap();
            copy(backup.path(), data);
        })
        .await;
    assert_eq!(server.refresh(&lost).await.outcome(), REFUSED);
    assert_eq!(server.event_names(older.session()).await.last(), Some(&"session_ended"));
    assert_eq!(server.refresh(&older.refresh_token()).await.outcome(), REFUSED, "nothing becomes good again");
    assert_eq!(server.refresh(&untouched.refresh_token()).await.status, 200);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_may_have_reuse_refused_instead() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.reuse = ReusePolicy::Refuse);
    })
    .await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    let third = server.refresh(&second.refresh_token()).await;
    server.wait(60);
    for _ in 0..3 {
        assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    }
    assert_eq!(server.event_names(first.session()).await.last(), Some(&"reuse_detected"));
    assert_eq!(server.refresh(&third.refresh_token()).await.status, 200);
}

/// 100,000 generations, driven through decide and append without signing; then an old and a recent one are replayed.
#[tokio::test]
async fn c43_a_replay_costs_the_same_however_old_the_generation_is() {
    const GENERATIONS: u32 = 100_000;
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let server = Server::with(move |setup| {
        setup.store = Some(Box::new(move |inner| Arc::new(Counting { inner, loads: counted })));
        setup.client(PUBLIC, |client| client.reuse = ReusePolicy::Refuse);
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

/// Rotates a session so many times in appends of hundreds, and returns the tokens of two of its generations.
async fn age(server: &Server, token: &str, generations: u32) -> [String; 2] {
    let codec = server.app.codec();
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
                kept.push(codec.encode(&token));
            }
            let command = Refresh {
                session: decoded.session,
                presented,
                client: &client,
                client_standing: Some(Standing::default()),
                user_standing: Some(Standing::default()),
                asked: None,
                resources: &[],
                permitted: &scope,
                policy: plain_policy(),
                nonce: [7; 16].into(),
                kid: Kid::from_bytes([1; 32]),
                now: server.now(),
                process_started: Timestamp::default(),
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
        retry_window: None,
        reuse_ends_family: true,
    }
}
