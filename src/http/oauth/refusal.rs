//! The error answers of the OAuth endpoints (RFC 6749 §5.2).

use std::time::Duration;

use poem::http::StatusCode;
use poem_openapi::ApiResponse;
use poem_openapi::payload::Json;

use super::client_auth::ClaimError;
use super::form::FormError;
use crate::app::TokenError;
use crate::http::error::{ErrorBody, status, whole_seconds};
use crate::oauth::ErrorCode;

/// An error before or in a use case, as it will be answered.
pub(in crate::http) struct Refusal {
    code: ErrorCode,
    description: String,
    by_header: bool,
    retry_after: Option<Duration>,
    status: Option<StatusCode>,
    cookie: Option<String>,
}

impl Refusal {
    /// The request is malformed.
    pub(in crate::http) fn request(description: impl Into<String>) -> Self {
        let (code, description) = (ErrorCode::InvalidRequest, description.into());
        Self { code, description, by_header: false, retry_after: None, status: None, cookie: None }
    }

    /// With another code.
    pub(in crate::http) fn code(code: ErrorCode, description: &str) -> Self {
        Self { code, ..Self::request(description) }
    }

    /// With another status than the code's.
    pub(in crate::http) fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// With a header `Set-Cookie`.
    pub(in crate::http) fn with_cookie(self, cookie: String) -> Self {
        Self { cookie: Some(cookie), ..self }
    }

    /// Makes a failed authentication 401 even if the client did not use the header.
    pub(in crate::http) fn challenging(self) -> Self {
        Self { by_header: true, ..self }
    }

    /// The client's credentials can't be parsed.
    pub(in crate::http) fn claim(error: ClaimError, by_header: bool) -> Self {
        let code = match error {
            ClaimError::Missing | ClaimError::Malformed => ErrorCode::InvalidClient,
            ClaimError::Contradiction => ErrorCode::InvalidRequest,
        };
        Self { code, by_header, ..Self::request(error.to_string()) }
    }

    /// A use case failed.
    pub(in crate::http) fn app(error: &TokenError, by_header: bool) -> Self {
        let retry_after = error.retry_after();
        Self { code: error.code(), by_header, retry_after, ..Self::request(error.description()) }
    }
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        Self::request(error.to_string())
    }
}

/// An OAuth endpoint's refusal.
#[derive(ApiResponse)]
#[oai(
    header(name = "Cache-Control", ty = "String", description = "Always `no-store`."),
    header(name = "Pragma", ty = "String", description = "Always `no-cache`.")
)]
pub(in crate::http) enum Refused {
    /// The request, the grant, the scope, or a client that did not use the header is refused: `invalid_request`,
    /// `invalid_client`, `invalid_grant`, `unauthorized_client`, `unsupported_grant_type`, `invalid_scope`,
    /// `invalid_target`, `unsupported_token_type`.
    #[oai(status = 400)]
    BadRequest(
        Json<ErrorBody>,
        /// Takes the cookie away, if the request has it more than once.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
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
    /// The body is compressed: `invalid_request`.
    #[oai(status = 415)]
    Compressed(Json<ErrorBody>),
    /// Too many failed sign-ins, one session is refreshed too often, or one client asks for new tokens too often: `slow_down`.
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

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let body = Json(ErrorBody::new(refusal.code, &refusal.description));
        let seconds = whole_seconds(refusal.retry_after);
        match refusal.status.unwrap_or_else(|| status(refusal.code, refusal.by_header)) {
            StatusCode::UNAUTHORIZED => {
                Self::Unauthorized(body, r#"Basic realm="heirloom", charset="UTF-8""#.to_owned())
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge(body),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::Compressed(body),
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests(body, seconds),
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable(body, seconds),
            StatusCode::INTERNAL_SERVER_ERROR => Self::Failed(body),
            _ => Self::BadRequest(body, refusal.cookie),
        }
    }
}
