//! The timeline of a session: its events in plain sentences, so that a person can find out why they were signed out.
//!
//! Consecutive refreshes are one line, including those in a summary. A long run is not read event by event: every
//! rotation raises the generation by one, so if two rotations are as far apart in generation as in version, there are
//! only rotations between them. A session of 100,000 refreshes takes some dozens of reads.

use std::time::Duration;

use super::Repository;
use super::error::TokenError;
use super::sessions::Sessions;
use crate::clock::Timestamp;
use crate::encoding::DecodeError;
use crate::oauth::SessionId;
use crate::session::{Authorized, EndReason, Session, SessionEvent, Status, Summary};
use crate::store::StreamId;

/// How many events are read at a time.
const CHUNK: u64 = 64;
/// The most reads of one page.
const READS: u32 = 64;

/// A part of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelinePage {
    /// The stream version after which it begins; 0: the beginning.
    pub after: u64,
    /// The most lines; at least 1.
    pub limit: usize,
}

/// What happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// What happened, oldest first.
    pub lines: Vec<Line>,
    /// The stream version after which the next page begins, if there is more.
    pub next: Option<u64>,
    /// Why the session is over, if it is.
    pub end: Option<End>,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What happened, as a word for programs.
    pub kind: &'static str,
    /// When; the first time, if it happened several times.
    pub at: Timestamp,
    /// The last time.
    pub last: Timestamp,
    /// How often.
    pub count: u64,
    /// What happened, as a sentence.
    pub text: String,
}

/// Why and when a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// When, if that is known: a session that ended with all others of its user or client is recorded as ended later.
    pub at: Option<Timestamp>,
    /// Why, as a sentence.
    pub text: &'static str,
}

impl Sessions {
    /// What happened to a session, also to an ended one until it is removed; `None` if it is unknown. It reads a
    /// bounded number of events. The caller must check that whoever asks may know it.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn timeline(&self, id: SessionId, page: TimelinePage) -> Result<Option<Timeline>, TokenError> {
        let (Some(session), Some(stream)) = (self.repository.session(id).await?.state, Session::stream(id))
        else {
            return Ok(None);
        };
        let end = match session.status {
            Status::Ended { at, reason } => Some((reason, Some(at))),
            Status::Authorized { .. } => None,
            Status::Live => self
                .why_over(id, &session)
                .await?
                .map(|reason| (reason, (reason == EndReason::Expired).then(|| session.expiry()))),
        };
        let end = end.map(|(reason, at)| End { reason, at, text: why(reason) });
        let mut reader = Reader { repository: &self.repository, stream, at: page.after, reads: 0 };
        let mut lines = Vec::new();
        let next = reader.page(&mut lines, page.limit.max(1)).await?.then_some(reader.at);
        lines.iter_mut().for_each(Line::finish);
        Ok(Some(Timeline { lines, next, end }))
    }

    /// The user of a session; `None` if it is unknown.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn owner(&self, id: SessionId) -> Result<Option<crate::oauth::UserId>, TokenError> {
        Ok(self.repository.session(id).await?.state.and_then(|session| session.started.user))
    }
}

/// Reads a stream from the beginning and skips runs of rotations.
struct Reader<'a> {
    repository: &'a Repository,
    stream: StreamId,
    /// The version of the last event that was read or skipped.
    at: u64,
    reads: u32,
}

impl Reader<'_> {
    /// Reads until there are `limit` lines or enough was read. Returns whether there is more.
    async fn page(&mut self, lines: &mut Vec<Line>, limit: usize) -> Result<bool, TokenError> {
        while self.reads < READS {
            let events = self.read(self.at, CHUNK).await?;
            let full = u64::try_from(events.len()).is_ok_and(|read| read == CHUNK);
            let mut last = None;
            for (version, event) in &events {
                if !Line::add(lines, event, limit) {
                    return Ok(true);
                }
                self.at = *version;
                last = Some(event);
            }
            if !full {
                return Ok(false);
            }
            if let Some(
                SessionEvent::TokensRotated { generation, .. }
                | SessionEvent::RotationsSummarized(Summary { generation, .. }),
            ) = last
            {
                self.skip(generation.0, lines).await?;
            }
        }
        Ok(true)
    }

    /// Skips the rotations that follow a rotation to `generation`, in growing and then in shrinking steps.
    async fn skip(&mut self, mut generation: u32, lines: &mut [Line]) -> Result<(), TokenError> {
        let (mut step, mut grows) = (CHUNK, true);
        while step >= CHUNK && self.reads < READS {
            let target = self.at.saturating_add(step);
            let probed = self.read(target.saturating_sub(1), 1).await?;
            let reached = match probed.first() {
                Some((version, SessionEvent::TokensRotated { generation: there, at, .. }))
                    if *version == target && u64::from(there.0.saturating_sub(generation)) == step =>
                {
                    Some((there.0, *at))
                }
                Some(_) | None => None,
            };
            if let (Some((there, at)), Some(line)) = (reached, lines.last_mut()) {
                line.count = line.count.saturating_add(step);
                line.last = at;
                (self.at, generation) = (target, there);
            } else {
                grows = false;
            }
            step = if grows { step.saturating_mul(2) } else { step.checked_div(2).unwrap_or_default() };
        }
        Ok(())
    }

    /// Events with their versions.
    async fn read(&mut self, after: u64, limit: u64) -> Result<Vec<(u64, SessionEvent)>, TokenError> {
        self.reads = self.reads.saturating_add(1);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let recorded = self.repository.store().read_stream(self.stream.clone(), after, limit).await?;
        let read = recorded.iter().map(|event| Ok((event.version, SessionEvent::decode(&event.data)?)));
        Ok(read.collect::<Result<_, DecodeError>>()?)
    }
}

