//! Decides what follows when a client redeems an authorization code (RFC 6749 §4.1.3): ten rows, checked in this order.
//!
//! | # | the code, the authorization | answer | events |
//! |---|---|---|---|
//! | 1 | malformed, MAC wrong, unknown or retired secret | `invalid_grant` | none: refused before this code and without reading the store |
//! | 2 | session unknown, of another code, or ended | `invalid_grant` | none |
//! | 3 | belongs to another client | `invalid_grant` | `foreign_client_refused`, once a session |
//! | 4 | redirect URI or verifier wrong | `invalid_grant` | none: the code stays good, and what it began lives |
//! | 5 | expired before it was redeemed, or what it began has expired | `invalid_grant` | none |
//! | 6 | user, client or login gone, the consent withdrawn, or an epoch is newer | `invalid_grant` | `session_ended` |
//! | 7 | not redeemed | a pair, and an ID token | `tokens_issued` |
//! | 8 | redeemed by this very request, which did not learn that its append succeeded | the same | none |
//! | 9 | redeemed less than five seconds ago | `invalid_grant` | none: pages run their effects twice |
//! | 10 | redeemed earlier | `invalid_grant` | `reuse_detected`, `session_ended(code_reuse)` |
//!
//! So whoever has stolen a code, but neither the client's secret nor the verifier, can't end what it began either. A code
//! that was redeemed is recognised as long as its session is kept, however long ago it has expired (RFC 9700 §4.2.4).

use std::time::Duration;

use super::code::{Code, redirect_digest};
use super::command::{Policy, Presented};
use super::decide::{Decision, Granted};
use super::event::{EndReason, Issued, SessionEvent};
use super::issue::{Beyond, Narrowing, TokenTerms, issue, lasts};
use super::state::{Session, Status};
use crate::clock::Timestamp;
use crate::oauth::{
    Audience, ClientId, CodeVerifier, Generation, Kid, Nonce, Scope, SessionEpoch, SessionId,
};

/// How long after its redemption a code may come again without ending anything.
const TWICE: Duration = Duration::from_secs(5);

/// A code was presented.
#[derive(Clone, Debug)]
pub struct Redeem<'a> {
    /// The session that the code names.
    pub session: SessionId,
    /// The code's nonce.
    pub code: Nonce,
    /// The authenticated client that presented it.
    pub client: &'a ClientId,
    /// The client's session epoch; `None` if the client is deleted or switched off.
    pub client_epoch: Option<SessionEpoch>,
    /// The user's session epoch; `None` if the account is deleted or switched off.
    pub user_epoch: Option<SessionEpoch>,
    /// Whether the login has ended.
    pub login_has_ended: bool,
    /// Since when the person's consent stands; none if none does, or if the authorization rests on none.
    pub consent_since: Option<Timestamp>,
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// The redirect URI.
    pub redirect_uri: Option<&'a str>,
    /// The PKCE verifier.
    pub verifier: Option<&'a CodeVerifier>,
    /// The requested scope; `None` if none was requested.
    pub requested: Option<&'a Scope>,
    /// The requested resource servers (RFC 8707).
    pub resources: &'a [Audience],
    /// The part of the granted scope that the client may have and the user's roles permit now.
    pub permitted: &'a Scope,
    /// The client's rules for sessions.
    pub policy: Policy,
    /// A fresh nonce, for the first refresh token. It stays the same when one request is decided again.
    pub nonce: Nonce,
    /// The key that would sign.
    pub kid: Kid,
    /// The time, in milliseconds since the Unix epoch.
    pub now: Timestamp,
    /// By how much the clock may differ from that of the node that wrote a time.
    pub skew: Duration,
}

