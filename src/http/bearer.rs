//! Access tokens for heirloom's own API, in the `Authorization` header (RFC 6750 §2.1).

use std::sync::Arc;

use poem::http::header;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaOAuthFlow, MetaOAuthFlows, MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, OAuthScopes};
use zeroize::Zeroizing;

use super::caller::Caller;
use super::problem::ApiError;
use crate::app::AccessTokens;
use crate::app::access::Access;
use crate::app::admin::SCOPE;
use crate::http::service::service;
use crate::oauth::Actor;

/// The scopes of heirloom's own API.
#[derive(OAuthScopes)]
pub(super) enum ApiScope {
    /// The user's own account and devices
    #[oai(rename = "account")]
    Account,
    /// Administration, for who has the role of an administrator
    #[oai(rename = "admin")]
    Admin,
    /// The user's e-mail address
    #[oai(rename = "email")]
    #[expect(dead_code, reason = "no operation needs it; the specification lists it")]
    Email,
    /// Who has signed in: an ID token, and the id of the user
    #[oai(rename = "openid")]
    OpenId,
    /// The user's names and roles
    #[oai(rename = "profile")]
    #[expect(dead_code, reason = "no operation needs it; the specification lists it")]
    Profile,
}

/// The token of the `Authorization` header, not verified yet.
pub(super) struct Bearer {
    access_tokens: Arc<AccessTokens>,
    token: Option<Zeroizing<String>>,
    caller: Option<Caller>,
}

impl Bearer {
    /// Verifies the token, and returns what it gives access to.
    ///
    /// # Errors
    /// [`ApiError`]: 401 without a valid token, 403 without the scope.
    pub(super) async fn access(&self, scope: &'static str) -> Result<Access, ApiError> {
        self.access_by(&[scope]).await
    }

    /// As [`Bearer::access`], with one of several scopes.
    ///
    /// # Errors
    /// [`ApiError`].
    pub(super) async fn access_by(&self, scopes: &[&'static str]) -> Result<Access, ApiError> {
        let token = self.token.as_deref().map(String::as_str).ok_or_else(ApiError::no_token)?;
        let access =
            self.access_tokens.access(token, scopes).await.map_err(|error| ApiError::access(&error))?;
        if let Some(caller) = &self.caller {
            caller.is(Arc::clone(&access.live.registration));
        }
        Ok(access)
    }
}

impl Bearer {
    /// Verifies the token as an administrator's.
    ///
    /// # Errors
    /// [`ApiError`] if it is not one.
    pub(super) async fn administrator(&self) -> Result<Actor, ApiError> {
        let access = self.access(SCOPE).await?;
        self.access_tokens.administrator(&access).map_err(|error| ApiError::access(&error))
    }
}

impl Bearer {
    /// The token of a form's `access_token`, if the header has none (RFC 6750 §2.2).
    ///
    /// # Errors
    /// [`TwoTokens`] if there are two: "Clients MUST NOT use more than one method to transmit the token" (RFC 6750 §2).
    pub(super) fn or_in_form(self, in_form: Option<Zeroizing<String>>) -> Result<Self, TwoTokens> {
        match (&self.token, in_form) {
            (_, None) => Ok(self),
            (None, in_form) => Ok(Self { token: in_form, ..self }),
            (Some(_), Some(_)) => Err(TwoTokens),
        }
    }
}

/// The access token is in the header and in the body.
pub(super) struct TwoTokens;

impl From<TwoTokens> for ApiError {
    fn from(_: TwoTokens) -> Self {
        let detail = "The access token is in the Authorization header and in the body: send one of them.";
        Self::malformed(detail, Vec::new())
    }
}

impl<'a> ApiExtractor<'a> for Bearer {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let code = MetaOAuthFlow {
            authorization_url: Some("oauth/authorize"),
            token_url: Some("oauth/token"),
            refresh_url: Some("oauth/token"),
            scopes: <ApiScope as OAuthScopes>::meta(),
        };
        let password = MetaOAuthFlow {
            authorization_url: None,
            token_url: Some("oauth/token"),
            refresh_url: Some("oauth/token"),
            scopes: <ApiScope as OAuthScopes>::meta(),
        };
        let flows = MetaOAuthFlows {
            implicit: None,
            password: Some(password),
            client_credentials: None,
            authorization_code: Some(code),
        };
        let scheme = MetaSecurityScheme {
            ty: "oauth2",
            description: Some("An access token whose `aud` includes the issuer (RFC 6750)."),
            name: None,
            key_in: None,
            scheme: None,
            bearer_format: None,
            flows: Some(flows),
            openid_connect_url: None,
        };
        registry.create_security_scheme("user", scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["user"]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.split_once(' ')).and_then(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer").then(|| Zeroizing::new(token.trim().to_owned()))
        });
        let access_tokens = Arc::clone(service(request)?);
        Ok(Self { access_tokens, token, caller: Caller::of(request) })
    }
}
