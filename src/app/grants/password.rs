//! The password grant (RFC 6749 §4.3): for first-party clients only. RFC 9700 §2.4 advises against it; the README says
//! why it is offered nevertheless, and to whom.

use std::net::IpAddr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::form::{FormError, Target, TokenForm};
use crate::app::accounts::Accounts;
use crate::app::authenticate::AuthenticatedClient;
use crate::app::clients::Clients;
use crate::app::error::TokenError;
use crate::app::keys::TokenKeys;
use crate::app::mint::{Mint, Recipient, TokenResponse};
use crate::app::password_check::{Account, Proof};
use crate::app::refusals::Secret;
use crate::app::repository::Loaded;
use crate::app::restore::InstallationEpoch;
use crate::app::scopes::Grant;
use crate::app::sessions::Sessions;
use crate::app::{Repository, Settings, gets_refresh_tokens, policy};
use crate::client::Registration;
use crate::clock::Clock;
use crate::oauth::{GrantType, Scope, SessionEpoch, SessionId};
use crate::random::Random;
use crate::session::{self, Device, Session, Start, device};
use crate::store::RecordChange;

/// `grant_type=password` (RFC 6749 §4.3.2). Has no `Debug`: it holds a password.
pub struct PasswordRequest {
    /// The user's name, as it was typed.
    username: String,
    /// The password, as it was typed.
    password: Zeroizing<String>,
    target: Target,
    /// The device's `User-Agent` header.
    user_agent: Option<String>,
    /// What the client calls the device, for the user's list of devices.
    device_label: Option<String>,
    /// The client's address.
    peer: IpAddr,
}

impl PasswordRequest {
    pub(super) fn parse(form: &mut impl TokenForm, target: Target) -> Result<Self, FormError> {
        Ok(Self {
            username: form.required("username")?.to_string(),
            password: form.required("password")?,
            target,
            user_agent: form.user_agent(),
            device_label: form.take("device_label").map(|label| label.to_string()),
            peer: form.peer(),
        })
    }
}

/// Answers requests of the password grant.
pub struct PasswordGrant {
    pub(in crate::app) repository: Repository,
    pub(in crate::app) clients: Arc<Clients>,
    pub(in crate::app) accounts: Arc<Accounts>,
    pub(in crate::app) sessions: Arc<Sessions>,
    pub(in crate::app) installation: Arc<InstallationEpoch>,
    pub(in crate::app) keys: Arc<TokenKeys>,
    pub(in crate::app) mint: Arc<Mint>,
    pub(in crate::app) settings: Arc<Settings>,
    pub(in crate::app) clock: Arc<dyn Clock>,
    pub(in crate::app) random: Random,
}

impl PasswordGrant {
    /// Signs a user in: starts a session and makes its first pair of tokens.
    ///
    /// # Errors
    /// [`TokenError`]. An unknown name, a wrong password and a switched-off account get the same
    /// [`TokenError::Credentials`] after the same work.
    pub async fn sign_in(
        &self,
        authenticated: &AuthenticatedClient,
        request: PasswordRequest,
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
        let grant = catalogue.grant(request.target.scope.as_ref(), &request.target.resources, client)?;
        let session_epoch = self.clients.session_epoch(authenticated).await?;
        let proof = Proof { of: Secret::Password, client: Some(&client.id), peer: request.peer };
        let account = self.accounts.check_password(&request.username, &request.password, proof).await?;
        let permitted = catalogue.permitted(&grant.scope, client, &account.state.roles);
        // RFC 6749 §3.3: a granted scope that differs from the requested one must be sent, and an empty one can't be.
        if let Some(requested) =
            request.target.scope.as_ref().filter(|requested| !requested.is_empty() && permitted.is_empty())
        {
            return Err(catalogue.not_permitted(requested, &grant.scope, client).into());
        }
        let device = Device::new(request.user_agent.as_deref(), request.device_label.as_deref());
        self.start_session((client, session_epoch), account, SignIn { grant, permitted, device }).await
    }

    async fn start_session(
        &self,
        (client, session_epoch): (&Registration, SessionEpoch),
        account: Account,
        what: SignIn,
    ) -> Result<TokenResponse, TokenError> {
        let SignIn { grant, permitted, device } = what;
        let now = self.clock.now();
        let id = SessionId::from(self.random.uuid(now)?);
        let decision = session::start(Start {
            client: (client.id.clone(), session_epoch),
            user: (account.id, account.state.session_epoch),
            refreshable: gets_refresh_tokens(client, &grant.scope),
            scope: grant.scope,
            permitted,
            audience: grant.audience,
            policy: policy(client),
            nonce: self.random.bytes()?.into(),
            kid: self.keys.signer()?.kid(),
            installation_epoch: self.installation.current().await?,
            now,
        });
        let recorded = (!device.is_unknown())
            .then(|| RecordChange::Put(device::record(account.id, id), device.encode()));
        let records = recorded.into_iter().collect();
        let session: Session = self.repository.append(&id, Loaded::new(), &decision.events, records).await?;
        self.sessions.evict_beyond_the_limit(account.id, (id, &session.started)).await;
        let recipient = Recipient { client, roles: &account.state.roles };
        self.mint.mint(id, &session, &decision.outcome?, &recipient)
    }
}

/// What a user signs in for, and with which device.
struct SignIn {
    grant: Grant,
    /// The part of the scope that the user's roles permit now.
    permitted: Scope,
    device: Device,
}
