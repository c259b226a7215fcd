//! Rebuilds the indexes of sessions when the code that makes them has changed.
//!
//! The version of [`index`] is stored with the records. If it differs at a start, the log is read once from its
//! beginning, in pages and with bounded memory. The records of every session that still exists are made from its state,
//! and those of older versions are deleted. If that is interrupted, the next start begins again.

use super::Repository;
use super::error::TokenError;
use crate::oauth::SessionId;
use crate::session::{index, state};
use crate::store::{RecordChange, RecordKey};

/// How many events are read at a time.
const PAGE: usize = 500;
/// How many records are changed at a time.
const WRITTEN_AT_ONCE: usize = 90;
/// After how many events the progress is logged.
const SAID_EVERY: u64 = 100_000;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events that were read.
    pub events: u64,
    /// Sessions whose records were made.
    pub sessions: u64,
    /// Records of older versions that were dropped.
    pub dropped: u64,
}

/// The indexes of sessions.
pub struct Indexes {
    pub(super) repository: Repository,
}

impl Indexes {
    /// Rebuilds the indexes of sessions if they are of another version; `None` if they are not. Call it before requests
    /// are answered.
    ///
    /// # Errors
    /// [`TokenError`] if the store fails or holds what can't be read; call it again.
    pub async fn prepare(&self) -> Result<Option<Rebuilt>, TokenError> {
        if self.repository.record(marker()).await?.as_deref() == Some(&[index::VERSION]) {
            return Ok(None);
        }
        let mut rebuilt = Rebuilt::default();
        self.make_indexes(&mut rebuilt).await?;
        for version in 1..index::VERSION {
            for prefix in index::made_by(version) {
                self.drop_all(prefix, &mut rebuilt).await?;
            }
        }
        self.repository.change_records(vec![RecordChange::Put(marker(), vec![index::VERSION])]).await?;
        if rebuilt.events > 0 {
            tracing::info!(
                events = rebuilt.events,
                sessions = rebuilt.sessions,
                dropped = rebuilt.dropped,
                "the indexes of sessions were made again"
            );
        }
        Ok(Some(rebuilt))
    }

    async fn make_indexes(&self, rebuilt: &mut Rebuilt) -> Result<(), TokenError> {
        let (mut after, mut said) = (0, SAID_EVERY);
        let mut made = Vec::new();
        loop {
            let page = self.repository.store().read_log(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for event in &page {
                rebuilt.events = rebuilt.events.saturating_add(1);
                // Once for each session: at its first event, from its current state.
                if event.version != 1 || event.stream.category() != state::CATEGORY {
                    continue;
                }
                let Some(id) = event.stream.key().first_chunk().copied().map(SessionId::from) else {
                    continue;
                };
                let Some(session) = self.repository.session(id).await?.state else { continue };
                rebuilt.sessions = rebuilt.sessions.saturating_add(1);
                let entries = index::entries(id, &session).into_iter();
                made.extend(entries.map(|key| RecordChange::Put(key, Vec::new())));
                if made.len() >= WRITTEN_AT_ONCE {
                    self.repository.change_records(std::mem::take(&mut made)).await?;
                }
            }
            if rebuilt.events >= said {
                tracing::info!(events = rebuilt.events, "making the indexes of sessions again");
                said = said.saturating_add(SAID_EVERY);
            }
        }
        if made.is_empty() { Ok(()) } else { Ok(self.repository.change_records(made).await?) }
    }

    async fn drop_all(&self, prefix: RecordKey, rebuilt: &mut Rebuilt) -> Result<(), TokenError> {
        loop {
            let found = self.repository.scan(prefix.clone(), None, WRITTEN_AT_ONCE).await?;
            if found.is_empty() {
                return Ok(());
            }
            let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
            rebuilt.dropped = rebuilt.dropped.saturating_add(count);
            self.repository
                .change_records(found.into_iter().map(|(key, _)| RecordChange::Delete(key)).collect())
                .await?;
        }
    }
}

/// The record that stores the version of the indexes.
fn marker() -> RecordKey {
    RecordKey::index(0, &[b"sessions"])
}
