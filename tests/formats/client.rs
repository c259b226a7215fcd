//! The events of clients and their snapshot.

use std::time::Duration;

use heirloom::client::{
    Client, ClientEvent, ClientMetadata, ConsentPolicy, Delivery, Lifetimes, PkcePolicy, RefreshTokens,
    RetryWindow, ReusePolicy, TokenEndpointAuthMethod,
};
use heirloom::oauth::{GrantType, SessionEpoch, SigningAlgorithm};

use crate::frozen::Frozen;
use crate::kinds::{all_there, kinds, named};
use crate::values::{administrator, at, scope, session_id};

kinds!(ClientEvent {
    Disabled => "client_disabled",
    Enabled => "client_enabled",
    SessionsEnded => "client_sessions_ended",
    Registered => "client_registered",
    Updated => "client_updated",
    SecretRotated => "client_secret_rotated",
    Deleted => "client_deleted",
});

/// A registration with every field set.
pub(crate) fn full_metadata() -> ClientMetadata {
    ClientMetadata {
        client_name: "The app".to_owned(),
        token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecret,
        grant_types: vec![GrantType::Password, GrantType::RefreshToken],
        scope: scope("account read write"),
        default_audience: "https://api.example.com".parse().unwrap(),
        refresh_tokens: RefreshTokens::OfflineAccess,
        lifetimes: Lifetimes {
            access_token: Duration::from_mins(5),
            refresh_idle: Duration::from_hours(24),
            refresh_absolute: Duration::from_hours(240),
        },
        retry_window: RetryWindow::For(Duration::from_secs(45)),
        reuse: ReusePolicy::Refuse,
        revoke_access_tokens: true,
        introspects: vec!["https://api.example.com".parse().unwrap(), "demo-api".parse().unwrap()],
        origins: vec!["https://app.example.com".parse().unwrap(), "http://localhost:3000".parse().unwrap()],
        refresh_token_delivery: Delivery::Cookie,
        introspects_usernames: true,
        roles: vec!["reporter".to_owned(), "auditor".to_owned()],
        redirect_uris: vec![
            "https://app.example.com/callback".parse().unwrap(),
            "http://127.0.0.1/callback".parse().unwrap(),
            "com.example.app:/callback".parse().unwrap(),
        ],
        post_logout_redirect_uris: vec!["https://app.example.com/".parse().unwrap()],
        require_pushed_authorization_requests: true,
        pkce: PkcePolicy::Optional,
        consent: ConsentPolicy::Implied,
        backchannel_logout_uri: "https://app.example.com/logout".parse().ok(),
        client_uri: "https://app.example.com".parse().ok(),
        policy_uri: "https://app.example.com/privacy".parse().ok(),
        tos_uri: "https://app.example.com/terms#all".parse().ok(),
        id_token_signed_response_alg: SigningAlgorithm::Es256,
        logo: Some("app.png".to_owned()),
    }
}

/// A registration in which every field is unset that may be.
pub(crate) fn bare_metadata() -> ClientMetadata {
    ClientMetadata {
        client_name: String::new(),
        token_endpoint_auth_method: TokenEndpointAuthMethod::None,
        grant_types: Vec::new(),
        scope: scope(""),
        default_audience: "demo-api".parse().unwrap(),
        refresh_tokens: RefreshTokens::Always,
        lifetimes: Lifetimes::default(),
        retry_window: RetryWindow::UntilUsed,
        reuse: ReusePolicy::EndFamily,
        revoke_access_tokens: false,
        introspects: Vec::new(),
        origins: Vec::new(),
        refresh_token_delivery: Delivery::Body,
        introspects_usernames: false,
        roles: Vec::new(),
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        require_pushed_authorization_requests: false,
        pkce: PkcePolicy::Required,
        consent: ConsentPolicy::Ask,
        backchannel_logout_uri: None,
        client_uri: None,
        policy_uri: None,
        tos_uri: None,
        id_token_signed_response_alg: SigningAlgorithm::Rs256,
        logo: None,
    }
}

fn events(metadata: &ClientMetadata, by: Option<heirloom::oauth::Actor>) -> [ClientEvent; 7] {
    let at = at(0);
    [
        ClientEvent::Disabled { at, by },
        ClientEvent::Enabled { at, by },
        ClientEvent::SessionsEnded { at, by },
        ClientEvent::Registered { at, metadata: Box::new(metadata.clone()), by },
        ClientEvent::Updated { at, metadata: Box::new(metadata.clone()), by },
        ClientEvent::SecretRotated { at, old_until: crate::values::at(86_400), by },
        ClientEvent::Deleted { at, by },
    ]
}

#[test]
fn every_event_of_a_client_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("client-events.txt");
    let (full, bare) = (events(&full_metadata(), Some(administrator())), events(&bare_metadata(), None));
    for (case, events) in [("full", full), ("bare", bare)] {
        for event in &events {
            frozen.both_ways(&named(kind(event), case), event, ClientEvent::encode, ClientEvent::decode);
        }
        all_there(KINDS, &events.iter().map(kind).collect::<Vec<_>>());
    }
    frozen.finish();
}

#[test]
fn the_snapshot_of_a_client_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("client-snapshots.txt");
    let session_epoch = SessionEpoch { epoch: 3, kept: Some(session_id().into()) };
    let full = Client { session_epoch, disabled: true, metadata: Some(full_metadata()) };
    frozen.both_ways("client, full", &full, Client::encode, Client::decode);
    frozen.both_ways("client, bare", &Client::default(), Client::encode, Client::decode);
    frozen.finish();
}
