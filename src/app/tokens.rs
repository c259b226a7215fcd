//! The service for tokens that clients present: revocation and introspection.

use std::sync::Arc;

use super::Repository;
use super::access::AccessTokens;
use super::accounts::Accounts;
use super::clients::Clients;
use super::hint::Hint;
use super::keys::TokenKeys;
use super::sessions::Sessions;
use crate::clock::Clock;

/// Its methods are in [`super::revoke`] and [`super::introspect`].
pub struct Tokens {
    pub(super) repository: Repository,
    pub(super) clients: Arc<Clients>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) verifier: Arc<AccessTokens>,
    pub(super) keys: Arc<TokenKeys>,
    /// When the log last said that a client introspects tokens that are not for it.
    pub(super) introspection_hint: Hint,
    pub(super) clock: Arc<dyn Clock>,
}
