//! Asks whether the login that a session began from has ended.

use crate::app::Repository;
use crate::app::error::TokenError;
use crate::clock::Timestamp;
use crate::oauth::LoginId;

/// Whether the login that a session began from has ended; `false` where there is none to ask.
pub(super) async fn login_has_ended(
    repository: &Repository,
    login: Option<LoginId>,
    now: Timestamp,
) -> Result<bool, TokenError> {
    let Some(login) = login else { return Ok(false) };
    let login = repository.login(login).await?.state;
    Ok(login.is_none_or(|login| login.ended(now).is_some()))
}
