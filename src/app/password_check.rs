//! Whose password it is: at a sign-in, and where the owner of an account proves it again.
//!
//! In this order: what costs nothing is refused first; then what comes too often; only then a password is hashed. A right
//! password that comes too often is known as such before the hash only on a network from which its owner has signed in
//! before: anywhere else that would tell a stranger that there is such an account, and that it is in use.

use std::net::IpAddr;

use super::accounts::Accounts;
use super::error::TokenError;
use super::refusals::{RefusedSecret, Secret};
use super::repository::Loaded;
use super::users::password_record;
use crate::oauth::{ClientId, UserId};
use crate::password::Password;
use crate::password::hash::PasswordRecord;
use crate::password::pool::{Source, Verdict};
use crate::store::Expected;
use crate::throttle::{Attempt, Origin, Reservation};
use crate::user::{self, Command, User, vault};

/// Who proves a password, and what for.
#[derive(Clone, Copy)]
pub(super) struct Proof<'a> {
    /// What for.
    pub(super) of: Secret,
    /// Through which client.
    pub(super) client: &'a ClientId,
    /// From where.
    pub(super) peer: IpAddr,
}

/// An account that was found.
pub(super) struct Account {
    pub(super) id: UserId,
    pub(super) state: User,
    pub(super) expected: Expected,
}

impl Accounts {
    /// The account whose name and password these are. What is refused has its line in the log.
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
                client: Some(client),
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
        // What can't be a password is nobody's; a long one is refused before any hash.
        let password = Password::parse(password).map_err(|_| TokenError::Credentials)?;
        let key = self.sign_in_key(typed);
        let origin = self.throttle.origin(key.as_bytes(), proof.peer);
        let is_sign_in = proof.of == Secret::Password;
        if let Some(id) = named.filter(|_| is_sign_in && origin.known) {
            self.rate_limits.has_sign_ins_left(id)?;
        }
        let digest = self.throttle.digest(password.as_bytes());
        let attempt = Attempt { account: key.as_bytes(), peer: proof.peer, password: digest };
        let reservation = self
            .throttle
            .reserve(attempt, self.clock.now())
            .map_err(|throttled| TokenError::Throttled { retry_after: throttled.retry_after })?;
        // Who holds a session of the account is no stranger to it.
        let source = source(Origin { known: origin.known || !is_sign_in, ..origin });
        let (found, verdict) = match self.verify(named, password, source).await {
            Ok(verified) => verified,
            Err(error) => {
                reservation.abandoned();
                return Err(error);
            }
        };
        let Some(account) = found.filter(|account| verdict.matches && account.state.is_active()) else {
            reservation.failed(self.clock.now());
            return Err(TokenError::Credentials);
        };
        if is_sign_in {
            self.count_right_sign_in(account.id, origin, reservation)?;
        } else {
            reservation.succeeded(self.clock.now());
        }
        if let Err(error) = self.remember_network(account.id, &key, proof.peer).await {
            tracing::warn!(user.id = %account.id, error = %error, "a network was not remembered");
        }
        if let Some(rehashed) = verdict.rehashed {
            self.store_rehashed(&account, &rehashed).await;
        }
        Ok(account)
    }

    /// Counts a sign-in whose password was right. One that comes too often from a network that is not known to the
    /// account stays counted as a guess: there it was not refused before its hash, and so the hashes come to an end.
    fn count_right_sign_in(
        &self,
        id: UserId,
        origin: Origin,
        reservation: Reservation<'_>,
    ) -> Result<(), TokenError> {
        let counted = self.rate_limits.count_sign_in(id);
        let now = self.clock.now();
        if counted.is_ok() || origin.known {
            reservation.succeeded(now);
        } else {
            reservation.failed(now);
        }
        counted
    }

    /// A network that is known to an address is known to the name of the account as well, by which its owner proves the
    /// password.
    async fn remember_network(&self, id: UserId, key: &str, peer: IpAddr) -> Result<(), TokenError> {
        if !self.settings.accounts.login_with_email {
            return Ok(());
        }
        let name = self.name_of(id).await?;
        if let Some(of_name) = name.map(|name| self.sign_in_key(&name)).filter(|of_name| of_name != key) {
            self.throttle.remember(of_name.as_bytes(), peer, self.clock.now());
        }
        Ok(())
    }

    /// The account with this id, if there is one, and whether `password` is its password; the same work in either case.
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

    /// Replaces a hash by one with newer parameters. It is no harm if the account has changed meanwhile: the next
    /// sign-in tries again.
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

/// Whose work a password's hash is, for the queue of the hashing pool.
pub(super) const fn source(origin: Origin) -> Source {
    let Origin { account, site, block, known } = origin;
    Source { block, site, account, known }
}
