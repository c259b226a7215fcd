//! The authorization code grant (RFC 6749 §4.1.3): a client redeems the code that a person's browser brought it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use zeroize::Zeroizing;

use super::form::{FormError, Target, TokenForm};
use super::refresh::report;
use crate::app::authenticate::AuthenticatedClient;
use crate::app::clients::Clients;
use crate::app::error::TokenError;
use crate::app::keys::TokenKeys;
use crate::app::mint::{Mint, Recipient, TokenResponse};
use crate::app::repository::{Change, Failed, Loaded, OutcomeUnknown, retry};
use crate::app::restore::InstallationEpoch;
use crate::app::sessions::Sessions;
use crate::app::{Repository, Settings, policy};
use crate::clock::{Clock, Timestamp};
use crate::consent::ConsentId;
use crate::oauth::{AuthorizationCode, CodeVerifier, GrantType, Kid, Nonce, SessionEpoch, SessionId};
use crate::random::Random;
use crate::session::redeem::rests_on;
use crate::session::{CodeRefused, Decision, EndReason, Redeem, Session, end, redeem};
use crate::user::User;

/// `grant_type=authorization_code` (RFC 6749 §4.1.3). Has no `Debug`: it holds a code.
pub struct CodeRequest {
    code: Zeroizing<String>,
    redirect_uri: Option<Zeroizing<String>>,
    verifier: Option<CodeVerifier>,
    target: Target,
}

impl CodeRequest {
    pub(super) fn parse(form: &mut impl TokenForm, target: Target) -> Result<Self, FormError> {
        let code = form.required("code")?;
        let redirect_uri = form.take("redirect_uri");
        let verifier = form.take("code_verifier").map(|verifier| verifier.parse()).transpose();
        Ok(Self { code, redirect_uri, verifier: verifier.map_err(|_| FormError::Verifier)?, target })
    }
}

/// Answers requests of the authorization code grant.
pub struct CodeGrant {
    pub(in crate::app) repository: Repository,
    pub(in crate::app) clients: Arc<Clients>,
    pub(in crate::app) sessions: Arc<Sessions>,
    pub(in crate::app) installation: Arc<InstallationEpoch>,
    pub(in crate::app) keys: Arc<TokenKeys>,
    pub(in crate::app) mint: Arc<Mint>,
    pub(in crate::app) settings: Arc<Settings>,
    /// By how much another node's clock may differ.
    pub(in crate::app) skew: Duration,
    pub(in crate::app) clock: Arc<dyn Clock>,
    pub(in crate::app) random: Random,
}

impl CodeGrant {
    /// Answers a code: begins its session and makes the first tokens.
    ///
    /// # Errors
    /// [`TokenError`]. No answer is sent before the events that it depends on are durable.
    pub async fn redeem(
        &self,
        client: &AuthenticatedClient,
        request: CodeRequest,
    ) -> Result<TokenResponse, TokenError> {
        let registration = &*client.registration;
        if !registration.metadata.grant_types.contains(&GrantType::AuthorizationCode) {
            return Err(TokenError::GrantNotRegistered);
        }
        // Row 1: decided without reading the store.
        let code = AuthorizationCode::decode(&self.keys.mac_keys(), &request.code);
        let presented = Presented {
            code: code.map_err(|why| TokenError::of_not_opened(why, TokenError::NotACode))?,
            client,
            request: &request,
            // All attempts use one nonce, by which an append whose outcome was unknown is recognised as this request's
            // own.
            nonce: self.random.bytes()?.into(),
            // What is recorded must be answered: without a key nothing is decided.
            kid: self.keys.signer()?.kid(),
            openid_nonce: OnceLock::new(),
        };
        // If the append may have succeeded, loading again shows whether it has.
        retry(OutcomeUnknown::IsLookedAt, |_| self.redeem_once(&presented)).await
    }

    async fn redeem_once(&self, presented: &Presented<'_>) -> Result<TokenResponse, Failed<TokenError>> {
        let (id, registration) = (presented.code.session, &*presented.client.registration);
        let (client_epoch, installation_epoch, loaded) = tokio::join!(
            self.clients.session_epoch(presented.client),
            self.installation.current(),
            self.repository.session(id),
        );
        let (client_epoch, installation_epoch, loaded) = (client_epoch?, installation_epoch?, loaded?);
        let started = loaded.state.as_ref().map(|session| &session.started);
        let login = started.and_then(|started| started.login.as_ref()).map(|login| login.id);
        let (user, login_end, consent_since) = tokio::try_join!(
            self.repository.user_if(started.and_then(|started| started.user)),
            self.repository.login_end(login, self.clock.now()),
            self.consent_needed(loaded.state.as_ref(), client_epoch),
        )?;
        if let Some(nonce) =
            loaded.state.as_ref().and_then(|session| session.code.as_ref()?.openid_nonce.clone())
        {
            // It is not kept beyond the redemption, which may be found to have happened at the second look.
            presented.openid_nonce.get_or_init(|| nonce);
        }
        let surroundings = Surroundings {
            client_epoch,
            installation_epoch,
            user: user.as_ref(),
            login_has_ended: login_end.is_some(),
            consent_since,
        };
        let decision = self.decide(presented, loaded.state.as_ref(), &surroundings);
        if let (Err(CodeRefused::Scope), Some(scope), Some(started)) =
            (&decision.outcome, &presented.request.target.scope, started)
        {
            let refused = self.settings.scopes.not_permitted(scope, &started.scope, registration);
            return Err(TokenError::from(refused).into());
        }
        let session = if decision.events.is_empty() {
            loaded.state
        } else {
            let appended = self.repository.append(&id, loaded, &decision.events, Vec::new()).await;
            let session = appended.map_err(Failed::Append)?;
            report(id, &session, &decision.events);
            Some(session)
        };
        let granted = decision.outcome.map_err(TokenError::from)?;
        let session = session.ok_or(TokenError::from(CodeRefused::Unknown))?;
        self.is_still_allowed(id, &session, client_epoch).await?;
        if let Some(user) = session.started.user {
            self.sessions.evict_beyond_the_limit(user, (id, &session.started)).await;
        }
        let roles = user.map(|user| user.roles).unwrap_or_default();
        let nonce = presented.openid_nonce.get().map(String::as_str);
        let recipient = Recipient { client: registration, roles: &roles };
        Ok(self.mint.mint_first((id, &session), &granted, &recipient, nonce)?)
    }

