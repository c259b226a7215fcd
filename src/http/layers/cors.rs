//! Decides which web pages may read answers (the Fetch standard's CORS protocol).
//!
//! A browser asks before it sends (the preflight), when it is not known yet which client the request will be from. So
//! the preflight permits the origins of all clients. The answer itself can be read only by the pages of its client. If
//! the client is unknown (a malformed request, an expired access token), the answer is an error that contains nothing
//! personal, and the pages of all clients can read it. Public answers (`/.well-known/`, the specification) already
//! permit every origin; the pages of clients are named in them, so that they can request these with cookies as well.
//! heirloom's own pages permit nobody: they are for people, and whoever could read them could take codes.

use std::sync::Arc;

use futures_util::future::Either;
use futures_util::{FutureExt as _, TryFutureExt as _};
use poem::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode};
use poem::{Endpoint, Request, Response};

use crate::app::Clients;
use crate::client::{Delivery, Registration};
use crate::http::allowed_methods::AllowedMethods;
use crate::http::caller::Caller;
use crate::http::docs::SPECIFICATION;
use crate::http::pages::is_page;

/// The permissions of an origin's pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Permission {
    /// Whether they may read answers.
    read: bool,
    /// Whether they may send cookies.
    credentials: bool,
}

impl Permission {
    /// For answers that don't depend on cookies: pages that may read them may also send cookies.
    const fn with_credentials(self) -> Self {
        Self { credentials: self.read, ..self }
    }

    /// The permissions of `origin`'s pages, from all of `clients`.
    fn of<'a>(origin: &str, clients: impl Iterator<Item = &'a Registration>) -> Self {
        clients.filter(|client| client.metadata.origins.iter().any(|own| own.as_str() == origin)).fold(
            Self::default(),
            |permission, client| Self {
                read: true,
                credentials: permission.credentials
                    || client.metadata.refresh_token_delivery == Delivery::Cookie,
            },
        )
    }
}

/// Around all endpoints.
pub(in crate::http) struct Cors<E> {
    inner: E,
    clients: Arc<Clients>,
    methods: Arc<AllowedMethods>,
    /// The request headers that pages may send.
    sent: HeaderValue,
}

impl<E> Cors<E> {
    /// Wraps `inner`, whose paths accept `methods`. Pages may send the headers `more` besides the usual ones.
    pub(in crate::http) fn new(
        inner: E,
        clients: Arc<Clients>,
        methods: Arc<AllowedMethods>,
        more: &[String],
    ) -> Self {
        let sent = SENT.iter().copied().chain(more.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
        let sent =
            HeaderValue::try_from(sent).unwrap_or(HeaderValue::from_static("Authorization, Content-Type"));
        Self { inner, clients, methods, sent }
    }

    async fn preflight(&self, path: &str, origin: &HeaderValue) -> Response {
        let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
        let headers = response.headers_mut();
        let is_public = is_public(path);
        let permission = self.of_all(origin).await;
        if is_public {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            allow(headers, origin, permission.with_credentials());
        } else {
            allow(headers, origin, permission);
        }
        if (permission.read || is_public)
            && let Some(methods) = self.methods.allowed(path)
        {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.sent.clone());
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        response
    }

    async fn of_all(&self, origin: &HeaderValue) -> Permission {
        let origin = origin.to_str().unwrap_or_default();
        let declared = Permission::of(origin, self.clients.declared.every().map(AsRef::as_ref));
        if declared.credentials {
            return declared;
        }
        // If the store fails, nothing is permitted.
        let registered = self.clients.registered_from(origin).await.ok().flatten();
        Permission {
            read: declared.read || registered.is_some(),
            credentials: registered == Some(Delivery::Cookie),
        }
    }
}

/// The request headers that pages may send besides those that every page may: the ones that heirloom reads (`DPoP` and
/// `If-Match` are reserved), and ones that libraries add to every request and heirloom ignores: `X-Requested-With`
/// (Swagger UI and others), and the headers of W3C Trace Context and Baggage.
const SENT: [&str; 9] = [
    "Authorization",
    "Content-Type",
    "If-None-Match",
    "If-Match",
    "DPoP",
    "X-Requested-With",
    "traceparent",
    "tracestate",
    "baggage",
];
/// The response headers that pages may read besides those that every page may.
const READ: &str = "WWW-Authenticate, Retry-After, ETag, Location";

impl<E: Endpoint<Output = Response>> Endpoint for Cors<E> {
    type Output = Response;

    // Not an async fn: its future would hold the request a second time.
    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        let origin = request.headers().get(ORIGIN).filter(|_| !is_page(request.uri().path())).cloned();
        match origin {
            None => Either::Left(self.inner.call(request).map_ok(varying)),
            // Boxed, so that the larger future of a request from a page does not enlarge that of all other requests.
            Some(origin) => Either::Right(self.of_page(request, origin).map_ok(varying).boxed()),
        }
    }
}

impl<E: Endpoint<Output = Response>> Cors<E> {
    /// Answers a page of `origin`.
    async fn of_page(&self, mut request: Request, origin: HeaderValue) -> poem::Result<Response> {
        if request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Ok(self.preflight(request.uri().path(), &origin).await);
        }
        let caller = Caller::default();
        request.extensions_mut().insert(caller.clone());
        let mut response = self.inner.call(request).await?;
        let headers = response.headers_mut();
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            // Every page may read it, but a page that sends cookies only if its origin is named.
            allow(headers, &origin, self.of_all(&origin).await.with_credentials());
        } else {
            let permission = match caller.client() {
                Some(client) => {
                    Permission::of(origin.to_str().unwrap_or_default(), std::iter::once(client.as_ref()))
                }
                None => self.of_all(&origin).await,
            };
            allow(headers, &origin, permission);
        }
        Ok(response)
    }
}

/// Whether pages of every origin may read the answers at this path.
fn is_public(path: &str) -> bool {
    path.starts_with("/.well-known/") || path == SPECIFICATION
}

fn allow(headers: &mut HeaderMap, origin: &HeaderValue, permission: Permission) {
    if permission.read {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READ));
    }
    if permission.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// A cache must not give one origin an answer made for another.
fn varying(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    response
}
