//! A user's state, folded from the events.

use minicbor::{Decode, Encode};

use super::event::UserEvent;
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{SessionEpoch, UserId};
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of users' streams.
pub const CATEGORY: u8 = b'u';

/// The stream of the user `id`.
#[must_use]
pub fn stream(id: UserId) -> Option<StreamId> {
    StreamId::new(CATEGORY, id.as_bytes())
}

/// A user's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct User {
    /// Whether the account can be used, and if not, why.
    #[n(0)]
    pub status: Status,
    /// The epoch in which the user's sessions must have been started.
    #[n(1)]
    pub session_epoch: SessionEpoch,
    /// The roles: they decide which scopes that need a role are granted, and they are the access token's `roles`.
    #[n(2)]
    pub roles: Vec<String>,
    /// When the profile was last changed; `None` if that was before this was kept.
    #[n(3)]
    pub profile_changed_at: Option<Timestamp>,
}

/// Whether an account can be used, and if not, why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// It can be used.
    #[default]
    #[n(0)]
    Active,
    /// An administrator switched it off, and can switch it on again.
    #[n(1)]
    Disabled,
    /// It was deleted, for ever.
    #[n(2)]
    Deleted,
    /// Somebody was invited to make the account and has not done so yet.
    #[n(3)]
    Invited,
    /// The invitation was withdrawn before the account was made: it can never be made.
    #[n(4)]
    Withdrawn,
}

impl User {
    /// Whether the user may sign in and refresh.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    /// The state after `event`.
    #[must_use]
    pub fn apply(self, event: &UserEvent) -> Self {
        match event {
            // An account begins with its profile.
            UserEvent::Registered { at, roles, .. } => {
                Self { status: Status::Active, roles: roles.clone(), profile_changed_at: Some(*at), ..self }
            }
            UserEvent::ProfileChanged { at, .. } => Self { profile_changed_at: Some(*at), ..self },
            UserEvent::RolesChanged { roles, .. } => Self { roles: roles.clone(), ..self },
            UserEvent::Invited { roles, .. } => {
                Self { status: Status::Invited, roles: roles.clone(), ..self }
            }
            UserEvent::PasswordRehashed { .. } => self,
            UserEvent::PasswordChanged { kept, .. } | UserEvent::SessionsEnded { kept, .. } => {
                Self { session_epoch: self.session_epoch.raised(*kept), ..self }
            }
            UserEvent::Disabled { .. } => {
                Self { status: Status::Disabled, session_epoch: self.session_epoch.raised(None), ..self }
            }
            UserEvent::Enabled { .. } => Self { status: Status::Active, ..self },
            UserEvent::InvitationWithdrawn { .. } => Self { status: Status::Withdrawn, ..self },
            UserEvent::Deleted { .. } => Self {
                status: Status::Deleted,
                session_epoch: self.session_epoch.raised(None),
                roles: Vec::new(),
                profile_changed_at: None,
            },
        }
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
