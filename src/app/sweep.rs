//! The sweeper: ends expired sessions in the log, and removes sessions that ended long ago; likewise logins, unused
//! invitations and withdrawn consents.
//!
//! The sweeper reads only what is due, from the fronts of queues (see [`index`] and [`super::invitations`]), in
//! batches; it never reads all sessions. Nothing depends on it: whether a session has expired is computed for each
//! request, and the sweeper only records it. Every change names the version on which it was decided. One process sweeps
//! at a time, by a lease; two at once would only get in each other's way.
//!
//! A live session is queued again, and its old refreshes are summarized: see `app/summaries.rs`.
//!
//! [`super::clock_guard`] decides whether the clock can be trusted for that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::admin::events::EventLog;
use super::clock_guard::{ClockGuard, Evidence, Newest};
use super::error::TokenError;
use super::outage;
use super::repository::Loaded;
use super::sessions::Sessions;
use super::{Nodes, Repository, Settings};
use crate::clock::{Clock, Timestamp};
use crate::oauth::SessionId;
use crate::session::{self, EndReason, Session, Status, device, index};
use crate::store::cluster::Lease;
use crate::store::{RecordChange, RecordKey, StoreError};

/// The most entries of each queue that one sweep takes.
const BATCH: usize = 100;
/// One in this many of them may be summarized, which writes much more than everything else.
const SUMMARIES: usize = 4;
/// The pause between two batches while more is due, so that requests come first.
const BREATH: Duration = Duration::from_millis(50);
/// How often the last trusted time is stored.
const REMEMBERED_EVERY: Duration = Duration::from_hours(1);

/// The results of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions whose end was recorded.
    pub ended: u64,
    /// Sessions that were still live when their queue entry was due.
    pub queued_again: u64,
    /// Refreshes that were summarized for the first time.
    pub summarized: u64,
    /// Queue entries of sessions that had ended before.
    pub dropped: u64,
    /// Sessions that were removed with all their data.
    pub removed: u64,
    /// Invitations that had expired, or whose rest was removed.
    pub invitations: u64,
    /// Logins that were over, or that were removed.
    pub logins: u64,
    /// Withdrawn consents that were removed.
    pub consents: u64,
    /// Sessions, logins, invitations and consents that could not be swept; the log says why.
    pub failed: u64,
    /// Whether more may be due.
    pub more: bool,
}

/// The state of the sweeper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweeperStats {
    /// What was done since the process started.
    pub total: Swept,
    /// When the last sweep was.
    pub last: Option<Timestamp>,
    /// How much longer nothing is swept, because the wall clock has jumped ahead.
    pub paused: Option<Duration>,
    /// Whether nothing is swept because the disk is nearly full.
    pub disk_full: bool,
    /// Whether another node sweeps.
    pub elsewhere: bool,
}

