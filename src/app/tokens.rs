//! Tokens that come back: they are revoked, or introspected.

use std::sync::Arc;

use super::Repository;
use super::access::AccessTokens;
use super::accounts::Accounts;
use super::clients::Clients;
use super::introspect::Hint;
use super::keys::TokenKeys;
use super::sessions::Sessions;
use crate::clock::Clock;

/// Revokes and introspects; see [`super::revoke`] and [`super::introspect`].
pub struct Tokens {
    pub(super) repository: Repository,
    pub(super) clients: Arc<Clients>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) verifier: Arc<AccessTokens>,
    pub(super) keys: Arc<TokenKeys>,
    /// When an operator was last told that a client introspects what it may not know.
    pub(super) introspection_hint: Hint,
    pub(super) clock: Arc<dyn Clock>,
}
