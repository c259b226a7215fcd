//! The password grant (RFC 6749 §4.3): for first-party clients only. RFC 9700 §2.4 says that it must not be used; why
//! it is offered all the same, and to whom, stands in the README.

use std::net::IpAddr;

use super::error::TokenError;
use super::load::Loaded;
use super::mint::TokenResponse;
use super::scopes::Grant;
use super::{App, policy};
use crate::client::{RefreshTokens, Registration};
use crate::oauth::request::PasswordRequest;
use crate::oauth::{GrantType, Scope, SessionId, Standing, UserId};
use crate::password::Password;
use crate::password::hash::PasswordRecord;
use crate::password::pool::Verdict;
use crate::session::{self, Device, Start, device};
use crate::store::{Append, Expected, RecordChange, StoreError};
use crate::throttle::Attempt;
use crate::user::{self, Command, User, Username, vault};

impl App {
    /// Signs a user in: a new session, and its first pair.
    ///
    /// # Errors
    /// [`TokenError`]. An unknown name, a wrong password and a switched-off account are the same
    /// [`TokenError::Credentials`], after the same work.
    pub async fn sign_in(
        &self,
        client: &Registration,
        request: PasswordRequest,
        peer: IpAddr,
    ) -> Result<TokenResponse, TokenError> {
        if !self.settings.password_grant {
            return Err(TokenError::PasswordGrantOff);
        }
        if !client.grants.contains(&GrantType::Password) {
            return Err(TokenError::GrantNotRegistered);
        }
        self.has_room()?;
        let catalogue = &self.settings.scopes;
        let grant = catalogue.grant(request.scope.as_ref(), &request.resources, client)?;
        let standing = self.usable(client).await?;
        let account = self.check_password(&request.username, &request.password, peer).await?;
        let permitted = catalogue.permitted(&grant.scope, client, &account.state.roles);
        // RFC 6749 §3.3: a scope that differs from what was asked must be told, and an empty one can't be.
        if request.scope.as_ref().is_some_and(|asked| !asked.is_empty()) && permitted.is_empty() {
            return Err(TokenError::Scope);
        }
        self.count_sign_in(account.id)?;
        let device = Device::new(request.user_agent.as_deref(), request.device_label.as_deref());
        self.start_session((client, standing), account, SignIn { grant, permitted, device }).await
    }

    /// The account whose name and password these are.
    pub(super) async fn check_password(
        &self,
        username: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<Account, TokenError> {
        // What can't be a password is nobody's; a long one is refused before any hash.
        let password = Password::parse(password).map_err(|_| TokenError::Credentials)?;
        let name = username.parse::<Username>().ok();
        let named = self.account_named(username).await?;
        let reservation = {
            let typed = name.as_ref().map_or(username.as_bytes(), |name| name.as_str().as_bytes());
            // One account has one counter, whichever of its names is typed.
            let account = named.as_ref().map_or(typed, |id| id.as_bytes().as_slice());
            let digest = self.throttle.digest(password.as_bytes());
            let attempt = Attempt { account, peer, password: digest };
            let throttled = |error: crate::throttle::Throttled| {
                tracing::warn!(throttle.by = ?error.by, peer.address = %peer, "sign-in throttled");
                TokenError::Throttled { retry_after: error.retry_after }
            };
            self.throttle.reserve(attempt, self.clock.now()).map_err(throttled)?
        };
        let (found, verdict) = match self.verify(named, password).await {
            Ok(verified) => verified,
            Err(error) => {
                reservation.abandoned();
                return Err(error);
            }
        };
        match found {
            Some(account) if verdict.matches && account.state.is_active() => {
                reservation.succeeded(self.clock.now());
                if let Some(rehashed) = verdict.rehashed {
                    self.store_rehashed(&account, &rehashed).await;
                }
                Ok(account)
            }
            _ => {
                reservation.failed(self.clock.now());
                Err(TokenError::Credentials)
            }
        }
    }

    /// The account with this id, if there is one, and whether `password` is its password; the same work in either case.
    async fn verify(
        &self,
        id: Option<UserId>,
        password: Password,
    ) -> Result<(Option<Account>, Verdict), TokenError> {
        let found = match id {
            Some(id) => self.account(id).await?,
            None => None,
        };
        let (account, record) = found.unzip();
        Ok((account, self.passwords.verify(password, record).await?))
    }

    async fn account(&self, id: UserId) -> Result<Option<(Account, PasswordRecord)>, TokenError> {
        let Loaded { state, expected } = self.load_user(id).await?;
        let record = self.store.record(vault::password(id)).await?;
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
        let records = vec![super::users::password_record(account.id, record)];
        let loaded = Loaded { state: Some(account.state.clone()), expected: account.expected };
        if let Err(error) = self.append_user(account.id, loaded, &events, records).await {
            tracing::info!(user.id = %account.id, error = %error, "the password's new hash was not stored");
        }
    }

    async fn start_session(
        &self,
        (client, standing): (&Registration, Standing),
        account: Account,
        what: SignIn,
    ) -> Result<TokenResponse, TokenError> {
        let SignIn { grant, permitted, device } = what;
        let refreshable = match client.refresh_tokens {
            RefreshTokens::Always => true,
            RefreshTokens::OfflineAccess => grant.scope.contains(Scope::OFFLINE_ACCESS),
            RefreshTokens::Never => false,
        };
        let now = self.clock.now();
        let id = SessionId::from(self.random.uuid(now)?);
        let decision = session::start(Start {
            client: (client.id.clone(), standing),
            user: (account.id, account.state.standing),
            scope: grant.scope,
            permitted,
            audience: grant.audience,
            refreshable: refreshable && client.grants.contains(&GrantType::RefreshToken),
            policy: policy(client),
            nonce: self.random.bytes()?.into(),
            kid: self.signer()?.kid(),
            installation_epoch: self.installation_epoch(),
            now,
        });
        let new = Loaded { state: None, expected: Expected::NoStream };
        let recorded = (!device.is_unknown())
            .then(|| RecordChange::Put(device::record(account.id, id), device.encode()));
        let records = recorded.into_iter().collect();
        let session = self.append_session_with(id, new, &decision.events, records).await?;
        self.evict_beyond_the_limit(account.id, id).await;
        self.mint(id, &session, &decision.outcome?, &account.state.roles)
    }

    /// Appends a user's events to what was loaded, with records of the vault.
    pub(super) async fn append_user(
        &self,
        id: UserId,
        loaded: Loaded<User>,
        events: &[user::UserEvent],
        records: Vec<RecordChange>,
    ) -> Result<(), StoreError> {
        let stream = user::stream(id).ok_or(StoreError::TooLarge)?;
        let after = events.iter().fold(loaded.state.unwrap_or_default(), User::apply);
        let append = Append {
            stream,
            expected: loaded.expected,
            events: events.iter().map(user::UserEvent::encode).collect(),
            snapshot: after.encode(),
            records,
        };
        self.store.append(append).await.map(drop)
    }
}

/// What a user signs in for, and on what.
struct SignIn {
    grant: Grant,
    /// What of it the user's roles permit now.
    permitted: Scope,
    device: Device,
}

/// An account that was found.
pub(super) struct Account {
    pub(super) id: UserId,
    pub(super) state: User,
    expected: Expected,
}
