//! Accounts: how they are made, changed and deleted, and whose password it is.

use std::sync::Arc;

use super::account_rate_limits::AccountRateLimits;
use super::refusals::RefusalLog;
use super::sessions::Sessions;
use super::{Repository, Settings};
use crate::clock::Clock;
use crate::password::pool::HashingPool;
use crate::random::Random;
use crate::throttle::Throttle;

/// What is done with accounts; see [`super::sign_up`], [`super::account`], [`super::users`] and [`super::invitations`].
pub struct Accounts {
    pub(super) repository: Repository,
    pub(super) sessions: Arc<Sessions>,
    pub(super) passwords: Arc<HashingPool>,
    /// Counts failed sign-ins.
    pub(super) throttle: Arc<Throttle>,
    /// Counts sign-ups, by network alone.
    pub(super) sign_ups: Throttle,
    pub(super) rate_limits: Arc<AccountRateLimits>,
    pub(super) refusals: Arc<RefusalLog>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
}
