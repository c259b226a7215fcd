//! Rate limits on everything by which the owner of an account makes the log grow: without them, one person could fill
//! the disk.

use std::sync::Arc;
use std::time::Duration;

use super::error::TokenError;
use crate::clock::Clock;
use crate::config;
use crate::oauth::{KeptId, UserId};
use crate::throttle::bucket::{Buckets, Rate};

/// Token buckets of users, a separate one for each kind of change. So whoever has stolen an access token can't use up
/// what the owner needs against the thief: a change of the password, and the end of the sessions.
pub struct AccountRateLimits {
    sign_ins: Buckets,
    profiles: Buckets,
    endings: Buckets,
    passwords: Buckets,
    /// New passwords that were refused, by session or login.
    refused_passwords: Buckets,
    clock: Arc<dyn Clock>,
}

impl AccountRateLimits {
    /// Nobody has done anything yet.
    pub(super) fn new(throttle: &config::Throttle, clock: Arc<dyn Clock>) -> Self {
        let sign_ins = Rate { burst: throttle.sign_in_burst, every: throttle.sign_in_every };
        let changes = Rate { burst: throttle.change_burst, every: throttle.change_every };
        Self {
            sign_ins: Buckets::new(sign_ins),
            profiles: Buckets::new(changes),
            endings: Buckets::new(changes),
            passwords: Buckets::new(changes),
            refused_passwords: Buckets::new(sign_ins),
            clock,
        }
    }
}

/// The kind of a change to an account.
#[derive(Clone, Copy)]
pub(super) enum AccountChange {
    /// The profile is changed.
    Profile,
    /// Sessions are ended.
    Sessions,
    /// The password is changed, after the old one was verified.
    Password,
}

impl AccountRateLimits {
    /// Checks whether one more sign-in is permitted; counts nothing.
    ///
    /// # Errors
    /// [`TokenError::TooManySignIns`] if not.
    pub(super) fn has_sign_ins_left(&self, user: UserId) -> Result<(), TokenError> {
        match self.sign_ins.wait(user.as_bytes(), self.clock.now()) {
            Duration::ZERO => Ok(()),
            retry_after => Err(TokenError::TooManySignIns { retry_after }),
        }
    }

    /// Checks whether one more change of the password is permitted in this session or login; counts nothing.
    ///
    /// # Errors
    /// [`TokenError::TooManyChanges`] if not.
    pub(super) fn has_password_changes_left(&self, user: UserId, session: KeptId) -> Result<(), TokenError> {
        let now = self.clock.now();
        let changes = self.passwords.wait(user.as_bytes(), now);
        let refused = self.refused_passwords.wait(session.as_bytes(), now);
        match changes.max(refused) {
            Duration::ZERO => Ok(()),
            retry_after => Err(TokenError::TooManyChanges { retry_after }),
        }
    }

    /// Counts a new password that was too weak, because checking it takes processor time. It is counted by session
    /// or login, so that whoever has stolen an access token can't prevent a change of the password in another one.
    pub(super) fn count_refused_password(&self, session: KeptId) {
        self.refused_passwords.take(session.as_bytes(), self.clock.now());
    }

    /// Counts a sign-in whose password was right.
    ///
    /// # Errors
    /// [`TokenError::TooManySignIns`]; then it doesn't count.
    pub(super) fn count_sign_in(&self, user: UserId) -> Result<(), TokenError> {
        let taken = self.sign_ins.try_take(user.as_bytes(), self.clock.now());
        taken.map_err(|retry_after| TokenError::TooManySignIns { retry_after })
    }

    /// Counts a change that is about to be written.
    ///
    /// # Errors
    /// [`TokenError::TooManyChanges`]; then it doesn't count.
    pub(super) fn count_change(&self, user: UserId, change: AccountChange) -> Result<(), TokenError> {
        let buckets = match change {
            AccountChange::Profile => &self.profiles,
            AccountChange::Sessions => &self.endings,
            AccountChange::Password => &self.passwords,
        };
        let taken = buckets.try_take(user.as_bytes(), self.clock.now());
        taken.map_err(|retry_after| TokenError::TooManyChanges { retry_after })
    }
}
