//! The edges of single rules: epochs, resources, scopes, and what the state tells.

use super::*;
use crate::oauth::Audience;

fn started(audience: Option<&str>, installation_epoch: u32) -> Session {
    let decision = start(Start {
        client: (client("web"), SessionEpoch::default()),
        user: (UserId::from([2; 16]), SessionEpoch::default()),
        scope: scope("read write"),
        permitted: scope("read write"),
        audience: audience.map(|audience| audience.parse().unwrap()),
        refreshable: true,
        policy: policy(),
        nonce: Nonce::from([0; 16]),
        kid: Kid::from_bytes([3; 32]),
        installation_epoch,
        now: Timestamp::from_seconds(T0),
    });
    decision.events.iter().fold(None, Session::apply).unwrap()
}

/// What is not as usual when the session's token is presented.
struct RefreshCase<'a> {
    permitted: &'a str,
    requested: Option<&'a str>,
    resources: &'a [Audience],
    installation_epoch: u32,
}

const USUAL: RefreshCase<'_> =
    RefreshCase { permitted: "read write", requested: None, resources: &[], installation_epoch: 0 };

fn presented(session: &Session, asked: &RefreshCase<'_>) -> Decision {
    let requested = asked.requested.map(scope);
    decide(
        Some(session),
        &Refresh {
            session: id(),
            presented: current(session).unwrap(),
            client: &client("web"),
            client_epoch: Some(SessionEpoch::default()),
            user_epoch: Some(SessionEpoch::default()),
            installation_epoch: asked.installation_epoch,
            login_has_ended: false,
            requested: requested.as_ref(),
            resources: asked.resources,
            permitted: &scope(asked.permitted),
            policy: policy(),
            nonce: Nonce::from([1; 16]),
            kid: Kid::from_bytes([3; 32]),
            now: Timestamp::from_seconds(T0 + 60),
            steps: Steps::default(),
            availability: Availability::of(Duration::MAX),
            skew: Duration::ZERO,
        },
    )
}

#[test]
fn only_an_epoch_behind_the_first_is_recorded() {
    for (epoch, recorded) in [(0, None), (1, Some(1)), (2, Some(2))] {
        assert_eq!(started(None, epoch).started.installation_epoch, recorded);
    }
}

#[test]
fn row_5_a_session_from_before_a_restore_ends() {
    for (then, now, holds) in [(0, 0, true), (2, 2, true), (0, 1, false), (2, 1, false), (1, 2, false)] {
        let session = started(None, then);
        let decision = presented(&session, &RefreshCase { installation_epoch: now, ..USUAL });
        if holds {
            assert!(decision.outcome.is_ok(), "{then} {now}");
        } else {
            let at = Timestamp::from_seconds(T0 + 60);
            assert_eq!(decision, end_and_refuse(at, EndReason::Restored, Denied::Restored), "{then} {now}");
        }
    }
}

/// RFC 8707 §2.2.
#[test]
fn a_resource_is_asked_for_that_the_session_is_for_or_none() {
    let audience = |text: &str| text.parse::<Audience>().unwrap();
    let (api, other) = (audience("api"), audience("other"));
    for (of_session, resources, holds) in [
        (Some("api"), vec![], true),
        (Some("api"), vec![api.clone()], true),
        (Some("api"), vec![other.clone()], false),
        (Some("api"), vec![api.clone(), other], false),
        (None, vec![], true),
        (None, vec![api], false),
    ] {
        let session = started(of_session, 0);
        let decision = presented(&session, &RefreshCase { resources: &resources, ..USUAL });
        assert_eq!(decision.outcome.is_ok(), holds, "{of_session:?} {resources:?}");
        assert!(holds || decision == refuse(Denied::Target));
    }
}

#[test]
fn a_scope_of_which_nothing_is_permitted_is_refused_unless_nothing_was_asked() {
    let session = started(None, 0);
    let asked = |requested, permitted| {
        presented(&session, &RefreshCase { requested: Some(requested), permitted, ..USUAL })
            .outcome
            .map(|it| it.scope)
    };
    assert_eq!(asked("write", "read"), Err(Denied::Scope));
    assert_eq!(asked("read write", "read"), Ok(scope("read")));
    assert_eq!(asked("", "read"), Ok(Scope::empty()));
}

#[test]
fn an_access_token_records_its_scope_if_that_is_not_all_that_was_granted() {
    let session = started(None, 0);
    let recorded =
        |permitted| presented(&session, &RefreshCase { permitted, ..USUAL }).outcome.unwrap().access.scope;
    assert_eq!(recorded("read write"), None);
    assert_eq!(recorded("read"), Some(scope("read")));
    assert_eq!(session.issued.unwrap().scope, None);
}

#[test]
fn an_access_token_is_answered_again_with_half_of_its_life_left_and_never_without_a_life() {
    let issued = |exp| Issued { iat: T0, exp, scope: None, kid: Kid::from_bytes([3; 32]) };
    let has = |exp, at| has_half_its_life(&issued(exp), Timestamp::from_seconds(at));
    assert!(has(T0 + 600, T0) && has(T0 + 600, T0 + 300) && !has(T0 + 600, T0 + 301));
    assert!(!has(T0 + 600, T0 - 1), "it begins later");
    assert!(!has(T0, T0));
}

#[test]
fn the_state_tells_the_token_that_is_good_now() {
    let mut session = started(None, 0);
    let first = Presented { generation: Generation(0), nonce: Nonce::from([0; 16]) };
    assert_eq!(current(&session), Some(first));
    session.started.refreshable = false;
    assert_eq!(current(&session), None);
}

#[test]
fn the_state_tells_when_the_client_was_seen_and_when_the_session_expires() {
    let mut family = Family::new();
    let seen = |family: &Family| family.session.as_ref().unwrap().last_seen();
    let expiry = |family: &Family| family.session.as_ref().unwrap().expiry();
    assert_eq!(seen(&family), Timestamp::from_seconds(T0));
    family.rotate(T0 + 60);
    assert_eq!(seen(&family), Timestamp::from_seconds(T0 + 60));
    assert_eq!(expiry(&family), Timestamp::from_seconds(T0 + 60 + 14 * 86_400));
    // A retry that got another access token.
    family.policy.retry_until_used = true;
    assert!(family.present(family.tokens[0], &at(T0 + 500)).outcome.unwrap().retried);
    assert_eq!(seen(&family), Timestamp::from_seconds(T0 + 500));
    family.rotate(T0 + 13 * 86_400);
    for day in (20..60).step_by(10) {
        family.rotate(T0 + day * 86_400);
    }
    assert_eq!(expiry(&family), Timestamp::from_seconds(T0 + 60 * 86_400));
}

#[test]
fn what_is_live_starts_once() {
    let session = Family::new().session.unwrap();
    let again = SessionEvent::Started(session.started.clone());
    assert_eq!(Session::apply(Some(session.clone()), &again), Some(session));
}
