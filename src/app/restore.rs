//! After a restore from a backup, ends every session, because sessions that were ended after the backup would be valid
//! again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Repository;
use super::error::TokenError;
use crate::clock::Clock;
use crate::installation::{Installation, InstallationEvent};
use crate::oauth::Actor;
use crate::session::Session;
use crate::store::{RecordChange, RecordKey};

/// The installation's epoch, and how it is raised.
pub struct InstallationEpoch {
    pub(super) repository: Repository,
    pub(super) clock: Arc<dyn Clock>,
    /// The epoch as this process read it last.
    pub(super) epoch: AtomicU32,
}

impl InstallationEpoch {
    /// Reads the installation's state. Call it before requests are answered.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn read(&self) -> Result<(), TokenError> {
        self.read_epoch().await.map(drop)
    }

    /// Whether a start accepted the data as restored but ended before it could end the sessions.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn is_restore_pending(&self) -> Result<bool, TokenError> {
        Ok(self.repository.record(RecordKey::restored()).await?.is_some())
    }

    /// Ends every existing session by one event.
    ///
    /// # Errors
    /// [`TokenError`], and whether they have ended is unknown.
    pub async fn end_sessions_by_restore(&self, by: Actor) -> Result<(), TokenError> {
        let loaded = self.repository.load::<Installation>(&()).await?;
        let events = [InstallationEvent::SessionsEndedByRestore { at: self.clock.now(), by: Some(by) }];
        let records = vec![RecordChange::Delete(RecordKey::restored())];
        let after = self.repository.append(&(), loaded, &events, records).await?;
        self.epoch.store(after.epoch, Ordering::Relaxed);
        tracing::warn!(
            actor = %by,
            "every session has ended, since the data were restored from a backup. Passwords are those of the backup: change \
             those that were changed because somebody knew them"
        );
        Ok(())
    }

    /// The epoch in which new sessions are started, and outside of which sessions are not valid. If other nodes may raise
    /// it, it is read.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub(super) async fn current(&self) -> Result<u32, TokenError> {
        if self.repository.store().is_shared() {
            return self.read_epoch().await;
        }
        Ok(self.epoch.load(Ordering::Relaxed))
    }

    /// Whether a session was started before the data were last restored from a backup.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub(super) async fn is_from_before_a_restore(&self, session: &Session) -> Result<bool, TokenError> {
        Ok(!session.started.is_in(self.current().await?))
    }

    async fn read_epoch(&self) -> Result<u32, TokenError> {
        let state = self.repository.load::<Installation>(&()).await?.state.unwrap_or_default();
        self.epoch.store(state.epoch, Ordering::Relaxed);
        Ok(state.epoch)
    }
}
