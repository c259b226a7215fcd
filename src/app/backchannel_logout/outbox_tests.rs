use super::*;
use crate::login::event::LoggedIn;
use crate::oauth::KeptId;
use crate::session::event::Authorized;
use crate::session::{Code, LoginReference};

const AT: Timestamp = Timestamp::from_seconds(1000);
const LATER: Timestamp = Timestamp::from_seconds(2000);

fn user() -> UserId {
    [1; 16].into()
}

fn login_id() -> LoginId {
    [2; 16].into()
}

fn session_id() -> SessionId {
    [3; 16].into()
}

fn client() -> ClientId {
    "web".parse().unwrap()
}

fn put(id: &[u8; 16], epoch: u32, ending: &Ending) -> Vec<RecordChange> {
    vec![RecordChange::Put(entry(LATER, id, epoch), ending.encode())]
}

fn login() -> Login {
    let begun = LoggedIn {
        at: AT,
        user: user(),
        user_epoch: 0,
        installation_epoch: 0,
        methods: Vec::new(),
        nonce: [4; 16].into(),
        persistent: false,
        absolute_expiry: Timestamp::from_seconds(9000),
    };
    Login::apply(None, &LoginEvent::LoggedIn(begun)).unwrap()
}

/// What is written of a session with this scope when it is authorized, and when it then ends for this reason.
fn written_of(scope: &str, from_login: bool, reason: EndReason) -> (Vec<RecordChange>, Vec<RecordChange>) {
    let reference = LoginReference { id: login_id(), auth_time: AT, methods: Vec::new() };
    let started = Started {
        at: AT,
        client: client(),
        client_epoch: 0,
        user: Some(user()),
        user_epoch: 0,
        scope: scope.parse().unwrap(),
        audience: None,
        absolute_expiry: Timestamp::from_seconds(9000),
        idle_expiry: Timestamp::from_seconds(5000),
        refreshable: true,
        installation_epoch: None,
        login: from_login.then_some(reference),
    };
    let code = Code {
        nonce: [5; 16].into(),
        redirect_uri: [6; 32],
        challenge: None,
        openid_nonce: None,
        consent_since: None,
        kept_until: None,
    };
    let authorized = Authorized { started, code, expiry: LATER };
    let begin = [SessionEvent::Authorized(Box::new(authorized))];
    let session = Session::apply(None, &begin[0]).unwrap();
    let end = [SessionEvent::Ended { at: LATER, reason, by: None }];
    let ended = Session::apply(Some(session.clone()), &end[0]).unwrap();
    (of_session(session_id(), &begin, &session), of_session(session_id(), &end, &ended))
}

#[test]
fn a_login_that_somebody_ended_has_an_entry_and_one_that_ran_out_has_none() {
    let ending = Ending::Login { login: login_id(), user: user() };
    let written = |reason| {
        let end = [LoginEvent::LoggedOut { at: LATER, reason, by: None }];
        let after = Login::apply(Some(login()), &end[0]).unwrap();
        of_login(login_id(), &end, &after)
    };
    for reason in [LogoutReason::Logout, LogoutReason::Replaced, LogoutReason::Evicted] {
        assert_eq!(written(reason), put(login_id().as_bytes(), 0, &ending));
    }
    for reason in [LogoutReason::UserEpoch, LogoutReason::Expired, LogoutReason::Restored] {
        assert_eq!(written(reason), []);
    }
    let (methods, nonce) = (Vec::new(), [7; 16].into());
    let again = [LoginEvent::Reauthenticated { at: LATER, methods, nonce, life: None, form: None }];
    assert_eq!(of_login(login_id(), &again, &login()), []);
}

