//! The service for accounts: making, changing and deleting them, and checking passwords.

use std::sync::Arc;

use super::account_rate_limits::AccountRateLimits;
use super::attempts::Attempts;
use super::consents::Consents;
use super::refusals::RefusalLog;
use super::sessions::Sessions;
use super::{Repository, Settings};
use crate::clock::Clock;
use crate::password::pool::HashingPool;
use crate::random::Random;

/// Its methods are in [`super::sign_up`], [`super::account`], [`super::users`] and [`super::invitations`].
pub struct Accounts {
    pub(super) repository: Repository,
    pub(super) sessions: Arc<Sessions>,
    pub(super) consents: Arc<Consents>,
    pub(super) passwords: Arc<HashingPool>,
    /// Counts failed sign-ins.
    pub(super) sign_ins: Attempts,
    /// Counts sign-ups, by network alone.
    pub(super) sign_ups: Attempts,
    pub(super) rate_limits: Arc<AccountRateLimits>,
    pub(super) refusals: Arc<RefusalLog>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
}
