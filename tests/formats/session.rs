//! The events of sessions and their snapshot.

use heirloom::oauth::{Actor, AuthenticationMethod, LoginId};
use heirloom::session::event::{Rotation, Started};
use heirloom::session::{Authorized, Code, LoginReference};
use heirloom::session::{EndReason, Issued, Session, SessionEvent, Summary};

use crate::frozen::Frozen;
use crate::kinds::{all_there, kinds, named};
use crate::values::{at, generation, kid, nonce, scope, user_id};

kinds!(SessionEvent {
    Started => "session_started",
    TokensIssued => "tokens_issued",
    TokensRotated => "tokens_rotated",
    AccessTokenIssued => "access_token_issued",
    ReuseDetected => "reuse_detected",
    ForeignClientRefused => "foreign_client_refused",
    Ended => "session_ended",
    RotationsSummarized => "rotations_summarized",
    Authorized => "session_authorized",
});

fn full_access() -> Issued {
    Issued { iat: 1_795_780_860, exp: 1_795_781_460, scope: Some(scope("read")), kid: kid() }
}

fn bare_access() -> Issued {
    Issued { scope: None, ..full_access() }
}

pub(crate) fn full_start() -> Started {
    Started {
        at: at(0),
        client: "web-app".parse().unwrap(),
        client_epoch: 2,
        user: Some(user_id()),
        user_epoch: 3,
        scope: scope("account read write"),
        audience: Some("https://api.example.com".parse().unwrap()),
        absolute_expiry: at(5_184_000),
        idle_expiry: at(1_209_600),
        refreshable: true,
        installation_epoch: Some(1),
        login: None,
    }
}

pub(crate) fn bare_start() -> Started {
    Started {
        client_epoch: 0,
        user_epoch: 0,
        scope: scope(""),
        audience: None,
        refreshable: false,
        installation_epoch: None,
        ..full_start()
    }
}

/// A client began to act for itself.
fn client_start() -> Started {
    Started { user: None, user_epoch: 0, refreshable: false, ..full_start() }
}

fn full_authorization() -> Authorized {
    let login = LoginReference {
        id: LoginId::from([0x77; 16]),
        auth_time: at(0),
        methods: vec![AuthenticationMethod::Password],
    };
    Authorized {
        started: Started { login: Some(login), at: at(30), ..full_start() },
        code: Code {
            nonce: nonce(9),
            redirect_uri: [0x66; 32],
            challenge: Some([0x88; 32].into()),
            openid_nonce: Some("n-0S6_WzA2Mj".to_owned()),
            consent_since: None,
            kept_until: None,
        },
        expiry: at(90),
    }
}

/// By a pushed request, and by a consent.
fn kept_authorization() -> Authorized {
    let Authorized { started, code, expiry } = full_authorization();
    Authorized {
        started,
        code: Code { consent_since: Some(at(10)), kept_until: Some(at(3_690)), ..code },
        expiry,
    }
}

fn bare_authorization() -> Authorized {
    let Authorized { started, code, expiry } = full_authorization();
    let started = Started { login: started.login, at: started.at, ..bare_start() };
    Authorized { started, code: Code { challenge: None, openid_nonce: None, ..code }, expiry }
}

fn rotated(number: u8, access: Issued) -> SessionEvent {
    SessionEvent::TokensRotated {
        at: at(u64::from(number) * 60),
        generation: generation(number.into()),
        nonce: nonce(number),
        access,
        idle_expiry: at(u64::from(number) * 60 + 1_209_600),
    }
}

fn summary(newest: std::ops::RangeInclusive<u8>, access: Issued) -> SessionEvent {
    let rotation = |number: u8| Rotation { at: at(u64::from(number) * 60), nonce: nonce(number) };
    SessionEvent::RotationsSummarized(Summary {
        rotations: 1_000,
        access_tokens: 7,
        first: at(60),
        last: at(60_000),
        generation: generation(1_000),
        newest: newest.map(rotation).collect(),
        access,
        idle_expiry: at(60_000 + 1_209_600),
    })
}

