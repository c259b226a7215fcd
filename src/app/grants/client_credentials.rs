//! The client credentials grant (RFC 6749 §4.4): an access token that a client has of its own, without a user. `sub` is the
//! client's id (RFC 9068 §2.2), and there is never a refresh token (RFC 6749 §4.4.3).
//!
//! A fleet that shares one client may ask as often as it likes: as long as the last token has at least half of its life,
//! and roles and lifetimes are the same, everybody gets that one, and nothing is written. A client that asks for
//! ever-different scopes or audiences is refused after a while: each of them has a session of its own in the log.

use std::sync::Arc;

use super::form::Target;
use crate::app::authenticate::AuthenticatedClient;
use crate::app::clients::Clients;
use crate::app::error::{ScopeRefused, TokenError};
use crate::app::keys::TokenKeys;
use crate::app::mint::{Mint, Recipient, TokenResponse};
use crate::app::repository::{Failed, Loaded, OutcomeUnknown, retry};
use crate::app::restore::InstallationEpoch;
use crate::app::{Repository, ScopeCatalogue, Settings, policy};
use crate::client::Registration;
use crate::clock::Clock;
use crate::oauth::{GrantType, Scope};
use crate::random::Random;
use crate::session::{ClientToken, Session, client_session, client_token};
use crate::throttle::bucket::Buckets;

/// `grant_type=client_credentials` (RFC 6749 §4.4.2).
pub struct ClientCredentialsRequest {
    target: Target,
}

impl ClientCredentialsRequest {
    /// There is nothing but the target.
    pub(super) const fn of(target: Target) -> Self {
        Self { target }
    }
}

/// Answers clients that ask for themselves.
pub struct ClientCredentialsGrant {
    pub(in crate::app) repository: Repository,
    pub(in crate::app) clients: Arc<Clients>,
    pub(in crate::app) installation: Arc<InstallationEpoch>,
    pub(in crate::app) keys: Arc<TokenKeys>,
    pub(in crate::app) mint: Arc<Mint>,
    /// New tokens, by client: each is written to the log.
    pub(in crate::app) rate: Arc<Buckets>,
    pub(in crate::app) settings: Arc<Settings>,
    pub(in crate::app) clock: Arc<dyn Clock>,
    pub(in crate::app) random: Random,
}

impl ClientCredentialsGrant {
    /// Gives a client an access token of its own.
    ///
    /// # Errors
    /// [`TokenError`]. Nothing is answered before the events that the answer rests on are durable.
    pub async fn token(
        &self,
        client: &AuthenticatedClient,
        request: ClientCredentialsRequest,
    ) -> Result<TokenResponse, TokenError> {
        let registration = &*client.registration;
        // RFC 6749 §4.4: confidential clients only.
        if !registration.metadata.grant_types.contains(&GrantType::ClientCredentials)
            || registration.metadata.token_endpoint_auth_method.is_public()
        {
            return Err(TokenError::GrantNotRegistered);
        }
        let Target { scope: requested, resources } = request.target;
        if let Some(word) = requested.as_ref().and_then(|scope| scope.words().find(|word| is_of_a_user(word)))
        {
            return Err(ScopeRefused::NeedsUser(word.into()).into());
        }
        let catalogue = &self.settings.scopes;
        let grant = catalogue.grant(requested.as_ref(), &resources, registration)?;
        let permitted = catalogue.permitted(&grant.scope, registration, roles(registration));
        // RFC 6749 §3.3: a scope that differs from the requested one must be sent, and an empty one can't be.
        if let Some(requested) = requested.as_ref().filter(|_| permitted.is_empty()) {
            let refused = catalogue.not_permitted(requested, &grant.scope, registration);
            return Err(for_a_client(refused).into());
        }
        let id = client_session::id(&registration.id, &grant.scope, grant.audience.as_ref());
        let (nonce, kid) = (self.random.bytes()?.into(), self.keys.signing.signer()?.kid());
        let command = |session_epoch, installation_epoch| ClientToken {
            client: (&registration.id, session_epoch),
            scope: &grant.scope,
            audience: grant.audience.as_ref(),
            permitted: &permitted,
            policy: policy(registration),
            nonce,
            kid,
            installation_epoch,
            now: self.clock.now(),
        };
        // If the append may have landed, a second look tells.
        let attempt = |_| async {
            let (session_epoch, installation_epoch, loaded) = tokio::try_join!(
                self.clients.session_epoch(client),
                self.installation.current(),
                self.repository.session(id),
            )?;
            self.token_once(&command(session_epoch, installation_epoch), registration, loaded).await
        };
        retry(OutcomeUnknown::IsLookedAt, attempt).await
    }

    async fn token_once(
        &self,
        command: &ClientToken<'_>,
        registration: &Registration,
        loaded: Loaded<Session>,
    ) -> Result<TokenResponse, Failed<TokenError>> {
        let id = command.session();
        let decision = client_token(loaded.state.as_ref(), command);
        let granted = decision.outcome.map_err(TokenError::from)?;
        let session = if decision.events.is_empty() {
            loaded.state.ok_or(TokenError::Internal("a token of no session".to_owned()))?
        } else {
            let key = command.client.0.digest();
            let retry_after = self.rate.wait(&key, command.now);
            if !retry_after.is_zero() {
                return Err(TokenError::TooManyClientTokens { retry_after }.into());
            }
            if loaded.state.is_none() {
                self.repository.has_room().map_err(TokenError::from)?;
            }
            let appended = self.repository.append(&id, loaded, &decision.events, Vec::new()).await;
            let session = appended.map_err(Failed::Append)?;
            // Of many who ask at once, only the one whose append has landed counts.
            self.rate.take(&key, command.now);
            session
        };
        let recipient = Recipient { client: registration, roles: roles(registration) };
        Ok(self.mint.mint(id, &session, &granted, &recipient)?)
    }
}

/// Whether a scope is about a person: it opens heirloom's own API, or asks for a refresh token.
fn is_of_a_user(word: &str) -> bool {
    word == Scope::OFFLINE_ACCESS || ScopeCatalogue::OWN.contains(&word)
}

/// The roles that count: those of the client, since there is no user.
fn roles(registration: &Registration) -> &[String] {
    &registration.metadata.roles
}

/// What is said of a scope that needs a role, where there is no user.
fn for_a_client(refused: ScopeRefused) -> ScopeRefused {
    if let ScopeRefused::Role(word) = refused { ScopeRefused::ClientRole(word) } else { refused }
}
