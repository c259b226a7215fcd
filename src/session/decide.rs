//! Decides what follows when a refresh token is presented: ten rows, checked in this order.
//!
//! | # | the token, the session | answer | events |
//! |---|---|---|---|
//! | 1 | malformed, MAC wrong, unknown or retired secret | `invalid_grant` | none: refused before this code and without reading the store |
//! | 2 | session unknown, or ended | `invalid_grant` | none |
//! | 3 | belongs to another client | `invalid_grant` | `foreign_client_refused`, once a session |
//! | 4 | absolute or idle expiry reached | `invalid_grant` | none |
//! | 5 | user or client gone or switched off, or its epoch or the installation's is newer | `invalid_grant` | `session_ended` |
//! | 6 | a later generation, or one whose nonce is known and is another | `invalid_grant` | `session_ended(rollback)` |
//! | 7 | the current generation | a new pair | `tokens_rotated` |
//! | 8 | an earlier generation that was rotated within the retry window, or the one before where it may be sent again until its successor is used | the current pair | none, or `access_token_issued` |
//! | 9 | an earlier generation whose rotation is not remembered, while the oldest that is lies within the window | `invalid_grant` | none |
//! | 10 | any other earlier generation | `invalid_grant` | `reuse_detected`, `session_ended(reuse)` |
//!
//! The times and nonces of the last four rotations are remembered. So all who share one stored token, and refresh at
//! once or a little late, end up with the same pair.

use std::time::Duration;

use super::command::{Policy, Presented, Refresh, Start};
use super::event::{EndReason, Issued, SessionEvent, Started};
use super::state::{Session, Status};
use crate::clock::Timestamp;
use crate::oauth::{Actor, Generation, Kid, Nonce, Scope};

/// How often reuse is recorded at most, in a session that is not ended by it.
const REUSE_RECORDED_EVERY: Duration = Duration::from_hours(1);

/// The result of a command: the events to append, and the answer to send once they are durable. A refusal can have
/// events: reuse ends the family and is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The events to append.
    pub events: Vec<SessionEvent>,
    /// The tokens for the client, or why it is refused.
    pub outcome: Result<Granted, Denied>,
}

/// The tokens that the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The refresh token's place in the family; `None` if the client gets none.
    pub refresh: Option<Presented>,
    /// The generation that the access token belongs to.
    pub generation: Generation,
    /// The access token.
    pub access: Issued,
    /// The access token's scope, spelled out.
    pub scope: Scope,
    /// Whether this repeats an earlier answer.
    pub retried: bool,
}

/// Why a refresh token was refused. A client can't distinguish most of these; the log does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// There is no such session.
    #[error("the session is unknown")]
    Unknown,
    /// The session has ended.
    #[error("the session has ended: {}", .0.as_str())]
    Ended(EndReason),
    /// The token is another client's.
    #[error("the token belongs to another client")]
    ForeignClient,
    /// The session has expired.
    #[error("the session has expired")]
    Expired,
    /// The account is gone or switched off, or all its sessions were ended.
    #[error("the user's sessions were ended")]
    User,
    /// The client is gone or switched off, or all its sessions were ended.
    #[error("the client's sessions were ended")]
    Client,
    /// The data were restored from a backup since.
    #[error("all sessions were ended after a restore from a backup")]
    Restored,
    /// This store never issued the token, although its MAC is right.
    #[error("the token is from a history that this store does not have")]
    Rollback,
    /// The token may have been rotated within the retry window; so many rotations followed that its time is no longer
    /// known.
    #[error("the token was rotated too often since to tell when")]
    Straggler,
    /// An earlier generation was used again.
    #[error("the token was used before")]
    Reuse,
    /// More was asked than had been granted.
    #[error("more scope was asked than was granted")]
    Scope,
    /// A resource was asked for that the session is not for.
    #[error("another resource was asked than the session is for")]
    Target,
}

/// Starts a session and issues its first pair.
#[must_use]
pub fn start(command: Start) -> Decision {
    let Start { policy, now, .. } = command;
    let scope = command.scope.intersection(&command.permitted);
    let lifetime = if command.refreshable { policy.refresh_absolute } else { policy.access_token };
    let absolute_expiry = now.after(lifetime);
    let access = issue(
        &TokenTerms { absolute_expiry, granted: &command.scope, kid: command.kid, policy },
        &scope,
        now,
    );
    let idle_expiry = if command.refreshable { now.after(policy.refresh_idle) } else { absolute_expiry };
    let started = Started {
        at: now,
        client: command.client.0,
        client_epoch: command.client.1.epoch,
        user: Some(command.user.0),
        user_epoch: command.user.1.epoch,
        scope: command.scope,
        audience: command.audience,
        absolute_expiry,
        idle_expiry: idle_expiry.min(absolute_expiry),
        refreshable: command.refreshable,
        installation_epoch: (command.installation_epoch > 0).then_some(command.installation_epoch),
    };
    let first = Presented { generation: Generation::default(), nonce: command.nonce };
    let events = vec![
        SessionEvent::Started(started),
        SessionEvent::TokensIssued { at: now, nonce: command.nonce, access: access.clone() },
    ];
    let refresh = command.refreshable.then_some(first);
    let outcome = Ok(Granted { refresh, generation: first.generation, access, scope, retried: false });
    Decision { events, outcome }
}

