//! The password grant (RFC 6749 §4.3): for first-party clients only. RFC 9700 §2.4 says that it must not be used; why
//! it is offered all the same, and to whom, stands in the README.

use std::net::IpAddr;

use super::authenticate::AuthenticatedClient;
use super::error::TokenError;
use super::load::Loaded;
use super::mint::TokenResponse;
use super::scopes::Grant;
use super::{App, policy};
use crate::client::RefreshTokens;
use crate::oauth::request::PasswordRequest;
use crate::oauth::{GrantType, Scope, SessionId, UserId};
use crate::password::Password;
use crate::password::hash::PasswordRecord;
use crate::session::{self, Start};
use crate::store::{Append, Expected, StoreError};
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
        client: &AuthenticatedClient,
        request: PasswordRequest,
        peer: IpAddr,
    ) -> Result<TokenResponse, TokenError> {
        if !self.settings.password_grant {
            return Err(TokenError::PasswordGrantOff);
        }
        if !client.registration.grants.contains(&GrantType::Password) {
            return Err(TokenError::GrantNotRegistered);
        }
        self.has_room()?;
        let catalogue = &self.settings.scopes;
        let grant = catalogue.grant(request.scope.as_ref(), &request.resources, &client.registration)?;
        let account = self.check_password(&request, peer).await?;
        self.start_session(client, account, grant).await
    }

    /// The account whose name and password these are.
    async fn check_password(&self, request: &PasswordRequest, peer: IpAddr) -> Result<Account, TokenError> {
        // What can't be a password is nobody's; a long one is refused before any hash.
        let password = Password::parse(&request.password).map_err(|_| TokenError::Credentials)?;
        let name = request.username.parse::<Username>().ok();
        let reservation = {
            let account = name.as_ref().map_or(request.username.as_bytes(), |name| name.as_str().as_bytes());
            let digest = self.throttle.digest(password.as_bytes());
            let attempt = Attempt { account, peer, password: digest };
            let throttled = |error: crate::throttle::Throttled| {
                tracing::warn!(throttle.by = ?error.by, peer.address = %peer, "sign-in throttled");
                TokenError::Throttled { retry_after: error.retry_after }
            };
            self.throttle.reserve(attempt, self.clock.now()).map_err(throttled)?
        };
        let found = match &name {
            Some(name) => self.account(name).await?,
            None => None,
        };
        let record = found.as_ref().map(|(_, record)| record.clone());
        let verdict = match self.passwords.verify(password, record).await {
            Ok(verdict) => verdict,
            Err(error) => {
                reservation.abandoned();
                return Err(error.into());
            }
        };
        match found {
            Some((account, _)) if verdict.matches && account.state.is_active() => {
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

    async fn account(&self, name: &Username) -> Result<Option<(Account, PasswordRecord)>, TokenError> {
        let Some(id) = self.user_id(name).await? else {
            return Ok(None);
        };
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
        client: &AuthenticatedClient,
        account: Account,
        grant: Grant,
    ) -> Result<TokenResponse, TokenError> {
        let registration = &client.registration;
        let refreshable = match registration.refresh_tokens {
            RefreshTokens::Always => true,
            RefreshTokens::OfflineAccess => grant.scope.contains(Scope::OFFLINE_ACCESS),
            RefreshTokens::Never => false,
        };
        let now = self.clock.now();
        let id = SessionId::from(self.random.uuid(now)?);
        let permitted = self.settings.scopes.permitted(&grant.scope, registration, &account.state.roles);
        let decision = session::start(Start {
            client: (registration.id.clone(), client.standing),
            user: (account.id, account.state.standing),
            scope: grant.scope,
            permitted,
            audience: grant.audience,
            refreshable: refreshable && registration.grants.contains(&GrantType::RefreshToken),
            policy: policy(registration),
            nonce: self.random.bytes()?.into(),
            kid: self.keys.signer().kid(),
            now,
        });
        let new = Loaded { state: None, expected: Expected::NoStream };
        let session = self.append_session(id, new, &decision.events).await?;
        self.mint(id, &session, &decision.outcome?, &account.state.roles)
    }

    /// Appends a user's events to what was loaded, with records of the vault.
    pub(super) async fn append_user(
        &self,
        id: UserId,
        loaded: Loaded<User>,
        events: &[user::UserEvent],
        records: Vec<crate::store::RecordChange>,
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

/// An account that was found.
struct Account {
    id: UserId,
    state: User,
    expected: Expected,
}
