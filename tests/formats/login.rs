//! The events of logins, their snapshot, their indexes, and the cookie.

use heirloom::login::{Life, LoggedIn, Login, LoginCookie, LoginEvent, LogoutReason, index};
use heirloom::oauth::{Actor, AuthenticationMethod, MacKeys};

use crate::frozen::Frozen;
use crate::kinds::{all_there, kinds, named};
use crate::values::{at, login_id, nonce, user_id};

kinds!(LoginEvent {
    LoggedIn => "logged_in",
    Reauthenticated => "reauthenticated",
    LoggedOut => "logged_out",
});

fn begun(persistent: bool) -> LoggedIn {
    LoggedIn {
        at: at(0),
        user: user_id(),
        user_epoch: 3,
        installation_epoch: 1,
        methods: vec![AuthenticationMethod::Password],
        nonce: nonce(1),
        persistent,
        absolute_expiry: at(86_400),
    }
}

fn bare() -> LoggedIn {
    LoggedIn { user_epoch: 0, installation_epoch: 0, methods: Vec::new(), ..begun(false) }
}

/// Every kind of event, with every optional field and without any.
fn events() -> Vec<(&'static str, LoginEvent)> {
    let out = |reason, by| LoginEvent::LoggedOut { at: at(120), reason, by };
    vec![
        ("full", LoginEvent::LoggedIn(begun(true))),
        ("bare", LoginEvent::LoggedIn(bare())),
        (
            "full",
            LoginEvent::Reauthenticated {
                at: at(60),
                methods: vec![AuthenticationMethod::Password],
                nonce: nonce(2),
                life: None,
                form: None,
            },
        ),
        (
            "whole",
            LoginEvent::Reauthenticated {
                at: at(90),
                methods: vec![AuthenticationMethod::Password],
                nonce: nonce(3),
                life: Some(Life { persistent: true, absolute_expiry: at(2_592_000) }),
                form: Some(login_id()),
            },
        ),
        ("full", out(LogoutReason::Logout, Some(Actor::User(user_id())))),
        ("bare", out(LogoutReason::Expired, None)),
    ]
}

#[test]
fn every_event_of_a_login_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("login-events.txt");
    for (case, event) in events() {
        assert_eq!(kind(&event), event.name());
        frozen.both_ways(&named(kind(&event), case), &event, LoginEvent::encode, LoginEvent::decode);
    }
    all_there(KINDS, &events().iter().map(|(_, event)| kind(event)).collect::<Vec<_>>());
    frozen.finish();
}

#[test]
fn the_snapshot_of_a_login_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("login-snapshots.txt");
    let events: Vec<_> = events().into_iter().filter(|(case, _)| *case != "whole").collect();
    let full = events.iter().map(|(_, event)| event).fold(None, Login::apply).unwrap();
    frozen.both_ways("login, full", &full, Login::encode, Login::decode);
    let renewed = self::events().iter().map(|(_, event)| event).fold(None, Login::apply).unwrap();
    frozen.both_ways("login, renewed", &renewed, Login::encode, Login::decode);
    let bare = Login::apply(None, &LoginEvent::LoggedIn(bare())).unwrap();
    frozen.both_ways("login, bare", &bare, Login::encode, Login::decode);
    frozen.finish();
}

#[test]
fn the_indexes_of_logins_have_the_keys_that_they_had() {
    assert_eq!(index::VERSION, 1, "other functions: let the file say what the new version makes");
    let mut frozen = Frozen::read("login-indexes.txt");
    frozen.bytes("of a user", index::of_user(user_id(), login_id()).as_bytes());
    frozen.bytes("expiry queue", index::queued(at(0), login_id()).as_bytes());
    frozen.bytes("removal queue", index::removable(at(0), login_id()).as_bytes());
    frozen.finish();
}

#[test]
fn the_cookie_of_a_login_is_made_and_read_as_it_was() {
    let mut frozen = Frozen::read("login-cookie.txt");
    let keys = MacKeys::new((3, &[0x88; 32]), []);
    let cookie = LoginCookie { login: login_id(), nonce: nonce(0x77), used: at(0) };
    let read = LoginCookie { used: heirloom::clock::Timestamp::from_seconds(at(0).seconds()), ..cookie };
    frozen.text("login cookie", &cookie.seal(&keys).unwrap());
    frozen.reads("login cookie", |text| assert_eq!(LoginCookie::open(&keys, text), Ok(read)));
    frozen.finish();
}
