//! The refresh token grant (RFC 6749 §6).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::form::{Target, TokenForm};
use super::read_ahead::{Read, ReadAhead};
use crate::app::authenticate::AuthenticatedClient;
use crate::app::clients::Clients;
use crate::app::error::TokenError;
use crate::app::keys::TokenKeys;
use crate::app::mint::{Mint, Recipient, TokenResponse};
use crate::app::overlap::Overlap;
use crate::app::repository::{Failed, OutcomeUnknown, prepared, retry};
use crate::app::restore::InstallationEpoch;
use crate::app::session_reads::SessionReading;
use crate::app::uptime::Uptime;
use crate::app::{Repository, Settings, policy};
use crate::clock::{Clock, StepWatch};
use crate::oauth::{Audience, GrantType, Kid, Nonce, RefreshToken, Scope, SessionEpoch, SessionId};
use crate::random::Random;
use crate::session::{self, Decision, Denied, EndReason, Presented, Refresh, Session, SessionEvent};
use crate::throttle::bucket::Buckets;
use crate::user::User;

/// `grant_type=refresh_token` (RFC 6749 §6). Has no `Debug`: it holds a token.
pub struct RefreshRequest {
    refresh_token: Zeroizing<String>,
    target: Target,
    read_ahead: Option<Box<ReadAhead>>,
}

impl RefreshRequest {
    pub(super) fn parse<F: TokenForm>(form: &mut F, target: Target) -> Result<Self, F::Error> {
        Ok(Self { refresh_token: form.refresh_token()?, target, read_ahead: form.read_ahead() })
    }
}

/// Answers requests of the refresh token grant.
pub struct RefreshGrant {
    pub(in crate::app) repository: Repository,
    pub(in crate::app) clients: Arc<Clients>,
    pub(in crate::app) installation: Arc<InstallationEpoch>,
    pub(in crate::app) keys: Arc<TokenKeys>,
    pub(in crate::app) mint: Arc<Mint>,
    /// Limits how often one session is refreshed.
    pub(in crate::app) rate: Arc<Buckets>,
    /// Signs while an append is under way.
    pub(in crate::app) overlap: Overlap,
    /// Detects jumps of the wall clock.
    pub(in crate::app) clock_steps: StepWatch,
    pub(in crate::app) uptime: Arc<Uptime>,
    /// By how much another node's clock may differ.
    pub(in crate::app) skew: Duration,
    pub(in crate::app) settings: Arc<Settings>,
    pub(in crate::app) clock: Arc<dyn Clock>,
    pub(in crate::app) random: Random,
}

impl RefreshGrant {
    /// Reads what a refresh by this token is decided on, whoever the client is; nothing if it is not a token of this
    /// server.
    pub(super) async fn read_ahead(&self, refresh_token: &str) -> Option<Box<ReadAhead>> {
        let session = self.keys.codec().decode(refresh_token).ok()?.session;
        Some(Box::new(ReadAhead { session, read: self.read(session).await }))
    }

    async fn read(&self, id: SessionId) -> Read {
        tokio::join!(self.installation.current(), self.repository.session_reading(id, self.clock.now()))
    }

    /// Answers a refresh token.
    ///
    /// # Errors
    /// [`TokenError`]. No answer is sent before the events that it depends on are durable.
    pub async fn refresh(
        &self,
        client: &AuthenticatedClient,
        request: RefreshRequest,
    ) -> Result<TokenResponse, TokenError> {
        let registration = &*client.registration;
        if !registration.metadata.grant_types.contains(&GrantType::RefreshToken) {
            return Err(TokenError::GrantNotRegistered);
        }
        // Row 1: decided without reading the store.
        let codec = self.keys.codec();
        let token = codec
            .decode(&request.refresh_token)
            .map_err(|why| TokenError::of_not_opened(why, TokenError::NotAToken))?;
        let scope = request.target.scope.as_ref();
        // What is recorded must be answered: without a key nothing is decided.
        let signer =
            if codec.makes_new() { self.keys.signing.signer()? } else { return Err(TokenError::NoKey) };
        // All attempts use one nonce, by which an append whose outcome was unknown is recognised as this request's own.
        let nonce = self.random.bytes()?.into();
        let read_ahead = request.read_ahead.filter(|ahead| ahead.session == token.session);
        let request = ParsedRefresh {
            read_ahead: Mutex::new(read_ahead.map(|ahead| ahead.read)),
            client,
            token,
            scope,
            resources: &request.target.resources,
            nonce,
            kid: signer.kid(),
        };
        // If the append may have succeeded, loading again shows whether it has.
        retry(OutcomeUnknown::IsLookedAt, |_| self.refresh_once(&request)).await
    }

