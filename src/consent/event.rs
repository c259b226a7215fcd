//! The events on a consent's stream.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{Actor, Audience, ClientId, Scope, UserId};

const FORMAT: u8 = 1;

/// An event on a consent's stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ConsentEvent {
    /// `consent_given`: the person allowed something that was not allowed before.
    #[n(0)]
    Given(#[n(0)] Given),
    /// `consent_withdrawn`: nothing is allowed any more.
    #[n(1)]
    Withdrawn {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The client.
        #[n(1)]
        client: ClientId,
        /// Who did it, if it was not the person.
        #[n(2)]
        by: Option<Actor>,
    },
}

/// What somebody allowed a client, and when.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Given {
    /// When it happened, in milliseconds since the Unix epoch.
    #[n(0)]
    pub at: Timestamp,
    /// The person.
    #[n(1)]
    pub user: UserId,
    /// The client.
    #[n(2)]
    pub client: ClientId,
    /// The client's epoch at that time.
    #[n(3)]
    pub client_epoch: u32,
    /// What was allowed.
    #[n(4)]
    pub allowed: Allowed,
}

/// What a person allows a client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Allowed {
    /// The scope.
    #[n(0)]
    pub scope: Scope,
    /// The resource server; `None` for heirloom's own API alone.
    #[n(1)]
    pub resource: Option<Audience>,
    /// The host of the redirect URI, where answers go; the scheme of a URI without a host.
    #[n(2)]
    pub redirect_host: String,
}

impl ConsentEvent {
    /// The event's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Given(_) => "consent_given",
            Self::Withdrawn { .. } => "consent_withdrawn",
        }
    }

    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Given(Given { at, .. }) | Self::Withdrawn { at, .. } => *at,
        }
    }

    /// The event as stored bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The event from stored bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not an event.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
