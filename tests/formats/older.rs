//! What earlier versions wrote, without fields that came later. It is read, but not written any more.

use heirloom::client::{Client, ClientEvent, ClientMetadata};
use heirloom::oauth::SessionEpoch;
use heirloom::session::event::Started;
use heirloom::session::{Session, SessionEvent};

use crate::client::full_metadata;
use crate::frozen::Frozen;
use crate::session::{full_start, once_rotated};
use crate::values::at;

/// A registration from before introspection could tell users' names.
fn metadata() -> ClientMetadata {
    ClientMetadata { introspects_usernames: false, ..full_metadata() }
}

#[test]
fn what_an_earlier_version_wrote_is_read_with_the_defaults_of_later_fields() {
    let mut frozen = Frozen::read("older.txt");
    let started = Started { installation_epoch: None, ..full_start() };
    frozen.still_read(
        "session_started, without the installation's epoch",
        &SessionEvent::Started(started),
        SessionEvent::decode,
    );
    frozen.still_read("session, without earlier nonces", &once_rotated(), Session::decode);
    frozen.still_read(
        "client_registered, without usernames",
        &ClientEvent::Registered { at: at(0), metadata: metadata(), by: None },
        ClientEvent::decode,
    );
    let client =
        Client { session_epoch: SessionEpoch::default(), disabled: false, metadata: Some(metadata()) };
    frozen.still_read("client, without usernames", &client, Client::decode);
    frozen.finish();
}
