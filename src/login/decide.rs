//! Decides which events follow from a command on a login, and whether a cookie is accepted.
//!
//! | # | the login, the cookie | the cookie is |
//! |---|---|---|
//! | 1 | there is no such login, or it was removed | refused |
//! | 2 | it has ended | refused |
//! | 3 | the data were restored since, or an epoch of the user does not cover it, or the account is not active | refused |
//! | 4 | it is past its absolute expiry | refused |
//! | 5 | the nonce is neither the current one nor, within a minute of the person's proving again who they are, the one before | refused |
//! | 6 | it was last used longer ago than the idle time | refused |
//! | 7 | any other | accepted |
//!
//! The minute of row 5 is for answers that are lost or come late: another tab may put the cookie of before back.
//!
//! A refused cookie changes nothing: the sweeper writes down the end of a login whose absolute expiry has passed.

use std::time::Duration;

use super::cookie::LoginCookie;
use super::event::{Life, LoggedIn, LoginEvent, LogoutReason};
use super::state::{Login, Status};
use crate::clock::Timestamp;
use crate::oauth::{Actor, AuthenticationMethod, LoginId, Nonce, SessionEpoch, UserId};

/// How long the cookie of before is accepted after the person has proved again who they are, and a form counts once that is
/// sent twice.
const LATE: Duration = Duration::from_mins(1);

/// For how long logins last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The longest time between two uses, of a login that is not persistent.
    pub idle: Duration,
    /// The longest life of a login that is not persistent.
    pub absolute: Duration,
    /// The longest life of a persistent one, which has no idle time; `None` if there are none.
    pub persistent: Option<Duration>,
}

/// Somebody has proved who they are.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// Who, and their epoch.
    pub user: (UserId, SessionEpoch),
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// How.
    pub methods: Vec<AuthenticationMethod>,
    /// The nonce of the cookies.
    pub nonce: Nonce,
    /// Whether the person wants to stay signed in when the browser is closed.
    pub persistent: bool,
    /// For how long.
    pub bounds: Bounds,
    /// When.
    pub now: Timestamp,
}

/// What a login is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The user's epoch; `None` if the account is not active.
    pub user: Option<SessionEpoch>,
    /// The installation's epoch.
    pub installation_epoch: u32,
    /// The time.
    pub now: Timestamp,
}

/// Begins a login. It is persistent only where there are persistent ones.
#[must_use]
pub fn log_in(command: LogIn) -> Vec<LoginEvent> {
    let LogIn { user: (user, session_epoch), bounds, now, .. } = command;
    let persistent = bounds.persistent.filter(|_| command.persistent);
    vec![LoginEvent::LoggedIn(LoggedIn {
        at: now,
        user,
        user_epoch: session_epoch.epoch,
        installation_epoch: command.installation_epoch,
        methods: command.methods,
        nonce: command.nonce,
        persistent: persistent.is_some(),
        absolute_expiry: now.after(persistent.unwrap_or(bounds.absolute)),
    })]
}

/// The person of a login has proved again who they are.
#[derive(Clone, Debug)]
pub struct Reauthenticate {
    /// How.
    pub methods: Vec<AuthenticationMethod>,
    /// The nonce of the cookies from now on.
    pub nonce: Nonce,
    /// The form that they sent, if it has an id.
    pub form: Option<LoginId>,
    /// Whether the person wants to stay signed in when the browser is closed.
    pub persistent: bool,
    /// For how long logins last.
    pub bounds: Bounds,
    /// When.
    pub now: Timestamp,
}

/// The person of a login has proved again who they are: it lasts as long as one that begins now, and not shorter than it
/// would have. No events if it has ended, or if the same form has been sent a moment ago.
#[must_use]
pub fn reauthenticate(id: LoginId, login: &Login, command: Reauthenticate) -> Vec<LoginEvent> {
    let Reauthenticate { methods, nonce, form, bounds, now, .. } = command;
    if login.status != Status::Live || is_sent_twice(id, login, form, now) {
        return Vec::new();
    }
    let before = login.life();
    let asked = command.persistent && bounds.persistent.is_some();
    let persistent = before.persistent || asked;
    let longest = bounds.persistent.filter(|_| persistent).unwrap_or(bounds.absolute);
    let absolute_expiry = now.after(longest).max(before.absolute_expiry);
    let life = Some(Life { persistent, absolute_expiry });
    // The clock's own time: clients compare `auth_time` with theirs.
    vec![LoginEvent::Reauthenticated { at: now, methods, nonce, life, form }]
}

/// Whether the person has sent this form a moment ago: by a double click, or since no answer came.
#[must_use]
pub fn is_sent_twice(id: LoginId, login: &Login, form: Option<LoginId>, now: Timestamp) -> bool {
    form.is_some_and(|form| login.is_proved_by(id, form)) && now.since(login.auth_time) < LATE
}

/// Ends a login; no events if it has ended.
#[must_use]
pub fn log_out(login: &Login, reason: LogoutReason, by: Option<Actor>, now: Timestamp) -> Vec<LoginEvent> {
    match login.status {
        Status::Live => vec![LoginEvent::LoggedOut { at: now.max(login.last_event_at), reason, by }],
        Status::Ended { .. } => Vec::new(),
    }
}

/// Why a login is over; `None` if it is not.
#[must_use]
pub fn why_over(id: LoginId, login: &Login, standing: &Standing) -> Option<LogoutReason> {
    if let Status::Ended { reason, .. } = login.status {
        Some(reason)
    } else if login.begun.installation_epoch != standing.installation_epoch {
        Some(LogoutReason::Restored)
    } else if !standing.user.is_some_and(|epoch| epoch.covers(id, login.begun.user_epoch)) {
        Some(LogoutReason::UserEpoch)
    } else {
        login.ended(standing.now)
    }
}

/// Whether a cookie of this login is accepted.
#[must_use]
pub fn accepts(login: &Login, cookie: &LoginCookie, standing: &Standing, idle: Duration) -> bool {
    let now = standing.now.max(login.last_event_at);
    let is_idle = !login.life().persistent && now >= cookie.used.after(idle);
    let is_previous = login.previous_nonce == Some(cookie.nonce) && now.since(login.auth_time) < LATE;
    let is_known = cookie.nonce == login.nonce || is_previous;
    why_over(cookie.login, login, standing).is_none() && is_known && !is_idle
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
