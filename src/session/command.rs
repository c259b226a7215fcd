//! The commands to a session, with everything that deciding them needs.

use std::time::Duration;

use super::availability::Availability;
use crate::clock::{Steps, Timestamp};
use crate::oauth::{Audience, ClientId, Generation, Kid, Nonce, Scope, SessionEpoch, SessionId, UserId};

/// Start a session and issue its first pair, after somebody has signed in.
#[derive(Clone, Debug)]
pub struct Start {
    /// The client, and its session epoch.
    pub client: (ClientId, SessionEpoch),
    /// The user, and the session epoch under which the password was verified.
    pub user: (UserId, SessionEpoch),
    /// What the client is granted.
    pub scope: Scope,
    /// The part of it that the user's roles permit now.
    pub permitted: Scope,
    /// The resource server that the tokens are for.
    pub audience: Option<Audience>,
    /// Whether the client gets a refresh token.
    pub refreshable: bool,
    /// The lifetimes and rules of the client's sessions.
    pub policy: Policy,
    /// The first refresh token's nonce.
    pub nonce: Nonce,
    /// The key that will sign the access token.
    pub kid: Kid,
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// The time, in milliseconds since the Unix epoch.
    pub now: Timestamp,
}

/// A refresh token was presented.
#[derive(Clone, Debug)]
pub struct Refresh<'a> {
    /// The session that the token names.
    pub session: SessionId,
    /// The token's place in the family.
    pub presented: Presented,
    /// The authenticated client that presented it.
    pub client: &'a ClientId,
    /// The client's session epoch; `None` if the client is deleted or switched off.
    pub client_epoch: Option<SessionEpoch>,
    /// The user's session epoch; `None` if the account is deleted or switched off.
    pub user_epoch: Option<SessionEpoch>,
    /// Whether the login of an online session has ended.
    pub login_has_ended: bool,
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// The requested scope; `None` if none was requested.
    pub requested: Option<&'a Scope>,
    /// The requested resource servers (RFC 8707).
    pub resources: &'a [Audience],
    /// The part of the session's granted scope that the client may have and the user's roles permit now.
    pub permitted: &'a Scope,
    /// The client's rules for sessions.
    pub policy: Policy,
    /// A fresh nonce, used if the token is rotated. It stays the same when one request is decided again.
    pub nonce: Nonce,
    /// The key that would sign.
    pub kid: Kid,
    /// The time, in milliseconds since the Unix epoch.
    pub now: Timestamp,
    /// The jumps of the clock that this process has seen, so that they don't count as time.
    pub steps: Steps,
    /// For how long requests were answered, so that an outage does not count either.
    pub availability: Availability,
    /// By how much the clock may differ from that of the node that wrote a time.
    pub skew: Duration,
}

/// The place of a presented refresh token in its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Its generation.
    pub generation: Generation,
    /// Its nonce.
    pub nonce: Nonce,
}

/// The rules of a client's registration for its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an access token lasts.
    pub access_token: Duration,
    /// How long an unused refresh token lasts.
    pub refresh_idle: Duration,
    /// How long a session lasts.
    pub refresh_absolute: Duration,
    /// How long after its rotation a token is accepted again.
    pub retry_window: Duration,
    /// Whether the previous generation is accepted as long as its successor is unused, without a time limit.
    pub retry_until_used: bool,
    /// Whether the use of an earlier generation ends the family.
    pub reuse_ends_family: bool,
}