/// Answers a presented refresh token.
#[must_use]
pub fn decide(session: Option<&Session>, command: &Refresh<'_>) -> Decision {
    // Row 2.
    let session = match session {
        None => return refuse(Denied::Unknown),
        Some(session) if !session.started.refreshable => return refuse(Denied::Unknown),
        Some(session) => session,
    };
    if let Status::Ended { reason, .. } = session.status {
        return refuse(Denied::Ended(reason));
    }
    // A clock that was set back must not revive an expired session.
    let now = command.now.max(session.last_event_at);
    // Row 3. RFC 6749 §6: the refresh token is bound to the client to which it was issued.
    if *command.client != session.started.client {
        let client = command.client.clone();
        let event = SessionEvent::ForeignClientRefused { at: now, client };
        let events = if session.foreign_client_refused { Vec::new() } else { vec![event] };
        return Decision { events, outcome: Err(Denied::ForeignClient) };
    }
    // Row 4. No event, so that a clock that runs ahead for a while ends nothing for ever.
    if session.is_expired(now) {
        return refuse(Denied::Expired);
    }
    // Row 5.
    if let Some((reason, denied)) = no_longer_stands(session, command) {
        return end_and_refuse(now, reason, denied);
    }
    // Row 6.
    if is_from_another_history(session, command.presented) {
        return end_and_refuse(now, EndReason::Rollback, Denied::Rollback);
    }
    if command.presented.generation == session.generation {
        rotate(session, command, now)
    } else {
        earlier_generation(session, command, now)
    }
}

/// Ends a live session; no events if it has ended already.
#[must_use]
pub fn end(session: &Session, reason: EndReason, now: Timestamp) -> Vec<SessionEvent> {
    end_by(session, reason, None, now)
}

/// As [`end`], with the one who did it.
#[must_use]
pub fn end_by(session: &Session, reason: EndReason, by: Option<Actor>, now: Timestamp) -> Vec<SessionEvent> {
    match session.status {
        Status::Live => vec![SessionEvent::Ended { at: now.max(session.last_event_at), reason, by }],
        Status::Ended { .. } => Vec::new(),
    }
}

fn refuse(denied: Denied) -> Decision {
    Decision { events: Vec::new(), outcome: Err(denied) }
}

fn end_and_refuse(at: Timestamp, reason: EndReason, denied: Denied) -> Decision {
    Decision { events: vec![SessionEvent::Ended { at, reason, by: None }], outcome: Err(denied) }
}

fn no_longer_stands(session: &Session, command: &Refresh<'_>) -> Option<(EndReason, Denied)> {
    let holds = |session_epoch: Option<crate::oauth::SessionEpoch>, epoch: u32| {
        session_epoch.is_some_and(|session_epoch| session_epoch.covers(command.session, epoch))
    };
    if !session.started.is_in(command.installation_epoch) {
        Some((EndReason::Restored, Denied::Restored))
    } else if !holds(command.user_epoch, session.started.user_epoch) {
        Some((EndReason::UserEpoch, Denied::User))
    } else if !holds(command.client_epoch, session.started.client_epoch) {
        Some((EndReason::ClientEpoch, Denied::Client))
    } else {
        None
    }
}

/// Every remembered nonce is compared: otherwise whoever has a leaked refresh secret could forge an old generation that
/// row 8 would answer.
fn is_from_another_history(session: &Session, presented: Presented) -> bool {
    match session.nonce_of(presented.generation) {
        Some(known) => known != presented.nonce,
        None => presented.generation >= session.generation,
    }
}

/// Row 7.
fn rotate(session: &Session, command: &Refresh<'_>, now: Timestamp) -> Decision {
    let scope = match narrowed(session, command) {
        Ok(scope) => scope,
        Err(denied) => return refuse(denied),
    };
    let Some(generation) = session.generation.next() else {
        return end_and_refuse(now, EndReason::Expired, Denied::Expired);
    };
    let access = issue(&terms(session, command), &scope, command.now);
    if !lasts(&access, command.now) {
        return refuse(Denied::Expired);
    }
    let idle_expiry = now.after(command.policy.refresh_idle).min(session.started.absolute_expiry);
    let Refresh { nonce, .. } = *command;
    // The clock's own time, so that the retry window can be counted from it even after the clock was set back.
    let event = SessionEvent::TokensRotated {
        at: command.now,
        generation,
        nonce,
        access: access.clone(),
        idle_expiry,
    };
    let refresh = Some(Presented { generation, nonce });
    let granted = Granted { refresh, generation, access, scope, retried: false };
    Decision { events: vec![event], outcome: Ok(granted) }
}

