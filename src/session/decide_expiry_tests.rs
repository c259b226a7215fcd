//! When a session is over, and what clocks that are wrong do to that.

use super::*;

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
