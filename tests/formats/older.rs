//! What earlier versions wrote, without fields that came later. It is read, but not written any more.

use heirloom::client::{Client, ClientEvent, ClientMetadata};
use heirloom::oauth::{SessionEpoch, SigningAlgorithm};
use heirloom::session::event::Started;
use heirloom::session::{Session, SessionEvent};
use heirloom::user::{Status, User};

use crate::client::{bare_metadata, full_metadata};
use crate::frozen::Frozen;
use crate::session::{full_start, once_rotated};
use crate::values::{administrator, at, session_id};

/// A registration from before introspection could tell users' names.
fn metadata() -> ClientMetadata {
    ClientMetadata { introspects_usernames: false, ..without_roles() }
}

/// A registration from before clients had roles.
fn without_roles() -> ClientMetadata {
    ClientMetadata { roles: Vec::new(), ..without_redirect_uris() }
}

/// A registration from before a client chose what its ID tokens are signed by.
fn without_algorithm() -> ClientMetadata {
    ClientMetadata { id_token_signed_response_alg: SigningAlgorithm::Rs256, ..full_metadata() }
}

/// A registration from before people signed in on heirloom's pages.
fn without_redirect_uris() -> ClientMetadata {
    let (full, bare) = (full_metadata(), bare_metadata());
    ClientMetadata {
        client_name: full.client_name,
        token_endpoint_auth_method: full.token_endpoint_auth_method,
        grant_types: full.grant_types,
        scope: full.scope,
        default_audience: full.default_audience,
        refresh_tokens: full.refresh_tokens,
        lifetimes: full.lifetimes,
        retry_window: full.retry_window,
        reuse: full.reuse,
        revoke_access_tokens: full.revoke_access_tokens,
        introspects: full.introspects,
        origins: full.origins,
        refresh_token_delivery: full.refresh_token_delivery,
        introspects_usernames: full.introspects_usernames,
        roles: full.roles,
        ..bare
    }
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
        &ClientEvent::Registered { at: at(0), metadata: Box::new(metadata()), by: None },
        ClientEvent::decode,
    );
    let client =
        Client { session_epoch: SessionEpoch::default(), disabled: false, metadata: Some(metadata()) };
    frozen.still_read("client, without usernames", &client, Client::decode);
    let registered =
        ClientEvent::Registered { at: at(0), metadata: Box::new(without_roles()), by: Some(administrator()) };
    frozen.still_read("client_registered, without roles", &registered, ClientEvent::decode);
    let updated =
        ClientEvent::Updated { at: at(0), metadata: Box::new(without_roles()), by: Some(administrator()) };
    frozen.still_read("client_updated, without roles", &updated, ClientEvent::decode);
    let registered = ClientEvent::Registered { at: at(0), metadata: Box::new(bare_metadata()), by: None };
    frozen.still_read("client_registered, bare, without roles", &registered, ClientEvent::decode);
    let updated = ClientEvent::Updated { at: at(0), metadata: Box::new(bare_metadata()), by: None };
    frozen.still_read("client_updated, bare, without roles", &updated, ClientEvent::decode);
    let session_epoch = SessionEpoch { epoch: 3, kept: Some(session_id().into()) };
    let client = Client { session_epoch, disabled: true, metadata: Some(without_roles()) };
    frozen.still_read("client, without roles", &client, Client::decode);
    for (kind, metadata, by) in
        [("", without_redirect_uris(), Some(administrator())), ("bare, ", bare_metadata(), None)]
    {
        let registered = ClientEvent::Registered { at: at(0), metadata: Box::new(metadata.clone()), by };
        let name = format!("client_registered, {kind}without redirect URIs");
        frozen.still_read(&name, &registered, ClientEvent::decode);
        let updated = ClientEvent::Updated { at: at(0), metadata: Box::new(metadata), by };
        frozen.still_read(
            &format!("client_updated, {kind}without redirect URIs"),
            &updated,
            ClientEvent::decode,
        );
    }
    let client = Client { session_epoch, disabled: true, metadata: Some(without_redirect_uris()) };
    frozen.still_read("client, without redirect URIs", &client, Client::decode);
    let (by, without_logo) = (Some(administrator()), ClientMetadata { logo: None, ..without_algorithm() });
    let registered = ClientEvent::Registered { at: at(0), metadata: Box::new(without_logo.clone()), by };
    frozen.still_read("client_registered, without a logo", &registered, ClientEvent::decode);
    let updated = ClientEvent::Updated { at: at(0), metadata: Box::new(without_logo.clone()), by };
    frozen.still_read("client_updated, without a logo", &updated, ClientEvent::decode);
    let client = Client { session_epoch, disabled: true, metadata: Some(without_logo) };
    frozen.still_read("client, without a logo", &client, Client::decode);
    for (kind, metadata, by) in
        [("", without_algorithm(), Some(administrator())), ("bare, ", bare_metadata(), None)]
    {
        let registered = ClientEvent::Registered { at: at(0), metadata: Box::new(metadata.clone()), by };
        let name = format!("client_registered, {kind}without what signs ID tokens");
        frozen.still_read(&name, &registered, ClientEvent::decode);
        let updated = ClientEvent::Updated { at: at(0), metadata: Box::new(metadata), by };
        let name = format!("client_updated, {kind}without what signs ID tokens");
        frozen.still_read(&name, &updated, ClientEvent::decode);
    }
    let client = Client { session_epoch, disabled: true, metadata: Some(without_algorithm()) };
    frozen.still_read("client, without what signs ID tokens", &client, Client::decode);
    users(&mut frozen);
    frozen.finish();
}

/// Users from before it was kept when their profile last changed.
fn users(frozen: &mut Frozen) {
    let user = User {
        status: Status::Disabled,
        session_epoch: SessionEpoch { epoch: 300, kept: Some(session_id().into()) },
        roles: vec!["admin".to_owned(), "user".to_owned()],
        profile_changed_at: None,
    };
    frozen.still_read("user, without the profile's time", &user, User::decode);
}
