//! Decides which refreshes of a session can be summarized, and makes the summary.
//!
//! A summary does not change the state folded from the stream, at any event that is left. (One exception: a client that
//! acts for itself begins session after session on one stream, and a summary in an earlier one of them takes the idle
//! expiry by the settings of the latest. That session has ended, and nothing reads it.) Only rotations, and access tokens
//! of retries between them, or of a client for itself, are summarized, and only old ones that the state does not remember one by one.
//! Events about reuse, another client, an end or administration stay, and split the refreshes before them from those
//! after them.

use super::event::{Issued, Rotation, SessionEvent, Started, Summary};
use super::state::{REMEMBERED, Session};
use crate::clock::Timestamp;
use crate::oauth::Generation;

/// The fewest consecutive events that are summarized.
pub const WORTH: usize = 16;
/// How many rotations a summary lists, and how many of a session's newest are never summarized: the state has the times
/// of four, and the nonces of the four generations before them.
const NAMED: usize = REMEMBERED.saturating_add(1);

/// What to do with a part of a session's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Events with the versions from `first` to `last` can be summarized.
    Old {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// How many of them are not summaries already.
        events: u64,
        /// The summary of them.
        summary: Box<Summary>,
    },
    /// Nothing can be summarized here: read on after the version `after`.
    ReadOn {
        /// The version up to which the stream was read.
        after: u64,
    },
    /// Nothing can be summarized until the events after the version `after` are old.
    Young {
        /// The version up to which the stream was read.
        after: u64,
        /// When the event happened that makes a summary worthwhile; `None` if it has not happened yet.
        worth_at: Option<Timestamp>,
    },
}

/// Whether the session was refreshed so often that a summary may be worthwhile.
#[must_use]
pub fn has_many(session: &Session) -> bool {
    // A client that acts for itself rotates nothing; how many tokens it got is not counted.
    session.started.user.is_none()
        || usize::try_from(session.generation.0)
            .is_ok_and(|rotations| rotations >= WORTH.saturating_add(NAMED))
}

/// Examines a part of a live session's stream: consecutive events with their versions (`None` for an event that can't
/// be read, which stays), at least [`WORTH`] of them unless the stream ends there. Events before `old` are old.
#[must_use]
pub fn summarizable(session: &Session, events: &[(u64, Option<SessionEvent>)], old: Timestamp) -> Part {
    let begin = || Run { of: session.started.user.is_none().then_some(&session.started), ..Run::default() };
    let mut run = begin();
    let (mut after, mut last) = (events.first().map_or(0, |(version, _)| version.saturating_sub(1)), 0);
    for (index, (version, event)) in events.iter().enumerate() {
        match event.as_ref().filter(|event| is_a_refresh(event)) {
            Some(event) if event.at() < old && !is_remembered(session, event) => {
                run.add(event);
                last = *version;
            }
            Some(_) => {
                let begins = index.saturating_sub(run.events);
                let worth = events.get(begins.saturating_add(WORTH).saturating_sub(1));
                let worth_at = worth.and_then(|(_, event)| event.as_ref()).map(SessionEvent::at);
                return run.part(after, last).unwrap_or(Part::Young { after, worth_at });
            }
            None => {
                if let Some(part) = std::mem::replace(&mut run, begin()).part(after, last) {
                    return part;
                }
                after = *version;
            }
        }
    }
    // In a user's session, access tokens of retries without a rotation stay: what was read of them is not to be read again.
    let read = if run.events >= WORTH && run.reached().is_none() { last } else { after };
    run.part(after, last).unwrap_or(Part::ReadOn { after: read })
}

/// Whether a summary can replace it.
const fn is_a_refresh(event: &SessionEvent) -> bool {
    match event {
        SessionEvent::TokensRotated { .. }
        | SessionEvent::AccessTokenIssued { .. }
        | SessionEvent::RotationsSummarized(_) => true,
        SessionEvent::Started(_)
        | SessionEvent::Authorized(_)
        | SessionEvent::TokensIssued { .. }
        | SessionEvent::ReuseDetected { .. }
        | SessionEvent::ForeignClientRefused { .. }
        | SessionEvent::Ended { .. } => false,
    }
}

