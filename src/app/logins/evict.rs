//! The limit of logins of one person: the oldest ones end when there are too many.

use super::Logins;
use crate::app::error::TokenError;
use crate::login::decide::{self, Standing};
use crate::login::{LogoutReason, index};
use crate::oauth::{LoginId, SessionEpoch, UserId};

/// The most logins that one log in ends.
const EVICTED_AT_ONCE: usize = 8;

impl Logins {
    /// Ends the logins beyond the user's limit, after `new` has begun. If that fails, the log in still succeeds, and the next
    /// one ends them.
    pub(super) async fn evict_beyond_the_limit(&self, user: (UserId, SessionEpoch), new: LoginId) {
        if let Err(error) = self.evict(user, new).await {
            tracing::warn!(user.id = %user.0, error = %error, "no login was evicted");
        }
    }

    /// Logins that are over anyway go first, then those that began first.
    async fn evict(&self, (user, epoch): (UserId, SessionEpoch), new: LoginId) -> Result<(), TokenError> {
        let limit = usize::try_from(self.settings.sessions.per_user).unwrap_or(usize::MAX);
        let most = limit.saturating_add(EVICTED_AT_ONCE);
        let keys = self.repository.scan(index::all_of_user(user), None, most).await?;
        let excess = keys.len().saturating_sub(limit);
        if excess == 0 {
            return Ok(());
        }
        let standing = Standing {
            user: Some(epoch),
            installation_epoch: self.installation.current().await?,
            now: self.clock.now(),
        };
        let mut candidates = Vec::with_capacity(keys.len());
        for id in keys.iter().filter_map(|(key, _)| index::login_of(key)).filter(|id| *id != new) {
            let Some(login) = self.repository.login(id).await?.state else { continue };
            let over = decide::why_over(id, &login, &standing);
            candidates.push((over.is_none(), login.begun.at, id, over));
        }
        candidates.sort_by_key(|(live, began, id, _)| (*live, *began, *id));
        for (.., id, over) in candidates.into_iter().take(excess) {
            let reason = over.unwrap_or(LogoutReason::Evicted);
            self.log_out(id, reason, None).await?;
            tracing::info!(
                login.id = %id, user.id = %user, login.end = reason.as_str(), "login ended at a log in beyond the limit"
            );
        }
        Ok(())
    }
}
