//! Tests of the ten rows: given these events, when a token is presented, then these events and this answer follow.

use super::*;
use crate::clock::Steps;
use crate::oauth::{ClientId, Kid, SessionEpoch, SessionId, UserId};
use crate::session::{Availability, Policy};

const T0: u64 = 1_000_000;
const WINDOW: u64 = 30;

fn id() -> SessionId {
    SessionId::from([1; 16])
}

fn client(name: &str) -> ClientId {
    name.parse().unwrap()
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn policy() -> Policy {
    Policy {
        access_token: Duration::from_mins(10),
        refresh_idle: Duration::from_hours(14 * 24),
        refresh_absolute: Duration::from_hours(60 * 24),
        retry_window: Duration::from_secs(WINDOW),
        retry_until_used: false,
        reuse_ends_family: true,
    }
}

/// A family under test: its log, its state, the issued tokens, and its environment.
struct Family {
    log: Vec<SessionEvent>,
    session: Option<Session>,
    tokens: Vec<Presented>,
    policy: Policy,
    user: Option<SessionEpoch>,
    client: Option<SessionEpoch>,
    installation_epoch: u32,
    permitted: Scope,
    uptime: u64,
    skew: u64,
    steps: Steps,
    nonces: u8,
}

/// A request; tests override single values.
struct Sent<'a> {
    at: u64,
    client: &'a str,
    scope: Option<&'a str>,
}

fn at(at: u64) -> Sent<'static> {
    Sent { at, client: "web", scope: None }
}

impl Family {
    fn new() -> Self {
        Self::with(policy())
    }

    fn with(policy: Policy) -> Self {
        let mut family = Self {
            log: Vec::new(),
            session: None,
            tokens: Vec::new(),
            policy,
            user: Some(SessionEpoch::default()),
            client: Some(SessionEpoch::default()),
            installation_epoch: 0,
            permitted: scope("read write"),
            uptime: u64::MAX,
            skew: 0,
            steps: Steps::default(),
            nonces: 0,
        };
        let decision = start(Start {
            client: (client("web"), SessionEpoch::default()),
            user: (UserId::from([2; 16]), SessionEpoch::default()),
            scope: scope("read write"),
            permitted: scope("read write"),
            audience: None,
            refreshable: true,
            policy: family.policy,
            nonce: Nonce::from([0; 16]),
            kid: Kid::from_bytes([3; 32]),
            installation_epoch: 0,
            now: Timestamp::from_seconds(T0),
        });
        family.land(&decision);
        family
    }

    fn land(&mut self, decision: &Decision) {
        for event in &decision.events {
            assert_eq!(SessionEvent::decode(&event.encode()).as_ref(), Ok(event));
            self.session = Session::apply(self.session.take(), event);
            self.log.push(event.clone());
        }
        let refolded = self.log.iter().fold(None, Session::apply);
        assert_eq!(refolded, self.session, "fold(log) = state");
        let session = self.session.clone().unwrap();
        assert_eq!(Session::decode(&session.encode()), Ok(session));
        if let Ok(Granted { refresh: Some(token), .. }) = &decision.outcome
            && !self.tokens.contains(token)
        {
            self.tokens.push(*token);
        }
    }

    fn present(&mut self, token: Presented, sent: &Sent<'_>) -> Decision {
        let decision = self.decision(token, sent);
        self.nonces = self.nonces.wrapping_add(1);
        self.land(&decision);
        decision
    }

    /// The decision, without applying its events.
    fn decision(&self, token: Presented, sent: &Sent<'_>) -> Decision {
        self.decision_at(token, sent, Timestamp::from_seconds(sent.at))
    }

    /// As [`Self::decision`], at a moment within a second.
    fn decision_at(&self, token: Presented, sent: &Sent<'_>, now: Timestamp) -> Decision {
        let requested = sent.scope.map(scope);
        decide(
            self.session.as_ref(),
            &Refresh {
                session: id(),
                presented: token,
                client: &client(sent.client),
                client_epoch: self.client,
                user_epoch: self.user,
                installation_epoch: self.installation_epoch,
                login_has_ended: false,
                requested: requested.as_ref(),
                resources: &[],
                permitted: &self.permitted,
                policy: self.policy,
                nonce: Nonce::from([self.nonces.wrapping_add(1); 16]),
                kid: Kid::from_bytes([3; 32]),
                now,
                steps: self.steps,
                availability: Availability::of(Duration::from_secs(self.uptime)),
                skew: Duration::from_secs(self.skew),
            },
        )
    }

    /// Rotates the newest token and returns its successor.
    fn rotate(&mut self, time: u64) -> Presented {
        let granted = self.present(*self.tokens.last().unwrap(), &at(time)).outcome.unwrap();
        assert!(!granted.retried);
        granted.refresh.unwrap()
    }

