//! Adds `Strict-Transport-Security` (RFC 6797), after which browsers use only TLS for this host.

use std::time::Duration;

use futures_util::TryFutureExt as _;
use futures_util::future::Either;
use poem::http::header::STRICT_TRANSPORT_SECURITY;
use poem::http::uri::Scheme;
use poem::http::{HeaderMap, HeaderValue};
use poem::{Endpoint, Request, Response};

use crate::http::peer::TrustedProxies;
use crate::oauth::Origin;

/// The layer around all endpoints.
pub(in crate::http) struct Hsts<E> {
    inner: E,
    proxies: TrustedProxies,
    /// `None`: it is never sent.
    value: Option<HeaderValue>,
}

impl<E> Hsts<E> {
    /// Wraps `inner`. The header is sent only for an https issuer that is not on loopback, where other programs use
    /// plain HTTP.
    pub(in crate::http) fn new(
        inner: E,
        proxies: TrustedProxies,
        issuer: &str,
        age: Option<Duration>,
    ) -> Self {
        let is_public = Origin::of(issuer).is_some_and(|origin| origin.is_https() && !origin.is_loopback());
        let value = age.filter(|_| is_public);
        // Without `includeSubDomains`, because heirloom knows nothing of other hosts.
        let value = value.and_then(|age| HeaderValue::try_from(format!("max-age={}", age.as_secs())).ok());
        Self { inner, proxies, value }
    }

    /// RFC 6797 §7.2: the header MUST NOT be sent over plain HTTP. TLS is terminated here, or by a trusted proxy that
    /// says so. A trusted proxy that says nothing is assumed to serve the issuer's URL, which is https.
    fn is_secure(&self, request: &Request) -> bool {
        if *request.scheme() == Scheme::HTTPS {
            return true;
        }
        let from_proxy = self.proxies.is_one(request);
        from_proxy && forwarded(request.headers()).is_none_or(|proto| proto.eq_ignore_ascii_case("https"))
    }
}

/// The scheme of the request to the nearest proxy, as that proxy reports it.
fn forwarded(headers: &HeaderMap) -> Option<&str> {
    let last = headers.get_all("x-forwarded-proto").iter().next_back()?;
    last.to_str().unwrap_or_default().rsplit(',').next().map(str::trim)
}

impl<E: Endpoint<Output = Response>> Endpoint for Hsts<E> {
    type Output = Response;

    // Not an async fn: its future would hold the request a second time.
    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        let Some(value) = self.value.as_ref().filter(|_| self.is_secure(&request)) else {
            return Either::Left(self.inner.call(request));
        };
        let strict = |mut response: Response| {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, value.clone());
            response
        };
        Either::Right(self.inner.call(request).map_ok(strict))
    }
}

#[cfg(test)]
mod tests {
    use poem::web::{LocalAddr, RemoteAddr};
    use poem::{Addr, Body, RequestParts};

    use super::*;

    fn is_secure(scheme: Scheme, from: [u8; 4], proto: Option<&str>) -> bool {
        let mut request = poem::http::Request::new(());
        if let Some(proto) = proto {
            request.headers_mut().insert("x-forwarded-proto", proto.parse().unwrap());
        }
        let peer = RemoteAddr(Addr::SocketAddr((from, 1).into()));
        let parts = RequestParts::from((request.into_parts().0, LocalAddr::default(), peer, scheme));
        let hsts =
            Hsts::new((), "10.0.0.0/8".parse().unwrap(), "https://id.example.com", Some(Duration::ZERO));
        hsts.is_secure(&Request::from_parts(parts, Body::empty()))
    }

    #[test]
    fn tls_of_our_own_or_of_a_trusted_proxy_is_secure() {
        let (proxy, other) = ([10, 0, 0, 1], [192, 0, 2, 1]);
        assert!(is_secure(Scheme::HTTPS, other, None) && is_secure(Scheme::HTTPS, other, Some("http")));
        assert!(is_secure(Scheme::HTTP, proxy, Some("https")) && is_secure(Scheme::HTTP, proxy, None));
        assert!(
            !is_secure(Scheme::HTTP, proxy, Some("http")) && !is_secure(Scheme::HTTP, other, Some("https"))
        );
    }
}
