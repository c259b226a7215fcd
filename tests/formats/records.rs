//! Records outside the log: the vault and the indexes. Checks their keys, and values that are more than an id or a
//! name.

use heirloom::client::vault::{self as client_vault, Secrets};
use heirloom::client::{Client, SecretDigest};
use heirloom::consent::ConsentId;
use heirloom::installation::Installation;
use heirloom::login::Login;
use heirloom::oauth::ClientId;
use heirloom::session::event::Started;
use heirloom::session::{Device, EndReason, Session, SessionEvent, device, index};
use heirloom::store::{RecordChange, RecordKey};
use heirloom::user::vault::{self as user_vault, Invitation, OpenInvitation};
use heirloom::user::{self, Profile};

use crate::client::full_metadata;
use crate::frozen::Frozen;
use crate::session::{authorized_sessions, bare_start};
use crate::values::{at, login_id, session_id, user_id};

fn client_id() -> ClientId {
    "web-app".parse().unwrap()
}

/// The keys that functions of the crate make.
fn keys() -> Vec<(&'static str, RecordKey)> {
    vec![
        ("user: who has a name", user_vault::by_name(&" Ann ".parse().unwrap())),
        ("user: password", user_vault::password(user_id())),
        ("user: name for people", user_vault::display_name(user_id())),
        ("user: profile", user_vault::profile(user_id())),
        ("user: who has an address", user_vault::by_address(&"Ann@Bücher.example".parse().unwrap())),
        ("user: invitation by its code", user_vault::invitation(&[0x66; 32])),
        ("user: open invitation", user_vault::open_invitation(user_id())),
        ("user: invitations that are due", user_vault::invitation_due(at(0), user_id())),
        ("session: device", device::record(user_id(), session_id())),
        ("login: device", device::record(user_id(), login_id())),
        ("session: of a user", index::of_user(user_id(), session_id())),
        ("session: of a client", index::of_client(&client_id(), session_id())),
        ("session: expiry queue", index::queued(at(0), session_id())),
        ("session: removal queue", index::removable(at(0), session_id())),
        ("client: secrets", client_vault::secrets(&client_id())),
        ("client: registered", client_vault::registered(&client_id())),
        ("store: restored", RecordKey::restored()),
    ]
}

#[test]
fn every_record_has_the_key_that_it_had() {
    let mut frozen = Frozen::read("record-keys.txt");
    for (name, key) in keys() {
        frozen.bytes(name, key.as_bytes());
    }
    // No function makes a single key of the index by origins.
    let registered = Client { metadata: Some(full_metadata()), ..Client::default() };
    let changes = client_vault::changes(&client_id(), &Client::default(), &registered);
    for (change, name) in changes.into_iter().skip(1).zip(["client: by origin", "client: by another"]) {
        let RecordChange::Put(key, value) = change else { panic!("{change:?}") };
        assert!(value.is_empty());
        frozen.bytes(name, key.as_bytes());
    }
    frozen.finish();
}

#[test]
fn every_record_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("record-values.txt");
    let email = Some("Ann@example.com".parse().unwrap());
    let full = Profile { email, display_name: Some("Ann Lee ♥".parse().unwrap()) };
    frozen.both_ways("profile, full", &full, Profile::encode, Profile::decode);
    frozen.both_ways("profile, bare", &Profile::default(), Profile::encode, Profile::decode);

    let device = Device::new(Some("curl/8.5.0"), Some("Ann's phone"));
    frozen.both_ways("device, full", &device, Device::encode, Device::decode);
    frozen.both_ways("device, bare", &Device::default(), Device::encode, Device::decode);

    let (account, until) = (user_id(), at(0));
    let invitation = Invitation { account, until };
    let read = |bytes: &[u8]| Invitation::decode(bytes).ok_or("none");
    frozen.both_ways("invitation by its code", &invitation, Invitation::encode, read);
    let open = OpenInvitation { digest: [0x66; 32], until };
    let read = |bytes: &[u8]| OpenInvitation::decode(bytes).ok_or("none");
    frozen.both_ways("open invitation", &open, OpenInvitation::encode, read);

    let one = Secrets::default().rotated(SecretDigest::of("first"), at(0), at(0));
    let two = one.rotated(SecretDigest::of("second"), at(60), at(3600));
    frozen.both_ways("client secrets, one", &one, Secrets::encode, Secrets::decode);
    frozen.both_ways("client secrets, two", &two, Secrets::encode, Secrets::decode);
    frozen.finish();
}

/// A rebuild of the indexes may make other records than before, but then their version must change too.
#[test]
fn the_indexes_of_sessions_are_what_their_version_says() {
    assert_eq!(index::VERSION, 2, "other functions: let the file say what the new version makes");
    let mut frozen = Frozen::read("session-indexes.txt");
    let start = Started { idle_expiry: at(3600), ..bare_start() };
    let live = Session::apply(None, &SessionEvent::Started(start)).unwrap();
    let end = SessionEvent::Ended { at: at(60), reason: EndReason::User, by: None };
    let ended = Session::apply(Some(live.clone()), &end).unwrap();
    let [authorized, _] = authorized_sessions();
    for (status, session) in [("live", live), ("ended", ended), ("authorized", authorized)] {
        for (number, key) in index::entries(session_id(), &session).iter().enumerate() {
            frozen.bytes(&format!("{status} {number}"), key.as_bytes());
        }
    }
    frozen.finish();
}

#[test]
fn every_stream_has_the_name_that_it_had() {
    let mut frozen = Frozen::read("streams.txt");
    for (name, stream) in [
        ("session", Session::stream(session_id())),
        ("user", user::stream(user_id())),
        ("login", Login::stream(login_id())),
        ("consent", ConsentId { user: user_id(), client: client_id() }.stream()),
        ("client", Client::stream(&client_id())),
        ("installation", Installation::stream()),
    ] {
        frozen.bytes(name, stream.unwrap().as_bytes());
    }
    frozen.finish();
}
