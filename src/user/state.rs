//! What has become of a user, folded from the events.

use minicbor::{Decode, Encode};

use super::event::UserEvent;
use crate::encoding::{self, DecodeError};
use crate::oauth::{SessionEpoch, UserId};
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of users' streams.
pub const CATEGORY: u8 = b'u';

/// The stream of a user.
#[must_use]
pub fn stream(id: UserId) -> Option<StreamId> {
    StreamId::new(CATEGORY, id.as_bytes())
}

/// A user's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct User {
    /// Whether the account can be used.
    #[n(0)]
    pub status: Status,
    /// The epoch that its sessions must have been started in.
    #[n(1)]
    pub session_epoch: SessionEpoch,
    /// What the user may be: for scopes that need a role, and for the access token's `roles`.
    #[n(2)]
    pub roles: Vec<String>,
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Yes.
    #[default]
    #[n(0)]
    Active,
    /// Not until it is switched on again.
    #[n(1)]
    Disabled,
    /// Never again.
    #[n(2)]
    Deleted,
    /// Not yet: there is nothing but an invitation.
    #[n(3)]
    Invited,
    /// Never: there was nothing but an invitation, which was withdrawn.
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
            UserEvent::Registered { roles, .. } => {
                Self { status: Status::Active, roles: roles.clone(), ..self }
            }
            UserEvent::RolesChanged { roles, .. } => Self { roles: roles.clone(), ..self },
            UserEvent::Invited { roles, .. } => {
                Self { status: Status::Invited, roles: roles.clone(), ..self }
            }
            UserEvent::PasswordRehashed { .. } | UserEvent::ProfileChanged { .. } => self,
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
            },
        }
    }

    /// The state as a snapshot.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The state out of a snapshot.
    ///
    /// # Errors
    /// A newer format, or bytes that are no snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
