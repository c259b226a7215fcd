//! Tests of the code's ten rows: given an authorization, when a code is presented, then these events and this answer follow.

use super::*;
use crate::oauth::{AuthenticationMethod, CodeChallenge, LoginId, UserId};
use crate::session::authorization::CODE_LIFETIME;
use crate::session::{AuthorizationUsed, Authorize, Code, LoginReference, authorize, end};

#[path = "redeem_properties.rs"]
mod properties;

const T0: u64 = 1_000_000;
const LIFE: u64 = CODE_LIFETIME.as_secs();
const URI: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn id() -> SessionId {
    SessionId::from([1; 16])
}

fn client(name: &str) -> ClientId {
    name.parse().unwrap()
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn seconds(time: u64) -> Timestamp {
    Timestamp::from_seconds(time)
}

fn policy() -> Policy {
    Policy {
        access_token: Duration::from_mins(10),
        refresh_idle: Duration::from_hours(14 * 24),
        refresh_absolute: Duration::from_hours(60 * 24),
        retry_window: Duration::from_secs(30),
        retry_until_used: false,
        reuse_ends_family: true,
    }
}

fn login() -> LoginReference {
    LoginReference {
        id: LoginId::from([7; 16]),
        auth_time: seconds(T0 - 100),
        methods: vec![AuthenticationMethod::Password],
    }
}

fn asked() -> Authorize {
    Authorize {
        client: (client("web"), SessionEpoch::default()),
        user: (UserId::from([2; 16]), SessionEpoch::default()),
        login: login(),
        login_expiry: seconds(T0 + 86_400),
        scope: scope("openid read write"),
        audience: None,
        refreshable: true,
        code: Code {
            nonce: Nonce::from([5; 16]),
            redirect_uri: redirect_digest(URI),
            challenge: Some(CHALLENGE.parse::<CodeChallenge>().unwrap()),
            openid_nonce: Some("n-1".to_owned()),
            consent_since: Some(seconds(T0 - 50)),
            kept_until: None,
        },
        policy: policy(),
        installation_epoch: 0,
        now: seconds(T0),
    }
}

/// An authorization under test: its log, its state, and what is true outside of it.
struct Authorization {
    log: Vec<SessionEvent>,
    session: Option<Session>,
    user: Option<SessionEpoch>,
    client: Option<SessionEpoch>,
    login_has_ended: bool,
    consent_since: Option<Timestamp>,
    installation_epoch: u32,
    permitted: Scope,
    nonces: u8,
}

/// A request; tests override single values.
#[derive(Clone, Copy)]
struct Sent<'a> {
    at: u64,
    client: &'a str,
    code: u8,
    redirect_uri: Option<&'a str>,
    verifier: Option<&'a str>,
    scope: Option<&'a str>,
}

fn at(at: u64) -> Sent<'static> {
    Sent { at, client: "web", code: 5, redirect_uri: Some(URI), verifier: Some(VERIFIER), scope: None }
}

impl Authorization {
    fn new() -> Self {
        Self::of(asked())
    }

    fn of(asked: Authorize) -> Self {
        let mut authorization = Self {
            log: Vec::new(),
            session: None,
            user: Some(SessionEpoch::default()),
            client: Some(SessionEpoch::default()),
            login_has_ended: false,
            consent_since: Some(seconds(T0 - 50)),
            installation_epoch: 0,
            permitted: scope("openid read write"),
            nonces: 0,
        };
        let decided = authorize(None, asked).unwrap();
        authorization.land(&decided.events);
        authorization
    }

    fn land(&mut self, events: &[SessionEvent]) {
        for event in events {
            assert_eq!(SessionEvent::decode(&event.encode()).as_ref(), Ok(event));
            self.session = Session::apply(self.session.take(), event);
            self.log.push(event.clone());
        }
        let refolded = self.log.iter().fold(None, Session::apply);
        assert_eq!(refolded, self.session, "fold(log) = state");
        let session = self.session.clone().unwrap();
        assert_eq!(Session::decode(&session.encode()), Ok(session));
    }

    /// Presents the code, with a fresh nonce for the request.
    fn present(&mut self, sent: Sent<'_>) -> Decision<CodeRefused> {
        self.nonces = self.nonces.wrapping_add(1);
        let decision = self.decision(sent, self.nonces);
        self.land(&decision.events);
        decision
    }