/// Why a code was refused. To a client, most of these look the same; the log tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CodeRefused {
    /// There is no such authorization.
    #[error("the authorization is unknown")]
    Unknown,
    /// The session that it began has ended.
    #[error("the session has ended: {}", .0.as_str())]
    Ended(EndReason),
    /// The code is another client's.
    #[error("the code belongs to another client")]
    ForeignClient,
    /// The redirect URI is another than in the authorization request.
    #[error("the redirect URI is another")]
    RedirectUri,
    /// The verifier does not fit the challenge.
    #[error("the code_verifier does not fit")]
    Verifier,
    /// The code has expired, or the session that it would begin.
    #[error("the code has expired")]
    Expired,
    /// The account is gone or switched off, or all its sessions were ended.
    #[error("the user's sessions were ended")]
    User,
    /// The client is gone or switched off, or all its sessions were ended.
    #[error("the client's sessions were ended")]
    Client,
    /// The login has ended.
    #[error("the login has ended")]
    Login,
    /// The person has withdrawn the consent on which the authorization rests.
    #[error("the consent was withdrawn")]
    Consent,
    /// The data were restored from a backup since.
    #[error("all sessions were ended after a restore from a backup")]
    Restored,
    /// The code was redeemed a moment ago.
    #[error("the code was redeemed a moment ago")]
    Twice,
    /// The code was used again.
    #[error("the code was used before")]
    Reuse,
    /// More was asked than had been granted.
    #[error("more scope was asked than was granted")]
    Scope,
    /// A resource was asked for that the authorization is not for.
    #[error("another resource was asked than the authorization is for")]
    Target,
}

/// Answers a presented code.
#[must_use]
pub fn redeem(session: Option<&Session>, command: &Redeem<'_>) -> Decision<CodeRefused> {
    // Row 2.
    let Some((session, code)) = session.and_then(|session| Some((session, session.code.as_ref()?))) else {
        return refuse(CodeRefused::Unknown);
    };
    if code.nonce != command.code {
        return refuse(CodeRefused::Unknown);
    }
    if let Status::Ended { reason, .. } = session.status {
        return refuse(CodeRefused::Ended(reason));
    }
    // A clock that was set back must not revive an expired code.
    let now = command.now.max(session.last_event_at);
    // Row 3. RFC 6749 §4.1.3: "ensure that the authorization code was issued to the authenticated confidential client, or
    // if the client is public, ensure that the code was issued to "client_id" in the request".
    if *command.client != session.started.client {
        let client = command.client.clone();
        let event = SessionEvent::ForeignClientRefused { at: now, client };
        let events = if session.foreign_client_refused { Vec::new() } else { vec![event] };
        return Decision { events, outcome: Err(CodeRefused::ForeignClient) };
    }
    // Row 4.
    if let Some(refused) = is_not_proved(code, command) {
        return refuse(refused);
    }
    // Row 5.
    let code_is_over = matches!(session.status, Status::Authorized { until } if now >= until);
    if code_is_over || session.is_expired(now) {
        return refuse(CodeRefused::Expired);
    }
    // Row 6.
    if let Some((reason, refused)) = no_longer_stands(session, command) {
        return end_and_refuse(now, reason, refused);
    }
    match session.code_redeemed_at {
        None => first(session, command, now),
        Some(_) if session.nonce == Some(command.nonce) => again(session, command),
        Some(at) if now.since(at) < TWICE.saturating_add(command.skew) => refuse(CodeRefused::Twice),
        Some(at) => reuse(session, now, at),
    }
}

const fn refuse(refused: CodeRefused) -> Decision<CodeRefused> {
    Decision { events: Vec::new(), outcome: Err(refused) }
}

fn end_and_refuse(at: Timestamp, reason: EndReason, refused: CodeRefused) -> Decision<CodeRefused> {
    Decision { events: vec![SessionEvent::Ended { at, reason, by: None }], outcome: Err(refused) }
}

