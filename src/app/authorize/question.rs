//! What the person is asked next: whether they must sign in. Pure.

use std::time::Duration;

use crate::app::logins::CurrentLogin;
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

/// Whether a person must sign in. Times are compared with the request's own, so that a page that is loaded again does not
/// ask for ever.
pub(super) fn log_in<'a>(
    sealed: &SealedRequest,
    login: Option<&'a CurrentLogin>,
    is_first: bool,
) -> Asked<'a> {
    let prompts = sealed.request.prompts;
    let wants = |prompt| prompts.contains(prompt);
    let Some(login) = login else {
        return Asked::LogIn(if wants(Prompt::Create) { LogInReason::SignUp } else { LogInReason::Nobody });
    };
    let is_fresh = !is_first && login.auth_time >= sealed.at;
    if sealed.hinted.is_some_and(|hinted| hinted != login.user) {
        return if is_fresh { Asked::SomebodyElse } else { Asked::LogIn(LogInReason::SomebodyElse) };
    }
    if is_fresh {
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

/// When the person must have signed in at the earliest. `auth_time` has whole seconds, so a second is not split.
fn oldest(at: Timestamp, max_age: u64) -> Timestamp {
    Timestamp::from_seconds(at.seconds()).before(Duration::from_secs(max_age))
}