/// Whether the state remembers more of the generation that it led to than its number.
fn is_remembered(session: &Session, event: &SessionEvent) -> bool {
    let named = u32::try_from(NAMED).unwrap_or(u32::MAX);
    match event {
        SessionEvent::TokensRotated { generation, .. } => {
            generation.0.saturating_add(named) > session.generation.0
        }
        SessionEvent::Started(_)
        | SessionEvent::Authorized(_)
        | SessionEvent::TokensIssued { .. }
        | SessionEvent::AccessTokenIssued { .. }
        | SessionEvent::ReuseDetected { .. }
        | SessionEvent::ForeignClientRefused { .. }
        | SessionEvent::Ended { .. }
        | SessionEvent::RotationsSummarized(_) => false,
    }
}

/// Consecutive refreshes.
#[derive(Default)]
struct Run<'a> {
    /// How the session began, of a client that acts for itself.
    of: Option<&'a Started>,
    /// How many events, and how many of them are summaries.
    events: usize,
    summaries: usize,
    rotations: u64,
    access_tokens: u64,
    first: Option<Timestamp>,
    last: Timestamp,
    newest: Vec<Rotation>,
    access: Option<Issued>,
    /// The generation of the last rotation, and its idle expiry.
    reached: Option<(Generation, Timestamp)>,
}

impl Run<'_> {
    /// The generation and the idle expiry that the last of them led to.
    fn reached(&self) -> Option<(Generation, Timestamp)> {
        let of_client = || Some((Generation::default(), self.of?.idle_expiry_after(self.last)));
        self.reached.or_else(of_client)
    }

    fn add(&mut self, event: &SessionEvent) {
        self.events = self.events.saturating_add(1);
        let mut first = event.at();
        self.last = self.last.max(event.at());
        match event {
            SessionEvent::TokensRotated { at, generation, nonce, access, idle_expiry } => {
                self.rotations = self.rotations.saturating_add(1);
                self.newest.push(Rotation { at: *at, nonce: *nonce });
                self.access = Some(access.clone());
                self.reached = Some((*generation, *idle_expiry));
            }
            SessionEvent::AccessTokenIssued { access, .. } => {
                self.access_tokens = self.access_tokens.saturating_add(1);
                self.access = Some(access.clone());
            }
            SessionEvent::RotationsSummarized(summary) => {
                self.summaries = self.summaries.saturating_add(1);
                first = summary.first;
                self.rotations = self.rotations.saturating_add(summary.rotations);
                self.access_tokens = self.access_tokens.saturating_add(summary.access_tokens);
                self.newest.extend_from_slice(&summary.newest);
                self.access = Some(summary.access.clone());
                self.reached = Some((summary.generation, summary.idle_expiry));
            }
            SessionEvent::Started(_)
            | SessionEvent::Authorized(_)
            | SessionEvent::TokensIssued { .. }
            | SessionEvent::ReuseDetected { .. }
            | SessionEvent::ForeignClientRefused { .. }
            | SessionEvent::Ended { .. } => {}
        }
        self.first = self.first.or(Some(first));
    }

    /// The run after the version `after`, if it is long enough for a summary.
    fn part(self, after: u64, last: u64) -> Option<Part> {
        let (Some((generation, idle_expiry)), Some(access), Some(first)) =
            (self.reached(), self.access, self.first)
        else {
            return None;
        };
        if self.events < WORTH {
            return None;
        }
        let newest = self.newest.get(self.newest.len().saturating_sub(NAMED)..).unwrap_or_default().to_vec();
        let summary = Summary {
            rotations: self.rotations,
            access_tokens: self.access_tokens,
            first,
            last: self.last,
            generation,
            newest,
            access,
            idle_expiry,
        };
        let events = u64::try_from(self.events.saturating_sub(self.summaries)).unwrap_or(u64::MAX);
        Some(Part::Old { first: after.saturating_add(1), last, events, summary: Box::new(summary) })
    }
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
