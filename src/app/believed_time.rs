//! What the sweeper leaves in the store for later processes: the time that it believed last, and whether it doubts the
//! clock.

use std::time::Duration;

use super::admin::events::LogEvent;
use super::clock_guard::{Evidence, Newest};
use super::error::TokenError;
use super::sweep::Sweeper;
use crate::clock::Timestamp;
use crate::store::{RecordChange, RecordKey, StoreError};

impl Sweeper {
    /// What an earlier process left that tells the time. To be asked before requests are answered: what they write has
    /// the time of this process.
    pub async fn clock_evidence(&self) -> Evidence {
        let believed = self.number(believed_time()).await.unwrap_or_default().map(Timestamp::from_millis);
        let newest = match self.number(doubted_for()).await {
            Ok(Some(seconds)) => Newest::Doubted(Duration::from_secs(seconds)),
            Ok(None) => self.newest_event().await.unwrap_or(Newest::Unknown),
            Err(_) => Newest::Unknown,
        };
        Evidence { believed, newest }
    }

    async fn newest_event(&self) -> Result<Newest, TokenError> {
        let position = self.events.newest_position().await?;
        let found = self.repository.store().read_log(position.saturating_sub(1), 1).await?;
        let newest = found.into_iter().next().map(|event| LogEvent::from(event).happened.at());
        Ok(match newest {
            None => Newest::Empty,
            Some(at) => at.map_or(Newest::Unknown, Newest::At),
        })
    }

    async fn number(&self, key: RecordKey) -> Result<Option<u64>, StoreError> {
        let record = self.repository.record(key).await?;
        Ok(record.and_then(|record| record.first_chunk().copied()).map(u64::from_be_bytes))
    }

    pub(super) async fn remember_time(&self, now: Timestamp) {
        self.remember(vec![believed(now)]).await;
    }

    /// Says for a later process that this one doubts its clock, or does no longer; and the newest time that was known, if
    /// that isn't said yet.
    pub(super) async fn remember_doubt(&self, hold: Option<Duration>, known: Option<Timestamp>) {
        let doubt = hold.map_or_else(
            || RecordChange::Delete(doubted_for()),
            |hold| RecordChange::Put(doubted_for(), hold.as_secs().to_be_bytes().to_vec()),
        );
        self.remember(known.map(believed).into_iter().chain([doubt]).collect()).await;
    }

    async fn remember(&self, records: Vec<RecordChange>) {
        if let Err(error) = self.repository.change_records(records).await {
            tracing::warn!(error = %error, "what is known of the clock was not remembered");
        }
    }
}

/// Where the time is kept that the sweeper believed last.
fn believed_time() -> RecordKey {
    RecordKey::index(0, &[b"sweeper"])
}

fn believed(time: Timestamp) -> RecordChange {
    RecordChange::Put(believed_time(), time.millis().to_be_bytes().to_vec())
}

/// Where it is kept that the sweeper doubts the clock: for how many seconds it must run evenly.
fn doubted_for() -> RecordKey {
    RecordKey::index(0, &[b"sweeper doubts"])
}
