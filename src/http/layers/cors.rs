//! Which web pages may read what is answered (the Fetch standard's CORS protocol).
//!
//! A browser asks before it sends (the preflight), when nobody knows yet which client it will be: it is told yes for
//! the origins of all clients. The answer itself can be read by the pages of its client only. Where the client is not
//! known (a malformed request, an access token that has expired) it is an error that says nothing of anybody, and the
//! pages of all clients can read it. What anybody may read (`/.well-known/`, the specification) is marked so already; to the
//! pages of clients it is given by name, so that they may ask for it with cookies as for everything else.

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

/// What the pages of an origin may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Permission {
    /// Read answers.
    read: bool,
    /// Send cookies with what they ask.
    credentials: bool,
}

impl Permission {
    /// For what is the same with and without cookies: whoever may read may send them.
    const fn with_credentials(self) -> Self {
        Self { credentials: self.read, ..self }
    }

    /// For the pages of `origin`, of all that `clients` permit.
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
    /// What pages may send.
    sent: HeaderValue,
}

impl<E> Cors<E> {
    /// Around `inner`, whose paths take `methods`. Pages may send `more` headers than the usual ones.
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
        // A store that can't tell permits nothing.
        let registered = self.clients.registered_from(origin).await.ok().flatten();
        Permission {
            read: declared.read || registered.is_some(),
            credentials: registered == Some(Delivery::Cookie),
        }
    }
}

/// What pages may send besides what every page may: what heirloom reads (`DPoP` and `If-Match` by name only, so far), and
/// what libraries add to every request, which heirloom passes over: `X-Requested-With` (Swagger UI and others), and the
/// headers of W3C Trace Context and Baggage.
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
/// What pages may read besides what every page may.
const READ: &str = "WWW-Authenticate, Retry-After, ETag, Location";

impl<E: Endpoint<Output = Response>> Endpoint for Cors<E> {
    type Output = Response;

    // Not async: it would keep the request a second time.
    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        match request.headers().get(ORIGIN).cloned() {
            None => Either::Left(self.inner.call(request).map_ok(varying)),
            // By itself, so that a request of no page need not carry the room for it.
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
            // Anybody may read it; a page that sends its cookies along, only if it is named.
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

/// Whether any page may read what is answered there.
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

/// A cache must not answer one origin with what was for another.
fn varying(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    response
}