    fn decision(&self, sent: Sent<'_>, nonce: u8) -> Decision<CodeRefused> {
        let (verifier, requested) = (sent.verifier.map(|text| text.parse().unwrap()), sent.scope.map(scope));
        let command = Redeem {
            session: id(),
            code: Nonce::from([sent.code; 16]),
            client: &client(sent.client),
            client_epoch: self.client,
            user_epoch: self.user,
            login_has_ended: self.login_has_ended,
            consent_since: self.consent_since,
            installation_epoch: self.installation_epoch,
            redirect_uri: sent.redirect_uri,
            verifier: verifier.as_ref(),
            requested: requested.as_ref(),
            resources: &[],
            permitted: &self.permitted,
            policy: policy(),
            nonce: Nonce::from([nonce; 16]),
            kid: Kid::from_bytes([3; 32]),
            now: seconds(sent.at),
            skew: Duration::ZERO,
        };
        redeem(self.session.as_ref(), &command)
    }

    fn ended(&self) -> Option<EndReason> {
        match self.session.as_ref().unwrap().status {
            Status::Live | Status::Authorized { .. } => None,
            Status::Ended { reason, .. } => Some(reason),
        }
    }
}

fn names(decision: &Decision<CodeRefused>) -> Vec<&'static str> {
    decision.events.iter().map(SessionEvent::name).collect()
}

#[test]
fn row_2_an_unknown_session_another_code_and_an_ended_session_are_refused() {
    let mut authorization = Authorization::new();
    let unknown = Authorization { session: None, ..Authorization::new() };
    assert_eq!(unknown.decision(at(T0), 1), refuse(CodeRefused::Unknown));
    assert_eq!(authorization.present(Sent { code: 6, ..at(T0) }), refuse(CodeRefused::Unknown));
    authorization.present(at(T0)).outcome.unwrap();
    let ended = end(authorization.session.as_ref().unwrap(), EndReason::Logout, seconds(T0));
    authorization.land(&ended);
    assert_eq!(authorization.present(at(T0 + 50)), refuse(CodeRefused::Ended(EndReason::Logout)));
}

#[test]
fn row_2_a_session_that_began_without_a_code_is_no_authorization() {
    let SessionEvent::Authorized(authorized) = Authorization::new().log.remove(0) else { panic!("other") };
    let session = Session::apply(None, &SessionEvent::Started(authorized.started));
    let started = Authorization { session, ..Authorization::new() };
    assert_eq!(started.decision(at(T0), 1), refuse(CodeRefused::Unknown));
}

#[test]
fn row_3_another_client_is_refused_and_recorded_once_and_the_code_stays_good() {
    let mut authorization = Authorization::new();
    let other = Sent { client: "other", ..at(T0) };
    assert_eq!(names(&authorization.present(other)), ["foreign_client_refused"]);
    assert_eq!(authorization.present(other), refuse(CodeRefused::ForeignClient));
    assert!(authorization.present(at(T0)).outcome.is_ok());
}

/// RFC 9700 §4.5 and §4.8: code injection and PKCE downgrade.
#[test]
fn row_4_a_wrong_redirect_uri_or_verifier_changes_nothing() {
    let wrong = [
        (Sent { redirect_uri: Some("https://app.example/cb/"), ..at(T0) }, CodeRefused::RedirectUri),
        (Sent { verifier: Some(properties::OTHER_VERIFIER), ..at(T0) }, CodeRefused::Verifier),
        (Sent { verifier: Some(CHALLENGE), ..at(T0) }, CodeRefused::Verifier),
        (Sent { verifier: None, ..at(T0) }, CodeRefused::Verifier),
    ];
    let mut authorization = Authorization::new();
    for (sent, refused) in wrong {
        assert_eq!(authorization.present(sent), refuse(refused));
    }
    authorization.present(at(T0)).outcome.unwrap();
    for (sent, refused) in wrong {
        let late = Sent { at: T0 + 3600, ..sent };
        assert_eq!(authorization.present(late), refuse(refused), "after the redemption");
    }
    assert_eq!(authorization.ended(), None);
}

