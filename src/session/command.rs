//! What is asked of a session, with everything that deciding it needs.

use std::time::Duration;

use crate::clock::{Steps, Timestamp};
use crate::oauth::{Audience, ClientId, Generation, Kid, Nonce, Scope, SessionEpoch, SessionId, UserId};

/// Somebody has signed in: start a session and issue its first pair.
#[derive(Clone, Debug)]
pub struct Start {
    /// The client, and its session epoch.
    pub client: (ClientId, SessionEpoch),
    /// The user, and the session epoch that the password was checked under.
    pub user: (UserId, SessionEpoch),
    /// What the client is granted.
    pub scope: Scope,
    /// What of it the user's roles permit now.
    pub permitted: Scope,
    /// The resource server that the tokens are for.
    pub audience: Option<Audience>,
    /// Whether the client gets a refresh token.
    pub refreshable: bool,
    /// How long things last.
    pub policy: Policy,
    /// The first refresh token's nonce.
    pub nonce: Nonce,
    /// The key that will sign.
    pub kid: Kid,
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// Now.
    pub now: Timestamp,
}

/// A refresh token was presented.
#[derive(Clone, Debug)]
pub struct Refresh<'a> {
    /// The session that the token names.
    pub session: SessionId,
    /// What the token says of its place in the family.
    pub presented: Presented,
    /// The client that presented it, as it proved to be.
    pub client: &'a ClientId,
    /// The client's session epoch; none if it is gone or switched off.
    pub client_epoch: Option<SessionEpoch>,
    /// The user's session epoch; none if the account is gone or switched off.
    pub user_epoch: Option<SessionEpoch>,
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// The scope that was asked for, if any was.
    pub requested: Option<&'a Scope>,
    /// The resource servers that were asked for.
    pub resources: &'a [Audience],
    /// Of what the session was granted: what the client may have and the user's roles permit now.
    pub permitted: &'a Scope,
    /// What the client's registration says.
    pub policy: Policy,
    /// A fresh nonce, in case the token is rotated; the same one each time that one request is decided again.
    pub nonce: Nonce,
    /// The key that would sign.
    pub kid: Kid,
    /// Now.
    pub now: Timestamp,
    /// The jumps of the clock that this process has seen: time that did not pass counts against nobody.
    pub steps: Steps,
    /// How long this process has been running: nor does time in which it was down.
    pub uptime: Duration,
}

/// What a presented refresh token says of its place in the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Its generation.
    pub generation: Generation,
    /// Its nonce.
    pub nonce: Nonce,
}

/// What a client's registration says of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an access token lasts.
    pub access_token: Duration,
    /// How long a refresh token lasts that is not used.
    pub refresh_idle: Duration,
    /// How long a session lasts.
    pub refresh_absolute: Duration,
    /// How long after its rotation a token may be sent again.
    pub retry_window: Duration,
    /// Whether the generation before may be sent again as long as its successor is unused, however long that is.
    pub retry_until_used: bool,
    /// Whether the use of an earlier generation ends the family.
    pub reuse_ends_family: bool,
}
