//! `POST /oauth/revoke`: a client signs out (RFC 7009).

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::cookie::RefreshCookie;
use super::oauth_form::{ClientBasic, FormBody, OauthForm};
use super::refusal::{Refusal, Refused};
use crate::app::authenticate::AuthenticatedClient;
use crate::app::{Settings, TokenError, Tokens};
use crate::http::error::status;
use crate::http::service::Service;
use crate::http::tag::Tag;

/// The revocation endpoint.
pub struct RevokeApi;

/// What the revocation endpoint takes, for the specification.
#[derive(Object)]
#[oai(rename = "RevocationRequest")]
struct RevocationRequestBody {
    /// A refresh token of any generation, or an access token. A client that has its refresh token in a cookie may leave
    /// it out.
    token: Option<String>,
    /// Not needed: the kinds of tokens can't be mistaken for one another.
    token_type_hint: Option<String>,
    /// The client, unless the `Authorization` header names it.
    client_id: Option<String>,
    /// The client's secret, unless it is a public client or the `Authorization` header has it.
    client_secret: Option<String>,
}

/// Nothing: RFC 7009 §2.2 has clients ignore it, but some insist on JSON.
#[derive(Object)]
#[oai(example)]
struct Revoked {}

impl poem_openapi::types::Example for Revoked {
    fn example() -> Self {
        Self {}
    }
}

#[derive(ApiResponse)]
#[oai(
    header(name = "Cache-Control", ty = "String", description = "Always `no-store`."),
    header(name = "Pragma", ty = "String", description = "Always `no-cache`.")
)]
enum RevocationAnswer {
    /// The token is no good any more, or never was any of this client's.
    #[oai(status = 200)]
    Ok(
        Json<Revoked>,
        /// Takes the cookie away, if the refresh token in it is no good any more.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

#[OpenApi]
impl RevokeApi {
    /// Sign out
    ///
    /// Ends the session that the token belongs to: its refresh tokens and its access tokens are no good any more, except
    /// to resource servers that verify access tokens by themselves, until those expire. The answer comes once that is
    /// durable. An access token ends its session just as a refresh token does, unless the client is registered otherwise
    /// (`revoke_access_tokens`): then it is refused with `unsupported_token_type`.
    #[oai(path = "/oauth/revoke", method = "post", tag = "Tag::Tokens", operation_id = "revoke")]
    async fn revoke(
        &self,
        _auth: ClientBasic,
        form: FormBody<'_, RevocationRequestBody>,
        tokens: Service<'_, Tokens>,
        settings: Service<'_, Settings>,
    ) -> Result<RevocationAnswer, Refused> {
        Ok(answer(form, &tokens, &settings.issuer).await?)
    }
}

async fn answer(
    form: FormBody<'_, RevocationRequestBody>,
    tokens: &Tokens,
    issuer: &str,
) -> Result<RevocationAnswer, Refusal> {
    let request = form.request;
    let mut oauth_form = OauthForm::read(form).await?;
    let client = oauth_form.authenticate().await?;
    let cookie = RefreshCookie::of(&client.registration, request, issuer)?;
    let mut carried = cookie.as_ref().map(|cookie| cookie.read_all(request)).transpose()?.unwrap_or_default();
    let planted = carried.split_off(carried.len().min(1));
    let carried = carried.pop();
    let token = match &cookie {
        Some(_) if !oauth_form.form.has("token") => carried.clone(),
        Some(_) | None => Some(oauth_form.take("token")?),
    };
    // Called even without a token, so that a client that is switched off gets an error.
    let token = token.unwrap_or_default();
    revoke(&client, &token, tokens).await.map_err(|error| oauth_form.refuse(&error))?;
    // The posted token may differ from the one in the cookie, or be missing: whoever is signed in by the cookie stays
    // signed in.
    let Some((cookie, carried)) = cookie.zip(carried) else {
        return Ok(RevocationAnswer::Ok(Json(Revoked {}), None));
    };
    // Nobody knows which of several is the person's own, so all of them are signed out.
    if !planted.is_empty() {
        for token in planted.iter().chain([&carried]) {
            revoke(&client, token, tokens).await.map_err(|error| oauth_form.refuse(&error))?;
        }
        return Ok(RevocationAnswer::Ok(Json(Revoked {}), Some(cookie.clear())));
    }
    let live = tokens.is_of_a_live_session(&client, &carried).await.unwrap_or_else(|error| {
        tracing::warn!(client.id = %client.registration.id, error = %error, "a cookie was left as it is");
        true
    });
    Ok(RevocationAnswer::Ok(Json(Revoked {}), (!live).then(|| cookie.clear())))
}

async fn revoke(client: &AuthenticatedClient, token: &str, tokens: &Tokens) -> Result<(), TokenError> {
    tokens.revoke(client, token).await.inspect_err(|error| {
        if status(error.code(), false).is_server_error() && error.should_log() {
            tracing::error!(client.id = %client.registration.id, error = %error, "token not revoked");
        }
    })
}
