//! One request and its answer.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Either, ready};
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::uri::Scheme;
use hyper::{Request, Response};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, IntoResponse, RequestParts};
use tokio::time::Instant;

use super::Shared;
use super::body::{BodyError, BodyMemory, BodyState, LimitedBody};
use super::head::REFUSED_METHOD;
use super::link::{Link, after};
use super::places::Place;
use super::refusal::{NOSNIFF, RequestRefusal};

type Answer = Response<BoxBody<Bytes, io::Error>>;

/// The requests of one connection.
pub(super) struct Exchange<E> {
    shared: Arc<Shared<E>>,
    link: Arc<Link>,
    peer: Addr,
    place: Arc<Place>,
    /// Whether one of its bodies is not counted now.
    uncounted: Arc<AtomicBool>,
    tls: bool,
}

impl<E: poem::Endpoint> Exchange<E> {
    pub(super) fn new(
        shared: Arc<Shared<E>>,
        link: Arc<Link>,
        (peer, place): (Addr, Place),
        tls: bool,
    ) -> Self {
        Self { shared, link, peer, place: Arc::new(place), uncounted: Arc::default(), tls }
    }

    /// Answers a request whose head the wire has checked.
    pub(super) async fn http1(&self, request: Request<Incoming>) -> Answer {
        if request.method().as_str() == REFUSED_METHOD {
            let code = request.uri().path().trim_start_matches('/').parse();
            let refusal = code.ok().and_then(RequestRefusal::from_code).unwrap_or(RequestRefusal::Malformed);
            return closing(self.refuse(refusal));
        }
        // The wire does not parse chunks, so it could not find the next request.
        let last = request.headers().contains_key(TRANSFER_ENCODING);
        let deadline = after(self.link.head_at(), self.shared.limits.body_read_timeout);
        let (answer, unread) = self.answer(request, deadline).await;
        let crowded = self.shared.crowded.load(Ordering::Relaxed);
        if last || unread || crowded || self.shared.is_draining() { closing(answer) } else { answer }
    }

    /// Answers a request whose head only h2 has seen.
    pub(super) async fn http2(&self, request: Request<Incoming>) -> Answer {
        if let Err(refusal) = self.check(&request) {
            return self.refuse(refusal);
        }
        let deadline = after(Instant::now(), self.shared.limits.body_read_timeout);
        self.answer(request, deadline).await.0
    }

    /// The checks that the wire does not do.
    fn check(&self, request: &Request<Incoming>) -> Result<(), RequestRefusal> {
        let headers = request.headers();
        let limits = &self.shared.limits;
        if headers.len() > limits.max_headers || size(headers) > limits.max_header_bytes {
            return Err(RequestRefusal::HeadersTooLarge);
        }
        if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
            return Err(RequestRefusal::AmbiguousLength);
        }
        // RFC 9113 §8.3.1: the authority, or a Host in its place.
        if request.uri().authority().is_none() && headers.get_all(HOST).iter().count() != 1 {
            return Err(RequestRefusal::Host);
        }
        Ok(())
    }

    /// Calls the endpoint. Also returns whether some of the body was left unread.
    async fn answer(&self, request: Request<Incoming>, deadline: Instant) -> (Answer, bool) {
        let _in_flight = self.link.begin();
        let (parts, body) = request.into_parts();
        let max = self.shared.limits.max_body_bytes;
        if body.size_hint().lower() > max {
            return (self.refuse(RequestRefusal::BodyTooLarge), true);
        }
        let scheme = if self.tls { Scheme::HTTPS } else { Scheme::HTTP };
        let local = LocalAddr(self.shared.local.clone());
        let remote = RemoteAddr(self.peer.clone());
        let parts = RequestParts::from((parts, local, remote, scheme));
        if body.is_end_stream() {
            let request = poem::Request::from_parts(parts, poem::Body::empty());
            return (self.call(request).await, false);
        }
        let memory = BodyMemory::new(&self.place, &self.uncounted, body.size_hint().lower());
        let body = LimitedBody::new(body, max, deadline, memory);
        let state = Arc::clone(&body.state);
        let request = poem::Request::from_parts(parts, poem::Body::from(BoxBody::new(body)));
        let answer = self.call(request).await;
        (self.judge(&state).unwrap_or(answer), !state.is_read())
    }

    /// The answer for a body that broke a limit, which replaces the endpoint's.
    fn judge(&self, state: &BodyState) -> Option<Answer> {
        match state.error() {
            Some(BodyError::TooLarge) => Some(self.refuse(RequestRefusal::BodyTooLarge)),
            Some(BodyError::TimedOut) => Some(self.refuse(RequestRefusal::BodyTimedOut)),
            Some(BodyError::NoRoom) => Some(self.refuse(RequestRefusal::NoRoom)),
            Some(BodyError::Broken) | None => None,
        }
    }

    /// A panic in the endpoint becomes an answer and does not end the connection.
    // Not an async fn: its future would hold the request a second time.
    fn call(&self, request: poem::Request) -> impl Future<Output = Answer> {
        // An endpoint may panic before it returns its future.
        let called = match catch_unwind(AssertUnwindSafe(|| self.shared.endpoint.call(request))) {
            Ok(called) => Either::Left(AssertUnwindSafe(called.map(answer_of)).catch_unwind()),
            Err(panic) => Either::Right(ready(Err(panic))),
        };
        called.map(|answer| {
            let mut answer = answer.unwrap_or_else(|_| self.refuse(RequestRefusal::Panicked));
            answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
            answer
        })
    }

    fn refuse(&self, refusal: RequestRefusal) -> Answer {
        let status = refusal.status().as_u16();
        if refusal == RequestRefusal::Panicked {
            tracing::error!(peer.address = %self.peer, http.status = status, "an endpoint panicked");
        } else if refusal == RequestRefusal::NoRoom && self.place.refuse_body() {
            tracing::warn!(
                peer.address = %self.peer,
                "refused a request: bodies take as much memory as body_memory permits, of all or of one address; more such \
                 refusals in the next minute are only counted"
            );
        } else {
            tracing::debug!(peer.address = %self.peer, http.status = status, http.refusal = ?refusal, "refused");
        }
        refusal.response()
    }
}

fn answer_of(called: poem::Result<impl IntoResponse>) -> Answer {
    match called {
        Ok(answer) => answer.into_response().into(),
        Err(error) => error.into_response().into(),
    }
}

fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// RFC 9113 §6.5.2: the bytes of names and values, plus 32 for each header.
fn size(headers: &HeaderMap) -> usize {
    headers.iter().fold(0, |sum, (name, value)| {
        sum.saturating_add(name.as_str().len()).saturating_add(value.len()).saturating_add(32)
    })
}