#[test]
fn row_4_without_a_challenge_the_redirect_uri_is_needed_and_no_verifier_is_accepted() {
    let code = Code { challenge: None, ..asked().code };
    let mut authorization = Authorization::of(Authorize { code, ..asked() });
    assert_eq!(authorization.present(at(T0)), refuse(CodeRefused::Verifier));
    let bare = Sent { verifier: None, ..at(T0) };
    let without = Sent { redirect_uri: None, ..bare };
    assert_eq!(authorization.present(without), refuse(CodeRefused::RedirectUri));
    assert!(authorization.present(bare).outcome.is_ok());
}

#[test]
fn row_4_with_a_verifier_the_redirect_uri_may_be_left_out() {
    let sent = Sent { redirect_uri: None, ..at(T0) };
    assert!(Authorization::new().present(sent).outcome.is_ok());
}

#[test]
fn row_5_a_code_lasts_a_minute_and_its_end_is_never_recorded() {
    for (time, good) in [(T0 + LIFE - 1, true), (T0 + LIFE, false), (T0 + 2 * LIFE, false)] {
        let decision = Authorization::new().present(at(time));
        assert_eq!(decision.outcome.is_ok(), good, "{time}");
        assert_eq!(decision.events.is_empty(), !good);
    }
}

#[test]
fn row_5_what_the_code_began_may_have_expired() {
    let mut authorization = Authorization::new();
    authorization.present(at(T0)).outcome.unwrap();
    assert_eq!(authorization.present(at(T0 + 86_400)), refuse(CodeRefused::Expired));
}

/// Brings about a change in what is true outside of the authorization.
type Change = fn(&mut Authorization);

fn raised() -> SessionEpoch {
    SessionEpoch::default().raised(None)
}

#[test]
fn row_6_what_no_longer_stands_ends_the_authorization() {
    let cases: [(Change, EndReason, CodeRefused); 8] = [
        (|one| one.user = None, EndReason::UserEpoch, CodeRefused::User),
        (|one| one.user = Some(raised()), EndReason::UserEpoch, CodeRefused::User),
        (|one| one.client = None, EndReason::ClientEpoch, CodeRefused::Client),
        (|one| one.client = Some(raised()), EndReason::ClientEpoch, CodeRefused::Client),
        (|one| one.login_has_ended = true, EndReason::LoginEnded, CodeRefused::Login),
        (|one| one.consent_since = None, EndReason::ConsentWithdrawn, CodeRefused::Consent),
        (|one| one.consent_since = Some(seconds(T0 + 1)), EndReason::ConsentWithdrawn, CodeRefused::Consent),
        (|one| one.installation_epoch = 1, EndReason::Restored, CodeRefused::Restored),
    ];
    for (change, reason, refused) in cases {
        let mut authorization = Authorization::new();
        change(&mut authorization);
        let decision = authorization.present(at(T0));
        assert_eq!((names(&decision), decision.outcome), (vec!["session_ended"], Err(refused)));
        assert_eq!(authorization.ended(), Some(reason));
    }
}

#[test]
fn row_7_the_first_redemption_begins_the_session() {
    let mut authorization = Authorization::new();
    let decision = authorization.present(at(T0 + 10));
    let granted = decision.outcome.clone().unwrap();
    assert_eq!(names(&decision), ["tokens_issued"]);
    assert_eq!((granted.access.iat, granted.access.exp), (T0 + 10, T0 + 610));
    assert_eq!(granted.refresh.unwrap().generation, Generation(0));
    let session = authorization.session.unwrap();
    assert_eq!(session.status, Status::Live);
    assert_eq!(session.code_redeemed_at, Some(seconds(T0 + 10)));
    assert_eq!(session.code.unwrap().openid_nonce, None, "it is forgotten");
}

#[test]
fn row_7_the_scope_may_be_narrowed_and_never_widened() {
    let mut authorization = Authorization::new();
    let wider = Sent { scope: Some("read admin"), ..at(T0) };
    assert_eq!(authorization.present(wider), refuse(CodeRefused::Scope));
    let granted = authorization.present(Sent { scope: Some("read"), ..at(T0) }).outcome.unwrap();
    assert_eq!(granted.scope, scope("read"));
    assert_eq!(authorization.session.unwrap().started.scope, scope("openid read write"));
}

