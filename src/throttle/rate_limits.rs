//! The buckets of each action that is limited.

use std::sync::Arc;

use super::bucket::{Buckets, Rate};
use super::operation::LimitedAction;
use super::takes::Takes;

/// The buckets of each action that is limited.
#[derive(Clone, Debug)]
pub struct RateLimits {
    refreshes: Arc<Buckets>,
    client_tokens: Arc<Buckets>,
    authorizations: Arc<Buckets>,
    sign_ins: Arc<Buckets>,
    profile_changes: Arc<Buckets>,
    session_endings: Arc<Buckets>,
    password_changes: Arc<Buckets>,
    refused_passwords: Arc<Buckets>,
}

impl RateLimits {
    /// Buckets of these rates, all full: of this node alone, or together with others, which hear of these takes.
    #[must_use]
    pub fn new(rate: impl Fn(LimitedAction) -> Rate, shared: Option<&Arc<Takes>>) -> Self {
        let buckets = |action| {
            let rate = rate(action);
            let shared = shared.map(Arc::clone);
            Arc::new(shared.map_or_else(|| Buckets::new(rate), |takes| Buckets::shared(rate, action, takes)))
        };
        Self {
            refreshes: buckets(LimitedAction::Refresh),
            client_tokens: buckets(LimitedAction::ClientToken),
            authorizations: buckets(LimitedAction::Authorization),
            sign_ins: buckets(LimitedAction::SignIn),
            profile_changes: buckets(LimitedAction::ProfileChange),
            session_endings: buckets(LimitedAction::SessionEnding),
            password_changes: buckets(LimitedAction::PasswordChange),
            refused_passwords: buckets(LimitedAction::RefusedPassword),
        }
    }

    /// The buckets of an action.
    #[must_use]
    pub const fn of(&self, action: LimitedAction) -> &Arc<Buckets> {
        match action {
            LimitedAction::Refresh => &self.refreshes,
            LimitedAction::ClientToken => &self.client_tokens,
            LimitedAction::Authorization => &self.authorizations,
            LimitedAction::SignIn => &self.sign_ins,
            LimitedAction::ProfileChange => &self.profile_changes,
            LimitedAction::SessionEnding => &self.session_endings,
            LimitedAction::PasswordChange => &self.password_changes,
            LimitedAction::RefusedPassword => &self.refused_passwords,
        }
    }
}
