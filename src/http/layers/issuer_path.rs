//! Serves an issuer whose URL has a path, such as `https://example.com/auth`: every endpoint is below that path.
//!
//! The path is removed from a request before anything else sees it, and added to each `Location`, only here. A request
//! without the path gets 404; otherwise a proxy's rule for `/auth/admin` could be evaded by `/admin`. Exceptions are
//! `/health/`, which is requested from inside, and the well-known paths that end with the issuer's path. Behind a proxy
//! that removes the path itself it is the other way round: a request that still has it gets 404.

use futures_util::TryFutureExt as _;
use futures_util::future::Either;
use poem::http::header::LOCATION;
use poem::http::uri::PathAndQuery;
use poem::http::{HeaderValue, Uri};
use poem::{Endpoint, Request, Response};

/// The layer around all endpoints.
pub(in crate::http) struct IssuerPath<E> {
    inner: E,
    /// The issuer's path, from [`path_of`].
    path: String,
    /// Whether a proxy has removed it.
    is_stripped: bool,
}

/// A path that no endpoint has.
const NOWHERE: &str = "/-";

/// The path of an issuer. It begins with a slash and does not end with one; empty for an issuer without a path.
pub(in crate::http) fn path_of(issuer: &str) -> String {
    issuer.parse::<Uri>().map(|uri| uri.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

impl<E> IssuerPath<E> {
    /// Wraps `inner` for this issuer. `is_stripped` says whether a proxy removes the path.
    pub(in crate::http) fn new(inner: E, issuer: &str, is_stripped: bool) -> Self {
        Self { inner, path: path_of(issuer), is_stripped }
    }

    /// The endpoints' path for the requested path; `None` if there is no endpoint.
    fn known<'a>(&self, asked: &'a str) -> Option<&'a str> {
        // RFC 8414 §3.1 puts the issuer's path after the well-known one; §5 does so for OpenID Connect's too.
        for well_known in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
            if asked.strip_prefix(well_known) == Some(&self.path) {
                return asked.get(..well_known.len());
            }
        }
        if self.is_stripped || asked.starts_with("/health/") {
            return Some(asked);
        }
        let below = asked.strip_prefix(self.path.as_str())?;
        match below {
            "" => Some("/"),
            below => below.starts_with('/').then_some(below),
        }
    }

    /// Removes the path from a request.
    fn unwrap(&self, request: &mut Request) {
        let known = self.known(request.uri().path()).unwrap_or(NOWHERE);
        let known = match request.uri().query() {
            Some(query) => format!("{known}?{query}"),
            None => known.to_owned(),
        };
        // A part of a valid URI is valid too.
        if let Ok(known) = PathAndQuery::try_from(known) {
            *request.uri_mut() = Uri::from(known);
        }
    }

    /// Adds the path to the `Location` of an answer.
    fn wrap(&self, mut response: Response) -> Response {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let below = location.filter(|location| location.starts_with('/'));
        let whole = below.map(|below| HeaderValue::try_from(format!("{}{below}", self.path)));
        if let Some(Ok(whole)) = whole {
            response.headers_mut().insert(LOCATION, whole);
        }
        response
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for IssuerPath<E> {
    type Output = Response;

    // Not an async fn: its future would hold the request a second time.
    fn call(&self, mut request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        if self.path.is_empty() {
            return Either::Left(self.inner.call(request));
        }
        self.unwrap(&mut request);
        Either::Right(self.inner.call(request).map_ok(|response| self.wrap(response)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_taken_off_where_it_stands_whole() {
        let mount = IssuerPath::new((), "https://example.com/auth/id", false);
        for (asked, known) in [
            ("/auth/id/oauth/token", Some("/oauth/token")),
            ("/auth/id", Some("/")),
            ("/auth/id/", Some("/")),
            ("/auth/id/.well-known/jwks.json", Some("/.well-known/jwks.json")),
            (
                "/.well-known/oauth-authorization-server/auth/id",
                Some("/.well-known/oauth-authorization-server"),
            ),
            ("/.well-known/openid-configuration/auth/id", Some("/.well-known/openid-configuration")),
            ("/.well-known/oauth-authorization-server/auth", None),
            ("/.well-known/jwks.json/auth/id", None),
            ("/auth/idiot/oauth/token", None),
            ("/auth", None),
            ("/oauth/token", None),
            ("/", None),
            ("/health/ready", Some("/health/ready")),
            ("/health", None),
        ] {
            assert_eq!(mount.known(asked), known, "{asked}");
        }
        let stripped = IssuerPath::new((), "https://example.com/auth/id", true);
        for (asked, known) in [
            ("/oauth/token", "/oauth/token"),
            // Nothing is at this path.
            ("/auth/id/oauth/token", "/auth/id/oauth/token"),
            ("/.well-known/openid-configuration/auth/id", "/.well-known/openid-configuration"),
        ] {
            assert_eq!(stripped.known(asked), Some(known), "{asked}");
        }
        assert_eq!(path_of("https://example.com"), "");
        assert_eq!(path_of("http://127.0.0.1:8080"), "");
    }
}
