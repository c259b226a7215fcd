//! How often the holder of an account may do what stays in the log: without a limit, one person could fill the disk.

use super::App;
use super::error::TokenError;
use crate::config;
use crate::oauth::UserId;
use crate::throttle::bucket::{Buckets, Rate};

/// Token buckets of users, one for each way in which the log grows. They are apart so that whoever has stolen an access
/// token can't use up what its owner needs to get rid of the thief: neither a change of the password, nor the end of the
/// sessions.
pub(super) struct Pace {
    sign_ins: Buckets,
    profiles: Buckets,
    endings: Buckets,
    passwords: Buckets,
}

impl Pace {
    /// Nobody has done anything yet.
    pub(super) fn new(throttle: &config::Throttle) -> Self {
        let sign_ins = Rate { burst: throttle.sign_in_burst, every: throttle.sign_in_every };
        let changes = Rate { burst: throttle.change_burst, every: throttle.change_every };
        Self {
            sign_ins: Buckets::new(sign_ins),
            profiles: Buckets::new(changes),
            endings: Buckets::new(changes),
            passwords: Buckets::new(changes),
        }
    }
}

/// What the holder of an account does.
#[derive(Clone, Copy)]
pub(super) enum Change {
    /// Changes the profile.
    Profile,
    /// Ends sessions.
    Sessions,
    /// Changes the password, which was proved.
    Password,
}

impl App {
    /// Counts a sign-in whose password was right.
    ///
    /// # Errors
    /// [`TokenError::TooManySignIns`]; then it doesn't count.
    pub(super) fn count_sign_in(&self, user: UserId) -> Result<(), TokenError> {
        let taken = self.pace.sign_ins.try_take(user.as_bytes(), self.clock.now());
        taken.map_err(|retry_after| TokenError::TooManySignIns { retry_after })
    }

    /// Counts a change that is about to be written.
    ///
    /// # Errors
    /// [`TokenError::TooManyChanges`]; then it doesn't count.
    pub(super) fn count_change(&self, user: UserId, change: Change) -> Result<(), TokenError> {
        let buckets = match change {
            Change::Profile => &self.pace.profiles,
            Change::Sessions => &self.pace.endings,
            Change::Password => &self.pace.passwords,
        };
        let taken = buckets.try_take(user.as_bytes(), self.clock.now());
        taken.map_err(|retry_after| TokenError::TooManyChanges { retry_after })
    }
}
