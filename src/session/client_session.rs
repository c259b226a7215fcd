//! Sessions that a client has of its own, without a user (RFC 6749 §4.4).
//!
//! There is one for each client, scope and audience, on a stream that is named by them ([`id`]). It never has a refresh
//! token: who asks again gets the access token that was recorded last, as long as at least half of its life is left
//! and it is as a new one would be, and then another one. Once it is over, whatever the reason, the next request begins
//! another session on the same stream.
//!
//! An end takes every token of the session with it. So a session that is used never ends by itself: it has no absolute
//! limit, which would only take a good token from the client. It expires when nobody has asked for a while.

use std::time::Duration;

use ring::digest::{Context, SHA256};

use super::command::Policy;
use super::decide::{Decision, Granted};
use super::event::{EndReason, Issued, SessionEvent, Started};
use super::issue::{TokenTerms, has_half_its_life, issue};
use super::state::{Session, Status};
use crate::clock::Timestamp;
use crate::oauth::{Audience, ClientId, Generation, Kid, Nonce, Scope, SessionEpoch, SessionId};

/// A hundred years: how long a session lasts that is used all the time.
const NO_LIMIT: Duration = Duration::from_hours(100 * 365 * 24);

/// A client that has proved who it is asks for an access token of its own.
#[derive(Clone, Debug)]
pub struct ClientToken<'a> {
    /// The client, and its session epoch.
    pub client: (&'a ClientId, SessionEpoch),
    /// The scope that the session is for.
    pub scope: &'a Scope,
    /// The resource server that the session is for.
    pub audience: Option<&'a Audience>,
    /// What of the scope the client's roles permit now.
    pub permitted: &'a Scope,
    /// How long things last.
    pub policy: Policy,
    /// A fresh nonce, in case a session begins; the same one each time that one request is decided again.
    pub nonce: Nonce,
    /// The key that would sign.
    pub kid: Kid,
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// Now.
    pub now: Timestamp,
}

impl ClientToken<'_> {
    /// The session that answers.
    #[must_use]
    pub fn session(&self) -> SessionId {
        id(self.client.0, self.scope, self.audience)
    }
}

/// The session of a client, a scope and an audience: a UUID of version 8, of a digest.
#[must_use]
pub fn id(client: &ClientId, scope: &Scope, audience: Option<&Audience>) -> SessionId {
    let mut hash = Context::new(&SHA256);
    hash.update(b"heirloom client session 1\0");
    // None of the three has a NUL: no two inputs run into one.
    for part in [client.as_str(), scope.as_str(), audience.map_or("", Audience::as_str)] {
        hash.update(part.as_bytes());
        hash.update(b"\0");
    }
    let digest = hash.finish();
    let bytes = digest.as_ref().first_chunk::<16>().copied().unwrap_or_default();
    SessionId::from(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Answers a client: the token that was recorded last, or another one.
#[must_use]
pub fn client_token(session: Option<&Session>, command: &ClientToken<'_>) -> Decision {
    let live = session.filter(|session| session.status == Status::Live);
    let now = session.map_or(command.now, |session| command.now.max(session.last_event_at));
    let Some(live) = live else { return begin(command, (session, Vec::new()), now) };
    if let Some(reason) = over(live, command, now) {
        let ended = SessionEvent::Ended { at: now, reason, by: None };
        return begin(command, (session, vec![ended]), now);
    }
    let session = live;
    let scope = session.started.scope.intersection(command.permitted);
    let recorded = session.issued.as_ref().filter(|issued| {
        let same_scope = issued.scope.as_ref().unwrap_or(&session.started.scope) == &scope;
        same_scope && has_half_its_life(issued, command.now) && is_short_enough(issued, command.policy)
    });
    let (access, events) = if let Some(issued) = recorded {
        (issued.clone(), Vec::new())
    } else {
        let access = issue(&terms(command, session.started.idle_expiry_after(now)), &scope, command.now);
        (access.clone(), vec![SessionEvent::AccessTokenIssued { at: now, access }])
    };
    let retried = events.is_empty();
    let outcome = Ok(Granted { refresh: None, generation: Generation::default(), access, scope, retried });
    Decision { events, outcome }
}

/// Whether a token lasts no longer than new ones do: the operator may have shortened their life since.
fn is_short_enough(issued: &Issued, policy: Policy) -> bool {
    issued.exp.saturating_sub(issued.iat) <= policy.access_token.as_secs()
}

/// Why a session that no event has ended is over: its client or the installation ended all, or nobody asked for too long.
fn over(session: &Session, command: &ClientToken<'_>, now: Timestamp) -> Option<EndReason> {
    let started = &session.started;
    let (id, epoch) = (command.session(), command.client.1);
    // A session of later epochs has begun since this request read them: it stands.
    let is_ended_with_all = started.client_epoch < epoch.epoch && !epoch.covers(id, started.client_epoch);
    if started.installation_epoch.unwrap_or_default() < command.installation_epoch {
        Some(EndReason::Restored)
    } else if is_ended_with_all {
        Some(EndReason::ClientEpoch)
    } else if session.is_expired(now) {
        Some(EndReason::Expired)
    } else {
        None
    }
}

/// Begins a session, after the one `before` and what ends it. The epochs never go back: those of `before` are there,
/// also if this request read them earlier.
fn begin(
    command: &ClientToken<'_>,
    (before, mut events): (Option<&Session>, Vec<SessionEvent>),
    now: Timestamp,
) -> Decision {
    let before = before.map(|session| &session.started);
    let client_epoch = before.map_or(0, |started| started.client_epoch).max(command.client.1.epoch);
    let of_installation = before.and_then(|started| started.installation_epoch).unwrap_or_default();
    let installation_epoch = of_installation.max(command.installation_epoch);
    let scope = command.scope.intersection(command.permitted);
    let Policy { refresh_idle, access_token, .. } = command.policy;
    let idle_expiry = now.after(refresh_idle.max(access_token));
    let access = issue(&terms(command, idle_expiry), &scope, command.now);
    events.push(SessionEvent::Started(Started {
        at: now,
        client: command.client.0.clone(),
        client_epoch,
        user: None,
        user_epoch: 0,
        scope: command.scope.clone(),
        audience: command.audience.cloned(),
        absolute_expiry: now.after(NO_LIMIT),
        idle_expiry,
        refreshable: false,
        installation_epoch: (installation_epoch > 0).then_some(installation_epoch),
        login: None,
    }));
    events.push(SessionEvent::TokensIssued { at: now, nonce: command.nonce, access: access.clone() });
    let generation = Generation::default();
    Decision { events, outcome: Ok(Granted { refresh: None, generation, access, scope, retried: false }) }
}

/// No token outlives the session, which expires at `expiry` unless it is used again.
fn terms<'a>(command: &'a ClientToken<'_>, expiry: Timestamp) -> TokenTerms<'a> {
    TokenTerms { absolute_expiry: expiry, granted: command.scope, kid: command.kid, policy: command.policy }
}

#[cfg(test)]
#[path = "client_session_tests.rs"]
mod tests;
