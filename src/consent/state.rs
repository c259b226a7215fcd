//! A consent's state, folded from its events. Its size does not grow with use.

use minicbor::{Decode, Encode};

use super::event::{Allowed, ConsentEvent, Given};
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{ClientId, UserId};
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of consents' streams.
pub const CATEGORY: u8 = b'g';
/// How many pairs of a resource and a host are remembered.
pub(super) const MOST: usize = 32;
/// How many bytes of them: a snapshot has at most [`crate::store::MAX_VALUE`].
pub(super) const MOST_BYTES: usize = 6 * 1024;

/// Whose consent for which client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentId {
    /// The person.
    pub user: UserId,
    /// The client.
    pub client: ClientId,
}

/// A consent's state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Consent {
    /// The person.
    #[n(0)]
    pub user: UserId,
    /// The client.
    #[n(1)]
    pub client: ClientId,
    /// The client's epoch when all this was allowed: a client that is deleted and registered again inherits nothing.
    #[n(2)]
    pub client_epoch: u32,
    /// What is allowed, for different pairs of a resource and a host; the latest comes first.
    #[n(3)]
    pub allowed: Vec<Allowed>,
    /// Whether anything is allowed.
    #[n(4)]
    pub status: Status,
    /// When the last event happened.
    #[n(5)]
    pub last_event_at: Timestamp,
}

/// Whether a consent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// It stands.
    #[n(0)]
    Given {
        /// Since when something is allowed, in milliseconds since the Unix epoch.
        #[n(0)]
        since: Timestamp,
    },
    /// It was withdrawn.
    #[n(1)]
    Withdrawn {
        /// When, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
    },
}

impl ConsentId {
    /// The stream. A client's id is too long for it, so its digest stands in its place.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        StreamId::new(CATEGORY, &[*self.user.as_bytes(), self.client.digest()].concat())
    }
}

impl Allowed {
    /// Whether it covers what a client asks for.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        self.is_for_the_same(asked) && asked.scope.is_within(&self.scope)
    }

    pub(super) fn is_for_the_same(&self, other: &Self) -> bool {
        self.resource == other.resource && self.redirect_host == other.redirect_host
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let resource = self.resource.as_ref().map_or(0, |resource| resource.as_str().len());
        [self.scope.as_str().len(), resource, self.redirect_host.len(), 16].iter().sum()
    }
}

impl Consent {
    /// The state after `event`; `None` only before [`ConsentEvent::Given`].
    #[must_use]
    pub fn apply(consent: Option<Self>, event: &ConsentEvent) -> Option<Self> {
        match (consent, event) {
            (None, ConsentEvent::Withdrawn { .. }) => None,
            (consent, ConsentEvent::Given(given)) => Some(Self::after(consent, given)),
            (Some(consent), ConsentEvent::Withdrawn { at, .. }) => Some(Self {
                allowed: Vec::new(),
                status: Status::Withdrawn { at: *at },
                last_event_at: consent.last_event_at.max(*at),
                ..consent
            }),
        }
    }

    fn after(before: Option<Self>, given: &Given) -> Self {
        let last_event_at = before.as_ref().map_or(given.at, |before| before.last_event_at.max(given.at));
        let (mut allowed, status) = match before {
            Some(before) if before.holds(given.client_epoch) => (before.allowed, before.status),
            Some(_) | None => (Vec::new(), Status::Given { since: given.at }),
        };
        let mut latest = given.allowed.clone();
        if let Some(place) = allowed.iter().position(|known| known.is_for_the_same(&latest)) {
            let known = allowed.remove(place);
            let both = Allowed { scope: known.scope.union(&latest.scope), ..known };
            if both.bytes() <= MOST_BYTES {
                latest = both;
            }
        }
        allowed.insert(0, latest);
        allowed.truncate(MOST);
        while allowed.iter().map(Allowed::bytes).sum::<usize>() > MOST_BYTES && allowed.len() > 1 {
            allowed.pop();
        }
        Self {
            user: given.user,
            client: given.client.clone(),
            client_epoch: given.client_epoch,
            allowed,
            status,
            last_event_at,
        }
    }

    /// Since when it stands in this epoch of the client; none if it does not. Another time means that it was withdrawn or
    /// became void in between.
    #[must_use]
    pub fn stands_since(&self, client_epoch: u32) -> Option<Timestamp> {
        match self.status {
            Status::Given { since } => (self.client_epoch == client_epoch).then_some(since),
            Status::Withdrawn { .. } => None,
        }
    }

    /// Whether it stands in this epoch of the client.
    #[must_use]
    pub fn holds(&self, client_epoch: u32) -> bool {
        self.stands_since(client_epoch).is_some()
    }

    /// Whether it covers what a client in this epoch asks for.
    #[must_use]
    pub fn covers(&self, asked: &Allowed, client_epoch: u32) -> bool {
        self.holds(client_epoch) && self.allowed.iter().any(|allowed| allowed.covers(asked))
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
