//! Makes the tokens that were granted.

use std::sync::Arc;

use super::Settings;
use super::error::TokenError;
use super::keys::TokenKeys;
use crate::client::Registration;
use crate::clock::Clock;
use crate::oauth::{RefreshToken, Scope, SessionId};
use crate::session::{Granted, Session};
use crate::token::TokenType;
use crate::token::claims::{AccessTokenClaims, jti};
use crate::token::id_token::{ACR, IdTokenClaims, at_hash};

/// A successful answer of the token endpoint (RFC 6749 §5.1). Has no `Debug`: it holds tokens.
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// Seconds until it expires.
    pub expires_in: u64,
    /// The refresh token, if the client gets one.
    pub refresh_token: Option<String>,
    /// Seconds until the refresh token expires, if it is not used.
    pub refresh_expires_in: u64,
    /// The access token's scope; empty if there is none.
    pub scope: String,
    /// The ID token, if the session has the scope `openid`.
    pub id_token: Option<String>,
}

/// Who gets the tokens: what may have changed since the sign-in.
pub(super) struct Recipient<'a> {
    /// The client.
    pub(super) client: &'a Registration,
    /// The roles of the user, or of a client that acts for itself.
    pub(super) roles: &'a [String],
}

/// Makes access tokens, refresh tokens and ID tokens.
pub(super) struct Mint {
    pub(super) keys: Arc<TokenKeys>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Mint {
    /// Makes the tokens of `session` that were granted. The same grant gives the same tokens.
    pub(super) fn mint(
        &self,
        id: SessionId,
        session: &Session,
        granted: &Granted,
        recipient: &Recipient<'_>,
    ) -> Result<TokenResponse, TokenError> {
        // OpenID Connect Core §12.2: at a refresh, the ID token "SHOULD NOT have a nonce Claim".
        self.mint_first((id, session), granted, recipient, None)
    }

    /// As [`Mint::mint`], at the sign-in: its ID token has the `nonce` of the authorization request.
    pub(super) fn mint_first(
        &self,
        (id, session): (SessionId, &Session),
        granted: &Granted,
        recipient: &Recipient<'_>,
        nonce: Option<&str>,
    ) -> Result<TokenResponse, TokenError> {
        let started = &session.started;
        let scope = granted.scope.to_string();
        let audiences = self.settings.scopes.audiences(started.audience.as_ref(), &granted.scope);
        let roles: Vec<&str> = recipient.roles.iter().map(String::as_str).collect();
        let sub = started.user.map_or_else(|| started.client.to_string(), |user| user.to_string());
        let family = session.token_family(id);
        let claims = AccessTokenClaims {
            iss: &self.settings.issuer,
            sub: &sub,
            aud: &audiences,
            client_id: started.client.as_str(),
            scope: &scope,
            sid: &id.to_string(),
            jti: &jti(&family, granted.generation.0, granted.access.iat, &scope),
            iat: granted.access.iat,
            exp: granted.access.exp,
            auth_time: started.user.map(|_| started.auth_time().seconds()),
            roles: &roles,
        };
        // A retry is signed by the same key as before, unless that key is gone.
        let key =
            self.keys.signing.find(granted.access.kid).map_or_else(|| self.keys.signing.signer(), Ok)?;
        let typ = self.settings.scopes.token_type(started.audience.as_ref());
        let access_token = key.sign(typ, &claims)?;
        let id_token = self.id_token(session, recipient, &claims, (&access_token, nonce))?;
        let codec = self.keys.codec();
        let refresh_token = granted.refresh.map(|place| {
            let token = RefreshToken { session: id, generation: place.generation, nonce: place.nonce };
            codec.encode(&token).ok_or(TokenError::NoKey)
        });
        let refresh_token = refresh_token.transpose()?;
        let mut minted = TokenResponse {
            access_token,
            expires_in: 0,
            refresh_token,
            refresh_expires_in: 0,
            scope,
            id_token,
        };
        self.count_down(&mut minted, session, granted);
        Ok(minted)
    }

    /// Sets how long the tokens last, counted from now.
    pub(super) fn count_down(&self, minted: &mut TokenResponse, session: &Session, granted: &Granted) {
        let now = self.clock.now();
        minted.expires_in = granted.access.exp.saturating_sub(now.seconds());
        let expiry = session.idle_expiry.min(session.started.absolute_expiry);
        minted.refresh_expires_in = expiry.since(now).as_secs();
    }

    /// The ID token beside an access token: in sessions that began from a login, with the scope `openid`.
    fn id_token(
        &self,
        session: &Session,
        recipient: &Recipient<'_>,
        access: &AccessTokenClaims<'_>,
        (access_token, nonce): (&str, Option<&str>),
    ) -> Result<Option<String>, TokenError> {
        let login = session.started.login.as_ref();
        let Some(login) = login.filter(|_| session.started.scope.contains(Scope::OPENID)) else {
            return Ok(None);
        };
        let algorithm = recipient.client.metadata.id_token_signed_response_alg;
        let key = self.keys.signing.id_token_signer(algorithm)?;
        let methods: Vec<&str> = login.methods.iter().map(|method| method.as_str()).collect();
        let claims = IdTokenClaims {
            iss: access.iss,
            sub: access.sub,
            aud: access.client_id,
            exp: access.exp,
            iat: access.iat,
            auth_time: login.auth_time.seconds(),
            nonce,
            acr: ACR,
            amr: &methods,
            azp: access.client_id,
            sid: &login.id.to_string(),
            at_hash: &at_hash(access_token, key.algorithm()),
        };
        Ok(Some(key.sign(TokenType::Jwt, &claims)?))
    }
}
