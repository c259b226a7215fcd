//! `POST /oauth/token` (RFC 6749 §3.2): parses, authenticates the client, and renders.

use std::net::IpAddr;

use poem::Request;
use poem::http::header;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Serialize;
use zeroize::Zeroizing;

use super::cookie::RefreshCookie;
use super::direct_json::DirectJson;
use super::oauth_form::{ClientBasic, FormBody, OauthForm};
use super::refusal::{Refusal, Refused};
use crate::app::grants::TokenRequest;
use crate::app::grants::form::{FormError, TokenForm};
use crate::app::grants::read_ahead::ReadAhead;
use crate::app::refusals::{RefusedSecret, Secret};
use crate::app::{Grants, Settings, TokenError, TokenResponse};
use crate::http::error::status;
use crate::http::service::Service;
use crate::http::tag::Tag;
use crate::oauth::{ErrorCode, GrantType};

/// The token endpoint.
pub struct TokenApi;

/// What the token endpoint takes.
// For the specification: `OauthForm` is what reads it.
#[derive(Object)]
#[oai(rename = "TokenRequest")]
struct TokenRequestBody {
    /// The grant.
    grant_type: String,
    /// With `password`: the user's name.
    username: Option<String>,
    /// With `password`: the password.
    #[oai(validator(max_length = 1024))]
    password: Option<String>,
    /// With `refresh_token`: the newest refresh token. Left out by a client that has it in a cookie.
    refresh_token: Option<String>,
    /// With `authorization_code`: the code.
    code: Option<String>,
    /// With `authorization_code`: the redirect URI of the authorization request. May be left out with a `code_verifier`.
    redirect_uri: Option<String>,
    /// With `authorization_code`: the verifier of the `code_challenge` (RFC 7636).
    #[oai(validator(min_length = 43, max_length = 128))]
    code_verifier: Option<String>,
    /// The scope, separated by spaces. Left out: at sign-in, all that the client may have of one resource server, without
    /// `offline_access` and heirloom's own `account`, `admin` and `profile` (so too with `client_credentials`); at a refresh, all
    /// that was granted; with a code likewise.
    #[oai(validator(max_length = 1024))]
    scope: Option<String>,
    /// The resource server that the access token is for (RFC 8707).
    resource: Option<String>,
    /// With `password`: what the user's list of devices calls this one, such as `Ann's phone`.
    #[oai(validator(max_length = 64))]
    device_label: Option<String>,
    /// The client, unless the `Authorization` header names it.
    client_id: Option<String>,
    /// The client's secret, unless it is a public client or the `Authorization` header has it.
    client_secret: Option<String>,
}

#[OpenApi]
impl TokenApi {
    /// Sign in, refresh, or get a token for the client itself
    ///
    /// `grant_type=authorization_code` redeems the code that a browser brought; `grant_type=password` signs a user in by
    /// name and password; `grant_type=refresh_token` hands the refresh token down to its successor;
    /// `grant_type=client_credentials` gives a confidential client an access token of its own.
    /// Send a refresh again if its answer was lost: within the retry window the current pair is returned.
    ///
    /// A confidential client authenticates by HTTP Basic or by `client_id` and `client_secret` in the body; a public
    /// client sends its `client_id` alone. A client that is registered with a cookie gets its refresh tokens there, and
    /// there only; its requests need an `Origin` that it is registered with.
    #[oai(path = "/oauth/token", method = "post", tag = "Tag::Tokens", operation_id = "token")]
    async fn token(
        &self,
        _auth: ClientBasic,
        form: FormBody<'_, TokenRequestBody>,
        grants: Service<'_, Grants>,
        settings: Service<'_, Settings>,
    ) -> Result<TokenAnswer, Refused> {
        Ok(self.answer(form, &grants, &settings.issuer).await?)
    }
}

impl TokenApi {
    async fn answer(
        &self,
        form: FormBody<'_, TokenRequestBody>,
        grants: &Grants,
        issuer: &str,
    ) -> Result<TokenAnswer, Refusal> {
        let request = form.request;
        let mut oauth_form = OauthForm::read_for(form, Some(grants)).await?;
        let client = oauth_form.authenticate().await?;
        let cookie = RefreshCookie::of(&client.registration, request, issuer)?;
        let parsed = TokenRequest::parse(&mut CookieForm {
            oauth_form: &mut oauth_form,
            request,
            cookie: cookie.as_ref(),
        })?;
        let id = &client.registration.id;
        let grant = parsed.grant_type().as_str();
        let answer = grants.answer(&client, parsed).await;
        match &answer {
            Ok(_) => tracing::debug!(client.id = %id, oauth.grant = grant, "tokens issued"),
            // A refused password is logged already.
            Err(error) if grant == GrantType::Password.as_str() && error.is_about_a_secret() => {}
            Err(error) if status(error.code(), false).is_server_error() => {
                if error.should_log() {
                    tracing::error!(client.id = %id, oauth.grant = grant, error = %error, "token request failed");
                }
            }
            Err(error) => {
                let (secret, reason) = (Secret::TokenRequest, error.reason());
                oauth_form.refusals.note(RefusedSecret {
                    secret,
                    reason,
                    client: Some(id),
                    user: None,
                    peer: oauth_form.peer,
                });
            }
        }
        Ok(render(answer.map_err(|error| oauth_form.refuse(&error))?, cookie.as_ref()))
    }
}

