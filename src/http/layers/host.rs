//! Answers only requests for known hosts, if that is configured.

use futures_util::TryFutureExt as _;
use futures_util::future::{Either, ready};
use poem::http::{StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};

use crate::http::error::{ErrorBody, json};
use crate::oauth::ErrorCode;

/// Refuses requests whose `Host` is unknown. By DNS rebinding a web page can reach loopback under the page's own host
/// name, but it can't choose the `Host` header.
pub(in crate::http) struct HostCheck<E> {
    inner: E,
    hosts: Vec<String>,
}

impl<E> HostCheck<E> {
    /// Wraps `inner`; with no `hosts`, every host is answered.
    pub(in crate::http) const fn new(inner: E, hosts: Vec<String>) -> Self {
        Self { inner, hosts }
    }

    fn is_known(&self, request: &Request) -> bool {
        // HTTP/2 has the host in the URI.
        let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host =
            header.or_else(|| request.original_uri().authority().map(poem::http::uri::Authority::as_str));
        self.hosts.is_empty()
            || host.is_some_and(|host| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)))
    }
}

impl<E: Endpoint> Endpoint for HostCheck<E> {
    type Output = Response;

    // Not an async fn: its future would hold the request a second time.
    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        if self.is_known(&request) {
            return Either::Left(self.inner.call(request).map_ok(IntoResponse::into_response));
        }
        Either::Right(ready(Ok(json(StatusCode::MISDIRECTED_REQUEST, &misdirected()))))
    }
}

/// The answer to a request for an unknown host.
pub(in crate::http) fn misdirected() -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, "This server does not answer for this Host.")
}