/// Why whoever has the code is not known to be who asked for it.
fn is_not_proved(code: &Code, command: &Redeem<'_>) -> Option<CodeRefused> {
    let same_uri = match command.redirect_uri {
        Some(uri) => redirect_digest(uri) == code.redirect_uri,
        // RFC 6749 §4.1.3 requires it. Clients of OAuth 2.1 (§10.2 of its draft) leave it out: PKCE does its work.
        None => code.challenge.is_some(),
    };
    let fits = match (&code.challenge, command.verifier) {
        (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
        (None, None) => true,
        // RFC 9700 §2.1.1: "a token request containing a "code_verifier" parameter is accepted only if a
        // "code_challenge" parameter was present in the authorization request".
        (Some(_), None) | (None, Some(_)) => false,
    };
    match (same_uri, fits) {
        (true, true) => None,
        (false, _) => Some(CodeRefused::RedirectUri),
        (true, false) => Some(CodeRefused::Verifier),
    }
}

fn no_longer_stands(session: &Session, command: &Redeem<'_>) -> Option<(EndReason, CodeRefused)> {
    let started = &session.started;
    let (id, user, client) = (command.session, command.user_epoch, command.client_epoch);
    if !started.is_in(command.installation_epoch) {
        Some((EndReason::Restored, CodeRefused::Restored))
    } else if !user.is_some_and(|epoch| started.holds_in(id, epoch)) {
        Some((EndReason::UserEpoch, CodeRefused::User))
    } else if !client.is_some_and(|epoch| epoch.covers(id, started.client_epoch)) {
        Some((EndReason::ClientEpoch, CodeRefused::Client))
    } else if command.login_has_ended && needs_login(session) {
        Some((EndReason::LoginEnded, CodeRefused::Login))
    } else if rests_on(session).is_some_and(|since| command.consent_since != Some(since)) {
        // One that was given anew is another one: withdrawing ends all that was there before.
        Some((EndReason::ConsentWithdrawn, CodeRefused::Consent))
    } else {
        None
    }
}

/// What was authorized needs its login until it is redeemed, and after that if it has no `offline_access`.
fn needs_login(session: &Session) -> bool {
    matches!(session.status, Status::Authorized { .. }) || session.started.online().is_some()
}

/// Since when the consent stands on which an authorization rests whose code was not redeemed; none if it rests on none.
/// Withdrawing a consent ends sessions that have begun.
#[must_use]
pub fn rests_on(session: &Session) -> Option<Timestamp> {
    match session.status {
        Status::Authorized { .. } => session.code.as_ref()?.consent_since,
        Status::Live | Status::Ended { .. } => None,
    }
}

/// Row 7.
fn first(session: &Session, command: &Redeem<'_>, now: Timestamp) -> Decision<CodeRefused> {
    let scope = match narrowed(session, command) {
        Ok(scope) => scope,
        Err(refused) => return refuse(refused),
    };
    let access = issue(&TokenTerms::of(&session.started, command.kid, command.policy), &scope, command.now);
    if !lasts(&access, command.now) {
        return refuse(CodeRefused::Expired);
    }
    let events = vec![SessionEvent::TokensIssued { at: now, nonce: command.nonce, access: access.clone() }];
    let retried = false;
    Decision { events, outcome: Ok(granted(session, command.nonce, access, scope, retried)) }
}

/// Row 8.
fn again(session: &Session, command: &Redeem<'_>) -> Decision<CodeRefused> {
    let scope = narrowed(session, command);
    let outcome = scope.and_then(|scope| {
        let access = session.issued.clone().ok_or(CodeRefused::Unknown)?;
        Ok(granted(session, command.nonce, access, scope, true))
    });
    Decision { events: Vec::new(), outcome }
}

/// Row 10. RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server MUST deny the
/// request and SHOULD revoke (when possible) all tokens previously issued based on that authorization code."
fn reuse(session: &Session, now: Timestamp, redeemed: Timestamp) -> Decision<CodeRefused> {
    let detected = SessionEvent::ReuseDetected {
        at: now,
        presented: Generation::default(),
        current: session.generation,
        seconds_since: now.since(session.last_rotation()).as_secs(),
        code_redeemed_at: Some(redeemed),
    };
    let ended = SessionEvent::Ended { at: now, reason: EndReason::CodeReuse, by: None };
    Decision { events: vec![detected, ended], outcome: Err(CodeRefused::Reuse) }
}

fn granted(session: &Session, nonce: Nonce, access: Issued, scope: Scope, retried: bool) -> Granted {
    let generation = Generation::default();
    let refresh = session.started.refreshable.then_some(Presented { generation, nonce });
    Granted { refresh, generation, access, scope, retried }
}

fn narrowed(session: &Session, command: &Redeem<'_>) -> Result<Scope, CodeRefused> {
    let Redeem { requested, resources, permitted, .. } = *command;
    Ok(Narrowing { requested, resources, permitted }.of(&session.started)?)
}

impl From<Beyond> for CodeRefused {
    fn from(beyond: Beyond) -> Self {
        match beyond {
            Beyond::Scope => Self::Scope,
            Beyond::Target => Self::Target,
        }
    }
}

#[cfg(test)]
#[path = "redeem_tests.rs"]
mod tests;
