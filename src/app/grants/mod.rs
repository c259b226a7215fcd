//! The grants. Each has one file: it reads its part of the form, and answers. Which grants there are is said by
//! [`GrantType`]; a new one gets a variant there, and a line in each match here.

use std::sync::Arc;

use self::authorization_code::{CodeGrant, CodeRequest};
use self::client_credentials::{ClientCredentialsGrant, ClientCredentialsRequest};
use self::form::{FormError, Target, TokenForm};
use self::password::{PasswordGrant, PasswordRequest};
use self::read_ahead::ReadAhead;
use self::refresh::{RefreshGrant, RefreshRequest};
use super::Settings;
use super::authenticate::AuthenticatedClient;
use super::error::TokenError;
use super::metrics::TokenRequests;
use super::mint::TokenResponse;
use crate::client::metadata::is_on;
use crate::oauth::GrantType;

pub mod authorization_code;
pub mod client_credentials;
pub mod form;
pub mod password;
pub mod read_ahead;
pub mod refresh;

/// A request at the token endpoint, without the client's credentials.
pub enum TokenRequest {
    /// `grant_type=password`.
    Password(PasswordRequest),
    /// `grant_type=refresh_token`.
    RefreshToken(RefreshRequest),
    /// `grant_type=client_credentials`.
    ClientCredentials(ClientCredentialsRequest),
    /// `grant_type=authorization_code`.
    AuthorizationCode(CodeRequest),
}

/// Answers token requests.
pub struct Grants {
    pub(super) password: PasswordGrant,
    pub(super) refresh_token: RefreshGrant,
    pub(super) client_credentials: ClientCredentialsGrant,
    pub(super) authorization_code: CodeGrant,
    pub(super) requests: Arc<TokenRequests>,
}

impl Grants {
    /// Reads what a refresh by this token is decided on, while the client is looked up; nothing if it is not a token of
    /// this server.
    pub async fn read_ahead(&self, refresh_token: &str) -> Option<Box<ReadAhead>> {
        self.refresh_token.read_ahead(refresh_token).await
    }

    /// Answers a request of a client that has proved who it is, and counts how it ended.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn answer(
        &self,
        client: &AuthenticatedClient,
        request: TokenRequest,
    ) -> Result<TokenResponse, TokenError> {
        let grant = request.grant_type();
        let answer = match request {
            // Boxed, so that these large futures do not enlarge that of a refresh.
            TokenRequest::Password(request) => Box::pin(self.password.sign_in(client, request)).await,
            TokenRequest::RefreshToken(request) => self.refresh_token.refresh(client, request).await,
            TokenRequest::ClientCredentials(request) => {
                Box::pin(self.client_credentials.token(client, request)).await
            }
            TokenRequest::AuthorizationCode(request) => {
                Box::pin(self.authorization_code.redeem(client, request)).await
            }
        };
        self.requests.count(grant.as_str(), answer.as_ref());
        answer
    }
}

impl TokenRequest {
    /// Reads a form.
    ///
    /// # Errors
    /// What the form says of a [`FormError`].
    pub fn parse<F: TokenForm>(form: &mut F) -> Result<Self, F::Error> {
        let grant = form.required("grant_type")?;
        let grant: GrantType = grant.parse().map_err(|_| FormError::GrantType)?;
        let target = Target::parse(form)?;
        Ok(match grant {
            GrantType::Password => Self::Password(PasswordRequest::parse(form, target)?),
            GrantType::RefreshToken => Self::RefreshToken(RefreshRequest::parse(form, target)?),
            GrantType::ClientCredentials => Self::ClientCredentials(ClientCredentialsRequest::of(target)),
            GrantType::AuthorizationCode => Self::AuthorizationCode(CodeRequest::parse(form, target)?),
        })
    }

    /// The grant.
    #[must_use]
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::Password(_) => GrantType::Password,
            Self::RefreshToken(_) => GrantType::RefreshToken,
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
        }
    }
}

impl Settings {
    /// Whether the server offers a grant.
    #[must_use]
    pub const fn offers(&self, grant: GrantType) -> bool {
        is_on(grant, self.password_grant)
    }
}