/// Rows 8, 9 and 10.
fn earlier_generation(session: &Session, command: &Refresh<'_>, now: Timestamp) -> Decision {
    let presented = command.presented.generation;
    let successor = presented.next();
    // This very request has rotated the token, but did not learn that its append succeeded. It is not a retry, so no
    // window applies.
    if successor.is_some_and(|successor| session.nonce_of(successor) == Some(command.nonce)) {
        return retry(session, command, now);
    }
    if command.policy.retry_until_used && successor == Some(session.generation) {
        return retry(session, command, now);
    }
    let rotated_at = session.rotated_at(presented);
    if !rotated_at.or(session.oldest_rotation()).is_some_and(|at| is_open(session, command, at)) {
        return reuse(session, command, now);
    }
    // Snapshots of an older release have times without nonces: a token that can't be compared is not answered.
    if rotated_at.is_some() && session.nonce_of(presented).is_some() {
        retry(session, command, now)
    } else {
        refuse(Denied::Straggler)
    }
}

/// Whether the retry window of a generation that was rotated at `rotated_at` is open.
fn is_open(session: &Session, command: &Refresh<'_>, rotated_at: Timestamp) -> bool {
    let Refresh { now, steps, uptime, .. } = command;
    let since = if rotated_at > *now && steps.is_empty() {
        // The clock was set back before this process started: at least the time between the recorded events has passed.
        session.last_event_at.since(rotated_at)
    } else {
        steps.since(rotated_at, *now)
    };
    since.min(*uptime) < command.policy.retry_window
}

/// Row 8: the current pair. RFC 9700 §4.14.2 asks for rotation or sender-constraining; a lost answer is neither a theft
/// nor the client's fault.
fn retry(session: &Session, command: &Refresh<'_>, now: Timestamp) -> Decision {
    let scope = match narrowed(session, command) {
        Ok(scope) => scope,
        Err(denied) => return refuse(denied),
    };
    let refresh = session.nonce.map(|nonce| Presented { generation: session.generation, nonce });
    let generation = session.generation;
    let recorded = session.issued.as_ref().filter(|issued| {
        let same_scope = issued.scope.as_ref().unwrap_or(&session.started.scope) == &scope;
        same_scope && has_half_its_life(issued, command.now)
    });
    let (access, events) = if let Some(issued) = recorded {
        (issued.clone(), Vec::new())
    } else {
        let access = issue(&terms(session, command), &scope, command.now);
        if !lasts(&access, command.now) {
            return refuse(Denied::Expired);
        }
        (access.clone(), vec![SessionEvent::AccessTokenIssued { at: now, access }])
    };
    Decision { events, outcome: Ok(Granted { refresh, generation, access, scope, retried: true }) }
}

/// Row 10.
fn reuse(session: &Session, command: &Refresh<'_>, now: Timestamp) -> Decision {
    let detected = SessionEvent::ReuseDetected {
        at: now,
        presented: command.presented.generation,
        current: session.generation,
        seconds_since: now.since(session.last_rotation()).as_secs(),
    };
    let recorded = |at| now.since(at) < REUSE_RECORDED_EVERY;
    let events = if command.policy.reuse_ends_family {
        vec![detected, SessionEvent::Ended { at: now, reason: EndReason::Reuse, by: None }]
    } else if session.reuse_detected_at.is_some_and(recorded) {
        Vec::new()
    } else {
        vec![detected]
    };
    Decision { events, outcome: Err(Denied::Reuse) }
}

/// The scope of the access token: the requested one, within what was granted and what is permitted now.
fn narrowed(session: &Session, command: &Refresh<'_>) -> Result<Scope, Denied> {
    if command.resources.iter().any(|resource| Some(resource) != session.started.audience.as_ref()) {
        return Err(Denied::Target);
    }
    let granted = &session.started.scope;
    match command.requested {
        None => Ok(granted.intersection(command.permitted)),
        // RFC 6749 §6: the requested scope MUST NOT include any scope not originally granted.
        Some(requested) if !requested.is_within(granted) => Err(Denied::Scope),
        Some(requested) => {
            let scope = requested.intersection(command.permitted);
            // RFC 6749 §3.3: a granted scope that differs from the requested one must be sent, and an empty one can't
            // be.
            if scope.is_empty() && !requested.is_empty() { Err(Denied::Scope) } else { Ok(scope) }
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

fn terms<'a>(session: &'a Session, command: &Refresh<'_>) -> TokenTerms<'a> {
    TokenTerms {
        absolute_expiry: session.started.absolute_expiry,
        granted: &session.started.scope,
        kid: command.kid,
        policy: command.policy,
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
const fn lasts(issued: &Issued, now: Timestamp) -> bool {
    issued.exp > now.seconds()
}

/// Whether the token has at least half of its life left, and was not issued in the future of this clock.
pub(super) fn has_half_its_life(issued: &Issued, now: Timestamp) -> bool {
    let left = issued.exp.saturating_sub(now.seconds());
    let life = issued.exp.saturating_sub(issued.iat);
    issued.iat <= now.seconds() && left > 0 && left.saturating_mul(2) >= life
}

/// The current refresh token of a session, as the state knows it; for tests and tools.
#[must_use]
pub fn current(session: &Session) -> Option<Presented> {
    let nonce: Nonce = session.nonce?;
    session.started.refreshable.then_some(Presented { generation: session.generation, nonce })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
