//! The records of back-channel logout: the outbox, and the deliveries.

use heirloom::app::backchannel_logout::delivery::{self, LogoutDelivery};
use heirloom::app::backchannel_logout::outbox::{self, Ending};
use heirloom::consent::ConsentId;
use heirloom::oauth::{ClientId, KeptId, SessionEpoch};

use crate::frozen::Frozen;
use crate::kinds::{all_there, kinds};
use crate::values::{at, login_id, session_id, user_id};

kinds!(Ending {
    Login => "login",
    Session => "session",
    User => "user",
    Consent => "consent",
});

fn client() -> ClientId {
    "web-app".parse().unwrap()
}

#[test]
fn every_entry_of_the_outbox_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("logout-outbox.txt");
    let (user, login, kept) = (user_id(), login_id(), Some(KeptId::from(session_id())));
    let endings = [
        ("login", Ending::Login { login, user }),
        ("session", Ending::Session { client: client(), login, user }),
        ("user, full", Ending::User { user, before: SessionEpoch { epoch: 3, kept } }),
        ("user, bare", Ending::User { user, before: SessionEpoch::default() }),
        ("consent", Ending::Consent { client: client(), user, at: at(0) }),
    ];
    for (name, ending) in &endings {
        frozen.both_ways(name, ending, Ending::encode, Ending::decode);
    }
    all_there(KINDS, &endings.map(|(_, ending)| kind(&ending)));
    frozen.bytes("known to a client", outbox::known_to(user, login, &client()).as_bytes());
    frozen.bytes("key", outbox::entry(at(0), login_id().as_bytes(), 3).as_bytes());
    let id = ConsentId { user, client: client() };
    frozen.bytes("key of a withdrawal", outbox::withdrawal(&id, at(0)).as_bytes());
    frozen.finish();
}

#[test]
fn every_delivery_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("logout-deliveries.txt");
    let bare = LogoutDelivery {
        client: client(),
        user: user_id(),
        login: login_id(),
        since: at(0),
        tries: 0,
        last_error: None,
    };
    let full = LogoutDelivery { tries: 2, last_error: Some("it answered 500".to_owned()), ..bare.clone() };
    frozen.both_ways("delivery, full", &full, LogoutDelivery::encode, LogoutDelivery::decode);
    frozen.both_ways("delivery, bare", &bare, LogoutDelivery::encode, LogoutDelivery::decode);
    let id = delivery::id(&outbox::entry(at(0), login_id().as_bytes(), 0), login_id(), &client());
    frozen.bytes("id", &id);
    frozen.bytes("pending", delivery::pending(&client(), at(0), &id).as_bytes());
    frozen.bytes("given up", delivery::given_up(at(0), &id).as_bytes());
    frozen.finish();
}
