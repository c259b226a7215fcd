//! Checks a name and password: at a sign-in, and when the owner of an account confirms the password.
//!
//! The order: first what costs nothing to refuse; then what comes too often; only then a password is hashed. A right
//! password that comes too often is refused before the hash only on a network from which its owner has signed in
//! before. Elsewhere that would reveal to a stranger that the account exists and is in use.

use std::net::IpAddr;

use super::accounts::Accounts;
use super::attempts::Reserved;
use super::error::TokenError;
use super::refusals::{RefusedSecret, Secret};
use super::repository::Loaded;
use super::users::password_record;
use crate::oauth::{ClientId, UserId};
use crate::password::Password;
use crate::password::hash::PasswordRecord;
use crate::password::pool::{Source, Verdict};
use crate::store::Expected;
use crate::throttle::{Attempt, Origin};
use crate::user::{self, Command, User, vault};

/// Who presents a password, and for what purpose.
#[derive(Clone, Copy)]
pub(super) struct Proof<'a> {
    /// The purpose.
    pub(super) of: Secret,
    /// The client; none at heirloom's own pages.
    pub(super) client: Option<&'a ClientId>,
    /// The client's address.
    pub(super) peer: IpAddr,
}

/// An account that was found.
pub(super) struct Account {
    pub(super) id: UserId,
    pub(super) state: User,
    pub(super) expected: Expected,
}

impl Accounts {
    /// Finds the account that has this name and password. A refusal is logged.
    pub(super) async fn check_password(
        &self,
        typed: &str,
        password: &str,
        proof: Proof<'_>,
    ) -> Result<Account, TokenError> {
        let named = self.account_named(typed).await?;
        let checked = self.check_password_of(named, (typed, password), proof).await;
        if let Err(error) = &checked
            && error.is_about_a_secret()
        {
            let Proof { of, client, peer } = proof;
            self.refusals.note(RefusedSecret {
                secret: of,
                reason: error.reason(),
                client,
                user: named,
                peer,
            });
        }
        checked
    }

    async fn check_password_of(
        &self,
        named: Option<UserId>,
        (typed, password): (&str, &str),
        proof: Proof<'_>,
    ) -> Result<Account, TokenError> {
        // A text that can't be a password is nobody's; one that is too long is refused before any hash.
        let password = Password::parse(password).map_err(|_| TokenError::Credentials)?;
        let key = self.sign_in_key(typed);
        let is_sign_in = proof.of == Secret::Password;
        let is_known = || self.sign_ins.origin(key.as_bytes(), proof.peer).known;
        if let Some(id) = named.filter(|_| is_sign_in && is_known()) {
            self.rate_limits.has_sign_ins_left(id)?;
        }
        let digest = self.sign_ins.digest(password.as_bytes());
        let attempt = Attempt { account: key.as_bytes(), peer: proof.peer, password: digest };
        let reserved = self.sign_ins.reserve(attempt).await?;
        // Now this node has heard of every sign-in at another one.
        let origin = self.sign_ins.origin(key.as_bytes(), proof.peer);
        // Whoever has a session of the account counts as known to it.
        let source = source(Origin { known: origin.known || !is_sign_in, ..origin });
        let (found, verdict) = match self.verify(named, password, source).await {
            Ok(verified) => verified,
            Err(error) => {
                self.sign_ins.abandoned(reserved).await;
                return Err(error);
            }
        };
        let Some(account) = found.filter(|account| verdict.matches && account.state.is_active()) else {
            self.sign_ins.failed(reserved);
            return Err(TokenError::Credentials);
        };
        if is_sign_in {
            self.count_right_sign_in(account.id, origin, reserved).await?;
        } else {
            self.sign_ins.succeeded(reserved).await;
        }
        if let Err(error) = self.remember_network(account.id, &key, proof.peer).await {
            tracing::warn!(user.id = %account.id, error = %error, "a network was not remembered");
        }
        if let Some(rehashed) = verdict.rehashed {
            self.store_rehashed(&account, &rehashed).await;
        }
        Ok(account)
    }

    /// Counts a sign-in whose password was right. From a network that the account does not know, one that comes too
    /// often stays counted as a guess: it was not refused before its hash, so the hashes must be limited by that.
    async fn count_right_sign_in(
        &self,
        id: UserId,
        origin: Origin,
        reserved: Reserved<'_>,
    ) -> Result<(), TokenError> {
        let counted = self.rate_limits.count_sign_in(id);
        if counted.is_ok() || origin.known {
            self.sign_ins.succeeded(reserved).await;
        } else {
            self.sign_ins.failed(reserved);
        }
        counted
    }

    /// A network that is known for an address is made known for the account's name too, by which the owner confirms the
    /// password.
    async fn remember_network(&self, id: UserId, key: &str, peer: IpAddr) -> Result<(), TokenError> {
        if !self.settings.accounts.login_with_email {
            return Ok(());
        }
        let name = self.name_of(id).await?;
        if let Some(of_name) = name.map(|name| self.sign_in_key(&name)).filter(|of_name| of_name != key) {
            self.sign_ins.remember(of_name.as_bytes(), peer).await;
        }
        Ok(())
    }

    /// The account with this id, if it exists, and whether `password` is its password. Both cases take the same work.
    async fn verify(
        &self,
        id: Option<UserId>,
        password: Password,
        source: Source,
    ) -> Result<(Option<Account>, Verdict), TokenError> {
        let found = match id {
            Some(id) => self.account(id).await?,
            None => None,
        };
        let (account, record) = found.unzip();
        Ok((account, self.passwords.verify(password, record, source).await?))
    }

    async fn account(&self, id: UserId) -> Result<Option<(Account, PasswordRecord)>, TokenError> {
        let Loaded { state, expected, .. } = self.repository.user(id).await?;
        let record = self.repository.record(vault::password(id)).await?;
        let (Some(state), Some(record)) = (state, record) else {
            return Ok(None);
        };
        let unreadable = |error: minicbor::decode::Error| {
            TokenError::Internal(format!("a password record can't be read: {error}"))
        };
        let record = minicbor::decode(&record).map_err(unreadable)?;
        Ok(Some((Account { id, state, expected }, record)))
    }

    /// Replaces a hash by one with the current cost and pepper. If the account has changed meanwhile, the next sign-in
    /// tries again.
    async fn store_rehashed(&self, account: &Account, record: &PasswordRecord) {
        let command = Command::Rehash;
        let Ok(events) = user::decide(Some(&account.state), command, self.clock.now()) else {
            return;
        };
        let records = vec![password_record(account.id, record)];
        let (state, expected) = (Some(account.state.clone()), account.expected);
        let loaded = Loaded { state, expected, is_retry: false };
        if let Err(error) = self.repository.append(&account.id, loaded, &events, records).await {
            tracing::info!(user.id = %account.id, error = %error, "the password's new hash was not stored");
        }
    }
}

/// The source of a hashing job, for the hashing pool's queue.
pub(super) const fn source(origin: Origin) -> Source {
    let Origin { account, site, block, known } = origin;
    Source { block, site, account, known }
}
