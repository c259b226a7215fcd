//! What the person is asked next: whether they must sign in, and whether they must allow the client. Pure.

use std::time::Duration;

use crate::app::logins::CurrentLogin;
use crate::client::ConsentPolicy;
use crate::clock::Timestamp;
use crate::oauth::{Prompt, SealedRequest};

/// Why the person is asked to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogInReason {
    /// Nobody is signed in.
    Nobody,
    /// Nobody is signed in, and the client wants them to make an account.
    SignUp,
    /// It was too long ago, or the client wants it anew.
    Again,
    /// The client wants to know which account.
    SelectAccount,
    /// Somebody else is signed in than the client means.
    SomebodyElse,
}

/// What the person is asked before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// Nothing: this login will do.
    Nothing(&'a CurrentLogin),
    /// To sign in.
    LogIn(LogInReason),
    /// Nothing any more: they have just signed in, as somebody else than the client means.
    SomebodyElse,
}

/// Whether a person must sign in.
pub(super) fn log_in<'a>(sealed: &SealedRequest, login: Option<&'a CurrentLogin>) -> Asked<'a> {
    let prompts = sealed.request.prompts;
    let wants = |prompt| prompts.contains(prompt);
    let Some(login) = login else {
        return Asked::LogIn(if wants(Prompt::Create) { LogInReason::SignUp } else { LogInReason::Nobody });
    };
    let is_authenticated = is_authenticated(sealed, login);
    if sealed.hinted.is_some_and(|hinted| hinted != login.user) {
        let must_log_in = Asked::LogIn(LogInReason::SomebodyElse);
        return if is_authenticated { Asked::SomebodyElse } else { must_log_in };
    }
    if is_authenticated {
        return Asked::Nothing(login);
    }
    // OpenID Connect Core §3.1.2.1: `max_age=0` is the same as `prompt=login`.
    let is_too_old = sealed
        .request
        .max_age
        .is_some_and(|max_age| max_age == 0 || login.auth_time < oldest(sealed.at, max_age));
    if wants(Prompt::Create) {
        Asked::LogIn(LogInReason::SignUp)
    } else if wants(Prompt::SelectAccount) {
        Asked::LogIn(LogInReason::SelectAccount)
    } else if wants(Prompt::Login) || is_too_old {
        Asked::LogIn(LogInReason::Again)
    } else {
        Asked::Nothing(login)
    }
}

/// Whether the person has typed the password for this very request, or later in the same login.
fn is_authenticated(sealed: &SealedRequest, login: &CurrentLogin) -> bool {
    sealed
        .authentication
        .is_some_and(|proved| proved.login == login.id && login.auth_time >= proved.auth_time)
}

/// When the person must have signed in at the earliest. `auth_time` has whole seconds, so a second is not split.
fn oldest(at: Timestamp, max_age: u64) -> Timestamp {
    Timestamp::from_seconds(at.seconds()).before(Duration::from_secs(max_age))
}

/// What allows a client to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConsentRule {
    /// The person says so now.
    Now,
    /// The person says so now, or has said so before.
    Remembered,
    /// Nobody needs to say so.
    Implied,
}

/// What allows a client to begin. `is_native` says that the answer goes to an app on the device.
pub(super) fn consent(
    sealed: &SealedRequest,
    login: &CurrentLogin,
    policy: ConsentPolicy,
    is_native: bool,
) -> ConsentRule {
    // RFC 8252 §8.6: the server SHOULD NOT process requests without the person's consent or interaction, even if the
    // person has approved the client before, unless the client's identity can be assured. Any app on the device may have
    // the same scheme or listen on a port.
    let nobody_was_there = is_native && !is_authenticated(sealed, login);
    match policy {
        _ if nobody_was_there || sealed.request.prompts.contains(Prompt::Consent) => ConsentRule::Now,
        ConsentPolicy::Ask => ConsentRule::Remembered,
        ConsentPolicy::Implied => ConsentRule::Implied,
    }
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;
