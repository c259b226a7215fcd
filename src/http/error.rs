//! Maps error codes to status codes: nothing else does.

use std::time::Duration;

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use poem_openapi::Object;

use crate::app::TokenError;
use crate::oauth::ErrorCode;

/// The message about a request that can't be read.
pub const MALFORMED: &str = "The request is malformed.";

/// An error (RFC 6749 §5.2).
#[derive(Object, Clone, Debug)]
#[oai(example)]
pub struct ErrorBody {
    /// What is wrong, as a code that a program can read.
    pub error: String,
    /// What is wrong, as a sentence for the developer of the client.
    pub error_description: String,
}

impl poem_openapi::types::Example for ErrorBody {
    fn example() -> Self {
        let error = TokenError::Credentials;
        Self::new(error.code(), &error.description())
    }
}

impl ErrorBody {
    /// An error with its sentence.
    #[must_use]
    pub fn new(code: ErrorCode, description: &str) -> Self {
        Self { error: code.as_str().to_owned(), error_description: description.to_owned() }
    }
}

/// The status of an error: 400 unless RFC 6749 §5.2 says otherwise. If the client tried to authenticate by the
/// `Authorization` header, the server MUST answer 401 with a challenge.
#[must_use]
pub const fn status(code: ErrorCode, by_header: bool) -> StatusCode {
    match code {
        ErrorCode::InvalidClient if by_header => StatusCode::UNAUTHORIZED,
        ErrorCode::InvalidRequest
        | ErrorCode::InvalidClient
        | ErrorCode::InvalidGrant
        | ErrorCode::UnauthorizedClient
        | ErrorCode::UnsupportedGrantType
        | ErrorCode::InvalidScope
        | ErrorCode::InvalidTarget
        | ErrorCode::UnsupportedTokenType
        | ErrorCode::UnsupportedResponseType
        | ErrorCode::AccessDenied
        | ErrorCode::LoginRequired
        | ErrorCode::ConsentRequired
        | ErrorCode::InvalidRequestUri
        | ErrorCode::RequestNotSupported
        | ErrorCode::RequestUriNotSupported
        | ErrorCode::RegistrationNotSupported => StatusCode::BAD_REQUEST,
        ErrorCode::SlowDown => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// `Retry-After` (RFC 9110 §10.2.3): whole seconds, rounded up so that nobody comes back too early.
#[must_use]
pub fn whole_seconds(wait: Option<Duration>) -> String {
    wait.map_or(1, |wait| wait.as_millis().div_ceil(1000).max(1)).to_string()
}

pub(super) fn no_store(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}

/// An error as an answer.
#[must_use]
pub fn json(status: StatusCode, body: &ErrorBody) -> Response {
    use poem_openapi::types::ToJSON as _;
    text(status, body.to_json_string())
}

/// A JSON answer that no cache may store.
pub(super) fn text(status: StatusCode, json: String) -> Response {
    let mut response = Response::builder().status(status).content_type("application/json").body(json);
    no_store(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_status() {
        let answers = ErrorCode::ALL.map(|code| (code.as_str(), status(code, true).as_u16()));
        let not_400: Vec<_> = answers.into_iter().filter(|(_, status)| *status != 400).collect();
        assert_eq!(
            not_400,
            [
                ("invalid_client", 401),
                ("slow_down", 429),
                ("temporarily_unavailable", 503),
                ("server_error", 500)
            ]
        );
        assert_eq!(status(ErrorCode::InvalidClient, false), StatusCode::BAD_REQUEST);
    }
}