    async fn refresh_once(&self, request: &ParsedRefresh<'_>) -> Result<TokenResponse, Failed<TokenError>> {
        let id = request.token.session;
        // What was read ahead counts for the first attempt only.
        let read_ahead = request.read_ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        let read = async {
            match read_ahead {
                Some(read) => read,
                None => self.read(id).await,
            }
        };
        let (client_epoch, (installation_epoch, reading)) =
            tokio::join!(self.clients.session_epoch(request.client), read);
        let epochs = Epochs { client: client_epoch?, installation: installation_epoch? };
        let SessionReading { session, user, login_end } = reading?;
        let companions = (user.as_ref(), login_end.is_some());
        let decision = self.decide_refresh(request, epochs, session.state.as_ref(), companions);
        if let (Err(Denied::Scope), Some(scope), Some(state)) =
            (&decision.outcome, request.scope, &session.state)
        {
            let granted = &state.started.scope;
            let refused = self.settings.scopes.not_permitted(scope, granted, &request.client.registration);
            return Err(TokenError::from(refused).into());
        }
        self.keep_the_rate(id, &decision)?;
        let roles = user.map(|user| user.roles).unwrap_or_default();
        let recipient = Recipient { client: &request.client.registration, roles: &roles };
        if decision.events.is_empty() {
            let granted = decision.outcome.map_err(TokenError::from)?;
            let session = session.state.ok_or(TokenError::from(Denied::Unknown))?;
            return Ok(self.mint.mint(id, &session, &granted, &recipient)?);
        }
        let (append, after) = prepared(&id, session, &decision.events, Vec::new()).map_err(Failed::Append)?;
        let mint =
            || decision.outcome.as_ref().ok().map(|granted| self.mint.mint(id, &after, granted, &recipient));
        let append = self.repository.land(append);
        let (appended, minted) = self.overlap.run(id, append, mint).await;
        appended.map_err(Failed::Append)?;
        report(id, &after, &decision.events);
        if writes_tokens(&decision) {
            self.rate.take(id.as_bytes(), self.clock.now());
        }
        let granted = decision.outcome.map_err(TokenError::from)?;
        match minted.flatten() {
            Some(minted) => {
                let mut minted = minted?;
                // The append may have taken some time.
                self.mint.count_down(&mut minted, &after, &granted);
                Ok(minted)
            }
            None => Ok(self.mint.mint(id, &after, &granted, &recipient)?),
        }
    }

    /// Refuses, before anything is written, a client that refreshes one session in a loop. Repeating an answer has no
    /// limit.
    fn keep_the_rate(&self, id: SessionId, decision: &Decision) -> Result<(), TokenError> {
        if !writes_tokens(decision) {
            return Ok(());
        }
        let retry_after = self.rate.wait(id.as_bytes(), self.clock.now());
        if retry_after.is_zero() { Ok(()) } else { Err(TokenError::TooManyRefreshes { retry_after }) }
    }

    fn decide_refresh(
        &self,
        request: &ParsedRefresh<'_>,
        epochs: Epochs,
        session: Option<&Session>,
        (user, login_has_ended): (Option<&User>, bool),
    ) -> Decision {
        let registration = &*request.client.registration;
        let granted = session.map(|session| session.started.scope.clone()).unwrap_or_default();
        let roles = user.map(|user| user.roles.as_slice()).unwrap_or_default();
        let permitted = self.settings.scopes.permitted(&granted, registration, roles);
        let resources = self.settings.scopes.resource_servers(request.resources.to_vec(), &granted);
        let RefreshToken { session: id, generation, nonce } = request.token;
        let (began, now, monotonic) = (self.clock.monotonic(), self.clock.now(), self.clock.monotonic());
        let command = Refresh {
            session: id,
            presented: Presented { generation, nonce },
            client: &registration.id,
            client_epoch: Some(epochs.client),
            login_has_ended,
            user_epoch: user.filter(|user| user.is_active()).map(|user| user.session_epoch),
            requested: request.scope,
            resources: &resources,
            permitted: &permitted,
            policy: policy(registration),
            nonce: request.nonce,
            kid: request.kid,
            installation_epoch: epochs.installation,
            now,
            steps: self.clock_steps.look(began, now, monotonic),
            availability: self.uptime.at(monotonic),
            skew: self.skew,
        };
        session::decide(session, &command)
    }
}

/// Whether tokens are granted that were not granted before.
const fn writes_tokens(decision: &Decision) -> bool {
    decision.outcome.is_ok() && !decision.events.is_empty()
}

/// The epochs in which a session must be.
#[derive(Clone, Copy)]
struct Epochs {
    client: SessionEpoch,
    installation: u32,
}

/// What one request asks for; the same for all attempts.
struct ParsedRefresh<'a> {
    read_ahead: Mutex<Option<Read>>,
    client: &'a AuthenticatedClient,
    token: RefreshToken,
    scope: Option<&'a Scope>,
    resources: &'a [Audience],
    nonce: Nonce,
    kid: Kid,
}

/// Logs what an operator should know at once. The refusal itself is logged at the boundary.
pub(super) fn report(id: SessionId, session: &Session, events: &[SessionEvent]) {
    for event in events {
        let SessionEvent::Ended { reason, .. } = event else { continue };
        let (user, client, generation) = (
            session.started.user.map(tracing::field::display),
            &session.started.client,
            session.generation.0,
        );
        if *reason == EndReason::Rollback {
            tracing::error!(
                session.id = %id, session.generation = generation, user.id = user, client.id = %client,
                "a token of a history that this store does not have: was it restored from a backup, or has the \
                 refresh secret leaked?"
            );
        } else {
            tracing::warn!(
                session.id = %id, session.generation = generation, user.id = user, client.id = %client,
                session.end = reason.as_str(), "session ended"
            );
        }
    }
}
