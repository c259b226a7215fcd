//! Tests of the ten rows: given these events, when a token is presented, then these events and this answer follow.

use super::*;
use crate::clock::{StepWatch, Steps};
use crate::oauth::{ClientId, SessionEpoch, SessionId, UserId};

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
                requested: requested.as_ref(),
                resources: &[],
                permitted: &self.permitted,
                policy: self.policy,
                nonce: Nonce::from([self.nonces.wrapping_add(1); 16]),
                kid: Kid::from_bytes([3; 32]),
                now,
                steps: self.steps,
                uptime: Duration::from_secs(self.uptime),
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
            Status::Live => None,
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

#[test]
fn row_4_expiry_counts_to_the_second_and_is_never_recorded() {
    let idle = T0 + 14 * 86_400;
    for (time, good) in [(idle - 1, true), (idle, false), (idle + 1, false)] {
        let mut family = Family::new();
        let decision = family.present(family.tokens[0], &at(time));
        assert_eq!(decision.outcome.is_ok(), good, "{time}");
        assert_eq!(decision.events.is_empty(), !good);
    }
}

#[test]
fn a_clock_that_runs_a_year_ahead_and_back_destroys_nothing() {
    let mut family = Family::new();
    assert_eq!(family.present(family.tokens[0], &at(T0 + 365 * 86_400)), refuse(Denied::Expired));
    family.rotate(T0 + 1);
}

#[test]
fn a_clock_that_is_set_back_revives_nothing() {
    let mut family = Family::new();
    let idle = 14 * 86_400;
    family.rotate(T0 + idle - 10);
    family.rotate(T0 + 2 * idle - 20);
    // An hour back: the previous token is still outside its window, which is counted from the session's last event.
    let old = family.tokens[0];
    assert_eq!(family.present(old, &at(T0)).outcome, Err(Denied::Reuse));
    assert_eq!(family.ended(), Some(EndReason::Reuse));
}

#[test]
fn the_absolute_expiry_bounds_the_session_and_its_access_tokens() {
    let mut family = Family::new();
    let end = T0 + 60 * 86_400;
    for day in (10..60).step_by(10) {
        family.rotate(T0 + day * 86_400);
    }
    let last = family.present(*family.tokens.last().unwrap(), &at(end - 100)).outcome.unwrap();
    assert_eq!(last.access.exp, end);
    assert_eq!(family.present(last.refresh.unwrap(), &at(end)).outcome, Err(Denied::Expired));
}

/// A session ends at a millisecond, and an access token at a whole second: `exp` would be no later than `iat`, and some
/// clients read an `expires_in` of 0 as "never expires".
#[test]
fn a_session_gives_no_access_token_in_its_last_second() {
    let mut family = Family::with(Policy { refresh_absolute: Duration::from_millis(100_500), ..policy() });
    let (first, second) = (family.tokens[0], family.rotate(T0 + 90));
    let answer = |token, millis| {
        let now = Timestamp::from_millis((T0 + 99) * 1000 + millis);
        family.decision_at(token, &at(T0), now)
    };
    // By a rotation, and by a retry whose recorded access token has expired.
    for token in [first, second] {
        let last = answer(token, 999).outcome.unwrap().access;
        assert_eq!((last.iat, last.exp), (T0 + 99, T0 + 100));
        for millis in [1000, 1499, 1500] {
            assert_eq!(answer(token, millis), refuse(Denied::Expired), "{token:?} {millis}");
        }
    }
}