    fn ended(&self) -> Option<EndReason> {
        match self.session.as_ref().unwrap().status {
            Status::Live | Status::Authorized { .. } => None,
            Status::Ended { reason, .. } => Some(reason),
        }
    }
}

fn names(decision: &Decision) -> Vec<&'static str> {
    decision.events.iter().map(SessionEvent::name).collect()
}

#[test]
fn row_2_an_unknown_or_ended_session_is_refused_and_nothing_is_recorded() {
    let mut family = Family::new();
    let token = family.tokens[0];
    let of_no_session = Family { session: None, ..Family::new() };
    assert_eq!(of_no_session.decision(token, &at(T0)), refuse(Denied::Unknown));
    let ended = end(family.session.as_ref().unwrap(), EndReason::Logout, Timestamp::from_seconds(T0));
    family.land(&Decision { events: ended, outcome: Err(Denied::Unknown) });
    let decision = family.present(token, &at(T0));
    assert_eq!(decision, refuse(Denied::Ended(EndReason::Logout)));
    assert!(end(family.session.as_ref().unwrap(), EndReason::User, Timestamp::from_seconds(T0)).is_empty());
}

/// RFC 6749 §5.2 and §10.4. ZITADEL did not compare the client (GHSA-xqxv-4jc2-x56x).
#[test]
fn row_3_another_client_is_refused_and_recorded_once_and_the_session_lives() {
    let mut family = Family::new();
    let token = family.tokens[0];
    let sent = Sent { client: "other", ..at(T0) };
    assert_eq!(names(&family.present(token, &sent)), ["foreign_client_refused"]);
    assert_eq!(family.present(token, &sent), refuse(Denied::ForeignClient));
    family.rotate(T0);
}

/// In ZITADEL, locked and disabled users could still refresh (CVE-2023-22492).
#[test]
fn row_5_a_raised_epoch_ends_the_session_unless_it_was_kept() {
    let mut family = Family::new();
    family.user = Some(SessionEpoch::default().raised(Some(id().into())));
    let kept = family.rotate(T0);
    family.user = Some(family.user.unwrap().raised(None));
    let decision = family.present(kept, &at(T0));
    assert_eq!(decision.outcome, Err(Denied::User));
    assert_eq!(family.ended(), Some(EndReason::UserEpoch));
}

#[test]
fn row_5_a_client_that_is_switched_off_ends_the_session() {
    let mut family = Family::new();
    family.client = None;
    assert_eq!(family.present(family.tokens[0], &at(T0)).outcome, Err(Denied::Client));
    assert_eq!(family.ended(), Some(EndReason::ClientEpoch));
}

#[test]
fn row_6_a_token_from_another_history_ends_the_session() {
    let nonce = Nonce::from([99; 16]);
    for (rotations, generation) in
        [(0, 1), (0, u32::MAX), (0, 0), (2, 2), (2, 1), (2, 0), (7, 7), (7, 6), (7, 5), (7, 4), (7, 3)]
    {
        let mut family = Family::new();
        for time in 0..rotations {
            family.rotate(T0 + time);
        }
        let presented = Presented { generation: Generation(generation), nonce };
        let decision = family.present(presented, &at(T0 + 7));
        assert_eq!(decision.outcome, Err(Denied::Rollback), "{rotations} {generation}");
        assert_eq!(family.ended(), Some(EndReason::Rollback));
    }
}

#[test]
fn a_forged_generation_whose_nonce_is_no_longer_known_is_not_answered() {
    let mut family = Family::new();
    for time in 0..7 {
        family.rotate(T0 + time);
    }
    let forged = Presented { generation: Generation(2), nonce: Nonce::from([99; 16]) };
    assert_eq!(family.present(forged, &at(T0 + 7)), refuse(Denied::Straggler));
    assert_eq!(family.present(forged, &at(T0 + 3 + WINDOW)).outcome, Err(Denied::Reuse));
}

#[test]
fn row_7_the_current_generation_is_rotated() {
    let mut family = Family::new();
    let decision = family.present(family.tokens[0], &at(T0 + 60));
    assert_eq!(names(&decision), ["tokens_rotated"]);
    let granted = decision.outcome.unwrap();
    assert_eq!(granted.refresh.unwrap().generation, Generation(1));
    assert_eq!((granted.access.iat, granted.access.exp), (T0 + 60, T0 + 660));
    assert_eq!(granted.scope, scope("read write"));
}

