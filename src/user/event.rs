//! The events on a user's stream.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{Actor, KeptId};

const FORMAT: u8 = 1;

/// An event on a user's stream. No event holds a name or other personal data.
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
        /// The session or login that stays valid.
        #[n(1)]
        kept: Option<KeptId>,
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
    /// The account was switched on again; the sessions that had ended stay ended.
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
        /// The session or login that stays valid.
        #[n(1)]
        kept: Option<KeptId>,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The account was deleted: its personal data are erased, and its sessions end.
    #[n(7)]
    Deleted {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it, if it was not the user.
        #[n(9)]
        by: Option<Actor>,
    },
    /// Somebody was invited: whoever has the code of the invitation may make this account.
    #[n(8)]
    Invited {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The roles that the account will begin with.
        #[n(1)]
        roles: Vec<String>,
        /// When the invitation expires, in milliseconds since the Unix epoch.
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
    /// The same event with `actor` as the one who did it.
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