#[test]
fn row_8_a_request_that_did_not_learn_of_its_own_redemption_gets_the_same_tokens() {
    let mut authorization = Authorization::new();
    let first = authorization.present(at(T0));
    let granted = first.outcome.unwrap();
    // Decided again, by the same nonce, however long the append took.
    let again = authorization.decision(at(T0 + 40), authorization.nonces);
    assert!(again.events.is_empty());
    assert_eq!(again.outcome, Ok(Granted { retried: true, ..granted }));
}

#[test]
fn row_9_a_code_that_comes_twice_within_five_seconds_ends_nothing() {
    let mut authorization = Authorization::new();
    authorization.present(at(T0)).outcome.unwrap();
    assert_eq!(authorization.present(at(T0 + 4)), refuse(CodeRefused::Twice));
    assert_eq!(authorization.ended(), None);
}

#[test]
fn row_10_a_code_that_is_replayed_ends_the_session_however_late() {
    for later in [5, LIFE - 1, LIFE + 1, 3600] {
        let mut authorization = Authorization::new();
        authorization.present(at(T0)).outcome.unwrap();
        let decision = authorization.present(at(T0 + later));
        assert_eq!(decision.outcome, Err(CodeRefused::Reuse), "{later}");
        assert_eq!(names(&decision), ["reuse_detected", "session_ended"]);
        assert_eq!(authorization.ended(), Some(EndReason::CodeReuse));
    }
}

#[test]
fn the_same_question_gets_the_same_code_until_it_is_redeemed_or_expired() {
    let mut authorization = Authorization::new();
    let again =
        |authorization: &Authorization, asked: Authorize| authorize(authorization.session.as_ref(), asked);
    let code = || Code { nonce: [8; 16].into(), ..asked().code };
    let fresh = |later: u64| Authorize { code: code(), now: seconds(T0 + later), ..asked() };
    let same = again(&authorization, fresh(LIFE - 1)).unwrap();
    assert_eq!((same.events, same.code), (Vec::new(), Nonce::from([5; 16])));
    assert_eq!(again(&authorization, fresh(LIFE)), Err(AuthorizationUsed), "expired");
    authorization.present(at(T0)).outcome.unwrap();
    assert_eq!(again(&authorization, fresh(1)), Err(AuthorizationUsed), "redeemed");
}

#[test]
fn another_question_on_the_same_session_is_refused() {
    let authorization = Authorization::new();
    let others = [
        Authorize { client: (client("other"), SessionEpoch::default()), ..asked() },
        Authorize { user: (UserId::from([3; 16]), SessionEpoch::default()), ..asked() },
        Authorize { login: LoginReference { id: LoginId::from([8; 16]), ..login() }, ..asked() },
        Authorize { login: LoginReference { auth_time: seconds(T0), ..login() }, ..asked() },
        Authorize { scope: scope("openid read"), ..asked() },
        Authorize { audience: Some("https://api.example".parse().unwrap()), ..asked() },
        Authorize { refreshable: false, ..asked() },
        Authorize { code: Code { redirect_uri: [0; 32], ..asked().code }, ..asked() },
        Authorize { code: Code { challenge: None, ..asked().code }, ..asked() },
        Authorize { code: Code { openid_nonce: None, ..asked().code }, ..asked() },
    ];
    for other in others {
        assert_eq!(authorize(authorization.session.as_ref(), other), Err(AuthorizationUsed));
    }
}

#[test]
fn an_online_session_lasts_no_longer_than_its_login() {
    let expiry = |asked: Authorize| {
        let session = Authorization::of(asked).session.unwrap();
        (session.started.absolute_expiry, session.started.online())
    };
    let offline = scope("openid read offline_access");
    assert_eq!(expiry(asked()), (seconds(T0 + 86_400), Some(LoginId::from([7; 16]))));
    assert_eq!(expiry(Authorize { scope: offline, ..asked() }), (seconds(T0 + LIFE + 60 * 86_400), None));
}

#[test]
fn a_session_without_refresh_tokens_lasts_as_long_as_the_access_token() {
    let mut authorization = Authorization::of(Authorize { refreshable: false, ..asked() });
    let granted = authorization.present(at(T0 + LIFE - 1)).outcome.unwrap();
    assert_eq!((granted.refresh, granted.access.exp), (None, T0 + LIFE - 1 + 600));
    assert!(!authorization.session.unwrap().is_expired(seconds(T0 + LIFE - 2 + 600)));
}
