//! The password grant (RFC 6749 §4.3): for first-party clients only. RFC 9700 §2.4 says that it must not be used; why
//! it is offered all the same, and to whom, stands in the README.

use std::net::IpAddr;

use super::authenticate::AuthenticatedClient;
use super::error::TokenError;
use super::mint::TokenResponse;
use super::password_check::{Account, Proof};
use super::refusals::Secret;
use super::repository::Loaded;
use super::scopes::Grant;
use super::{App, policy};
use crate::client::{RefreshTokens, Registration};
use crate::oauth::request::PasswordRequest;
use crate::oauth::{GrantType, Scope, SessionId, Standing};
use crate::session::{self, Device, Start, device};
use crate::store::RecordChange;

impl App {
    /// Signs a user in: a new session, and its first pair.
    ///
    /// # Errors
    /// [`TokenError`]. An unknown name, a wrong password and a switched-off account are the same
    /// [`TokenError::Credentials`], after the same work.
    pub async fn sign_in(
        &self,
        authenticated: &AuthenticatedClient,
        request: PasswordRequest,
        peer: IpAddr,
    ) -> Result<TokenResponse, TokenError> {
        if !self.settings.password_grant {
            return Err(TokenError::PasswordGrantOff);
        }
        let client = &*authenticated.registration;
        if !client.metadata.grant_types.contains(&GrantType::Password) {
            return Err(TokenError::GrantNotRegistered);
        }
        self.repository.has_room()?;
        let catalogue = &self.settings.scopes;
        let grant = catalogue.grant(request.scope.as_ref(), &request.resources, client)?;
        let standing = self.standing(authenticated).await?;
        let proof = Proof { of: Secret::Password, client: &client.id, peer };
        let account = self.check_password(&request.username, &request.password, proof).await?;
        let permitted = catalogue.permitted(&grant.scope, client, &account.state.roles);
        // RFC 6749 §3.3: a scope that differs from what was asked must be told, and an empty one can't be.
        if let Some(asked) = request.scope.as_ref().filter(|asked| !asked.is_empty() && permitted.is_empty())
        {
            return Err(catalogue.not_permitted(asked, &grant.scope, client).into());
        }
        let device = Device::new(request.user_agent.as_deref(), request.device_label.as_deref());
        self.start_session((client, standing), account, SignIn { grant, permitted, device }).await
    }

    async fn start_session(
        &self,
        (client, standing): (&Registration, Standing),
        account: Account,
        what: SignIn,
    ) -> Result<TokenResponse, TokenError> {
        let SignIn { grant, permitted, device } = what;
        let refreshable = match client.metadata.refresh_tokens {
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
            refreshable: refreshable && client.metadata.grant_types.contains(&GrantType::RefreshToken),
            policy: policy(client),
            nonce: self.random.bytes()?.into(),
            kid: self.signer()?.kid(),
            installation_epoch: self.installation_epoch(),
            now,
        });
        let recorded = (!device.is_unknown())
            .then(|| RecordChange::Put(device::record(account.id, id), device.encode()));
        let records = recorded.into_iter().collect();
        let session = self.repository.append(&id, Loaded::new(), &decision.events, records).await?;
        self.evict_beyond_the_limit(account.id, id).await;
        self.mint(id, &session, &decision.outcome?, &account.state.roles)
    }
}

/// What a user signs in for, and on what.
struct SignIn {
    grant: Grant,
    /// What of it the user's roles permit now.
    permitted: Scope,
    device: Device,
}