/// In ZITADEL, locked and disabled users could still refresh (CVE-2023-22492).
#[test]
fn row_5_a_raised_epoch_ends_the_session_unless_it_was_kept() {
    let mut family = Family::new();
    family.user = Some(SessionEpoch::default().raised(Some(id())));
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
fn an_access_token_begins_at_the_clocks_time_even_when_that_was_set_back() {
    let mut family = Family::new();
    family.rotate(T0 + 100);
    // Resource servers refuse tokens issued in their future.
    let retried = family.present(family.tokens[0], &at(T0 + 90));
    assert_eq!(names(&retried), ["access_token_issued"]);
    assert_eq!(retried.outcome.unwrap().access.iat, T0 + 90);
    let rotated = family.present(family.tokens[1], &at(T0 + 80)).outcome.unwrap();
    assert_eq!((rotated.access.iat, rotated.access.exp), (T0 + 80, T0 + 680));
}

#[test]
fn an_append_of_its_own_is_no_second_use_even_without_a_window() {
    let mut family = Family::new();
    family.policy.retry_window = Duration::ZERO;
    let first = family.present(family.tokens[0], &at(T0)).outcome.unwrap();
    // The next request draws the nonce of this one: it is the same request, which did not learn that its append
    // succeeded.
    family.nonces -= 1;
    let again = family.present(family.tokens[0], &at(T0));
    assert_eq!(names(&again), [] as [&str; 0]);
    assert_eq!(again.outcome.unwrap().refresh, first.refresh);
    // It is not reuse either if somebody has used the successor meanwhile.
    let second = family.rotate(T0);
    family.nonces = 0;
    let again = family.present(family.tokens[0], &at(T0)).outcome.unwrap();
    assert_eq!(again.refresh, Some(second));
    family.nonces = 9;
    assert_eq!(family.present(family.tokens[0], &at(T0)).outcome, Err(Denied::Reuse));
}

/// Hydra signed people out when an answer was lost (issue 1831).
#[test]
fn row_8_a_retry_gets_the_same_pair_and_records_nothing() {
    let mut family = Family::new();
    let first = family.present(family.tokens[0], &at(T0 + 60)).outcome.unwrap();
    for later in [0, 1, WINDOW - 1] {
        let decision = family.present(family.tokens[0], &at(T0 + 60 + later));
        assert_eq!(decision.events, []);
        assert_eq!(decision.outcome.unwrap(), Granted { retried: true, ..first.clone() });
    }
    let late = family.present(family.tokens[0], &at(T0 + 60 + WINDOW));
    assert_eq!(names(&late), ["reuse_detected", "session_ended"], "a retry extends nothing");
}

#[test]
fn row_8_a_retry_for_which_the_access_token_does_not_fit_gets_another_one() {
    let mut family = Family::new();
    family.policy.retry_until_used = true;
    let first = family.present(family.tokens[0], &at(T0)).outcome.unwrap();
    assert_eq!(names(&family.present(family.tokens[0], &at(T0 + 300))), [] as [&str; 0]);
    let decision = family.present(family.tokens[0], &at(T0 + 301));
    assert_eq!(names(&decision), ["access_token_issued"]);
    let renewed = decision.outcome.unwrap();
    assert_eq!((renewed.refresh, renewed.access.exp), (first.refresh, T0 + 901));
    let narrower = family.present(family.tokens[0], &Sent { scope: Some("read"), ..at(T0 + 301) });
    assert_eq!(names(&narrower), ["access_token_issued"]);
    assert_eq!(narrower.outcome.unwrap().scope, scope("read"));
}

#[test]
fn row_8_lasts_until_the_successor_is_used_where_the_client_has_credentials() {
    let mut family = Family::new();
    family.policy.retry_until_used = true;
    let old = family.tokens[0];
    let successor = family.rotate(T0);
    let retried = family.present(old, &at(T0 + 86_400)).outcome.unwrap();
    assert_eq!(retried.refresh, Some(successor));
    family.rotate(T0 + 86_401);
    assert_eq!(family.present(old, &at(T0 + 86_407)).outcome, Err(Denied::Reuse));
}

#[test]
fn time_in_which_the_server_was_down_does_not_count() {
    let mut family = Family::new();
    family.rotate(T0);
    let old = family.tokens[0];
    family.uptime = WINDOW - 1;
    assert!(family.present(old, &at(T0 + 150)).outcome.unwrap().retried);
    family.uptime = WINDOW;
    assert_eq!(family.present(old, &at(T0 + 151)).outcome, Err(Denied::Reuse));
}

/// The clocks are read at `wall` and `passed` seconds after `T0`.
fn jumped(wall: u64, passed: u64) -> Steps {
    let watch = StepWatch::since(Timestamp::from_seconds(T0), Duration::ZERO);
    let passed = Duration::from_secs(passed);
    watch.look(passed, Timestamp::from_seconds(wall), passed)
}

#[test]
fn time_that_the_clock_jumped_ahead_does_not_count() {
    let mut family = Family::new();
    family.rotate(T0);
    let old = family.tokens[0];
    family.steps = jumped(T0 + 125, 5);
    for (time, open) in [(T0 + 125, true), (T0 + 149, true), (T0 + 150, false)] {
        assert_eq!(family.decision(old, &at(time)).outcome.is_ok(), open, "{time}");
    }
    // A token rotated after the jump has no more than its window.
    family.rotate(T0 + 130);
    for (time, open) in [(T0 + 159, true), (T0 + 160, false)] {
        assert_eq!(family.decision(family.tokens[1], &at(time)).outcome.is_ok(), open, "{time}");
    }
}

#[test]
fn a_clock_that_is_set_back_opens_no_window_again_and_closes_none() {
    let mut family = Family::new();
    family.rotate(T0);
    let old = family.tokens[0];
    family.steps = jumped(T0 + 40 - 3600, 40);
    for time in [T0 - 3560, T0 - 3500, T0 - 1] {
        assert_eq!(family.decision(old, &at(time)).outcome, Err(Denied::Reuse), "{time}");
    }
    family.rotate(T0 - 3500);
    for (time, open) in [(T0 - 3500, true), (T0 - 3471, true), (T0 - 3470, false)] {
        assert_eq!(family.decision(family.tokens[1], &at(time)).outcome.is_ok(), open, "{time}");
    }
}

#[test]
fn without_a_window_a_second_use_ends_the_family() {
    let mut family = Family::new();
    family.policy.retry_window = Duration::ZERO;
    family.rotate(T0);
    assert_eq!(family.present(family.tokens[0], &at(T0)).outcome, Err(Denied::Reuse));
    assert_eq!(family.ended(), Some(EndReason::Reuse));
}

#[test]
fn row_8_processes_that_share_a_token_end_up_with_the_same_pair() {
    let mut family = Family::new();
    family.rotate(T0);
    family.rotate(T0 + 6);
    let third = family.rotate(T0 + 7);
    // Each of the last four, as long as its own window is open.
    for (generation, time) in [(0, 8), (1, 8), (2, 8), (0, 29), (1, 35), (2, 36)] {
        let decision = family.present(family.tokens[generation], &at(T0 + time));
        assert_eq!(decision.events, [], "{generation} {time}");
        let granted = decision.outcome.unwrap();
        assert_eq!((granted.refresh, granted.retried), (Some(third), true), "{generation} {time}");
    }
    for (generation, time) in [(0, 30), (1, 36), (2, 37)] {
        let decision = family.decision(family.tokens[generation], &at(T0 + time));
        assert_eq!(decision.outcome, Err(Denied::Reuse), "{generation}");
    }
}

#[test]
fn row_8_until_used_holds_for_the_generation_before_and_the_window_for_earlier_ones() {
    let mut family = Family::new();
    family.policy.retry_until_used = true;
    family.rotate(T0);
    let second = family.rotate(T0 + 6);
    assert_eq!(family.present(family.tokens[0], &at(T0 + 29)).outcome.unwrap().refresh, Some(second));
    assert_eq!(family.present(family.tokens[1], &at(T0 + 86_400)).outcome.unwrap().refresh, Some(second));
    assert_eq!(family.present(family.tokens[0], &at(T0 + 86_400)).outcome, Err(Denied::Reuse));
}

#[test]
fn row_9_of_more_than_four_rotations_within_the_window_the_first_are_refused_and_the_family_lives() {
    let mut family = Family::new();
    for time in 0..6 {
        family.rotate(T0 + time);
    }
    // The oldest remembered rotation is that of generation 2, two seconds after the first.
    for (generation, answered) in [(5, true), (2, true), (1, false), (0, false)] {
        let decision = family.present(family.tokens[generation], &at(T0 + 1 + WINDOW));
        if answered {
            assert_eq!(decision.outcome.unwrap().refresh, Some(family.tokens[6]));
        } else {
            assert_eq!(decision, refuse(Denied::Straggler), "{generation}");
        }
    }
    assert_eq!(family.present(family.tokens[1], &at(T0 + 2 + WINDOW)).outcome, Err(Denied::Reuse));
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

/// The snapshot of a release that kept four times and one nonce: after rotations at `T0` + 10, 20, 21, 22, 23, 24.
const OLDER_SNAPSHOT: &str = "\
    018b8a1a3b9aca0063776562005002020202020202020202020202020202006a72656164207772697465f61b0000\
    000170985a001a83b3d200f582008006500606060606060606060606060606060650050505050505050505050505\
    05050505841a3b9b27c01a3b9b23d81a3b9b1ff01a3b9b1c08841a000f42581a000f44b0f6582003030303030303\
    030303030303030303030303030303030303030303030303031a83b42fc0f4f61a3b9b27c0";

#[test]
fn a_snapshot_with_one_earlier_nonce_is_read_and_what_it_can_t_compare_is_not_answered() {
    let bytes: Vec<u8> = (0..OLDER_SNAPSHOT.len())
        .step_by(2)
        .map(|index| u8::from_str_radix(&OLDER_SNAPSHOT[index..index + 2], 16).unwrap())
        .collect();
    let token = |generation: u8| Presented {
        generation: Generation(u32::from(generation)),
        nonce: Nonce::from([generation; 16]),
    };
    let mut family = Family { session: Some(Session::decode(&bytes).unwrap()), nonces: 6, ..Family::new() };
    assert_eq!(family.decision(token(5), &at(T0 + 30)).outcome.unwrap().refresh, Some(token(6)));
    for generation in [0, 1, 2, 3, 4] {
        assert_eq!(
            family.decision(token(generation), &at(T0 + 30)),
            refuse(Denied::Straggler),
            "{generation}"
        );
        assert_eq!(
            family.decision(token(generation), &at(T0 + 54)).outcome,
            Err(Denied::Reuse),
            "{generation}"
        );
    }
    let rotated = family.decision(token(6), &at(T0 + 40));
    let newer = Session::apply(family.session, &rotated.events[0]).unwrap();
    assert_eq!(Session::decode(&newer.encode()).as_ref(), Ok(&newer));
    family.session = Some(newer);
    for generation in [5, 6] {
        assert_eq!(
            family.decision(token(generation), &at(T0 + 41)).outcome.unwrap().refresh,
            Some(token(7)),
            "{generation}"
        );
    }
    assert_eq!(family.decision(token(4), &at(T0 + 41)), refuse(Denied::Straggler));
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
                requested: None,
                resources: &[],
                permitted: &family.permitted,
                policy: family.policy,
                nonce,
                kid: Kid::from_bytes([3; 32]),
                now: Timestamp::from_seconds(T0),
                steps: Steps::default(),
                uptime: Duration::MAX,
            },
        )
    };
    assert_eq!(names(&decision), ["session_ended"]);
    assert_eq!(decision.outcome, Err(Denied::Expired));
}

#[test]
fn a_session_without_a_refresh_token_lasts_as_long_as_its_access_token() {
    let decision = start(Start {
        client: (client("web"), SessionEpoch::default()),
        user: (UserId::from([2; 16]), SessionEpoch::default()),
        scope: scope("read"),
        permitted: scope("read"),
        audience: None,
        refreshable: false,
        policy: policy(),
        nonce: Nonce::from([0; 16]),
        kid: Kid::from_bytes([3; 32]),
        installation_epoch: 0,
        now: Timestamp::from_seconds(T0),
    });
    let granted = decision.outcome.clone().unwrap();
    assert_eq!(granted.refresh, None);
    let session = decision.events.iter().fold(None, Session::apply).unwrap();
    assert!(session.is_expired(Timestamp::from_seconds(granted.access.exp)));
    assert!(!session.is_expired(Timestamp::from_seconds(granted.access.exp - 1)));
    let mut family = Family { log: decision.events, ..Family::new() };
    family.session = Some(session);
    assert_eq!(
        family.present(family.tokens[0], &at(T0)),
        refuse(Denied::Unknown),
        "nobody was given this token"
    );
}

#[path = "decide_properties.rs"]
mod properties;
