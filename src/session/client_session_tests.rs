//! Given a log, when a client asks for a token of its own, then these events and this answer.

use std::time::Duration;

use super::*;
use crate::oauth::Generation;

const T0: u64 = 1_000_000;
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// What a client asks, and the world around it.
struct Asking {
    log: Vec<SessionEvent>,
    session: Option<Session>,
    client: ClientId,
    session_epoch: SessionEpoch,
    scope: Scope,
    permitted: Scope,
    audience: Audience,
    installation_epoch: u32,
    policy: Policy,
    nonces: u8,
}

impl Asking {
    fn new() -> Self {
        let scope: Scope = "read write".parse().unwrap();
        Self {
            log: Vec::new(),
            session: None,
            client: "batch".parse().unwrap(),
            session_epoch: SessionEpoch::default(),
            permitted: scope.clone(),
            scope,
            audience: "https://api.example".parse().unwrap(),
            installation_epoch: 0,
            policy: Policy {
                access_token: Duration::from_mins(10),
                refresh_idle: Duration::from_hours(14 * 24),
                refresh_absolute: Duration::from_hours(60 * 24),
                retry_window: Duration::from_secs(30),
                retry_until_used: true,
                reuse_ends_family: true,
            },
            nonces: 0,
        }
    }

    /// Asks at `at` seconds after the beginning; what it decides lands.
    fn ask(&mut self, at: u64) -> (Vec<&'static str>, Granted) {
        self.nonces += 1;
        let command = ClientToken {
            client: (&self.client, self.session_epoch),
            scope: &self.scope,
            audience: Some(&self.audience),
            permitted: &self.permitted,
            policy: self.policy,
            nonce: Nonce::from([self.nonces; 16]),
            kid: Kid::from_bytes([3; 32]),
            installation_epoch: self.installation_epoch,
            now: Timestamp::from_seconds(T0 + at),
        };
        let decision = client_token(self.session.as_ref(), &command);
        for event in &decision.events {
            assert_eq!(SessionEvent::decode(&event.encode()).as_ref(), Ok(event));
            self.session = Session::apply(self.session.take(), event);
            self.log.push(event.clone());
        }
        assert_eq!(self.log.iter().fold(None, Session::apply), self.session, "fold(log) = state");
        let session = self.session.clone().unwrap();
        assert_eq!(Session::decode(&session.encode()), Ok(session));
        (decision.events.iter().map(SessionEvent::name).collect(), decision.outcome.unwrap())
    }

    /// Ends the session at `at`.
    fn end(&mut self, at: u64) {
        let now = Timestamp::from_seconds(T0 + at);
        for event in crate::session::end(self.session.as_ref().unwrap(), EndReason::Logout, now) {
            self.session = Session::apply(self.session.take(), &event);
            self.log.push(event);
        }
    }

    fn family(&self) -> [u8; 16] {
        self.session.as_ref().unwrap().token_family(SessionId::from([9; 16]))
    }
}

const BEGUN: [&str; 2] = ["session_started", "tokens_issued"];
const BEGUN_ANEW: [&str; 3] = ["session_ended", "session_started", "tokens_issued"];

#[test]
fn the_first_request_begins_a_session_without_a_user_or_a_refresh_token() {
    let mut asking = Asking::new();
    let (events, granted) = asking.ask(0);
    assert_eq!(events, BEGUN);
    assert_eq!((granted.refresh, granted.access.iat, granted.access.exp), (None, T0, T0 + 600));
    let started = asking.session.unwrap().started;
    assert_eq!((started.user, started.refreshable), (None, false));
}

#[test]
fn the_same_token_is_answered_until_half_of_its_life_is_over() {
    let mut asking = Asking::new();
    let (_, first) = asking.ask(0);
    for at in [0, 1, 299, 300] {
        let (events, granted) = asking.ask(at);
        assert_eq!((events.len(), &granted.access), (0, &first.access), "{at}");
    }
    let (events, second) = asking.ask(301);
    assert_eq!(events, ["access_token_issued"]);
    assert_eq!((second.access.iat, second.access.exp), (T0 + 301, T0 + 901));
    assert_eq!(asking.ask(302).1.access, second.access);
}

#[test]
fn a_token_is_not_answered_again_for_another_part_of_the_scope() {
    let mut asking = Asking::new();
    asking.ask(0);
    asking.permitted = "read".parse().unwrap();
    let (events, granted) = asking.ask(1);
    assert_eq!(events, ["access_token_issued"]);
    assert_eq!(granted.scope, "read".parse().unwrap());
    assert_eq!(asking.ask(2).0.len(), 0);
}

#[test]
fn after_an_end_the_next_request_begins_another_session_whose_tokens_are_told_apart() {
    let mut asking = Asking::new();
    asking.ask(0);
    let before = asking.family();
    asking.end(1);
    // In the same second: neither time nor generation would tell.
    let (events, granted) = asking.ask(1);
    assert_eq!(events, BEGUN);
    assert_eq!(granted.generation, Generation::default());
    assert_ne!(asking.family(), before);
    assert_eq!(asking.session.unwrap().status, Status::Live);
}

