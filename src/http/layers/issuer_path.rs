//! An issuer whose URL has a path, such as `https://example.com/auth`: every endpoint is there, below that path.
//!
//! The path is taken off the request before anything else sees it, and put before each `Location`, here and nowhere
//! else. What comes without it is not there, or a proxy's rule for `/auth/admin` would not hold for `/admin`: but for
//! `/health/`, which is asked about from inside, and the well-known forms that have the path at their end. Behind a proxy that
//! takes the path off itself it is the other way round: what still has it is not there.

use futures_util::TryFutureExt as _;
use futures_util::future::Either;
use poem::http::header::LOCATION;
use poem::http::uri::PathAndQuery;
use poem::http::{HeaderValue, Uri};
use poem::{Endpoint, Request, Response};

/// Around all endpoints.
pub(in crate::http) struct IssuerPath<E> {
    inner: E,
    /// As of [`path_of`].
    path: String,
    /// A proxy has taken it off.
    is_stripped: bool,
}

/// What no endpoint has.
const NOWHERE: &str = "/-";

/// The path of an issuer. It begins with a slash and does not end with one; empty for an issuer without a path.
pub(in crate::http) fn path_of(issuer: &str) -> String {
    issuer.parse::<Uri>().map(|uri| uri.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

impl<E> IssuerPath<E> {
    /// Around `inner`, for this issuer; whether a proxy takes its path off.
    pub(in crate::http) fn new(inner: E, issuer: &str, is_stripped: bool) -> Self {
        Self { inner, path: path_of(issuer), is_stripped }
    }

    /// The path in `asked` that the endpoints know; `None` if nothing is there.
    fn known<'a>(&self, asked: &'a str) -> Option<&'a str> {
        // RFC 8414 §3.1 puts the issuer's path behind the well-known one; §5 has OpenID Connect's there, too.
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

    /// Takes the path off.
    fn unwrap(&self, request: &mut Request) {
        let known = self.known(request.uri().path()).unwrap_or(NOWHERE);
        let known = match request.uri().query() {
            Some(query) => format!("{known}?{query}"),
            None => known.to_owned(),
        };
        // What stands in a URI is one as well, cut or not.
        if let Ok(known) = PathAndQuery::try_from(known) {
            *request.uri_mut() = Uri::from(known);
        }
    }

    /// Puts the path on.
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

    // Not async: it would keep the request a second time.
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
            // Nothing is there.
            ("/auth/id/oauth/token", "/auth/id/oauth/token"),
            ("/.well-known/openid-configuration/auth/id", "/.well-known/openid-configuration"),
        ] {
            assert_eq!(stripped.known(asked), Some(known), "{asked}");
        }
        assert_eq!(path_of("https://example.com"), "");
        assert_eq!(path_of("http://127.0.0.1:8080"), "");
    }
}
