//! Rate limits on everything by which the owner of an account makes the log grow: without them, one person could fill
//! the disk.

use std::sync::Arc;
use std::time::Duration;

use super::error::TokenError;
use crate::clock::Clock;
use crate::oauth::{KeptId, UserId};
use crate::throttle::operation::LimitedAction;
use crate::throttle::rate_limits::RateLimits;

/// Token buckets of users, a separate one for each kind of change. So whoever has stolen an access token can't use up
/// what the owner needs against the thief: a change of the password, and the end of the sessions.
pub struct AccountRateLimits {
    rate_limits: RateLimits,
    clock: Arc<dyn Clock>,
}

impl AccountRateLimits {
    pub(super) const fn new(rate_limits: RateLimits, clock: Arc<dyn Clock>) -> Self {
        Self { rate_limits, clock }
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
        match self.rate_limits.of(LimitedAction::SignIn).wait(user.as_bytes(), self.clock.now()) {
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
        let changes = self.rate_limits.of(LimitedAction::PasswordChange).wait(user.as_bytes(), now);
        let refused = self.rate_limits.of(LimitedAction::RefusedPassword).wait(session.as_bytes(), now);
        match changes.max(refused) {
            Duration::ZERO => Ok(()),
            retry_after => Err(TokenError::TooManyChanges { retry_after }),
        }
    }

    /// Counts a new password that was too weak, because checking it takes processor time. It is counted by session
    /// or login, so that whoever has stolen an access token can't prevent a change of the password in another one.
    pub(super) fn count_refused_password(&self, session: KeptId) {
        let refused_passwords = self.rate_limits.of(LimitedAction::RefusedPassword);
        refused_passwords.take(session.as_bytes(), self.clock.now());
    }

    /// Counts a sign-in whose password was right.
    ///
    /// # Errors
    /// [`TokenError::TooManySignIns`]; then it doesn't count.
    pub(super) fn count_sign_in(&self, user: UserId) -> Result<(), TokenError> {
        let taken = self.rate_limits.of(LimitedAction::SignIn).try_take(user.as_bytes(), self.clock.now());
        taken.map_err(|retry_after| TokenError::TooManySignIns { retry_after })
    }

    /// Counts a change that is about to be written.
    ///
    /// # Errors
    /// [`TokenError::TooManyChanges`]; then it doesn't count.
    pub(super) fn count_change(&self, user: UserId, change: AccountChange) -> Result<(), TokenError> {
        let action = match change {
            AccountChange::Profile => LimitedAction::ProfileChange,
            AccountChange::Sessions => LimitedAction::SessionEnding,
            AccountChange::Password => LimitedAction::PasswordChange,
        };
        let taken = self.rate_limits.of(action).try_take(user.as_bytes(), self.clock.now());
        taken.map_err(|retry_after| TokenError::TooManyChanges { retry_after })
    }
}