    /// Refuses, and ends the session, if the person has withdrawn the consent while the code was being redeemed: the
    /// withdrawal may not have seen the session yet.
    async fn is_still_allowed(
        &self,
        id: SessionId,
        session: &Session,
        client_epoch: SessionEpoch,
    ) -> Result<(), Failed<TokenError>> {
        let rested_on = session.code.as_ref().and_then(|code| code.consent_since);
        if rested_on.is_none() || self.consent_since(session, client_epoch).await? == rested_on {
            return Ok(());
        }
        let end = |loaded: Loaded<Session>| async {
            let over = |session| end(session, EndReason::ConsentWithdrawn, self.clock.now());
            let events = loaded.state.as_ref().map(over).unwrap_or_default();
            Ok::<_, TokenError>(Change::of(loaded, events, ()))
        };
        self.repository.execute(&id, end).await?;
        Err(TokenError::from(CodeRefused::Consent).into())
    }

    /// Since when the consent stands on which the session's authorization rests; none if it rests on none.
    async fn consent_needed(
        &self,
        session: Option<&Session>,
        client_epoch: SessionEpoch,
    ) -> Result<Option<Timestamp>, TokenError> {
        match session.filter(|session| rests_on(session).is_some()) {
            Some(session) => self.consent_since(session, client_epoch).await,
            None => Ok(None),
        }
    }

    /// Since when the consent of the session's user stands; none if none does.
    async fn consent_since(
        &self,
        session: &Session,
        client_epoch: SessionEpoch,
    ) -> Result<Option<Timestamp>, TokenError> {
        let Some(user) = session.started.user else { return Ok(None) };
        let id = ConsentId { user, client: session.started.client.clone() };
        let consent = self.repository.consent(&id).await?.state;
        Ok(consent.and_then(|consent| consent.stands_since(client_epoch.epoch)))
    }

    fn decide(
        &self,
        presented: &Presented<'_>,
        session: Option<&Session>,
        surroundings: &Surroundings<'_>,
    ) -> Decision<CodeRefused> {
        let Presented { client, request, .. } = *presented;
        let client = &*client.registration;
        let Surroundings { client_epoch, installation_epoch, user, login_has_ended, consent_since } =
            *surroundings;
        let catalogue = &self.settings.scopes;
        let granted = session.map(|session| session.started.scope.clone()).unwrap_or_default();
        let roles = user.map(|user| user.roles.as_slice()).unwrap_or_default();
        let permitted = catalogue.permitted(&granted, client, roles);
        let resources = catalogue.resource_servers(request.target.resources.clone(), &granted);
        let command = Redeem {
            session: presented.code.session,
            code: presented.code.nonce,
            client: &client.id,
            client_epoch: Some(client_epoch),
            user_epoch: user.filter(|user| user.is_active()).map(|user| user.session_epoch),
            login_has_ended,
            consent_since,
            installation_epoch,
            redirect_uri: request.redirect_uri.as_ref().map(|uri| uri.as_str()),
            verifier: request.verifier.as_ref(),
            requested: request.target.scope.as_ref(),
            resources: &resources,
            permitted: &permitted,
            policy: policy(client),
            nonce: presented.nonce,
            kid: presented.kid,
            now: self.clock.now(),
            skew: self.skew,
        };
        redeem(session, &command)
    }
}

/// What a code is judged by, beside its session.
struct Surroundings<'a> {
    client_epoch: SessionEpoch,
    installation_epoch: u32,
    user: Option<&'a User>,
    login_has_ended: bool,
    consent_since: Option<Timestamp>,
}

/// A code that was presented; the same for all attempts.
struct Presented<'a> {
    code: AuthorizationCode,
    client: &'a AuthenticatedClient,
    request: &'a CodeRequest,
    nonce: Nonce,
    kid: Kid,
    /// The `nonce` of OpenID Connect, once it is known.
    openid_nonce: OnceLock<String>,
}
