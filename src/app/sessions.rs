//! Sessions: whether they hold, lists of them, what happened to them, and how they are ended.

use std::sync::Arc;

use super::account_rate_limits::AccountRateLimits;
use super::clients::Clients;
use super::restore::InstallationEpoch;
use super::{Repository, Settings};
use crate::clock::Clock;

/// What is asked of sessions, and what ends them; see [`super::access`], [`super::devices`] and [`super::timeline`].
pub struct Sessions {
    pub(super) repository: Repository,
    pub(super) clients: Arc<Clients>,
    pub(super) installation: Arc<InstallationEpoch>,
    pub(super) rate_limits: Arc<AccountRateLimits>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
}