/// The sweeper, and its progress.
pub struct Sweeper {
    pub(super) progress: Mutex<SweeperStats>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) repository: Repository,
    pub(super) sessions: Arc<Sessions>,
    pub(super) events: Arc<EventLog>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Sweeper {
    /// The state of the sweeper, for metrics and health.
    #[must_use]
    pub fn stats(&self) -> SweeperStats {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut SweeperStats)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl SweeperStats {
    fn add(&mut self, swept: &Swept, now: Timestamp) {
        let total = &mut self.total;
        for (sum, more) in [
            (&mut total.ended, swept.ended),
            (&mut total.queued_again, swept.queued_again),
            (&mut total.summarized, swept.summarized),
            (&mut total.dropped, swept.dropped),
            (&mut total.removed, swept.removed),
            (&mut total.invitations, swept.invitations),
            (&mut total.logins, swept.logins),
            (&mut total.consents, swept.consents),
            (&mut total.failed, swept.failed),
        ] {
            *sum = sum.saturating_add(more);
        }
        total.more = swept.more;
        self.last = Some(now);
    }
}

/// An entry of a queue.
struct Place {
    key: RecordKey,
    value: Vec<u8>,
    session: SessionId,
}

/// What became of one session.
pub(super) enum Settled {
    Ended,
    QueuedAgain,
    /// This many of its refreshes were summarized.
    Summarized(u64),
    /// This sweep has summarized enough.
    Later,
    Dropped,
    Removed,
    /// Its stream moved on meanwhile; the next sweep takes it again.
    MovedOn,
}

impl Sweeper {
    /// Sweeps whenever this node holds the lease and the wall clock can be believed, once in `every` or as long as more is due; never returns.
    /// `evidence` is what [`Sweeper::clock_evidence`] told before requests were answered.
    pub async fn keep_sweeping(self: Arc<Self>, every: Duration, evidence: Evidence) {
        self.nodes.want(Lease::Sweeper);
        let mut was_holder = false;
        let started = self.clock.monotonic();
        // What the newest event tells is forgotten once others are written by a clock that is doubted.
        let mut remembered = evidence.believed.filter(|believed| Some(*believed) == evidence.known());
        let mut doubted = match evidence.newest {
            Newest::Doubted(hold) => Some(hold),
            Newest::Empty | Newest::At(_) | Newest::Unknown => None,
        };
        let mut guard = ClockGuard::since(evidence);
        loop {
            let now = self.clock.now();
            let paused = guard.look(now, self.clock.monotonic().saturating_sub(started));
            self.note_pause(paused);
            let holds = self.nodes.holds(Lease::Sweeper);
            self.note(|stats| stats.elsewhere = !holds);
            // What the node before has said of its clock is not true of this one's.
            let takes_over = holds && !was_holder && self.nodes.are_several();
            was_holder = holds;
            if holds && (doubted != guard.doubted_for() || takes_over) {
                doubted = guard.doubted_for();
                self.remember_doubt(doubted, evidence.known().filter(|_| remembered.is_none())).await;
            }
            self.note_disk();
            if paused.is_none() && holds {
                if remembered.is_none_or(|then| then > now || now.since(then) >= REMEMBERED_EVERY) {
                    self.remember_time(now).await;
                    remembered = Some(now);
                }
                if self.repository.has_room().is_ok() && self.sweep(BATCH).await.is_ok_and(|swept| swept.more)
                {
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    /// For a process that does not sweep: if its clock is not to be believed, says so for a later one, as what is written
    /// from now on has its time. `evidence` is what [`Sweeper::clock_evidence`] told before.
    pub async fn note_doubt(&self, evidence: Evidence) {
        let mut guard = ClockGuard::since(evidence);
        guard.look(self.clock.now(), Duration::ZERO);
        let doubted = guard.doubted_for();
        let noted = matches!(evidence.newest, Newest::Doubted(hold) if Some(hold) == doubted);
        if doubted.is_some() && !noted {
            self.remember_doubt(doubted, evidence.known()).await;
        }
    }

    /// Tells the operator when the disk becomes nearly full, and when it is no longer.
    fn note_disk(&self) {
        match outage::take_unlogged() {
            0 => {}
            count => {
                tracing::warn!(requests = count, "more requests failed with the store, or for want of room");
            }
        }
        let store = self.repository.store().stats();
        let was = self.stats().disk_full;
        self.note(|stats| stats.disk_full = store.nearly_full.is_some());
        let (free, floor) = (store.free_bytes, store.floor_bytes);
        match (was, store.nearly_full.is_some()) {
            (false, true) => tracing::error!(
                store.free_bytes = free,
                store.floor_bytes = floor,
                "the disk is nearly full: sign-ins, new accounts, invitations and clients are refused, and nothing is swept; free some space on it"
            ),
            (true, false) => tracing::info!(
                store.free_bytes = free,
                store.floor_bytes = floor,
                "the disk has room again: nothing is refused for it any more"
            ),
            (true, true) | (false, false) => {}
        }
    }

    /// Ends what is over and removes what ended longer ago than the retention: of each queue at most `limit` places, and
    /// only what is due.
    ///
    /// # Errors
    /// [`TokenError`] if a queue can't be read. What fails for one session is counted, and logged.
    pub async fn sweep(&self, limit: usize) -> Result<Swept, TokenError> {
        let now = self.clock.now();
        let oldest_kept = now.before(self.settings.sessions.retention);
        let expired = self.due(index::expiry_queue(), now, limit).await?;
        let old = self.due(index::removal_queue(), oldest_kept, limit).await?;
        let mut swept = Swept { more: expired.len() == limit || old.len() == limit, ..Swept::default() };
        let mut summaries = limit.div_ceil(SUMMARIES);
        for place in expired {
            let (id, settled) = (place.session, self.settle(place, summaries > 0).await);
            if matches!(settled, Ok(Settled::Summarized(_))) {
                summaries = summaries.saturating_sub(1);
            }
            swept.count(id, settled);
        }
        for Place { key, session, .. } in old {
            swept.count(session, self.remove_ended(key, session, oldest_kept).await);
        }
        swept.more |= self.sweep_invitations(now, limit, &mut swept).await?;
        swept.more |= self.sweep_logins((now, oldest_kept), limit, &mut swept).await?;
        swept.more |= self.sweep_consents(oldest_kept, limit, &mut swept).await?;
        // What only fails is not tried again at once.
        let Swept { ended, queued_again, summarized, dropped, removed, .. } = swept;
        let Swept { invitations, logins, consents, .. } = swept;
        let done = [ended, queued_again, summarized, dropped, removed, invitations, logins, consents];
        swept.more &= done.iter().any(|done| *done > 0);
        self.note(|stats| stats.add(&swept, now));
        Ok(swept)
    }

    /// The places of a queue up to a time.
    async fn due(&self, queue: RecordKey, until: Timestamp, limit: usize) -> Result<Vec<Place>, TokenError> {
        let front = self.repository.scan(queue, None, limit).await?;
        let due = front.into_iter().map_while(|(key, value)| {
            let (time, session) = index::place_of(&key)?;
            (time <= until).then_some(Place { key, value, session })
        });
        Ok(due.collect())
    }

    /// Takes a session's place out of the expiry queue: ends the session if it is over, else queues it again; and, if
    /// there may be summaries, summarizes what is old of its refreshes.
    async fn settle(&self, place: Place, may_summarize: bool) -> Result<Settled, TokenError> {
        let Place { key, value, session: id } = place;
        let Loaded { state, expected, .. } = self.repository.session(id).await?;
        let taken = RecordChange::Delete(key);
        let session = match state {
            Some(session) if matches!(session.status, Status::Authorized { .. }) => {
                return self.drop_unredeemed(taken, id, (session, expected)).await;
            }
            Some(session) if session.status == Status::Live => session,
            Some(_) | None => {
                self.repository.change_guarded::<Session>(&id, expected, vec![taken]).await?;
                return Ok(Settled::Dropped);
            }
        };
        let Some(reason) = self.sessions.why_over(id, &session).await? else {
            let visit = self.visit(id, &session, &value).await?;
            if visit.has_old() && !may_summarize {
                return Ok(Settled::Later);
            }
            let records = vec![taken, visit.place(id, &session)];
            let Some((summarize, events)) = visit.summarize(id, expected, &records)? else {
                self.repository.change_guarded::<Session>(&id, expected, records).await?;
                return Ok(Settled::QueuedAgain);
            };
            self.repository.summarize(summarize).await?;
            return Ok(Settled::Summarized(events));
        };
        let events = session::end(&session, reason, self.ended_at(&session, reason));
        let mut records = vec![taken];
        // A deleted account has no devices; this one may have been signed in at the same moment.
        if let Some(user) = session.started.user
            && self
                .repository
                .user(user)
                .await?
                .state
                .is_some_and(|user| user.status == crate::user::Status::Deleted)
        {
            records.push(RecordChange::Delete(device::record(user, id)));
        }
        let loaded = Loaded { state: Some(session), expected, is_retry: false };
        self.repository.append(&id, loaded, &events, records).await?;
        Ok(Settled::Ended)
    }

    /// When a session ended that is only now written down: a time that ran out is known.
    fn ended_at(&self, session: &Session, reason: EndReason) -> Timestamp {
        if reason == EndReason::Expired { session.expiry() } else { self.clock.now() }
    }

    /// Removes a session that ended before `oldest_kept`, with all that is known of it.
    async fn remove_ended(
        &self,
        place: RecordKey,
        id: SessionId,
        oldest_kept: Timestamp,
    ) -> Result<Settled, TokenError> {
        let Loaded { state, expected, .. } = self.repository.session(id).await?;
        let taken = RecordChange::Delete(place);
        let Some(session) = state else {
            self.repository.change_guarded::<Session>(&id, expected, vec![taken]).await?;
            return Ok(Settled::Dropped);
        };
        let Status::Ended { at, .. } = session.status else { return Ok(Settled::MovedOn) };
        if at > oldest_kept {
            return Ok(Settled::MovedOn);
        }
        let mut records = vec![taken];
        records.extend(session.started.user.map(|user| RecordChange::Delete(device::record(user, id))));
        records.push(RecordChange::Delete(index::queued(session.expiry(), id)));
        self.repository.remove::<Session>(&id, expected, records).await?;
        Ok(Settled::Removed)
    }

    fn note_pause(&self, paused: Option<Duration>) {
        let before = self.stats().paused;
        self.note(|stats| stats.paused = paused);
        match (before, paused) {
            (None, Some(left)) => tracing::warn!(
                sweeper.paused_seconds = left.as_secs(),
                "the wall clock has jumped ahead, or heirloom was down for a while: nothing is swept until the clock has \
                 run evenly for so long"
            ),
            (Some(_), None) => tracing::info!("the wall clock is believed again: sweeping"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}

impl Swept {
    fn count(&mut self, id: SessionId, settled: Result<Settled, TokenError>) {
        let counter = match settled {
            Ok(Settled::Ended) => &mut self.ended,
            Ok(Settled::QueuedAgain) => &mut self.queued_again,
            Ok(Settled::Summarized(events)) => {
                self.summarized = self.summarized.saturating_add(events);
                // Its next place is due at once: there may be more.
                self.more = true;
                return;
            }
            Ok(Settled::Later) => {
                self.more = true;
                return;
            }
            Ok(Settled::Dropped) => &mut self.dropped,
            Ok(Settled::Removed) => &mut self.removed,
            Ok(Settled::MovedOn) | Err(TokenError::Store(StoreError::WrongExpectedVersion)) => return,
            Err(error) => {
                if error.should_log() {
                    tracing::error!(session.id = %id, error = %error, "a session can't be swept");
                }
                &mut self.failed
            }
        };
        *counter = counter.saturating_add(1);
    }
}
