//! Why sessions end.

use minicbor::{Decode, Encode};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum EndReason {
    /// An earlier generation of its refresh token was used again.
    #[n(0)]
    Reuse,
    /// The client signed out.
    #[n(1)]
    Logout,
    /// The user ended it, from a list of devices.
    #[n(2)]
    User,
    /// An administrator ended it.
    #[n(3)]
    Admin,
    /// All the user's sessions were ended: the password was changed, or the account was switched off or deleted.
    #[n(4)]
    UserEpoch,
    /// All the client's sessions were ended, or it was switched off or deleted.
    #[n(5)]
    ClientEpoch,
    /// It was unused for too long, or has reached its longest life.
    #[n(6)]
    Expired,
    /// The user had too many sessions, and this one was used longest ago.
    #[n(7)]
    Evicted,
    /// A token was presented that this store never issued: either the store was restored from a backup, or the refresh
    /// secret has leaked.
    #[n(8)]
    Rollback,
    /// The data were restored from a backup, and all sessions were ended then.
    #[n(9)]
    Restored,
    /// The login that it began from has ended.
    #[n(10)]
    LoginEnded,
    /// The user withdrew what the client had been allowed.
    #[n(11)]
    ConsentWithdrawn,
    /// The code that it began with was used again.
    #[n(12)]
    CodeReuse,
}

impl EndReason {
    /// The reason, as logs and lists show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reuse => "reuse",
            Self::Logout => "logout",
            Self::User => "user",
            Self::Admin => "admin",
            Self::UserEpoch => "user_epoch",
            Self::ClientEpoch => "client_epoch",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Rollback => "rollback",
            Self::Restored => "restored",
            Self::LoginEnded => "login_ended",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::CodeReuse => "code_reuse",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_reason_of_its_own() {
        use EndReason::{
            Admin, ClientEpoch, CodeReuse, ConsentWithdrawn, Evicted, Expired, LoginEnded, Logout, Restored,
            Reuse, Rollback, User, UserEpoch,
        };
        let all = [
            Reuse,
            Logout,
            User,
            Admin,
            UserEpoch,
            ClientEpoch,
            Expired,
            Evicted,
            Rollback,
            Restored,
            LoginEnded,
            ConsentWithdrawn,
            CodeReuse,
        ];
        let mut words = all.map(EndReason::as_str).to_vec();
        words.sort_unstable();
        words.dedup();
        assert!(words.len() == all.len() && words.iter().all(|word| !word.is_empty()), "{words:?}");
    }
}
