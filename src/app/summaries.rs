//! The log of a session that lives on does not grow for ever: the sweeper puts one event in the place of its old refreshes.
//!
//! It comes by at the session's place in the expiry queue, which is a lower bound and needs no write when the session is
//! refreshed. The place's value says behind which version of the stream there is still something to do, so what was
//! summarized, and what stays, is not read again. Which events are old stands in [`summary`].

use std::time::Duration;

use super::error::TokenError;
use super::sweep::Sweeper;
use crate::clock::Timestamp;
use crate::oauth::SessionId;
use crate::session::summary::{self, Part};
use crate::session::{Session, SessionEvent, index};
use crate::store::{Expected, MAX_SUMMARIZED, RecordChange, StoreError, Summarize};

/// How many pages of a stream are read at one visit; a page is as long as what is summarized at once.
const PAGES: usize = 8;
/// How long the sweeper stays away at least when there is nothing to do: by then enough is old for a whole summary, also
/// where a session is refreshed every ten minutes.
const AWAY: Duration = Duration::from_hours(8);

/// What is to be done at the place of a session that lives on.
pub(super) struct Visit {
    /// When the next visit is due.
    due: Timestamp,
    /// Behind which version of the stream it begins.
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
    /// The session's next place in the queue.
    pub(super) fn place(&self, id: SessionId, session: &Session) -> RecordChange {
        let value = if self.after == 0 { Vec::new() } else { self.after.to_be_bytes().to_vec() };
        RecordChange::Put(index::queued(self.due.min(session.expiry()), id), value)
    }

    /// Whether there is something to summarize.
    pub(super) const fn has_old(&self) -> bool {
        self.old.is_some()
    }

    /// What puts one event in the place of the old ones, and how many those are.
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
    /// Looks at a session that lives on, whose place in the queue has this value.
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
        // It frees space, but first it writes: the purge is to be done before.
        if self.repository.has_room().is_err() {
            return Ok(away(now, after));
        }
        let stream = Session::stream(id).ok_or(StoreError::TooLarge)?;
        for _ in 0..PAGES {
            let page = self.repository.store().read_stream(stream.clone(), after, MAX_SUMMARIZED).await?;
            let is_last = page.len() < MAX_SUMMARIZED;
            // What this version of heirloom can't read stays as it is.
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