const REFRESHED: &str = "refreshed";

impl Line {
    fn once(kind: &'static str, at: Timestamp, text: impl Into<String>) -> Self {
        Self { kind, at, last: at, count: 1, text: text.into() }
    }

    /// Adds an event to the lines; `false` if that would be one line too many.
    fn add(lines: &mut Vec<Self>, event: &SessionEvent, limit: usize) -> bool {
        let Some(line) = Self::of(event) else { return true };
        let is_full = lines.len() >= limit;
        match lines.last_mut() {
            Some(last) if line.kind == REFRESHED && last.kind == REFRESHED => {
                last.count = last.count.saturating_add(line.count);
                last.last = line.last;
            }
            Some(_) | None if is_full => return false,
            Some(_) | None => lines.push(line),
        }
        true
    }

    fn of(event: &SessionEvent) -> Option<Self> {
        let line = match event {
            SessionEvent::Started(started) if started.user.is_none() => {
                Self::once("began", started.at, format!("{} began to act for itself.", started.client))
            }
            SessionEvent::Started(started) => {
                Self::once("signed_in", started.at, format!("Signed in with {}.", started.client))
            }
            SessionEvent::Authorized(authorized) => {
                let Authorized { started, .. } = &**authorized;
                let text = format!("Signed in with {}, in a browser.", started.client);
                Self::once("signed_in", started.at, text)
            }
            // It belongs to the sign-in.
            SessionEvent::TokensIssued { .. } => return None,
            SessionEvent::TokensRotated { at, .. } | SessionEvent::AccessTokenIssued { at, .. } => {
                Self::once(REFRESHED, *at, "")
            }
            SessionEvent::RotationsSummarized(Summary { rotations, access_tokens, first, last, .. }) => {
                Self {
                    last: *last,
                    count: rotations.saturating_add(*access_tokens),
                    ..Self::once(REFRESHED, *first, "")
                }
            }
            SessionEvent::ReuseDetected { at, code_redeemed_at: Some(redeemed), .. } => {
                let ago = humantime::format_duration(Duration::from_secs(at.since(*redeemed).as_secs()));
                let text = format!(
                    "The code that this sign-in began with was used again after {ago}: somebody else may have a copy of it."
                );
                Self::once("code_reuse_detected", *at, text)
            }
            SessionEvent::ReuseDetected { at, presented, current, seconds_since, .. } => {
                let ago = humantime::format_duration(Duration::from_secs(*seconds_since));
                let behind = current.0.saturating_sub(presented.0);
                let text = format!(
                    "An old refresh token was used, {behind} behind the newest, which was {ago} old: somebody else may \
                     have a copy of it."
                );
                Self::once("reuse_detected", *at, text)
            }
            SessionEvent::ForeignClientRefused { at, client } => {
                let text = format!("Another app, {client}, tried to use this session and was refused.");
                Self::once("foreign_client_refused", *at, text)
            }
            SessionEvent::Ended { at, reason, .. } => {
                Self::once("ended", *at, format!("Signed out: {}", why(*reason)))
            }
        };
        Some(line)
    }

    /// Completes the text of a line about consecutive refreshes.
    fn finish(&mut self) {
        if self.kind == REFRESHED {
            self.text = match self.count {
                1 => "Refreshed.".to_owned(),
                times => format!("Refreshed {} times between {} and {}.", grouped(times), self.at, self.last),
            };
        }
    }
}

/// A number for people: with a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Why a session ended, for people.
const fn why(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Reuse => {
            "an old refresh token was used again, so this session was ended in case somebody had stolen it."
        }
        EndReason::Logout => "the app signed out.",
        EndReason::User => "it was ended from the list of devices.",
        EndReason::Admin => "an administrator ended it.",
        EndReason::UserEpoch => {
            "the account's sessions were ended all at once, as when the password is changed, everything is signed out, or \
             the account is switched off or deleted."
        }
        EndReason::ClientEpoch => "all sessions of the app were ended.",
        EndReason::Expired => "it was not used for too long, or lasted as long as it may.",
        EndReason::Evicted => {
            "there were too many sessions of the account, and this one was seen longest ago."
        }
        EndReason::CodeReuse => {
            "the code that it began with was used a second time, so this session was ended in case somebody had stolen it."
        }
        EndReason::ConsentWithdrawn => "you withdrew what you had allowed the app.",
        EndReason::LoginEnded => "the sign-in in the browser that it began from has ended.",
        EndReason::Restored => "the server was restored from a backup, and everybody was signed out.",
        EndReason::Rollback => {
            "a token was used that this server does not know: it was restored from a backup, or a secret has leaked."
        }
    }
}
