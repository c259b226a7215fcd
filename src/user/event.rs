//! What happens to a user.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{Actor, SessionId};

const FORMAT: u8 = 1;

/// An event on a user's stream. None holds a name or anything else of the person.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum UserEvent {
    /// The account was made.
    #[n(0)]
    Registered {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Its first roles.
        #[n(1)]
        roles: Vec<String>,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The password was changed; all sessions but one at most end.
    #[n(1)]
    PasswordChanged {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The session that is kept.
        #[n(1)]
        kept: Option<SessionId>,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The same password was hashed again, with newer parameters.
    #[n(2)]
    PasswordRehashed {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The account was switched off; its sessions end.
    #[n(3)]
    Disabled {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The account was switched on again; what had ended stays so.
    #[n(4)]
    Enabled {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The roles were set.
    #[n(5)]
    RolesChanged {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// All roles from now on.
        #[n(1)]
        roles: Vec<String>,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// All sessions but one at most were ended.
    #[n(6)]
    SessionsEnded {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The session that is kept.
        #[n(1)]
        kept: Option<SessionId>,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The account was deleted; what was personal is gone, its sessions end.
    #[n(7)]
    Deleted {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// Somebody may make this account who shows the code of the invitation.
    #[n(8)]
    Invited {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The roles that it will begin with.
        #[n(1)]
        roles: Vec<String>,
        /// Until when.
        #[n(2)]
        until: Timestamp,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The profile was changed.
    #[n(9)]
    ProfileChanged {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The invitation was withdrawn: nobody can make this account any more.
    #[n(10)]
    InvitationWithdrawn {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
}

impl UserEvent {
    /// The same event, with who did it.
    #[must_use]
    pub fn done_by(mut self, actor: Option<Actor>) -> Self {
        let (Self::Registered { by, .. }
        | Self::PasswordChanged { by, .. }
        | Self::PasswordRehashed { by, .. }
        | Self::Disabled { by, .. }
        | Self::Enabled { by, .. }
        | Self::RolesChanged { by, .. }
        | Self::SessionsEnded { by, .. }
        | Self::Deleted { by, .. }
        | Self::Invited { by, .. }
        | Self::ProfileChanged { by, .. }
        | Self::InvitationWithdrawn { by, .. }) = &mut self;
        *by = actor;
        self
    }

    /// The event as a store keeps it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The event as a store kept it.
    ///
    /// # Errors
    /// A newer format, or bytes that are no event.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
