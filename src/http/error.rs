//! The one place that knows status codes: reasons become answers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use poem_openapi::Object;

use super::problem;
use crate::oauth::ErrorCode;

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
        Self::new(ErrorCode::InvalidGrant, "The username or the password is wrong.")
    }
}

impl ErrorBody {
    /// An error with its sentence.
    #[must_use]
    pub fn new(code: ErrorCode, description: &str) -> Self {
        Self { error: code.as_str().to_owned(), error_description: description.to_owned() }
    }
}

/// The status of an error. RFC 6749 §5.2: 400 unless it says otherwise; and if the client tried to authenticate in the
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
        | ErrorCode::UnsupportedTokenType => StatusCode::BAD_REQUEST,
        ErrorCode::SlowDown => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// `Retry-After` (RFC 9110 §10.2.3): whole seconds, rounded up so that who comes back is not early.
#[must_use]
pub fn whole_seconds(wait: Option<Duration>) -> String {
    wait.map_or(1, |wait| wait.as_millis().div_ceil(1000).max(1)).to_string()
}

/// Turns what poem itself refuses (no such path, another method, …) into the same JSON as every other error, and keeps
/// every answer with tokens or about persons out of caches.
pub struct EveryAnswer<E> {
    inner: E,
    methods: Arc<Methods>,
}

/// The paths, and what `Allow` says for each.
pub struct Methods(pub Vec<(String, String)>);

impl Methods {
    /// What `Allow` says for a path.
    #[must_use]
    pub fn allowed(&self, path: &str) -> Option<HeaderValue> {
        let (_, methods) = self.0.iter().find(|(template, _)| fits(template, path))?;
        HeaderValue::from_str(methods).ok()
    }
}

impl<E> EveryAnswer<E> {
    /// Around `inner`, whose paths take `methods`.
    pub const fn new(inner: E, methods: Arc<Methods>) -> Self {
        Self { inner, methods }
    }
}

impl<E: Endpoint> Endpoint for EveryAnswer<E> {
    type Output = Response;

    // Not async: it would keep the request a second time.
    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        let path = request.uri().path().to_owned();
        self.inner.call(request).map(move |answer| Ok(self.finish(&path, answer)))
    }
}

impl<E> EveryAnswer<E> {
    fn finish(&self, path: &str, answer: poem::Result<impl IntoResponse>) -> Response {
        let mut response = match answer {
            Ok(response) => response.into_response(),
            // An endpoint's own error is an answer already.
            Err(error) if error.is_from_response() => error.into_response(),
            Err(error) => refusal(&error, OWN_API.iter().any(|prefix| path.starts_with(prefix))),
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED
            && let Some(allowed) = self.methods.allowed(path)
        {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        let status = response.status();
        let is_personal = NEVER_STORED.iter().any(|prefix| path.starts_with(prefix));
        // RFC 9111 §4.3.4: a 304 renews what is cached, by its own `Cache-Control`.
        if is_personal || status.is_client_error() || status.is_server_error() {
            no_store(&mut response);
        }
        response
    }
}

/// What no cache may keep: answers with tokens (RFC 6749 §5.1) and about persons.
const NEVER_STORED: [&str; 3] = ["/oauth/", "/account", "/admin"];

fn no_store(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}

/// Heirloom's own API answers with problem documents (RFC 9457), the protocol's endpoints as RFC 6749 says.
const OWN_API: [&str; 3] = ["/account", "/admin", "/oauth/userinfo"];

fn refusal(error: &poem::Error, is_own_api: bool) -> Response {
    let status = error.status();
    let (code, description) = match status {
        StatusCode::NOT_FOUND => (ErrorCode::InvalidRequest, "There is nothing at this path."),
        StatusCode::METHOD_NOT_ALLOWED => (ErrorCode::InvalidRequest, "This path takes another method."),
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::InvalidRequest, "The request is too large."),
        StatusCode::TOO_MANY_REQUESTS => (ErrorCode::SlowDown, "Too many requests. Wait."),
        StatusCode::SERVICE_UNAVAILABLE => {
            (ErrorCode::TemporarilyUnavailable, "The server cannot answer now. Try again in a moment.")
        }
        status if status.is_server_error() => {
            tracing::error!(error = %error, "request failed");
            (ErrorCode::ServerError, "The server failed. Its log says why.")
        }
        _ => (ErrorCode::InvalidRequest, "The request is malformed."),
    };
    if is_own_api {
        problem::refusal(error, description)
    } else {
        json(status, &ErrorBody::new(code, description))
    }
}

/// An error as an answer.
#[must_use]
pub fn json(status: StatusCode, body: &ErrorBody) -> Response {
    use poem_openapi::types::ToJSON as _;
    text(status, body.to_json_string())
}

/// JSON as an answer that no cache keeps.
pub(super) fn text(status: StatusCode, json: String) -> Response {
    let mut response = Response::builder().status(status).content_type("application/json").body(json);
    no_store(&mut response);
    response
}

/// Whether a path fits a template such as `/account/sessions/{id}`.
fn fits(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let all = template.split('/').all(|expected| {
        segments.next().is_some_and(|segment| expected == segment || expected.starts_with('{'))
    });
    all && segments.next().is_none()
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

    #[test]
    fn a_template_fits_its_paths_only() {
        assert!(fits("/a/{id}", "/a/7") && fits("/oauth/token", "/oauth/token"));
        assert!(!fits("/a/{id}", "/a") && !fits("/a/{id}", "/a/7/b") && !fits("/a", "/b"));
    }
}
