//! A session's state, folded from its events. Its size does not grow with use.

use minicbor::{Decode, Encode};

use super::code::Code;
use super::event::{Authorized, EndReason, Issued, SessionEvent, Started, Summary};
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{Generation, Nonce, SessionId};
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of sessions' streams.
pub const CATEGORY: u8 = b's';
/// How many rotations are remembered with their times, and how many earlier generations with their nonces.
pub(super) const REMEMBERED: usize = 4;

/// A session's state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Session {
    /// How it began; its idle expiry is the first one.
    #[n(0)]
    pub started: Started,
    /// Whether it is live.
    #[n(1)]
    pub status: Status,
    /// The current generation.
    #[n(2)]
    pub generation: Generation,
    /// Its nonce; `None` before the first pair was issued.
    #[n(3)]
    pub nonce: Option<Nonce>,
    /// The nonce of the previous generation.
    #[n(4)]
    pub previous_nonce: Option<Nonce>,
    /// When the last generations were rotated away, latest first; at most four.
    #[n(5)]
    rotations: Vec<Timestamp>,
    /// The last access token.
    #[n(6)]
    pub issued: Option<Issued>,
    /// When the session expires if it is not used, in milliseconds since the Unix epoch.
    #[n(7)]
    pub idle_expiry: Timestamp,
    /// Whether another client has presented one of its tokens.
    #[n(8)]
    pub foreign_client_refused: bool,
    /// When a reuse was last recorded.
    #[n(9)]
    pub reuse_detected_at: Option<Timestamp>,
    /// When the last event happened.
    #[n(10)]
    pub last_event_at: Timestamp,
    /// The thumbprint of the key that the tokens are bound to (RFC 9449 §6.1); reserved for DPoP.
    #[cbor(n(11), with = "minicbor::bytes")]
    pub confirmation: Option<[u8; 32]>,
    /// The nonces of the generations before the previous one, latest first; at most three. Empty in a snapshot of a
    /// release that kept only the previous one.
    #[cbor(n(12), default)]
    earlier_nonces: Vec<Nonce>,
    /// The code that it begins with, if it begins with one.
    #[n(13)]
    pub code: Option<Code>,
    /// When the code was redeemed, in milliseconds since the Unix epoch.
    #[n(14)]
    pub code_redeemed_at: Option<Timestamp>,
}

/// Whether a session has begun, is live, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// It has not ended.
    #[n(0)]
    Live,
    /// It has ended.
    #[n(1)]
    Ended {
        /// When.
        #[n(0)]
        at: Timestamp,
        /// Why.
        #[n(1)]
        reason: EndReason,
    },
    /// It has not begun: its code waits to be redeemed.
    #[n(2)]
    Authorized {
        /// When the code expires.
        #[n(0)]
        until: Timestamp,
    },
}

impl Session {
    /// The state after `event`; `None` only before [`SessionEvent::Started`] or [`SessionEvent::Authorized`].
    #[must_use]
    pub fn apply(session: Option<Self>, event: &SessionEvent) -> Option<Self> {
        let has_ended = session.as_ref().is_none_or(|session| matches!(session.status, Status::Ended { .. }));
        let mut session = match (session, event) {
            // A client that acts for itself begins again where its last session ended.
            (_, SessionEvent::Started(started)) if has_ended => return Some(Self::new(started.clone())),
            (None, SessionEvent::Authorized(authorized)) => {
                return Some(Self::authorized((**authorized).clone()));
            }
            (session, _) => session?,
        };
        session.last_event_at = session.last_event_at.max(event.at());
        match event {
            // What is live starts once.
            SessionEvent::Started(_) | SessionEvent::Authorized(_) => {}
            SessionEvent::TokensIssued { at, nonce, access } => {
                session.nonce = Some(*nonce);
                session.issued = Some(access.clone());
                if matches!(session.status, Status::Authorized { .. }) {
                    session.redeemed(*at);
                }
            }
            SessionEvent::TokensRotated { at, generation, nonce, access, idle_expiry } => {
                session.rotated_to(*generation, *nonce, *at);
                session.issued = Some(access.clone());
                session.idle_expiry = *idle_expiry;
            }
            SessionEvent::RotationsSummarized(summary) => session.take_in(summary),
            SessionEvent::AccessTokenIssued { at, access } => {
                session.issued = Some(access.clone());
                if session.started.user.is_none() {
                    session.idle_expiry = session.started.idle_expiry_after(*at);
                }
            }
            SessionEvent::ReuseDetected { at, .. } => session.reuse_detected_at = Some(*at),
            SessionEvent::ForeignClientRefused { .. } => session.foreign_client_refused = true,
            SessionEvent::Ended { at, reason, .. } => {
                if !matches!(session.status, Status::Ended { .. }) {
                    session.status = Status::Ended { at: *at, reason: *reason };
                }
            }
        }
        Some(session)
    }