#[test]
fn what_ended_all_sessions_of_the_client_or_of_the_installation_begins_another() {
    let mut asking = Asking::new();
    asking.ask(0);
    let of_installation = |asking: &Asking| asking.session.as_ref().unwrap().started.installation_epoch;
    assert_eq!(of_installation(&asking), None, "the first is not recorded");
    asking.session_epoch = asking.session_epoch.raised(None);
    assert_eq!(asking.ask(1).0, BEGUN_ANEW);
    assert_eq!(asking.ask(2).0.len(), 0);
    asking.installation_epoch = 1;
    assert_eq!(asking.ask(3).0, BEGUN_ANEW);
    assert_eq!(of_installation(&asking), Some(1));
    let ended = |event: &SessionEvent| {
        if let SessionEvent::Ended { reason, .. } = event { Some(*reason) } else { None }
    };
    let reasons: Vec<_> = asking.log.iter().filter_map(ended).collect();
    assert_eq!(reasons, [EndReason::ClientEpoch, EndReason::Restored]);
}

/// One request reads the epochs, then all is ended, and another request begins a session: the first must not end that.
#[test]
fn a_request_that_read_earlier_epochs_leaves_a_session_of_later_ones_and_begins_none_before_them() {
    let mut asking = Asking::new();
    let client_epoch = asking.session_epoch.raised(None);
    (asking.session_epoch, asking.installation_epoch) = (client_epoch, 2);
    asking.ask(0);
    (asking.session_epoch, asking.installation_epoch) = (SessionEpoch::default(), 1);
    assert_eq!(asking.ask(1).0.len(), 0, "it stands");
    asking.end(2);
    assert_eq!(asking.ask(3).0, BEGUN);
    let started = asking.session.unwrap().started;
    assert_eq!((started.client_epoch, started.installation_epoch), (client_epoch.epoch, Some(2)));
}

#[test]
fn an_unused_session_expires_and_a_used_one_lasts_however_long() {
    let mut asking = Asking::new();
    for day in (0..=730).step_by(10) {
        let (events, granted) = asking.ask(day * DAY);
        assert_eq!(events.contains(&"session_started"), day == 0, "day {day}");
        assert_eq!(granted.access.exp - granted.access.iat, 600);
    }
    let last = asking.log.len();
    assert_eq!(asking.ask(745 * DAY).0, BEGUN_ANEW, "idle for a fortnight");
    assert!(matches!(asking.log[last], SessionEvent::Ended { reason: EndReason::Expired, .. }));
}

#[test]
fn a_session_as_short_as_its_token_gives_none_that_outlives_it_and_ends_none_early() {
    let mut asking = Asking::new();
    (asking.policy.refresh_idle, asking.policy.refresh_absolute) =
        (asking.policy.access_token, asking.policy.access_token);
    asking.ask(0);
    for at in (310..10 * 310).step_by(310) {
        assert_eq!(asking.ask(at).0, ["access_token_issued"], "{at}");
        assert!(asking.session.as_ref().unwrap().expiry().seconds() >= asking.ask(at + 1).1.access.exp);
    }
    // A longer life, set later: the session that began before caps it.
    asking.policy.access_token *= 2;
    let (_, granted) = asking.ask(9 * 310 + 301);
    assert_eq!(granted.access.exp, asking.session.unwrap().expiry().seconds());
}

#[test]
fn a_token_that_lasts_longer_than_new_ones_do_is_not_answered_again() {
    let mut asking = Asking::new();
    asking.ask(0);
    asking.policy.access_token /= 10;
    let (events, granted) = asking.ask(1);
    assert_eq!((events, granted.access.exp), (vec!["access_token_issued"], T0 + 61));
    assert_eq!(asking.ask(2).0.len(), 0);
}

#[test]
fn a_request_that_read_the_epoch_before_it_was_raised_ends_nothing() {
    let mut asking = Asking::new();
    let before = asking.session_epoch;
    asking.session_epoch = before.raised(None);
    asking.ask(0);
    asking.session_epoch = before;
    assert_eq!(asking.ask(1).0.len(), 0);
}

#[test]
fn a_clock_that_is_set_back_gives_a_token_of_its_own_time_and_revives_nothing() {
    let mut asking = Asking::new();
    asking.ask(1000);
    let (events, granted) = asking.ask(0);
    assert_eq!((events, granted.access.iat), (vec!["access_token_issued"], T0));
    asking.end(0);
    assert_eq!(asking.ask(0).0, BEGUN);
    let times: Vec<_> = asking.log.iter().map(SessionEvent::at).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn each_client_scope_and_audience_has_a_session_of_its_own() {
    let id = |client: &str, scope: &str, audience: Option<&str>| {
        let audience = audience.map(|audience| audience.parse::<Audience>().unwrap());
        id(&client.parse().unwrap(), &scope.parse().unwrap(), audience.as_ref())
    };
    let one = id("a", "read write", Some("x"));
    assert_eq!(one, id("a", "write read", Some("x")), "a scope has no order");
    for other in [id("b", "read write", Some("x")), id("a", "read", Some("x")), id("a", "read write", None)] {
        assert_ne!(one, other);
    }
    assert_eq!(one.to_string().as_bytes()[14], b'8', "a UUID of version 8");
    // Named once and for all: streams are found by it.
    assert_eq!(
        id("batch", "read", Some("https://api.example")).to_string(),
        "67c6b8ff-9911-8ee3-a04a-7f8f4c4b2ae7"
    );
}
