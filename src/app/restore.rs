//! After a restore from a backup: what had been ended since is good again in the data, so every session is ended.

use std::sync::atomic::Ordering;

use super::App;
use super::error::TokenError;
use crate::installation::{Installation, InstallationEvent};
use crate::oauth::Actor;
use crate::session::Session;
use crate::store::{Append, Expected, RecordChange, RecordKey, StoreError};

impl App {
    /// Reads what holds for the whole installation. Call it before requests are answered.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn read_installation(&self) -> Result<(), TokenError> {
        let (state, _) = self.load_installation().await?;
        self.installation_epoch.store(state.epoch, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the data were taken as restored by a start that did not come to end the sessions.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn is_restore_pending(&self) -> Result<bool, TokenError> {
        Ok(self.store.record(RecordKey::restored()).await?.is_some())
    }

    /// Ends every session that there is, by one event.
    ///
    /// # Errors
    /// [`TokenError`], and whether they have ended is unknown.
    pub async fn end_sessions_by_restore(&self, by: Actor) -> Result<(), TokenError> {
        let (state, expected) = self.load_installation().await?;
        let event = InstallationEvent::SessionsEndedByRestore { at: self.clock.now(), by: Some(by) };
        let after = state.apply(&event);
        let append = Append {
            stream: Installation::stream().ok_or(StoreError::TooLarge)?,
            expected,
            events: vec![event.encode()],
            snapshot: after.encode(),
            records: vec![RecordChange::Delete(RecordKey::restored())],
        };
        self.store.append(append).await?;
        self.installation_epoch.store(after.epoch, Ordering::Relaxed);
        tracing::warn!(
            actor = %by,
            "every session has ended, since the data were restored from a backup. Passwords are those of the backup: change \
             those that were changed because somebody knew them"
        );
        Ok(())
    }

    /// The epoch that sessions are started in, and hold in.
    pub(super) fn installation_epoch(&self) -> u32 {
        self.installation_epoch.load(Ordering::Relaxed)
    }

    /// Whether a session was there before the data were last restored from a backup.
    pub(super) fn is_from_before_a_restore(&self, session: &Session) -> bool {
        !session.started.is_in(self.installation_epoch())
    }

    async fn load_installation(&self) -> Result<(Installation, Expected), TokenError> {
        let stream = Installation::stream().ok_or(StoreError::TooLarge)?;
        Ok(match self.store.load(stream).await? {
            Some(snapshot) => (Installation::decode(&snapshot.data)?, Expected::Exact(snapshot.version)),
            None => (Installation::default(), Expected::NoStream),
        })
    }
}
