//! The limit of sessions of one user: a sign-in beyond it ends others.

use super::error::TokenError;
use super::repository::{Failed, Loaded, OutcomeUnknown, retry};
use super::sessions::Sessions;
use super::why_over::Surroundings;
use crate::oauth::{SessionId, UserId};
use crate::session::event::Started;
use crate::session::{self, EndReason, Session, index};
use crate::store::StoreError;

/// The most sessions that one sign-in ends. There are more only after the limit was lowered.
const EVICTED_AT_ONCE: usize = 8;

impl Sessions {
    /// The most sessions of one user, apart from some that begin at the same moment.
    pub(super) fn most_sessions(&self) -> usize {
        let limit = usize::try_from(self.settings.sessions.per_user).unwrap_or(usize::MAX);
        limit.saturating_add(EVICTED_AT_ONCE)
    }

    /// Ends the sessions beyond the user's limit, after `new` has begun. If that fails, the sign-in still succeeds, and
    /// the next sign-in ends them.
    pub(super) async fn evict_beyond_the_limit(&self, user: UserId, (new, began): (SessionId, &Started)) {
        let evicted = retry(OutcomeUnknown::Fails, |_| self.evict(user, (new, began))).await;
        if let Err(error) = evicted {
            tracing::warn!(user.id = %user, error = %error, "no session was evicted");
        }
    }

    /// Sessions that have ended anyway go first; then older ones of the same client in the same browser, which an app leaves
    /// behind that signs in anew whenever its page opens; then those that were used longest ago.
    async fn evict(
        &self,
        user: UserId,
        (new, began): (SessionId, &Started),
    ) -> Result<(), Failed<TokenError>> {
        let limit = usize::try_from(self.settings.sessions.per_user).unwrap_or(usize::MAX);
        let keys = self.repository.scan(index::all_of_user(user), None, self.most_sessions()).await;
        let keys = keys.map_err(TokenError::from)?;
        let excess = keys.len().saturating_sub(limit);
        if excess == 0 {
            return Ok(());
        }
        let mut surroundings = Surroundings::of(self);
        let mut candidates = Vec::with_capacity(keys.len());
        for id in keys.iter().filter_map(|(key, _)| index::session_of(key)).filter(|id| *id != new) {
            let loaded = self.repository.session(id).await?;
            let Some(session) = &loaded.state else { continue };
            let over = surroundings.why_over(id, session).await?;
            let login = began.online().filter(|login| session.started.online() == Some(*login));
            let is_left_behind = login.is_some() && session.started.client == began.client;
            candidates.push((over.is_none(), !is_left_behind, session.last_seen(), id, over, loaded));
        }
        candidates.sort_by_key(|(live, other, seen, id, ..)| (*live, *other, *seen, *id));
        for (.., id, over, loaded) in candidates.into_iter().take(excess) {
            let reason = over.unwrap_or(EndReason::Evicted);
            self.end_loaded(id, loaded, reason).await.map_err(Failed::Append)?;
            tracing::info!(
                session.id = %id, user.id = %user, session.end = reason.as_str(), "session ended at a sign-in beyond \
                 the limit"
            );
        }
        Ok(())
    }

    /// Ends a session that was loaded, unless it has ended.
    async fn end_loaded(
        &self,
        id: SessionId,
        loaded: Loaded<Session>,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        let events = loaded.state.as_ref().map(|session| session::end(session, reason, self.clock.now()));
        match events.filter(|events| !events.is_empty()) {
            Some(events) => self.repository.append(&id, loaded, &events, Vec::new()).await.map(drop),
            None => Ok(()),
        }
    }
}