/// A refresh token goes into the body or into the cookie, never into both. A client that signs in without one must not
/// keep the cookie of whoever was signed in before.
fn render(mut response: TokenResponse, cookie: Option<&RefreshCookie>) -> TokenAnswer {
    let seconds = response.refresh_expires_in;
    let set = cookie.map(|cookie| match response.refresh_token.take() {
        Some(token) => cookie.set(&token, seconds),
        None => cookie.clear(),
    });
    TokenAnswer::Ok(DirectJson(response.into()), set)
}

/// A form as the grants read it, with the cookie that may have the client's refresh token.
struct CookieForm<'a> {
    oauth_form: &'a mut OauthForm,
    request: &'a Request,
    cookie: Option<&'a RefreshCookie>,
}

impl TokenForm for CookieForm<'_> {
    type Error = Refusal;

    fn take(&mut self, name: &'static str) -> Option<Zeroizing<String>> {
        self.oauth_form.form.take(name)
    }

    fn take_all(&mut self, name: &'static str) -> Vec<Zeroizing<String>> {
        self.oauth_form.form.take_all(name)
    }

    /// For a client with a cookie, only from the cookie: a script injected into its pages can't bring a token of its
    /// own.
    fn refresh_token(&mut self) -> Result<Zeroizing<String>, Refusal> {
        let Some(cookie) = self.cookie else { return Ok(self.required("refresh_token")?) };
        if self.oauth_form.form.has("refresh_token") {
            return Err(Refusal::request("This client's refresh token is taken from its cookie only."));
        }
        // Without a cookie nobody is signed in: the answer is that for an invalid token.
        cookie.read(self.request)?.ok_or_else(|| self.oauth_form.refuse(&TokenError::NotAToken))
    }

    fn read_ahead(&mut self) -> Option<Box<ReadAhead>> {
        self.oauth_form.read_ahead.take()
    }

    fn user_agent(&self) -> Option<String> {
        let value = self.request.headers().get(header::USER_AGENT)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    fn peer(&self) -> IpAddr {
        self.oauth_form.peer
    }
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        let text = error.to_string();
        match error {
            FormError::Missing(_) | FormError::Verifier => Self::request(text),
            FormError::GrantType => Self::code(ErrorCode::UnsupportedGrantType, &text),
            FormError::Scope => Self::code(ErrorCode::InvalidScope, &text),
            FormError::Resource => Self::code(ErrorCode::InvalidTarget, &text),
        }
    }
}

/// Tokens (RFC 6749 §5.1).
#[derive(Object, Serialize)]
#[oai(example)]
struct TokenBody {
    /// The access token: a JWT (RFC 9068) for the resource server.
    access_token: String,
    /// How it is used: `Bearer` (RFC 6750).
    token_type: String,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// The refresh token. It replaces the one that was sent. Left out for a client that gets it in a cookie.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// What the access token allows, separated by spaces; left out when it is nothing.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The ID token (OpenID Connect Core §2), if the scope has `openid`.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl poem_openapi::types::Example for TokenBody {
    fn example() -> Self {
        Self {
            access_token: "eyJhbGciOiJSUzI1NiIsImtpZCI6IuKApiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiLigKYifQ.c2ln"
                .to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: 600,
            refresh_token: Some(
                "hrt_AQGb0cXQ8HOagFqd1Xe8lwAAAAAAc2FtcGxlLW5vbmNlLTE2YsK3bm90LWEtcmVhbC1tYWMtMzItYnl0ZXMtbG9uZy4u"
                    .to_owned(),
            ),
            scope: Some("read write".to_owned()),
            id_token: None,
        }
    }
}

impl From<TokenResponse> for TokenBody {
    fn from(response: TokenResponse) -> Self {
        Self {
            access_token: response.access_token,
            token_type: "Bearer".to_owned(),
            expires_in: response.expires_in,
            refresh_token: response.refresh_token,
            scope: Some(response.scope).filter(|scope| !scope.is_empty()),
            id_token: response.id_token,
        }
    }
}

/// A successful answer of the token endpoint.
#[derive(ApiResponse)]
#[oai(
    header(name = "Cache-Control", ty = "String", description = "Always `no-store`."),
    header(name = "Pragma", ty = "String", description = "Always `no-cache`.")
)]
enum TokenAnswer {
    /// The tokens.
    #[oai(status = 200)]
    Ok(
        DirectJson<TokenBody>,
        /// The refresh token, for a client that gets it in a cookie.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}
