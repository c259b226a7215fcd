//! `POST /oauth/token` (RFC 6749 §3.2): parses, authenticates the client, and renders.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::Request;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};

use super::client_auth::{Claim, ClaimError, claim};
use super::docs::{ClientBasic, TokenForm};
use super::error::{ErrorBody, status};
use super::form::{Form, FormError};
use super::peer::TrustedProxies;
use super::server::{BodyError, read_body};
use crate::app::{App, TokenError, TokenResponse};
use crate::oauth::request::{PasswordRequest, RefreshRequest};
use crate::oauth::{Audience, ClientId, ErrorCode, GrantType, Scope, TokenRequest};

/// The tags of the specification.
#[derive(Tags)]
pub(super) enum Tag {
    /// Tokens: sign in and refresh.
    #[oai(rename = "tokens")]
    Tokens,
    /// What clients and resource servers discover.
    #[oai(rename = "discovery")]
    Discovery,
    /// The user's own account and devices.
    #[oai(rename = "account")]
    Account,
    /// Whether the server is well.
    #[oai(rename = "health")]
    Health,
}

/// The token endpoint.
pub struct TokenApi {
    /// Whose word on a client's address is taken.
    pub proxies: TrustedProxies,
}

#[OpenApi]
impl TokenApi {
    /// Sign in, or refresh
    ///
    /// `grant_type=password` signs a user in; `grant_type=refresh_token` hands the refresh token down to its successor.
    /// Send a refresh again if its answer was lost: within the retry window the same pair is returned.
    ///
    /// A confidential client authenticates by HTTP Basic or by `client_id` and `client_secret` in the body; a public
    /// client sends its `client_id` alone.
    #[oai(path = "/oauth/token", method = "post", tag = "Tag::Tokens", operation_id = "token")]
    async fn token(&self, _auth: ClientBasic, form: TokenForm<'_>, app: Data<&Arc<App>>) -> TokenAnswer {
        match self.answer(form, &app).await {
            Ok(response) => TokenAnswer::Ok(Json(response.into())),
            Err(refusal) => refusal.render(),
        }
    }
}

impl TokenApi {
    async fn answer(&self, form: TokenForm<'_>, app: &App) -> Result<TokenResponse, Refusal> {
        let request = form.request;
        let mut form = read_form(form).await?;
        let by_header = request.headers().contains_key(header::AUTHORIZATION);
        let claim = claim(request.headers(), &mut form).map_err(|error| Refusal::claim(error, by_header))?;
        let Claim { readings, by_header } = claim;
        let refuse = |error: TokenError| Refusal::app(&error, by_header);
        let parsed = parse(&mut form, request)?;
        // What is no client's id is not repeated in the log: it may be a secret in the wrong field.
        let ids = readings.iter().filter_map(|reading| reading.id.parse::<ClientId>().ok());
        let claimed = ids.into_iter().find(|id| app.clients.find(id).is_some());
        let (grant, peer) = (parsed.grant_type().as_str(), self.peer(request));
        let answer = match app.authenticate(&readings) {
            Ok(client) => match parsed {
                TokenRequest::Password(password) => app.sign_in(&client, password, peer).await,
                TokenRequest::Refresh(refresh) => app.refresh(&client, refresh).await,
            },
            Err(error) => Err(error),
        };
        let id = claimed.as_ref().map_or("", ClientId::as_str);
        match &answer {
            Ok(_) => tracing::debug!(client.id = id, oauth.grant = grant, "tokens issued"),
            Err(error) if status(error.code(), false).is_server_error() => {
                tracing::error!(client.id = id, oauth.grant = grant, error = %error, "token request failed");
            }
            Err(TokenError::Client) => {
                tracing::warn!(client.id = id, peer.address = %peer, "client authentication failed");
            }
            Err(error) => {
                tracing::info!(client.id = id, oauth.grant = grant, error = %error, "token request refused");
            }
        }
        answer.map_err(refuse)
    }