/// Every kind of event, with every optional field and without any.
fn events() -> Vec<(&'static str, SessionEvent)> {
    let ended = |reason, by| SessionEvent::Ended { at: at(120), reason, by };
    let issued = |access| SessionEvent::TokensIssued { at: at(0), nonce: nonce(0), access };
    let another = |access| SessionEvent::AccessTokenIssued { at: at(90), access };
    vec![
        ("full", SessionEvent::Started(full_start())),
        ("bare", SessionEvent::Started(bare_start())),
        ("of a client alone", SessionEvent::Started(client_start())),
        ("full", issued(full_access())),
        ("bare", issued(bare_access())),
        ("full", rotated(1, full_access())),
        ("bare", rotated(1, bare_access())),
        ("full", another(full_access())),
        ("bare", another(bare_access())),
        (
            "full",
            SessionEvent::ReuseDetected {
                at: at(100),
                presented: generation(1),
                current: generation(70_000),
                seconds_since: 4_000,
                code_redeemed_at: None,
            },
        ),
        (
            "of a code",
            SessionEvent::ReuseDetected {
                at: at(100),
                presented: generation(0),
                current: generation(3),
                seconds_since: 10,
                code_redeemed_at: Some(at(40)),
            },
        ),
        ("full", SessionEvent::Authorized(Box::new(full_authorization()))),
        ("bare", SessionEvent::Authorized(Box::new(bare_authorization()))),
        ("kept", SessionEvent::Authorized(Box::new(kept_authorization()))),
        ("full", SessionEvent::ForeignClientRefused { at: at(110), client: "other-app".parse().unwrap() }),
        ("full", ended(EndReason::User, Some(Actor::User(user_id())))),
        ("bare", ended(EndReason::Expired, None)),
        ("full", summary(1..=5, full_access())),
        ("bare", summary(1..=1, bare_access())),
    ]
}

/// A session after every kind of event.
fn full_session() -> Session {
    let mut events =
        vec![SessionEvent::Started(full_start()), summary(1..=5, full_access()), rotated(6, full_access())];
    events.push(SessionEvent::ReuseDetected {
        at: at(400),
        presented: generation(1),
        current: generation(6),
        seconds_since: 40,
        code_redeemed_at: None,
    });
    events.push(SessionEvent::ForeignClientRefused { at: at(410), client: "other-app".parse().unwrap() });
    events.push(SessionEvent::Ended { at: at(420), reason: EndReason::Reuse, by: None });
    let mut session = events.iter().fold(None, Session::apply).unwrap();
    session.confirmation = Some([0x55; 32]);
    session
}

/// A session of an installation that was never restored, after its first refresh.
pub(crate) fn once_rotated() -> Session {
    let started = SessionEvent::Started(Started { installation_epoch: None, ..full_start() });
    let events = [
        started,
        SessionEvent::TokensIssued { at: at(0), nonce: nonce(0), access: bare_access() },
        rotated(1, full_access()),
    ];
    events.iter().fold(None, Session::apply).unwrap()
}

/// A session whose code waits to be redeemed, and the same one afterwards.
pub(crate) fn authorized_sessions() -> [Session; 2] {
    let waits = Session::apply(None, &SessionEvent::Authorized(Box::new(full_authorization())));
    let issued = SessionEvent::TokensIssued { at: at(40), nonce: nonce(0), access: bare_access() };
    [waits.clone().unwrap(), Session::apply(waits, &issued).unwrap()]
}

fn bare_session() -> Session {
    Session::apply(None, &SessionEvent::Started(bare_start())).unwrap()
}

#[test]
fn every_event_of_a_session_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("session-events.txt");
    for (case, event) in events() {
        // The name is the one that administrators see.
        assert_eq!(kind(&event), event.name());
        frozen.both_ways(&named(kind(&event), case), &event, SessionEvent::encode, SessionEvent::decode);
    }
    all_there(KINDS, &events().iter().map(|(_, event)| kind(event)).collect::<Vec<_>>());
    frozen.finish();
}

#[test]
fn the_snapshot_of_a_session_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("session-snapshots.txt");
    frozen.both_ways("session, full", &full_session(), Session::encode, Session::decode);
    frozen.both_ways("session, bare", &bare_session(), Session::encode, Session::decode);
    let [waits, redeemed] = authorized_sessions();
    frozen.both_ways("session, authorized", &waits, Session::encode, Session::decode);
    frozen.both_ways("session, redeemed", &redeemed, Session::encode, Session::decode);
    frozen.finish();
}
