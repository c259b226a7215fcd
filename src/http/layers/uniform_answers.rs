//! Makes all answers uniform: the form of errors, `Allow`, and `Cache-Control`.

use std::sync::Arc;

use futures_util::FutureExt as _;
use poem::http::{StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};

use crate::app::TokenError;
use crate::http::allowed_methods::AllowedMethods;
use crate::http::error::{ErrorBody, MALFORMED, json, no_store};
use crate::http::problem;
use crate::http::server::BODY_TOO_LARGE;
use crate::oauth::ErrorCode;

/// Gives poem's own errors (unknown path, wrong method, …) the same JSON as every other error, and keeps answers with
/// tokens or personal data out of caches.
pub(in crate::http) struct UniformAnswers<E> {
    inner: E,
    methods: Arc<AllowedMethods>,
}

impl<E> UniformAnswers<E> {
    /// Wraps `inner`, whose paths accept `methods`.
    pub(in crate::http) const fn new(inner: E, methods: Arc<AllowedMethods>) -> Self {
        Self { inner, methods }
    }
}

impl<E: Endpoint> Endpoint for UniformAnswers<E> {
    type Output = Response;

    // Not an async fn: its future would hold the request a second time.
    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        let path = request.uri().path().to_owned();
        self.inner.call(request).map(move |answer| Ok(self.finish(&path, answer)))
    }
}

impl<E> UniformAnswers<E> {
    fn finish(&self, path: &str, answer: poem::Result<impl IntoResponse>) -> Response {
        let mut response = match answer {
            Ok(response) => response.into_response(),
            // An endpoint's own error already has the right form.
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
        // RFC 9111 §4.3.4: a 304 updates the cached answer, so it keeps its own `Cache-Control`.
        if is_personal || status.is_client_error() || status.is_server_error() {
            no_store(&mut response);
        }
        response
    }
}

/// Paths whose answers no cache may store: they have tokens (RFC 6749 §5.1) or personal data.
const NEVER_STORED: [&str; 3] = ["/oauth/", "/account", "/admin"];

/// Heirloom's own API answers with problem documents (RFC 9457), the protocol's endpoints as RFC 6749 says.
const OWN_API: [&str; 3] = ["/account", "/admin", "/oauth/userinfo"];

fn refusal(error: &poem::Error, is_own_api: bool) -> Response {
    let status = error.status();
    let (code, description) = match status {
        StatusCode::NOT_FOUND => (ErrorCode::InvalidRequest, "There is nothing at this path."),
        StatusCode::METHOD_NOT_ALLOWED => (ErrorCode::InvalidRequest, "This path takes another method."),
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::InvalidRequest, BODY_TOO_LARGE),
        StatusCode::TOO_MANY_REQUESTS => (ErrorCode::SlowDown, "Too many requests. Wait."),
        StatusCode::SERVICE_UNAVAILABLE => (ErrorCode::TemporarilyUnavailable, TokenError::UNAVAILABLE),
        status if status.is_server_error() => {
            tracing::error!(error = %error, "request failed");
            (ErrorCode::ServerError, TokenError::FAILED)
        }
        _ => (ErrorCode::InvalidRequest, MALFORMED),
    };
    if is_own_api {
        problem::refusal(error, description)
    } else {
        json(status, &ErrorBody::new(code, description))
    }
}
