//! Decides what follows when a refresh token is presented: ten rows, checked in this order.
//!
//! | # | the token, the session | answer | events |
//! |---|---|---|---|
//! | 1 | malformed, MAC wrong, unknown or retired secret | `invalid_grant` | none: refused before this code and without reading the store |
//! | 2 | session unknown, not begun, or ended | `invalid_grant` | none |
//! | 3 | belongs to another client | `invalid_grant` | `foreign_client_refused`, once a session |
//! | 4 | absolute or idle expiry reached | `invalid_grant` | none |
//! | 5 | user or client gone or switched off, or its epoch or the installation's is newer; the login of an online session has ended | `invalid_grant` | `session_ended` |
//! | 6 | a later generation, or one whose nonce is known and is another | `invalid_grant` | `session_ended(rollback)` |
//! | 7 | the current generation | a new pair | `tokens_rotated` |
//! | 8 | an earlier generation that was rotated within the retry window, or the one before where it may be sent again until its successor is used | the current pair | none, or `access_token_issued` |
//! | 9 | an earlier generation whose rotation is not remembered, while the oldest that is lies within the window | `invalid_grant` | none |
//! | 10 | any other earlier generation | `invalid_grant` | `reuse_detected`, `session_ended(reuse)` |
//!
//! The times and nonces of the last four rotations are remembered. So all who share one stored token, and refresh at
//! once or a little late, end up with the same pair.

use std::time::Duration;

use super::command::{Presented, Refresh, Start};
use super::event::{EndReason, Issued, SessionEvent, Started};
use super::issue::{Beyond, Narrowing, TokenTerms, has_half_its_life, issue, lasts};
use super::state::{Session, Status};
use crate::clock::Timestamp;
use crate::clock::steps::UNNOTICED;
use crate::oauth::{Actor, Generation, Nonce, Scope};

/// How often reuse is recorded at most, in a session that is not ended by it.
const REUSE_RECORDED_EVERY: Duration = Duration::from_hours(1);

/// The result of a command: the events to append, and the answer to send once they are durable. A refusal can have
/// events: reuse ends the family and is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<E = Denied> {
    /// The events to append.
    pub events: Vec<SessionEvent>,
    /// The tokens for the client, or why it is refused.
    pub outcome: Result<Granted, E>,
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
    /// The login that the session began from has ended.
    #[error("the login that the session began from has ended")]
    Login,
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
        login: None,
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
    match session.status {
        Status::Live => {}
        Status::Authorized { .. } => return refuse(Denied::Unknown),
        Status::Ended { reason, .. } => return refuse(Denied::Ended(reason)),
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

/// Ends a session, also one that has not begun; no events if it has ended already.
#[must_use]
pub fn end(session: &Session, reason: EndReason, now: Timestamp) -> Vec<SessionEvent> {
    end_by(session, reason, None, now)
}

/// As [`end`], with the one who did it.
#[must_use]
pub fn end_by(session: &Session, reason: EndReason, by: Option<Actor>, now: Timestamp) -> Vec<SessionEvent> {
    match session.status {
        Status::Live | Status::Authorized { .. } => {
            vec![SessionEvent::Ended { at: now.max(session.last_event_at), reason, by }]
        }
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
    let started = &session.started;
    let (id, user, client) = (command.session, command.user_epoch, command.client_epoch);
    if !started.is_in(command.installation_epoch) {
        Some((EndReason::Restored, Denied::Restored))
    } else if !user.is_some_and(|epoch| started.holds_in(id, epoch)) {
        Some((EndReason::UserEpoch, Denied::User))
    } else if !client.is_some_and(|epoch| epoch.covers(id, started.client_epoch)) {
        Some((EndReason::ClientEpoch, Denied::Client))
    } else if command.login_has_ended {
        Some((EndReason::LoginEnded, Denied::Login))
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
    let scope = match narrowing(command).of(&session.started) {
        Ok(scope) => scope,
        Err(beyond) => return refuse(beyond.into()),
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
    let Refresh { now, steps, availability, skew, .. } = command;
    let since = if rotated_at > *now && rotated_at.since(*now) <= UNNOTICED.max(*skew) {
        // It has just been rotated, by another node whose clock is ahead or before the clock was corrected a little. No
        // jump that is remembered lies between.
        Duration::ZERO
    } else if rotated_at > *now && steps.is_empty() {
        // The clock was set back before this process started: at least the time between the recorded events has passed.
        session.last_event_at.since(rotated_at)
    } else {
        steps.since(rotated_at, *now)
    };
    // Another node may have rotated it, by a clock that is behind.
    availability.within(since.saturating_sub(*skew)) < command.policy.retry_window
}

/// Row 8: the current pair. RFC 9700 §4.14.2 asks for rotation or sender-constraining; a lost answer is neither a theft
/// nor the client's fault.
fn retry(session: &Session, command: &Refresh<'_>, now: Timestamp) -> Decision {
    let scope = match narrowing(command).of(&session.started) {
        Ok(scope) => scope,
        Err(beyond) => return refuse(beyond.into()),
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
        code_redeemed_at: None,
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

const fn narrowing<'a>(command: &Refresh<'a>) -> Narrowing<'a> {
    let Refresh { requested, resources, permitted, .. } = *command;
    Narrowing { requested, resources, permitted }
}

impl From<Beyond> for Denied {
    fn from(beyond: Beyond) -> Self {
        match beyond {
            Beyond::Scope => Self::Scope,
            Beyond::Target => Self::Target,
        }
    }
}

fn terms<'a>(session: &'a Session, command: &Refresh<'_>) -> TokenTerms<'a> {
    TokenTerms::of(&session.started, command.kid, command.policy)
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