    fn peer(&self, request: &Request) -> IpAddr {
        self.proxies.peer(request)
    }
}

/// What a client sent that is refused before any use case sees it, or what the use case refused.
struct Refusal {
    code: ErrorCode,
    description: String,
    by_header: bool,
    retry_after: Option<Duration>,
    status: Option<StatusCode>,
}

impl Refusal {
    fn request(description: impl Into<String>) -> Self {
        let (code, description) = (ErrorCode::InvalidRequest, description.into());
        Self { code, description, by_header: false, retry_after: None, status: None }
    }

    fn code(code: ErrorCode, description: &str) -> Self {
        Self { code, ..Self::request(description) }
    }

    fn claim(error: ClaimError, by_header: bool) -> Self {
        let code = match error {
            ClaimError::Missing | ClaimError::Malformed => ErrorCode::InvalidClient,
            ClaimError::Contradiction => ErrorCode::InvalidRequest,
        };
        Self { code, by_header, ..Self::request(error.to_string()) }
    }

    fn app(error: &TokenError, by_header: bool) -> Self {
        let retry_after = error.retry_after();
        Self { code: error.code(), by_header, retry_after, ..Self::request(error.description()) }
    }

    fn render(self) -> TokenAnswer {
        let body = Json(ErrorBody::new(self.code, &self.description));
        // RFC 9110 §10.2.3: whole seconds; rounded up, so that who comes back is not early.
        let seconds = self.retry_after.map_or(1, |wait| wait.as_millis().div_ceil(1000).max(1)).to_string();
        match self.status.unwrap_or_else(|| status(self.code, self.by_header)) {
            StatusCode::UNAUTHORIZED => {
                TokenAnswer::Unauthorized(body, r#"Basic realm="heirloom", charset="UTF-8""#.to_owned())
            }
            StatusCode::PAYLOAD_TOO_LARGE => TokenAnswer::TooLarge(body),
            StatusCode::TOO_MANY_REQUESTS => TokenAnswer::TooManyRequests(body, seconds),
            StatusCode::SERVICE_UNAVAILABLE => TokenAnswer::Unavailable(body, seconds),
            StatusCode::INTERNAL_SERVER_ERROR => TokenAnswer::Failed(body),
            _ => TokenAnswer::BadRequest(body),
        }
    }
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        Self::request(error.to_string())
    }
}

/// Parameters that must not stand in the URL, where logs and histories keep them (RFC 6749 §2.3.1).
const NOT_IN_THE_URL: [&str; 7] =
    ["client_id", "client_secret", "grant_type", "password", "refresh_token", "scope", "username"];

async fn read_form(form: TokenForm<'_>) -> Result<Form, Refusal> {
    let TokenForm { request, body } = form;
    if let Some(query) = request.uri().query()
        && Form::parse(query.as_bytes())
            .map_or(true, |query| NOT_IN_THE_URL.iter().any(|name| query.has(name)))
    {
        return Err(Refusal::request("Parameters are taken from the body, never from the URL."));
    }
    let media_type = request.content_type().map(|value| value.split(';').next().unwrap_or_default().trim());
    if !media_type.is_some_and(|value| value.eq_ignore_ascii_case(FORM)) {
        return Err(Refusal::request("The request must be application/x-www-form-urlencoded."));
    }
    let body = body.ok_or_else(|| Refusal::request("The request has no body."))?;
    let bytes = read_body(body).await.map_err(|error| match error {
        BodyError::TooLarge => Refusal {
            status: Some(StatusCode::PAYLOAD_TOO_LARGE),
            ..Refusal::request("The request is too large.")
        },
        BodyError::TimedOut => Refusal::request("The body did not arrive in time."),
        BodyError::Broken => Refusal::request("The body is broken."),
    })?;
    Ok(Form::parse(&bytes)?)
}

const FORM: &str = "application/x-www-form-urlencoded";

