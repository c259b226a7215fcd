//! Keeps the log of a long-lived session short: the sweeper replaces its old refreshes by one event.
//!
//! The sweeper visits a session when its entry in the expiry queue is due. The entry's time is a lower bound, so a
//! refresh need not write it. The entry's value is the stream version after which there is still something to do, so
//! that events that were summarized or must stay are not read again. [`summary`] says which events are old.

use std::time::Duration;

use super::error::TokenError;
use super::sweep::Sweeper;
use crate::clock::Timestamp;
use crate::oauth::SessionId;
use crate::session::summary::{self, Part};
use crate::session::{Session, SessionEvent, index};
use crate::store::{Expected, MAX_SUMMARIZED, RecordChange, StoreError, Summarize};

/// How many pages of a stream one visit reads; a page is as long as the most that is summarized at once.
const PAGES: usize = 8;
/// How long after a visit that found nothing to do the next one is at least. By then a whole summary's worth is old,
/// even for a session that is refreshed every ten minutes.
const AWAY: Duration = Duration::from_hours(8);

/// What to do at the queue entry of a live session.
pub(super) struct Visit {
    /// When the next visit is due.
    due: Timestamp,
    /// The stream version after which it begins.
    after: u64,
    /// What can be summarized now.
    old: Option<Old>,
}

/// Events that can be summarized.
struct Old {
    first: u64,
    last: u64,
    events: u64,
    event: SessionEvent,
}

impl Visit {
    /// The session's next queue entry.
    pub(super) fn place(&self, id: SessionId, session: &Session) -> RecordChange {
        let value = if self.after == 0 { Vec::new() } else { self.after.to_be_bytes().to_vec() };
        RecordChange::Put(index::queued(self.due.min(session.expiry()), id), value)
    }

    /// Whether there is something to summarize.
    pub(super) const fn has_old(&self) -> bool {
        self.old.is_some()
    }

    /// The change that replaces the old events by one, and how many those are.
    pub(super) fn summarize(
        self,
        id: SessionId,
        expected: Expected,
        records: &[RecordChange],
    ) -> Result<Option<(Summarize, u64)>, StoreError> {
        let Some(Old { first, last, events, event }) = self.old else { return Ok(None) };
        let stream = Session::stream(id).ok_or(StoreError::TooLarge)?;
        let (event, records) = (event.encode(), records.to_vec());
        Ok(Some((Summarize { stream, expected, first, last, event, records }, events)))
    }
}

impl Sweeper {
    /// Visits a live session whose queue entry has this value.
    pub(super) async fn visit(
        &self,
        id: SessionId,
        session: &Session,
        value: &[u8],
    ) -> Result<Visit, TokenError> {
        let mut after = value.first_chunk().copied().map_or(0, u64::from_be_bytes);
        let Some(kept) = self.settings.sessions.rotations_kept else {
            return Ok(Visit { due: session.expiry(), after, old: None });
        };
        let now = self.clock.now();
        let away = |due: Timestamp, after| Visit { due: due.max(now.after(AWAY)), after, old: None };
        if !summary::has_many(session) {
            return Ok(away(now.after(kept), after));
        }
        // A summary frees space but needs some first, which the purge must free.
        if self.repository.has_room().is_err() {
            return Ok(away(now, after));
        }
        let stream = Session::stream(id).ok_or(StoreError::TooLarge)?;
        for _ in 0..PAGES {
            let page = self.repository.store().read_stream(stream.clone(), after, MAX_SUMMARIZED).await?;
            let is_last = page.len() < MAX_SUMMARIZED;
            // Events that this version of heirloom can't read stay as they are.
            let events: Vec<_> =
                page.iter().map(|event| (event.version, SessionEvent::decode(&event.data).ok())).collect();
            match summary::summarizable(session, &events, now.before(kept)) {
                Part::Old { first, last, events, summary } => {
                    let old = Old { first, last, events, event: SessionEvent::RotationsSummarized(*summary) };
                    return Ok(Visit { due: now, after: first.saturating_sub(1), old: Some(old) });
                }
                Part::Young { after, worth_at } => {
                    return Ok(away(worth_at.unwrap_or(now).after(kept), after));
                }
                Part::ReadOn { after: read } if is_last => return Ok(away(now.after(kept), read.max(after))),
                Part::ReadOn { after: read } => after = read.max(after),
            }
        }
        Ok(Visit { due: now, after, old: None })
    }
}
