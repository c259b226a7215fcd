//! The sweeper's part in logins: it writes down that one is over, and removes those that ended long ago.

use crate::app::backchannel_logout::outbox;
use crate::app::error::TokenError;
use crate::app::repository::Loaded;
use crate::app::sweep::{Sweeper, Swept};
use crate::clock::Timestamp;
use crate::login::decide::{self, Standing};
use crate::login::{Login, LogoutReason, Status, index};
use crate::oauth::{LoginId, UserId};
use crate::session::device;
use crate::store::{RecordChange, RecordKey, StoreError};

/// How many records are removed at a time.
const FORGOTTEN_AT_ONCE: usize = 100;

impl Sweeper {
    /// Ends the logins whose absolute expiry has passed, and removes those that ended before `oldest_kept`. Takes at most
    /// `limit` places of each queue, and returns whether more may be due.
    pub(in crate::app) async fn sweep_logins(
        &self,
        (now, oldest_kept): (Timestamp, Timestamp),
        limit: usize,
        swept: &mut Swept,
    ) -> Result<bool, TokenError> {
        let expired = self.due_logins(index::expiry_queue(), now, limit).await?;
        let old = self.due_logins(index::removal_queue(), oldest_kept, limit).await?;
        let more = expired.len() == limit || old.len() == limit;
        for (place, id) in expired {
            count(swept, id, self.settle_login(place, id, now).await);
        }
        for (place, id) in old {
            count(swept, id, self.remove_login(place, id, oldest_kept).await);
        }
        Ok(more)
    }

    async fn due_logins(
        &self,
        queue: RecordKey,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RecordKey, LoginId)>, TokenError> {
        let front = self.repository.scan(queue, None, limit).await?;
        let due = front.into_iter().map_while(|(place, _)| {
            let (time, id) = index::place_of(&place)?;
            (time <= until).then_some((place, id))
        });
        Ok(due.collect())
    }

    async fn settle_login(&self, place: RecordKey, id: LoginId, now: Timestamp) -> Result<(), TokenError> {
        let loaded = self.repository.login(id).await?;
        let taken = RecordChange::Delete(place);
        let Some(login) = loaded.state.as_ref().filter(|login| login.status == Status::Live) else {
            return Ok(self.repository.change_guarded::<Login>(&id, loaded.expected, vec![taken]).await?);
        };
        let user = self.repository.user(login.begun.user).await?.state;
        let is_deleted = user.as_ref().is_some_and(|user| user.status == crate::user::Status::Deleted);
        let standing = Standing {
            user: user.filter(crate::user::User::is_active).map(|user| user.session_epoch),
            installation_epoch: self.sessions.installation.current().await?,
            now,
        };
        let Some(reason) = decide::why_over(id, login, &standing) else {
            // The person has typed the password again since.
            let again = RecordChange::Put(index::queued(login.life().absolute_expiry, id), Vec::new());
            return Ok(self
                .repository
                .change_guarded::<Login>(&id, loaded.expected, vec![taken, again])
                .await?);
        };
        // A time that ran out is known.
        let at = if reason == LogoutReason::Expired { login.life().absolute_expiry } else { now };
        let events = decide::log_out(login, reason, None, at);
        // A deleted account has no browsers; this one may have been signed in at the same moment.
        let device = is_deleted.then(|| RecordChange::Delete(device::record(login.begun.user, id)));
        let records = [taken].into_iter().chain(device).collect();
        self.repository.append(&id, loaded, &events, records).await?;
        Ok(())
    }

    async fn remove_login(
        &self,
        place: RecordKey,
        id: LoginId,
        oldest_kept: Timestamp,
    ) -> Result<(), TokenError> {
        let Loaded { state, expected, .. } = self.repository.login(id).await?;
        let mut taken = vec![RecordChange::Delete(place)];
        match state.map(|login| (login.status, login.begun.user)) {
            Some((Status::Ended { at, .. }, user)) if at <= oldest_kept => {
                taken.push(RecordChange::Delete(device::record(user, id)));
                taken.extend(self.forget_who_knows(user, id).await?);
                Ok(self.repository.remove::<Login>(&id, expected, taken).await?)
            }
            Some((Status::Ended { .. } | Status::Live, _)) | None => {
                Ok(self.repository.change_guarded::<Login>(&id, expected, taken).await?)
            }
        }
    }
}

impl Sweeper {
    /// The changes that remove the records of the clients that know a login. If there are many, some are removed at once.
    async fn forget_who_knows(&self, user: UserId, id: LoginId) -> Result<Vec<RecordChange>, TokenError> {
        loop {
            let found = self.repository.scan(outbox::all_who_know(user, id), None, FORGOTTEN_AT_ONCE).await?;
            let is_last = found.len() < FORGOTTEN_AT_ONCE;
            let forgotten = found.into_iter().map(|(key, _)| RecordChange::Delete(key)).collect();
            if is_last {
                return Ok(forgotten);
            }
            self.repository.change_records(forgotten).await?;
        }
    }
}

fn count(swept: &mut Swept, id: LoginId, settled: Result<(), TokenError>) {
    match settled {
        Ok(()) => swept.logins = swept.logins.saturating_add(1),
        // It is being used or logged out at this moment: the next sweep looks again.
        Err(TokenError::Store(StoreError::WrongExpectedVersion)) => {}
        Err(error) => {
            if error.should_log() {
                tracing::error!(login.id = %id, error = %error, "a login can't be swept");
            }
            swept.failed = swept.failed.saturating_add(1);
        }
    }
}