fn parse(form: &mut Form, request: &Request) -> Result<TokenRequest, Refusal> {
    let missing = |name: &str| Refusal::request(format!("The parameter {name} is missing."));
    let grant = form.take("grant_type").ok_or_else(|| missing("grant_type"))?;
    let grant: GrantType = grant.parse().map_err(|_| {
        Refusal::code(ErrorCode::UnsupportedGrantType, "The grant_type must be password or refresh_token.")
    })?;
    let scope = match form.take("scope") {
        Some(scope) => {
            let bad = |_| {
                Refusal::code(
                    ErrorCode::InvalidScope,
                    "The scope is malformed, or longer than 64 words or 1 KiB.",
                )
            };
            // Nothing but spaces is an empty value, which counts as left out.
            Some(scope.parse().map_err(bad)?).filter(|scope: &Scope| !scope.is_empty())
        }
        None => None,
    };
    let resources: Result<Vec<Audience>, _> =
        form.take_all("resource").iter().map(|resource| resource.parse()).collect();
    let resources = resources.map_err(|_| {
        Refusal::code(ErrorCode::InvalidTarget, "The resource is no name of a resource server.")
    })?;
    Ok(match grant {
        GrantType::Password => TokenRequest::Password(PasswordRequest {
            username: form.take("username").ok_or_else(|| missing("username"))?.to_string(),
            password: form.take("password").ok_or_else(|| missing("password"))?,
            scope,
            resources,
            user_agent: user_agent(request),
            device_label: form.take("device_label").map(|label| label.to_string()),
        }),
        GrantType::RefreshToken => TokenRequest::Refresh(RefreshRequest {
            refresh_token: form.take("refresh_token").ok_or_else(|| missing("refresh_token"))?.to_string(),
            scope,
            resources,
        }),
    })
}

/// What the device calls itself.
fn user_agent(request: &Request) -> Option<String> {
    let value = request.headers().get(header::USER_AGENT)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Tokens (RFC 6749 §5.1).
#[derive(Object)]
#[oai(example)]
struct TokenBody {
    /// The access token: a JWT (RFC 9068) for the resource server.
    access_token: String,
    /// How it is used: `Bearer` (RFC 6750).
    token_type: String,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// The refresh token. It replaces the one that was sent.
    #[oai(skip_serializing_if_is_none)]
    refresh_token: Option<String>,
    /// What the access token allows, separated by spaces; left out when it is nothing.
    #[oai(skip_serializing_if_is_none)]
    scope: Option<String>,
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
        }
    }
}

/// An answer of the token endpoint.
#[derive(ApiResponse)]
#[oai(
    header(name = "Cache-Control", ty = "String", description = "Always `no-store`."),
    header(name = "Pragma", ty = "String", description = "Always `no-cache`.")
)]
enum TokenAnswer {
    /// The tokens.
    #[oai(status = 200)]
    Ok(Json<TokenBody>),
    /// The request, the grant, the scope, or a client that did not use the header is refused: `invalid_request`,
    /// `invalid_client`, `invalid_grant`, `unauthorized_client`, `unsupported_grant_type`, `invalid_scope`,
    /// `invalid_target`.
    #[oai(status = 400)]
    BadRequest(Json<ErrorBody>),
    /// The client's `Authorization` header is refused: `invalid_client`.
    #[oai(status = 401)]
    Unauthorized(
        Json<ErrorBody>,
        /// How to authenticate.
        #[oai(header = "WWW-Authenticate")]
        String,
    ),
    /// The body is over 64 KiB: `invalid_request`.
    #[oai(status = 413)]
    TooLarge(Json<ErrorBody>),
    /// Too many failed sign-ins: `slow_down`.
    #[oai(status = 429)]
    TooManyRequests(
        Json<ErrorBody>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        String,
    ),
    /// The server failed: `server_error`.
    #[oai(status = 500)]
    Failed(Json<ErrorBody>),
    /// The server is busy or can't reach its disk: `temporarily_unavailable`.
    #[oai(status = 503)]
    Unavailable(
        Json<ErrorBody>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        String,
    ),
}
