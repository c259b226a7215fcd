//! Decides which events follow from a command on a client.

use super::event::ClientEvent;
use super::metadata::ClientMetadata;
use super::state::Client;
use crate::clock::Timestamp;
use crate::oauth::Actor;

/// A command on a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Register the client.
    Register {
        /// The metadata to register.
        metadata: ClientMetadata,
    },
    /// Change the client's metadata.
    Update {
        /// The new metadata. It can't turn a public client into a confidential one or the other way round.
        metadata: ClientMetadata,
    },
    /// Give the client a new secret.
    RotateSecret {
        /// Until when the old secret stays valid, in milliseconds since the Unix epoch.
        old_until: Timestamp,
    },
    /// Switch it off.
    Disable,
    /// Switch it on.
    Enable,
    /// End all its sessions.
    EndSessions,
    /// Delete it.
    Delete,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A client with this id exists.
    #[error("the client exists")]
    Exists,
    /// There is no such client, or not any more.
    #[error("there is no such client")]
    Unknown,
    /// A public client can't become confidential or the other way round, and a public client has no secret.
    #[error("the client is of the other kind")]
    Kind,
}

/// A command with everything needed to decide it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEnvelope {
    /// The command.
    pub command: Command,
    /// Whether the configuration declares the client. Such a client can be switched off and on, and its sessions ended,
    /// without a restart; its metadata can be changed in the configuration only.
    pub declared: bool,
    /// Who gave the command; recorded on the event.
    pub by: Option<Actor>,
    /// When the command was given, in milliseconds since the Unix epoch.
    pub at: Timestamp,
}

