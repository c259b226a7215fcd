//! Authorizing: a person who is signed in at heirloom's own pages lets a client begin, and the client gets a code
//! (RFC 6749 §4.1.2). What the client does with it is in `grants/authorization_code.rs`.

use std::sync::Arc;

use super::clients::Clients;
use super::error::TokenError;
use super::keys::TokenKeys;
use super::repository::{Change, Loaded, OutcomeUnknown};
use super::restore::InstallationEpoch;
use super::scopes::Grant;
use super::sweep::{Settled, Sweeper};
use super::{Repository, Settings, gets_refresh_tokens, policy};
use crate::client::Registration;
use crate::clock::{Clock, Timestamp};
use crate::oauth::{AuthorizationCode, CodeChallenge, SessionId, UserId};
use crate::random::Random;
use crate::session::authorization::AuthorizeDecision;
use crate::session::code::redirect_digest;
use crate::session::{self, AuthorizationUsed, Code, Device, LoginReference, Session, device, index};
use crate::store::{Expected, RecordChange};
use crate::throttle::bucket::Buckets;
use crate::user::User;

/// Makes authorization codes.
pub struct Authorizations {
    pub(super) repository: Repository,
    pub(super) clients: Arc<Clients>,
    pub(super) installation: Arc<InstallationEpoch>,
    pub(super) keys: Arc<TokenKeys>,
    /// New authorizations, by login: each is written to the log.
    pub(super) rate: Arc<Buckets>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
}

/// What a person lets a client do. It was checked before: the client, its redirect URI, the scope and the resource.
pub struct Authorize<'a> {
    /// The session that will begin. Whoever asks chose the id, so that asking twice makes one session.
    pub id: SessionId,
    /// Who is signed in.
    pub by: Authorizer,
    /// The client.
    pub client: &'a Registration,
    /// What it is granted.
    pub grant: Grant,
    /// Where the code is sent.
    pub redirect_uri: &'a str,
    /// The PKCE challenge.
    pub challenge: Option<CodeChallenge>,
    /// The `nonce` of OpenID Connect.
    pub nonce: Option<&'a str>,
    /// Since when the consent stands on which it rests; none if it rests on none.
    pub consent_since: Option<Timestamp>,
    /// Until when it is remembered although its code has expired unused, if longer than the code.
    pub kept_until: Option<Timestamp>,
    /// The browser's `User-Agent` header.
    pub user_agent: Option<&'a str>,
}

/// Who lets a client begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// The user.
    pub user: UserId,
    /// The login.
    pub login: LoginReference,
    /// The user's epoch when the login began.
    pub user_epoch: u32,
    /// When the login ends at the latest.
    pub login_expiry: Timestamp,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// The session's id was used for something else, or its code was redeemed or has expired.
    #[error(transparent)]
    Used(#[from] AuthorizationUsed),
    /// The account was deleted or switched off, or its logins were ended.
    #[error("the account is gone or switched off, or its logins were ended")]
    User,
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] TokenError),
}

impl Authorizations {
    /// Authorizes a session and returns the code's text. The same question gets the same code again, until that is
    /// redeemed or has expired: people click twice.
    ///
    /// # Errors
    /// [`AuthorizeError`]. No code is returned before the authorization is durable.
    pub async fn authorize(&self, asked: Authorize<'_>) -> Result<String, AuthorizeError> {
        let (client, user, installation_epoch) = tokio::try_join!(
            self.clients.known(&asked.client.id),
            self.repository.user(asked.by.user),
            self.installation.current(),
        )?;
        let client_epoch = client.and_then(|client| client.usable()).ok_or(TokenError::Client)?;
        let user = user.state.filter(User::is_active);
        // The password may have been changed while it was being checked: the login must hold in the epoch that the session
        // gets.
        let holds = |user: &User| user.session_epoch.covers(asked.by.login.id, asked.by.user_epoch);
        let user = user.filter(holds).ok_or(AuthorizeError::User)?;
        let Grant { scope, audience } = &asked.grant;
        // RFC 6749 §3.3: a granted scope that differs from the requested one must be sent, and an empty one can't be.
        let catalogue = &self.settings.scopes;
        if !scope.is_empty() && catalogue.permitted(scope, asked.client, &user.roles).is_empty() {
            return Err(TokenError::from(catalogue.not_permitted(scope, scope, asked.client)).into());
        }
        self.keys.signer()?;
        let command = session::Authorize {
            client: (asked.client.id.clone(), client_epoch),
            user: (asked.by.user, user.session_epoch),
            login: asked.by.login.clone(),
            login_expiry: asked.by.login_expiry,
            scope: scope.clone(),
            audience: audience.clone(),
            refreshable: gets_refresh_tokens(asked.client, scope),
            code: Code {
                nonce: self.random.bytes().map_err(TokenError::from)?.into(),
                redirect_uri: redirect_digest(asked.redirect_uri),
                challenge: asked.challenge,
                openid_nonce: asked.nonce.map(str::to_owned),
                consent_since: asked.consent_since,
                kept_until: asked.kept_until,
            },
            policy: policy(asked.client),
            installation_epoch,
            now: self.clock.now(),
        };
        let decide = |loaded: Loaded<Session>| async {
            let AuthorizeDecision { events, code } =
                session::authorize(loaded.state.as_ref(), command.clone())?;
            let mut records = Vec::new();
            if !events.is_empty() {
                self.may_begin(&command)?;
                let device = Device::new(asked.user_agent, None);
                let key = device::record(asked.by.user, asked.id);
                records.extend((!device.is_unknown()).then(|| RecordChange::Put(key, device.encode())));
            }
            Ok::<_, AuthorizeError>(Change::of(loaded, events, code).with(records))
        };
        // If the append may have succeeded, the same question finds its answer.
        let nonce = self.repository.execute_with(OutcomeUnknown::IsLookedAt, &asked.id, decide).await?;
        if nonce == command.code.nonce {
            self.rate.take(asked.by.login.id.as_bytes(), command.now);
        }
        let code = AuthorizationCode { session: asked.id, nonce };
        Ok(code.encode(&self.keys.mac_keys()).ok_or(TokenError::NoKey)?)
    }

    /// Refuses, before anything is written, a login that authorizes in a loop, and everybody when the disk is nearly full.
    fn may_begin(&self, command: &session::Authorize) -> Result<(), TokenError> {
        let retry_after = self.rate.wait(command.login.id.as_bytes(), command.now);
        if !retry_after.is_zero() {
            return Err(TokenError::TooManyAuthorizations { retry_after });
        }
        Ok(self.repository.has_room()?)
    }
}

impl Sweeper {
    /// Removes an authorization whose code has expired, with all that is known of it: nothing began. One whose request must
    /// not be answered once more stays, without its device, until that has expired.
    pub(super) async fn drop_unredeemed(
        &self,
        place: RecordChange,
        id: SessionId,
        (session, expected): (Session, Expected),
    ) -> Result<Settled, TokenError> {
        let user = session.started.user;
        let device = user.map(|user| RecordChange::Delete(device::record(user, id)));
        let mut records: Vec<_> = [place].into_iter().chain(device).collect();
        let kept_until = session.code.as_ref().and_then(|code| code.kept_until);
        if let Some(until) = kept_until.filter(|until| self.clock.now() < *until) {
            records.push(RecordChange::Put(index::queued(until, id), Vec::new()));
            self.repository.change_guarded::<Session>(&id, expected, records).await?;
            return Ok(Settled::QueuedAgain);
        }
        self.repository.remove::<Session>(&id, expected, records).await?;
        Ok(Settled::Removed)
    }
}