#[test]
fn scope_is_checked_against_what_was_granted_and_consumes_nothing() {
    let mut family = Family::new();
    let token = family.tokens[0];
    let wider = Sent { scope: Some("read admin"), ..at(T0) };
    assert_eq!(family.present(token, &wider), refuse(Denied::Scope));
    let narrower = Sent { scope: Some("read"), ..at(T0) };
    let granted = family.present(token, &narrower).outcome.unwrap();
    assert_eq!(granted.scope, scope("read"));
    let granted = family.present(granted.refresh.unwrap(), &at(T0 + 60)).outcome.unwrap();
    assert_eq!(granted.scope, scope("read write"), "narrower for that access token only");
    let stale = family.present(token, &Sent { at: T0 + 600, ..wider });
    assert_eq!(stale.outcome, Err(Denied::Reuse), "scope is not looked at in row 10");
}

#[test]
fn a_scope_that_is_withdrawn_is_left_out_at_once() {
    let mut family = Family::new();
    let first = family.present(family.tokens[0], &at(T0)).outcome.unwrap();
    family.permitted = scope("read");
    let retried = family.present(family.tokens[0], &at(T0 + 1)).outcome.unwrap();
    assert_eq!((retried.scope, retried.refresh), (scope("read"), first.refresh));
    let requested = Sent { scope: Some("read write"), ..at(T0 + 2) };
    let retried = family.present(family.tokens[0], &requested).outcome.unwrap();
    assert_eq!(retried.scope, scope("read"), "asking for it brings it no more");
    let rotated = family.present(first.refresh.unwrap(), &requested).outcome.unwrap();
    assert_eq!(rotated.scope, scope("read"));
}

#[test]
fn without_a_window_an_earlier_generation_ends_the_family_at_once() {
    let mut family = Family::new();
    family.policy.retry_window = Duration::ZERO;
    for _ in 0..6 {
        family.rotate(T0);
    }
    assert_eq!(family.present(family.tokens[0], &at(T0)).outcome, Err(Denied::Reuse));
}

/// RFC 9700 §4.14.2.
#[test]
fn row_10_reuse_ends_the_family_and_is_recorded_once() {
    let mut family = Family::new();
    family.rotate(T0 + 10);
    family.rotate(T0 + 20);
    let decision = family.present(family.tokens[0], &at(T0 + 40));
    assert_eq!(names(&decision), ["reuse_detected", "session_ended"]);
    let detected = SessionEvent::ReuseDetected {
        at: Timestamp::from_seconds(T0 + 40),
        presented: Generation(0),
        current: Generation(2),
        seconds_since: 20,
        code_redeemed_at: None,
    };
    assert_eq!(decision.events[0], detected);
    for token in family.tokens.clone() {
        for _ in 0..100 {
            assert_eq!(family.present(token, &at(T0 + 41)), refuse(Denied::Ended(EndReason::Reuse)));
        }
    }
}

#[test]
fn a_client_may_have_reuse_refused_and_recorded_hourly_without_an_end() {
    let mut family = Family::new();
    family.policy.reuse_ends_family = false;
    family.rotate(T0);
    family.rotate(T0);
    let old = family.tokens[0];
    assert_eq!(names(&family.present(old, &at(T0 + 40))), ["reuse_detected"]);
    assert_eq!(family.present(old, &at(T0 + 41)), refuse(Denied::Reuse));
    assert_eq!(family.present(old, &at(T0 + 3639)), refuse(Denied::Reuse));
    assert_eq!(names(&family.present(old, &at(T0 + 3640))), ["reuse_detected"]);
    family.rotate(T0 + 3641);
}

#[test]
fn a_generation_that_would_overflow_ends_the_family() {
    let mut family = Family::new();
    let mut session = family.session.clone().unwrap();
    session.generation = Generation(u32::MAX);
    let presented = Presented { generation: session.generation, nonce: session.nonce.unwrap() };
    family.session = Some(session.clone());
    let mut command_family = Family::new();
    command_family.session = Some(session);
    let decision = {
        let nonce = Nonce::from([9; 16]);
        decide(
            family.session.as_ref(),
            &Refresh {
                session: id(),
                presented,
                client: &client("web"),
                client_epoch: family.client,
                user_epoch: family.user,
                installation_epoch: 0,
                login_has_ended: false,
                requested: None,
                resources: &[],
                permitted: &family.permitted,
                policy: family.policy,
                nonce,
                kid: Kid::from_bytes([3; 32]),
                now: Timestamp::from_seconds(T0),
                steps: Steps::default(),
                availability: Availability::of(Duration::MAX),
                skew: Duration::ZERO,
            },
        )
    };
    assert_eq!(names(&decision), ["session_ended"]);
    assert_eq!(decision.outcome, Err(Denied::Expired));
}

#[path = "decide_edge_tests.rs"]
mod edges;
#[path = "decide_expiry_tests.rs"]
mod expiry;
#[path = "decide_properties.rs"]
mod properties;
#[path = "decide_retry_tests.rs"]
mod retries;