    fn new(started: Started) -> Self {
        Self {
            status: Status::Live,
            generation: Generation::default(),
            nonce: None,
            previous_nonce: None,
            rotations: Vec::new(),
            issued: None,
            idle_expiry: started.idle_expiry,
            foreign_client_refused: false,
            reuse_detected_at: None,
            last_event_at: started.at,
            confirmation: None,
            earlier_nonces: Vec::new(),
            code: None,
            code_redeemed_at: None,
            started,
        }
    }

    fn authorized(authorized: Authorized) -> Self {
        let Authorized { started, code, expiry } = authorized;
        Self { status: Status::Authorized { until: expiry }, code: Some(code), ..Self::new(started) }
    }

    fn redeemed(&mut self, at: Timestamp) {
        self.status = Status::Live;
        self.code_redeemed_at = Some(at);
        if let Some(code) = &mut self.code {
            code.openid_nonce = None;
        }
    }

    fn rotated_to(&mut self, generation: Generation, nonce: Nonce, at: Timestamp) {
        if let Some(previous) = self.previous_nonce.take() {
            self.earlier_nonces.insert(0, previous);
            self.earlier_nonces.truncate(REMEMBERED.saturating_sub(1));
        }
        self.previous_nonce = self.nonce.replace(nonce);
        self.generation = generation;
        self.rotations.insert(0, at);
        self.rotations.truncate(REMEMBERED);
    }

    /// After a summary of many rotations, the state knows only the last of them.
    fn take_in(&mut self, summary: &Summary) {
        let named = u32::try_from(summary.newest.len()).unwrap_or(u32::MAX);
        let first = summary.generation.0.saturating_add(1).saturating_sub(named);
        for (rotation, generation) in summary.newest.iter().zip(first..) {
            self.rotated_to(Generation(generation), rotation.nonce, rotation.at);
        }
        self.issued = Some(summary.access.clone());
        self.idle_expiry = summary.idle_expiry;
    }

    /// When `generation` was rotated, if that is remembered.
    #[must_use]
    pub fn rotated_at(&self, generation: Generation) -> Option<Timestamp> {
        self.rotations.get(self.behind(generation)?.checked_sub(1)?).copied()
    }

    /// When the oldest remembered rotation happened.
    #[must_use]
    pub fn oldest_rotation(&self) -> Option<Timestamp> {
        self.rotations.last().copied()
    }

    /// The nonce of `generation`, if it is remembered.
    #[must_use]
    pub fn nonce_of(&self, generation: Generation) -> Option<Nonce> {
        match self.behind(generation)? {
            0 => self.nonce,
            1 => self.previous_nonce,
            behind => self.earlier_nonces.get(behind.checked_sub(2)?).copied(),
        }
    }

    /// How many generations `generation` is behind the current one.
    fn behind(&self, generation: Generation) -> Option<usize> {
        usize::try_from(self.generation.0.checked_sub(generation.0)?).ok()
    }

    /// When the current generation was issued.
    #[must_use]
    pub fn last_rotation(&self) -> Timestamp {
        self.rotations.first().copied().unwrap_or(self.started.at)
    }

    /// When its client last got tokens; to the second if that was a retry.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        let issued = self.issued.as_ref().map(|issued| Timestamp::from_seconds(issued.iat));
        self.last_rotation().max(issued.unwrap_or_default())
    }

    /// When the session ends if it is not used before.
    #[must_use]
    pub fn expiry(&self) -> Timestamp {
        self.idle_expiry.min(self.started.absolute_expiry)
    }

    /// Whether the session has expired at `now`. Computed, never stored.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.idle_expiry || now >= self.started.absolute_expiry
    }

    /// What the ids of its access tokens are made of. The sessions of a client that acts for itself have one id, one after
    /// another: so each has a nonce for it.
    #[must_use]
    pub fn token_family(&self, id: SessionId) -> [u8; 16] {
        match (self.started.user, self.nonce) {
            (None, Some(nonce)) => *nonce.as_bytes(),
            (Some(_), _) | (None, None) => *id.as_bytes(),
        }
    }

    /// The session's stream.
    #[must_use]
    pub fn stream(id: SessionId) -> Option<StreamId> {
        StreamId::new(CATEGORY, id.as_bytes())
    }

    /// The state as a snapshot's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The state from a snapshot's bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not a snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
