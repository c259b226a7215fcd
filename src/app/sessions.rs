//! The service for sessions: whether they are live, lists of them, their history, and how they are ended.

use std::sync::Arc;

use super::account_rate_limits::AccountRateLimits;
use super::clients::Clients;
use super::error::TokenError;
use super::restore::InstallationEpoch;
use super::{Repository, Settings};
use crate::clock::Clock;
use crate::login::LogoutReason;
use crate::session::Session;

/// Its methods are in [`super::access`], [`super::devices`], `eviction`, [`super::timeline`] and `why_over`.
pub struct Sessions {
    pub(super) repository: Repository,
    pub(super) clients: Arc<Clients>,
    pub(super) installation: Arc<InstallationEpoch>,
    pub(super) rate_limits: Arc<AccountRateLimits>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Sessions {
    /// Why the login has ended with which an online session ends; `None` if it lives, or there is none to ask.
    pub(super) async fn login_end(&self, session: &Session) -> Result<Option<LogoutReason>, TokenError> {
        self.repository.login_end(session.started.online(), self.clock.now()).await
    }
}
