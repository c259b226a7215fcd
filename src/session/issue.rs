//! What an access token of a session is issued with: its scope and its life.

use super::command::Policy;
use super::event::{Issued, Started};
use crate::clock::Timestamp;
use crate::oauth::{Audience, Kid, Scope};

/// What a client asks of a session, and what it may have now.
pub(super) struct Narrowing<'a> {
    pub(super) requested: Option<&'a Scope>,
    pub(super) resources: &'a [Audience],
    pub(super) permitted: &'a Scope,
}

/// More was asked than was granted.
pub(super) enum Beyond {
    Scope,
    Target,
}

impl Narrowing<'_> {
    /// The scope of the access token: the requested one, within what was granted and what is permitted now.
    pub(super) fn of(&self, started: &Started) -> Result<Scope, Beyond> {
        if self.resources.iter().any(|resource| Some(resource) != started.audience.as_ref()) {
            return Err(Beyond::Target);
        }
        let granted = &started.scope;
        match self.requested {
            None => Ok(granted.intersection(self.permitted)),
            // RFC 6749 §6: the requested scope MUST NOT include any scope not originally granted.
            Some(requested) if !requested.is_within(granted) => Err(Beyond::Scope),
            Some(requested) => {
                let scope = requested.intersection(self.permitted);
                // RFC 6749 §3.3: a granted scope that differs from the requested one must be sent, and an empty one
                // can't be.
                if scope.is_empty() && !requested.is_empty() { Err(Beyond::Scope) } else { Ok(scope) }
            }
        }
    }
}

/// The values on which an access token's expiry and record depend.
pub(super) struct TokenTerms<'a> {
    pub(super) absolute_expiry: Timestamp,
    pub(super) granted: &'a Scope,
    pub(super) kid: Kid,
    pub(super) policy: Policy,
}

impl<'a> TokenTerms<'a> {
    /// Those of a session.
    pub(super) const fn of(started: &'a Started, kid: Kid, policy: Policy) -> Self {
        Self { absolute_expiry: started.absolute_expiry, granted: &started.scope, kid, policy }
    }
}

/// An access token with `scope` issued at `now`. `now` is the clock's time, not the session's, because resource servers
/// compare it with theirs.
pub(super) fn issue(terms: &TokenTerms<'_>, scope: &Scope, now: Timestamp) -> Issued {
    let expiry = now.seconds().saturating_add(terms.policy.access_token.as_secs());
    let scope = (scope != terms.granted).then(|| scope.clone());
    Issued { iat: now.seconds(), exp: expiry.min(terms.absolute_expiry.seconds()), scope, kid: terms.kid }
}

/// Whether the token has at least a second left. In its last second a session gives none, because some clients read an
/// `expires_in` of 0 as "never expires".
pub(super) const fn lasts(issued: &Issued, now: Timestamp) -> bool {
    issued.exp > now.seconds()
}

/// Whether the token has at least half of its life left, and was not issued in the future of this clock.
pub(super) fn has_half_its_life(issued: &Issued, now: Timestamp) -> bool {
    let left = issued.exp.saturating_sub(now.seconds());
    let life = issued.exp.saturating_sub(issued.iat);
    issued.iat <= now.seconds() && left > 0 && left.saturating_mul(2) >= life
}
