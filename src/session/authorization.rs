//! What a session is before it begins: a person who is signed in at heirloom's own pages has let a client begin, and the
//! client has a code for that (RFC 6749 §4.1.2).
//!
//! The code comes before generation 0: authorizing begins the session's stream, and redeeming the code is decided on that
//! stream ([`mod@super::redeem`]), so it happens once. An authorization whose code is never redeemed is removed whole, of a request
//! that is good once when that request has expired.

use std::time::Duration;

use super::code::{Code, LoginReference};
use super::command::Policy;
use super::event::{Authorized, SessionEvent, Started};
use super::state::{Session, Status};
use crate::clock::Timestamp;
use crate::oauth::{Audience, ClientId, Nonce, Scope, SessionEpoch, UserId};

/// How long a code lasts. RFC 6749 §4.1.2 recommends ten minutes at most.
pub const CODE_LIFETIME: Duration = Duration::from_mins(1);

/// A person lets a client begin.
#[derive(Clone, Debug)]
pub struct Authorize {
    /// The client, and its session epoch.
    pub client: (ClientId, SessionEpoch),
    /// The user, and the session epoch of the account.
    pub user: (UserId, SessionEpoch),
    /// The login.
    pub login: LoginReference,
    /// When the login ends at the latest.
    pub login_expiry: Timestamp,
    /// What the client is granted.
    pub scope: Scope,
    /// The resource server that the tokens are for.
    pub audience: Option<Audience>,
    /// Whether the client gets a refresh token.
    pub refreshable: bool,
    /// The code, with a fresh nonce.
    pub code: Code,
    /// The lifetimes of the client's sessions.
    pub policy: Policy,
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// Now.
    pub now: Timestamp,
}

/// The answer to an authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizeDecision {
    /// What to append.
    pub events: Vec<SessionEvent>,
    /// The nonce of the code.
    pub code: Nonce,
}

/// The session's id is another authorization's already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authorization request was used before")]
pub struct AuthorizationUsed;

/// Authorizes a session. What is asked a second time, as by a double click, is answered with the same code, as long as
/// that is good.
///
/// # Errors
/// [`AuthorizationUsed`].
pub fn authorize(
    session: Option<&Session>,
    command: Authorize,
) -> Result<AuthorizeDecision, AuthorizationUsed> {
    let now = command.now;
    let Some(session) = session else {
        let (code, authorized) = (command.code.nonce, command.authorized());
        return Ok(AuthorizeDecision { events: vec![SessionEvent::Authorized(Box::new(authorized))], code });
    };
    let now = now.max(session.last_event_at);
    let is_good = matches!(session.status, Status::Authorized { until } if now < until);
    let code = session.code.as_ref().filter(|code| is_good && command.repeats(&session.started, code));
    code.map(|code| AuthorizeDecision { events: Vec::new(), code: code.nonce }).ok_or(AuthorizationUsed)
}

impl Authorize {
    fn authorized(self) -> Authorized {
        let Self { policy, now, refreshable, .. } = self;
        let expiry = now.after(CODE_LIFETIME);
        let is_online = !self.scope.contains(Scope::OFFLINE_ACCESS);
        // The access token's life begins when the code is redeemed.
        let lifetime = if refreshable { policy.refresh_absolute } else { policy.access_token };
        let longest = expiry.after(lifetime);
        let absolute_expiry = if is_online { longest.min(self.login_expiry) } else { longest };
        let idle_expiry = if refreshable { expiry.after(policy.refresh_idle) } else { absolute_expiry };
        let started = Started {
            at: now,
            client: self.client.0,
            client_epoch: self.client.1.epoch,
            user: Some(self.user.0),
            user_epoch: self.user.1.epoch,
            scope: self.scope,
            audience: self.audience,
            absolute_expiry,
            idle_expiry: idle_expiry.min(absolute_expiry),
            refreshable,
            installation_epoch: (self.installation_epoch > 0).then_some(self.installation_epoch),
            login: Some(self.login),
        };
        Authorized { started, code: self.code, expiry }
    }

    /// Whether it asks for what was authorized before.
    fn repeats(&self, started: &Started, code: &Code) -> bool {
        let asked =
            (&self.client.0, Some(self.user.0), &self.scope, self.audience.as_ref(), self.refreshable);
        let begun =
            (&started.client, started.user, &started.scope, started.audience.as_ref(), started.refreshable);
        asked == begun
            && started.login.as_ref() == Some(&self.login)
            && Code { nonce: code.nonce, kept_until: code.kept_until, ..self.code.clone() } == *code
    }
}