#[test]
fn a_session_that_somebody_ended_has_an_entry_and_one_that_ended_otherwise_has_none() {
    let ending = Ending::Session { client: client(), login: login_id(), user: user() };
    for reason in [EndReason::User, EndReason::Admin, EndReason::Reuse, EndReason::CodeReuse] {
        assert_eq!(written_of("openid", true, reason).1, put(session_id().as_bytes(), 0, &ending));
    }
    for reason in [
        EndReason::Logout,
        EndReason::ConsentWithdrawn,
        EndReason::UserEpoch,
        EndReason::ClientEpoch,
        EndReason::Expired,
        EndReason::Evicted,
        EndReason::Rollback,
        EndReason::Restored,
        EndReason::LoginEnded,
    ] {
        assert_eq!(written_of("openid", true, reason).1, [], "{reason:?}");
    }
}

#[test]
fn a_client_knows_a_login_from_the_authorization_if_it_gets_id_tokens() {
    let known = RecordChange::Put(known_to(user(), login_id(), &client()), Vec::new());
    assert_eq!(written_of("openid read", true, EndReason::User).0, [known]);
    assert_eq!(known_of(&known_to(user(), login_id(), &client())), Some((login_id(), client())));
    assert!(
        known_to(user(), login_id(), &client())
            .as_bytes()
            .starts_with(all_who_know(user(), login_id()).as_bytes())
    );
    for (scope, from_login) in [("read", true), ("openid", false)] {
        assert_eq!(written_of(scope, from_login, EndReason::User), (Vec::new(), Vec::new()));
    }
}

#[test]
fn what_ends_all_of_a_users_sessions_has_an_entry_that_says_what_held_before() {
    let kept = Some(KeptId::from([9; 16]));
    let before = User { session_epoch: SessionEpoch { epoch: 3, kept }, ..User::default() };
    let ending = Ending::User { user: user(), before: before.session_epoch };
    for event in [
        UserEvent::PasswordChanged { at: LATER, kept: None, by: None },
        UserEvent::SessionsEnded { at: LATER, kept, by: None },
        UserEvent::Disabled { at: LATER, by: None },
        UserEvent::Deleted { at: LATER, by: None },
    ] {
        assert_eq!(of_user(user(), &[event], &before), put(user().as_bytes(), 3, &ending));
    }
    let roles = vec!["user".to_owned()];
    for event in [
        UserEvent::Registered { at: LATER, roles: roles.clone(), by: None },
        UserEvent::PasswordRehashed { at: LATER, by: None },
        UserEvent::Enabled { at: LATER, by: None },
        UserEvent::RolesChanged { at: LATER, roles: roles.clone(), by: None },
        UserEvent::Invited { at: LATER, roles, until: LATER, by: None },
        UserEvent::InvitationWithdrawn { at: LATER, by: None },
        UserEvent::ProfileChanged { at: LATER, by: None },
    ] {
        assert_eq!(of_user(user(), &[event], &before), []);
    }
}

#[test]
fn a_withdrawn_consent_has_an_entry_of_its_own() {
    let id = |client: &str| ConsentId { user: user(), client: client.parse().unwrap() };
    let withdrawn = |id: &ConsentId| {
        of_consent(id, &[ConsentEvent::Withdrawn { at: LATER, client: id.client.clone(), by: None }])
    };
    let ending = Ending::Consent { client: client(), user: user(), at: LATER };
    assert_eq!(withdrawn(&id("web")), [RecordChange::Put(withdrawal(&id("web"), LATER), ending.encode())]);
    assert_ne!(withdrawal(&id("web"), LATER), withdrawal(&id("other"), LATER), "at the same time");
    assert!(is_among(&withdrawn(&id("web"))));
}

#[test]
fn only_what_is_written_into_the_outbox_wakes_the_deliverer() {
    let key = entry(AT, &[1; 16], 0);
    assert!(is_among(&[RecordChange::Put(key.clone(), Vec::new())]));
    assert!(!is_among(&[RecordChange::Delete(key)]));
    assert!(!is_among(&[RecordChange::Put(known_to(user(), login_id(), &client()), Vec::new())]));
    assert!(!is_among(&[]));
}

#[test]
fn entries_are_in_the_order_of_their_times() {
    let first = entry(Timestamp::from_millis(255), &[9; 16], 0);
    let second = entry(Timestamp::from_millis(256), &[1; 16], 0);
    assert!(all() < first && first < second);
}