/// The events that follow from a command on `client`; empty if it changes nothing.
///
/// # Errors
/// [`Denied`]: then nothing may be appended.
pub fn decide(client: &Client, envelope: CommandEnvelope) -> Result<Vec<ClientEvent>, Denied> {
    let CommandEnvelope { command, declared, by, at } = envelope;
    let event = match (command, &client.metadata) {
        (Command::EndSessions | Command::Disable | Command::Enable, None) if !declared => {
            return Err(Denied::Unknown);
        }
        (Command::EndSessions, _) => ClientEvent::SessionsEnded { at, by },
        (Command::Disable, _) if client.disabled => return Ok(Vec::new()),
        (Command::Disable, _) => ClientEvent::Disabled { at, by },
        (Command::Enable, _) if !client.disabled => return Ok(Vec::new()),
        (Command::Enable, _) => ClientEvent::Enabled { at, by },
        (Command::Register { metadata }, None) => {
            ClientEvent::Registered { at, metadata: Box::new(metadata), by }
        }
        (Command::Register { .. }, Some(_)) => return Err(Denied::Exists),
        (_, None) => return Err(Denied::Unknown),
        (Command::Update { metadata }, Some(old)) => {
            if metadata.token_endpoint_auth_method != old.token_endpoint_auth_method {
                return Err(Denied::Kind);
            }
            if metadata == *old {
                return Ok(Vec::new());
            }
            ClientEvent::Updated { at, metadata: Box::new(metadata), by }
        }
        (Command::RotateSecret { old_until }, Some(metadata)) => {
            if metadata.token_endpoint_auth_method.is_public() {
                return Err(Denied::Kind);
            }
            ClientEvent::SecretRotated { at, old_until, by }
        }
        (Command::Delete, Some(_)) => ClientEvent::Deleted { at, by },
    };
    Ok(vec![event])
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::TokenEndpointAuthMethod::{self, ClientSecret};
    use crate::client::{
        ConsentPolicy, Delivery, Lifetimes, PkcePolicy, RefreshTokens, RetryWindow, ReusePolicy,
    };
    use crate::oauth::{GrantType, SessionId, SigningAlgorithm};

    const AT: Timestamp = Timestamp::from_seconds(1);

    /// Everything that a client can have.
    pub(in crate::client) fn metadata(method: TokenEndpointAuthMethod) -> ClientMetadata {
        ClientMetadata {
            client_name: "Web".to_owned(),
            token_endpoint_auth_method: method,
            grant_types: GrantType::ALL.to_vec(),
            scope: "read".parse().unwrap(),
            default_audience: "api".parse().unwrap(),
            refresh_tokens: RefreshTokens::OfflineAccess,
            lifetimes: Lifetimes::default(),
            retry_window: RetryWindow::For(Duration::from_millis(1500)),
            reuse: ReusePolicy::Refuse,
            revoke_access_tokens: true,
            introspects: vec!["api".parse().unwrap()],
            introspects_usernames: true,
            roles: vec!["reporter".to_owned()],
            origins: vec!["https://app.example.com".parse().unwrap()],
            refresh_token_delivery: Delivery::Cookie,
            redirect_uris: vec!["https://app.example.com/callback".parse().unwrap()],
            post_logout_redirect_uris: vec!["https://app.example.com/".parse().unwrap()],
            require_pushed_authorization_requests: true,
            pkce: PkcePolicy::Optional,
            consent: ConsentPolicy::Implied,
            backchannel_logout_uri: "https://app.example.com/logout".parse().ok(),
            client_uri: "https://app.example.com".parse().ok(),
            policy_uri: "https://app.example.com/privacy".parse().ok(),
            tos_uri: "https://app.example.com/terms#all".parse().ok(),
            logo: Some("app.png".to_owned()),
            id_token_signed_response_alg: SigningAlgorithm::Es256,
        }
    }

    fn register() -> Command {
        Command::Register { metadata: metadata(ClientSecret) }
    }

    fn given(commands: Vec<Command>) -> Client {
        commands.into_iter().fold(Client::default(), |client, command| {
            let events = decide(&client, envelope(command, false)).unwrap();
            assert!(events.iter().all(|event| ClientEvent::decode(&event.encode()).as_ref() == Ok(event)));
            events.iter().fold(client, Client::apply)
        })
    }

    fn denied(client: &Client, command: Command) -> Denied {
        decide(client, envelope(command, false)).unwrap_err()
    }

    fn envelope(command: Command, declared: bool) -> CommandEnvelope {
        CommandEnvelope { command, declared, by: Some(Actor::System), at: AT }
    }

    #[test]
    fn switching_a_client_off_and_on_leaves_its_old_sessions_ended() {
        let registered = given(vec![register()]);
        let epoch = registered.session_epoch.epoch;
        let client = given(vec![register(), Command::Disable]);
        assert!(client.disabled);
        let client = given(vec![register(), Command::Disable, Command::Enable]);
        assert!(!client.disabled);
        assert!(!client.session_epoch.covers(SessionId::from([1; 16]), epoch));
        assert_eq!(Client::decode(&client.encode()), Ok(client));
    }

    /// In ZITADEL, a client registered under an id that was in use before inherited what had belonged to it
    /// (CVE-2026-55670).
    #[test]
    fn an_id_that_is_registered_again_inherits_no_session() {
        let epochs: Vec<u32> = [vec![], vec![register()], vec![register(), Command::Delete, register()]]
            .map(|commands| given(commands).session_epoch.epoch)
            .to_vec();
        // Neither does it inherit a session, started in epoch 0, of a client that the configuration declared under this
        // id.
        assert!(epochs[0] < epochs[1] && epochs[1] < epochs[2], "{epochs:?}");
    }

    #[test]
    fn a_client_that_is_not_there_can_only_be_registered() {
        let gone = given(vec![register(), Command::Delete]);
        for client in [Client::default(), gone] {
            for command in [
                Command::Update { metadata: metadata(ClientSecret) },
                Command::Disable,
                Command::EndSessions,
                Command::Delete,
            ] {
                assert_eq!(denied(&client, command), Denied::Unknown);
            }
        }
        assert_eq!(denied(&given(vec![register()]), register()), Denied::Exists);
    }

    #[test]
    fn a_declared_client_is_switched_off_and_on_and_nothing_else() {
        let off = decide(&Client::default(), envelope(Command::Disable, true)).unwrap();
        let off = off.iter().fold(Client::default(), Client::apply);
        assert!(off.disabled && off.session_epoch.epoch == 1);
        assert!(decide(&off, envelope(Command::Enable, true)).is_ok_and(|events| events.len() == 1));
        assert_eq!(decide(&off, envelope(Command::Delete, true)), Err(Denied::Unknown));
    }

    #[test]
    fn public_and_confidential_clients_stay_what_they_are() {
        let public = given(vec![Command::Register { metadata: metadata(TokenEndpointAuthMethod::None) }]);
        assert_eq!(denied(&public, Command::Update { metadata: metadata(ClientSecret) }), Denied::Kind);
        assert_eq!(denied(&public, Command::RotateSecret { old_until: AT }), Denied::Kind);
    }

    #[test]
    fn doing_it_again_changes_nothing() {
        let client = given(vec![register(), Command::Disable]);
        for command in [Command::Disable, Command::Update { metadata: metadata(ClientSecret) }] {
            assert_eq!(decide(&client, envelope(command, false)), Ok(Vec::new()));
        }
    }

    #[test]
    fn a_snapshot_from_before_clients_were_registered_is_read() {
        // Format 1: [[2], true].
        let before = [1, 0x82, 0x81, 2, 0xF5];
        let client = Client::decode(&before).unwrap();
        assert_eq!((client.session_epoch.epoch, client.disabled, client.metadata), (2, true, None));
    }

    #[test]
    fn enabling_a_client_that_is_on_changes_nothing() {
        let client = given(vec![register()]);
        assert_eq!(decide(&client, envelope(Command::Enable, false)), Ok(Vec::new()));
    }

    #[test]
    fn ending_all_sessions_ends_those_that_there_are_and_nothing_else() {
        let before = given(vec![register()]);
        let after = given(vec![register(), Command::EndSessions]);
        assert!(!after.session_epoch.covers(SessionId::from([1; 16]), before.session_epoch.epoch));
        assert_eq!((after.disabled, after.metadata), (false, before.metadata));
    }

    #[test]
    fn what_is_changed_is_registered_from_then_on_and_ends_no_session() {
        let metadata = ClientMetadata { client_name: "Another".to_owned(), ..metadata(ClientSecret) };
        let before = given(vec![register()]);
        let after = given(vec![register(), Command::Update { metadata: metadata.clone() }]);
        assert_eq!(after, Client { metadata: Some(metadata), ..before });
    }
}
